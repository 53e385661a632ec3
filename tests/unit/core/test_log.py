"""The log: numbers that rise, one partial per segment, bounds in count and in bytes."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from ossicle.core.events import Asked, AudioOut, Notice, Told, Transcript
from ossicle.core.log import Log


class LogMachine(RuleBasedStateMachine):
    MOST = 12

    def __init__(self):
        super().__init__()
        self.log = Log(first=5, most_events=self.MOST)
        self.all: dict[int, object] = {}
        self.partials: dict[tuple, int] = {}

    def add(self, event):
        seq = self.log.next
        logged = self.log.append(event)
        assert logged.seq == seq
        assert self.log.next == seq + 1
        self.all[seq] = logged
        return seq

    @rule(
        segment=st.integers(0, 1),
        turn=st.integers(0, 1),
        channel=st.integers(0, 1),
        final=st.booleans(),
        side=st.sampled_from(["in", "out"]),
        utterance=st.sampled_from(["", "u1"]),
    )
    def transcript(self, segment, turn, channel, final, side, utterance):
        key = (segment, turn, channel, side, utterance)
        seq = self.add(
            Transcript(
                text="x",
                segment=segment,
                turn=turn,
                channel=channel,
                final=final,
                side=side,
                utterance=utterance,
            )
        )
        if (older := self.partials.pop(key, None)) is not None:
            self.all[older] = None
        if not final:
            self.partials[key] = seq

    @rule()
    def notice(self):
        self.add(Notice(code="n"))

    @invariant()
    def what_is_held_is_what_was_said(self):
        log = self.log
        assert log.next - log.first <= self.MOST
        for seq in range(log.first, log.next):
            assert log.read(seq) == self.all[seq]
        assert log.read(log.first - 1) is None
        assert log.read(log.next) is None
        held = [log.read(seq) for seq in range(log.first, log.next)]
        keys = [
            (e.segment, e.turn, e.channel, e.side, e.utterance)
            for e in held
            if isinstance(e, Transcript) and not e.final
        ]
        assert len(keys) == len(set(keys)), "two partials of one segment"

    @invariant()
    def missed_counts_what_fell_off(self):
        for since in range(4, self.log.next):
            assert self.log.missed(since) == sum(
                1 for seq in self.all if since < seq < self.log.first
            )


def test_the_log_is_its_model():
    run_state_machine_as_test(
        LogMachine,
        settings=settings(derandomize=True, max_examples=40, stateful_step_count=40, deadline=None),
    )


def test_a_newer_partial_empties_the_older_ones_slot():
    log = Log()
    for n in range(1, 101):
        log.append(Transcript(text="w" * n))
    held = [log.read(seq) for seq in range(1, log.next)]
    assert [event.text for event in held if event] == ["w" * 100]
    log.append(Transcript(text="done", final=True))
    assert [e.text for seq in range(1, log.next) if (e := log.read(seq))] == ["done"]


def test_bytes_are_bounded():
    log = Log(most_bytes=100_000)
    for n in range(500):
        log.append(AudioOut(utterance="u", data=bytes(1_000), start_ms=n * 20))
        held = sum(len(e.data) for seq in range(log.first, log.next) if (e := log.read(seq)))
        assert held <= 100_000
    assert log.first > 1


def test_words_and_texts_of_others_count_too():
    log = Log(most_bytes=50_000)
    for make in (
        lambda: Told(text="t" * 1_000),
        lambda: Asked(arguments="a" * 1_000),
        lambda: Transcript(text="t", alternatives=("a" * 1_000,), final=True),
    ):
        for _ in range(100):
            log.append(make())
        assert log.next - log.first <= 50, "their weight was not counted"


def test_one_event_over_the_bound_is_still_told():
    log = Log(most_bytes=10)
    log.append(AudioOut(data=bytes(1_000)))
    seq = log.append(AudioOut(data=bytes(1_000))).seq
    assert log.read(seq) is not None
    assert log.first == seq


def test_heard_sound_is_forgotten_and_what_is_partly_heard_is_kept():
    log = Log()
    for n in range(5):
        log.append(AudioOut(utterance="u", data=bytes(100), start_ms=n * 100))
    log.append(AudioOut(utterance="other", data=bytes(100), start_ms=0))
    log.forget_audio("u", 250)
    held = [(e.utterance, e.start_ms) for seq in range(1, log.next) if (e := log.read(seq))]
    assert held == [("u", 200), ("u", 300), ("u", 400), ("other", 0)]


def test_forgotten_sound_is_not_counted_any_more():
    log = Log(most_bytes=20_000)
    for n in range(100):
        log.append(AudioOut(utterance="u", data=bytes(1_000), start_ms=n * 100))
        log.forget_audio("u", n * 100)
    assert log.first == 1
