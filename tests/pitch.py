"""Words as pitches: sound that survives a lossy codec, so that even there no word can be lost,
doubled or made up without being seen.

    engine = pitch_engine()            hears pitches as words; says a text as their sound
    sound = pitches([3, 1, 4])         pcm_s16le at 16 kHz: 160 ms of pitch, 120 ms of nothing, each
    heard_in(sound)                    [3, 1, 4]
    talker = pitch_talker()            whole turns of them, and a voice: what an agent is made of
    engine = Combined(pitch_engine(), PitchVoice())     the same with a voice that tells its words

A word is told once its pitch has been steady for 80 ms and is over.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

import numpy as np

from ossicle.core.capabilities import PCM16K, Capabilities
from ossicle.core.commands import Speak
from ossicle.core.events import AudioOut, Event, SpeechStarted, Transcript
from ossicle.core.options import Options
from ossicle.core.ports import Sink
from ossicle.engines.compose import Combined
from ossicle.engines.generators import GeneratorEngine, Item, from_generator
from ossicle.engines.speaking import Piece, Rendering
from ossicle.engines.voice import VoiceStream, speaks

__all__ = [
    "RATE",
    "WORD_MS",
    "Listener",
    "PitchVoice",
    "heard_in",
    "pitch_engine",
    "pitch_talker",
    "pitches",
]

WORD_MS = 280
"""From one word to the next."""

RATE = 16_000
_FRAME = RATE // 50
_LOWEST, _STEP, _MOST = 400.0, 75.0, 40
_LOUD = 500.0
_WORD_FRAMES = 8
_TORN_FRAMES = 50
"""Pieces a second apart are none of one word."""


def pitches(numbers: list[int], *, on_ms: int = 160, off_ms: int = 120) -> bytes:
    """The sound of words, numbered 0-39."""
    parts = [np.zeros(RATE // 5)]
    for number in numbers:
        assert 0 <= number < _MOST
        count = RATE * on_ms // 1000
        time = np.arange(count) / RATE
        edge = np.minimum(1, np.minimum(np.arange(count), np.arange(count)[::-1]) / 160)
        parts.append(12_000 * edge * np.sin(2 * np.pi * (_LOWEST + _STEP * number) * time))
        parts.append(np.zeros(RATE * off_ms // 1000))
    parts.append(np.zeros(RATE // 5))
    return np.concatenate(parts).astype("<i2").tobytes()


class Listener:
    """Hears words, 20 ms at a time."""

    def __init__(self, *, mends: bool = False) -> None:
        """`mends`: two pieces of one pitch, together no longer than one word, are one: a browser
        without a processor to run on tears a tone in two. A word said twice is twice as long."""
        self._mends = mends
        self._last, self._length, self._since = -1, 0, 0
        """The word told last, its frames, and those since it was over."""
        self._held = b""
        self._now = -1
        self._steady = 0
        self._quiet = 0

    @property
    def hears(self) -> bool:
        """A pitch that is not over."""
        return self._now >= 0

    def hear(self, data: bytes) -> list[int]:
        """Words that are over by this."""
        self._held += data
        words: list[int] = []
        while len(self._held) >= _FRAME * 2:
            frame, self._held = self._held[: _FRAME * 2], self._held[_FRAME * 2 :]
            number = self._pitch(np.frombuffer(frame, "<i2").astype(float))
            self._since += 1
            if number >= 0 and number == self._now:
                self._steady += 1
                self._quiet = 0
            elif number >= 0 and self._steady < 3:
                self._now, self._steady, self._quiet = number, 1, 0
            elif number < 0:
                self._quiet += 1
                if self._quiet == 3:
                    if self._steady >= 4 and not self._torn():
                        words.append(self._now)
                    self._now, self._steady = -1, 0
        return words

    def _torn(self) -> bool:
        """The word that is over is the rest of the one before."""
        soon = self._since - self._steady - self._quiet < _TORN_FRAMES
        whole = self._length + self._steady
        if self._mends and self._now == self._last and soon and whole <= _WORD_FRAMES + 1:
            self._length, self._since = whole, 0
            return True
        self._last, self._length, self._since = self._now, self._steady, 0
        return False

    def _pitch(self, samples: np.ndarray) -> int:
        if np.sqrt(np.mean(samples**2)) < _LOUD:
            return -1
        spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), 4096))
        strongest = int(np.argmax(spectrum)) * RATE / 4096
        return min(_MOST - 1, max(0, round((strongest - _LOWEST) / _STEP)))


def heard_in(data: bytes, *, mends: bool = False) -> list[int]:
    """The words in a piece of sound; `mends` as in `Listener`."""
    return Listener(mends=mends).hear(data + bytes(RATE // 5 * 2))


def pitch_engine(chunk_ms: int = 200) -> GeneratorEngine:
    """Hears pitches as `p3 p1 p4`, each a turn of its own, and says `p3 p1 p4` as their sound."""

    async def recognize(
        audio: AsyncIterator[Item], options: Options
    ) -> AsyncGenerator[Event, None]:
        listener = Listener()
        said = at = 0
        async for item in audio:
            if isinstance(item, bytes):
                at += len(item)
                for number in listener.hear(item):
                    yield SpeechStarted(side="in", turn=0, at_ms=None)  # what interrupts an agent
                    end = PCM16K.ms(at)
                    yield Transcript(text=f"p{number}", end_ms=end, final=True, ends_turn=True)
            elif isinstance(item, Speak) and item.text:
                said += 1
                sound = pitches([int(word[1:]) for word in item.text.split()])
                step = RATE * chunk_ms // 1000 * 2
                for at in range(0, len(sound), step):
                    yield AudioOut(
                        utterance=f"u{said}", data=sound[at : at + step], start_ms=at // 32
                    )
                    await asyncio.sleep(0)

    able = Capabilities(name="pitch", hears=(PCM16K,), speaks=(PCM16K,))
    return from_generator(recognize, able)


def pitch_talker(silence_ms: int = 400) -> Combined:
    """Hears pitches as turns that end with silence, and says a text as their sound. What it hears
    came from a browser's microphone, so torn tones are mended."""

    async def recognize(
        audio: AsyncIterator[Item], options: Options
    ) -> AsyncGenerator[Event, None]:
        listener, words, quiet, at = Listener(mends=True), list[str](), 0, 0
        async for item in audio:
            if not isinstance(item, bytes):
                continue
            found = listener.hear(item)
            at += len(item)
            if found and not words:
                yield SpeechStarted(at_ms=max(0, PCM16K.ms(at) - 220))
            words += [f"p{number}" for number in found]
            quiet = 0 if found or listener.hears else quiet + len(item)
            text = " ".join(words)
            if words and quiet >= silence_ms * RATE // 500:
                words = []
                yield Transcript(text=text, final=True, ends_turn=True)
            elif found:
                yield Transcript(text=text, stable=len(text))

    able = Capabilities(name="pitch", hears=(PCM16K,))
    return Combined(from_generator(recognize, able), PitchVoice(edges=True))


class PitchVoice:
    """A voice as the real ones are: utterances in order, within credit, with words and times.
    With `edges`, silence stands before the first word and behind the last."""

    capabilities = Capabilities(
        name="pitches", hears=(), speaks=(PCM16K,), turns=False, interim_results=False,
        word_times=True,
    )  # fmt: skip

    def __init__(self, *, edges: bool = False) -> None:
        self._edge_ms = 200 if edges else 0

    async def open(self, options: Options, sink: Sink) -> VoiceStream:
        return VoiceStream("pitches", self, speaks(self.capabilities, options), options, sink)

    def begin(self, piece: Piece, rendering: Rendering) -> None:
        words = piece.text.split()
        for place, word in enumerate(words):
            at = self._edge_ms + place * WORD_MS
            rendering.word(word, at, at + (160 if self._edge_ms else WORD_MS))
        sound = pitches([int(word[1:]) for word in words])
        edge = 0 if self._edge_ms else RATE // 5 * 2
        rendering.sound(sound[edge : len(sound) - edge])
        rendering.done()

    def stop(self, rendering: Rendering) -> None:
        """A piece is made at once; there is nothing to stop."""
