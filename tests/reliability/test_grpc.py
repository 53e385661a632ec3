"""gRPC under faults: stalled, vanished, cut, killed and oversized, and nothing is lost, doubled or
left behind."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import grpc
import pytest

from ossicle.client import connect
from ossicle.core.commands import Configure, End, Finalize, Join
from ossicle.core.events import Began, Ended, Event, Notice, Transcript
from ossicle.core.formats import AudioFormat
from ossicle.core.wire import Accept, Binary, Close, Fin, Opening
from ossicle.dialects.native.byhand import audio_out
from ossicle.dialects.native.protobuf import read_event, write_request, write_start
from ossicle.dialects.native.rpc_errors import SAYS_END
from ossicle.gateway.serve import Gateway
from ossicle.testing.marked import marked_audio, marked_expected, marked_words
from ossicle.testing.recorder import Recorder
from ossicle.testing.timeline import check_timeline
from ossicle.transports.grpc.client import connect as dial
from ossicle.transports.grpc.server import GrpcServer
from ossicle.transports.grpc.settings import GrpcSettings, client_options

from .conftest import CuttingProxy, GatewayProcess, gateway
from .test_resume import QUICK, collect, script, speak

pytestmark = pytest.mark.reliability

STREAM = "/ossicle.v1.Speech/Stream"
START = write_start(Configure(format=AudioFormat()))


async def until(true: Callable[[], bool], seconds: float = 10.0) -> None:
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.005)


class Bare:
    """A server with Recorders for receivers, and grpc's own client to it."""

    def __init__(self, channel: grpc.aio.Channel, port: int) -> None:
        self.channel, self.port = channel, port
        self.legs: list[Recorder] = []
        self.answer: Callable[[Recorder], None] = lambda leg: None

    def __call__(self, opening: Opening, channel) -> Recorder:
        leg = Recorder(channel)
        self.legs.append(leg)
        channel.send(Accept())
        self.answer(leg)
        return leg

    def call(self, **named):
        return self.channel.stream_stream("/a.v1.A/B")(**named)

    async def settled(self) -> None:
        """Every call is over, and no receiver was told anything out of order."""
        await until(lambda: all(leg.over for leg in self.legs))
        assert not [leg.broken for leg in self.legs if leg.broken]


@asynccontextmanager
async def bare(settings: GrpcSettings | None = None) -> AsyncIterator[Bare]:
    rig = Bare(None, 0)  # type: ignore[arg-type]
    server = GrpcServer(rig, {"/a.v1.A/B": "stream"}, settings)
    rig.port = server.listen("127.0.0.1:0")
    await server.start()
    small = client_options(GrpcSettings())  # grpc's own clients take megabytes unread
    rig.channel = grpc.aio.insecure_channel(f"127.0.0.1:{rig.port}", options=small)
    async with rig.channel:
        yield rig
    await server.stop(0)


async def pushed(call, piece: bytes, most: int, stands_s: float = 0.25) -> int:
    """How many bytes a sender gets rid of before it has to wait."""
    sent = 0
    while sent < most:
        # not `wait_for`: who cancels a write of grpc.aio cancels its call
        writing = asyncio.ensure_future(call.write(piece))
        done, _ = await asyncio.wait({writing}, timeout=stands_s)
        sent += len(piece)
        if not done:
            PENDING.add(writing)
            writing.add_done_callback(_done)
            break
    return sent


PENDING: set[asyncio.Future[None]] = set()


def _done(writing: "asyncio.Future[None]") -> None:
    PENDING.discard(writing)
    if not writing.cancelled():
        writing.exception()


async def test_a_handler_that_stops_reading_stops_the_sender_within_128_kb() -> None:
    async with bare() as rig:
        rig.answer = lambda leg: leg.channel.pause()
        call = rig.call()
        sent = await pushed(call, bytes(640), 1 << 20)
        assert 32_000 <= sent <= 128 * 1024, f"the sender stopped after {sent} bytes"
        (leg,) = rig.legs
        assert leg.size <= 640, "read while paused"
        leg.channel.resume()
        await leg.until(lambda: leg.size >= sent)
        assert set(leg.payload) == {0}
        call.cancel()
        await rig.settled()


async def test_of_100_streams_on_a_connection_a_stalled_one_stops_only_itself() -> None:
    async with bare() as rig:
        stalled = rig.call()
        await stalled.wait_for_connection()
        await until(lambda: len(rig.legs) == 1)
        rig.legs[0].channel.pause()
        assert await pushed(stalled, bytes(640), 1 << 20) <= 128 * 1024
        calls = [rig.call() for _ in range(99)]
        pieces = [b"%08d" % number + bytes(3_192) for number in range(40)]

        async def talk(call) -> None:
            for piece in pieces:
                await call.write(piece)
            await call.done_writing()

        async with asyncio.timeout(20):
            await asyncio.gather(*(talk(call) for call in calls))
            others = rig.legs[1:]
            for leg in others:
                await leg.until(lambda leg=leg: bool(leg.told) and leg.told[-1] == Fin())
        for leg in others:
            assert leg.payload == b"".join(pieces)
            leg.channel.send(Close())
        assert [await call.code() for call in calls] == [grpc.StatusCode.OK] * 99
        assert not rig.legs[0].over
        stalled.cancel()
        await rig.settled()


async def test_who_vanishes_is_never_taken_for_who_ends() -> None:
    """grpc.aio tells a half close and a cancellation with the same word."""
    async with bare() as rig:
        for number in range(150):
            call = rig.call()
            await call.write(b"x")
            await until(lambda number=number: len(rig.legs) > number and rig.legs[number].size > 0)
            call.cancel()
        await rig.settled()
        assert not [leg for leg in rig.legs if Fin() in leg.told]
        assert all(leg.error is not None for leg in rig.legs)
        ended = rig.call()
        await ended.write(b"x")
        await ended.done_writing()
        await until(lambda: len(rig.legs) == 151)
        await rig.legs[-1].until(lambda: rig.legs[-1].told[-1:] == [Fin()])
        rig.legs[-1].channel.send(Close())
        assert await ended.code() == grpc.StatusCode.OK


async def test_a_status_waits_a_moment_for_who_has_not_heard_the_end() -> None:
    """A status that overtakes the client's half close is followed by a reset, and HAProxy drops
    what it has not passed on yet."""
    async with bare() as rig:

        def answer(leg: Recorder) -> None:
            def ends(message: object) -> None:
                if isinstance(message, Binary):
                    leg.channel.send(Binary(b"the end"))
                    leg.channel.send(Close())

            leg.on_message = ends

        rig.answer = answer
        loop = asyncio.get_running_loop()
        took: dict[str, float] = {}
        for kind in ("half-closes", "stays", "leaves"):
            call = rig.call()
            await call.write(b"x")
            began = loop.time()
            assert await call.read() == b"the end"
            leg = rig.legs[-1]
            await call.write(b"y")  # on the way when the end came: heard by nobody
            await asyncio.sleep(0.1)
            assert not leg.over
            assert not call.done()
            if kind == "half-closes":
                await call.done_writing()
            elif kind == "leaves":
                call.cancel()
            await leg.until(lambda leg=leg: leg.over)
            took[kind] = loop.time() - began
            assert leg.error is None, kind
            assert leg.told == [Binary(b"x")]
            if kind != "leaves":
                assert await call.code() == grpc.StatusCode.OK
        assert took["stays"] >= 0.4
        assert took["half-closes"] < took["stays"]
        assert took["leaves"] < took["stays"]
        await rig.settled()


async def test_a_fin_waits_while_reading_is_paused() -> None:
    async with bare() as rig:
        rig.answer = lambda leg: leg.channel.pause()
        call = rig.call()
        await call.wait_for_connection()
        await call.done_writing()
        await until(lambda: len(rig.legs) == 1)
        (leg,) = rig.legs
        for _ in range(20):
            await asyncio.sleep(0.005)
        assert leg.told == []
        leg.channel.resume()
        await leg.until(lambda: leg.told == [Fin()])
        call.cancel()
        await rig.settled()


async def test_an_oversize_message_costs_its_own_call_only() -> None:
    async with bare(GrpcSettings(max_message=100_000)) as rig:
        other, large = rig.call(), rig.call()
        await other.write(b"before")
        await large.write(bytes(100_001))
        assert await large.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        await other.write(b"after")
        await until(lambda: any(leg.payload == b"beforeafter" for leg in rig.legs))
        other.cancel()
        await rig.settled()


async def test_a_reader_that_never_reads_is_dropped_in_time() -> None:
    async with bare(GrpcSettings(slow_reader_s=0.3)) as rig:
        rig.answer = lambda leg: [leg.channel.send(Binary(bytes(1_000))) for _ in range(400)]
        call = rig.call()
        await call.wait_for_connection()
        await until(lambda: len(rig.legs) == 1)
        (leg,) = rig.legs
        assert leg.writables == [False]
        await leg.until(lambda: leg.over)
        assert leg.error is not None
        assert leg.error.code == "slow_reader"
        call.cancel()


async def test_what_waits_for_a_slow_reader_is_bounded() -> None:
    async with bare(GrpcSettings(max_backlog=200_000)) as rig:
        rig.answer = lambda leg: [leg.channel.send(Binary(bytes(1_000))) for _ in range(1_000)]
        call = rig.call()
        await call.wait_for_connection()
        await until(lambda: len(rig.legs) == 1)
        (leg,) = rig.legs
        await leg.until(lambda: leg.over)
        assert leg.error is not None
        assert leg.error.code == "slow_reader"
        call.cancel()


# ── a gateway ──


def place(running: Gateway) -> str:
    assert running.rpc is not None
    return running.rpc.urls["grpc"].removeprefix("grpc://").replace("localhost", "127.0.0.1")


@asynccontextmanager
async def native(running: Gateway) -> AsyncIterator[Callable]:
    async with grpc.aio.insecure_channel(place(running)) as channel:
        yield channel.stream_stream(STREAM)


async def told(call) -> list[Event]:
    events: list[Event] = []
    try:
        while (message := await call.read()) is not grpc.aio.EOF:
            events.append(read_event(message))
    except grpc.aio.AioRpcError:
        pass
    return events


async def test_half_closed_without_audio() -> None:
    async with gateway(rpc=True) as running, native(running) as stream:
        call = stream()
        await call.write(START)
        await call.done_writing()
        events = await told(call)
        assert await call.code() == grpc.StatusCode.OK
        assert isinstance(events[0], Began)
        assert isinstance(events[-1], Ended)
        assert events[-1].error is None
        assert not marked_words(events)
        call = stream()
        await call.done_writing()
        assert await call.code() == grpc.StatusCode.INVALID_ARGUMENT
        await until(lambda: not running.house.sessions)


async def test_a_call_that_a_proxy_half_closes_before_it_cuts_it_is_not_the_end() -> None:
    """HAProxy does so when an idle timer is over: an empty DATA frame with END_STREAM, and the
    reset some 200 µs later, which is late enough on a busy machine. Our client says `end` by a
    message, and says that it does; one that does not ends by a half close, as ever."""
    words = [1, 2, 0]
    audio = marked_audio([*words, 3, 0])
    half = len(marked_audio(words))
    async with gateway(rpc=True) as running, native(running) as stream:
        call = stream(metadata=(SAYS_END,))
        await call.write(START)
        await call.write(audio_out(audio[:half]))
        await until(lambda: any(s.taken_bytes == half for s in running.house.sessions.values()))
        await call.done_writing()
        events = await told(call)
        assert await call.code() == grpc.StatusCode.UNAVAILABLE
        assert not [event for event in events if isinstance(event, Ended)]
        began = events[0]
        assert isinstance(began, Began)
        seen = max(event.seq for event in events)

        join = Join(token=began.token, since=seen, settled_ms=0)
        again = stream(metadata=(SAYS_END,))
        await again.write(write_start(Configure(format=AudioFormat(), join=join)))
        await again.write(audio_out(audio[half:]))
        await again.write(write_request(End()))
        await again.done_writing()  # `end` was said: this says nothing more
        more = await told(again)
        assert await again.code() == grpc.StatusCode.OK
        assert isinstance(more[0], Began)
        assert more[0].resumed
        assert more[0].session == began.session
        assert marked_words([*events, *more]) == marked_expected([*words, 3, 0])
        await until(lambda: not running.house.sessions)


async def test_a_hundred_clients_vanish_and_nothing_is_left() -> None:
    audio = audio_out(marked_audio([1, 2]))
    async with gateway(rpc=True, resume_window_s=0.2) as running:
        for _ in range(4):
            async with grpc.aio.insecure_channel(place(running)) as channel:
                calls = [channel.stream_stream(STREAM)() for _ in range(25)]
                for call in calls:
                    await call.write(START)
                    await call.write(audio)
                for call in calls:
                    await call.read()
        await until(lambda: not running.house.sessions)
        assert running.house.missing() == []


@pytest.mark.parametrize("seed", range(3))
async def test_a_connection_cut_anywhere_many_times(seed: int) -> None:
    chance = random.Random(300 + seed)
    words = script(chance, 50)
    audio = marked_audio(words)
    async with gateway(rpc=True) as running:
        target = int(place(running).rpartition(":")[2])
        async with (
            CuttingProxy(target, chance, cuts=8) as proxy,
            asyncio.timeout(60),
            connect(f"grpc://127.0.0.1:{proxy.port}", reconnect=QUICK) as stream,
        ):
            _, events = await asyncio.gather(
                speak(stream, audio, chance.randrange(200, 5_000)), collect(stream)
            )
        await until(lambda: not running.house.sessions)
    assert proxy.cuts >= 3
    assert stream.moves == 0
    assert marked_words(events) == marked_expected(words)
    check_timeline(events)
    assert stream.ended is not None
    assert stream.ended.error is None


@pytest.mark.parametrize("way", ["kill", "stop"])
async def test_one_of_two_gateways_goes_in_mid_stream(
    way: str, processes: list[GatewayProcess]
) -> None:
    """One name with two addresses. Killed: the session is replayed on the other. Stopped: GOAWAY,
    the session is told to go on elsewhere, and does."""
    chance = random.Random(7)
    words = script(chance, 40)
    audio = marked_audio(words)
    pair = [GatewayProcess(0, rpc=0), GatewayProcess(0, rpc=0)]
    processes += pair
    await asyncio.gather(*(each.start() for each in pair))
    url = "grpc://" + ",".join(f"127.0.0.1:{each.rpc}" for each in pair)
    async with asyncio.timeout(60), connect(url, reconnect=QUICK) as stream:
        reading = asyncio.create_task(collect(stream))
        cut = len(audio) // 2 & ~1
        for start in range(0, cut, 3_200):
            await stream.send(audio[start : min(cut, start + 3_200)])
            await asyncio.sleep(0.002)
        node = stream._token.partition(".")[0]
        first = await serving_of(pair, node)
        if way == "kill":
            await first.kill()
        else:
            first.process.terminate()
        await asyncio.gather(speak(stream, audio[cut:], 3_200, 0.03), reading)
        events = reading.result()
    assert stream.moves == 1
    assert stream._token.partition(".")[0] != node
    assert marked_words(events) == marked_expected(words)
    check_timeline(events)
    assert not [each for each in events if isinstance(each, Notice) and each.level != "info"]
    if way == "stop":
        assert await asyncio.wait_for(first.process.wait(), 10) == 0


async def serving_of(pair: list[GatewayProcess], node: str) -> GatewayProcess:
    """Which of them has the session: the one whose metrics count it."""
    for each in pair:
        reader, writer = await asyncio.open_connection("127.0.0.1", each.port)
        writer.write(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        page = (await reader.read()).decode()
        writer.close()
        if "\nossicle_sessions 1.0" in page:
            return each
    raise AssertionError(f"no gateway has the session of node {node}")


async def test_a_deadline_brings_partial_results_and_its_status() -> None:
    async with gateway(rpc=True) as running, native(running) as stream:
        call = stream(timeout=1.0)
        await call.write(START)
        await call.write(audio_out(marked_audio([1, 2, 3])))
        began = asyncio.get_running_loop().time()
        events = await told(call)
        took = asyncio.get_running_loop().time() - began
        assert await call.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        said = await call.details() or ""  # as long as it was when it arrived
        assert "deadline of 0.9" in said or "deadline of 1.0" in said
        assert 0.5 < took < 1.0, "before the client stopped listening"
        assert [word.text for word in marked_words(events)] == ["w1", "w2", "w3"]
        last = [each for each in events if isinstance(each, Transcript)][-1]
        assert last.final
        assert last.ends_turn
        ended = events[-1]
        assert isinstance(ended, Ended)
        assert ended.error is not None
        assert ended.error.code == "timed_out"
        await until(lambda: not running.house.sessions)


async def test_our_own_client_gives_its_deadline_too() -> None:
    legs: list[Recorder] = []

    def leg(channel) -> Recorder:
        legs.append(Recorder(channel))
        return legs[-1]

    async with gateway(rpc=True) as running:
        opening = Opening(path=STREAM, method="stream", headers=(("grpc-timeout", "600m"),))
        channel = await dial(opening, leg, url=f"grpc://{place(running)}")
        channel.send(Binary(START))
        await legs[0].until(lambda: legs[0].over)
        close = legs[0].told[-1]
        assert isinstance(close, Close)
        assert close.code == 4
        assert legs[0].error is None


async def test_finals_do_not_wait_for_the_deadline() -> None:
    async with gateway(rpc=True) as running, native(running) as stream:
        call = stream(timeout=30.0)
        await call.write(START)
        await call.write(audio_out(marked_audio([1, 2])))
        await call.write(write_request(Finalize(ref="f")))
        await call.write(write_request(End()))
        events = await asyncio.wait_for(told(call), 5)
        assert await call.code() == grpc.StatusCode.OK
        assert [word.text for word in marked_words(events)] == ["w1", "w2"]
