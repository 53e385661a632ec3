"""Questions that are on their way: who waits for which answer, and what the outbox may forget.

    answers = Answers(outbox)
    waiting = answers.expect(ref := answers.ref())
    answers.take(Transcript(text="go", final=True, ends_turn=True, ref=ref))
    await waiting

It knows no connection: a question is asked again over the next one, under the same `ref`.
"""

import asyncio

import msgspec

from ossicle.core.commands import Configure
from ossicle.core.errors import Refused
from ossicle.core.events import (
    AudioOut,
    Configured,
    Event,
    Notice,
    SpeechEnded,
    SpeechStarted,
    Told,
    Transcript,
)

from .outbox import Outbox

__all__ = ["Answers"]


class Answers:
    """Those of one stream."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._refs = 0
        self._waiting: dict[str, asyncio.Future[Transcript]] = {}

    def ref(self) -> str:
        """A name that no question had yet."""
        self._refs += 1
        return f"c{self._refs}"

    def expect(self, ref: str) -> asyncio.Future[Transcript]:
        """What `take` or `fail` will resolve; `forget` it when nobody waits any longer."""
        answer: asyncio.Future[Transcript] = asyncio.get_running_loop().create_future()
        self._waiting[ref] = answer
        return answer

    def forget(self, ref: str) -> None:
        """Nobody waits for it."""
        self._waiting.pop(ref, None)

    def take(self, event: Event, configure: Configure) -> tuple[Event, Configure]:
        """An event with a `ref`: as the user is to see it; and what another gateway is asked for
        from now on, when this is the answer to a change."""
        match event:
            case Transcript(final=True, ends_turn=True, side="in", ref=ref):
                self._outbox.answer(ref)
                event = msgspec.structs.replace(event, ref="")
                future = self._waiting.get(ref)
                if future is not None and not future.done():
                    future.set_result(event)
            case Configured(ref=ref):
                command = self._outbox.answer(ref)
                if isinstance(command, Configure):
                    patch = _joined(configure.patch, command.patch)
                    configure = msgspec.structs.replace(configure, patch=patch)
            case SpeechStarted(side="out", ref=ref) | AudioOut(ref=ref) | Told(ref=ref):
                self._outbox.answer(ref)
            case SpeechEnded(side="out", ref=ref):
                self._outbox.answer(ref)
            case Notice(level="error", code=code, text=text, ref=ref):
                self._outbox.answer(ref)
                future = self._waiting.get(ref)
                if future is not None and not future.done():
                    future.set_exception(Refused(text, code=code))
            case _:
                pass
        return event, configure

    def fail(self, error: BaseException | None) -> None:
        """No answer comes any more."""
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(error or Refused("the stream ended before the answer"))


def _joined(patch: dict[str, object], more: dict[str, object]) -> dict[str, object]:
    """Two merge patches as one (RFC 7396): nulls stay, they mean the default."""
    result = dict(patch)
    for name, value in more.items():
        held = result.get(name)
        if isinstance(value, dict) and isinstance(held, dict):
            result[name] = _joined(held, value)  # pyright: ignore[reportUnknownArgumentType]
        else:
            result[name] = value
    return result
