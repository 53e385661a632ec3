"""A call's life, by a clock that is a number."""

import json
from math import inf
from typing import Any

import pytest
from twilio_table import STARTS

from ossicle.core.commands import Audio, Cancel, Configure, End, Played, Report, Speak, Tell
from ossicle.core.errors import CODES, Denied
from ossicle.core.events import AudioOut, Ended, SpeechEnded, SpeechStarted, Transcript
from ossicle.core.formats import AudioFormat
from ossicle.core.wire import Accept, Binary, Close, Opening, Ping, Text
from ossicle.dialects.twilio import CallServer


def message(event: str, number: int = 0, **body: Any) -> Text:
    said = {"event": event, "streamSid": "MZ0a", **body}
    if number:
        said["sequenceNumber"] = str(number)
    return Text(json.dumps(said))


def media(at_ms: int, payload: str = "AAAA" * 53 + "AA==", track: str = "inbound") -> Text:
    body = {"track": track, "timestamp": str(at_ms), "payload": payload}
    return message("media", media=body)


def begun(*, tracks: tuple[str, ...] = ("inbound",), **parameters: str) -> CallServer:
    server = CallServer("twilio")
    server.open(Opening(), 0.0)
    server.receive(start(tracks, **parameters), 0.0)
    return server


def start(tracks: tuple[str, ...] = ("inbound",), **parameters: str) -> Text:
    said = json.loads(STARTS["twilio"])
    said["start"] |= {"customParameters": parameters, "tracks": list(tracks)}
    return Text(json.dumps(said))


def names_of(steps: Any) -> list[str]:
    return [json.loads(s.data)["event"] if isinstance(s, Text) else type(s).__name__ for s in steps]


# ── the beginning ──


def test_it_accepts_at_once_and_configures_at_start():
    server = CallServer("twilio")
    assert server.open(Opening(), 0.0) == (Accept(),)
    assert server.receive(message("connected", protocol="Call"), 1.0) == ()
    (configure,) = server.receive(start(), 2.0)
    assert configure == Configure(format=AudioFormat("mulaw", 8_000), names=("CA1", "MZ0a"))
    assert server.deadline == 12.0


def test_parameters_are_options():
    server = CallServer("twilio")
    server.open(Opening(), 0.0)
    steps = server.receive(
        start(
            lang="de-DE", model="m", hints="eins, zwei:2.5,a:b", interim_results="no",
            punctuate="1", silence_ms="500", overload="drop_oldest", voice="v", label="desk",
            token="t", transcript_url="https://example.com/x", mode="bidi", say="Hallo",
            customer="their own",
        ),
        0.0,
    )  # fmt: skip
    configure, speak = steps
    assert speak == Speak(text="Hallo")
    assert configure == Configure(
        patch={
            "overload": "drop_oldest",
            "label": "desk",
            "recognition": {
                "interim_results": False,
                "punctuate": True,
                "model": "m",
                "language": "de-DE",
                "hints": [
                    {"text": "eins"},
                    {"text": "zwei", "boost": 2.5},
                    {"text": "a:b"},
                ],
                "turns": {"silence_ms": 500},
            },
            "synthesis": {"voice": "v"},
        },
        format=AudioFormat("mulaw", 8_000),
        speaks=AudioFormat("mulaw", 8_000),
        credential="t",
        names=("CA1", "MZ0a"),
        report_to=(Report("https://example.com/x"),),
    )


@pytest.mark.parametrize(
    "parameters",
    [
        {"punctuate": "perhaps"}, {"silence_ms": "-1"}, {"silence_ms": "9" * 20}, {"mode": "both"},
        {"lead_ms": "x"}, {"barge_in": "maybe"},
    ],
)  # fmt: skip
def test_a_parameter_that_cannot_be_read_closes_with_its_name(parameters: dict[str, str]):
    server = CallServer("twilio")
    server.open(Opening(), 0.0)
    (close,) = server.receive(start(**parameters), 0.0)
    assert isinstance(close, Close)
    assert close.code == 1000
    assert next(iter(parameters)) in close.reason
    assert server.deadline == inf


def test_no_start_within_five_seconds():
    server = CallServer("twilio")
    server.open(Opening(), 10.0)
    server.receive(message("connected", protocol="Call"), 14.0)
    assert server.deadline == 15.0
    assert server.expire(14.9) == ()
    (close,) = server.expire(15.0)
    assert isinstance(close, Close)
    assert "5 s" in close.reason
    assert server.receive(start(), 15.1) == ()


@pytest.mark.parametrize(
    "first",
    [
        Text("hello"), Text('{"event":"media","media":{"payload":"AA=="}}'), Binary(b"x"),
        Text(STARTS["telnyx"]), Text(STARTS["plivo"]),
        Text('{"event":"start","streamSid":"MZ1","start":{"streamSid":"MZ2"}}'),
        Text('{"event":"start","streamSid":"MZ1"}'),
        Text('{"event":"start","streamSid":"MZ1","start":{"tracks":[]}}'),
        Text('{"event":"start","streamSid":"MZ1","start":{"tracks":["a","a"]}}'),
    ],
)  # fmt: skip
def test_a_stream_that_begins_wrong_is_closed(first: Any):
    server = CallServer("twilio")
    server.open(Opening(), 0.0)
    (close,) = server.receive(first, 0.0)
    assert isinstance(close, Close)
    assert close.code == 1000
    assert server.receive(start(), 0.0) == ()


def test_connected_without_end_is_no_beginning():
    server = CallServer("twilio")
    server.open(Opening(), 0.0)
    steps = [server.receive(message("connected"), 0.0) for _ in range(20)]
    assert [type(s[0]) for s in steps if s] == [Close]


@pytest.mark.parametrize("carrier", STARTS)
def test_the_first_message_tells_whose_stream_it_is(carrier: str):
    server = CallServer()
    server.open(Opening(), 0.0)
    (configure,) = server.receive(Text(STARTS[carrier]), 0.0)
    assert isinstance(configure, Configure)
    assert server.name == carrier
    assert server.tap(b"x") == (carrier == "vonage")
    assert configure.patch == {"recognition": {"language": "en"}}


# ── sound ──


def test_what_follows_on_has_no_time_and_what_does_not_has():
    server = begun()
    times = [0, 20, 41, 60, 100, 80, 80, 5_000, 5_020]
    heard = [server.receive(media(at), 0.0) for at in times]
    assert [a.at_ms for (a,) in heard if isinstance(a, Audio)] == [
        None, None, None, None, 100, 80, 80, 5_000, None,
    ]  # fmt: skip


def test_sequence_numbers_said_before_are_not_heard_again():
    server = begun()
    body = {"payload": "AA==", "timestamp": "0"}
    assert len(server.receive(message("media", 5, media=body), 0.0)) == 1
    assert server.receive(message("media", 5, media=body), 0.0) == ()
    assert server.receive(message("dtmf", 3, dtmf={"digit": "1"}), 0.0) == ()
    assert server.receive(message("stop", 4, stop={}), 0.0) == ()
    assert server.receive(message("stop", 6, stop={}), 0.0) == (End(),)


def test_each_track_is_a_channel():
    server = CallServer("twilio")
    server.open(Opening(), 0.0)
    (configure,) = server.receive(start(("inbound", "outbound")), 0.0)
    assert isinstance(configure, Configure)
    assert configure.format == AudioFormat("mulaw", 8_000, 2)
    assert configure.patch == {"recognition": {"channels": "split"}}
    (here,) = server.receive(media(0, "AA==", "inbound"), 0.0)
    (there,) = server.receive(media(0, "AQ==", "outbound"), 0.0)
    assert here == Audio(data=b"\x00", at_ms=0, channel=0)
    assert there == Audio(data=b"\x01", at_ms=0, channel=1)
    assert server.receive(media(0, "AQ==", "nobody"), 0.0) == ()


def test_digits_are_told():
    server = begun()
    steps = server.receive(message("dtmf", 2, dtmf={"digit": "#"}), 0.0)
    assert steps == (Tell(kind="digits", text="#"),)


# ── the end ──


def test_stop_finishes_and_the_end_closes_with_1000():
    server = begun()
    assert server.receive(message("stop", 9, stop={}), 1.0) == (End(),)
    assert server.deadline == inf
    assert server.receive(media(0), 1.0) == ()
    assert server.receive(Close(1000), 1.0) == ()
    assert server.send(Transcript(text="words", final=True), 1.0) == ()
    assert server.send(Ended(), 1.0) == (Close(1000, ""),)


@pytest.mark.parametrize("code", [None, 1000, 1001, 1006, 1011])
def test_a_close_is_a_stop(code: int | None):
    assert begun().receive(Close(code), 0.0) == (End(),)


def test_ten_seconds_of_nothing_is_a_dead_peer():
    server = begun()
    server.receive(media(0), 3.0)
    assert server.deadline == 13.0
    assert server.expire(12.0) == ()
    assert server.expire(13.0) == (End(),)
    assert server.deadline == inf
    assert server.send(Ended(), 14.0) == (Close(1000, "idle"),)


@pytest.mark.parametrize(
    "rude",
    [start(), Binary(b"x"), Text("["), message("media"), media(0, "%")],
)
def test_a_broken_protocol_finishes_what_was_heard(rude: Any):
    server = begun()
    assert server.receive(rude, 0.0) == (End(),)
    assert server.send(Ended(), 0.0) == (Close(1000, "bad_message"),)


def test_pings_are_nothing():
    assert begun().receive(Ping(b""), 0.0) == ()


def test_always_1000_whatever_the_error():
    for code, kind in CODES.items():
        (close,) = begun().send(Ended(error=kind("text", code=code).fault()), 0.0)
        assert isinstance(close, Close)
        assert close.code == 1000
        assert close.reason.startswith(code)
    (close,) = begun().send(Ended(error=Denied("x" * 500).fault()), 0.0)
    assert isinstance(close, Close)
    assert len(close.reason) <= 120


# ── the voice ──


def said(server: CallServer, ms: int, *, at: int = 0, now: float = 0.0, mark: str = "") -> Any:
    event = AudioOut(utterance="u", data=bytes(8 * ms), start_ms=at, mark=mark)
    return server.send(event, now)


def test_nothing_is_sent_without_mode_bidi():
    server = begun(say="hello")
    assert said(server, 1_000) == ()
    assert server.send(SpeechStarted(side="in"), 0.0) == ()
    assert server.send(SpeechEnded(side="out", utterance="u"), 0.0) == ()


def test_a_mark_every_half_second_and_at_the_end():
    server = begun(mode="bidi")
    steps = [said(server, 200, at=at) for at in range(0, 1_000, 200)]
    assert [names_of(s) for s in steps] == [
        ["media"], ["media"], ["media", "mark"], ["media"], ["media"],
    ]  # fmt: skip
    assert names_of(server.send(SpeechEnded(side="out", utterance="u"), 0.0)) == ["mark"]
    back = message("mark", mark={"name": "ossicle-1"})
    assert server.receive(back, 0.0) == (Played(utterance="u", until_ms=600),)
    assert server.receive(back, 0.0) == ()
    last = message("mark", mark={"name": "ossicle-2"})
    assert server.receive(last, 0.0) == (Played(utterance="u", until_ms=1_000),)


def test_the_engines_own_marks_come_back_by_their_names_and_prove_those_before():
    server = begun(mode="bidi")
    said(server, 500)
    said(server, 20, at=500, mark="here")
    (played,) = server.receive(message("mark", mark={"name": "ossicle-2"}), 0.0)
    assert played == Played(utterance="u", until_ms=520, mark="here")
    assert server.receive(message("mark", mark={"name": "ossicle-1"}), 0.0) == ()


def test_barge_in_clears_and_returning_marks_do_not_count():
    server = begun(mode="bidi")
    said(server, 5_000)
    steps = server.send(SpeechStarted(side="in"), 1.0)
    assert names_of(steps) == ["clear", "Cancel"]
    assert steps[1] == Cancel(side="out")
    assert server.receive(message("mark", mark={"name": "ossicle-1"}), 1.0) == ()
    assert said(server, 20, at=5_000) == (), "sound of a hushed utterance"
    assert server.send(SpeechStarted(side="in"), 1.1) == (), "nothing is left to clear"
    other = AudioOut(utterance="u2", data=bytes(8_000))
    assert names_of(server.send(other, 2.0)) == ["media", "mark"]


def test_barge_in_can_be_turned_off():
    server = begun(mode="bidi", barge_in="false")
    said(server, 5_000)
    assert server.send(SpeechStarted(side="in"), 1.0) == ()


def test_what_somebody_else_cancels_is_cleared_too():
    server = begun(mode="bidi")
    said(server, 5_000)
    event = SpeechEnded(side="out", utterance="u", reason="cancelled")
    assert names_of(server.send(event, 1.0)) == ["clear"]
    assert server.send(event, 1.0) == ()


def test_paced_sound_goes_out_when_its_time_has_come():
    server = begun(mode="bidi", lead_ms="200")
    assert names_of(said(server, 1_000)) == ["media", "media"]
    total, now = 2, 0.0
    while server.deadline < 9.0:
        now = server.deadline
        steps = server.expire(now)
        total += names_of(steps).count("media")
        assert total * 0.1 - now <= 0.31
    assert total == 10
    assert names_of(steps)[-1] == "mark"
    assert server.deadline == pytest.approx(10.0)


def test_paced_sound_that_was_not_sent_is_never_sent_after_a_clear():
    server = begun(mode="bidi", lead_ms="200")
    said(server, 1_000)
    assert names_of(server.send(SpeechStarted(side="in"), 0.05)) == ["clear", "Cancel"]
    assert server.deadline == 10.0
    assert server.expire(9.0) == ()


def test_vonage_frames_are_filled_up_at_the_end():
    server = CallServer("vonage")
    server.open(Opening(), 0.0)
    server.receive(Text(STARTS["vonage"]), 0.0)
    event = AudioOut(utterance="u", data=b"\x01" * 700)
    assert [len(m.data) for m in server.send(event, 0.0) if isinstance(m, Binary)] == [640]
    last, mark = server.send(SpeechEnded(side="out", utterance="u"), 0.0)
    assert last == Binary(b"\x01" * 60 + bytes(580))
    assert isinstance(mark, Text)


def test_vonage_sound_counts_as_life_and_is_audio():
    server = CallServer("vonage")
    server.open(Opening(), 0.0)
    server.receive(Text(STARTS["vonage"]), 0.0)
    assert server.receive(Binary(b"\x01\x02"), 4.0) == (Audio(data=b"\x01\x02"),)
    assert server.deadline == 14.0
    assert server.tap(b"\x01\x02")  # past the dialect, straight to the session
    assert server.expire(14.0) == ()
    assert server.deadline == 24.0
    assert server.expire(24.0) == (End(),)
    assert not server.tap(b"\x01\x02"), "sound after the end goes nowhere"
