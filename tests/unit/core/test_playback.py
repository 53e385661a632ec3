"""What was heard of what was said, by reports, by marks, and by the clock."""

import doctest
import math

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

import ossicle.core.playback
from ossicle.core.errors import Overloaded
from ossicle.core.events import Marked
from ossicle.core.playback import Playback


def names(marks) -> list[str]:
    return [("-" if mark.cleared else "+") + mark.name for mark in marks]


def test_the_example_in_the_docstring():
    assert doctest.testmod(ossicle.core.playback).failed == 0


# -- the clock


def test_the_clock_starts_with_the_first_sound_and_never_passes_what_was_sent():
    playback = Playback()
    assert playback.heard(now=3.0) == (0, False)
    playback.sent("u", 0, 100, now=5.0)
    assert playback.heard("u", now=5.06) == (60, True)
    assert playback.ahead_ms(5.06) == 40
    assert playback.heard(now=9.0) == (100, True)
    assert playback.ahead_ms(9.0) == 0


def test_the_clock_stands_while_there_is_nothing_to_play():
    playback = Playback()
    playback.sent("u", 0, 100, now=0.0)
    playback.sent("u", 100, 100, now=5.0)
    assert playback.heard("u", now=5.03) == (130, True)


def test_the_clock_does_not_go_back():
    playback = Playback()
    playback.sent("u", 0, 100, now=1.0)
    assert playback.heard("u", now=1.05) == (50, True)
    assert playback.heard("u", now=0.0) == (50, True)


def test_marks_come_back_by_the_clock_when_the_client_is_silent():
    playback = Playback()
    assert playback.deadline(0.0) == math.inf
    playback.sent("u", 0, 100, "a", now=0.0)
    playback.sent("u", 100, 50, now=0.0)
    playback.sent("u", 150, 50, "b", now=0.0)
    assert playback.deadline(0.0) == 0.1
    assert playback.expire(0.099) == ()
    assert playback.expire(0.1) == (Marked(name="a", utterance="u", heard_ms=100),)
    assert playback.deadline(0.1) == pytest.approx(0.2)
    assert playback.heard("u", now=7.0) == (200, True)
    assert playback.deadline(7.0) == 7.0
    assert names(playback.expire(7.0)) == ["+b"]
    assert playback.expire(8.0) == ()


def test_a_mark_with_nothing_before_it_is_reached_at_once():
    assert names(Playback().sent("u", 0, 0, "now", now=1.0)) == ["+now"]


# -- positions


def test_reports_are_trusted_alone_once_they_come():
    playback = Playback()
    playback.sent("u", 0, 1_000, now=0.0)
    assert playback.played("u", 200, now=0.25) == ()
    # 250 ms was the clock's guess; a report behind it takes nothing back.
    assert playback.heard("u", now=0.5) == (250, True)
    playback.played("u", 400, now=0.5)
    assert playback.heard("u", now=5.0) == (400, False)
    playback.played("u", 300, now=5.0)
    assert playback.heard("u", now=5.0) == (400, False)
    playback.played("u", 9_999, now=5.0)
    assert playback.heard("u", now=5.0) == (1_000, False)


def test_a_report_by_the_clients_clock_says_so():
    playback = Playback()
    playback.sent("u", 0, 1_000, now=0.0)
    playback.played("u", 400, estimated=True, now=0.1)
    assert playback.heard("u", now=0.1) == (400, True)


def test_a_report_reaches_every_mark_before_it_in_order():
    playback = Playback()
    for n, utterance in enumerate("uuv"):
        playback.sent(utterance, n * 100 % 200, 100, f"m{n}", now=0.0)
    assert names(playback.played("v", 40, now=0.01)) == ["+m0", "+m1"]
    assert playback.heard("u", now=0.1) == (200, False)
    assert playback.heard(now=0.1) == (40, False)


# -- marks


def test_between_marks_the_clock_goes_on_but_not_past_one_that_is_owed():
    playback = Playback(reports=True)
    playback.sent("u", 0, 100, "a", now=0.0)
    playback.sent("u", 100, 400, "b", now=0.0)
    assert playback.expire(3.0) == ()
    assert playback.deadline(3.0) == math.inf
    assert playback.heard("u", now=3.0) == (100, True)
    assert names(playback.played("", 0, "a", now=3.0)) == ["+a"]
    assert playback.heard("u", now=3.0) == (100, False)
    assert playback.heard("u", now=3.3) == (400, True)
    assert names(playback.played("u", 0, "b", now=3.6)) == ["+b"]
    assert playback.heard("u", now=9.0) == (500, False)


def test_a_mark_is_answered_once():
    playback = Playback()
    playback.sent("u", 0, 100, "a", now=0.0)
    assert names(playback.played("u", 100, "a", now=0.1)) == ["+a"]
    assert playback.played("u", 100, "a", now=0.2) == ()
    assert playback.played("u", 100, "nobody's", now=0.2) == ()


def test_a_report_may_be_past_the_mark_it_names():
    playback = Playback(reports=True)
    playback.sent("u", 0, 100, "a", now=0.0)
    playback.sent("u", 100, 100, "b", now=0.0)
    assert names(playback.played("u", 130, "a", now=0.13)) == ["+a"]
    assert playback.heard("u", now=0.13) == (130, False)


def test_the_same_name_twice_is_two_marks():
    playback = Playback(reports=True)
    playback.sent("u", 0, 100, "a", now=0.0)
    playback.sent("u", 100, 100, "a", now=0.0)
    assert names(playback.played("u", 0, "a", now=0.0)) == ["+a"]
    assert names(playback.played("u", 0, "a", now=0.0)) == ["+a"]


# -- clear


def test_clear_returns_the_marks_and_how_much_was_heard():
    playback = Playback()
    playback.sent("u", 0, 100, "a", now=0.0)
    playback.sent("u", 100, 400, "b", now=0.0)
    playback.sent("v", 0, 100, "c", now=0.0)
    cleared = playback.clear(now=0.25)
    assert (cleared.utterance, cleared.heard_ms, cleared.estimated) == ("u", 250, True)
    assert names(cleared.marks) == ["+a", "-b", "-c"]
    assert [mark.heard_ms for mark in cleared.marks] == [100, 250, 0]
    assert playback.ahead_ms(0.25) == 0
    assert playback.played("u", 500, "b", now=0.3) == ()
    assert playback.heard("u", now=9.0) == (250, True)
    assert playback.heard("v", now=9.0) == (0, False)


def test_clearing_one_utterance_leaves_the_others():
    playback = Playback()
    playback.sent("u", 0, 100, "a", now=0.0)
    playback.sent("v", 0, 100, "b", now=0.0)
    assert names(playback.clear("u", now=0.05).marks) == ["-a"]
    assert playback.heard("v", now=0.09) == (40, True)
    assert names(playback.expire(0.15)) == ["+b"]


def test_what_comes_after_a_clear_is_stale_and_its_marks_come_back_cleared():
    playback = Playback()
    playback.sent("u", 0, 100, now=0.0)
    assert not playback.stale("u")
    playback.clear(now=5.0)
    assert playback.stale("u")
    assert names(playback.sent("u", 100, 300, "end", now=5.0)) == ["-end"]
    assert playback.ahead_ms(5.0) == 0
    assert playback.credit(5.0, 1_000) == 1_400
    playback.sent("v", 0, 100, now=5.0)
    assert not playback.stale("v")


def test_clear_before_anything_was_said():
    cleared = Playback().clear(now=0.0)
    assert (cleared.utterance, cleared.heard_ms, cleared.marks) == ("", 0, ())


# -- credit and bounds


def test_credit_counts_everything_the_engine_made():
    playback = Playback()
    assert playback.credit(0.0, 500) == 500
    playback.sent("u", 0, 400, now=0.0)
    assert playback.credit(0.1, 500) == 600
    playback.clear(now=0.1)
    assert playback.credit(0.1, 500) == 900


def test_sound_sent_again_counts_once():
    playback = Playback()
    playback.sent("u", 0, 100, now=0.0)
    playback.sent("u", 0, 100, now=0.0)
    playback.sent("u", 50, 100, now=0.0)
    assert playback.ahead_ms(0.0) == 150


def test_finished_utterances_are_forgotten_and_the_last_ones_kept():
    playback = Playback(remembered=3)
    for n in range(100):
        playback.sent(f"u{n}", 0, 10, now=float(n))
    assert playback.heard("u98", now=100.0) == (10, True)
    assert playback.heard("u90", now=100.0) == (0, False)
    for n in range(100):
        playback.clear(f"x{n}", now=100.0)
    assert len(playback._utterances) <= 4


def test_an_engine_that_ignores_its_credit_is_stopped():
    playback = Playback(reports=True, max_spans=3)
    for n in range(3):
        playback.sent("u", n * 10, 10, f"m{n}", now=0.0)
    with pytest.raises(Overloaded, match="3 marks"):
        playback.sent("u", 30, 10, "m3", now=0.0)


def test_sound_without_marks_takes_no_room():
    playback = Playback(max_spans=2)
    for n in range(1_000):
        playback.sent("u", n * 10, 10, now=0.0)
    assert playback.ahead_ms(0.0) == 10_000


# -- any order of things


class Conversations(RuleBasedStateMachine):
    """A voice and a client that play, report, lie and interrupt."""

    @initialize(reports=st.booleans())
    def start(self, reports):
        self.playback = Playback(reports=reports)
        self.now = 100.0
        self.sent: dict[str, int] = {}
        self.heard: dict[str, int] = {}
        self.marks: list[str] = []
        self.back: list[Marked] = []
        self.credit = 0
        self.utterances = 1

    def _take(self, marks):
        self.back += marks

    @rule(ms=st.integers(0, 400))
    def time_passes(self, ms):
        self.now += ms / 1000

    @rule(ms=st.integers(0, 300), mark=st.booleans(), which=st.integers(0, 1))
    def says(self, ms, mark, which):
        utterance = f"u{max(1, self.utterances - which)}"
        name = f"m{len(self.marks)}" if mark else ""
        if name:
            self.marks.append(name)
        start = self.sent.get(utterance, 0)
        self.sent[utterance] = start + ms
        self._take(self.playback.sent(utterance, start, ms, name, now=self.now))

    @rule()
    def begins_another(self):
        self.utterances += 1

    @rule(data=st.data(), until=st.integers(0, 1_500))
    def reports(self, data, until):
        utterance = data.draw(st.sampled_from([*self.sent, "unknown"]))
        self._take(self.playback.played(utterance, until, now=self.now))

    @rule(data=st.data())
    def reports_a_mark(self, data):
        mark = data.draw(st.sampled_from([*self.marks, "unknown"]))
        self._take(self.playback.played("", 0, mark, now=self.now))

    @rule(data=st.data())
    def clears(self, data):
        utterance = data.draw(st.sampled_from([*self.sent, ""]))
        cleared = self.playback.clear(utterance, now=self.now)
        self._take(cleared.marks)
        if not utterance:
            assert self.playback.ahead_ms(self.now) == 0
            assert sorted(mark.name for mark in self.back) == sorted(self.marks)

    @rule()
    def expires(self):
        when = self.playback.deadline(self.now)
        if when < math.inf:
            self.now = max(self.now, when)
            marks = self.playback.expire(self.now)
            assert marks
            self._take(marks)

    @invariant()
    def heard_rises_and_stays_within_what_was_sent(self):
        if not hasattr(self, "playback"):
            return
        for utterance, sent in self.sent.items():
            heard, _ = self.playback.heard(utterance, now=self.now)
            assert self.heard.get(utterance, 0) <= heard <= sent
            self.heard[utterance] = heard

    @invariant()
    def credit_rises_and_fits(self):
        if not hasattr(self, "playback"):
            return
        credit = self.playback.credit(self.now, 0)
        assert self.credit <= credit
        self.credit = credit
        assert credit + self.playback.ahead_ms(self.now) == sum(self.sent.values())

    @invariant()
    def marks_come_back_once_and_those_heard_in_order(self):
        if not hasattr(self, "playback"):
            return
        back = [mark.name for mark in self.back]
        assert len(back) == len(set(back))
        played = [int(mark.name[1:]) for mark in self.back if not mark.cleared]
        assert played == sorted(played)

    def teardown(self):
        if hasattr(self, "playback"):
            self._take(self.playback.clear(now=self.now).marks)
            assert sorted(mark.name for mark in self.back) == sorted(self.marks)


TestConversations = Conversations.TestCase
TestConversations.settings = settings(
    max_examples=40, stateful_step_count=40, derandomize=True, deadline=None
)
