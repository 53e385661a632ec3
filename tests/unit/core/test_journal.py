"""The journal against a model that forgets nothing."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from ossicle.core.commands import Cancel, End, Finalize
from ossicle.core.intake import Gap
from ossicle.core.journal import Journal, units_of
from ossicle.core.ports import Packet

FRAME, REPLAY = 2, 40


def tape(items) -> list:
    """What an engine hears, unit by unit: a byte, None in a gap, a command at its place."""
    heard = []
    for item in items:
        match item:
            case bytes():
                heard.extend(item)
            case Gap():
                heard.extend([None] * item.units)
            case Packet():
                heard.extend((id(item), k) for k in range(item.units))
            case _:
                heard.append(item)
    return heard


def is_sound(item) -> bool:
    return isinstance(item, bytes | Packet | Gap)


class JournalMachine(RuleBasedStateMachine):
    """`units` holds every unit that ever came (or None where it was dropped); `commands` the
    place and order of every command."""

    def __init__(self):
        super().__init__()
        self.journal = Journal(frame=FRAME, replay=REPLAY)
        self.units: list[object] = []
        self.waiting_commands: list[tuple[int, object]] = []
        self.asked: list[tuple[int, object]] = []
        self.sent = self.settled = self.fallen = 0
        self.byte = 0
        self.names = 0

    def fresh(self, frames: int) -> bytes:
        data = bytes((self.byte + k) % 251 for k in range(frames * FRAME))
        self.byte += len(data)
        return data

    @rule(frames=st.integers(1, 8))
    def push_samples(self, frames):
        data = self.fresh(frames)
        self.journal.push(data)
        self.units.extend(data)

    @rule(units=st.integers(1, 6))
    def push_gap(self, units):
        self.journal.push(Gap(units * FRAME))
        self.units.extend([None] * (units * FRAME))

    @rule()
    def push_command(self):
        self.names += 1
        command = Finalize(ref=f"f{self.names}")
        self.journal.push(command)
        self.waiting_commands.append((len(self.units), command))

    @precondition(lambda self: self.journal.idle)
    @rule(frames=st.integers(1, 8))
    def keep(self, frames):
        """The hot path: sent at the moment it comes."""
        data = self.fresh(frames)
        self.journal.end += len(data)
        self.journal.keep(data)
        self.units.extend(data)
        self.sent += len(data)

    @precondition(lambda self: not self.journal.idle)
    @rule()
    def take(self):
        first = self.journal.first
        item = self.journal.take()
        assert item is first
        if is_sound(item):
            units = units_of(item)
            assert tape([item]) == self.units[self.sent : self.sent + units]
            assert not [c for at, c in self.waiting_commands if at < self.sent + units], (
                "sound overtook a command"
            )
            self.sent += units
        else:
            at, command = self.waiting_commands.pop(0)
            assert command is item
            assert at == self.sent
            self.asked.append((at, command))

    @rule(share=st.floats(0, 1.2))
    def settle(self, share):
        position = int(share * len(self.units))
        self.journal.settle(position)
        self.settled = max(self.settled, min(position, self.sent))

    @rule()
    def trim(self):
        self.journal.trim()

    @precondition(lambda self: self.asked)
    @rule(data=st.data())
    def answered(self, data):
        pair = data.draw(st.sampled_from(self.asked))
        self.journal.answered(pair[1])
        self.asked.remove(pair)

    @rule(bound=st.integers(0, 30))
    def drop_oldest(self, bound):
        dropped = self.journal.drop_oldest(bound)
        left = dropped
        for place in range(self.sent, len(self.units)):
            if left and self.units[place] is not None:
                self.units[place] = None
                left -= 1
        assert left == 0
        held = sum(1 for unit in self.units[self.sent :] if unit is not None)
        assert held <= bound
        if dropped:
            assert held > bound - FRAME, "more was dropped than had to be"

    @rule()
    def rewind(self):
        self.journal.trim()
        base = self.journal.base
        start, lost = self.journal.rewind()
        self.fallen = max(self.fallen, base)
        assert lost == max(0, base - self.settled)
        assert start == max(self.settled - self.settled % FRAME, base)
        self.waiting_commands = [
            (max(at, start), c) for at, c in self.asked
        ] + self.waiting_commands
        self.asked = []
        self.sent = start
        # The whole feed, as another engine will hear it.
        expected, place = [], start
        for at, command in [*self.waiting_commands, (len(self.units), None)]:
            expected.extend(self.units[place:at])
            place = at
            if command is not None:
                expected.append(command)
        assert tape(self.journal._unsent) == expected

    @rule()
    def clear_sound(self):
        self.journal.clear_sound()
        for place in range(len(self.units)):
            self.units[place] = None
        self.settled = self.sent
        self.waiting_commands = [(len(self.units), c) for _, c in self.waiting_commands]
        assert self.journal.base == self.sent

    @invariant()
    def cursors(self):
        journal = self.journal
        assert journal.end == len(self.units)
        assert journal.sent == self.sent
        assert journal.waiting == len(self.units) - self.sent
        assert journal.settled == self.settled
        assert journal.base <= journal.sent
        assert journal.sent - journal.base == sum(units_of(item) for item in journal._past)
        assert journal.idle == (journal.waiting == 0 and not self.waiting_commands)
        assert list(journal.asked) == [command for _, command in self.asked]
        assert list(journal.queued) == [command for _, command in self.waiting_commands]

    @invariant()
    def kept_is_what_came(self):
        journal = self.journal
        assert tape(journal._past) == self.units[journal.base : journal.sent]


def test_the_journal_is_its_model():
    run_state_machine_as_test(
        JournalMachine,
        settings=settings(derandomize=True, max_examples=80, stateful_step_count=30, deadline=None),
    )


def played(journal: Journal) -> list:
    items = []
    while not journal.idle:
        items.append(journal.take())
    return items


def test_a_replay_gives_the_same_objects_where_nothing_was_cut():
    journal = Journal(frame=2, replay=1_000)
    pieces = [bytes([n, n]) * 5 for n in range(1, 5)]
    for piece in pieces:
        journal.push(piece)
    first = played(journal)
    assert all(a is b for a, b in zip(first, pieces, strict=True))
    journal.settle(15)  # within the second, and within a frame of it
    start, lost = journal.rewind()
    again = played(journal)
    assert (start, lost) == (14, 0)
    assert again[0] == pieces[1][4:]
    assert all(a is b for a, b in zip(again[1:], pieces[2:], strict=True))


def test_the_hot_path_holds_the_object_that_came():
    journal = Journal(frame=2, replay=1_000)
    data = b"ab" * 10
    journal.end += len(data)
    journal.keep(data)
    journal.rewind()
    assert journal.take() is data


def test_packets_are_fed_whole_from_the_one_that_holds_the_place():
    journal = Journal(replay=10_000)
    packets = [Packet(bytes([n]), 960) for n in range(4)]
    for packet in packets:
        journal.push(packet)
    played(journal)
    journal.settle(960 + 100)
    start, lost = journal.rewind()
    assert (start, lost) == (960, 0)
    assert played(journal) == packets[1:]


def test_a_gap_is_cut_where_the_replay_begins():
    journal = Journal(frame=2, replay=1_000)
    journal.push(b"ab")
    journal.push(Gap(100))
    journal.push(b"cd")
    played(journal)
    journal.settle(52)
    assert journal.rewind() == (52, 0)
    assert played(journal) == [Gap(50), b"cd"]


def test_commands_are_asked_again_at_their_places_until_answered():
    journal = Journal(frame=1, replay=1_000)
    one, two, end = Finalize(ref="1"), Finalize(ref="2"), End()
    for item in (b"aaaa", one, b"bbbb", two, b"cccc", end):
        journal.push(item)
    played(journal)
    journal.answered(one)
    journal.settle(4)
    journal.rewind()
    assert played(journal) == [b"bbbb", two, b"cccc", end]
    journal.settle(12)
    journal.rewind()
    assert played(journal) == [two, end], "settled audio is gone, the questions are not"


def test_a_replay_bound_is_kept_and_what_is_missing_is_told():
    journal = Journal(frame=2, replay=20)
    for n in range(50):
        journal.push(bytes([n, n]) * 2)
        journal.take()
        journal.trim()
        assert sum(units_of(item) for item in journal._past) <= 20 + 4
    journal.settle(100)
    assert journal.rewind() == (180, 80)


def test_an_empty_journal_gives_nothing():
    journal = Journal(replay=10)
    with pytest.raises(IndexError):
        journal.take()
    assert journal.first is None
    assert journal.rewind() == (0, 0)


def test_dropping_cuts_between_frames_and_joins_gaps():
    journal = Journal(frame=4, replay=0)
    command = Finalize()
    for item in (b"a" * 8, b"b" * 8, command, b"c" * 8):
        journal.push(item)
    assert journal.drop_oldest(13) == 12
    assert played(journal) == [Gap(12), b"bbbb", command, b"c" * 8]


def test_dropping_again_and_again_costs_one_gap():
    journal = Journal(frame=1, replay=0)
    for n in range(200):
        journal.push(bytes([n % 256]) * 10)
        journal.drop_oldest(30)
    items = played(journal)
    assert items[0] == Gap(1_970)
    assert len(items) == 4


def test_cancelling_what_was_heard_keeps_the_commands():
    journal = Journal(frame=1, replay=100)
    asked = Finalize(ref="a")
    for item in (b"aaaa", b"bbbb", asked):
        journal.push(item)
    journal.take()
    journal.clear_sound()
    assert journal.base == journal.settled == 4
    assert played(journal) == [Gap(4), asked]
    journal.push(Cancel(side="in"))
    assert journal.end == 8


@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=20),
    st.integers(0, 200),
    st.integers(0, 200),
)
def test_a_second_replay_gives_the_same_audio_as_the_first(sizes, taken, settled):
    journal = Journal(frame=1, replay=10_000)
    for n, size in enumerate(sizes):
        journal.push(bytes([n]) * size)
    for _ in range(min(taken, len(sizes))):
        journal.take()
    journal.settle(settled)
    expected = b"".join(bytes([n]) * size for n, size in enumerate(sizes))[journal.settled :]
    for _ in range(2):
        journal.rewind()
        assert b"".join(played(journal)) == expected
