"""`ossicle.js` and the playground over WebRTC in a real browser: words in, an answer out and
interrupted, a network that is cut, and a gateway without the extra.

The microphone is a file of pitches (tests/pitch.py), which survive Opus. What the browser is given
to play is recorded beside that and read back as pitches. One browser for all.
"""

import asyncio
import base64
import importlib.util
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from chromium import Browser, Page, chromium
from harness import gateway_with, until
from ossicle.engines.agent import Agent
from ossicle.engines.compose import Combined
from ossicle.engines.responders import Piece, Question
from ossicle.transports.webrtc.settings import WebRtcSettings
from page import in_nobodys_way, module, recording
from pitch import WORD_MS, PitchVoice, heard_in, pitch_engine, pitches
from webrtc_page import FLAGS

pytest.importorskip("aiortc")
pytestmark = [
    pytest.mark.interop,
    pytest.mark.timeout(90),
    pytest.mark.asyncio(loop_scope="module"),
]

FIRST, SECOND = 3, 14
"""The microphone says one word, and another one into the answer to the first."""
LATER = [15, 9, 26, 5, 35, 8]
LONG = [30, 2, 21, 11, 7, 19, 33, 1, 12, 25, 4, 16]
SHORT = [6, 23]

TAP = """
window.heard = [];
const Peer = window.RTCPeerConnection;
window.RTCPeerConnection = class extends Peer {
  constructor(...how) {
    super(...how);
    (window.peers ??= []).push(this);
    this.addEventListener("track", async ({track}) => {
      const frames = new MediaStreamTrackProcessor({track}).readable;
      for await (const frame of frames) {
        const samples = new Float32Array(frame.numberOfFrames);
        frame.copyTo(samples, {planeIndex: 0, format: "f32-planar"});
        const step = frame.sampleRate / 16000;
        for (let at = 0; at < samples.length; at += step) window.heard.push(samples[at]);
        frame.close();
      }
    });
  }
};
for (const name of ['echo', 'noise', 'gain']) {
  addEventListener("DOMContentLoaded", () => {
    const box = document.getElementById(name);
    if (box) box.checked = false;
  });
}
"""
"""Every third sample of 48 kHz: the gateway sends nothing that this would fold."""

RECORDED = """(() => {
  const bytes = new Uint8Array(Int16Array.from(window.heard, (x) => 32767 * x).buffer);
  let text = '';
  for (let at = 0; at < bytes.length; at += 8192) {
    text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  }
  return btoa(text);
})()"""


class Talker:
    """Answers at length, and to the second word in short."""

    name = "talker"

    async def respond(self, question: Question) -> AsyncGenerator[Piece, None]:
        for number in LONG if question.said == f"p{FIRST}" else SHORT:
            yield f"p{number} "


def agent() -> Agent:
    return Agent(Combined(pitch_engine(), PitchVoice()), Talker())


def silence(ms: int) -> bytes:
    return bytes(16 * ms * 2)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Browser]:
    folder = tmp_path_factory.mktemp("browser")
    said = silence(400) + pitches([FIRST]) + silence(1_300) + pitches([SECOND]) + silence(1_500)
    wav = recording(folder / "m.wav", said + pitches(LATER * 3), 48_000)
    async with chromium(folder, *FLAGS, microphone=wav) as running:
        yield running


async def sound(page: Page) -> bytes:
    """What the page was given to play, 16 kHz."""
    return base64.b64decode(await page.run(RECORDED))


async def hears(page: Page, words: list[int]) -> list[int]:
    """The page hears these words, at last; all that it heard so far."""
    found: list[int] = []
    async with asyncio.timeout(8):
        while found[-len(words) :] != words:
            await asyncio.sleep(0.1)
            found = heard_in(await sound(page))
    return found


TALK = """
  const raw = {echoCancellation: false, noiseSuppression: false, autoGainControl: false};
  const stream = await js.connect({transport: 'webrtc', parameters: {language: 'en-US'},
    reconnect: {first_s: 0.02, most_s: 0.1},
    onstate: ({state}) => (window.states ??= []).push(state)});
  const player = new js.Player(stream, {bargeIn: false});
  Object.assign(window, {stream, player, events: [], mic: await js.microphone(stream, raw)});
  window.reading = (async () => {
    for await (const event of stream) { player.take(event); window.events.push(event); }
  })();
  window.words = () => window.events.filter((e) => e.type === 'transcript' && e.final
    && e.side !== 'out').map((e) => e.text);
"""


async def test_words_in_a_voice_out_and_a_cable_pulled(tmp_path: Path, browser: Browser) -> None:
    """The stream of `connect`, on a call: the same events, and the session outlives its call."""
    engine = Combined(pitch_engine(), PitchVoice())
    settings = WebRtcSettings(consent_s=30)
    async with gateway_with(
        tmp_path, engine, webrtc=settings, session={"resume_window_s": 20}
    ) as gateway:
        page = await browser.open(gateway.url + "/healthz", script=TAP)
        await page.run(module(TALK))
        refused = await page.run(module("return failed(window.stream.send(new ArrayBuffer(8)))"))
        assert "microphone" in refused["text"]
        said = " ".join(f"p{number}" for number in SHORT)
        await page.run(f"window.stream.speak('{said}')")
        await page.until("window.player.playing")
        assert await hears(page, SHORT) == SHORT
        await page.until("!window.player.playing")
        await page.until("window.words().length >= 1")
        stats = await page.run("window.stream.stats()")
        assert (stats["transport"], stats["path"]) == ("webrtc", "host")
        assert stats["round_trip_ms"] < 1_000
        assert stats["in"]["packets"] > 30
        assert 40 <= stats["in"]["buffer_ms"] <= 200
        assert stats["in"]["bitrate"] == 24_000  # what the gateway asked the encoder for
        assert stats["out"]["packets"] > 20
        assert stats["ledger"]["setup_ms"] > 0

        (first,) = gateway.webrtc.calls.calls
        for port in first.link.sockets:  # a cable is pulled: nothing comes, nothing leaves
            port.datagram_received = lambda data, addr: None
            port.transport.sendto = lambda data, addr: None
        await page.until("window.states.at(-1) === 'waiting'", 8)
        await page.until("window.stream.reconnects === 1 && window.stream.connected")
        (session,) = gateway.house.sessions.values()
        before = len(await page.run("window.words()"))
        await page.until(f"window.words().length > {before}")
        told = await page.run("window.words()")
        spoken = [f"p{number}" for number in (FIRST, SECOND, *LATER * 3)]
        rest = iter(spoken)  # some were said to nobody; none came twice
        assert all(word in rest for word in told), told
        lost = await page.run("window.events.find((e) => e.code === 'audio_lost').text")
        assert "was not heard" in lost
        assert await page.run("window.stream.session") == session.id
        await page.run("window.stream.speak('p12')")
        assert await hears(page, [12]) == [*SHORT, 12]  # over the new track

        await page.run("window.mic.stop().then(() => window.stream.end())")
        await page.run("window.reading")
        ended = await page.run("window.events.at(-1)")
        assert (ended["type"], ended["reason"]) == ("ended", "done")
        await until(lambda: not gateway.webrtc.calls.calls, what="both calls are over")
        assert await page.run("window.peers.map((peer) => peer.connectionState)") == ["closed"] * 2


async def test_the_page_talks_with_an_agent(tmp_path: Path, browser: Browser) -> None:
    """Chosen with the keyboard, answered aloud, interrupted, and told how much was heard."""
    async with gateway_with(tmp_path, agent()) as gateway:
        page = await browser.open(gateway.url + "/", script=TAP)
        await page.until("document.querySelector('#purpose-note').innerText.includes('talker')")
        # An agent that was configured is there to be talked with.
        assert await page.run("document.querySelector('[value=talk]').checked")
        # The other wire, quickly, so that there is something to compare with.
        await page.choose("#file", recording(tmp_path / "talk.wav", pitches([FIRST]), 16_000))
        await page.until(
            "document.querySelector('#status').innerText.startsWith('Answering') || "
            "document.querySelector('.said')"
        )
        await page.click("#talk")  # enough of that answer
        await page.until("document.querySelector('#status').innerText.startsWith('Done')")
        await page.click("#clear")

        await page.run("document.querySelector('[value=websocket]').focus()")
        await page.key("ArrowRight")
        assert await page.run("document.querySelector('[value=webrtc]').checked")
        await page.click("#talk")
        await page.until("document.querySelector('#status').innerText.startsWith('Answering')")
        assert await page.run("document.querySelector('#wire-choice').disabled")
        await page.until("document.querySelectorAll('.said').length === 2")
        await page.until("document.querySelector('.said small').innerText")
        shown = await page.run(
            "[...document.querySelectorAll('.said')].map((line) => [...line.querySelectorAll("
            "'span span')].map((word) => [word.innerText, word.className]))"
        )
        assert [word for word, _ in shown[1]] == [f"p{number}" for number in SHORT]
        whole = [word for word, kind in shown[0] if kind != "unheard"]
        note = await page.run("document.querySelector('.said small').innerText")
        assert note.startswith("Interrupted: ")
        assert note.endswith(f"of {len(LONG) * WORD_MS / 1000:.1f} s were heard")
        heard_ms = float(note.split()[1]) * 1000
        assert abs(len(whole) * WORD_MS - heard_ms) <= WORD_MS

        heard = await hears(page, SHORT)
        cut = len(heard) - len(SHORT)
        assert heard == [*LONG[:cut], *SHORT]  # and nothing of the rest
        assert 2 <= cut <= 8
        assert abs(cut - len(whole)) <= 1  # a word may be cut in the middle

        await page.until("document.querySelector('#network table')")
        network = (await page.text("#network")).split("\n")
        assert network[0].startswith("WebRTC, directly. Round trip")
        rows = {row.split("\t")[0]: row.split("\t")[1:] for row in network if "\t" in row}
        assert all(int(each) > 20 for each in rows["Packets"])
        assert rows["Lost"] == ["0", "0"]
        assert 40 <= int(rows["Jitter buffer"][0].split()[0]) <= 200
        await page.click("#talk")
        await page.until("document.querySelector('#status').innerText.startsWith('Done')")
        ledger = await page.text("#ledger")
        assert "WebSocket\tWebRTC" in ledger
        assert await page.run("document.querySelectorAll('#ledger .bar').length") == 2
        await in_nobodys_way(page, "a conversation that is over")
        assert not page.complaints

        await page.go(gateway.url + "/")
        assert await page.run("document.querySelector('[value=webrtc]').checked")


async def test_a_gateway_without_the_extra(
    tmp_path: Path, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page offers what there is, and who asks all the same is told what to install."""
    real = importlib.util.find_spec

    def find_spec(name: str, package: str | None = None) -> Any:
        return None if name == "aiortc" else real(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", find_spec)
    async with gateway_with(tmp_path, Combined(pitch_engine(), PitchVoice())) as gateway:
        page = await browser.open(gateway.url + "/", script="localStorage['ossicle.wire']='webrtc'")
        await page.until("document.querySelector('[value=webrtc]').disabled")
        assert await page.run("document.querySelector('[value=websocket]').checked")
        assert "pip install 'ossicle[webrtc]'" in await page.text("#wire-note")
        error = await page.run(module("return failed(js.connect({transport: 'webrtc'}))"))
        assert (error["code"], error["retryable"]) == ("missing_extra", False)
        assert "pip install" in error["text"]
        assert not gateway.house.sessions
