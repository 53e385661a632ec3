"""From speech probabilities to turns: when speech began, paused, and ended.

A pure state machine: no audio, no clock, no model. Places are samples since the stream began, so
that nothing is rounded; the caller pushes one probability per frame.

        p >= threshold, twice            silence_ms below, max_ms, cut()
    quiet ─────────────▶ speaking ─────────────────────────────▶ quiet
                          │   ▲
            eager silence ▼   │ p >= threshold
                        paused (provisional end told)

Hysteresis: a frame starts or continues speech at `threshold` and counts as silence only 0.15
below it; in between nothing changes (the distance silero's authors use).

    >>> turns = Endpointer(TurnOptions(silence_ms=100), frame_samples=512)
    >>> [turns.push(p) for p in (0.1, 0.9)]
    [(), ()]
    >>> turns.push(0.9)
    (Started(at=512, since=0),)
"""

from typing import Final, Literal, TypeAlias

import msgspec

from ..core.options import TurnOptions

__all__ = ["PRE_ROLL_MS", "Decision", "Endpointer", "Paused", "Resumed", "Started", "Stopped"]

PRE_ROLL_MS: Final = 300
"""Audio before the first speech frame that belongs to the turn: soft consonants start below the
threshold."""

_START_FRAMES: Final = 2
"""Frames of speech in a row that start a turn: one click is one frame."""

_HYSTERESIS: Final = 0.15


class Started(msgspec.Struct, frozen=True):
    """Somebody speaks."""

    at: int
    """First sample of the first speech frame."""
    since: int
    """First sample that belongs to the turn, pre-roll included."""


class Paused(msgspec.Struct, frozen=True):
    """Probably the end; `Resumed` takes it back."""

    at: int


class Resumed(msgspec.Struct, frozen=True):
    """Not the end after all."""

    at: int


class Stopped(msgspec.Struct, frozen=True):
    """The turn is over."""

    at: int
    """Where speech ended, not where that became certain."""
    reason: Literal["silence", "limit"]


Decision: TypeAlias = Started | Paused | Resumed | Stopped


class Endpointer:
    """The turns of one channel."""

    def __init__(
        self, turns: TurnOptions, *, frame_samples: int, sample_rate: int = 16_000
    ) -> None:
        self._frame = frame_samples
        self._rate = sample_rate
        self._pre_roll = PRE_ROLL_MS * sample_rate // 1000
        self.position = 0
        """Samples judged so far."""
        self._floor = 0  # what came before belongs to an earlier turn
        self._run_from: int | None = None  # where the present run of speech frames began
        self._started: int | None = None  # where the turn's speech began
        self._quiet: int | None = None  # where the silence inside a turn began
        self._paused = False
        self.retune(turns)

    def retune(self, turns: TurnOptions) -> None:
        """Other options from here on."""
        self._turns = turns
        self._low = max(turns.threshold - _HYSTERESIS, 0.01)
        self._silence = turns.silence_ms * self._rate // 1000
        self._longest = turns.max_ms * self._rate // 1000
        self._eager = None if turns.eager is None else int(self._silence * turns.eager)

    @property
    def speaking(self) -> bool:
        """A turn is open."""
        return self._started is not None

    @property
    def silent_since(self) -> int | None:
        """Where the silence in an open turn began; None = speech, or no turn."""
        return self._quiet

    @property
    def needed(self) -> int:
        """The first sample a turn that starts later could still want."""
        begin = self.position if self._run_from is None else self._run_from
        return max(self._floor, begin - self._pre_roll)

    def push(self, probability: float) -> tuple[Decision, ...]:
        """Judge the next frame."""
        begin = self.position
        self.position += self._frame
        if self._started is None:
            return self._while_quiet(probability, begin)
        return self._while_speaking(probability, begin)

    def skip(self, samples: int) -> None:
        """Move on over samples that nobody judged (less than a frame, before a cut)."""
        self.position += samples

    def cut(self) -> tuple[Started | None, int] | None:
        """Close the turn because somebody asked. Speech that was about to be believed counts.

        Returns None when there was none; else the start, if it had not been told, and where
        speech ended.
        """
        start: Started | None = None
        if self._started is None:
            if self._run_from is None:
                return None
            start = self._start(self._run_from)
        ended = self.position if self._quiet is None else self._quiet
        self._reset()
        return start, ended

    def forget(self) -> None:
        """Drop the open turn and everything heard so far."""
        self._reset()

    def _while_quiet(self, probability: float, begin: int) -> tuple[Decision, ...]:
        if probability >= self._turns.threshold:
            if self._run_from is None:
                self._run_from = begin
            if self.position - self._run_from >= _START_FRAMES * self._frame:
                return (self._start(self._run_from),)
        elif probability < self._low:
            self._run_from = None
        return ()

    def _while_speaking(self, probability: float, begin: int) -> tuple[Decision, ...]:
        told: tuple[Decision, ...] = ()
        if probability >= self._turns.threshold:
            self._quiet = None
            if self._paused:
                self._paused = False
                told = (Resumed(begin),)
        elif probability < self._low and self._quiet is None:
            self._quiet = begin
        if self._quiet is not None and self._turns.detect:
            silence = self.position - self._quiet
            if silence >= self._silence:
                return self._stop("silence")
            if self._eager is not None and silence >= self._eager and not self._paused:
                self._paused = True
                told = (Paused(self._quiet),)
        if self._longest and self.position - (self._started or 0) >= self._longest:
            talking = self._quiet is None
            told += self._stop("limit")
            # The speaker did not stop, so the next turn begins where this one was cut.
            return (*told, self._start(self.position)) if talking else told
        return told

    def _start(self, at: int) -> Started:
        self._started, self._run_from, self._quiet, self._paused = at, None, None, False
        return Started(at, max(self._floor, at - self._pre_roll))

    def _stop(self, reason: Literal["silence", "limit"]) -> tuple[Stopped]:
        at = self.position if self._quiet is None else self._quiet
        self._reset()
        return (Stopped(at, reason),)

    def _reset(self) -> None:
        self._started = self._run_from = self._quiet = None
        self._paused = False
        self._floor = self.position
