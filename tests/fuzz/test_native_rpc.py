"""Whatever bytes arrive over gRPC, both halves take them or refuse them with an error of ours."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from native_house import begans, commands, ends, events
from ossicle.core.commands import Configure
from ossicle.core.errors import OssicleError
from ossicle.core.formats import AudioFormat
from ossicle.core.wire import Accept, Binary, Close, Fin, Message, Opening, Ping, Text
from ossicle.dialects.native.protobuf import (
    read_answer,
    read_event,
    read_fault,
    read_listen,
    read_question,
    read_request,
    read_start,
    write_event,
    write_start,
)
from ossicle.dialects.native.rpc_client import RpcClient
from ossicle.dialects.native.rpc_server import RpcListener, RpcRecognizer, RpcServer

pytestmark = pytest.mark.fuzz

START = write_start(Configure(format=AudioFormat()))
CALL = Opening(transport="grpc", method="stream", path="/ossicle.v1.Speech/Stream")


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A good message with a piece cut out, doubled or replaced."""
    seed = draw(
        st.just(START)
        | commands.map(lambda command: RpcClient().send(command, 0.0)[0].data)  # type: ignore[union-attr]
        | (events | begans | ends).map(write_event)
    )
    start = draw(st.integers(0, len(seed)))
    end = draw(st.integers(start, min(len(seed), start + 20)))
    return seed[:start] + draw(st.binary(max_size=6) | st.just(seed[start:end] * 2)) + seed[end:]


anything = mutated() | st.binary(max_size=60)
messages: st.SearchStrategy[Message] = st.one_of(
    anything.map(Binary),
    st.sampled_from([Fin(), Ping(), Text("x"), Accept()]),
    st.builds(
        Close,
        st.none() | st.integers(0, 20),
        st.text(max_size=5),
        st.just(()) | st.text(max_size=10).map(lambda text: (("ossicle-fault-bin", text),)),
    ),
)


@settings(max_examples=300, derandomize=True, deadline=None)
@given(anything)
def test_every_reader_reads_or_refuses(data: bytes) -> None:
    for read in (
        read_request,
        read_event,
        read_fault,
        read_listen,
        read_answer,
        lambda data: read_start(data, None),
        lambda data: read_question(data, None),
    ):
        try:
            read(data)
            said = ""
        except OssicleError as error:
            said = str(error)
        assert len(said) < 500


@settings(max_examples=200, derandomize=True, deadline=None)
@given(st.booleans(), st.lists(messages, max_size=4))
def test_the_server_halves_bear_it(begun: bool, told: list[Message]) -> None:
    for make in (RpcServer, RpcListener, RpcRecognizer):
        dialect = make()
        dialect.open(CALL, 0.0)
        if begun:
            dialect.receive(Binary(START), 0.0)
        for message in told:
            assert type(dialect.receive(message, 0.0)) is tuple


@settings(max_examples=200, derandomize=True, deadline=None)
@given(st.lists(messages, max_size=4))
def test_the_client_half_bears_it(told: list[Message]) -> None:
    dialect = RpcClient()
    dialect.open(Configure())
    for message in told:
        assert type(dialect.receive(message, 0.0)) is tuple
