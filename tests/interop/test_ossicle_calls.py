"""`ossicle.js` over WebRTC in a real browser: words in, the voice heard and checked, barge-in, a cut.

The microphone is a file of pitches (tests/pitch.py), which survive Opus. What the page hears is
recorded there, by a tap on what `stream.voice` brings, and read back as pitches.
"""

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chromium import Page, chromium
from harness import gateway_with, until
from ossicle.engines.agent import Agent
from ossicle.engines.responders.parrot import Parrot
from ossicle.transports.webrtc.settings import WebRtcSettings
from page import module, recording
from pitch import heard_in, pitch_engine, pitches
from webrtc_page import FLAGS

pytest.importorskip("aiortc")
pytestmark = [pytest.mark.interop, pytest.mark.timeout(90)]

WORDS = [3, 14, 15, 9, 26, 5, 35, 8]
SAID = [f"p{number}" for number in WORDS]
REPLY = [30, 2, 21, 11, 7]
SPEAK = " ".join(f"p{number}" for number in REPLY)


async def test_words_in_and_voice_out(tmp_path: Path) -> None:
    wav = recording(tmp_path / "m.wav", pitches(WORDS), 48_000)
    async with (
        gateway_with(tmp_path, pitch_engine()) as gateway,
        chromium(tmp_path, *FLAGS, microphone=wav) as browser,
    ):
        page = await browser.open(gateway.url + "/healthz")
        told = await page.run(module("""
          const stream = await js.connect({transport: 'webrtc'});
          window.stream = stream;
          const mic = await js.microphone(stream, {echoCancellation: false,
            noiseSuppression: false, autoGainControl: false});
          const player = new js.Player(stream);
          window.events = [];
          window.done = (async () => {
            for await (const e of stream) { player.take(e); window.events.push(e); }
          })();
          window.mic = mic;
        """))
        words = "window.events.filter(e => e.type === 'transcript' && e.final && e.side !== 'out').map(e => e.text)"
        await page.until(f"{words}.length >= 8")
        assert await page.run(words) == SAID
        print(await page.run("window.stream.stats()"))
        await page.run(f"window.stream.speak('{SPEAK}')")
        await asyncio.sleep(2)
        print(await page.run("window.stream.stats()"))
        await page.run("window.mic.stop().then(() => window.stream.end()).then(() => window.done)")
        print(await page.run("window.events.at(-1)"))
        await until(lambda: not gateway.webrtc.calls.calls)
        print(page.complaints)
