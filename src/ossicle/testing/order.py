"""The order law of one stream's events (`core/events.py`), as a check over all that it told.

    check_order(sink.events)

It knows no engine: any list of events can be judged. `law` judges a session's, turn by turn.
"""

from ..core.events import (
    Asked,
    AudioOut,
    Ended,
    Event,
    Notice,
    SpeechEnded,
    SpeechStarted,
    Transcript,
)

__all__ = ["check_order"]


def check_order(events: list[Event], *, what: str = "order") -> None:
    """The order law over all that one stream told, `Ended` included.

    Raises:
        AssertionError: the first law broken.
    """
    inner: dict[int, _Turn] = {}
    outer: dict[str, _Utterance] = {}
    for place, event in enumerate(events):
        match event:
            case Ended():
                _law(place == len(events) - 1, what, "Ended is the last event", "events.Ended")
            case SpeechStarted() | Transcript() | SpeechEnded() if event.side == "in":
                inner.setdefault(event.channel, _Turn(what)).told(event)
            case SpeechStarted() | Transcript() | SpeechEnded() | AudioOut():
                outer.setdefault(event.utterance, _Utterance(what)).told(event)
            case Asked() | Notice():
                pass
            case _:
                _law(
                    False,
                    what,
                    f"{type(event).__name__} is the session's to tell, not the engine's",
                    "ports.Sink.tell",
                )
    _law(
        isinstance(events[-1] if events else None, Ended),
        what,
        "a stream tells Ended",
        "ports.Sink.tell",
    )
    ended = events[-1]
    if isinstance(ended, Ended) and ended.error is None:
        for turn in inner.values():
            _law(not turn.open, what, "an open turn is closed by a final before Ended", "events")
        for name, utterance in outer.items():
            _law(
                utterance.ended or not name,
                what,
                f"utterance {name!r} is closed by SpeechEnded before Ended",
                "events.SpeechEnded",
            )


def _law(kept: bool, what: str, sentence: str, where: str) -> None:
    if not kept:
        raise AssertionError(f"{what}: {sentence} ({where})")


class _Turn:
    """started ≤ partials ≤ ended ≤ one final with ends_turn (core/events.py, contracts M10).

    Started and ended may be missing: the session supplies them."""

    def __init__(self, what: str) -> None:
        self._what = what
        self.open = self._started = self._ended = False
        self._provisional = False
        self._until = 0

    def told(self, event: SpeechStarted | Transcript | SpeechEnded) -> None:
        where = "events: SpeechStarted Transcript* SpeechEnded Transcript(final, ends_turn)"
        match event:
            case SpeechStarted():
                again = self._started and not self._provisional
                _law(not again, self._what, "SpeechStarted came twice in one turn", where)
                late = self._ended
                _law(
                    not late, self._what, "SpeechStarted came between SpeechEnded and final", where
                )
                self.open = self._started = True
                self._provisional = False
            case SpeechEnded():
                _law(not self._ended, self._what, "SpeechEnded came twice in one turn", where)
                self.open = True
                self._provisional = event.provisional
                self._ended = not event.provisional
            case Transcript():
                self._transcript(event, where)

    def _transcript(self, event: Transcript, where: str) -> None:
        what = self._what
        _law(event.final or not event.ends_turn, what, "only a final can end a turn", "events")
        _law(
            0 <= event.stable <= len(event.text),
            what,
            f"stable={event.stable} is beyond the {len(event.text)} characters of text",
            "events.Transcript.stable",
        )
        _law(
            not self._ended or (event.final and event.ends_turn),
            what,
            "after SpeechEnded comes the final that ends the turn, nothing before it",
            where,
        )
        if event.start_ms is not None and event.end_ms is not None:
            _law(
                event.start_ms <= event.end_ms,
                what,
                f"a transcript ends at {event.end_ms} ms, before it starts at {event.start_ms}",
                "events.Transcript",
            )
        at = self._until
        for word in event.words or ():
            _law(
                at <= word.start_ms <= word.end_ms,
                what,
                f"word times rise and do not go back behind a final: {word.start_ms}-"
                f"{word.end_ms} ms after {at} ms",
                "events.Word",
            )
            at = word.start_ms
        if event.final and event.words:
            self._until = event.words[-1].end_ms
        self.open = not event.final or (not event.ends_turn and self._started)
        if event.ends_turn:
            self._started = self._ended = self._provisional = False


class _Utterance:
    """SpeechStarted(out) AudioOut* with Transcripts, SpeechEnded(out); sound without holes."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._started = self.ended = False
        self._heard = 0
        self._last: tuple[int, int] | None = None

    def told(self, event: SpeechStarted | Transcript | SpeechEnded | AudioOut) -> None:
        where = "events: side=out"
        named = bool(event.utterance)
        _law(not (self.ended and named), self._what, "something came after SpeechEnded(out)", where)
        match event:
            case SpeechStarted():
                _law(not self._started, self._what, "SpeechStarted(out) came twice", where)
                self._started = True
            case AudioOut():
                _law(self._started, self._what, "sound came before SpeechStarted(out)", where)
                _law(
                    event.start_ms >= self._heard,
                    self._what,
                    f"sound at {event.start_ms} ms came after that of {self._heard} ms",
                    "events.AudioOut.start_ms",
                )
                self._heard = event.start_ms
            case SpeechEnded():
                self.ended = True
            case Transcript():
                _law(self._started, self._what, "words came before SpeechStarted(out)", where)
