"""Several channels on an engine that hears one: a stream for each, and events say which.

    engine = Split(PocketsphinxEngine(), channels=2)      # hears interleaved s16, two channels

Audio is taken apart, `credit` and `settled` are the least over the channels, and one `Ended`
comes when all are done or as soon as one breaks. A `Finalize` without a channel goes to all and
is answered once: the ref stands on the last of their finals, which is when everything said so
far is known. `Speak` and what belongs to it go to the first stream.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec
import numpy as np

from ...core.capabilities import Capabilities
from ...core.commands import Cancel, Command, Configure, End, Finalize, Tell
from ...core.errors import Refused
from ...core.events import Ended, Event, SpeechEnded, SpeechStarted, Transcript
from ...core.formats import MAX_CHANNELS, AudioFormat
from ...core.options import Options
from ...core.ports import Engine, Sink, Stream
from ..lifecycle import aclose, is_warm, start

__all__ = ["Split"]


class Split:
    """A mono engine that hears `channels` interleaved ones."""

    def __init__(self, engine: Engine, channels: int) -> None:
        if not 1 <= channels <= MAX_CHANNELS:
            raise ValueError(f"{channels} channels are outside 1-{MAX_CHANNELS}")
        self._engine, self._channels = engine, channels
        inner = engine.capabilities
        self.capabilities: Capabilities = msgspec.structs.replace(
            inner,
            channels=channels,
            hears=tuple(
                msgspec.structs.replace(each, channels=channels)
                for each in inner.hears
                if each.encoding == "pcm_s16le"
            ),
        )

    @property
    def warm(self) -> bool:
        return is_warm(self._engine)

    async def start(self) -> None:
        await start(self._engine)

    async def aclose(self) -> None:
        await aclose(self._engine)

    async def open(self, options: Options, sink: Sink) -> "_SplitStream":
        hears = options.hears or self.capabilities.hears[0]
        if hears not in self.capabilities.hears:
            raise Refused(
                f"{hears.channels} channels of {hears.encoding} cannot be split into"
                f" {self._channels}; feed {self.capabilities.hears[0]}",
                code="unsupported_audio",
            )
        mono: AudioFormat = msgspec.structs.replace(hears, channels=1)
        options = msgspec.structs.replace(options, hears=mono)
        stream = _SplitStream(sink, self._channels)
        try:
            for channel in range(self._channels):
                part = _ChannelSink(stream, channel)
                stream.parts.append(await self._engine.open(options, part))
        except BaseException:
            stream.abort()
            raise
        stream.opened()
        return stream


@dataclass(slots=True)
class _Question:
    """A Finalize on its way: the asker's ref, and how many channels owe a final."""

    ref: str
    owed: int


class _SplitStream:
    def __init__(self, sink: Sink, channels: int) -> None:
        self._sink, self._channels = sink, channels
        self.parts: list[Stream] = []
        self._open = self._dead = False
        self._ended: dict[int, Ended] = {}
        self._credit: dict[int, int] = {}
        self._settled: dict[int, int] = {}
        self._told_credit: int | None = None
        self._told_settled = 0
        self._questions: dict[str, _Question] = {}
        """By our own ref: the asker's may be empty or repeat. Each leaves with its last final."""
        self._asked = 0

    # the session's side

    def audio(self, data: bytes) -> None:
        samples = np.frombuffer(data, "<i2").reshape(-1, self._channels)
        for channel, part in enumerate(self.parts):
            if not self._dead and channel not in self._ended:
                part.audio(samples[:, channel].tobytes())

    def ask(self, command: Command) -> None:
        match command:
            case Finalize():
                self._finalize(command)
            case Cancel(side="in") | End() | Configure() | Tell():
                self._ask(range(self._channels), command)
            case _:
                self._ask((0,), command)

    def credit(self, until_ms: int) -> None:
        if not self._dead:
            self.parts[0].credit(until_ms)

    def abort(self) -> None:
        self._dead = True
        for part in self.parts:
            part.abort()

    def _finalize(self, command: Finalize) -> None:
        channels = range(self._channels) if command.channel is None else (command.channel,)
        live = [each for each in channels if each not in self._ended]
        if not live or self._dead:
            return
        if not 0 <= live[0] < self._channels:
            raise Refused(f"channel {live[0]} is outside 0-{self._channels - 1}")
        self._asked += 1
        inner = f"split-{self._asked}"
        self._questions[inner] = _Question(command.ref, len(live))
        self._ask(live, msgspec.structs.replace(command, ref=inner, channel=None))

    def _ask(self, channels: Iterable[int], command: Command) -> None:
        for channel in channels:
            if not self._dead and channel not in self._ended:
                self.parts[channel].ask(command)

    # the engine's side

    def tell(self, channel: int, event: Event) -> None:
        if self._dead:
            return
        match event:
            case Ended():
                self._ended[channel] = event
                if event.error is not None or len(self._ended) == self._channels:
                    self.abort()
                    self._sink.tell(event)
            case SpeechStarted() | Transcript() | SpeechEnded() if event.side == "in":
                self._sink.tell(
                    msgspec.structs.replace(event, channel=channel, ref=self._ref(event))
                )
            case _:
                self._sink.tell(event)

    def _ref(self, event: SpeechStarted | Transcript | SpeechEnded) -> str:
        question = self._questions.get(event.ref)
        if question is None:
            return event.ref
        last = question.owed == 1
        if isinstance(event, Transcript) and event.final and event.ends_turn:
            question.owed -= 1
            if last:
                del self._questions[event.ref]
        return question.ref if last else ""

    def take_credit(self, channel: int, until_ms: int) -> None:
        self._credit[channel] = until_ms
        self._pass_credit()

    def opened(self) -> None:
        # Credit given while others still opened is held: their first could only lower it.
        self._open = True
        self._pass_credit()

    def _pass_credit(self) -> None:
        if not self._open or not self._credit:
            return
        least = min(self._credit.values())
        if self._told_credit is None or least > self._told_credit:
            self._told_credit = least
            self._sink.credit(least)

    def take_settled(self, channel: int, until_ms: int) -> None:
        self._settled[channel] = until_ms
        least = min(self._settled.values())
        if len(self._settled) == self._channels and least > self._told_settled:
            self._told_settled = least
            self._sink.settled(least)


class _ChannelSink:
    def __init__(self, stream: _SplitStream, channel: int) -> None:
        self._stream, self._channel = stream, channel

    def tell(self, event: Event) -> None:
        self._stream.tell(self._channel, event)

    def credit(self, until_ms: int) -> None:
        self._stream.take_credit(self._channel, until_ms)

    def settled(self, until_ms: int) -> None:
        self._stream.take_settled(self._channel, until_ms)
