"""In a browser: from a word in the microphone to that word on the page; what `ossicle.js` costs.

Chromium's fake microphone plays marked sound, which says which word it holds and where it ends, so
the engine adds nothing and each word is measured; a second run plays human speech to pocketsphinx.
"""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import wave
from pathlib import Path
from typing import Any

import uvloop

from ossicle.testing.marked import marked_audio

from .machine import gateway, percentile
from .progress import Progress
from .results import Section, Verdict, Written, spread

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from chromium import Browser, chromium
from page import recording

__all__ = ["measure"]

TARGET_MS = 150.0
TARGET_CPU = 5.0
RESAMPLER = Path(__file__).resolve().parent.parent / "src/ossicle/web/ossicle/resample.js"

LISTEN = """(async () => {
  const { connect, microphone } = await import('/ossicle.js');
  const { Felt } = await import('/playground/ledger.js');
  const stream = await connect();
  const felt = new Felt();
  let captured = 0, spoken = null, first = null;
  const mic = await microphone(stream, {
    ...RAW,
    onlevel: ({ peak }) => {
      felt.captured((captured += 40), performance.now());
      if (peak > LOUD) spoken ??= performance.now() - 40;
    },
  });
  const took = [];
  setTimeout(() => mic.stop().then(() => stream.end()), SECONDS * 1000);
  const shown = document.querySelector('#partial');
  for await (const event of stream) {
    if (event.type !== 'transcript' || !event.text) continue;
    shown.textContent = event.text;
    if (first === null && spoken !== null) first = performance.now() - spoken;
    const before = felt.count;
    felt.shown(event.end_ms, performance.now());
    if (felt.last !== null && felt.count > before) took.push(felt.last);
  }
  return { took, first };
})()"""

IDLE = """(async () => {
  const code = "registerProcessor('none', class extends AudioWorkletProcessor {"
    + " process() { return true; } });";
  const media = await navigator.mediaDevices.getUserMedia({ audio: true });
  const context = new AudioContext();
  const text = new Blob([code], {type: 'text/javascript'});
  await context.audioWorklet.addModule(URL.createObjectURL(text));
  const node = new AudioWorkletNode(context, 'none', { numberOfOutputs: 0 });
  context.createMediaStreamSource(media).connect(node);
  await new Promise((resolve) => setTimeout(resolve, SECONDS * 1000));
  media.getTracks().forEach((track) => track.stop());
  await context.close();
})()"""
"""The same microphone into an audio thread that does nothing."""

SEND = """(async () => {
  const { connect, microphone } = await import('/ossicle.js');
  const stream = await connect();
  const mic = await microphone(stream);
  await new Promise((resolve) => setTimeout(resolve, SECONDS * 1000));
  await mic.stop();
  await stream.end();
  for await (const event of stream) void event;
})()"""

NODE = """
const { Resampler, toInt16 } = await import(process.argv[1]);
const answer = {};
for (const rate of [44100, 48000]) {
  const resampler = new Resampler(rate, 16000);
  const block = Float32Array.from({ length: 128 }, () => Math.random() - 0.5);
  const seconds = 60;
  const run = () => {
    for (let n = 0; n < seconds * rate; n += 128) toInt16(resampler.push(block));
  };
  run();
  const before = process.cpuUsage();
  run();
  const used = process.cpuUsage(before);
  answer[rate] = (used.user + used.system) / 1000 / seconds;
}
console.log(JSON.stringify(answer));
"""


async def _cpu(browser: Browser) -> float:
    """Seconds of processor time of all pages so far."""
    told = await browser.ask("SystemInfo.getProcessInfo")
    return sum(each["cpuTime"] for each in told["processInfo"] if each["type"] == "renderer")


async def _words(url: str, folder: Path, wav: Path, seconds: float, raw: bool) -> dict[str, Any]:
    cleaning = ("echoCancellation", "noiseSuppression", "autoGainControl")
    how = dict.fromkeys(cleaning, False) if raw else {}
    async with chromium(folder, microphone=wav) as browser:
        page = await browser.open(url + "/")
        script = LISTEN.replace("RAW", json.dumps(how)).replace("SECONDS", str(seconds))
        return await page.run(script.replace("LOUD", "0" if raw else "0.05"))


async def _cost(url: str, folder: Path, seconds: float) -> tuple[float, float]:
    """Processor time per second of sound, in ms: idle microphone, and `ossicle.js` on top."""
    used: list[float] = []
    async with chromium(folder) as browser:
        for script in (IDLE, SEND):
            # Not the playground: its own policy keeps a worklet made of a string out.
            page = await browser.open(url + "/v1/about")
            await page.run(script.replace("SECONDS", "1"))
            before = await _cpu(browser)
            await page.run(script.replace("SECONDS", str(seconds)))
            used.append((await _cpu(browser) - before) * 1000 / seconds)
    return used[0], used[1]


def _resampling() -> dict[str, float]:
    """Processor time of the resampler alone, ms per second of sound, by rate."""
    node = shutil.which("node")
    if node is None:
        raise RuntimeError("Node is needed: apt-get install nodejs")
    done = subprocess.run(
        [node, "--input-type=module", "-e", NODE, str(RESAMPLER)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return json.loads(done.stdout)


def measure(progress: Progress, *, quick: bool) -> Section:
    count = 12 if quick else 60
    table = Written(("engine", "words", "word to page: median, ms", "95 of 100 within", "worst"))
    firsts = Written(("engine", "first sound of speech to the first guess on the page, ms"))
    figures: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        progress.step("marked sound")
        words = [
            10 * (1 + place % 40) if place % 5 else 0 for place in range(1, count * 5 // 4 + 1)
        ]
        sound = marked_audio(words, lead=50, pause=30, gap=3)
        wav = recording(folder / "marked.wav", sound)
        with gateway("scripted:heard") as server:
            told = uvloop.run(
                _words(server.url, folder / "a", wav, len(sound) / 32_000 + 1.5, raw=True)
            )
            figures["marked sound"] = told["took"]
            firsts.rows.append(("marked sound", f"{told['first']:.0f}"))
            progress.step("processor time")
            idle, full = uvloop.run(_cost(server.url, folder / "c", 5 if quick else 20))
        clip = Path(os.environ.get("OSSICLE_CLIPS", "")) / "go-forward.wav"
        if clip.is_file():
            progress.step("human speech")
            with wave.open(str(clip)) as file:
                seconds = file.getnframes() / file.getframerate()
            with gateway("pocketsphinx:1") as server:
                told = asyncio.run(_words(server.url, folder / "b", clip, seconds + 2, raw=False))
            figures["pocketsphinx"] = told["took"]
            if told["first"] is not None:
                firsts.rows.append(("pocketsphinx", f"{told['first']:.0f}"))
    progress.step("resampling")
    resampling = _resampling()
    for engine, took in figures.items():
        held = sorted(took)
        table.rows.append((engine, str(len(held)), spread(held).text(0),
                           f"{percentile(held, 0.95):.0f}", f"{held[-1]:.0f}"))  # fmt: skip
    cost = Written(("what", "processor time per second of sound, ms"))
    cost.rows.append(("a microphone into an audio thread that does nothing", f"{idle:.1f}"))
    cost.rows.append(("the same with ossicle.js, sending", f"{full:.1f}"))
    for rate, ms in resampling.items():
        cost.rows.append((f"resampling from {rate} Hz, alone", f"{ms:.2f}"))
    took = figures["marked sound"]
    extra = (full - idle) / 10
    return Section(
        name="browser",
        title="In a browser",
        text="Headless Chromium on this machine, its fake microphone, the module as it is served. "
        "From the moment a word's last sample left the browser's microphone to its text in the "
        "page. In it: pieces of 40 ms, the resampler's 2.5 ms, the gateway, the engine, the page. "
        "Not in it: what the device and the browser take before, some 10 to 30 ms. A word of "
        "marked sound is complete with the first sample after it, so the engine adds nothing; the "
        "worst of pocketsphinx is a word that it heard only when the turn was over.",
        tables=[table, firsts, cost],
        verdicts=[
            Verdict("word to page, marked sound", f"{spread(took).median:.0f} ms",
                    f"at most {TARGET_MS:g} ms", spread(took).median <= TARGET_MS),
            Verdict("ossicle.js on top of the microphone", f"{extra:.2f} % of a core",
                    f"at most {TARGET_CPU:g} %", extra <= TARGET_CPU),
        ],
        figures={**figures, "idle_ms": [idle], "sending_ms": [full]},
    )  # fmt: skip
