"""What a provider says, held against what it said before: a final that is said twice is taken once,
and times do not run backwards.

    plausible = Plausible("deepgram")
    for event in plausible.checked(event): sink.tell(event)

Each kind of trouble is told in a Notice, the first time and then at every hundredth: words that
would have been doubled, or placed where others are, are a provider's fault that somebody should
know of. Pure.
"""

from collections import deque

import msgspec

from ..core.events import Event, Notice, SpeechEnded, SpeechStarted, Transcript

__all__ = ["Plausible"]

_REMEMBERED = 8
"""Finals of each channel that a later one is compared with."""
_EVERY = 100

_Said = tuple[str, int | None, int | None]


class Plausible:
    """Of one stream."""

    __slots__ = ("_ends", "_finals", "_name", "_open", "_troubles")

    def __init__(self, name: str) -> None:
        """`name`: of the provider, for the notices."""
        self._name = name
        self._ends: dict[int, int] = {}
        """Where the last final of each channel ended."""
        self._open: set[int] = set()
        """Channels whose last words are not final."""
        self._finals: dict[int, deque[_Said]] = {}
        self._troubles: dict[str, int] = {}

    @property
    def open(self) -> bool:
        """Words were told that are not final yet."""
        return bool(self._open)

    @property
    def end_ms(self) -> int:
        """Where the last final of all channels ended."""
        return max(self._ends.values(), default=0)

    def partial(self, event: Transcript) -> Transcript | None:
        """The common case: a partial behind all that is final. None = it needs `checked`."""
        end = self._ends.get(event.channel, 0)
        if (
            event.final
            or event.side != "in"
            or (event.end_ms is not None and event.end_ms < end)
            or (event.start_ms is not None and event.start_ms < end)
        ):
            return None
        if event.text:
            self._open.add(event.channel)
        return event

    def checked(self, event: Event) -> tuple[Event, ...]:
        """What of it may be believed."""
        match event:
            case Transcript(side="in"):
                return self._transcript(event)
            case SpeechStarted(side="in", at_ms=int(at)) | SpeechEnded(side="in", at_ms=int(at)):
                end = self._ends.get(event.channel, 0)
                return (event if at >= end else msgspec.structs.replace(event, at_ms=end),)
            case _:
                return (event,)

    def _transcript(self, event: Transcript) -> tuple[Event, ...]:
        end = self._ends.get(event.channel, 0)
        trouble: tuple[Event, ...] = ()
        if event.final:
            self._open.discard(event.channel)
        elif event.text:
            self._open.add(event.channel)
        if event.final and event.text:
            said = (event.text, event.start_ms, event.end_ms)
            finals = self._finals.setdefault(event.channel, deque(maxlen=_REMEMBERED))
            if event.end_ms is not None and said in finals:
                twice = self._trouble("upstream_repeated", "said a final twice; it is taken once")
                if event.ref or event.ends_turn:  # somebody waits for the end of it
                    return (*twice, msgspec.structs.replace(event, text="", words=None))
                return twice
            finals.append(said)
        if event.final and not event.text and event.end_ms is None:
            # "nothing to finalize": not a word about what was sent meanwhile, which stays unsettled
            event = msgspec.structs.replace(event, start_ms=end, end_ms=end)
        elif event.end_ms is not None and event.end_ms < end:
            trouble = self._trouble(
                "upstream_times", "gave times running backwards; they are moved"
            )
            event = _moved(event, end)
        elif event.start_ms is not None and event.start_ms < end and not event.final:
            event = msgspec.structs.replace(event, start_ms=end)
        if event.final and event.end_ms is not None:
            self._ends[event.channel] = max(end, event.end_ms)
        return (*trouble, event)

    def _trouble(self, code: str, what: str) -> tuple[Event, ...]:
        count = self._troubles[code] = self._troubles.get(code, 0) + 1
        if count != 1 and count % _EVERY:
            return ()
        often = f" ({count} times so far)" if count > 1 else ""
        text = f"{self._name} {what}{often}"
        return (Notice(level="warning", code=code, text=text),)


def _moved(event: Transcript, to_ms: int) -> Transcript:
    """Not before `to_ms`: the words keep their order and lose their times."""
    words = event.words and tuple(
        msgspec.structs.replace(
            word, start_ms=max(word.start_ms, to_ms), end_ms=max(word.end_ms, to_ms)
        )
        for word in event.words
    )
    start = None if event.start_ms is None else max(event.start_ms, to_ms)
    return msgspec.structs.replace(event, start_ms=start, end_ms=to_ms, words=words)
