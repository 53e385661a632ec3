"""Calls that go wrong: forged sound, floods, peers that never come, and what is left of them."""

import asyncio
import random
import re

import numpy as np
import pytest

pytest.importorskip("aiortc")

from harness import until
from ossicle.core.errors import OssicleError, Overloaded, Refused
from ossicle.core.wire import Close, Message, Opening, Text
from ossicle.transports.webrtc.ports import Doorway
from ossicle.transports.webrtc.rtp import header
from ossicle.transports.webrtc.server import Calls, Declined
from ossicle.transports.webrtc.settings import WebRtcSettings
from pitch import Listener, heard_in, pitches
from webrtc_peers import Caller, an_offer, encoded, ours

pytestmark = [pytest.mark.reliability, pytest.mark.timeout(60)]

WORDS = [3, 1, 4, 15, 9, 26, 5]


async def test_forged_and_replayed_sound_is_not_heard() -> None:
    """Whoever can send to the socket, but has no key, changes nothing."""
    async with ours() as server, Caller.call(server.answer, encoded(pitches(WORDS))) as caller:
        (port, *_) = server.sockets(0)
        genuine: list[bytes] = []
        take = port.datagram_received
        chance = random.Random(1)

        def datagram_received(data: bytes, addr: tuple[str, int]) -> None:
            take(data, addr)
            if 127 < data[0] < 192 and not 192 <= data[1] <= 223:
                genuine.append(data)
                take(chance.choice(genuine[-200:]), addr)  # replayed
                take(data[:-4] + b"\0\0\0\0", addr)  # its authentication is wrong
                forged = header(96, 0, chance.randrange(65_536), chance.randrange(1 << 32), 7)
                take(forged + chance.randbytes(80), addr)
                take(chance.randbytes(chance.randrange(1, 40)), addr)

        port.datagram_received = datagram_received
        await caller.track.over.wait()
        await asyncio.sleep(0.2)
        (call,) = server.calls.calls
        assert call.figures.forged >= 2 * len(genuine)
        assert call.figures.concealed == call.figures.lost == 0
        assert heard_in(server.heard(0).sound) == WORDS


async def test_a_message_that_is_too_large_ends_the_call() -> None:
    async with (
        ours(WebRtcSettings(max_message=2_000)) as server,
        Caller.call(server.answer, None, data=True) as caller,
    ):
        await until(lambda: caller.channel.readyState == "open")
        caller.channel.send("x" * 2_000)
        await until(lambda: any(isinstance(m, Text) for m in server.messages))
        caller.channel.send("x" * 2_001)
        await until(lambda: bool(server.closed))
        (error,) = server.closed
        assert isinstance(error, OssicleError)
        assert error.code == "too_large"
        assert "2000" in str(error)


async def test_a_flood_into_a_channel_that_is_held_back() -> None:
    async with ours() as server, Caller.call(server.answer, None, data=True) as caller:
        await until(lambda: caller.channel.readyState == "open")
        server.channels[0].pause()
        for number in range(1_000):
            caller.channel.send(f"{number}")
        await until(lambda: bool(server.closed))
        assert isinstance(server.closed[0], Overloaded)
        assert not any(isinstance(m, Text) for m in server.messages)


async def test_what_was_held_back_comes_in_order() -> None:
    async with ours() as server, Caller.call(server.answer, None, data=True) as caller:
        await until(lambda: caller.channel.readyState == "open")
        server.channels[0].pause()
        for number in range(100):
            caller.channel.send(f"{number}")
        await asyncio.sleep(0.2)
        server.channels[0].resume()
        texts = [f"{number}" for number in range(100)]
        await until(lambda: [m.data for m in server.messages if isinstance(m, Text)] == texts)


async def test_a_client_that_does_not_read_is_dropped() -> None:
    """The data channel tells when it is full, and the call ends when nobody stops."""
    settings = WebRtcSettings(max_backlog=300_000)
    async with ours(settings) as server, Caller.call(server.answer, None, data=True) as caller:
        await until(lambda: server.writable == [False, True])
        caller.pc.sctp._receive_sack_chunk = None  # any way to stop: nothing is acknowledged
        caller.pc.sctp.transport._data_receiver = None
        server.channels[0].send(Text("x" * 60_000))
        server.channels[0].send(Text("x" * 60_000))
        assert server.writable == [False, True, False]
        for _ in range(4):
            server.channels[0].send(Text("x" * 60_000))
        await until(lambda: bool(server.closed))
        assert server.closed[0] is not None
        assert server.closed[0].code == "slow_reader"


async def test_nobody_comes() -> None:
    """An answer whose offer's maker never connects."""
    async with ours(WebRtcSettings(connect_s=0.5)) as server:
        await server.answer(await an_offer())
        await until(lambda: bool(server.closed))
        assert server.closed[0] is not None
        assert "not one ICE check came" in str(server.closed[0])
        assert not server.calls.calls


async def test_a_data_channel_that_never_opens_holds_nobody_up() -> None:
    async with ours(WebRtcSettings(channel_s=0.2)) as server:
        context = Caller.call(server.answer, None, data=True, change=lambda offer: offer)
        async with context as caller:
            caller.pc.sctp._data_channel_queue.clear()
            await until(lambda: server.writable and server.writable[-1] is True, 5)


async def test_a_refusal_is_the_acceptors_own() -> None:
    async with ours() as server:
        server.accept = lambda _opening, channel: channel.send(Close(403, body=b"no"))  # type: ignore[assignment, method-assign]
        with pytest.raises(Declined) as declined:
            await server.answer(await an_offer())
        assert declined.value.close.code == 403
        assert not server.calls.calls


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: re.sub(r"a=setup:\S+", "a=setup:nonsense", text), "cannot be answered"),
        (lambda text: re.sub(r"a=fingerprint:.*", "a=fingerprint:sha-256", text), "cannot be"),
        (lambda text: re.sub(r"m=audio \d+", "m=audio x", text), "cannot be answered"),
        (lambda text: text.replace("a=rtpmap:96", "a=rtpmap:x"), "codec|cannot be answered"),
    ],
)
async def test_an_offer_that_only_looks_like_one(change, said) -> None:  # type: ignore[no-untyped-def]
    async with ours() as server:
        with pytest.raises(Refused, match=said):
            await server.answer(change(await an_offer()))
        assert not server.calls.calls
        assert all(isinstance(error, OssicleError) for error in server.closed)


async def test_telephone_codecs_are_taken() -> None:
    """An offer with G.711 only: its sound is heard, and ours is sent in it."""

    def only_pcmu(offer: str) -> str:
        lines = [
            line for line in offer.split("\r\n")
            if not re.match(r"a=(rtpmap|fmtp|rtcp-fb):(?!0 )", line)
        ]  # fmt: skip
        return re.sub(r"(m=audio \d+ \S+)[ \d]+", r"\1 0", "\r\n".join(lines))

    async with ours() as server, Caller.call(server.answer, None, change=only_pcmu) as caller:
        assert server.calls.calls[0].link.codec.name == "pcmu"
        server.channels[0].send(_sound(pitches(WORDS)))
        heard: list[int] = []
        listener = Listener()
        async with asyncio.timeout(10):
            while len(heard) < len(WORDS):
                frame = await caller.remote.recv()
                assert frame.sample_rate == 8_000
                samples = np.frombuffer(bytes(frame.planes[0])[: frame.samples * 2], "<i2")
                heard += listener.hear(np.repeat(samples, 2).astype("<i2").tobytes())
        assert heard == WORDS


def _sound(data: bytes) -> Message:
    from ossicle.core.wire import Media

    return Media(data)


async def test_our_ports_and_our_address() -> None:
    """A range is kept to, its end is a refusal, and the address behind NAT is the one told."""
    async with ours(WebRtcSettings(connect_s=30)) as server:
        calls: Calls = server.calls
        calls._doorway = Doorway(("127.0.0.1",), (47_320, 47_321), ("203.0.113.7",))
        for _ in range(2):
            sdp = await server.answer(await an_offer())
            found = set(re.findall(r"a=candidate:\S+ 1 udp \d+ (\S+) (\d+) typ host", sdp))
            assert {address for address, _ in found} == {"203.0.113.7"}
            assert {int(port) for _, port in found} <= {47_320, 47_321}
        with pytest.raises(Overloaded, match="ice_ports"):
            await server.answer(await an_offer())
        assert len(calls.calls) == 2


async def test_nothing_is_left_behind() -> None:
    """Sockets, tasks and calls, after calls that ended in every way."""
    before = len(asyncio.all_tasks())
    async with ours(WebRtcSettings(linger_s=0.3)) as server:
        for how in ("caller", "hang up", "abort", "close"):
            async with Caller.call(server.answer, encoded(pitches([1]))[:20]) as caller:
                (call,) = server.calls.calls
                ports = server.sockets(0)
                # a stock caller that is closed earlier leaves tasks of its own behind
                await until(lambda call=call: call.figures.received > 3)
                match how:
                    case "caller":
                        await caller.pc.close()
                    case "hang up":
                        call.hang_up()
                    case "abort":
                        call.abort()
                    case _:
                        call.send(Close())
                await until(lambda: not server.calls.calls, what=how)
                assert all(port.transport.is_closing() for port in ports), how
        assert len(server.closed) == 4
        assert [error is None for error in server.closed] == [True, True, False, True]
        with pytest.raises(Refused, match="no such call"):
            server.calls.hang_up(call.name)
    await until(lambda: len(asyncio.all_tasks()) <= before, what="no task is left")


async def test_the_gateway_stops_while_somebody_talks() -> None:
    async with ours() as server, Caller.call(server.answer, encoded(pitches(WORDS))):
        await until(lambda: bool(server.heard(0).pieces))
        running = next(t for t in asyncio.all_tasks() if "Calls.run" in repr(t.get_coro()))
        running.cancel()
        await asyncio.wait([running])
        assert not server.calls.calls
        with pytest.raises(Overloaded, match="not running"):
            await server.calls.offer(Opening(), "v=0", server.accept)
        assert server.closed[0] is not None
