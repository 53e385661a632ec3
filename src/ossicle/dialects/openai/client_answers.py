"""What a service answers, as events of ours: its responses by the refs of those who asked.

    expect("r1")                 a response was asked for
    told(ResponseCreated(…))     SpeechStarted(side="out", ref="r1") … SpeechEnded

Knows no connection and nothing of what is heard.
"""

from collections import deque
from typing import Any, TypeAlias, cast

from ossicle.core.events import (
    Asked,
    AudioOut,
    Event,
    SpeechEnded,
    SpeechStarted,
    Transcript,
    TurnReason,
    Usage,
)
from ossicle.core.formats import AudioFormat

from .messages import (
    AudioDelta,
    FunctionArgumentsDone,
    ResponseCreated,
    ResponseDone,
    SpokenDelta,
    SpokenDone,
    TextDelta,
    TextDone,
)

__all__ = ["Answers"]

Json: TypeAlias = dict[str, Any]

_REASONS: dict[str, TurnReason] = {
    "completed": "done",
    "cancelled": "cancelled",
    "failed": "failed",
    "incomplete": "limit",
}
_REMEMBERED = 64
"""Responses that can still be truncated."""


class Answers:
    """Of one connection."""

    def __init__(self) -> None:
        self.format = AudioFormat()
        """What their sound is."""
        self._expected: deque[str] = deque()
        """Refs of those asked for and not begun."""
        self._refs: dict[str, str] = {}
        """Refs, by response."""
        self._spoken: dict[str, int] = {}
        """Bytes of sound, by response."""
        self._words: dict[str, str] = {}
        self._said_by: dict[str, str] = {}
        """The item a response says, for truncation."""

    @property
    def under_way(self) -> bool:
        """One was begun and is not over."""
        return bool(self._refs)

    def expect(self, ref: str) -> None:
        """One was asked for."""
        self._expected.append(ref)

    def item_of(self, response: str) -> str | None:
        """The item that a response says; "" = the newest one."""
        return self._said_by.get(response or next(reversed(self._said_by), ""))

    def told(self, event: object) -> tuple[Event, ...]:
        """An event of the service; what is not about answers says nothing."""
        match event:
            case ResponseCreated(response=response):
                name = str(response.get("id", ""))
                ref = self._expected.popleft() if self._expected else ""
                self._refs[name] = ref
                return (SpeechStarted(side="out", at_ms=0, utterance=name, ref=ref),)
            case AudioDelta(response_id=name, delta=data):
                said = self._spoken.get(name, 0)
                self._spoken[name] = said + len(data)
                self._said_by[name] = event.item_id
                start = self.format.ms(said)
                return (AudioOut(utterance=name, data=data, start_ms=start, ref=self._ref(name)),)
            case (
                SpokenDelta(response_id=name, delta=delta)
                | TextDelta(response_id=name, delta=delta)
            ):
                self._words[name] = self._words.get(name, "") + delta
                return (self._out(name, self._words[name], final=False),)
            case (
                SpokenDone(response_id=name, transcript=text)
                | TextDone(response_id=name, text=text)
            ):
                self._words.pop(name, None)
                return (self._out(name, text, final=True),) if text else ()
            case FunctionArgumentsDone(response_id=name):
                asked = Asked(
                    call=event.call_id,
                    name=event.name,
                    arguments=event.arguments,
                    utterance=name,
                    ref=self._ref(name),
                )
                return (asked,)
            case ResponseDone(response=response):
                return self._done(response)
            case _:
                return ()

    def _ref(self, response: str) -> str:
        return self._refs.get(response, "")

    def _out(self, name: str, text: str, *, final: bool) -> Transcript:
        end = self.format.ms(self._spoken.get(name, 0))
        return Transcript(
            side="out",
            utterance=name,
            text=text,
            start_ms=0,
            end_ms=end,
            stable=len(text),
            final=final,
            ends_turn=final,
            ref=self._ref(name),
        )

    def _done(self, response: Json) -> tuple[Event, ...]:
        name = str(response.get("id", ""))
        ref = self._refs.pop(name, "")
        said = self._spoken.pop(name, 0)
        self._words.pop(name, None)
        while len(self._said_by) > _REMEMBERED:
            del self._said_by[next(iter(self._said_by))]
        counted = response.get("usage")
        usage = cast("Json", counted) if isinstance(counted, dict) else {}
        end = self.format.ms(said)
        ended = SpeechEnded(
            side="out",
            at_ms=end,
            reason=_REASONS.get(str(response.get("status")), "done"),
            utterance=name,
            usage=Usage(
                audio_ms=end,
                input_tokens=_count(usage.get("input_tokens")),
                output_tokens=_count(usage.get("output_tokens")),
            ),
            ref=ref,
        )
        return (ended,)


def _count(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 0
