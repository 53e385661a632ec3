"""ossicle.v1 loses nothing: client half to server half the same commands, server half to client
half the same events, whatever they hold. Declared losses are stripped by `kept`, in one place."""

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
from ossicle.core.commands import (
    Command,
    Configure,
    Join,
)
from ossicle.core.errors import Fault
from ossicle.core.events import (
    AudioOut,
    Began,
    Configured,
    Ended,
    Event,
)
from ossicle.core.formats import AudioFormat
from ossicle.core.options import (
    Options,
    merged,
)
from ossicle.core.wire import Accept, Binary, ChannelTraits, Close, Opening, Text
from ossicle.dialects.native import NativeClient, NativeServer


def kept(command: Command) -> Command:
    """Codec headers have no name in a message."""
    if isinstance(command, Configure) and command.format is not None:
        return msgspec.structs.replace(
            command, format=msgspec.structs.replace(command.format, header=b"")
        )
    return command


@settings(max_examples=150, derandomize=True)
@given(st.lists(commands, max_size=5))
def test_commands_arrive_as_they_were_asked(asked: list[Command]):
    client, server = NativeClient(), NativeServer()
    server.open(client.open(Configure()), 0.0)
    heard = [
        each
        for command in asked
        for message in client.send(command, 0.0)
        for each in server.receive(message, 0.0)  # type: ignore[arg-type]
    ]
    assert heard == [kept(command) for command in asked]


@settings(max_examples=100, derandomize=True)
@given(
    options,
    formats,
    st.none() | formats.map(lambda f: msgspec.structs.replace(f, channels=1)),
    st.none() | st.builds(Join, token=st.text(min_size=1, max_size=20), since=counts,
                          settled_ms=maybe_count, turn=counts),
    st.none() | st.text("abcXYZ019-_.", min_size=1, max_size=20),
)  # fmt: skip
def test_an_opening_says_all_that_was_configured(
    value: Options,
    source: AudioFormat,
    speaks: AudioFormat | None,
    join: Join | None,
    key: str | None,
):
    configure = Configure(
        patch=patch_of(value), format=source, speaks=speaks, join=join, credential=key
    )
    (heard,) = NativeServer().open(NativeClient().open(configure), 0.0)
    assert isinstance(heard, Configure)
    assert merged(Options(), heard.patch) == value
    assert msgspec.structs.replace(heard, patch={}) == msgspec.structs.replace(configure, patch={})


@settings(max_examples=150, derandomize=True)
@given(begans, st.lists(events, max_size=5), ends)
def test_events_arrive_as_they_were_told(began: Began, between: list[Event], ended: Ended):
    told = [began, *between, ended]
    client, server = NativeClient(), NativeServer()
    server.open(client.open(Configure()), 0.0)
    heard = [
        each
        for event in told
        for message in server.send(event, 0.0)
        for each in client.receive(message, 0.0)  # type: ignore[arg-type]
    ]
    assert heard == told


@settings(max_examples=100, derandomize=True)
@given(begans, st.lists(events, max_size=5), ends)
def test_events_arrive_over_a_body_as_they_were_told(
    began: Began, between: list[Event], ended: Ended
):
    """JSON lines: sound as base64, the head held until something is sure."""
    told = [began, Configured(options=began.options), *between, ended]
    client, server = NativeClient(framed=False), NativeServer()
    opening = msgspec.structs.replace(client.open(Configure()), traits=ChannelTraits(framed=False))
    server.open(opening, 0.0)
    messages = [message for event in told for message in server.send(event, 0.0)]
    assert isinstance(messages[0], Accept)
    assert isinstance(messages[-1], Close)
    assert messages[-1].code is None
    assert all(isinstance(m, Text) and m.data.count("\n") == 1 for m in messages[1:-1])
    heard = [each for message in messages for each in client.receive(message, 0.0)]  # type: ignore[arg-type]
    assert heard == told


@settings(max_examples=50, derandomize=True)
@given(faults, begans)
def test_a_refusal_arrives_with_its_reason(fault: Fault, began: Began):
    """Before anything was accepted: a status and a body."""
    client, server = NativeClient(), NativeServer()
    server.open(client.open(Configure()), 0.0)
    (close,) = server.send(Ended(reason="refused", error=fault), 0.0)
    assert isinstance(close, Close)
    assert client.receive(close, 0.0) == (Ended(reason="refused", error=fault),)


def test_a_sound_without_its_binary_is_not_told():
    """Cut between the two: the event was never complete, and comes again on the next wire."""
    client, server = NativeClient(), NativeServer()
    server.open(Opening(), 0.0)
    server.send(Began(), 0.0)
    head, sound = server.send(AudioOut(seq=1, data=b"x"), 0.0)
    assert isinstance(sound, Binary)
    assert client.receive(head, 0.0) == ()  # type: ignore[arg-type]
    assert client.receive(sound, 0.0) == (AudioOut(seq=1, data=b"x"),)
