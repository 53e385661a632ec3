"""Where the scripted engine's words come from: a script by audio time, or marked audio itself.

Both are pure: audio goes in, and what it completed comes out, the same for any cut of the audio.

**Marked audio** is pcm_s16le, 16 kHz, mono. A *run* is a longest row of equal samples. A run of
v > 0 that is at least 320 samples (20 ms) long is word number v, said as "w<v>", from its first
sample to its last. It is complete at the first sample that differs, or at `End`; until then it
is in no transcript, and `Finalize` does not cut it. So two words in a row need different numbers
or a frame of zeros between. Zeros are silence; 200 ms of them end a turn that has a word
(`TurnOptions.silence_ms` instead, when it is not its default). Everything else is noise: not a
word, and not silence. Words are not tied to a frame grid, so audio can be cut anywhere and a
second engine that hears the rest reports the same words with the same lengths.

    >>> [kind for kind, _ in MarkedWords(TurnOptions()).feed(bytes([7, 0]) * 320 + bytes(2))]
    ['started', 'word']
"""

from collections.abc import Iterator
from typing import Literal, Protocol, TypeAlias

import numpy as np

from ..core.events import Word
from ..core.options import TurnOptions

__all__ = [
    "MARKED_SILENCE_MS",
    "SAMPLES_PER_MS",
    "WORD_MS",
    "Found",
    "MarkedWords",
    "TimedWords",
    "WordSource",
]

WORD_MS = 300
"""Audio time of one scripted word."""
MARKED_SILENCE_MS = 200
"""Silence that ends a turn of marked audio, unless the session asks for another."""
SAMPLES_PER_MS = 16
_FRAME = 320
"""Samples a run needs to be a word: 20 ms."""

Found: TypeAlias = (
    tuple[Literal["started"], int] | tuple[Literal["word"], Word] | tuple[Literal["turn"], int]
)


class WordSource(Protocol):
    """Finds words in audio; what `scripted` says comes from one of these."""

    quiet_ms: int
    """No word begins or goes on before this time, beyond those already found."""

    def feed(self, data: bytes) -> Iterator[Found]: ...

    def finish(self) -> Iterator[Found]: ...

    def forget(self) -> None: ...


class TimedWords:
    """The script by audio time alone: word k sounds from k * 300 ms to (k + 1) * 300 ms."""

    def __init__(self, turns: tuple[tuple[str, ...], ...]) -> None:
        self._words = [
            (word, index == len(turn) - 1) for turn in turns for index, word in enumerate(turn)
        ]
        self._next = self._samples = 0
        self._started = False
        self.quiet_ms = 0

    def feed(self, data: bytes) -> Iterator[Found]:
        self._samples += len(data) // 2
        fed_ms = self._samples // SAMPLES_PER_MS
        while self._next < len(self._words):
            start = self._next * WORD_MS
            if not self._started and self._samples > start * SAMPLES_PER_MS:
                self._started = True
                yield ("started", start)
            if fed_ms < start + WORD_MS:
                return
            word, last = self._words[self._next]
            self._next += 1
            self._started = False
            self.quiet_ms = start + WORD_MS
            yield ("word", Word(word, start, start + WORD_MS))
            if last:
                yield ("turn", start + WORD_MS)
        self.quiet_ms = fed_ms

    def finish(self) -> Iterator[Found]:
        return iter(())

    def forget(self) -> None:
        fed_ms = self._samples // SAMPLES_PER_MS
        if self._next < len(self._words) and fed_ms > self._next * WORD_MS:
            self._next += 1
            self._started = False


class MarkedWords:
    """Words that runs of equal samples name; see the module's text for the encoding."""

    def __init__(self, turns: TurnOptions) -> None:
        given = turns.silence_ms
        silence = MARKED_SILENCE_MS if given == TurnOptions().silence_ms else given
        self._silence = max(1, silence) * SAMPLES_PER_MS
        self._value, self._start, self._samples = 0, 0, 0
        self._said = self._turn = self._dropped = False
        """Of the run that goes on: announced; turn closed by it; not wanted."""
        self.quiet_ms = 0

    def feed(self, data: bytes) -> Iterator[Found]:
        samples = np.frombuffer(data, "<i2")
        # Runs by their edges: one comparison over the piece, whatever it holds.
        edges = np.flatnonzero(samples[1:] != samples[:-1]) + 1
        base = self._samples
        for first, last in zip([0, *edges.tolist()], [*edges.tolist(), len(samples)], strict=True):
            value = int(samples[first])
            if value != self._value:
                yield from self._over(base + first)
                self._value, self._start = value, base + first
                self._said = self._turn = self._dropped = False
            self._samples = base + last
            yield from self._grown()

    def finish(self) -> Iterator[Found]:
        yield from self._over(self._samples)
        self._value, self._start = 0, self._samples

    def forget(self) -> None:
        self._dropped = self._value > 0

    def _grown(self) -> Iterator[Found]:
        """The run that goes on reached `_samples`."""
        length = self._samples - self._start
        if self._value == 0:
            self.quiet_ms = self._samples // SAMPLES_PER_MS
            if length >= self._silence and not self._turn:
                self._turn = True
                yield ("turn", self._start // SAMPLES_PER_MS)
        elif self._value > 0 and length >= _FRAME and not (self._said or self._dropped):
            self._said = True
            yield ("started", self._start // SAMPLES_PER_MS)

    def _over(self, end: int) -> Iterator[Found]:
        """The run that went on is complete at `end`."""
        if self._value > 0 and end - self._start >= _FRAME and not self._dropped:
            word = Word(f"w{self._value}", self._start // SAMPLES_PER_MS, end // SAMPLES_PER_MS)
            self.quiet_ms = word.end_ms
            yield ("word", word)
