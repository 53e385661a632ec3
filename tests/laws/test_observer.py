"""The observers' door keeps the laws of every dialect."""

import json

import pytest

from ossicle.core.commands import Configure
from ossicle.core.events import AudioOut, Began, Flow, Transcript
from ossicle.core.wire import Accept, Binary, ChannelTraits, Close, Fin, Opening, Ping, Text
from ossicle.dialects.native import NativeObserver
from ossicle.testing.dialect import check_server

PATH = "/v1/sessions/CA1/events"
SOCKET = Opening(id="o", path=PATH)
BODY = Opening(id="o", path=PATH, traits=ChannelTraits(framed=False), transport="http")
WORDS = Opening(
    id="o",
    path=PATH,
    traits=ChannelTraits(framed=False),
    headers=(("accept", "text/plain"),),
)
SSE = Opening(
    id="o",
    path=PATH,
    traits=ChannelTraits(framed=False),
    headers=(("accept", "text/event-stream"),),
)


@pytest.mark.parametrize("opening", [SOCKET, BODY, SSE], ids=["socket", "lines", "sse"])
def test_laws(opening):
    check_server(NativeObserver, opening)


@pytest.mark.parametrize(
    ("query", "headers", "wanted"),
    [
        ((), (), (0, 0.0)),
        ((("since", "7"), ("wait_s", "2.5")), (), (7, 2.5)),
        ((("since", "7"),), (("last-event-id", "9"),), (9, 0.0)),
    ],
)
def test_what_is_asked_for(query, headers, wanted):
    (configure,) = NativeObserver().open(Opening(path=PATH, query=query, headers=headers), 0.0)
    assert isinstance(configure, Configure)
    join = configure.join
    assert (join.session, join.role, join.token) == ("CA1", "observer", "")
    assert (join.since, join.wait_s) == wanted


@pytest.mark.parametrize(
    "query",
    [
        (("since", "-1"),),
        (("since", "x"),),
        (("since", "١"),),
        (("since", "9" * 16),),
        (("wait_s", "601"),),
        (("wait_s", "nan"),),
        (("wait_s", "inf"),),
        (("resume", "token"),),
    ],
)
def test_what_cannot_be_asked_for(query):
    (close,) = NativeObserver().open(Opening(path=PATH, query=query), 0.0)
    assert isinstance(close, Close)
    assert close.code == 400


@pytest.mark.parametrize("path", ["/v1/sessions//events", f"/v1/sessions/{'x' * 201}/events"])
def test_a_name_is_bounded(path):
    (close,) = NativeObserver().open(Opening(path=path), 0.0)
    assert isinstance(close, Close)


def following(opening=SOCKET):
    dialect = NativeObserver()
    dialect.open(opening, 0.0)
    return dialect, dialect.send(Began(session="s"), 0.0)


@pytest.mark.parametrize("opening", [SOCKET, BODY, SSE], ids=["socket", "lines", "sse"])
def test_it_is_accepted_at_once_and_an_end_of_the_request_means_nothing(opening):
    dialect, steps = following(opening)
    assert isinstance(steps[0], Accept)
    assert dialect.receive(Fin(), 0.0) == ()
    assert dialect.receive(Close(1000), 0.0) == ()


def test_sound_and_flow_are_left_out():
    dialect, _ = following()
    assert dialect.send(Flow(taken_bytes=1), 0.0) == ()
    assert dialect.send(AudioOut(data=b"x"), 0.0) == ()
    assert dialect.send(Transcript("a"), 0.0)


def test_sound_may_be_wanted():
    dialect, _ = following(Opening(path=PATH, query=(("audio", "true"),)))
    assert [type(step) for step in dialect.send(AudioOut(data=b"x"), 0.0)] == [Text, Binary]


def test_whoever_talks_is_told_once_and_asks_nothing():
    dialect, _ = following()
    said = dialect.receive(Text('{"type":"end"}'), 0.0)
    assert "only reads" in said[0].data
    assert dialect.receive(Binary(b"x"), 0.0) == ()


@pytest.mark.parametrize(
    ("opening", "sign"),
    [
        (SOCKET, Ping()),
        (BODY, Text(" ")),
        (SSE, Text(": still here\n\n")),
        (WORDS, None),
    ],
    ids=["socket", "lines", "sse", "words"],
)
def test_a_silence_is_broken_by_a_sign_of_life_that_nobody_reads(opening, sign):
    dialect = NativeObserver(heartbeat_s=2.0)
    dialect.open(opening, 0.0)
    dialect.send(Began(session="s"), 1.0)
    assert dialect.deadline == 3.0
    assert dialect.expire(2.9) == ()
    assert dialect.expire(3.0) == ((sign,) if sign else ())
    assert dialect.deadline == 5.0
    dialect.send(Transcript("a"), 4.0)
    assert dialect.deadline == 6.0


def test_a_sign_of_life_in_json_lines_is_part_of_the_next_line():
    dialect, _ = following(BODY)
    beat = dialect.expire(dialect.deadline)
    said = dialect.send(Transcript("a", final=True), 30.0)
    line = "".join(step.data for step in (*beat, *beat, *said))
    assert json.loads(line.removesuffix("\n"))["text"] == "a"
    assert line.count("\n") == 1
