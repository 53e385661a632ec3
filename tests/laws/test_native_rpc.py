"""ossicle.v1 over gRPC loses nothing either: the same laws as in JSON, and each half of each call
keeps the kit's."""

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from native_house import (
    begans,
    commands,
    counts,
    ends,
    events,
    faults,
    formats,
    maybe_count,
    options,
    patch_of,
)
from ossicle.core.commands import Audio, Command, Configure, End, Join, Report
from ossicle.core.errors import Fault
from ossicle.core.events import Began, Ended, Event, Flow, Transcript
from ossicle.core.formats import AudioFormat
from ossicle.core.options import AnswerOptions, Options, Tool, merged
from ossicle.core.wire import Accept, Binary, Close, Fin, Opening
from ossicle.dialects.native.byhand import audio_in, audio_out, write_flow, write_transcript
from ossicle.dialects.native.protobuf import read_answer, write_listen, write_question, write_start
from ossicle.dialects.native.rpc_client import RpcClient
from ossicle.dialects.native.rpc_errors import end, fault_of
from ossicle.dialects.native.rpc_server import RpcListener, RpcRecognizer, RpcServer
from ossicle.testing.dialect import check_pair, check_server

CALL = Opening(transport="grpc", method="stream", path="/ossicle.v1.Speech/Stream")
HELLO = (Binary(write_start(Configure(format=AudioFormat()))),)


def begun(configure: Configure | None = None) -> tuple[RpcClient, RpcServer, Configure]:
    """Both halves, after the first message."""
    client, server = RpcClient(), RpcServer()
    assert server.open(client.open(configure or Configure()), 0.0) == ()
    (start,) = client.receive(Accept(), 0.0)
    assert isinstance(start, Binary)
    (heard,) = server.receive(start, 0.0)
    assert isinstance(heard, Configure)
    return client, server, heard


def kept(command: Command) -> Command:
    """Codec headers have no name in a request."""
    if isinstance(command, Configure):
        source = command.format
        if source is not None:
            source = msgspec.structs.replace(source, header=b"")
        return msgspec.structs.replace(command, format=source)
    return command


@settings(max_examples=150, derandomize=True, deadline=None)
@given(st.lists(commands, max_size=5))
def test_commands_arrive_as_they_were_asked(asked: list[Command]):
    client, server, _ = begun()
    heard = [
        each
        for command in asked
        for message in client.send(command, 0.0)
        for each in server.receive(message, 0.0)  # type: ignore[arg-type]
    ]
    assert heard == [kept(command) for command in asked]


@settings(max_examples=100, derandomize=True, deadline=None)
@given(
    options,
    formats,
    st.none() | formats.map(lambda f: msgspec.structs.replace(f, channels=1)),
    st.none() | st.builds(Join, token=st.text(min_size=1, max_size=20), since=counts,
                          settled_ms=maybe_count, turn=counts)
    | st.builds(Join, session=st.text(min_size=1, max_size=20), since=counts,
                role=st.sampled_from(["observer", "controller"])),
    st.none() | st.text("abcXYZ019-_.", min_size=1, max_size=20),
    st.none() | st.integers(1, 10_000_000).map(lambda ms: ms / 1000),
    st.lists(st.builds(Report, st.just("http://127.0.0.1/hook")), max_size=2).map(tuple),
)  # fmt: skip
def test_a_start_says_all_that_was_configured(
    value: Options,
    source: AudioFormat,
    speaks: AudioFormat | None,
    join: Join | None,
    key: str | None,
    within_s: float | None,
    reports: tuple[Report, ...],
):
    configure = Configure(
        patch=patch_of(value),
        format=source,
        speaks=speaks,
        join=join,
        credential=key,
        within_s=within_s,
        report_to=reports,
    )
    _, _, heard = begun(configure)
    assert merged(Options(), heard.patch) == value
    assert msgspec.structs.replace(heard, patch={}) == msgspec.structs.replace(configure, patch={})


def test_how_to_answer_is_said_too():
    tool = Tool("look", "for things", '{"type":"object"}')
    wanted = AnswerOptions(wanted=True, aloud=False, instructions="be short", tools=(tool,),
                           tool_choice="look", max_tokens=7)  # fmt: skip
    _, _, heard = begun(Configure(patch=patch_of(Options(answers=wanted))))
    assert merged(Options(), heard.patch).answers == wanted


@settings(max_examples=150, derandomize=True, deadline=None)
@given(begans, st.lists(events, max_size=5), ends)
def test_events_arrive_as_they_were_told(began: Began, between: list[Event], ended: Ended):
    told = [began, *between, ended]
    client, server, _ = begun()
    heard = [
        each
        for event in told
        for message in server.send(event, 0.0)
        for each in client.receive(message, 0.0)
        if not isinstance(message, Accept)
    ]
    assert heard[-2:] == [Fin(), ended]  # the end was heard, which a half close says
    assert [*heard[:-2], heard[-1]] == told


@settings(max_examples=60, derandomize=True, deadline=None)
@given(faults)
def test_a_refusal_arrives_whole(fault: Fault):
    client, server, _ = begun()
    (close,) = server.send(Ended(reason="refused", error=fault), 0.0)
    assert isinstance(close, Close)
    assert client.receive(close, 0.0) == (Ended(reason="refused", error=fault),)


@given(st.integers(0, 17), st.text(max_size=10))
def test_a_bare_status_is_an_error_too(code: int, reason: str):
    fault = fault_of(Close(code, reason))
    assert fault.code
    assert str(code) in fault.text


@given(faults, st.binary(max_size=8))
def test_a_fault_that_a_proxy_touched_leaves_the_status(fault: Fault, junk: bytes):
    close = end(fault)
    touched = msgspec.structs.replace(close, headers=(("ossicle-fault-bin", junk.hex() + "!"),))
    assert fault_of(touched).retryable in {True, False}


@given(st.binary(max_size=40_000))
def test_audio_is_what_the_runtime_would_write(data: bytes):
    from ossicle.dialects.protobuf import message_class

    kind = message_class("ossicle.v1.StreamRequest")
    assert audio_out(data) == kind(audio=data).SerializeToString()
    assert audio_in(audio_out(data)) == data
    assert len(audio_out(bytes(640))) == 643


@settings(max_examples=200, derandomize=True, deadline=None)
@given(events.filter(lambda event: isinstance(event, Transcript | Flow)))
def test_what_is_written_by_hand_is_what_the_runtime_would_write(event: Transcript | Flow):
    from ossicle.dialects.native.protobuf import _event, _write

    if isinstance(event, Flow):
        written = write_flow(event)
        assert written is not None
    else:
        written = write_transcript(event)
        rare = event.usage is not None or event.alternatives or event.utterance
        assert (written is None) == bool(rare)
    if written is not None:
        assert written == _write("StreamResponse", {"event": _event(event)})


@given(st.binary(max_size=30))
def test_what_is_read_by_hand_is_what_the_runtime_reads(data: bytes):
    from google.protobuf.message import DecodeError

    from ossicle.dialects.protobuf import message_class

    sound = audio_in(b"\n" + data)
    if sound is not None:
        try:
            read = message_class("ossicle.v1.StreamRequest").FromString(b"\n" + data)
        except DecodeError:
            raise AssertionError("read by hand, refused by the runtime") from None
        assert read.audio == sound


def test_the_kit():
    check_server(RpcServer, CALL, HELLO)
    check_server(RpcListener, CALL, (Binary(write_listen(Join(session="s"), True)),))
    check_pair(
        RpcServer,
        RpcClient,
        commands=[Audio(data=b"ab"), End(ref="e")],
        events=[Transcript(text="a", seq=1), Ended()],
        speaks_first=True,
    )


def test_a_half_close_is_the_end_unless_the_client_says_the_end_itself():
    plain = RpcServer()
    plain.open(CALL, 0.0)
    plain.receive(HELLO[0], 0.0)
    assert plain.receive(Fin(), 0.0) == (End(),)

    _, cut, _ = begun()
    (close,) = cut.receive(Fin(), 0.0)
    assert isinstance(close, Close)
    assert fault_of(close).code == "connection_lost"
    assert fault_of(close).retryable

    client, server, _ = begun()
    (end,) = client.send(End(), 0.0)
    assert isinstance(end, Binary)
    assert server.receive(end, 0.0) == (End(),)
    assert server.receive(Fin(), 0.0) == ()


def test_a_question_and_its_answer():
    dialect = RpcRecognizer()
    assert dialect.open(CALL, 0.0) == ()
    asked = write_question(Configure(format=AudioFormat()), bytes(70_000))
    (configure,) = dialect.receive(Binary(asked), 0.0)
    assert isinstance(configure, Configure)
    assert dialect.receive(Fin(), 0.0) == ()
    steps: Any = dialect.send(Began(session="s", engine="e"), 0.0)
    assert b"".join(step.data for step in steps[:-1]) == bytes(70_000)
    assert steps[-1] == End()
    said = Transcript(text="a b", final=True, ends_turn=True, start_ms=0, end_ms=10)
    assert dialect.send(msgspec.structs.replace(said, final=False, seq=3), 0.0) == ()
    assert dialect.send(msgspec.structs.replace(said, seq=4), 0.0) == ()
    accept, answer, close = dialect.send(Ended(audio_ms=10), 0.0)
    assert (accept, close) == (Accept(), Close())
    assert isinstance(answer, Binary)
    assert read_answer(answer.data) == ([said], 10, "s", "e")
