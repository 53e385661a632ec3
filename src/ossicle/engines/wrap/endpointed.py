"""Turns that end by judgement: an engine's short pauses, held open until a judge is sure enough.

    engine = Endpointed(PocketsphinxEngine())        # honours turns.confidence and turns.eager

The inner engine is asked to end its turns at a short silence (250 ms). Each such end begins a
*pause*: the words are shown as a partial, the turn stays open, and every 50 ms of further silence
a `TurnEnd` is asked how likely it is that the speaker has finished.

    speaking ──inner turn ends──▶ pause ──confidence ≥ turns.eager──▶ SpeechEnded(provisional)
       ▲                            │ confidence ≥ turns.confidence and silence ≥ turns.least_ms,
       │                            │ or silence_ms: the turn ends
       └────speech again────────────┘ the words of the pause are frozen as a segment of the turn

A `SpeechStarted` of the same turn takes a provisional end back. `Finalize`, `End` and `max_ms` end
a turn as they always do. Each word is told in exactly one final.

Time is audio fed, never a clock. An engine that works elsewhere hears later than it is fed; it
shows how far it is by the credit it grants (its first grant is made before any audio, so what
later grants add is what it has heard), and a pause is as long as what it has *heard*. So the same
audio gives the same turns at any speed.

One wrapper is made for each session; it says once, in a Notice, how the end of turn is judged.
"""

from math import inf
from typing import Any, Final

import msgspec

from ...core.capabilities import PCM16K, Capabilities
from ...core.commands import Cancel, Command, Configure
from ...core.events import Ended, Event, Notice, SpeechEnded, SpeechStarted, Transcript, TurnReason
from ...core.formats import AudioFormat
from ...core.options import Options, TurnOptions, merged
from ...core.ports import Engine, Sink, Stream
from ..lifecycle import aclose, is_warm, start
from ..turnend import GrammarTurnEnd, Pause, TurnEnd

__all__ = ["PAUSE_MS", "Endpointed"]

PAUSE_MS: Final = 250
"""Silence after which the inner engine is to end its turn. Shorter would cut at stop consonants
and between words; no pause can be judged before it."""

_STEP_MS: Final = 50
"""A pause is judged each time it has grown by this much."""
_RETELL_MS: Final = 250
"""How often the growing confidence of a pause is told with its words."""
_HELD_MS: Final = 10_000
"""Words are frozen when the pause is this far from their beginning: a session keeps 15 s of audio
to hear again if an engine breaks, and what is not frozen must be in it."""
_TAIL: Final = 400
"""Characters of a turn that the judge is shown: its last sentence, whatever the turn's length."""

_JUDGED = ("silence_ms", "confidence", "least_ms", "eager")


class Endpointed:
    """An engine around another one. It starts and closes what it holds."""

    def __init__(self, engine: Engine, judge: TurnEnd | None = None) -> None:
        self._engine = engine
        self._judge: TurnEnd = judge or GrammarTurnEnd()
        self._said = False
        inner = engine.capabilities
        self.capabilities: Capabilities = msgspec.structs.replace(
            inner,
            channels=1,
            turns=True,
            eager=True,
            live_changes=inner.live_changes | {f"recognition.turns.{name}" for name in _JUDGED},
        )

    @property
    def warm(self) -> bool:
        return is_warm(self._engine)

    async def start(self) -> None:
        await start(self._engine)

    async def aclose(self) -> None:
        await aclose(self._engine)

    async def open(self, options: Options, sink: Sink) -> "_EndpointedStream":
        turns = options.recognition.turns
        if not self._said and (turns.confidence is not None or turns.eager is not None):
            self._said = True
            sink.tell(Notice(level="info", code="turn_end_rules", text=self._how(turns)))
        whole_turns = self._engine.capabilities.turns
        stream = _EndpointedStream(sink, options, self._judge, every_final=not whole_turns)
        stream.inner = await self._engine.open(inner_options(options), _Ear(stream))
        return stream

    def _how(self, turns: TurnOptions) -> str:
        ends = "" if turns.confidence is None else f"at confidence {turns.confidence:g}"
        if ends and turns.least_ms:
            ends += f" and {turns.least_ms} ms of silence"
        ends += ends and ", or "
        return (
            f"the end of turn is judged by {self._judge.basis}. Turns end {ends}after "
            f"{turns.silence_ms} ms of silence"
        )


def inner_options(options: Options) -> Options:
    """What the inner engine is asked for: short pauses, and no judgement of its own."""
    turns = options.recognition.turns
    turns = msgspec.structs.replace(
        turns,
        silence_ms=min(turns.silence_ms, PAUSE_MS),
        eager=None,
        confidence=None,
        least_ms=0,
    )
    recognition = msgspec.structs.replace(options.recognition, turns=turns)
    return msgspec.structs.replace(options, recognition=recognition)


class _EndpointedStream:
    """The turn, between the session above and the inner engine below."""

    inner: Stream

    def __init__(self, sink: Sink, options: Options, judge: TurnEnd, *, every_final: bool) -> None:
        self._sink, self._judge = sink, judge
        self._every_final = every_final
        """The inner engine does not end turns: each final of it is followed by a pause."""
        self._options = options
        self._turns = options.recognition.turns
        self._format: AudioFormat = options.hears or PCM16K
        self._dead = False
        self._fed = 0
        """Bytes."""
        self._grants_from: int | None = None
        """What a grant of credit is more than what was heard; None = it never granted any."""
        self._granted = 0
        self._due: float = inf
        """Bytes fed at which a pause wants to be judged; inf = none, or the engine is elsewhere."""
        # the turn
        self._open = False
        self._started_ms = 0
        self._frozen = ""
        """The turn's frozen text."""
        self._finals = 0
        self._base = 0
        """Finals of the turn before the inner engine's present one."""
        self._words: str = ""
        """The open segment's text, and since when it reads so."""
        self._words_at = 0
        self._forgotten = 0
        """What the inner engine heard before this was cancelled."""
        # the pause
        self._held: Transcript | None = None
        self._paused_at: int | None = None
        """Where the present pause began; None = somebody speaks, or nobody began."""
        self._next = 0
        self._provisional = False
        self._inner_end: SpeechEnded | None = None
        self._settled = 0
        """What the inner engine settled, held back while a turn is open."""

    # ── the session's side ──

    def audio(self, data: bytes) -> None:
        # Counted afterwards: what an engine tells inside is of some place in `data`, not its end.
        self.inner.audio(data)
        self._fed += len(data)
        if self._due <= self._fed:
            self._look(self._position)

    def ask(self, command: Command) -> None:
        match command:
            case Configure():
                self._configure(command)
            case Cancel(side="in"):
                self._cancel(command)
            case _:
                self.inner.ask(command)

    def credit(self, until_ms: int) -> None:
        self.inner.credit(until_ms)

    def abort(self) -> None:
        self._dead = True
        self.inner.abort()

    def _configure(self, command: Configure) -> None:
        before = inner_options(self._options)
        self._options = merged(self._options, command.patch)
        self._turns = self._options.recognition.turns
        after = inner_options(self._options)
        if after != before:
            # Whole, so that what the inner engine must not judge stays off whatever was patched.
            patch: dict[str, Any] = msgspec.to_builtins(after)
            del patch["hears"], patch["speaks"]
            self.inner.ask(msgspec.structs.replace(command, patch=patch))
        self._look(self._position)

    def _cancel(self, command: Cancel) -> None:
        self._forgotten = self._fed_ms
        paused, self._held, self._words = self._paused_at is not None, None, ""
        self.inner.ask(command)
        if self._open and paused:
            # The inner engine is in no turn, so it has nothing to say to this.
            at = self._fed_ms
            self._close(at, "cancelled", Transcript(start_ms=at, end_ms=at, ref=command.ref))

    # ── the inner engine's side, called by `_Ear` ──

    def tell(self, event: Event) -> None:
        if self._dead:
            return
        match event:
            case Transcript(side="in"):
                self._transcript(event)
            case SpeechStarted(side="in"):
                self._started(event)
            case SpeechEnded(side="in"):
                self._inner_end = event if not event.provisional else None
            case Ended():
                if event.error is None and self._open:
                    self._close(self._position, "end", None)
                self._dead = True
                self._sink.tell(event)
            case _:
                self._sink.tell(event)

    def granted(self, until_ms: int) -> None:
        if self._dead:
            return
        if self._grants_from is None:
            self._grants_from = until_ms - self._fed_ms
            self._due = inf
        self._granted = max(self._granted, until_ms)
        self._sink.credit(until_ms)
        self._look(self._position)

    def settled(self, until_ms: int) -> None:
        self._settled = max(self._settled, until_ms)
        if not self._open and not self._dead:
            self._sink.settled(self._settled)

    # ── turns ──

    def _started(self, event: SpeechStarted) -> None:
        at = self._position if event.at_ms is None else event.at_ms
        self._inner_end = None
        self._look(at)
        if self._open and self._paused_at is None:
            return
        self._base = self._finals
        if not self._open:
            self._open, self._started_ms = True, at
            self._sink.tell(event)
            return
        resumed = self._resume()
        self._freeze()
        if resumed:
            self._sink.tell(msgspec.structs.replace(event, at_ms=at))

    def _resume(self) -> bool:
        """The pause is over. True: its end had been told, and is to be taken back."""
        self._paused_at, self._due = None, inf
        provisional, self._provisional = self._provisional, False
        return provisional

    def _transcript(self, event: Transcript) -> None:
        end = self._position if event.end_ms is None else event.end_ms
        if event.text and end <= self._forgotten:
            event = msgspec.structs.replace(event, text="", words=(), stable=0)
        if event.final and (event.ends_turn or self._every_final):
            self._inner_turn_over(event, end)
        else:
            self._said_more(event, end)

    def _said_more(self, event: Transcript, end: int) -> None:
        if not event.text and not self._open:
            return
        if not self._open or self._paused_at is not None:  # words without a SpeechStarted
            self._started(SpeechStarted(at_ms=event.start_ms, channel=event.channel))
        self._note(event.text, end)
        self._sink.tell(msgspec.structs.replace(event, segment=event.segment + self._base))
        if event.final:
            self._count(event)

    def _inner_turn_over(self, event: Transcript, end: int) -> None:
        """A pause, an answer, or an end that is not ours to judge."""
        told, self._inner_end = self._inner_end, None
        reason: TurnReason = told.reason if told is not None else "model"
        at = end if told is None or told.at_ms is None else told.at_ms
        if event.ref:
            reason = "asked"
        if not self._open:
            if not event.text:
                if event.ref:
                    self._sink.tell(event)
                return
            self._started(SpeechStarted(at_ms=event.start_ms, channel=event.channel))
        elif self._paused_at is not None and event.text:
            self._started(SpeechStarted(at_ms=event.start_ms, channel=event.channel))
        longest = self._turns.max_ms
        if longest and at - self._started_ms >= longest:
            reason = "limit"
        if reason in {"asked", "limit", "end", "cancelled", "failed"}:
            self._close(at, reason, event)
            return
        if not event.text and not self._frozen and self._held is None:
            # Somebody coughed: there is nothing to be sure about.
            cancelled = at <= self._forgotten
            self._close(at, "cancelled" if cancelled else reason, event)
            return
        if event.text:
            self._note(event.text, end)
            self._held = msgspec.structs.replace(event, segment=event.segment + self._base)
        self._pause(at)

    def _pause(self, at: int) -> None:
        self._paused_at = at
        # No pause is judged before the engine could know of it, so no judgement depends on when.
        self._next = at + _STEP_MS
        if self._held is not None:
            self._show(0.0)
        self._look(self._position)

    def _look(self, until_ms: int) -> None:
        """Judge the pause at every step up to this place, which the engine has heard."""
        while (at := self._paused_at) is not None and self._next <= until_ms and not self._dead:
            now, self._next = self._next, self._next + _STEP_MS
            self._judge_at(now, now - at)
        if self._paused_at is None or self._grants_from is not None or self._dead:
            self._due = inf
        else:
            self._due = self._format.bytes(self._next)

    def _judge_at(self, now: int, silence: int) -> None:
        turns = self._turns
        if not turns.detect:
            return
        text = f"{self._frozen} {self._held.text if self._held else ''}".strip()
        sure = self._judge.confidence(
            Pause(
                text[-_TAIL:],
                silence,
                max(0, now - self._words_at),
                self._options.recognition.language,
            )
        )
        at = self._paused_at
        confident = turns.confidence is not None and sure >= turns.confidence
        if confident and silence >= turns.least_ms:
            self._close(at, "model", None, sure)
        elif silence >= turns.silence_ms:
            self._close(at, "silence" if turns.confidence is None else "timeout", None, sure)
        elif turns.eager is not None and sure >= turns.eager and not self._provisional:
            self._provisional = True
            self._sink.tell(
                SpeechEnded(at_ms=at, reason="model", provisional=True, confidence=sure, channel=0)
            )
        elif not self._provisional and silence % _RETELL_MS == 0:
            self._show(sure)
        held = self._held
        begun = None if held is None else held.start_ms
        if now - (self._started_ms if begun is None else begun) >= _HELD_MS:
            self._freeze()

    def _show(self, sure: float) -> None:
        """The words of a pause, as what may still go on."""
        held = self._held
        if held is not None:
            self._sink.tell(
                msgspec.structs.replace(
                    held,
                    final=False,
                    ends_turn=False,
                    stable=len(held.text),
                    end_confidence=sure,
                    usage=None,
                )
            )

    def _freeze(self) -> None:
        """The words of a pause become a segment of the turn."""
        held, self._held = self._held, None
        if held is not None:
            self._sink.tell(msgspec.structs.replace(held, ends_turn=False))
            self._count(held)

    def _count(self, final: Transcript) -> None:
        self._finals += 1
        self._frozen = f"{self._frozen} {final.text}".strip()[-_TAIL:]

    def _note(self, text: str, at: int) -> None:
        if text != self._words:
            self._words, self._words_at = text, at

    def _close(
        self, at: int | None, reason: TurnReason, last: Transcript | None, sure: float | None = None
    ) -> None:
        """The turn is over. `last`: the engine's own last final, with words or without."""
        if last is not None and last.text:
            self._freeze()
        held, self._held = self._held, None
        final = last
        if held is not None:
            final = held if last is None else msgspec.structs.replace(held, ref=last.ref)
        if final is None:
            final = Transcript(start_ms=at, end_ms=at)
        if final is not held:
            final = msgspec.structs.replace(final, segment=final.segment + self._base)
        if held is None:
            final = msgspec.structs.replace(final, segment=max(final.segment, self._finals))
        self._resume()
        self._open = False
        self._frozen, self._words = "", ""
        self._finals = self._base = 0
        self._sink.tell(
            SpeechEnded(at_ms=at, reason=reason, confidence=sure, ref=final.ref, channel=0)
        )
        if self._dead:
            return
        self._sink.tell(
            msgspec.structs.replace(final, final=True, ends_turn=True, end_confidence=sure)
        )
        if self._settled and not self._dead and not self._open:
            self._sink.settled(self._settled)

    # ── time ──

    @property
    def _fed_ms(self) -> int:
        return self._format.ms(self._fed)

    @property
    def _position(self) -> int:
        """How far the inner engine has heard."""
        if self._grants_from is None:
            return self._fed_ms
        return min(self._fed_ms, max(0, self._granted - self._grants_from))


class _Ear:
    """The inner engine's sink. One object cannot be both: `credit` of a Stream is how far it may
    speak, `credit` of a Sink how far it may be fed."""

    def __init__(self, stream: _EndpointedStream) -> None:
        self._stream = stream

    def tell(self, event: Event) -> None:
        self._stream.tell(event)

    def credit(self, until_ms: int) -> None:
        self._stream.granted(until_ms)

    def settled(self, until_ms: int) -> None:
        self._stream.settled(until_ms)
