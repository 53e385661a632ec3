"""Audio onto the timeline: order, loss, doubles, gaps, rolls, torn frames."""

import doctest

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import ossicle.core.intake
from ossicle.core.errors import BadAudio
from ossicle.core.formats import WIDTHS, AudioFormat
from ossicle.core.intake import Gap, Intake, IntakeStats, Roll, silence
from ossicle.core.ports import Packet

MULAW = AudioFormat("mulaw", 8000)
PCM = AudioFormat("pcm_s16le", 16_000)
OPUS = AudioFormat("opus", 48_000)


def sound(n: int, kind: AudioFormat = MULAW, ms: int = 20) -> bytes:
    """A piece that can be told from every other and from silence."""
    return bytes([1 + n % 100]) * kind.units(ms)


def joined(pieces) -> bytes:
    assert all(isinstance(piece, bytes) for piece in pieces), pieces
    return b"".join(pieces)


def test_the_example_in_the_docstring():
    assert doctest.testmod(ossicle.core.intake).failed == 0


# -- a byte stream


def test_aligned_bytes_pass_as_the_same_object():
    intake, data = Intake(PCM), bytes(640)
    (out,) = intake.follow(data)
    assert out is data
    assert (intake.cursor, intake.cursor_ms, intake.idle) == (640, 20, True)


@settings(derandomize=True, deadline=None)
@given(
    st.binary(max_size=400),
    st.lists(st.integers(1, 50), max_size=40),
    st.sampled_from(sorted(WIDTHS)),
    st.integers(1, 3),
)
def test_any_cutting_of_a_byte_stream_gives_the_stream_in_whole_frames(
    data, cuts, encoding, channels
):
    kind = AudioFormat(encoding, 8000, channels)
    intake, out, at = Intake(kind), [], 0
    for cut in [*cuts, len(data)]:
        for piece in intake.follow(data[at : at + cut]):
            assert len(piece) % kind.frame_bytes == 0
            assert piece
            out.append(piece)
        at += cut
        assert intake.waiting < kind.frame_bytes
    rest = len(data) % kind.frame_bytes
    assert b"".join(out) == data[: len(data) - rest]
    assert intake.cursor == len(data) - rest
    assert intake.flush() == ()
    assert intake.stats == IntakeStats(torn=1 if rest else 0)


def test_packets_do_not_follow_as_bytes():
    with pytest.raises(BadAudio, match="place"):
        Intake(OPUS).follow(b"packet")


def test_bytes_go_behind_what_waits():
    intake = Intake(MULAW)
    assert intake.place(sound(1), 20) == ()
    assert intake.follow(sound(2)) == ()
    assert joined(intake.place(sound(0), 0)) == sound(0) + sound(1) + sound(2)


def test_bytes_that_follow_confirm_a_jump():
    intake = Intake(MULAW)
    intake.follow(sound(0))
    assert intake.place(sound(1), 10_000) == ()
    assert intake.follow(sound(2)) == (Roll(9_980, 79_840), sound(1), sound(2))


# -- pieces with a time


def test_pieces_in_order_pass_as_the_same_object():
    intake = Intake(MULAW)
    for n in range(5):
        data = sound(n)
        (out,) = intake.place(data, n * 20)
        assert out is data
    assert intake.stats == IntakeStats()


def test_disorder_inside_the_window_is_put_right():
    intake, out = Intake(MULAW, reorder_ms=60), []
    for n in (1, 3, 2, 0):
        out += intake.place(sound(n), n * 20)
    assert joined(out) == b"".join(map(sound, range(4)))
    assert intake.stats == IntakeStats(reordered=2)


def test_a_lost_piece_becomes_silence_once_its_wait_is_over():
    intake = Intake(MULAW, reorder_ms=60)
    intake.place(sound(0), 0)
    for n in (2, 3, 4):
        assert intake.place(sound(n), n * 20) == ()
    out = joined(intake.place(sound(5), 100))
    assert out == silence(MULAW, 160) + b"".join(map(sound, (2, 3, 4, 5)))
    assert intake.place(sound(1), 20) == ()
    assert intake.place(sound(3), 60) == ()
    assert intake.stats == IntakeStats(late=1, doubled=1, filled_ms=20)


def test_a_long_loss_does_not_shorten_the_wait_of_a_piece_at_its_end():
    intake = Intake(MULAW, reorder_ms=60)
    assert intake.place(sound(0), 0) == (sound(0),)
    assert joined(intake.place(sound(5), 100)) == silence(MULAW, 160)
    assert joined(intake.place(sound(3), 60)) == b""
    assert joined(intake.place(sound(4), 80)) == b""
    assert joined(intake.place(sound(6), 120)) == silence(MULAW, 160) + b"".join(
        map(sound, (3, 4, 5, 6))
    )
    assert intake.stats == IntakeStats(reordered=2, filled_ms=40)


def test_a_long_loss_is_remembered_as_one():
    intake = Intake(MULAW, reorder_ms=0, fill_ms=10_000)
    for n in range(1, 600, 2):
        intake.advance(n * 160)
    intake.place(sound(0), 12_000)
    assert intake.place(sound(1), 20) == ()
    assert intake.stats.late == 1


def test_a_double_of_what_waits_is_dropped():
    intake = Intake(MULAW)
    assert intake.place(sound(1), 20) == intake.place(sound(1), 20) == ()
    assert joined(intake.place(sound(0), 0)) == sound(0) + sound(1)
    assert intake.stats == IntakeStats(doubled=1, reordered=1)


def test_an_overlap_is_heard_once():
    intake = Intake(PCM)
    first, second = sound(1, PCM), sound(2, PCM)
    assert joined(intake.place(first, 0) + intake.place(second, 10)) == first + second[320:]
    assert intake.cursor_ms == 30
    assert intake.stats == IntakeStats(overlapped=1)


def test_a_small_gap_is_filled_and_a_large_one_rolled_over():
    intake = Intake(MULAW, reorder_ms=0, fill_ms=2_000)
    intake.place(sound(0), 0)
    assert joined(intake.place(sound(1), 2_020)) == silence(MULAW, 16_000) + sound(1)
    assert intake.place(sound(2), 300_000) == ()
    assert intake.place(sound(3), 300_020) == (Roll(297_960, 297_960 * 8), sound(2), sound(3))
    assert intake.cursor_ms == 300_040
    assert intake.place(sound(4), 200_000) == ()
    assert intake.stats == IntakeStats(late=1, filled_ms=2_000, rolled_ms=297_960)


def test_one_damaged_time_does_not_move_the_timeline():
    intake, out = Intake(MULAW), []
    for n in range(10):
        out += intake.place(sound(n), 10**15 + n * 10**9 if n in {4, 6} else n * 20)
    out += intake.release()
    expected = b"".join(silence(MULAW, 160) if n in {4, 6} else sound(n) for n in range(10))
    assert joined(out) == expected
    assert intake.stats == IntakeStats(strayed=1, filled_ms=40)


def test_a_jump_is_heard_even_when_the_stream_ends_right_after_it():
    intake = Intake(MULAW)
    assert intake.place(sound(0), 60_000) == ()
    assert not intake.idle
    assert intake.flush() == (Roll(60_000, 480_000), sound(0))


def test_a_jump_whose_pieces_come_out_of_order():
    intake = Intake(MULAW)
    assert intake.place(sound(1), 60_020) == ()
    assert intake.place(sound(1), 60_020) == ()
    assert intake.place(sound(0), 60_000) == (Roll(60_000, 480_000), sound(0), sound(1))
    assert intake.stats == IntakeStats(doubled=1, reordered=1, rolled_ms=60_000)


def test_an_early_piece_is_taken_back_when_the_others_catch_up():
    intake = Intake(MULAW, reorder_ms=0, fill_ms=20)
    assert intake.place(sound(3), 60) == ()
    assert joined(intake.place(sound(0), 0) + intake.place(sound(1), 20)) == sound(0) + sound(1)
    assert joined(intake.place(sound(2), 40)) == sound(2) + sound(3)


def test_torn_datagrams_lose_only_their_part_frame():
    intake = Intake(PCM)
    intake.follow(b"x")
    (out,) = intake.place(sound(0, PCM) + b"x", 0)
    assert out == sound(0, PCM)
    assert intake.place(b"x", 20) == ()
    assert intake.stats == IntakeStats(torn=3)


def test_a_time_before_the_beginning_is_refused():
    with pytest.raises(BadAudio, match="-1 ms"):
        Intake(PCM).place(b"xx", -1)


def test_a_window_longer_than_the_fill_is_refused():
    with pytest.raises(ValueError, match="reorder_ms 61"):
        Intake(PCM, reorder_ms=61, fill_ms=60)


def test_the_timeline_may_begin_later():
    intake = Intake(MULAW, start_ms=5_000)
    assert intake.place(sound(0), 4_000) == ()
    assert joined(intake.place(sound(1), 5_000)) == sound(1)
    assert intake.cursor_ms == 5_020


def test_what_waits_is_bounded_in_pieces_and_bytes():
    few = Intake(MULAW, reorder_ms=2_000, max_items=3)
    out = [few.place(sound(n), n * 20) for n in range(1, 5)]
    assert [len(pieces) for pieces in out] == [0, 0, 0, 5]
    small = Intake(MULAW, reorder_ms=2_000, max_bytes=320)
    out = [small.place(sound(n), n * 20) for n in range(1, 4)]
    assert [len(pieces) for pieces in out] == [0, 0, 4]
    assert small.waiting == 0


def test_advance_fills_and_what_comes_for_it_is_late():
    intake = Intake(MULAW)
    intake.place(sound(1), 20)
    out = joined(intake.advance(MULAW.units(3_000)))
    assert out == silence(MULAW, 160) + sound(1) + silence(MULAW, MULAW.units(2_960))
    assert intake.place(sound(5), 100) == ()
    assert intake.stats.late == 1
    assert intake.advance(0) == ()


# -- packets


def test_lost_packets_are_reported_not_filled():
    intake, out = Intake(OPUS, reorder_ms=20), []
    for n in (0, 2, 3, 4):
        out += intake.place(b"%d" % n, n * 20, 960)
    assert out == [Packet(b"0", 960), Gap(960), *(Packet(b"%d" % n, 960) for n in (2, 3, 4))]
    assert intake.cursor == 5 * 960
    assert intake.stats == IntakeStats(filled_ms=20)


def test_packets_are_never_cut():
    intake = Intake(OPUS)
    intake.place(b"a", 0, 960)
    assert intake.place(b"b", 15, 960) == (Packet(b"b", 960),)
    assert intake.place(b"c", 21, 960) == ()
    assert intake.stats == IntakeStats(overlapped=1, doubled=1)


@pytest.mark.parametrize("units", [None, 0, -1])
def test_a_packet_says_how_long_it_is(units):
    with pytest.raises(BadAudio, match="opus packet"):
        Intake(OPUS).place(b"a", 0, units)


# -- silence


@pytest.mark.parametrize("encoding", sorted(WIDTHS))
def test_silence_is_silent(encoding):
    zero = {"pcm_u8": b"\x80", "mulaw": b"\xff", "alaw": b"\xd5"}.get(encoding, b"\x00")
    assert silence(AudioFormat(encoding, 8000), 8) == zero * 8


@pytest.mark.parametrize("encoding", ["opus", "webm", "auto"])
def test_packets_have_no_silence_of_their_own(encoding):
    with pytest.raises(BadAudio, match=encoding):
        silence(AudioFormat(encoding, 8000), 8)


# -- times in whole milliseconds


@settings(derandomize=True, deadline=None)
@given(
    st.integers(100, 3000),
    st.sampled_from([8_000, 11_025, 16_000, 22_050, 24_000, 44_100, 48_000]),
    st.lists(st.booleans(), min_size=5, max_size=60),
)
def test_rounded_times_never_cut_or_drift(size, rate, come):
    """Pieces whose length is no whole number of milliseconds: what comes is heard whole, and a
    loss moves nothing by more than one millisecond."""
    kind = AudioFormat("mulaw", rate)
    if size <= 2 * (rate // 1000 + 1):
        size += 2 * (rate // 1000 + 1)
    intake = Intake(kind, reorder_ms=0, fill_ms=60_000)
    for n, yes in enumerate(come):
        if yes:
            *_, last = intake.place(bytes(size), kind.ms(n * size))
            assert len(last) == size
            assert abs(intake.cursor - (n + 1) * size) <= rate // 1000 + 1
    stats = intake.stats
    assert (stats.late, stats.doubled, stats.overlapped) == (0, 0, 0)


# -- any schedule


STEP = 20
"""Milliseconds of a piece."""
WINDOW = 60


class Schedules(RuleBasedStateMachine):
    """A wire that delays, doubles, loses and pauses, against the timeline it should give."""

    @initialize(encoding=st.sampled_from(["mulaw", "alaw", "pcm_u8", "pcm_s16le", "pcm_s24le"]))
    def start(self, encoding):
        self.format = AudioFormat(encoding, 8000)
        self.intake = Intake(self.format, reorder_ms=WINDOW)
        self.silent = silence(self.format, self.format.units(STEP))
        self.sent: list[bytes] = []
        self.delayed: dict[int, int] = {}
        self.came: set[int] = set()
        self.out = bytearray()
        self.doubles = self.lates = self.losses = self.reorders = 0

    def _take(self, pieces):
        self.out += joined(pieces)

    def _arrive(self, n: int):
        """Everything that is overtaken by less than the window arrives in time."""
        if any(m > n for m in self.came):
            self.reorders += 1
        self.came.add(n)
        self._take(self.intake.place(self.sent[n], n * STEP))

    def _next(self) -> int:
        n = len(self.sent)
        self.sent.append(bytes([1 + n % 100]) * self.format.units(STEP))
        return n

    def _overdue(self):
        # A piece may be overtaken by those that begin up to WINDOW after it, no later.
        for n in [n for n, until in self.delayed.items() if len(self.sent) > until]:
            del self.delayed[n]
            self._arrive(n)

    @rule()
    def arrives(self):
        n = self._next()
        self._arrive(n)
        self._overdue()

    @rule(by=st.integers(1, WINDOW // STEP))
    def is_overtaken(self, by):
        n = self._next()
        self.delayed[n] = n + by
        self._overdue()

    @rule()
    def is_lost(self):
        self._next()
        self.losses += 1
        self._overdue()

    @rule(data=st.data())
    @precondition(lambda self: self.came)
    def is_doubled(self, data):
        n = data.draw(st.sampled_from(sorted(self.came)))
        self.doubles += 1
        assert self.intake.place(self.sent[n], n * STEP) == ()

    @invariant()
    def only_the_window_waits(self):
        if hasattr(self, "intake"):
            assert self.intake.waiting <= self.format.units(WINDOW + STEP) + len(self.silent)
            assert self.intake.cursor == len(self.out)

    @invariant()
    def the_past_is_right(self):
        if hasattr(self, "intake"):
            n = len(self.out) // len(self.silent)
            assert bytes(self.out) == b"".join(
                self.sent[m] if m in self.came else self.silent for m in range(n)
            )

    def teardown(self):
        if not hasattr(self, "intake"):
            return
        for n in sorted(self.delayed):
            self._arrive(n)
        self._take(self.intake.flush())
        self.the_past_is_right()
        last = max(self.came, default=-1)
        assert len(self.out) == (last + 1) * len(self.silent)
        stats = self.intake.stats
        lost = sum(1 for n in range(last + 1) if n not in self.came)
        assert stats.filled_ms == lost * STEP
        assert (stats.doubled, stats.late, stats.overlapped) == (self.doubles, 0, 0)
        assert stats.reordered == self.reorders
        assert self.intake.idle


TestSchedules = Schedules.TestCase
TestSchedules.settings = settings(
    max_examples=60, stateful_step_count=40, derandomize=True, deadline=None
)


@settings(max_examples=150, derandomize=True, deadline=None)
@given(st.data())
def test_any_pieces_at_all_leave_one_timeline(data):
    """Hostile times and lengths: the books balance and memory stays bounded, whatever comes."""
    kind = data.draw(st.sampled_from([MULAW, PCM, OPUS, AudioFormat("pcm_s24le", 44_100, 2)]))
    intake = Intake(kind, reorder_ms=40, fill_ms=200, max_items=8, max_bytes=4_000)
    cursor = 0
    times = st.none() | st.integers(0, 600) | st.integers(0, 100_000)
    for _ in range(data.draw(st.integers(1, 40))):
        size = data.draw(st.integers(0, 1_000))
        if kind.width:
            out = intake.place(bytes(size), data.draw(times))
        else:
            out = intake.place(b"p", data.draw(times), size + 1)
        for piece in out:
            cursor += len(piece) if isinstance(piece, bytes) else piece.units
            if isinstance(piece, bytes):
                assert piece
                assert len(piece) % kind.frame_bytes == 0
        assert intake.cursor == cursor
        assert intake.waiting <= 4_000 + 1_000 + kind.frame_bytes
    for piece in intake.flush():
        cursor += len(piece) if isinstance(piece, bytes) else piece.units
    assert intake.cursor == cursor
    assert intake.idle
