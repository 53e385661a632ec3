"""Whatever a client of Amazon Transcribe sends, it is taken or ends its own stream with an error; a
wrong byte in a frame or in a signature is never taken."""

import sys
from math import inf
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ossicle.core.commands import Audio, Configure, End
from ossicle.core.errors import BadMessage, Fault
from ossicle.core.events import Began, Ended
from ossicle.core.formats import AudioFormat
from ossicle.core.wire import Accept, Binary, Close, Fin, Message, Opening, Text
from ossicle.dialects.amazon import AmazonClient, AmazonServer, Credentials, Keys, signed
from ossicle.dialects.amazon.eventstream import MOST_BYTES, FrameReader, encode
from ossicle.dialects.amazon.messages import audio_frame
from ossicle.dialects.amazon.sigv4 import parse_authorization, parse_scope

sys.path.insert(0, str(Path(__file__).parent.parent / "unit" / "dialects" / "amazon"))

from amazon_table import (  # type: ignore[import-not-found]
    AT,
    AUDIO,
    BROKEN,
    FRAMES,
    post,
    upgrade,
)

pytestmark = pytest.mark.fuzz

GOOD = [row[1] for row in FRAMES]
SEEDS = GOOD + [row[1] for row in BROKEN]
GUARD = signed(Keys({"aws_secret_AK": b"secret"}.get, lambda _name: "credential"))


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A good frame with a piece cut out, doubled or replaced."""
    seed = draw(st.sampled_from(SEEDS))
    start = draw(st.integers(0, len(seed)))
    end = draw(st.integers(start, min(len(seed), start + 20)))
    return seed[:start] + draw(st.binary(max_size=8) | st.just(seed[start:end] * 2)) + seed[end:]


pieces = mutated() | st.sampled_from(SEEDS) | st.binary(max_size=100)


@settings(max_examples=400, derandomize=True)
@given(st.lists(pieces, max_size=6), st.integers(1, 40))
def test_the_parser_takes_or_refuses_and_holds_little(whole: list[bytes], step: int):
    reader = FrameReader()
    data = b"".join(whole)
    try:
        for at in range(0, len(data), step):
            for frame in reader.feed(data[at : at + step]):
                assert encode(frame) in data  # what was taken stood there, byte for byte
            assert reader.torn <= MOST_BYTES
    except BadMessage:
        pass  # refused


@settings(max_examples=300, derandomize=True)
@given(st.sampled_from(GOOD), st.data())
def test_a_wrong_byte_is_never_taken(good: bytes, data: st.DataObject):
    at = data.draw(st.integers(0, len(good) - 1))
    wrong = data.draw(st.integers(1, 255))
    bent = good[:at] + bytes((good[at] ^ wrong,)) + good[at + 1 :]
    reader = FrameReader()
    try:
        assert reader.feed(bent) == []  # a longer one is waited for
        assert reader.torn
    except BadMessage:
        pass


@settings(max_examples=200, derandomize=True)
@given(st.sampled_from(["http2", "websocket"]), st.data())
def test_a_wrong_character_of_a_signed_request_is_never_let_in(wire: str, data: st.DataObject):
    client = AmazonClient(Credentials("AK", b"secret"), at=AT, host="h", wire=wire)  # type: ignore[arg-type]
    opening = client.open(Configure(format=AudioFormat()))
    opening = msgspec.structs.replace(opening, headers=opening.headers or (("host", "h"),))
    assert not isinstance(GUARD(opening), Fault)
    part = data.draw(st.sampled_from(["query", "headers"] if opening.query else ["headers"]))
    pairs = list(getattr(opening, part))
    place = data.draw(st.integers(0, len(pairs) - 1))
    name, value = pairs[place]
    at = data.draw(st.integers(0, len(value)))
    new = data.draw(st.characters(codec="utf-8", exclude_characters=[*value[at : at + 1], " "]))
    changed = value[:at] + new + value[at + 1 :]
    pairs[place] = (name, changed)
    bent = msgspec.structs.replace(opening, **{part: tuple(pairs)})
    found = GUARD(bent)
    # a port more or less is the same host
    if not (name == "host" and changed.rpartition(":")[0] == "h"):
        assert isinstance(found, Fault), (name, changed)
        assert "secret" not in found.text.replace("secret access key", "")


@settings(max_examples=150, derandomize=True)
@given(st.data())
def test_a_wrong_byte_of_a_signed_event_ends_the_stream(data: st.DataObject):
    client = AmazonClient(Credentials("AK", b"secret"), at=AT, host="h")
    server = AmazonServer(guard=GUARD)
    server.open(client.open(Configure(format=AudioFormat())), 0.0)
    server.send(Began(session="s"), 0.0)
    (first,) = client.send(Audio(data=AUDIO), 0.0)
    assert isinstance(first, Binary)
    at = data.draw(st.integers(0, len(first.data) - 1))
    wrong = bytes((first.data[at] ^ data.draw(st.integers(1, 255)),))
    steps = server.receive(Binary(first.data[:at] + wrong + first.data[at + 1 :]), 0.0)
    assert not [step for step in steps if isinstance(step, Audio)]
    steps += server.receive(Fin(), 0.1)
    assert steps[-1] == Close()


messages: st.SearchStrategy[Message] = st.one_of(
    pieces.map(Binary),
    st.just(Binary(encode(audio_frame(AUDIO)))),
    st.just(Binary(b"")),
    st.text(max_size=20).map(Text),
    st.just(Fin()),
    st.sampled_from([Close(1000), Close(1006)]),
)
parameters = st.lists(
    st.tuples(
        st.sampled_from(
            ["language-code", "sample-rate", "media-encoding", "session-id", "number-of-channels",
             "enable-channel-identification", "identify-language", "language-options",
             "vocabulary-name", "session-resume-window", "X-Amz-Signature", "X-Amz-Credential",
             "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders", "X-Amz-Algorithm"]
        ) | st.text(max_size=8),
        st.text(max_size=20) | st.sampled_from(["true", "2", "pcm", "16000", "en-US", "a,b"]),
    ),
    max_size=8,
)  # fmt: skip


@settings(max_examples=300, derandomize=True)
@given(
    st.sampled_from([post(), upgrade()]),
    parameters,
    st.booleans(),
    st.lists(messages, max_size=8),
    st.booleans(),
)
def test_a_server_half_bears_everything(
    opening: Opening,
    more: list[tuple[str, str]],
    guarded: bool,
    said: list[Message],
    admitted: bool,
):
    opening = msgspec.structs.replace(opening, query=(*opening.query, *more))
    server = AmazonServer(guard=GUARD) if guarded else AmazonServer()
    out = list(server.open(opening, 0.0))
    if admitted:
        out += server.send(Began(session="s", token="n.s.t"), 0.1)
    for number, message in enumerate(said):
        out += server.receive(message, 0.2 + number)
    out += server.send(Ended(), 20.0)
    kinds = [type(step) for step in out]
    assert kinds.count(Close) <= 1
    assert kinds.count(Accept) <= 1
    assert kinds.count(End) <= 1
    if Close in kinds:
        assert kinds[-1] is Close or not {Binary, Accept} & set(kinds[kinds.index(Close) + 1 :])
    assert server.deadline == inf or Close not in kinds


@settings(max_examples=300, derandomize=True)
@given(st.text() | st.sampled_from(["AK/20261124/us-east-1/transcribe/aws4_request"]))
def test_what_is_read_of_a_credential(text: str):
    scope = parse_scope(text)
    if scope is not None:
        assert f"{scope.key_id}/{scope.text}" == text
        assert "/" not in scope.key_id
        assert "." not in scope.key_id
    parse_authorization("AWS4-HMAC-SHA256 " + text)
