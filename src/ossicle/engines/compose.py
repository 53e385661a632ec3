"""Two engines as one: it hears with the first and speaks with the second.

    engine = Combined(ScriptedEngine("heard"), ToneEngine())

Audio, `Finalize`, `Cancel(in)` and `Tell` go to the recogniser, `Speak`, `Cancel(out)`, `Played`
and the credit to speak to the voice, `End` to both. One `Ended` comes, when both are done or as
soon as either breaks. It connects nothing: what is heard is not spoken.
"""

import asyncio
from collections.abc import Callable

import msgspec

from ..core.capabilities import Capabilities
from ..core.commands import Cancel, Command, End, Played, Speak
from ..core.events import Ended, Event
from ..core.options import Options
from ..core.ports import Engine, Sink, Stream
from .lifecycle import aclose, is_warm, start

__all__ = ["Combined"]


class Combined:
    """A recogniser with a voice. It starts and closes both, so they should be its own."""

    def __init__(self, recogniser: Engine, voice: Engine) -> None:
        if not voice.capabilities.speaks:
            raise ValueError(f"engine {voice.capabilities.name} has no voice")
        self._recogniser, self._voice = recogniser, voice

    @property
    def capabilities(self) -> Capabilities:
        hears, says = self._recogniser.capabilities, self._voice.capabilities
        return msgspec.structs.replace(hears, name=f"{hears.name}+{says.name}", speaks=says.speaks)

    @property
    def warm(self) -> bool:
        return is_warm(self._recogniser) and is_warm(self._voice)

    async def start(self) -> None:
        await start(self._recogniser)
        await start(self._voice)

    async def aclose(self) -> None:
        await asyncio.gather(aclose(self._recogniser), aclose(self._voice))

    async def open(self, options: Options, sink: Sink) -> "_CombinedStream":
        stream = _CombinedStream(sink)
        try:
            stream.ears = await self._recogniser.open(options, _Part(stream.heard, sink))
            stream.mouth = await self._voice.open(options, _Part(stream.said, None))
        except BaseException:
            stream.abort()
            raise
        stream.opened()
        return stream


class _Part:
    """The sink of one of the two. Only the ears' credit and settling mean anything."""

    def __init__(self, tell: Callable[[Event], None], sink: Sink | None) -> None:
        self._tell, self._sink = tell, sink

    def tell(self, event: Event) -> None:
        self._tell(event)

    def credit(self, until_ms: int) -> None:
        if self._sink is not None:
            self._sink.credit(until_ms)

    def settled(self, until_ms: int) -> None:
        if self._sink is not None:
            self._sink.settled(until_ms)


class _CombinedStream:
    ears: Stream | None = None
    mouth: Stream | None = None

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._ended: dict[str, Ended] = {}
        self._ending = self._dead = False

    # the session's side

    def audio(self, data: bytes) -> None:
        if self.ears is not None and not (self._dead or self._ending):
            self.ears.audio(data)

    def ask(self, command: Command) -> None:
        if self._dead:
            return
        match command:
            case End() if self._ending:
                pass
            case End():
                self._end(command)
            case Speak() | Played() | Cancel(side="out"):
                if self.mouth is not None and "mouth" not in self._ended:
                    self.mouth.ask(command)
            case _:
                if self.ears is not None and "ears" not in self._ended and not self._ending:
                    self.ears.ask(command)

    def credit(self, until_ms: int) -> None:
        if self.mouth is not None and not self._dead:
            self.mouth.credit(until_ms)

    def abort(self) -> None:
        self._dead = True
        for part in (self.ears, self.mouth):
            if part is not None:
                part.abort()

    # the engines' side

    def heard(self, event: Event) -> None:
        self._told("ears", event)

    def said(self, event: Event) -> None:
        self._told("mouth", event)

    def opened(self) -> None:
        """One of the two may have ended while the other opened."""
        if self._ended and not self._dead:
            self._over()

    def _told(self, part: str, event: Event) -> None:
        if self._dead:
            return
        if isinstance(event, Ended):
            self._ended[part] = event
            self._over()
        else:
            self._sink.tell(event)

    def _over(self) -> None:
        failed = next((ended for ended in self._ended.values() if ended.error), None)
        if failed is not None or len(self._ended) == 2:
            self.abort()
            self._sink.tell(failed or self._ended["ears"])
        elif not self._ending and self.ears is not None and self.mouth is not None:
            self._end(End())  # one is done by itself: the other finishes what it has

    def _end(self, command: End) -> None:
        self._ending = True
        for name, part in (("ears", self.ears), ("mouth", self.mouth)):
            if part is not None and name not in self._ended and not self._dead:
                part.ask(command)
