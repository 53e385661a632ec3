"""From the microphone of a browser to the engine, and from the engine to the ear, by correlation.

    took = await latency(folder, seconds=10)      took.inwards, took.outwards: ms for each chirp

The microphone plays chirps, no two alike, and the engine says them at the pace of speech, both at
the same time. Each is looked for where it was captured, where the engine got it, where the engine
handed it over and where the page plays it. The page stamps what it captures and plays with the
clock of the browser's audio (`MediaStreamTrackProcessor`), which is brought to the wall clock.
"""

import asyncio
import base64
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ossicle.core.capabilities import PCM16K, Capabilities
from ossicle.core.commands import Command, End, Speak
from ossicle.core.events import AudioOut, Ended
from ossicle.core.options import Options
from ossicle.core.ports import Sink

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from chromium import chromium
from harness import gateway_with, until
from page import recording
from webrtc_page import CALLS, FLAGS, call

__all__ = ["Taken", "chirps", "delays", "latency"]

Samples = NDArray[np.float64]
RATE = 16_000
_ON, _OFF = RATE * 120 // 1000, RATE * 130 // 1000
_LEAD = RATE
_NEAR = RATE * 400 // 1000
"""How far from where all of them are one chirp may be."""
_PIECE = RATE // 50

TAP = """window.taps = {};
window.tap = async (name, track) => {
  const all = window.taps[name] = [];
  const reader = new MediaStreamTrackProcessor({track}).readable.getReader();
  for (;;) {
    const {value, done} = await reader.read();
    if (done) return;
    const sound = new Float32Array(value.numberOfFrames);
    value.copyTo(sound, {planeIndex: 0, format: "f32-planar"});
    all.push([value.timestamp / 1000, performance.timeOrigin + performance.now(),
              value.sampleRate, sound]);
    value.close();
  }
};
window.tapped = (name) => window.taps[name].map(([at, told, rate, sound]) => [at, told, rate,
  btoa(String.fromCharCode(...new Uint8Array(
    Int16Array.from(sound, (x) => Math.max(-1, Math.min(1, x)) * 32767).buffer)))]);
"""


@dataclass
class Taken:
    """Milliseconds of each chirp that was found at both ends."""

    inwards: list[float] = field(default_factory=list)
    outwards: list[float] = field(default_factory=list)
    said: int = 0


@dataclass
class Heard:
    """Sound at 16 kHz, and when each piece of it was there."""

    pieces: list[tuple[float, Samples]] = field(default_factory=list)
    """Seconds of the epoch. All of a piece is there at once, unless it is `live`."""
    live: bool = False
    """The first sample of a piece is there at its time, and the others follow."""

    def add(self, at: float, sound: Samples) -> None:
        """More of it."""
        self.pieces.append((at, sound))

    @property
    def sound(self) -> Samples:
        """All of it."""
        return np.concatenate([piece for _, piece in self.pieces])

    def when(self, place: int) -> float:
        """When a sample was there."""
        for at, piece in self.pieces:
            if place < len(piece):
                return at + place / RATE if self.live else at
            place -= len(piece)
        raise IndexError(place)


def chirps(count: int, seed: int = 1) -> Samples:
    """A second of silence, then chirps of 120 ms each quarter of a second."""
    chance = np.random.default_rng(seed)
    at = np.arange(_ON) / RATE
    edge = np.minimum(1, np.minimum(np.arange(_ON), np.arange(_ON)[::-1]) / 160)
    parts = [np.zeros(_LEAD)]
    for _ in range(count):
        low, high = chance.uniform(400, 3_000, 2)
        phase = 2 * np.pi * (low * at + (high - low) * at**2 / (2 * _ON / RATE))
        parts += [12_000 * edge * np.sin(phase), np.zeros(_OFF)]
    return np.concatenate(parts)


def places(source: Samples, sound: Samples, count: int) -> dict[int, int]:
    """Where the middle of each chirp of the source is in a sound, by number."""
    size = 1 << (len(source) + len(sound)).bit_length()
    together = np.fft.irfft(np.fft.rfft(sound, size) * np.conj(np.fft.rfft(source, size)), size)
    shift = int(np.argmax(np.abs(together)))
    shift = shift - size if shift > size // 2 else shift
    found: dict[int, int] = {}
    for number in range(count):
        begin = _LEAD + number * (_ON + _OFF)
        chirp = source[begin : begin + _ON]
        low = max(0, begin + shift - _NEAR)
        around = sound[low : begin + shift + _ON + _NEAR]
        if len(around) < _ON:
            continue
        match = np.abs(np.correlate(around, chirp, "valid"))
        best = int(np.argmax(match))
        power = np.linalg.norm(around[best : best + _ON]) * np.linalg.norm(chirp)
        if power and match[best] > 0.5 * power:
            found[number] = low + best + _ON // 2
    return found


def delays(source: Samples, before: Heard, after: Heard, count: int) -> list[float]:
    """Milliseconds from one end to the other, of every chirp that is at both."""
    first, second = (places(source, each.sound, count) for each in (before, after))
    return [
        1000 * (after.when(second[number]) - before.when(first[number]))
        for number in sorted(first.keys() & second.keys())
    ]


class ChirpEngine:
    """Keeps what it hears, and says chirps when it is asked to speak."""

    capabilities = Capabilities(name="chirps", hears=(PCM16K,), speaks=(PCM16K,))

    def __init__(self, voice: Samples) -> None:
        self.voice = voice
        self.heard, self.said = Heard(), Heard()
        self.speaking: asyncio.Task[None] | None = None

    async def open(self, options: Options, sink: Sink) -> "_Chirping":
        """Once."""
        return _Chirping(self, sink)

    async def speak(self, sink: Sink) -> None:
        """At the pace of speech, so that nothing waits for its turn."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        for number, place in enumerate(range(0, len(self.voice) - _PIECE, _PIECE)):
            await asyncio.sleep(max(0.0, begun + number / 50 - loop.time()))
            piece = self.voice[place : place + _PIECE]
            self.said.add(time.time(), piece)
            sink.tell(AudioOut("u1", piece.astype("<i2").tobytes(), start_ms=number * 20))


class _Chirping:
    def __init__(self, engine: ChirpEngine, sink: Sink) -> None:
        self._engine, self._sink = engine, sink

    def audio(self, data: bytes) -> None:
        self._engine.heard.add(time.time(), np.frombuffer(data, "<i2").astype(float))

    def ask(self, command: Command) -> None:
        match command:
            case Speak():
                self._engine.speaking = asyncio.create_task(self._engine.speak(self._sink))
            case End():
                self._sink.tell(Ended(reason="done"))
            case _:
                pass

    def credit(self, until_ms: int) -> None: ...

    def abort(self) -> None:
        if self._engine.speaking is not None:
            self._engine.speaking.cancel()


def _tapped(pieces: list[tuple[float, float, int, str]]) -> Heard:
    """What a page tapped. Its stamps and the wall clock differ by a constant, which is the least
    that ever lay between a stamp and the moment its piece was handed to the page."""
    heard = Heard(live=True)
    apart = min(told - at for at, told, _, _ in pieces)
    for at, _, rate, text in pieces:
        sound = np.frombuffer(base64.b64decode(text), "<i2").astype(float)
        count = len(sound) * RATE // rate
        heard.add((at + apart) / 1000, np.interp(np.arange(count) * rate / RATE,
                                                 np.arange(len(sound)), sound))  # fmt: skip
    return heard


async def latency(folder: Path, *, seconds: float) -> Taken:
    """A call of one browser to a gateway in this process."""
    count = int(seconds * RATE / (_ON + _OFF))
    spoken, voice = chirps(count, 1), chirps(count, 2)
    wav = recording(folder / "chirps.wav", spoken.astype("<i2").tobytes(), 48_000)
    engine = ChirpEngine(voice)
    async with (
        gateway_with(folder, engine) as gateway,
        chromium(folder, *FLAGS, microphone=wav) as browser,
    ):
        page = await browser.open(gateway.url + "/healthz", script=CALLS + TAP)
        await page.run(call())
        await page.run("tap('mic', calls[0].mic.getAudioTracks()[0]);"
                       "tap('ear', calls[0].pc.getReceivers()[0].track); 1")  # fmt: skip
        await page.until("connected(0)")
        await page.until("calls[0].channel.readyState === 'open'")
        await page.run("""calls[0].channel.send('{"type": "speak", "text": "chirps"}')""")
        await until(lambda: engine.speaking is not None)
        assert engine.speaking is not None
        await engine.speaking
        await asyncio.sleep(0.5)  # what is on its way
        mic, ear = (
            _tapped(await page.run("tapped('mic')")),
            _tapped(await page.run("tapped('ear')")),
        )
    return Taken(
        delays(spoken, mic, engine.heard, count), delays(voice, engine.said, ear, count), count
    )
