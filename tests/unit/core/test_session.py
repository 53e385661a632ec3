"""A session with its legs and its engine, on a clock moved by hand."""

import pytest

from ossicle.core.capabilities import PCM16K, Capabilities
from ossicle.core.commands import (
    Cancel,
    Configure,
    End,
    Finalize,
    Join,
    Played,
    Speak,
    Tell,
)
from ossicle.core.errors import BadAudio, ConnectionLost, EngineFailed, Overloaded, Refused
from ossicle.core.events import (
    AudioOut,
    Began,
    Configured,
    Ended,
    Marked,
    Notice,
    SpeechEnded,
    SpeechStarted,
    Told,
    Transcript,
)
from ossicle.core.formats import AudioFormat
from ossicle.core.session import SessionSettings
from ossicle.engines.scripted import ScriptedEngine
from ossicle.testing.house import HandHouse, HeldEngine
from ossicle.testing.marked import marked_audio, marked_expected, marked_words

PIECE = bytes(range(1, 41)) * 16  # 20 ms


def final(text: str, end_ms: int, **names) -> Transcript:
    return Transcript(text=text, end_ms=end_ms, final=True, ends_turn=True, **names)


def answers(events, ref: str) -> list[Transcript]:
    return [e for e in events if isinstance(e, Transcript) and e.ref == ref and e.ends_turn]


def notices(peer) -> list[str]:
    return [event.code for event in peer.told if isinstance(event, Notice)]


def answering(stream) -> None:
    """Make a held stream answer as engines do."""

    def on_ask(command) -> None:
        match command:
            case Finalize():
                stream.sink.tell(Transcript(final=True, ends_turn=True, ref=command.ref))
            case End():
                stream.sink.tell(Ended())
            case _:
                pass

    stream.on_ask = on_ask


# ── life ──


def test_a_plain_life(house, shape):
    house.engine.prepare = answering
    peer = house.peer()
    assert isinstance(peer.told[0], Began)
    house.serve()
    peer.audio(PIECE)
    house.engine.stream.sink.tell(final("hello", 20))
    peer.ask(End())
    assert shape(peer.events) == [
        "Configured", "started 20", "ended 20 model", "final 'hello'!", "Ended",
    ]  # fmt: skip
    assert [event.seq for event in peer.events] == [1, 2, 3, 4, 5]
    (ended,) = peer.ended
    assert (ended.reason, ended.audio_ms, ended.error) == ("done", 20, None)
    assert peer.channel.closed
    assert house.engine.stream.aborts == 1
    peer.close()
    (session,) = house.sessions
    assert session.over(house.timers.now())
    assert house.timers.pending == 0


@pytest.mark.parametrize("served", [True, False])
def test_end_twice_ends_once(house, served):
    house.engine.prepare = answering
    peer = house.peer()
    if served:
        house.serve()
    peer.audio(PIECE)
    peer.ask(End(), End())
    peer.ask(End())
    house.serve()
    assert len(peer.ended) == 1
    assert house.engine.stream.asked == [End()]


def test_end_while_opening_hears_everything_first(house):
    house.engine.prepare = answering
    peer = house.peer()
    peer.audio(PIECE)
    peer.ask(Finalize(ref="q"), End())
    assert not peer.ended
    house.serve()
    assert house.engine.stream.order == [PIECE, Finalize(ref="q"), End()]
    assert len(answers(peer.events, "q")) == 1
    assert peer.ended[0].reason == "done"


def test_end_without_any_audio_or_format(house):
    peer = house.peer(Configure())
    peer.ask(Finalize(ref="q"), End())
    assert len(answers(peer.events, "q")) == 1
    assert peer.ended[0].reason == "done"
    assert house.engine.streams == []


@pytest.mark.parametrize("resumable", [True, False])
def test_a_stop_leaves_open_turns_to_a_client_that_goes_on_elsewhere(house, shape, resumable):
    peer = house.peer(resumable=resumable)
    house.serve()
    peer.audio(PIECE)
    house.engine.stream.sink.tell(Transcript(text="hel", start_ms=0, end_ms=20))
    peer.ask(Finalize(ref="q"))
    (session,) = house.sessions
    session.finish("shutdown")
    closed = [] if resumable else ["ended 20 asked", "final ''! q"]
    assert shape(peer.events)[1:] == ["started 0", "partial 'hel'", *closed, "Ended"]
    assert len(answers(peer.events, "q")) == (0 if resumable else 1)


def test_moving_somewhere_else(house):
    house.engine.prepare = answering
    peer = house.peer()
    house.serve()
    peer.ask(End(to="sip:other"))
    assert (peer.ended[0].reason, peer.ended[0].to) == ("moved", "sip:other")


def test_an_engine_that_ends_by_itself_ends_the_session(house):
    peer = house.peer()
    house.serve()
    peer.ask(Finalize(ref="q"))
    sink = house.engine.stream.sink
    sink.tell(SpeechStarted(at_ms=0))
    sink.tell(Ended())
    sink.tell(Ended())
    sink.tell(Transcript(text="ghost", final=True))
    assert len(peer.ended) == 1
    assert len(answers(peer.events, "q")) == 1
    assert [e for e in peer.events if isinstance(e, Transcript) and e.text] == []


# ── questions ──


@pytest.mark.parametrize("when", ["opening", "live", "after_audio"])
@pytest.mark.parametrize("what", ["answer", "failure", "failure twice", "end", "given up", "lost"])
def test_a_question_is_answered_exactly_once(when, what):
    house = HandHouse(HeldEngine(), SessionSettings(replays=3, replay_wait_s=(0.0,)))
    if what not in {"failure", "failure twice"}:
        house.engine.prepare = answering if what in {"answer", "end"} else lambda stream: None
    peer = house.peer()
    observer = house.peer(join=house.sessions[0], role="observer")
    if when != "opening":
        house.serve()
    if when == "after_audio":
        peer.audio(PIECE)
    peer.ask(Finalize(ref="q"))
    house.serve()
    match what:
        case "failure" | "failure twice":
            for _ in range(1 + (what == "failure twice")):
                fault = EngineFailed("broke").fault()
                house.engine.stream.sink.tell(Ended(reason="failed", error=fault))
                house.serve()
            assert answers(peer.events, "q") == []
            assert house.engine.stream.asked == [Finalize(ref="q")]
            house.engine.stream.sink.tell(Transcript(final=True, ends_turn=True, ref="q"))
            house.engine.stream.sink.tell(final("again", 20, ref="q"))
        case "end":
            peer.ask(End())
        case "given up":
            fault = BadAudio("no").fault()
            house.engine.stream.sink.tell(Ended(reason="failed", error=fault))
        case "lost":
            peer.drop()
            house.sessions[0].finish("lost")
        case _:
            pass
    assert len(answers(observer.events, "q")) == 1
    assert sum(e.ref == "q" for e in observer.events if isinstance(e, Transcript)) == 1


def test_questions_without_a_name_keep_none(house):
    house.engine.prepare = lambda stream: setattr(
        stream,
        "on_ask",
        lambda command: (
            stream.sink.tell(SpeechStarted(at_ms=0)),
            stream.sink.tell(SpeechEnded(at_ms=5, reason="asked", ref=command.ref)),
            stream.sink.tell(final("x", 5, ref=command.ref)),
        ),
    )
    peer = house.peer()
    house.serve()
    peer.ask(Finalize(), Finalize())
    assert len(peer.finals) == 2
    assert {event.ref for event in peer.events} == {""}
    asked = house.engine.stream.asked
    assert len({command.ref for command in asked}) == 2, "the engine can tell them apart"


def test_a_question_that_is_refused_is_answered_in_words(house):
    peer = house.peer()
    house.serve()

    def refuses(command) -> None:
        raise Refused("not now")

    house.engine.stream.on_ask = refuses
    peer.ask(Finalize(ref="q"))
    peer.ask(Finalize())
    assert [(n.code, n.ref) for n in peer.told if isinstance(n, Notice)] == [
        ("bad_request", "q"), ("bad_request", ""),
    ]  # fmt: skip
    assert peer.session.journal.asked == ()
    assert peer.session.life.state == "live", "one refusal is no failure"


def test_a_frozen_segment_is_no_answer(house):
    peer = house.peer()
    house.serve()
    peer.ask(Finalize(ref="q"))
    sink = house.engine.stream.sink
    sink.tell(Transcript(text="part", end_ms=5, final=True, ref="q"))
    sink.tell(final("rest", 9, ref="q"))
    assert [(e.text, e.ref) for e in peer.finals] == [("part", ""), ("rest", "q")]


# ── engines that break ──


def scripted(script: str, settings: SessionSettings) -> HandHouse:
    engine = ScriptedEngine(script)
    house = HandHouse(engine, settings)
    engine._timers = house.timers
    return house


WORDS = [1, 2, 0, 3, 0, 4, 5, 6, 0, 7]


@pytest.mark.parametrize("fail_at", range(50, 3_200, 150))
@pytest.mark.parametrize("fail", ["once", "always"])
def test_whenever_an_engine_dies_every_word_is_heard_once(fail_at, fail):
    """`always`: every stream breaks that gets so far, so only a bound on what one must hear
    again lets the session survive; when it does not, no word is heard twice."""
    house = scripted(
        f"heard?fail_at={fail_at}&fail={fail}", SessionSettings(replays=20, replay_wait_s=(0.0,))
    )
    peer = house.peer()
    sound = marked_audio(WORDS, frames=5)
    house.serve()
    for at in range(0, len(sound), 3_200):
        peer.audio(sound[at : at + 3_200])
        house.serve()
    peer.ask(End())
    house.serve()
    expected = marked_expected(WORDS, frames=5)
    heard = marked_words(peer.events)
    assert heard == expected[: len(heard)], "same words, same times, none twice"
    if fail == "once":
        assert heard == expected
    assert len(peer.ended) == 1
    assert (peer.ended[0].error is None) == (heard == expected)


@pytest.mark.parametrize("pieces", [1, 7, 33])
def test_dying_while_audio_waits_loses_nothing(pieces):
    house = scripted("heard?pace=1&fail_at=700", SessionSettings(replay_wait_s=()))
    peer = house.peer()
    sound = marked_audio(WORDS, frames=5)
    size = len(sound) // pieces // 2 * 2
    for at in range(0, len(sound), size):
        peer.audio(sound[at : at + size])
    house.serve()
    peer.ask(End())
    for _ in range(20):
        house.pass_time(1)
    assert marked_words(peer.events) == marked_expected(WORDS, frames=5)
    assert peer.ended[0].error is None


def test_failures_beyond_the_bound_end_the_session_once():
    house = HandHouse(HeldEngine(), SessionSettings(replays=2, replay_wait_s=(0.0,)))
    peer = house.peer()
    house.engine.fails = [EngineFailed("one"), EngineFailed("two"), EngineFailed("three")]
    house.serve()
    (ended,) = peer.ended
    assert (ended.reason, ended.error.text) == ("failed", "three")


def test_failures_far_apart_are_forgiven_and_each_waits_longer():
    house = HandHouse(
        HeldEngine(),
        SessionSettings(replays=2, replay_window_s=10, replay_wait_s=(0.0, 0.5)),
    )
    peer = house.peer()
    house.serve()
    for _ in range(6):
        house.engine.stream.sink.tell(Ended(error=EngineFailed("x").fault()))
        assert house.serve() == 1, "the first time at once"
        house.pass_time(11)
    assert not peer.ended
    for _ in range(2):
        house.engine.stream.sink.tell(Ended(error=EngineFailed("x").fault()))
        waits = house.sessions[0].retry_at - house.timers.now()
        house.pass_time(1)
    assert waits == 0.5


def test_no_room_at_first_is_a_refusal_and_not_a_retry(house):
    peer = house.peer()
    house.engine.fails = [Overloaded("full")]
    house.serve()
    assert peer.ended[0].error.code == "at_capacity"


def breaking_first(house, stream) -> None:
    answering(stream)
    if len(house.engine.streams) == 1:
        stream.on_ask = broken


def broken(*_: object) -> None:
    raise ZeroDivisionError("some words that were said")


@pytest.mark.parametrize("where", ["audio", "ask", "open", "credit", "abort", "early"])
def test_an_engine_that_raises_is_replaced_and_its_words_are_not_quoted(where, caplog):
    voice = Capabilities(name="held", speaks=(PCM16K,))
    house = HandHouse(HeldEngine(voice), SessionSettings(replay_wait_s=(0.0,)))
    peer = house.peer()
    if where == "open":
        house.engine.fails = [ZeroDivisionError("some words that were said")]
    if where == "early":
        house.engine.prepare = lambda stream: breaking_first(house, stream)
        peer.ask(Speak(text="x"))
    house.serve()
    stream = house.engine.streams[0]
    if where == "audio":
        stream.on_audio = broken
    elif where == "ask":
        stream.on_ask = broken
    elif where == "credit":
        stream.credit = broken
    elif where == "abort":
        stream.abort = broken
        stream.sink.tell(Ended(error=EngineFailed("x").fault()))
    peer.audio(PIECE)
    peer.ask(Finalize(ref="q"))
    house.pass_time(1)
    assert not peer.ended
    newest = house.engine.stream
    if where == "open":
        assert len(house.engine.streams) == 1
    else:
        assert newest is not stream
    assert PIECE in newest.fed
    assert Finalize(ref="q") in newest.asked
    if where != "early":
        newest.sink.tell(Transcript(final=True, ends_turn=True, ref="q"))
    assert len(answers(peer.events, "q")) == 1
    peer.ask(End())
    newest.sink.tell(Ended())
    said = str(peer.told) + caplog.text
    assert "words that were said" not in said


def test_what_cannot_be_replayed_is_told():
    house = HandHouse(HeldEngine(), SessionSettings(replay_ms=1_000, replay_wait_s=(0.0,)))
    peer = house.peer()
    house.serve()
    for _ in range(200):
        peer.audio(PIECE)
    house.engine.stream.sink.tell(Ended(error=EngineFailed("x").fault()))
    house.serve()
    (text,) = [n.text for n in peer.told if isinstance(n, Notice)]
    lost = int(text.split()[0])
    assert len(house.engine.stream.heard) == (4_000 - lost) * 32
    assert 1_000 <= 4_000 - lost <= 2_100
    house.engine.stream.sink.tell(final("x", 100))
    assert peer.finals[0].end_ms == lost + 100


@pytest.mark.parametrize("provisional", [True, False])
def test_a_replay_in_a_turn_that_ended_starts_nothing_twice(house, shape, provisional):
    house.settings = SessionSettings(replay_wait_s=(0.0,))
    peer = house.peer()
    house.serve()
    peer.audio(PIECE)

    def begin_turn(sink) -> None:
        sink.tell(SpeechStarted(at_ms=0))
        sink.tell(Transcript(text="one", end_ms=10))
        sink.tell(SpeechEnded(at_ms=20, provisional=provisional))

    begin_turn(house.engine.stream.sink)
    house.engine.stream.sink.tell(Ended(error=EngineFailed("x").fault()))
    house.serve()
    begin_turn(house.engine.stream.sink)
    house.engine.stream.sink.tell(final("one", 20))
    ended = ["ended 20 silence"] + (["ended 20 model"] if provisional else [])
    assert shape(peer.events[1:]) == ["started 0", "partial 'one'", *ended, "final 'one'!"]
    assert {e.turn for e in peer.events[1:]} == {0}


def test_segments_heard_after_a_replay_follow_those_that_are_frozen(house):
    house.settings = SessionSettings(replay_wait_s=(0.0,))
    peer = house.peer()
    house.serve()
    peer.audio(PIECE * 2)
    house.engine.stream.sink.tell(Transcript(text="one", end_ms=20, final=True))
    house.engine.stream.sink.tell(Ended(error=EngineFailed("x").fault()))
    house.serve()
    assert house.engine.stream.heard == PIECE, "from the end of the segment on"
    house.engine.stream.sink.tell(Transcript(text="two", end_ms=10, final=True))
    house.engine.stream.sink.tell(final("three", 20))
    assert [(e.text, e.segment, e.turn, e.end_ms) for e in peer.finals] == [
        ("one", 0, 0, 20), ("two", 1, 0, 30), ("three", 2, 0, 40),
    ]  # fmt: skip


def test_a_stream_that_opens_too_late_is_aborted(house):
    peer = house.peer()
    session = house.sessions[0]
    late, older = session.new_sink(), []

    class Late:
        def abort(self):
            older.append("aborted")

    session.finish("shutdown")
    session.opened(late, Late())
    session.unopened(late, EngineFailed("x"))
    assert older == ["aborted"]
    assert len(peer.ended) == 1


def test_a_stream_that_was_replaced_speaks_to_deaf_ears(house):
    peer = house.peer()
    house.serve()
    old = house.engine.stream
    old.sink.tell(Ended(error=EngineFailed("x").fault()))
    old.sink.tell(final("ghost", 5))
    old.sink.credit(0)
    old.sink.settled(10_000)
    house.serve()
    old.sink.tell(final("ghost", 5))
    assert peer.finals == []
    assert old.aborts == 1
    peer.audio(PIECE)
    assert house.engine.stream.fed == [PIECE]
    assert peer.session.settled_ms == 0


# ── configuration ──


def test_a_live_option_goes_in_order_to_the_stream_that_is_open():
    able = Capabilities(name="held", live_changes=frozenset({"recognition.turns.silence_ms"}))
    house = HandHouse(HeldEngine(able))
    peer = house.peer()
    peer.audio(PIECE)
    change = Configure(patch={"recognition": {"turns": {"silence_ms": 300}}}, ref="c")
    peer.ask(change)
    peer.audio(PIECE)
    house.serve()
    (stream,) = house.engine.streams
    assert stream.order == [PIECE, change, PIECE]
    told = [e for e in peer.events if isinstance(e, Configured)]
    assert told[-1].ref == "c"
    assert told[-1].options.recognition.turns.silence_ms == 300
    assert peer.session.journal.asked == (), "it needs no answer"


def test_another_option_rolls_over_when_nobody_speaks(house):
    peer = house.peer()
    house.serve()
    peer.audio(PIECE)
    first = house.engine.stream
    first.sink.tell(SpeechStarted(at_ms=0))
    peer.ask(Configure(patch={"recognition": {"language": "de"}}))
    assert house.serve() == 0, "not in the middle of a turn"
    first.sink.tell(final("one", 20))
    assert first.aborts == 1
    assert house.serve() == 1
    assert house.engine.stream.options.recognition.language == "de"
    assert house.engine.stream.fed == []
    peer.audio(PIECE)
    house.engine.stream.sink.tell(final("two", 20))
    assert [(e.text, e.end_ms, e.turn) for e in peer.finals] == [("one", 20, 0), ("two", 40, 1)]


def test_a_turn_on_any_channel_holds_the_roll_over():
    house = HandHouse(HeldEngine(Capabilities(name="held", channels=2)))
    stereo = AudioFormat("pcm_s16le", 16_000, 2)
    peer = house.peer(Configure(format=stereo, patch={"recognition": {"channels": "split"}}))
    house.serve()
    house.engine.stream.sink.tell(SpeechStarted(at_ms=0, channel=1))
    peer.ask(Configure(patch={"recognition": {"language": "de"}}))
    assert house.serve() == 0
    house.engine.stream.sink.tell(final("x", 20, channel=1))
    assert house.serve() == 1


def test_an_option_changed_while_the_engine_opens_applies_before_it_hears(house):
    peer = house.peer()
    session = house.sessions[0]
    peer.audio(PIECE)
    sink = session.new_sink()
    peer.ask(Configure(patch={"recognition": {"language": "de"}}))
    opened = []

    class Late:
        def abort(self):
            opened.append("aborted")

    session.opened(sink, Late())
    assert opened == ["aborted"]
    house.serve()
    assert house.engine.stream.options.recognition.language == "de"
    assert house.engine.stream.fed == [PIECE]


def test_what_cannot_be_configured_is_refused_with_its_name(house):
    peer = house.peer()
    house.serve()
    peer.audio(PIECE)
    before = peer.session.options
    peer.ask(Configure(format=AudioFormat("mulaw", 8_000), patch={"label": "new"}, ref="1"))
    peer.ask(Configure(patch={"recognition": {"langage": "de"}}, ref="2"))
    peer.ask(Configure(patch={"hears": None}, ref="3"))
    peer.ask(Configure(patch={"recognition": {"turns": {"silence_ms": -1}}}, ref="4"))
    told = {n.ref: n for n in peer.told if isinstance(n, Notice)}
    assert sorted(told) == ["1", "2", "3", "4"]
    assert "format cannot change" in told["1"].text
    assert "recognition.language" in told["2"].text
    assert peer.session.options == before
    peer.audio(PIECE)
    assert house.engine.stream.fed == [PIECE, PIECE]


def test_what_the_engine_cannot_honour_is_told_or_under_strict_refused(house):
    peer = house.peer(Configure(format=PCM16K, patch={"recognition": {"diarize": True}}))
    assert notices(peer) == ["option_not_supported"]
    strict = {"recognition": {"diarize": True}, "strict": True}
    refused = house.peer(Configure(format=PCM16K, patch=strict))
    assert refused.ended[0].error.code == "bad_option"
    assert refused.channel.closed


def test_strict_holds_for_later_changes_too(house):
    peer = house.peer(Configure(format=PCM16K, patch={"strict": True}))
    house.serve()
    peer.ask(Configure(patch={"recognition": {"punctuate": True}}, ref="c"))
    assert [(n.code, n.ref) for n in peer.told if isinstance(n, Notice)] == [("bad_option", "c")]
    assert not peer.session.options.recognition.punctuate
    assert house.serve() == 0


def test_no_partials_when_none_are_wanted(house, shape):
    peer = house.peer(Configure(format=PCM16K, patch={"recognition": {"interim_results": False}}))
    house.serve()
    sink = house.engine.stream.sink
    sink.tell(SpeechStarted(at_ms=0))
    sink.tell(Transcript(text="one", end_ms=5))
    sink.tell(final("one", 9))
    assert shape(peer.events[1:]) == ["started 0", "ended 9 model", "final 'one'!"]


# ── resume ──


def test_resume_in_the_middle_tells_everything_exactly_once(house):
    house.engine.prepare = answering
    peer = house.peer()
    session = house.sessions[0]
    house.serve()
    sink = house.engine.stream.sink
    for _ in range(5):
        peer.audio(PIECE)
    sink.tell(final("one", 40))
    sink.tell(Transcript(text="tw", end_ms=60))
    since = peer.events[-1].seq
    peer.drop()
    assert session.detached_until == house.timers.now() + 30
    sink.tell(Transcript(text="two", end_ms=80))
    sink.tell(Transcript(text="two thr", end_ms=90))
    back = house.peer(join=session, since=since)
    began = back.told[0]
    assert (began.resumed, began.taken_bytes, began.token) == (True, 5 * 640, session.token)
    assert [e.text for e in back.events] == ["two thr"], "one partial, the newest"
    sink.tell(final("two three", 100))
    back.audio(PIECE)
    assert len(house.engine.stream.fed) == 6
    back.ask(End())
    seqs = [e.seq for e in (*peer.events, *back.events)]
    assert seqs == sorted(set(seqs))
    texts = [e.text for e in (*peer.events, *back.events) if isinstance(e, Transcript) and e.final]
    assert texts == ["one", "two three"]
    assert len(peer.ended) + len(back.ended) == 1


def test_the_newest_owner_wins_and_the_old_one_is_told(house):
    old = house.peer()
    session = house.sessions[0]
    house.serve()
    old.audio(PIECE)
    new = house.peer(join=session, since=0)
    assert old.ended[0].error.code == "replaced"
    assert old.channel.closed
    old.audio(PIECE)
    old.ask(End(), Finalize(ref="late"))
    old.close()
    assert session.owner is new.leg
    assert session.life.state == "live"
    assert session.taken_bytes == 640
    new.audio(PIECE)
    assert session.taken_bytes == 1_280
    assert not new.ended


def test_a_session_waits_for_its_owner_and_not_longer(house):
    peer = house.peer()
    house.serve()
    peer.audio(PIECE)
    peer.drop()
    session = house.sessions[0]
    house.pass_time(29)
    assert session.life.state == "live"
    house.pass_time(2)
    assert session.ended.reason == "lost"
    assert session.over(house.timers.now())
    assert house.engine.stream.aborts == 1


@pytest.mark.parametrize(("resumable", "taken"), [(True, False), (False, True), (False, False)])
def test_nobody_is_waited_for_who_has_no_reason_or_way_to_come_back(house, resumable, taken):
    peer = house.peer(resumable=resumable)
    if taken:
        peer.audio(PIECE)
    peer.drop()
    session = house.sessions[0]
    assert session.ended.reason == "lost"
    assert session.over(house.timers.now())


@pytest.mark.parametrize("error", [None, ConnectionLost("cut")])
def test_an_ended_session_waits_only_for_who_did_not_read_the_end(house, error):
    house.engine.prepare = answering
    peer = house.peer()
    house.serve()
    peer.audio(PIECE)
    peer.leg.writable(False)
    peer.ask(End())
    session = house.sessions[0]
    assert session.ended is not None
    assert not peer.ended
    if error is None:
        peer.leg.writable(True)
        assert peer.ended
    peer.leg.closed(error)
    assert session.over(house.timers.now()) == (error is None)
    if error is not None:
        back = house.peer(join=session, since=0)
        assert back.ended
        back.close()
        assert session.over(house.timers.now())


def test_an_end_that_nobody_fetches_is_forgotten_in_time(house):
    house.engine.prepare = answering
    peer = house.peer()
    house.serve()
    peer.audio(PIECE)
    peer.ask(End())
    peer.drop()
    session = house.sessions[0]
    assert not session.over(house.timers.now())
    assert session.over(house.timers.now() + 31)


def test_since_beyond_the_log_or_before_it(house):
    peer = house.peer()
    session = house.sessions[0]
    house.serve()
    peer.audio(PIECE)
    ahead = house.peer(join=session, since=1_000_000)
    house.engine.stream.sink.tell(final("x", 20))
    assert [e.text for e in ahead.finals] == ["x"]
    behind = house.peer(join=session, since=-5)
    assert [e.text for e in behind.finals] == ["x"]
    assert notices(behind) == []


def test_who_has_the_end_already_is_closed_all_the_same(house):
    peer = house.peer()
    peer.audio(PIECE)
    session = house.sessions[0]
    session.finish("shutdown")
    back = house.peer(join=session, since=peer.events[-1].seq)
    assert len(back.ended) == 1
    assert back.channel.closed


def test_events_that_fell_off_are_told_as_a_gap(house):
    peer = house.peer()
    session = house.sessions[0]
    session.log.most_events = 10
    house.serve()
    peer.audio(PIECE)
    peer.drop()
    for n in range(20):
        house.engine.stream.sink.tell(final(f"t{n}", 20))
    back = house.peer(join=session, since=1)
    (notice,) = [n for n in back.told if isinstance(n, Notice)]
    assert notice.code == "events_lost"
    assert int(notice.text.split()[0]) == session.log.first - 2
    assert back.events[0].seq == session.log.first


def test_a_session_goes_on_from_a_gateway_that_is_gone(house):
    join = Join(token="other.s.x", since=41, settled_ms=5_000, turn=3)
    peer = house.peer(continues=join)
    house.serve()
    peer.audio(PIECE)
    house.engine.stream.sink.tell(final("x", 20))
    assert peer.events[0].seq == 42
    assert (peer.finals[0].turn, peer.finals[0].end_ms) == (3, 5_020)
    assert peer.told[0].taken_bytes == 0
    house.pass_time(1)
    assert peer.flow.settled_ms == 5_020


# ── observers and controllers ──


def test_an_observer_only_reads(house):
    peer = house.peer()
    session = house.sessions[0]
    observer = house.peer(join=session, role="observer")
    assert observer.told[0].token == "", "a token would make it the owner"
    observer.ask(Finalize(ref="no"))
    observer.audio(PIECE)
    assert notices(observer) == ["forbidden", "forbidden"]
    assert session.taken_bytes == 0
    assert notices(peer) == []
    controller = house.peer(join=session, role="controller")
    controller.audio(PIECE)
    assert notices(controller) == ["forbidden"]
    house.serve()
    controller.ask(Tell(text="hi", ref="t"))
    assert [e.text for e in peer.events if isinstance(e, Told)] == ["hi"]
    assert house.engine.stream.asked == [Tell(text="hi", ref="t")]


def test_a_slow_observer_lags_alone(house):
    peer = house.peer()
    session = house.sessions[0]
    session.log.most_events = 50
    house.serve()
    observer = house.peer(join=session, role="observer")
    observer.leg.writable(False)
    peer.audio(PIECE)
    for n in range(100):
        house.engine.stream.sink.tell(final(f"t{n}", 20))
    assert len(peer.finals) == 100
    assert not peer.channel.paused
    observer.leg.writable(True)
    assert notices(observer) == ["events_lost"]
    assert [e.text for e in observer.finals][-1] == "t99"
    assert len(observer.finals) < 20


def test_observers_do_not_hold_a_session(house):
    peer = house.peer(resumable=False)
    session = house.sessions[0]
    peer.audio(PIECE)
    observer = house.peer(join=session, role="observer")
    peer.drop()
    assert session.ended.reason == "lost"
    assert observer.ended, "and they hear how it ended"
    observer.close()
    assert session.over(house.timers.now())


def test_observers_hear_the_rest_of_what_is_draining(house):
    peer = house.peer(resumable=False)
    session = house.sessions[0]
    house.serve()
    observer = house.peer(join=session, role="observer")
    peer.audio(PIECE)
    peer.ask(End())
    peer.drop()
    assert session.life.state == "draining"
    sink = house.engine.stream.sink
    sink.tell(final("last", 20))
    sink.tell(Ended())
    assert [e.text for e in observer.finals] == ["last"]
    assert observer.ended


def test_a_dialect_that_breaks_loses_its_own_channel_only(house, caplog):
    peer = house.peer()
    session = house.sessions[0]
    house.serve()
    observer = house.peer(join=session, role="observer", reply=broken_on(Transcript))
    peer.audio(PIECE)
    house.engine.stream.sink.tell(final("secret", 20))
    assert [e.text for e in peer.finals] == ["secret"]
    assert observer.channel.aborted
    assert "PeerDialect raised KeyError" in caplog.text
    assert "secret" not in caplog.text
    assert len(house.engine.streams) == 1
    assert house.serve() == 0, "the engine is not to blame"


def broken_on(kind):
    def reply(event):
        if isinstance(event, kind) and event.text:
            raise KeyError(event.text)
        return ()

    return reply


# ── limits of time ──


def test_a_session_has_a_longest_time():
    house = HandHouse(HeldEngine(), SessionSettings(session_s=60))
    peer = house.peer()
    house.serve()
    house.pass_time(59)
    assert not peer.ended
    house.pass_time(2)
    assert (peer.ended[0].reason, peer.ended[0].error.code) == ("limit", "session_limit")
    assert peer.ended[0].session_ms == 60_000


@pytest.mark.parametrize("answers", [True, False])
def test_a_limit_takes_no_word_back(answers):
    house = HandHouse(HeldEngine(), SessionSettings(session_s=60))
    peer = house.peer(Configure(format=PCM16K))
    house.serve()
    peer.audio(PIECE)
    stream = house.engine.stream
    stream.sink.tell(Transcript(text="so far", start_ms=0, end_ms=100))
    house.pass_time(61)
    assert not peer.ended
    assert [type(command) for command in stream.asked] == [End]
    if answers:
        stream.sink.tell(Transcript(text="so far, and no further", final=True, ends_turn=True))
        stream.sink.tell(Ended(reason="done"))
    else:
        house.pass_time(3)
    assert (peer.ended[0].reason, peer.ended[0].error.code) == ("limit", "session_limit")
    last = [e for e in peer.events if isinstance(e, Transcript)][-1]
    assert (last.final, last.ends_turn) == (True, True)
    assert last.text == ("so far, and no further" if answers else "")


@pytest.mark.parametrize("known", [True, False])
def test_idle_is_neither_audio_nor_commands(known):
    house = HandHouse(HeldEngine(), SessionSettings(idle_s=10))
    peer = house.peer(Configure(format=PCM16K) if known else Configure())
    house.serve()
    if known:
        house.pass_time(9)
        peer.audio(PIECE)
        house.pass_time(9)
        peer.ask(Finalize(ref="x"))
        house.pass_time(9)
    assert not peer.ended
    house.pass_time(11)
    assert (peer.ended[0].reason, peer.ended[0].error.code) == ("idle", "idle")


# ── several channels ──


def test_channels_settle_at_the_least_of_them():
    house = HandHouse(
        HeldEngine(Capabilities(name="two", channels=2)), SessionSettings(replay_wait_s=(0.0,))
    )
    stereo = AudioFormat("pcm_s16le", 16_000, 2)
    peer = house.peer(Configure(format=stereo, patch={"recognition": {"channels": "split"}}))
    house.serve()
    sound = bytes(range(128)) * 500  # one second
    peer.audio(sound)
    sink = house.engine.stream.sink
    sink.tell(final("left", 800, channel=0))
    assert peer.session.settled_ms == 0
    sink.tell(final("right", 300, channel=1))
    assert peer.session.settled_ms == 300
    sink.settled(500)
    assert peer.session.settled_ms == 500
    sink.tell(Ended(error=EngineFailed("x").fault()))
    house.serve()
    assert house.engine.stream.heard == sound[500 * 64 :]
    house.engine.stream.sink.tell(final("more", 100, channel=1))
    assert peer.finals[-1].end_ms == 600


# ── the voice ──


def speaking() -> HandHouse:
    return HandHouse(HeldEngine(Capabilities(name="held", speaks=(PCM16K,))))


def test_speaking_before_any_audio_opens_an_engine():
    house = speaking()
    peer = house.peer(Configure())
    peer.ask(Speak(text="hello", ref="s"))
    house.serve()
    stream = house.engine.stream
    assert stream.asked == [Speak(text="hello", ref="s")]
    assert stream.credits[0] == house.settings.speak_ahead_ms
    stream.sink.tell(AudioOut(utterance="u", data=bytes(3_200)))
    (out,) = [e for e in peer.events if isinstance(e, AudioOut)]
    assert out.data == bytes(3_200)


def test_cancel_says_how_much_was_heard():
    house = speaking()
    peer = house.peer()
    house.serve()
    stream = house.engine.stream
    stream.sink.tell(AudioOut(utterance="u", data=bytes(32_000), mark="end"))
    peer.ask(Played(utterance="u", until_ms=400))
    peer.ask(Cancel(ref="c"))
    assert stream.asked[-1] == Cancel(ref="c", heard_ms=400)
    (mark,) = [e for e in peer.events if isinstance(e, Marked)]
    assert (mark.name, mark.cleared, mark.heard_ms) == ("end", True, 400)
    stream.sink.tell(AudioOut(utterance="u", data=bytes(3_200), start_ms=1_000))
    assert len([e for e in peer.events if isinstance(e, AudioOut)]) == 1, (
        "what is stale is not sent"
    )


def test_whoever_hears_the_voice_is_told_when_somebody_else_cancels():
    """The engine is done with it, and says nothing to a Cancel any more."""
    house = speaking()
    peer = house.peer()
    house.serve()
    other = house.peer(join=peer.session, role="controller")
    stream = house.engine.stream
    stream.sink.tell(AudioOut(utterance="u", data=bytes(32_000)))
    stream.sink.tell(SpeechEnded(side="out", utterance="u", reason="done"))
    house.timers.advance(0.3)
    other.ask(Cancel())
    (away,) = [e for e in peer.events if isinstance(e, Marked)]
    assert (away.name, away.utterance, away.cleared, away.heard_ms) == ("", "u", True, 300)
    house.timers.advance(1.0)
    peer.ask(Cancel())
    assert len([e for e in peer.events if isinstance(e, Marked)]) == 1, "there was nothing left"


def test_whoever_cancels_what_was_made_whole_is_told_how_much_was_heard():
    """And what waited behind it: the engine is done with both."""
    house = speaking()
    peer = house.peer()
    house.serve()
    watcher = house.peer(join=peer.session, role="observer")
    stream = house.engine.stream
    for name in ("u", "v"):
        stream.sink.tell(AudioOut(utterance=name, data=bytes(32_000)))
        stream.sink.tell(SpeechEnded(side="out", utterance=name, reason="done"))
    peer.ask(Played(utterance="u", until_ms=420))
    peer.ask(Cancel())
    for leg in (peer, watcher):
        told = [e for e in leg.events if isinstance(e, Marked)]
        assert [(e.name, e.utterance, e.cleared, e.heard_ms) for e in told] == [
            ("", "u", True, 420), ("", "v", True, 0),
        ]  # fmt: skip


def test_what_is_still_in_the_making_is_told_by_its_end():
    house = speaking()
    peer = house.peer()
    house.serve()
    stream = house.engine.stream
    stream.sink.tell(AudioOut(utterance="u", data=bytes(32_000)))
    peer.ask(Played(utterance="u", until_ms=420))
    peer.ask(Cancel())
    assert stream.asked[-1] == Cancel(heard_ms=420)
    assert not [e for e in peer.events if isinstance(e, Marked)]


def test_hearing_gives_the_voice_more_credit():
    house = speaking()
    peer = house.peer()
    house.serve()
    stream = house.engine.stream
    stream.sink.tell(AudioOut(utterance="u", data=bytes(32_000)))
    before = stream.credits[-1]
    peer.ask(Played(utterance="u", until_ms=700))
    assert stream.credits[-1] == before + 700


def test_marks_come_back_in_order():
    house = speaking()
    peer = house.peer()
    house.serve()
    sink = house.engine.stream.sink
    for n in range(3):
        sink.tell(AudioOut(utterance="u", data=bytes(3_200), start_ms=100 * n, mark=f"m{n}"))
    peer.ask(Played(utterance="u", until_ms=250, mark="m1"))
    assert [e.name for e in peer.events if isinstance(e, Marked)] == ["m0", "m1"]


# ── re-entrancy ──


def test_an_engine_may_tell_from_inside(house):
    def prepare(stream) -> None:
        stream.on_audio = lambda data: stream.sink.tell(
            Transcript(text="x", end_ms=len(stream.heard) // 32)
        )
        answering(stream)

    house.engine.prepare = prepare
    peer = house.peer()
    peer.audio(PIECE)
    house.serve()
    peer.audio(PIECE)
    peer.ask(Finalize(ref="q"), End())
    assert len(answers(peer.events, "q")) == 1
    assert len(peer.ended) == 1


def test_a_dialect_may_answer_an_event_with_commands(house):
    def reply(event):
        match event:
            case Transcript(text="stop", final=True):
                return (Finalize(ref="again"), End())
            case SpeechStarted():
                return (Cancel(side="out"),)
            case _:
                return ()

    house.engine.prepare = answering
    peer = house.peer(reply=reply)
    house.serve()
    stream = house.engine.stream
    stream.on_audio = lambda data: stream.sink.tell(final("stop", 20))
    peer.audio(PIECE)
    assert [type(c) for c in stream.asked] == [Cancel, Finalize, End]
    assert len(answers(peer.events, "again")) == 1
    assert len(peer.ended) == 1
    assert isinstance(peer.told[-1], Ended)


def test_ending_from_inside_the_last_words_ends_once(house):
    """The goodbye closes a turn; a dialect that answers it with End comes back into the end."""

    def reply(event):
        return (End(), Finalize(ref="more")) if isinstance(event, Transcript) else ()

    house.engine.prepare = answering
    peer = house.peer(reply=reply)
    house.serve()
    house.engine.stream.sink.tell(SpeechStarted(at_ms=0))
    peer.session.finish("shutdown")
    assert len(peer.ended) == 1
    assert isinstance(peer.told[-1], Ended)


def test_an_engine_may_break_while_it_is_given_what_waited(house):
    house.settings = SessionSettings(replay_wait_s=(0.0,))
    house = HandHouse(HeldEngine(), SessionSettings(replay_wait_s=(0.0,)))

    def prepare(stream) -> None:
        if len(house.engine.streams) == 1:
            stream.on_audio = lambda data: stream.sink.tell(Ended(error=EngineFailed("x").fault()))

    house.engine.prepare = prepare
    peer = house.peer()
    pieces = [bytes([n]) * 640 for n in range(1, 6)]
    for data in pieces:
        peer.audio(data)
    house.serve()
    assert len(house.engine.streams) == 2
    assert house.engine.stream.fed == pieces


# ── the ledger ──


def test_the_parts_of_the_ledger_add_up(house):
    house.engine.prepare = answering
    peer = house.peer()
    house.timers.advance(0.25)
    house.serve()
    sink = house.engine.stream.sink
    for _ in range(100):  # speech ends at 1,200 ms; two seconds come at the pace of speech
        peer.audio(PIECE)
        house.timers.advance(0.02)
    spoke_until = house.timers.now() - 0.8
    sink.tell(SpeechStarted(at_ms=0))
    sink.tell(SpeechEnded(at_ms=1_200, reason="silence"))
    house.timers.advance(0.06)
    sink.tell(final("x", 1_200))
    told = house.timers.now()
    peer.ask(End())
    ledger = peer.ended[0].ledger
    assert ledger.setup_ms == 250
    assert ledger.turns == 1
    total = sum(
        getattr(ledger, name) or 0
        for name in ledger.__struct_fields__
        if name.endswith("_ms")
        and name not in {"setup_ms", "first_partial_ms", "network_ms", "playback_ms", "convert_ms"}
    )
    assert total == pytest.approx((told - spoke_until) * 1_000, abs=25)


# ── an owner that does not read ──


def talkative(house, most: int = 40):
    """An owner that stopped reading until it was not talked to any more."""
    house.engine.prepare = answering
    peer = house.peer()
    session = house.sessions[0]
    session.log.most_events = most
    house.serve()
    stream = house.engine.stream
    stream.on_audio = lambda data: stream.sink.tell(
        final(f"t{len(stream.fed)}", 20 * len(stream.fed))
    )
    peer.leg.writable(False)
    for _ in range(most):
        peer.audio(PIECE)
    assert session.feed.held
    assert len(stream.fed) < most
    return peer, session, stream


def test_an_owner_that_reads_again_is_talked_to_again_and_missed_nothing(house):
    peer, _, stream = talkative(house)
    peer.leg.writable(True)
    assert [e.text for e in peer.finals] == [f"t{n}" for n in range(1, 41)]
    assert len(stream.fed) == 40
    assert "events_lost" not in notices(peer)


def test_an_owner_that_did_not_read_and_comes_back_goes_on(house):
    peer, session, stream = talkative(house)
    since = peer.events[-1].seq
    peer.drop()
    back = house.peer(join=session, since=since)
    assert [e.text for e in (*peer.finals, *back.finals)] == [f"t{n}" for n in range(1, 41)]
    back.audio(PIECE)
    assert len(stream.fed) == 41
    back.ask(End())
    assert back.ended[0].reason == "done"


def test_an_owner_that_did_not_read_and_never_comes_back_is_forgotten(house):
    peer, session, stream = talkative(house)
    peer.ask(End())
    peer.drop()
    house.pass_time(35)
    assert session.ended is not None
    assert session.over(house.timers.now())
    assert stream.aborts == 1
