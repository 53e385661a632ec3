"""The client's end of every dialect, as a plain connection: what its client half tells, and no
reconnection, no buffering, nothing else between."""

import asyncio
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any, NamedTuple

from ossicle.client.dial import dialer
from ossicle.client.dialects import PROVIDERS
from ossicle.core.commands import Audio, Command, Configure, End, Finalize
from ossicle.core.events import Began, Ended, Event, Transcript
from ossicle.core.formats import AudioFormat
from ossicle.core.link import Link
from ossicle.core.ports import ClientDialect, Dialect
from ossicle.dialects.amazon import AmazonClient, AmazonServer
from ossicle.dialects.assemblyai.legacy_client import LegacyClient
from ossicle.dialects.assemblyai.legacy_server import LegacyServer
from ossicle.dialects.google import GoogleClient
from ossicle.dialects.twilio import CallServer
from ossicle.dialects.twilio.client import TwilioClient
from ossicle.gateway.configuration.settings import GatewaySettings
from ossicle.gateway.doors.bind import BINDINGS
from ossicle.gateway.serve import Gateway

__all__ = [
    "CLIENTS", "HTTP", "TIMELESS", "UPSTREAMS", "Conversation", "Speaker", "server_of", "source_of",
    "talk", "url_of",
]  # fmt: skip


class Speaker(NamedTuple):
    """One client dialect."""

    make: Callable[[], ClientDialect]
    wire: Any = "websocket"
    hears: bool = True
    """Its words come back on its own connection; False: they go to who observes the session."""


UPSTREAMS: tuple[str, ...] = tuple(
    name for name, each in PROVIDERS.items() if AudioFormat() in each.capabilities.hears
)
"""Providers that listen, to the rate that marked audio has: resampled it names no words."""

TIMELESS: tuple[str, ...] = ("openai", "openai-realtime")
"""Providers whose protocol carries no times of words, and which hear 24 kHz."""

HTTP = "openai-http"
"""A server of recordings as OpenAI has one (`openai_http:`): an engine, nobody's client half."""

CLIENTS: dict[str, Speaker] = {
    name: Speaker(PROVIDERS[name].make, PROVIDERS[name].wire) for name in UPSTREAMS
} | {
    "amazon": Speaker(partial(AmazonClient, wire="websocket")),
    "google-v1p1beta1": Speaker(partial(GoogleClient, "v1p1beta1"), "grpc"),
    "google-v2": Speaker(partial(GoogleClient, "v2"), "grpc"),
    "assemblyai-v2": Speaker(LegacyClient),
    **{name: Speaker(PROVIDERS[name].make, PROVIDERS[name].wire) for name in TIMELESS},
    "twilio": Speaker(TwilioClient, hears=False),
}


def source_of(name: str) -> AudioFormat:
    """What a client of that dialect sends here."""
    return AudioFormat("pcm_s16le", 24_000) if name in TIMELESS else AudioFormat()


def server_of(name: str) -> Callable[[], Dialect] | None:
    """The server half that answers this client, by the path that it asks for; None = it stands on a
    wire whose bindings are elsewhere."""
    if name == "assemblyai-v2":
        return LegacyServer
    if name == "twilio":
        return lambda: CallServer("twilio")
    path = CLIENTS[name].make().open(Configure(format=AudioFormat())).path
    house: Any = SimpleNamespace(
        settings=GatewaySettings(), amazon=SimpleNamespace(server=AmazonServer), shared={}
    )
    wire = "http" if CLIENTS[name].wire == "http2" else CLIENTS[name].wire
    for binding in BINDINGS:
        if binding.path == path and binding.transport == wire:
            make = binding.dialect
            return lambda: make(house)
    return None


def url_of(gateway: Gateway, wire: str) -> str:
    """Where a wire of that kind is answered."""
    if wire != "grpc":
        return gateway.url
    assert gateway.rpc is not None
    return gateway.rpc.urls["grpc"]


class Conversation:
    """One connection and all that came."""

    def __init__(self, dialect: ClientDialect) -> None:
        self.link = Link(dialect, self)
        self.events: list[Event] = []
        self._news = asyncio.Event()

    @classmethod
    async def open(cls, speaker: Speaker, url: str, configure: Configure) -> "Conversation":
        """Connected, and it began, where that is told."""
        dialect = speaker.make()
        conversation = cls(dialect)
        await dialer(url, speaker.wire)(dialect.open(configure), conversation.link.attach)
        if speaker.hears:
            await conversation.until(lambda: conversation.of(Began))
        return conversation

    def told(self, link: Link, event: Event) -> None:
        self.events.append(event)
        self._news.set()

    def flowing(self, link: Link) -> None: ...

    def of(self, kind: type[Any]) -> list[Any]:
        """Events of a type."""
        return [event for event in self.events if isinstance(event, kind)]

    async def until(self, true: Callable[[], Any], seconds: float = 10.0) -> None:
        """Until something that the events say."""
        try:
            async with asyncio.timeout(seconds):
                while not true():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"not within {seconds:g} s; last: {self.events[-5:]}") from None

    def ask(self, command: Command) -> None:
        """A command, or audio."""
        if isinstance(command, Audio):
            self.link.audio(command.data)
        else:
            self.link.ask(command)

    @property
    def finals(self) -> list[Transcript]:
        """Finals with words."""
        return [event for event in self.of(Transcript) if event.final and event.text]

    @property
    def answers(self) -> list[Transcript]:
        """Finals that answer a question."""
        return [event for event in self.of(Transcript) if event.final and event.ref]


async def talk(
    conversation: Conversation, parts: list[bytes], *, step: int = 3_200, finalize: bool = True
) -> Ended:
    """Say the parts, ask for finals after each but the last, and end. Waits for every answer."""
    for number, part in enumerate(parts):
        for at in range(0, len(part), step):
            conversation.ask(Audio(data=part[at : at + step]))
            await asyncio.sleep(0)
        if finalize and number < len(parts) - 1:
            conversation.ask(Finalize(ref=f"q{number}"))
            wanted = number + 1
            await conversation.until(lambda wanted=wanted: len(conversation.answers) >= wanted)
    conversation.ask(End())
    await conversation.until(lambda: conversation.of(Ended))
    (ended,) = conversation.of(Ended)
    conversation.link.abort()
    return ended
