"""The laws of Amazon Transcribe's dialect, over both wires, signed and unsigned.

Declared losses: a client says its configuration once, and audio, and the end. Of the events only
transcripts arrive, with words whose signs stand apart, times in seconds, and no turns: a segment
that closes is one. An empty final of a segment nobody was told of is not said.
"""

from typing import Any, Literal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ossicle.core.commands import Audio, Command, Configure, End, Finalize
from ossicle.core.events import (
    Configured,
    Event,
    Flow,
    Notice,
    SpeechEnded,
    SpeechStarted,
    Transcript,
    Word,
)
from ossicle.core.formats import AudioFormat
from ossicle.core.options import Options, merged
from ossicle.core.wire import ChannelTraits, Opening
from ossicle.dialects.amazon import AmazonClient, AmazonServer, Credentials, Keys, signed
from ossicle.testing.dialect import check_pair, check_server

AT = 1_795_521_600.0
GIVEN = (("language-code", "en-US"), ("sample-rate", "16000"), ("media-encoding", "pcm"))
POST = Opening(
    id="x",
    method="POST",
    path="/stream-transcription",
    traits=ChannelTraits(framed=False),
    headers=tuple((f"x-amzn-transcribe-{name}", value) for name, value in GIVEN),
)
UPGRADE = Opening(id="x", path="/stream-transcription-websocket", query=GIVEN)


@pytest.mark.parametrize("opening", [POST, UPGRADE], ids=["http2", "websocket"])
def test_the_laws_of_a_server_half(opening: Opening):
    check_server(AmazonServer, opening)


def kept(item: Command | Event) -> object:
    """What survives: see above."""
    match item:
        case Configure(patch=patch):
            options = merged(Options(), patch).recognition
            return (item.format, options.language, options.channels, options.diarize,
                    options.model)  # fmt: skip
        case Audio():
            return item.data
        case End():
            return "end"
        case Transcript(side="in"):
            words = tuple((w.text, w.start_ms, w.end_ms) for w in item.words or ())
            return (item.text, item.start_ms, item.end_ms, item.final, item.channel, words)
        case _:
            return None


word = st.text("abcdefgh'", min_size=1, max_size=8)
sign = st.sampled_from(["", "", "", ".", ",", "?!"])


@st.composite
def transcript(draw: st.DrawFn) -> Transcript:
    at = draw(st.integers(0, 10_000))
    start = at
    words: list[Word] = []
    for _ in range(draw(st.integers(1, 4))):
        end = at + draw(st.integers(0, 900))
        words.append(Word(draw(word) + draw(sign), at, end, draw(st.none() | st.just(0.5))))
        at = end + draw(st.integers(0, 90))
    final = draw(st.booleans())
    return Transcript(
        text=" ".join(w.text for w in words),
        words=tuple(words),
        start_ms=start,
        end_ms=at,
        turn=draw(st.integers(0, 3)),
        segment=draw(st.integers(0, 3)),
        channel=draw(st.integers(0, 1)),
        final=final,
        ends_turn=final,
        stable=draw(st.integers(0, 30)),
    )


@pytest.mark.parametrize("wire", ["http2", "websocket"])
@pytest.mark.parametrize("secret", [None, b"secret"], ids=["unsigned", "signed"])
@settings(max_examples=40, derandomize=True)
@given(
    commands=st.lists(
        st.binary(min_size=1, max_size=400).map(lambda data: Audio(data=data))
        | st.just(Finalize(ref="f")),
        max_size=6,
    ),
    events=st.lists(
        transcript()
        | st.sampled_from(
            [
                Notice(code="x"),
                Flow(),
                SpeechStarted(),
                SpeechEnded(side="in"),
                Configured(),
                Transcript(text="out", side="out"),
            ]
        ),
        max_size=6,
    ),
    options=st.fixed_dictionaries(
        {},
        optional={
            "language": st.sampled_from(["de-DE", "en-GB"]),
            "model": st.text("abc-", min_size=1, max_size=9),
        },
    ),
    shape=st.sampled_from(["mono", "split", "diarize"]),
)
def test_what_is_said_at_one_end_is_heard_at_the_other(
    wire: Literal["http2", "websocket"],
    secret: bytes | None,
    commands: list[Command],
    events: list[Event],
    options: dict[str, Any],
    shape: str,
):
    if shape == "split":
        options = options | {"channels": "split"}
    elif shape == "diarize":
        options = options | {"diarize": True}
    else:
        events = [
            msgspec.structs.replace(e, channel=0) if isinstance(e, Transcript) else e
            for e in events
        ]
    if shape == "diarize":
        events = []
    configure = Configure(
        format=AudioFormat("pcm_s16le", 16_000, 2 if shape == "split" else 1),
        patch={"recognition": options},
    )

    def server() -> AmazonServer:
        if secret is None:
            return AmazonServer()
        keys = Keys({"aws_secret_AK": secret}.get, lambda _name: "credential")
        return AmazonServer(guard=_arriving(signed(keys)))

    def client() -> AmazonClient:
        credentials = None if secret is None else Credentials("AK", secret)
        return AmazonClient(credentials, at=AT, host="h", wire=wire)

    check_pair(
        server,
        client,
        commands=[*(c for c in commands if not isinstance(c, Finalize)), End()],
        events=events,
        kept=kept,
        configure=configure,
    )


def _arriving(guard: Any) -> Any:
    """What a transport adds to an upgrade on its way: the host."""

    def check(opening: Opening) -> Any:
        headers = opening.headers or (("host", "h"),)
        return guard(msgspec.structs.replace(opening, headers=headers))

    return check
