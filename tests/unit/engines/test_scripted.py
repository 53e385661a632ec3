"""The scripted engine: exact words and times, whatever the pieces the audio comes in."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ossicle.core.capabilities import PCM16K
from ossicle.core.commands import Cancel, End, Finalize, Speak
from ossicle.core.errors import Refused
from ossicle.core.events import (
    Ended,
    Event,
    Notice,
    SpeechEnded,
    SpeechStarted,
    Transcript,
    Word,
)
from ossicle.core.options import Options, RecognitionOptions, TurnOptions
from ossicle.engines.scripted import ScriptedEngine, parse_script
from ossicle.testing.engine import HeldSink, check_engine
from ossicle.testing.marked import marked_audio, marked_expected, marked_words


def silence(ms: int) -> bytes:
    return bytes(PCM16K.bytes(ms))


def turns(**names: object) -> Options:
    return Options(recognition=RecognitionOptions(turns=TurnOptions(**names)))


def shape(events: list[Event]) -> list[str]:
    """Events in short, for reading an order at a glance."""
    lines = []
    for event in events:
        match event:
            case SpeechStarted():
                lines.append(f"started {event.at_ms}")
            case Transcript(final=True):
                lines.append(f"final {event.text!r} {event.start_ms}-{event.end_ms} {event.ref}")
            case Transcript():
                lines.append(f"partial {event.text!r}")
            case SpeechEnded():
                lines.append(f"ended {event.at_ms} {event.reason}")
            case _:
                lines.append(type(event).__name__)
    return [line.strip() for line in lines]


async def fed(script: str, *pieces: bytes, options: Options | None = None):
    sink = HeldSink()
    stream = await ScriptedEngine(script).open(options or Options(), sink)
    for piece in pieces:
        stream.audio(piece)
    return stream, sink


async def test_words_come_as_audio_time_passes():
    stream, sink = await fed("Hello there. Bye", silence(299))
    assert shape(sink.events) == ["started 0"]
    stream.audio(silence(1))
    stream.audio(silence(400))
    stream.ask(End())
    assert shape(sink.events) == [
        "started 0",
        "partial 'Hello'",
        "partial 'Hello there.'",
        "ended 600 silence",
        "final 'Hello there.' 0-600",
        "started 600",
        "ended 700 end",
        "final '' 600-600",
        "Ended",
    ]
    final = sink.finals[0]
    assert final.words == (Word("Hello", 0, 300), Word("there.", 300, 600))
    assert final.ends_turn
    assert final.stable == len(final.text)


async def test_a_line_end_and_punctuation_close_a_turn(tmp_path):
    script = tmp_path / "lines.txt"
    script.write_text("one two\nthree? four\n", "utf-8")
    stream, sink = await fed(str(script), silence(1200))
    stream.ask(End())
    assert [final.text for final in sink.finals] == ["one two", "three?", "four"]


@pytest.mark.parametrize("size", [2, 34, 640, 3200, 100_000])
async def test_the_size_of_the_pieces_changes_nothing(size):
    audio = silence(2000)
    _, whole = await fed("a b. c d e. f", audio)
    _, cut = await fed("a b. c d e. f", *(audio[i : i + size] for i in range(0, len(audio), size)))
    assert shape(cut.events) == shape(whole.events)


async def test_finalize_is_answered_once_with_its_ref_even_when_nothing_was_said():
    stream, sink = await fed("a b c.", silence(650))
    stream.ask(Finalize(ref="f1"))
    stream.ask(Finalize(ref="f2"))
    stream.audio(silence(300))
    assert shape(sink.events)[3:] == [
        "ended 650 asked",
        "final 'a b' 0-600 f1",
        "final '' 600-600 f2",
        "started 600",
        "partial 'c.'",
        "ended 900 silence",
        "final 'c.' 600-900",
    ]


async def test_cancel_in_forgets_the_words_of_the_turn():
    stream, sink = await fed("a b c.", silence(650))
    stream.ask(Cancel(side="in", ref="x"))
    stream.audio(silence(300))
    stream.ask(End())
    assert shape(sink.events)[3:] == [
        "ended 650 cancelled",
        "final '' 650-650 x",
        "Ended",
    ], "a and b are forgotten, c was half heard"


async def test_no_partials_when_none_are_wanted():
    options = Options(recognition=RecognitionOptions(interim_results=False))
    _, sink = await fed("a b.", silence(600), options=options)
    assert shape(sink.events) == ["started 0", "ended 600 silence", "final 'a b.' 0-600"]


async def test_only_finalize_closes_when_turns_are_not_detected():
    stream, sink = await fed("a. b.", silence(600), options=turns(detect=False))
    assert not sink.finals
    stream.ask(Finalize())
    assert [final.text for final in sink.finals] == ["a. b."]


async def test_a_turn_has_a_longest_length():
    _, sink = await fed("a b c d", silence(1200), options=turns(max_ms=600))
    assert [final.text for final in sink.finals] == ["a b", "c d"]


async def test_speak_is_refused_in_words():
    stream, sink = await fed("a")
    stream.ask(Speak(text="hi", ref="s"))
    assert sink.events == [
        Notice(
            level="error",
            code="bad_request",
            text="engine scripted has no voice; combine it with one",
            ref="s",
        )
    ]


async def test_silence_after_the_script_is_settled():
    _, sink = await fed("a.", *[silence(500)] * 6)
    assert sink.settled_ms == 3000


# marked audio


async def test_marked_words_have_exact_times():
    words = [7, 300, 0, 5]
    _, sink = await fed("heard", marked_audio(words, lead=3))
    assert marked_words(sink.events) == marked_expected(words, lead=3)[:2]
    assert [final.text for final in sink.finals] == ["w7 w300"]
    assert shape(sink.events)[0] == "started 60"


async def test_a_marked_word_is_said_only_when_it_is_complete():
    stream, sink = await fed("heard", marked_audio([4])[:-640])
    assert shape(sink.events) == ["started 0"]
    stream.ask(Finalize(ref="f"))
    assert sink.finals[0].text == ""
    stream.audio(silence(20))
    stream.ask(Finalize())
    assert sink.finals[1].words == (Word("w4", 0, 200),)


async def test_end_completes_the_last_word():
    stream, sink = await fed("heard", marked_audio([4])[:-640])
    stream.ask(End())
    assert marked_words(sink.events) == (Word("w4", 0, 200),)


async def test_equal_words_side_by_side_need_a_gap_and_others_do_not():
    word = marked_audio([9])[:-640]
    _, sink = await fed("heard", word + word + marked_audio([8]) + silence(200))
    assert [(w.text, w.end_ms - w.start_ms) for w in marked_words(sink.events)] == [
        ("w9", 400),
        ("w8", 200),
    ]


async def test_noise_is_neither_word_nor_silence():
    noise = bytes(range(1, 251)) * 40
    stream, sink = await fed("heard", noise, silence(300))
    assert sink.events == []
    assert sink.settled_ms == 0
    stream.ask(End())
    assert shape(sink.events) == ["Ended"]


@pytest.mark.parametrize(("wanted", "closed"), [(800, True), (400, False), (100, True)])
async def test_the_silence_that_ends_a_marked_turn(wanted, closed):
    """800 is the option's default, so the engine's own 200 ms hold."""
    _, sink = await fed("heard", marked_audio([1]), silence(180), options=turns(silence_ms=wanted))
    assert bool(sink.finals) is closed


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    words=st.lists(st.integers(0, 40), min_size=1, max_size=12),
    cuts=st.lists(st.integers(1, 4000), min_size=1, max_size=5),
    frames=st.integers(1, 6),
)
async def test_any_cut_of_marked_audio_gives_the_same_words(words, cuts, frames):
    audio = marked_audio(words, frames=frames)
    sink = HeldSink()
    stream = await ScriptedEngine("heard").open(Options(), sink)
    at = turn = 0
    while at < len(audio):
        size = 2 * cuts[turn % len(cuts)]
        stream.audio(audio[at : at + size])
        at, turn = at + size, turn + 1
    stream.ask(End())
    assert marked_words(sink.events) == marked_expected(words, frames=frames)


async def test_a_second_engine_takes_over_in_mid_word_with_nothing_lost_or_doubled():
    words = [1, 2, 3, 0, 4, 5, 6, 0]
    audio = marked_audio(words)
    cut = PCM16K.bytes(1500)  # inside word 5
    _, first = await fed("heard", audio[:cut])
    had = marked_words(first.events)
    settled = had[-1].end_ms
    second_stream, second = await fed("heard", audio[PCM16K.bytes(settled) :])
    second_stream.ask(End())
    later = [
        Word(w.text, w.start_ms + settled, w.end_ms + settled) for w in marked_words(second.events)
    ]
    assert [*had, *later] == list(marked_expected(words))


# faults


async def test_it_breaks_once_where_it_was_told_to():
    engine = ScriptedEngine("a b c d?fail_at=600")
    sink = HeldSink()
    stream = await engine.open(Options(), sink)
    stream.audio(silence(2000))
    stream.audio(silence(300))
    ended = sink.events[-1]
    assert isinstance(ended, Ended)
    assert ended.error is not None
    assert ended.error.retryable
    assert ended.error.code == "engine_failed"
    assert "600 ms" in ended.error.text
    assert shape(sink.events) == ["started 0", "partial 'a'", "partial 'a b'", "Ended"]
    again = HeldSink()
    stream = await engine.open(Options(), again)
    stream.audio(silence(1200))
    assert not any(isinstance(event, Ended) for event in again.events)


async def test_it_breaks_always_where_it_was_told_to():
    engine = ScriptedEngine("a?fail_at=100&fail=always")
    for _ in range(2):
        sink = HeldSink()
        (await engine.open(Options(), sink)).audio(silence(100))
        assert isinstance(sink.events[-1], Ended)


async def test_pace_moves_credit_by_the_clock(hand_timers):
    sink = HeldSink()
    engine = ScriptedEngine("a?pace=0.5", timers=hand_timers)
    stream = await engine.open(Options(), sink)
    assert sink.credit_ms == 1000
    stream.audio(silence(1000))
    hand_timers.advance(1.0)
    assert sink.credit_ms == 1500
    hand_timers.advance(10.0)
    assert sink.credit_ms == 2000, "no further ahead than what was fed"
    assert not hand_timers.pending
    stream.audio(silence(500))
    stream.abort()
    assert not hand_timers.pending


async def test_opening_takes_its_time(hand_timers):
    import asyncio

    engine = ScriptedEngine("a?open_ms=200", timers=hand_timers)
    task = asyncio.ensure_future(engine.open(Options(), HeldSink()))
    await asyncio.sleep(0)
    hand_timers.advance(0.199)
    await asyncio.sleep(0)
    assert not task.done()
    hand_timers.advance(0.001)
    await task


@pytest.mark.parametrize(
    ("argument", "named"),
    [
        ("a?speed=2", "'speed' is not known; use pace"),
        ("a?pace=0", "pace='0' must be a number in 0.01-100"),
        ("a?pace=nan", "must be a number"),
        ("a?fail_at=x", "fail_at='x'"),
        ("a?fail=never", "must be once or always"),
        ("missing.txt", "'missing.txt' cannot be read"),
    ],
)
def test_a_wrong_argument_is_named(argument, named):
    with pytest.raises(Refused, match=named.replace("?", r"\?")):
        parse_script(argument)


def test_a_question_mark_in_the_text_is_no_query():
    assert parse_script("How are you? Fine").turns == (("How", "are", "you?"), ("Fine",))
    script = parse_script("Really??pace=2")
    assert (script.turns, script.pace) == ((("Really?",),), 2.0)


async def test_it_keeps_the_contract():
    await check_engine(ScriptedEngine("One two three. Four five six. Seven."))
    await check_engine(ScriptedEngine("heard"))
    await check_engine(ScriptedEngine("heard"), piece_ms=7, options=turns(detect=False))
