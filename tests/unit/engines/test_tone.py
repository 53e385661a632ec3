"""The tone voice, and through it the speaking half that every voice shares."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ossicle.core.capabilities import PCM16K
from ossicle.core.commands import Cancel, End, Finalize, Speak
from ossicle.core.errors import Overloaded, Refused
from ossicle.core.events import (
    AudioOut,
    Ended,
    SpeechEnded,
    SpeechStarted,
    Transcript,
    Word,
)
from ossicle.core.formats import AudioFormat
from ossicle.core.options import Options, SynthesisOptions
from ossicle.engines.speaking import MAX_PIECE, MAX_WAITING, sentences
from ossicle.engines.tone import ToneEngine
from ossicle.testing.engine import HeldSink, check_engine


async def opened(**synthesis):
    sink = HeldSink()
    options = Options(synthesis=SynthesisOptions(**synthesis))
    return await ToneEngine().open(options, sink), sink


def sound(sink):
    return b"".join(event.data for event in sink.events if isinstance(event, AudioOut))


def ends(sink):
    return [
        (event.utterance, event.reason, event.ref)
        for event in sink.events
        if isinstance(event, SpeechEnded)
    ]


def said(sink):
    return [event.text for event in sink.events if isinstance(event, Transcript)]


async def test_it_keeps_the_contract():
    await check_engine(ToneEngine())


async def test_one_utterance_in_order():
    stream, sink = await opened()
    stream.ask(Speak(text="Hi you.", ref="s"))
    stream.ask(End())
    kinds = [type(event).__name__ for event in sink.events]
    assert kinds == ["SpeechStarted", *["AudioOut"] * 7, "Transcript", "SpeechEnded", "Ended"]
    assert sink.events[0] == SpeechStarted(side="out", utterance="u1", at_ms=0, ref="s")
    words = sink.events[-3]
    assert (words.text, words.words, words.final, words.ends_turn) == (
        "Hi you.",
        (Word("Hi", 0, 120), Word("you.", 180, 420)),
        True,
        True,
    )
    assert sink.events[-2].usage.audio_ms == 420
    assert PCM16K.ms(len(sound(sink))) == 420


async def test_it_is_deterministic_and_speed_changes_its_length():
    once, first = await opened()
    again, second = await opened()
    fast, third = await opened(speed=2.0)
    for stream in (once, again, fast):
        stream.ask(Speak(text="the same"))
    assert sound(first) == sound(second)
    assert len(sound(third)) == len(sound(first)) // 2


async def test_text_in_pieces_is_said_at_sentence_ends():
    stream, sink = await opened()
    stream.ask(Speak(text="One. Tw", more=True))
    assert said(sink) == ["One."]
    stream.ask(Speak(text="o", more=True))
    assert said(sink) == ["One."]
    stream.ask(Speak(text=" three", ref="last"))
    assert said(sink) == ["One.", "Two three"]
    assert ends(sink) == [("u1", "done", "last")]
    starts = [event.start_ms for event in sink.events if isinstance(event, AudioOut)]
    assert starts == list(range(0, 60 * 13, 60)), "one timeline over all pieces"


async def test_an_empty_speak_closes_an_utterance():
    stream, sink = await opened()
    stream.ask(Speak(text="One.  ", more=True))
    stream.ask(Speak(text="", ref="flush"))
    assert ends(sink) == [("u1", "done", "flush")]


async def test_finalize_says_what_was_held_and_is_answered_once():
    stream, sink = await opened()
    stream.ask(Speak(text="no end", more=True))
    assert said(sink) == []
    stream.ask(Finalize(ref="f1"))
    assert said(sink) == ["no end"]
    stream.ask(Finalize(ref="f2"))
    assert ends(sink) == [("u1", "done", "f1"), ("", "done", "f2")]


async def test_credit_holds_the_sound_back_over_utterances():
    stream, sink = await opened()
    stream.credit(150)
    stream.ask(Speak(text="ab"))
    stream.ask(Speak(text="cd"))
    assert PCM16K.ms(len(sound(sink))) == 150
    assert ends(sink) == [("u1", "done", "")]
    stream.credit(100)
    assert PCM16K.ms(len(sound(sink))) == 150, "credit is never lowered"
    stream.ask(End())
    assert not any(isinstance(event, Ended) for event in sink.events)
    stream.credit(1000)
    assert PCM16K.ms(len(sound(sink))) == 240
    assert sink.ended == Ended()


async def test_cancel_tells_what_was_said_and_forgets_the_rest():
    stream, sink = await opened()
    stream.credit(200)
    stream.ask(Speak(text="one two three.", ref="a"))
    stream.ask(Speak(text="never", ref="b"))
    stream.ask(Cancel(ref="c", heard_ms=120))
    assert said(sink) == ["one"]
    assert ends(sink) == [("u1", "cancelled", "c"), ("u2", "cancelled", "c")]
    first = next(event for event in sink.events if isinstance(event, SpeechEnded))
    assert (first.heard_ms, first.at_ms) == (120, 200)
    stream.credit(10_000)
    stream.ask(Speak(text="go"))
    assert ends(sink)[2:] == [("u3", "done", "")]


async def test_cancel_by_name_leaves_the_others():
    stream, sink = await opened()
    stream.credit(60)
    stream.ask(Speak(text="aa"))
    stream.ask(Speak(text="bb"))
    stream.ask(Cancel(utterance="u2"))
    stream.credit(1000)
    assert ends(sink) == [("u2", "cancelled", ""), ("u1", "done", "")]


async def test_a_cancel_from_inside_a_tell_is_safe():
    """The session may answer sound with a command in the same call stack."""
    stream = None

    def told(event):
        if isinstance(event, AudioOut) and event.start_ms == 60:
            stream.ask(Cancel())

    sink = HeldSink(told)
    stream = await ToneEngine().open(Options(), sink)
    stream.ask(Speak(text="abcdef"))
    assert PCM16K.ms(len(sound(sink))) == 120
    assert ends(sink) == [("u1", "cancelled", "")]


async def test_too_much_text_is_refused_in_words():
    stream, sink = await opened()
    stream.credit(0)
    stream.ask(Speak(text="a" * MAX_WAITING))
    with pytest.raises(Refused) as refused:
        stream.ask(Speak(text="b", ref="over"))
    assert refused.value.code == "overloaded"
    assert "20001 characters" in str(refused.value)
    assert "20000" in str(refused.value)
    stream.ask(Cancel())
    stream.ask(Speak(text="b"))
    stream.credit(60)
    assert said(sink) == ["b"]


async def test_answers_that_wait_have_a_bound():
    stream, _ = await opened()
    stream.credit(0)
    stream.ask(Speak(text="a"))
    with pytest.raises(Overloaded, match="the limit is 256"):
        for _ in range(300):
            stream.ask(Finalize(ref="f"))


async def test_a_voice_has_no_answers_of_its_own():
    stream, sink = await opened()
    with pytest.raises(Refused, match="needs a text") as refused:
        stream.ask(Speak(ref="x"))
    assert refused.value.code == "bad_request"
    assert sink.events == []


async def test_a_format_it_does_not_make_is_refused():
    with pytest.raises(Refused, match="8000 Hz"):
        await ToneEngine().open(Options(speaks=AudioFormat("mulaw", 8000)), HeldSink())


def test_sentences():
    assert list(sentences('He said "No." Then left. \n\nNew line')) == [
        'He said "No."',
        "Then left.",
        "New line",
    ]
    assert list(sentences("  ")) == []
    assert list(sentences("3.5 is a number")) == ["3.5 is a number"]


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=900))
def test_no_piece_is_too_long_and_no_word_is_lost(text):
    pieces = list(sentences(text))
    assert all(0 < len(piece) <= MAX_PIECE for piece in pieces)
    assert "".join("".join(pieces).split()) == "".join(text.split())
