"""Whatever a body of gRPC-Web holds and however it is cut, the call ends as one call: a head,
frames, one frame of trailers with a status, and nothing behind it."""

import asyncio
import base64
from collections.abc import Iterable
from itertools import pairwise
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ossicle.core.commands import Configure
from ossicle.core.errors import BadMessage, Refused
from ossicle.core.formats import AudioFormat
from ossicle.core.legs import Leg
from ossicle.core.ports import Channel
from ossicle.core.wire import Accept, Binary, ChannelTraits, Close, Fin, Message, Opening
from ossicle.dialects.native.protobuf import write_question
from ossicle.dialects.native.rpc_server import RpcRecognizer
from ossicle.engines.scripted import ScriptedEngine, parse_script
from ossicle.testing.house import HandHouse
from ossicle.testing.recorder import Recorder
from ossicle.transports.grpcweb.call import grpc_web
from ossicle.transports.grpcweb.frames import (
    TRAILERS,
    Base64Reader,
    FrameReader,
    frame,
    trailers,
)

pytestmark = pytest.mark.fuzz

MOST = 4_000
PATH = "/ossicle.v1.Speech/Recognize"
QUESTION = write_question(Configure(format=AudioFormat()), bytes(640))

pieces = st.lists(
    st.binary(max_size=30)
    | st.just(frame(QUESTION))
    | st.binary(max_size=20).map(frame)
    | st.tuples(st.integers(0, 255), st.integers(0, 2**32 - 1)).map(
        lambda head: bytes((head[0],)) + head[1].to_bytes(4, "big")
    ),
    max_size=4,
)
bodies = pieces.map(b"".join)
cuts = st.lists(st.integers(0, 1_000), max_size=6)


def cut(body: bytes, at: Iterable[int]) -> list[bytes]:
    places = [0, *sorted(place % (len(body) + 1) for place in at), len(body)]
    return [body[a:b] for a, b in pairwise(places)]


def read(reader: Any, parts: Iterable[bytes]) -> Any:
    """Everything it gave, and whether it refused."""
    told: list[Any] = []
    try:
        told.extend(map(reader.feed, parts))
    except (BadMessage, Refused) as error:
        return told, error.code
    return told, reader.torn


@settings(max_examples=300, derandomize=True, deadline=None)
@given(bodies, cuts)
def test_frames_do_not_depend_on_how_the_body_came(body: bytes, at: list[int]) -> None:
    (whole, end), (parts, other) = read(FrameReader(MOST), [body]), read(
        FrameReader(MOST), cut(body, at)
    )  # fmt: skip
    assert end == other
    if end != "too_large":  # frames before it were given out where they came in another piece
        assert [each for part in parts for each in part] == whole[0]
        assert 5 * len(whole[0]) + sum(len(message) for _, message in whole[0]) + end == len(body)


@settings(max_examples=300, derandomize=True, deadline=None)
@given(st.binary(max_size=40) | st.text("AZaz09+/=\n", max_size=40).map(str.encode), cuts)
def test_base64_does_not_depend_on_how_the_body_came(body: bytes, at: list[int]) -> None:
    (whole, end), (parts, other) = read(Base64Reader(), [body]), read(
        Base64Reader(), cut(body, at)
    )  # fmt: skip
    assert end == other
    if isinstance(end, int):
        assert b"".join(parts) == b"".join(whole)
        assert end == len(body) % 4


@settings(max_examples=200, derandomize=True, deadline=None)
@given(
    st.integers(0, 16),
    st.text(max_size=30),
    st.lists(st.tuples(st.text(max_size=12), st.text(max_size=12)), max_size=3),
)
def test_trailers_hold_what_was_said_and_no_line_of_somebody_else(
    status: int, text: str, headers: list[tuple[str, str]]
) -> None:
    ((flags, data),) = FrameReader(1 << 20).feed(trailers(status, text, headers))
    assert flags == TRAILERS
    lines = [line.partition(":") for line in data.decode("ascii").split("\r\n")[:-1]]
    assert lines[0][::2] == ("grpc-status", str(status))
    said = [value for name, _, value in lines if name == "grpc-message"]
    assert [unquote(value, errors="replace") for value in said] == ([text] if text else [])
    names = {name.lower() for name, _ in headers}
    assert all(name in names for name, _, _ in lines[1 + len(said) :])


class Body:
    """The channel of an HTTP request, written down."""

    traits = ChannelTraits(framed=False)

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.aborted = False

    def send(self, message: Message) -> None:
        self.sent.append(message)

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def abort(self) -> None:
        self.aborted = True


def opening(*, text: bool) -> Opening:
    kind = "application/grpc-web-text" if text else "application/grpc-web"
    return Opening(
        transport="http", method="POST", path=PATH, headers=(("content-type", kind),), id="o"
    )


@settings(max_examples=200, derandomize=True, deadline=None)
@given(bodies, cuts, st.booleans())
def test_a_call_takes_one_message_and_ends_once(body: bytes, at: list[int], text: bool) -> None:
    """To a leg of the real dialect, and with one that notes what it is given."""

    async def run() -> None:
        house = HandHouse(ScriptedEngine(parse_script("heard")))
        given_: list[bytes] = []

        def accept(asked: Opening, channel: Channel) -> Any:
            leg: Any = Leg(RpcRecognizer(), channel, house)
            leg.start(asked)
            take = leg.binary
            leg.binary = lambda data: (given_.append(data), take(data))[0]
            return leg

        wire = Body()
        call: Any = grpc_web(accept, {PATH: "unary"}, max_message=MOST)(opening(text=text), wire)
        sent = base64.b64encode(body) if text else body
        for part in cut(sent, at):
            call.binary(part)
        call.received(Fin())
        assert len(given_) <= 1
        ends = [each for each in wire.sent if isinstance(each, Close)]
        if ends:
            assert wire.sent[-1] == ends[0] == Close()
            assert isinstance(wire.sent[0], Accept)
            answer = b"".join(each.data for each in wire.sent if isinstance(each, Binary))
            if text:
                answer = base64.b64decode(answer)
            frames = FrameReader(1 << 20).feed(answer)
            assert [flags for flags, _ in frames][-1:] == [TRAILERS]
            assert frames[-1][1].startswith(b"grpc-status:")
            assert sum(flags == TRAILERS for flags, _ in frames) == 1
        else:  # a good question, which an engine has to open for
            assert given_
        before = len(wire.sent)
        if ends:
            call.binary(frame(QUESTION))
            assert len(wire.sent) == before, "nothing behind the end"
        call.closed(None)

    asyncio.run(run())


@settings(max_examples=100, derandomize=True, deadline=None)
@given(bodies, cuts)
def test_no_body_makes_a_method_whose_client_streams(body: bytes, at: list[int]) -> None:
    wire, legs = Body(), list[Recorder]()

    def accept(_asked: Opening, channel: Channel) -> Recorder:
        legs.append(Recorder(channel))
        return legs[-1]

    call: Any = grpc_web(accept, {PATH: "stream"}, max_message=MOST)(opening(text=False), wire)
    for part in cut(body, at):
        call.binary(part)
    call.received(Fin())
    call.closed(None)
    assert not legs
    assert isinstance(wire.sent[1], Binary)
    assert b"grpc-status:12" in wire.sent[1].data
