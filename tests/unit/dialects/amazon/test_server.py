"""The server half: openings, answers, every end, every error, on both wires."""

import json
from math import inf
from typing import Any

import msgspec
import pytest
from amazon_table import AT, AUDIO, post, upgrade

from ossicle.core.commands import Audio, Configure, End, Join
from ossicle.core.errors import CODES, Fault
from ossicle.core.events import (
    Began,
    Configured,
    Ended,
    Event,
    Flow,
    Notice,
    SpeechStarted,
    Transcript,
    Word,
)
from ossicle.core.formats import AudioFormat
from ossicle.core.ports import Steps
from ossicle.core.wire import Accept, Binary, Close, Fin, Message, Opening, Ping, Text
from ossicle.dialects.amazon.client import AmazonClient, Credentials
from ossicle.dialects.amazon.eventstream import Frame, blob, encode, read_frames, stamp, text
from ossicle.dialects.amazon.guard import Keys, signed
from ossicle.dialects.amazon.messages import audio_frame
from ossicle.dialects.amazon.server import AmazonServer
from ossicle.dialects.amazon.sessions import SessionIds, State

WIRES = pytest.mark.parametrize("ask", [post, upgrade])
SOUND = encode(audio_frame(AUDIO))
END = encode(audio_frame(b""))


def began(opening: Opening, **made: Any) -> AmazonServer:
    server = AmazonServer(**made)
    server.open(opening, 0.0)
    server.send(Began(session="s", token="n.s.t", engine="e"), 0.0)
    return server


def frames(steps: Steps) -> list[Frame]:
    return [f for step in steps if isinstance(step, Binary) for f in read_frames(step.data)]


def told(steps: Steps) -> Any:
    """The one result that is told of."""
    (frame,) = frames(steps)
    assert frame.text(":event-type") == "TranscriptEvent"
    (result,) = json.loads(frame.payload)["Transcript"]["Results"]
    return result


def broken(steps: Steps) -> tuple[str, str]:
    """An exception frame and the end behind it."""
    *_, said, close = steps
    assert close == Close()
    assert isinstance(said, Binary)
    (frame,) = read_frames(said.data)
    assert frame.text(":message-type") == "exception"
    assert frame.text(":content-type") == "application/json"
    return frame.text(":exception-type"), json.loads(frame.payload)["Message"]


def heard(steps: Steps) -> bytes:
    return b"".join(step.data for step in steps if isinstance(step, Audio))


# ── beginning ──


@WIRES
def test_an_opening_asks_for_a_session(ask: Any):
    (asked,) = AmazonServer().open(ask(session_id="my-own"), 0.0)
    assert isinstance(asked, Configure)
    assert asked.format == AudioFormat("pcm_s16le", 16_000, 1)
    assert asked.names == ("my-own",)
    assert asked.patch["recognition"]["language"] == "en-US"


@WIRES
def test_the_answer_echoes_and_an_empty_event_follows_at_once(ask: Any):
    server = AmazonServer()
    opening = ask(session_id="my-own", vocabulary_name="nobody-knows-it")
    server.open(opening, 0.0)
    accept, first = server.send(Began(session="s"), 0.0)
    assert isinstance(accept, Accept)
    assert accept.flush
    headers = dict(accept.headers)
    assert headers["x-amzn-request-id"] == opening.id
    assert headers["x-amzn-transcribe-session-id"] == "my-own"
    assert headers["x-amzn-transcribe-sample-rate"] == "16000"
    assert headers["x-ossicle-ignored"] == "vocabulary-name"
    assert ("content-type" in headers) == (ask is post)
    assert frames((first,)) == [
        Frame(
            (
                text(":message-type", "event"),
                text(":event-type", "TranscriptEvent"),
                text(":content-type", "application/json"),
            ),
            b'{"Transcript":{"Results":[]}}',
        )
    ]


def test_a_session_id_is_made_where_none_is_given_and_is_not_the_request_id():
    opening = post()
    server = AmazonServer()
    server.open(opening, 0.0)
    accept = server.send(Began(), 0.0)[0]
    assert isinstance(accept, Accept)
    made = dict(accept.headers)["x-amzn-transcribe-session-id"]
    assert len(made) == 36
    assert made != opening.id


# ── audio and its four ends ──


@WIRES
def test_audio_comes_out_of_its_frames(ask: Any):
    server = began(ask())
    assert server.receive(Binary(SOUND), 0.1) == (Audio(data=AUDIO),)


def test_http_cuts_frames_anywhere():
    server = began(post())
    whole = SOUND * 5
    got = b"".join(
        heard(server.receive(Binary(whole[at : at + 77]), 0.1)) for at in range(0, len(whole), 77)
    )
    assert got == AUDIO * 5


def signed_end(ask: Any) -> Message:
    return Binary(encode(Frame((stamp(":date", 0), blob(":chunk-signature", bytes(32))))))


@WIRES
@pytest.mark.parametrize("how", ["envelope", "empty event", "no bytes", "fin"])
def test_each_form_of_the_end(ask: Any, how: str):
    server = began(ask())
    server.receive(Binary(SOUND), 0.1)
    end: Message = {
        "envelope": signed_end(ask), "empty event": Binary(END), "no bytes": Binary(b""),
        "fin": Fin(),
    }[how]  # fmt: skip
    if how == "no bytes" and ask is post:
        assert server.receive(end, 0.2) == ()  # of a byte stream it says nothing
        return
    assert server.receive(end, 0.2) == (End(),)
    assert server.deadline == inf  # the answer may be as late as it has to be
    for more in (end, Binary(SOUND), Fin()):
        assert server.receive(more, 0.3) == ()
    assert server.send(Ended(), 9.0) == (Close(),)


@pytest.mark.parametrize("code", [1000, 1005, 1006, None])
def test_a_websocket_that_closes_without_a_word_has_ended_its_audio(code: int | None):
    server = began(upgrade())
    assert server.receive(Close(code), 0.1) == (End(),)
    assert server.receive(Close(code), 0.1) == ()


def test_half_a_stream_without_audio_ends_well():
    server = began(post())
    assert server.receive(Fin(), 0.0) == (End(),)
    assert server.send(Ended(), 0.1) == (Close(),)


# ── results ──

SAID = Transcript(
    text="Hello there.",
    words=(Word("Hello", 310, 660, 0.98), Word("there.", 700, 1700, 0.97)),
    start_ms=310,
    end_ms=1720,
    turn=0,
)


def final(event: Transcript, **more: Any) -> Transcript:
    return msgspec.structs.replace(event, final=True, ends_turn=True, **more)


def test_partials_keep_the_id_of_their_segment_and_the_next_has_another():
    server = began(post())
    first = told(server.send(msgspec.structs.replace(SAID, text="Hello", words=SAID.words[:1]), 1))
    second = told(server.send(final(SAID), 1))
    third = told(server.send(msgspec.structs.replace(SAID, turn=1), 1))
    assert first["ResultId"] == second["ResultId"] != third["ResultId"]
    assert (first["IsPartial"], second["IsPartial"]) == (True, False)
    assert (second["StartTime"], second["EndTime"]) == (0.31, 1.72)
    assert second["LanguageCode"] == "en-US"
    assert "ChannelId" not in second
    assert "LanguageIdentification" not in second
    (reading,) = second["Alternatives"]
    assert reading["Transcript"] == "Hello there."
    assert reading["Entities"] == []
    assert reading["Items"] == [
        {"StartTime": 0.31, "EndTime": 0.66, "Type": "pronunciation", "Content": "Hello",
         "Confidence": 0.98, "VocabularyFilterMatch": False},
        {"StartTime": 0.7, "EndTime": 1.7, "Type": "pronunciation", "Content": "there",
         "Confidence": 0.97, "VocabularyFilterMatch": False},
        {"StartTime": 1.7, "EndTime": 1.7, "Type": "punctuation", "Content": ".",
         "VocabularyFilterMatch": False},
    ]  # fmt: skip


def test_stabilisation_where_it_was_asked_for():
    server = began(post(enable_partial_results_stabilization="true"))
    (reading,) = told(server.send(msgspec.structs.replace(SAID, stable=5), 1))["Alternatives"]
    assert [item["Stable"] for item in reading["Items"]] == [True, False, False]


def test_channels_are_named_and_do_not_share_an_id():
    server = began(post(enable_channel_identification="true", number_of_channels="2"))
    left = told(server.send(SAID, 1))
    right = told(server.send(msgspec.structs.replace(SAID, channel=1), 1))
    assert (left["ChannelId"], right["ChannelId"]) == ("ch_0", "ch_1")
    assert left["ResultId"] != right["ResultId"]
    assert told(server.send(final(SAID), 1))["ResultId"] == left["ResultId"]


def test_a_language_that_was_found_out():
    server = began(post(language_code="", identify_language="true", language_options="de-DE,en-GB"))
    assert told(server.send(SAID, 1))["LanguageCode"] == "de-DE"
    found = told(server.send(final(SAID, language="en-GB"), 1))
    assert found["LanguageCode"] == "en-GB"
    assert found["LanguageIdentification"] == [{"LanguageCode": "en-GB"}]


def test_silence_says_nothing_and_an_open_segment_is_closed():
    server = began(post())
    empty = Transcript(final=True, ends_turn=True)
    assert server.send(empty, 1) == ()
    server.send(SAID, 1)
    closed = told(server.send(empty, 1))
    assert closed["IsPartial"] is False
    assert closed["Alternatives"] == [{"Transcript": "", "Items": [], "Entities": []}]


@pytest.mark.parametrize(
    "event",
    [Notice(code="x", text="y", level="error"), Flow(), SpeechStarted(), Configured(),
     Transcript(text="spoken", side="out")],
)  # fmt: skip
def test_what_the_wire_has_no_word_for(event: Event):
    assert began(post()).send(event, 0.0) == ()


# ── errors ──


@pytest.mark.parametrize("code", CODES)
def test_every_error_before_a_stream_over_http(code: str):
    server = AmazonServer()
    server.open(post(), 0.0)
    fault = CODES[code]("why", code=code).fault()
    (close,) = server.send(Ended(reason="refused", error=fault), 0.0)
    assert isinstance(close, Close)
    headers = dict(close.headers)
    name = headers["x-amzn-errortype"]
    status = {
        "BadRequestException": 400, "LimitExceededException": 429, "InternalFailureException": 500,
        "ConflictException": 409, "ServiceUnavailableException": 503,
    }.get(name, 403)  # fmt: skip
    assert close.code == status
    assert json.loads(close.body) == {"Message": "why"}
    assert headers["content-type"] == "application/json"
    assert ("retry-after" in headers) == (status in {429, 503})


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("ask", [post, upgrade])
def test_every_error_within_a_stream_has_one_of_five_names(ask: Any, code: str):
    fault = CODES[code]("why", code=code).fault()
    name, message = broken(began(ask()).send(Ended(reason="failed", error=fault), 0.0))
    assert message == "why"
    assert name in {"BadRequestException", "LimitExceededException", "InternalFailureException",
                    "ConflictException", "ServiceUnavailableException"}  # fmt: skip


def test_a_websocket_is_opened_to_say_what_is_wrong_but_for_a_signature():
    server = AmazonServer()
    accept, *rest = server.open(upgrade(sample_rate="1"), 0.0)
    assert isinstance(accept, Accept)
    assert broken(tuple(rest))[0] == "BadRequestException"
    full = AmazonServer()
    full.open(upgrade(), 0.0)
    fault = Fault("at_capacity", "25 streams are open", "us", True)
    accept, *rest = full.send(Ended(reason="refused", error=fault), 0.0)
    assert broken(tuple(rest)) == ("LimitExceededException", "25 streams are open")
    guarded = AmazonServer(guard=signed(Keys(lambda _n: None, lambda _n: None)))
    (close,) = guarded.open(upgrade(), 0.0)
    assert isinstance(close, Close)
    assert close.code == 403


def test_parameters_are_refused_with_a_status_over_http():
    (close,) = AmazonServer().open(post(media_encoding="mp3"), 0.0)
    assert isinstance(close, Close)
    assert close.code == 400
    assert "media-encoding='mp3'" in json.loads(close.body)["Message"]


BAD: list[tuple[str, bytes]] = [
    ("a sum", SOUND[:-1] + bytes((SOUND[-1] ^ 1,))),
    ("another event", encode(Frame((text(":message-type", "event"), text(":event-type", "X"))))),
    ("no type", encode(Frame((), b"x"))),
    ("an exception", encode(Frame((text(":message-type", "exception"),)))),
    ("an envelope of two", encode(
        Frame((stamp(":date", 0), blob(":chunk-signature", bytes(32))), SOUND + SOUND))),
    ("an envelope of half", encode(
        Frame((stamp(":date", 0), blob(":chunk-signature", bytes(32))), SOUND[:-3]))),
]  # fmt: skip


@WIRES
@pytest.mark.parametrize(("name", "data"), BAD, ids=[row[0] for row in BAD])
def test_a_broken_frame_ends_the_stream(ask: Any, name: str, data: bytes):
    server = began(ask())
    assert broken(server.receive(Binary(data), 0.1))[0] == "BadRequestException"
    assert server.receive(Binary(SOUND), 0.2) == ()
    assert server.send(SAID, 0.2) == ()
    assert server.deadline == inf


def test_a_truncated_prelude():
    over_http = began(post())
    assert over_http.receive(Binary(SOUND[:7]), 0.1) == ()
    assert "within a frame" in broken(over_http.receive(Fin(), 0.2))[1]
    assert "left over" in broken(began(upgrade()).receive(Binary(SOUND[:7]), 0.1))[1]


def test_text_is_an_error():
    assert broken(began(upgrade()).receive(Text("{}"), 0.1))[0] == "BadRequestException"


def test_call_analytics_configuration_is_ignored():
    frame = Frame((text(":message-type", "event"), text(":event-type", "ConfigurationEvent")), b"x")
    assert began(upgrade()).receive(Binary(encode(frame)), 0.1) == ()
    assert began(upgrade()).receive(Ping(), 0.1) == ()


# ── fifteen seconds ──


@WIRES
def test_silence_ends_a_stream_after_its_last_words(ask: Any):
    server = began(ask())
    assert server.deadline == 15.0
    server.receive(Binary(SOUND), 10.0)
    assert server.expire(15.0) == ()
    assert server.deadline == 25.0
    assert server.expire(24.9) == ()
    assert server.expire(25.0) == (End(),)
    assert told(server.send(final(SAID), 25.1))["IsPartial"] is False
    name, message = broken(server.send(Ended(), 25.2))
    assert name == "BadRequestException"
    assert message == ("Your request timed out because no new audio was received for 15 seconds.")


def test_an_engine_that_cannot_decide_is_not_waited_for():
    server = began(post(), silence_s=1.0)
    assert server.expire(1.0) == (End(),)
    assert server.deadline == 6.0
    assert "no new audio" in broken(server.expire(6.0))[1]


def test_a_late_answer_does_not_count_as_silence():
    server = AmazonServer()
    server.open(post(), 0.0)
    assert server.deadline == inf
    server.send(Began(), 20.0)
    assert server.deadline == 35.0


# ── signed events ──


def checked(wire: Any) -> tuple[AmazonServer, AmazonClient]:
    keys = Keys({"aws_secret_AK": b"SK"}.get, lambda _name: "credential")
    client = AmazonClient(Credentials("AK", b"SK"), at=AT, host="h", wire=wire)
    opening = client.open(Configure(format=AudioFormat()))
    opening = msgspec.structs.replace(opening, at=AT, headers=opening.headers or (("host", "h"),))
    server = AmazonServer(guard=signed(keys))
    (asked,) = server.open(opening, 0.0)
    assert isinstance(asked, Configure)
    assert asked.credential == "credential"
    server.send(Began(), 0.0)
    return server, client


def test_a_signed_stream_takes_signed_events_only():
    server, client = checked("http2")
    for message in (*client.send(Audio(data=AUDIO), 0.1), *client.send(Audio(data=AUDIO), 0.2)):
        assert heard(server.receive(message, 0.1)) == AUDIO  # type: ignore[arg-type]
    assert "has to be signed" in broken(server.receive(Binary(SOUND), 0.2))[1]


def test_a_signed_url_lets_events_go_unsigned():
    server, _client = checked("websocket")
    assert heard(server.receive(Binary(SOUND), 0.2)) == AUDIO
    bad = Frame((stamp(":date", int(AT * 1000)), blob(":chunk-signature", bytes(32))), SOUND)
    assert "signature of an event" in broken(server.receive(Binary(encode(bad)), 0.2))[1]


# ── session ids ──


def ids(states: dict[str, State]) -> SessionIds:
    return SessionIds(lambda name: states.get(name, "gone"))


@WIRES
def test_a_second_stream_of_an_id_in_use_is_a_conflict(ask: Any):
    states: dict[str, State] = {"s": "here"}
    book = ids(states)
    first = began(ask(session_id="one"), sessions=book)
    steps = AmazonServer(sessions=book).open(ask(session_id="one"), 1.0)
    if ask is post:
        (close,) = steps
        assert isinstance(close, Close)
        assert close.code == 409
        assert dict(close.headers)["x-amzn-errortype"] == "ConflictException"
    else:
        assert broken(steps)[0] == "ConflictException"
    first.send(Ended(), 2.0)
    (again,) = AmazonServer(sessions=book).open(ask(session_id="one"), 3.0)
    assert isinstance(again, Configure)
    assert again.join is None


def test_a_session_that_waits_is_gone_on_with():
    states: dict[str, State] = {"s": "here"}
    book = ids(states)
    opening = post(session_id="one", session_resume_window="5")
    first = began(opening, sessions=book)
    assert first.resumable
    first.send(msgspec.structs.replace(SAID, seq=7), 1.0)
    assert first.receive(Close(1006), 2.0) == ()  # it may come back
    states["s"] = "waiting"
    second = AmazonServer(sessions=book)
    (join,) = second.open(opening, 3.0)
    assert isinstance(join, Configure)
    assert join.join == Join(token="n.s.t", since=7)
    second.send(Began(session="s", token="n.s.t", resumed=True), 3.0)
    # the old stream's end takes nothing from the new one
    first.send(Ended(reason="refused", error=Fault("replaced", "x", "client")), 3.0)
    states["s"] = "here"
    (refused,) = AmazonServer(sessions=book).open(post(session_id="one"), 4.0)
    assert isinstance(refused, Close)
    assert refused.code == 409


def test_other_audio_cannot_go_on():
    book = ids({"s": "waiting"})
    began(post(session_id="one", session_resume_window="5"), sessions=book)
    other = post(session_id="one", session_resume_window="5", sample_rate="8000")
    (close,) = AmazonServer(sessions=book).open(other, 3.0)
    assert isinstance(close, Close)
    assert close.code == 400


def test_without_a_window_a_lost_stream_is_over_and_its_id_free():
    book = ids({"s": "here"})
    first = began(post(session_id="one"), sessions=book)
    assert not first.resumable
    assert first.receive(Close(1006), 1.0) == (End(),)
    assert len(book) == 0
