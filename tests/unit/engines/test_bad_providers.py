"""Each provider's protocol with a provider that misbehaves in it: garbage, an end at once, silence,
a key that is refused. Each is a fault of the provider's, in words, and the next engine hears on.

What is said twice, or in times that run backwards, is found out alike for all: `test_plausible.py`.
"""

import asyncio
from collections.abc import Callable
from typing import NamedTuple

import pytest

from ossicle.client.dialects import PROVIDERS
from ossicle.core.capabilities import PCM16K, Capabilities
from ossicle.core.commands import Configure
from ossicle.core.errors import OssicleError
from ossicle.core.events import Ended, Event, Notice
from ossicle.core.options import Options
from ossicle.core.ports import Channel, ClientDialect, Receiver
from ossicle.core.wire import Accept, Binary, Close, Message, Opening, Text
from ossicle.engines.upstream import Upstream, UpstreamSettings, UpstreamStream
from ossicle.engines.wrap.failover import Failover, Member
from ossicle.testing.clock import ManualTimers
from ossicle.testing.house import HandChannel, HeldEngine

OPTIONS = Options(hears=PCM16K)


class Bad(NamedTuple):
    """One protocol, and how it may go wrong in it."""

    hello: tuple[Message, ...]
    """It listens."""
    garbage: Message
    gone: Message
    """It ends by itself, with a reason."""
    stranger: tuple[Message, ...]
    """It does not know the key."""


BROKEN = Text("{this is no message")
UNAUTHORIZED = (Close(401, "Unauthorized", (), b'{"message":"no such key","err_msg":"no"}'),)
_NATIVE = (
    '{"type":"began","session":"s","token":"t","options":{},"expires_at":null,'
    '"taken_bytes":0,"taken_commands":0,"resumed":false,"engine":""}'
)
_CREATED = '{"type":"session.created","event_id":"e","session":{"id":"sess_1"}}'
_NO_KEY = (
    '{"type":"error","event_id":"e","error":{"type":"invalid_request_error",'
    '"code":"invalid_api_key","message":"Incorrect API key provided."}}'
)
_OPENAI = Bad(
    (Accept(), Text(_CREATED)),
    BROKEN,
    Close(1011, "server_error"),
    (Accept(), Text(_NO_KEY), Close(3000, "invalid_request_error.invalid_api_key")),
)
_CALL = Bad((Accept(),), Binary(b"\xff" * 9), Close(14, "gone"), (Close(16, "no such key"),))
_AWS = Close(
    403, "Forbidden", (("x-amzn-errortype", "UnrecognizedClientException"),),
    b'{"Message":"The security token included in the request is invalid."}',
)  # fmt: skip
PROTOCOLS: dict[str, Bad] = {
    "native": Bad((Accept(), Text(_NATIVE)), BROKEN, Close(1011, "broken"), UNAUTHORIZED),
    "deepgram": Bad((Accept(),), BROKEN, Close(1011, "NET-0000 oops"), UNAUTHORIZED),
    "deepgram-flux": Bad(
        (Accept(), Text('{"type":"Connected","request_id":"r","sequence_id":0}')),
        BROKEN, Close(1011, "NET-0000 oops"), UNAUTHORIZED,
    ),
    "assemblyai": Bad(
        (Accept(), Text('{"type":"Begin","id":"s","expires_at":1}')),
        BROKEN, Close(3005, "Server error"), (Accept(), Close(1008, "Unauthorized Connection")),
    ),
    "openai": _OPENAI,
    "openai-realtime": _OPENAI,
    "google": _CALL,
    "riva": _CALL,
    "amazon": Bad((Accept(),), Binary(bytes(40)), Close(1011, "oops"), (_AWS,)),
    "amazon-http2": Bad((Accept(),), Binary(bytes(40)), Close(503, "oops"), (_AWS,)),
}  # fmt: skip
EACH = pytest.mark.parametrize("name", PROTOCOLS)


def test_no_protocol_is_left_out() -> None:
    assert set(PROTOCOLS) == {n for n, each in PROVIDERS.items() if each.capabilities.hears}


class Said:
    """A sink that remembers."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def tell(self, event: Event) -> None:
        self.events.append(event)

    def credit(self, until_ms: int) -> None: ...

    def settled(self, until_ms: int) -> None: ...


class Provider:
    """One that does what the test says, behind the real client half."""

    def __init__(self, name: str, hello: tuple[Message, ...]) -> None:
        found = PROVIDERS[name]
        signed = {"host": "x", "at": 0.0} if found.signs else {}
        self.timers = ManualTimers()
        self.streams: list[UpstreamStream] = []
        self._hello = hello
        self._hears = found.capabilities.hears[0]

        async def dial(opening: Opening, receiver: Callable[[Channel], Receiver]) -> Channel:
            channel = HandChannel()
            link = receiver(channel)
            for message in hello:
                link.received(message)
                if isinstance(message, Close):
                    link.closed(None)
            return channel

        def half() -> ClientDialect:
            made = found.make(**signed)
            inner, hears = made.open, self._hears

            def opened(configure: Configure) -> Opening:
                return inner(Configure(patch=configure.patch, format=hears, credential="a:b"))

            made.open = opened  # type: ignore[method-assign]
            return made

        self.engine = Upstream(
            "it", half, dial,
            capabilities=Capabilities(name=""),
            settings=UpstreamSettings(open_s=0.05, silent_s=2),
            timers=self.timers,
        )  # fmt: skip

    async def open(self, sink: Said) -> UpstreamStream:
        stream = await self.engine.open(OPTIONS, sink)
        assert isinstance(stream, UpstreamStream)
        return stream


def the_end(said: Said) -> Ended:
    (ended,) = [event for event in said.events if isinstance(event, Ended)]
    assert ended.error is not None
    assert ended.error.whose == "upstream"
    assert ended.error.text.startswith("it")
    return ended


@EACH
async def test_garbage(name: str) -> None:
    """Some bear a few broken messages, each told; none bears them without end."""
    said, bad = Said(), PROTOCOLS[name]
    stream = await Provider(name, bad.hello).open(said)
    for _ in range(10):
        stream.link.received(bad.garbage)
    error = the_end(said).error
    assert error is not None
    assert error.code == "engine_failed"


@EACH
async def test_it_ends_by_itself(name: str) -> None:
    said, bad = Said(), PROTOCOLS[name]
    stream = await Provider(name, bad.hello).open(said)
    stream.link.received(bad.gone)
    stream.link.closed(None)
    assert the_end(said)


@EACH
async def test_it_ends_politely_before_anybody_asked(name: str) -> None:
    said = Said()
    stream = await Provider(name, PROTOCOLS[name].hello).open(said)
    stream.link.received(Close())
    stream.link.closed(None)
    assert the_end(said)


@EACH
async def test_it_hangs_up(name: str) -> None:
    said = Said()
    stream = await Provider(name, PROTOCOLS[name].hello).open(said)
    stream.link.closed(None)
    await asyncio.sleep(0)
    assert the_end(said)


@EACH
async def test_it_accepts_and_stays_silent(name: str) -> None:
    """Before its greeting, where it has one; and while sound flows, wherever it should speak."""
    said, provider = Said(), Provider(name, (Accept(),))
    if len(PROTOCOLS[name].hello) > 1:
        with pytest.raises(OssicleError, match=r"it did not answer within 0\.05 s") as told:
            await provider.open(said)
        assert told.value.whose == "upstream"
        said, provider = Said(), Provider(name, PROTOCOLS[name].hello)
    stream = await provider.open(said)
    for _ in range(40):
        stream.audio(bytes(3_200))
        provider.timers.advance(0.1)
    error = the_end(said).error
    assert error is not None
    assert "said nothing for" in error.text


@EACH
async def test_it_refuses_the_key(name: str) -> None:
    """Which is ours: the client, whose own key is good, is not told that one was bad."""
    with pytest.raises(OssicleError) as told:
        await Provider(name, PROTOCOLS[name].stranger).open(Said())
    assert (told.value.whose, told.value.code) == ("upstream", "engine_unavailable")
    assert str(told.value).startswith("it: ")


@EACH
async def test_another_engine_hears_on(name: str) -> None:
    """At once where it cannot be opened, and after a break by a replay, which is always worth a
    try then."""
    bad = PROTOCOLS[name]
    for hello in (bad.stranger, bad.hello):
        provider, other, said = Provider(name, hello), HeldEngine(), Said()
        both = Failover((Member(provider.engine), Member(other, tier=1)), timers=provider.timers)
        stream = await both.open(OPTIONS, said)
        if hello is bad.hello:
            stream.audio(bytes(3_200))
            provider.timers.advance(1.0)
            for _ in range(40):
                stream.audio(bytes(3_200))
                provider.timers.advance(0.1)
                if any(isinstance(event, Ended) for event in said.events):
                    break
            error = the_end(said).error
            assert error is not None
            assert error.retryable
            said = Said()
            await both.open(OPTIONS, said)
        assert len(other.streams) == 1
        assert "failover" in [e.code for e in said.events if isinstance(e, Notice)]
