"""A real browser's MediaRecorder, taken apart and decoded as its chunks arrive.

The recording is made by headless Chromium, driven over its DevTools protocol: an oscillator at
440 Hz for two seconds, a chunk every 250 ms, as a web page would send them.
"""

import asyncio
import base64
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from websockets.asyncio.client import connect

from ossicle.audio.codecs import AudioCodecs
from ossicle.core.formats import AudioFormat

pytestmark = pytest.mark.interop

RECORD = """
(async () => {
  const context = new AudioContext({sampleRate: 48000});
  await context.resume();
  const tone = new OscillatorNode(context, {frequency: 440});
  const out = context.createMediaStreamDestination();
  tone.connect(new GainNode(context, {gain: 0.4})).connect(out);
  tone.start();
  const recorder = new MediaRecorder(out.stream, {mimeType: TYPE});
  const chunks = [];
  const done = new Promise(resolve => recorder.onstop = resolve);
  recorder.ondataavailable = event => chunks.push(event.data);
  recorder.start(250);
  await new Promise(resolve => setTimeout(resolve, 2000));
  recorder.stop();
  await done;
  const texts = [];
  for (const chunk of chunks) {
    const bytes = new Uint8Array(await chunk.arrayBuffer());
    texts.push(btoa(String.fromCharCode(...bytes)));
  }
  return JSON.stringify(texts);
})()
"""


@pytest.fixture
def chromium():
    path = next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
    )
    if not path:
        if os.environ.get("CI") == "true":
            pytest.fail("Chromium is not installed: apt-get install chromium")
        pytest.skip("Chromium is not installed: apt-get install chromium")
    return path


async def record(chromium: str, folder: Path, mime: str) -> list[bytes]:
    browser = await asyncio.create_subprocess_exec(
        chromium, "--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0",
        "--autoplay-policy=no-user-gesture-required", f"--user-data-dir={folder}", "about:blank",
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    drain = None
    try:
        address = ""
        while not address:
            line = (await asyncio.wait_for(browser.stderr.readline(), 30)).decode()
            assert line, "Chromium ended before it listened"
            if "DevTools listening on " in line:
                address = line.split("DevTools listening on ")[1].strip()
        drain = asyncio.create_task(browser.stderr.read())
        async with connect(address, max_size=None) as socket:
            numbers = iter(range(1, 1000))

            async def ask(method, session=None, **params):
                number = next(numbers)
                message = {"id": number, "method": method, "params": params}
                await socket.send(json.dumps(message | ({"sessionId": session} if session else {})))
                async for text in socket:
                    answer = json.loads(text)
                    if answer.get("id") == number:
                        assert "error" not in answer, answer
                        return answer["result"]
                raise AssertionError("Chromium closed its socket")

            page = await ask("Target.createTarget", url="about:blank")
            joined = await ask("Target.attachToTarget", targetId=page["targetId"], flatten=True)
            result = await ask(
                "Runtime.evaluate", joined["sessionId"],
                expression=RECORD.replace("TYPE", json.dumps(mime)),
                awaitPromise=True, userGesture=True,
            )  # fmt: skip
            assert "exceptionDetails" not in result, result
            texts = json.loads(result["result"]["value"])
        return [base64.b64decode(text) for text in texts]
    finally:
        browser.terminate()
        await browser.wait()
        if drain is not None:
            await drain


@pytest.mark.parametrize(
    ("mime", "encoding"),
    [("audio/webm;codecs=opus", "opus"), ("audio/webm;codecs=pcm", "pcm_f32le")],
)
async def test_a_recording_from_a_browser(chromium, tmp_path, mime, encoding):
    chunks = await record(chromium, tmp_path, mime)
    assert len(chunks) >= 6
    codecs = AudioCodecs()
    demuxer = codecs.demuxer(AudioFormat("webm"))
    converter, out, sizes = None, b"", []
    for chunk in chunks:
        items = demuxer.feed(chunk)
        if converter is None and demuxer.format is not None:
            converter = codecs.converter(demuxer.format, AudioFormat())
        part = b"".join(map(converter.convert, items))
        sizes.append(len(part) // 32)
        out += part
    out += b"".join(map(converter.convert, demuxer.finish())) + converter.flush()

    assert demuxer.format.encoding == encoding
    assert converter.damaged == 0
    # Every chunk but a first of headers alone gives its sound at once.
    assert sum(size > 100 for size in sizes) >= len(sizes) - 2
    assert 1500 < len(out) // 32 < 2600
    heard = np.frombuffer(out, "<i2")[3200:].astype(float)
    spectrum = np.abs(np.fft.rfft(heard * np.hanning(len(heard))))
    assert abs(spectrum.argmax() * 16_000 / len(heard) - 440) < 2
    assert np.sqrt((heard**2).mean()) > 1000
