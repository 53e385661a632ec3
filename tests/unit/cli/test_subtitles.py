"""A transcription as a document."""

import json as standard

import pytest

from ossicle.cli.subtitles import CUE_MS, LINE, cues, json, srt, text, vtt
from ossicle.client import Segment, Transcription
from ossicle.core.events import Word


def said(*segments: Segment) -> Transcription:
    return Transcription(" ".join(s.text for s in segments), segments, 10_000, "s")


def spoken(words: str, start: int, step: int) -> Segment:
    timed = tuple(
        Word(word, start + i * step, start + (i + 1) * step) for i, word in enumerate(words.split())
    )
    return Segment(words, start, timed[-1].end_ms, timed)


def test_srt():
    assert srt(said(spoken("hello there", 0, 500), spoken("again", 3_661_001, 250))) == (
        "1\n00:00:00,000 --> 00:00:01,000\nhello there\n\n2\n01:01:01,001 --> 01:01:01,251\nagain\n"
    )


def test_vtt_writes_markup_as_references():
    assert vtt(said(spoken("a<b & --> c", 0, 100))) == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:00.400\na&lt;b &amp; --&gt; c\n"
    )


def test_text_and_json():
    both = said(spoken("one", 0, 100), spoken("two", 200, 100))
    assert text(both) == "one\ntwo\n"
    assert standard.loads(json(both))["segments"][1]["words"][0]["start_ms"] == 200
    assert text(said()) == srt(said()) == ""
    assert vtt(said()) == "WEBVTT\n"


def test_cues_fit_the_screen():
    long = spoken(" ".join(["incomprehensible"] * 40), 0, 700)
    found = list(cues([long]))
    assert len(found) > 1
    for cue in found:
        assert len(cue.lines) <= 2
        assert all(len(line) <= LINE for line in cue.lines)
        assert cue.end_ms - cue.start_ms <= CUE_MS
    assert " ".join(line for cue in found for line in cue.lines) == long.text
    assert [cue.start_ms for cue in found[1:]] == [cue.end_ms for cue in found[:-1]]


def test_a_word_longer_than_a_line_stands_alone():
    (cue,) = cues([Segment("x" * 100, 0, 100)])
    assert cue.lines == ("x" * 100,)


@pytest.mark.parametrize("words", ["one three", "one  three", "one\n\nthree"])
def test_time_is_shared_out_by_length_where_words_have_none(words: str):
    segment = Segment(words, 1_000, 2_000)
    (cue,) = cues([segment])
    assert cue == (1_000, 2_000, ("one three",))


def test_a_cue_lasts_at_least_a_moment():
    (cue,) = cues([Segment("x", 500, 500)])
    assert cue.end_ms > cue.start_ms
