"""One stream's ear: audio in, speech events out. Synchronous, no sockets, no processes.

Silence is judged frame by frame and costs no decoding; a turn is decoded from 0.3 s before its
first speech frame until the end-pointer, `Finalize` or `End` closes it. A long turn is frozen in
segments, so that neither the decoder's tables nor the session's replay journal grow.
"""

from collections.abc import Callable
from typing import Final, TypeAlias

from ...audio.endpoint import Endpointer, Paused, Resumed, Started, Stopped
from ...audio.vad import SAMPLE_RATE, Vad
from ...core.commands import Cancel, End, Finalize
from ...core.errors import Fault
from ...core.events import (
    Ended,
    Notice,
    SpeechEnded,
    SpeechStarted,
    Transcript,
    TurnReason,
    Usage,
    Word,
)
from ...core.options import Options, RecognitionOptions
from .decoder import Decoder, Heard
from .framing import Settled

__all__ = ["Listener", "Told"]

Told: TypeAlias = SpeechStarted | Transcript | SpeechEnded | Notice | Ended | Settled

_PARTIAL_EVERY: Final = SAMPLE_RATE // 20
"""Reading the best words costs microseconds; in whole frames this is 64 ms."""
_SETTLE_EVERY: Final = SAMPLE_RATE
_SEGMENT: Final = 10 * SAMPLE_RATE
"""A turn this long is frozen at its next short pause; the replay journal holds 15 s."""
_SEGMENT_LONGEST: Final = 14 * SAMPLE_RATE
"""And here at the latest, pause or not."""
_SEGMENT_PAUSE: Final = SAMPLE_RATE // 5


class Listener:
    """Hears one stream. `tell` is called in order, from inside `audio` and `ask`."""

    def __init__(
        self, options: Options, decoder: Decoder, vad: Vad, tell: Callable[[Told], None]
    ) -> None:
        self._decoder = decoder
        self._vad = vad
        self._tell = tell
        self._options = options.recognition
        self._frame_bytes = vad.frame_samples * 2
        self._turns = Endpointer(
            options.recognition.turns,
            frame_samples=vad.frame_samples,
            sample_rate=SAMPLE_RATE,
        )
        self._pending = bytearray()  # less than one frame, not judged yet
        self._kept = bytearray()  # judged but not decoded: the pre-roll
        self._kept_from = 0
        self._begun: int | None = None  # where the utterance being decoded began
        self._shown: tuple[str, ...] = ()
        self._next_partial = 0
        self._settled = 0
        self.ended = False
        """`Ended` was told."""
        self._apply_hints(options)

    @property
    def position(self) -> int:
        """Samples dealt with."""
        return self._turns.position

    def configure(self, options: Options) -> None:
        """Other options from here on; hints from the next utterance on."""
        before, self._options = self._options, options.recognition
        self._turns.retune(options.recognition.turns)
        if (before.hints, before.only_hints) != (
            options.recognition.hints,
            options.recognition.only_hints,
        ):
            if self._begun is not None:
                self._freeze()
            self._apply_hints(options)

    def audio(self, data: bytes) -> None:
        """More sound."""
        if self.ended:
            return
        pending, size = self._pending, self._frame_bytes
        pending += data
        at = 0
        while len(pending) - at >= size:
            self._frame(bytes(memoryview(pending)[at : at + size]))
            at += size
        del pending[:at]

    def ask(self, command: Finalize | Cancel | End) -> None:
        """A command at its place in the audio."""
        if self.ended:
            return
        match command:
            case Finalize():
                self._close("asked", command.ref, answer=True)
            case Cancel(side="in"):
                self._cancel(command.ref)
            case Cancel():
                pass  # it has no voice, so there is nothing to stop
            case End():
                self._close("end", command.ref, answer=False)
                self._end(Ended(ref=command.ref, usage=Usage(audio_ms=_ms(self.position))))

    def _frame(self, frame: bytes) -> None:
        decisions = self._turns.push(self._vad.probability(frame))
        self._kept += frame
        if self._begun is not None:
            self._decoder.feed(frame)
        for decision in decisions:
            match decision:
                case Started():
                    self._start(decision)
                case Stopped():
                    self._stop(decision.at, decision.reason, "")
                case Paused():
                    self._tell(SpeechEnded(at_ms=_ms(decision.at), provisional=True))
                case Resumed():
                    self._tell(SpeechStarted(at_ms=_ms(decision.at)))
        if self._begun is None:
            self._rest()
        else:
            self._progress()

    def _start(self, started: Started) -> None:
        self._drop_until(started.since)
        self._tell(SpeechStarted(at_ms=_ms(started.at)))
        self._begin()

    def _begin(self) -> None:
        """Decode from `_kept_from` on."""
        self._begun = self._kept_from
        self._shown = ()
        self._next_partial = self.position
        self._decoder.begin()
        if self._kept:
            self._decoder.feed(bytes(self._kept))

    def _progress(self) -> None:
        """In a turn: show what is heard, and freeze what is long."""
        begun = self._begun or 0
        if self._options.interim_results and self.position >= self._next_partial:
            self._next_partial = self.position + _PARTIAL_EVERY
            self._show(self._decoder.words())
        self._drop_until(self.position)
        length = self.position - begun
        silence = self._turns.silent_since
        paused = silence is not None and self.position - silence >= _SEGMENT_PAUSE
        if length >= _SEGMENT_LONGEST or (length >= _SEGMENT and paused):
            self._freeze()

    def _rest(self) -> None:
        """Between turns: keep the pre-roll only, and say that the rest may be forgotten."""
        needed = self._turns.needed
        self._drop_until(needed)
        if needed - self._settled >= _SETTLE_EVERY:
            self._settled = needed
            self._tell(Settled(_ms(needed)))

    def _show(self, heard: list[Heard]) -> None:
        texts = tuple(word.text for word in heard)
        if texts and texts != self._shown:
            self._shown = texts
            self._tell(self._transcript(heard, self.position, final=False, ends_turn=False))

    def _freeze(self) -> None:
        """End the segment but not the turn."""
        heard = self._decoder.finish()
        if heard:
            self._tell(self._transcript(heard, self.position, final=True, ends_turn=False))
        self._begin()

    def _stop(self, at: int, reason: TurnReason, ref: str) -> None:
        """The turn is over."""
        self._tell(SpeechEnded(at_ms=_ms(at), reason=reason, ref=ref))
        begun = self._begun
        heard = self._decoder.finish()
        self._begun = None
        self._tell(
            self._transcript(
                heard, max(at, begun or 0), final=True, ends_turn=True, ref=ref, begun=begun
            )
        )
        # The final's own end is where speech ended; a replay must not hear its last syllable again.
        self._settled = self.position
        self._tell(Settled(_ms(self.position)))

    def _close(self, reason: TurnReason, ref: str, *, answer: bool) -> None:
        """Close what is open because a command says so. `answer`: a final is due in any case."""
        rest, self._pending = bytes(self._pending), bytearray()
        self._turns.skip(len(rest) // 2)
        self._kept += rest
        if self._begun is not None and rest:
            self._decoder.feed(rest)
        cut = self._turns.cut()
        if cut is not None:
            start, at = cut
            if start is not None:
                self._start(start)
            self._stop(at, reason, ref)
        elif answer:
            now = _ms(self.position)
            self._tell(Transcript(start_ms=now, end_ms=now, final=True, ends_turn=True, ref=ref))

    def _cancel(self, ref: str) -> None:
        rest, self._pending = len(self._pending) // 2, bytearray()
        self._turns.skip(rest)
        open_turn = self._begun is not None
        self._turns.forget()
        if open_turn:
            self._decoder.finish()
            self._begun = None
        self._kept.clear()
        self._kept_from = self.position
        if open_turn:
            now = _ms(self.position)
            self._tell(SpeechEnded(at_ms=now, reason="cancelled", ref=ref))
            self._tell(Transcript(start_ms=now, end_ms=now, final=True, ends_turn=True, ref=ref))
        self._settled = self.position
        self._tell(Settled(_ms(self.position)))

    def _end(self, ended: Ended) -> None:
        self.ended = True
        self._tell(ended)

    def _transcript(
        self,
        heard: list[Heard],
        until: int,
        *,
        final: bool,
        ends_turn: bool,
        ref: str = "",
        begun: int | None = None,
    ) -> Transcript:
        base = (self._begun if begun is None else begun) or 0
        words = tuple(
            Word(word.text, _ms(base + word.start), _ms(base + word.end)) for word in heard
        )
        return Transcript(
            text=" ".join(word.text for word in heard),
            start_ms=words[0].start_ms if words else _ms(base),
            end_ms=max(_ms(until), words[-1].end_ms if words else 0),
            final=final,
            ends_turn=ends_turn,
            words=words if self._options.word_times else None,
            language="en-US",
            ref=ref,
        )

    def _drop_until(self, sample: int) -> None:
        gone = sample - self._kept_from
        if gone > 0:
            del self._kept[: gone * 2]
            self._kept_from = sample

    def _apply_hints(self, options: Options) -> None:
        asked: RecognitionOptions = options.recognition
        if not asked.only_hints:
            self._decoder.restrict(())
            if asked.hints:
                self._tell(
                    Notice(
                        level="warning",
                        code="hints_unused",
                        text=f"{len(asked.hints)} hints are not used: pocketsphinx can only hear "
                        "hints and nothing else (only_hints)",
                    )
                )
            return
        try:
            unknown = self._decoder.restrict(tuple(hint.text for hint in asked.hints))
        except ValueError:
            self._end(
                Ended(
                    reason="refused",
                    error=Fault(
                        "bad_option",
                        f"only_hints: none of the {len(asked.hints)} hints is made of words in "
                        "the dictionary; write numbers and abbreviations as spoken words",
                        "client",
                    ),
                )
            )
            return
        if not asked.hints:
            self._tell(
                Notice(
                    level="warning",
                    code="hints_unused",
                    text="only_hints without hints: everything is heard",
                )
            )
        if unknown:
            shown = ", ".join(repr(phrase) for phrase in unknown[:10])
            self._tell(
                Notice(
                    level="warning",
                    code="hints_unknown",
                    text=f"{len(unknown)} of {len(asked.hints)} hints hold words that are not in "
                    f"the dictionary and are left out: {shown}",
                )
            )


def _ms(samples: int) -> int:
    return samples * 1000 // SAMPLE_RATE
