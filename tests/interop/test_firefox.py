"""Firefox: a human voice through its own microphone, and a session that outlives its connection.

What Chromium is asked for in test_playground and test_ossicle_js is not asked again: only what a
browser itself does, capture, worklets, WebSockets and modules.
"""

import asyncio
import base64
import os
from pathlib import Path

import pytest

from firefox import firefox
from harness import Proxy, gateway_with, missing, words_of
from ossicle.engines.open import open_engine
from ossicle.testing.marked import marked_audio
from page import module, said
from soundcard import soundcard

pytestmark = [pytest.mark.interop, pytest.mark.timeout(90)]

STARTS = (
    "Promise.race([new AudioContext().resume().then(() => true),"
    " new Promise(resolve => setTimeout(resolve, 1000))])"
)


async def test_a_human_voice_and_a_connection_that_is_cut(tmp_path: Path) -> None:
    clip = Path(os.environ.get("OSSICLE_CLIPS", ""), "go-forward.wav")
    if not clip.is_file():
        missing("go-forward.wav is needed in the folder that OSSICLE_CLIPS names")
    words = [number if number % 5 else 0 for number in range(1, 41)]
    async with (
        soundcard(tmp_path) as card,
        gateway_with(tmp_path, open_engine("pocketsphinx:1")) as listening,
        gateway_with(tmp_path / "marked", session={"resume_window_s": 20}) as marked,
        Proxy(marked.doors["http"].port) as proxy,
        firefox(tmp_path, **card.variables) as browser,
    ):
        await listening.ready()
        page = await browser.open(listening.url + "/")
        await page.run("document.querySelector('#talk').click()")
        await page.until("/16 kHz/.test(document.querySelector('#granted').innerText)")
        await card.say(clip)
        await page.until("document.querySelectorAll('#finals .w').length >= 3")
        heard = await page.run(
            "[...document.querySelectorAll('#finals .w')].map(w => w.textContent)"
        )
        # What the browser does against noise is not the same each time, so a word may differ.
        assert len({"go", "forward", "ten", "meters"} & {word.lower() for word in heard}) >= 3
        await page.run("document.querySelector('#talk').click()")
        await page.until("document.querySelector('#status').innerText.startsWith('Done')")

        other = await browser.open(proxy.url + "/")
        sound = base64.b64encode(marked_audio(words)).decode()
        talking = asyncio.create_task(other.run(module(f"""
          const sound = Uint8Array.from(atob('{sound}'), (c) => c.charCodeAt(0));
          const stream = await js.connect({{reconnect: {{first_s: 0.02, most_s: 0.1}}}});
          const speak = async () => {{
            for (let at = 0; at < sound.length; at += 1000) {{
              await stream.send(sound.subarray(at, at + 1000));
              await new Promise((resolve) => setTimeout(resolve, 4));
            }}
            await stream.end();
          }};
          const [events] = await Promise.all([read(stream), speak()]);
          return {{events, reconnects: stream.reconnects, moves: stream.moves}};
        """)))  # fmt: skip
        while not any(each.taken_bytes for each in marked.house.sessions.values()):
            assert not talking.done()
            await asyncio.sleep(0.01)
        for _ in range(2):
            await asyncio.sleep(0.1)
            proxy.cut()
        told = await talking
    assert words_of(told["events"]) == said(words)
    assert (told["reconnects"] >= 1, told["moves"]) == (True, 0)


async def test_no_loudspeaker(tmp_path: Path) -> None:
    """Firefox starts no sound then, and says nothing: we do."""
    async with (
        gateway_with(tmp_path) as gateway,
        firefox(tmp_path, fake=True, PULSE_SERVER="unix:/nowhere") as browser,
    ):
        page = await browser.open(gateway.url + "/")
        if await page.run(STARTS):
            pytest.skip("this machine has a loudspeaker that needs no PulseAudio")
        await page.run("document.querySelector('#talk').click()")
        alert = "document.querySelector('#alert:not([hidden])')"
        assert await page.until(f"{alert}?.dataset.code") == "microphone_missing"
        assert "connect a loudspeaker" in await page.run(f"{alert}.innerText")
