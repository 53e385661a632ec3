"""The jitter buffer: every packet once, in order, and every loss said."""

from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ossicle.transports.webrtc.jitter import Arrived, JitterBuffer, Left, Lost, Pause

RATE, STEP = 48_000, 960


def short(items: tuple[Left, ...]) -> list[str]:
    """`a` a packet, `-2` two lost, `+960` a pause."""
    out: list[str] = []
    for item in items:
        match item:
            case Arrived(payload=payload):
                out.append(payload.decode())
            case Lost(packets=packets):
                out.append(f"-{packets}")
            case Pause(ticks=ticks):
                out.append(f"+{ticks}")
    return out


def run(buffer: JitterBuffer, arrivals: list[tuple[float, int]], first: int = 0) -> list[str]:
    """Packets by number as they come (time in ms), a timer between, and everything at the end."""
    out: list[str] = []
    for ms, number in arrivals:
        now = ms / 1000
        while buffer.deadline <= now:
            out += short(buffer.expire(buffer.deadline))
        sequence, stamp = (first + number) % 65_536, (first + number) * STEP % (1 << 32)
        out += short(buffer.add(sequence, stamp, str(number).encode(), now))
    out += short(buffer.flush())
    return out


@pytest.mark.parametrize(
    ("arrivals", "left"),
    [
        pytest.param([(0, 0), (20, 1), (40, 2)], ["0", "1", "2"], id="in order"),
        pytest.param([(0, 0), (40, 2), (45, 1)], ["0", "1", "2"], id="swapped"),
        pytest.param([(0, 0), (40, 2), (60, 3)], ["0", "-1", "2", "3"], id="one lost"),
        pytest.param([(0, 0), (60, 3), (80, 4)], ["0", "-2", "3", "4"], id="two lost"),
        pytest.param([(0, 0), (40, 2), (120, 1), (121, 3)], ["0", "-1", "2", "3"], id="too late"),
        pytest.param([(0, 0), (20, 1), (21, 1), (40, 2)], ["0", "1", "2"], id="doubled behind"),
        pytest.param([(0, 0), (40, 2), (41, 2), (42, 1)], ["0", "1", "2"], id="doubled before"),
        pytest.param([(0, 5), (20, 4), (40, 6)], ["5", "6"], id="older than the first"),
    ],
)
@pytest.mark.parametrize("first", [0, 65_530, 5_000_000], ids=["", "wraps", "stamps"])
def test_what_leaves(arrivals: list[tuple[float, int]], left: list[str], first: int) -> None:
    assert run(JitterBuffer(RATE), arrivals, first) == left


def test_a_packet_that_follows_on_is_not_held() -> None:
    buffer = JitterBuffer(RATE)
    for number in range(100):
        assert short(buffer.add(number, number * STEP, b"x", number * 0.02)) == ["x"]
        assert buffer.deadline == inf


def test_a_loss_is_given_up_by_the_clock_only() -> None:
    """After a stall the missing packet may stand right behind in the socket."""
    buffer = JitterBuffer(RATE, first_s=0.06)
    buffer.add(0, 0, b"0", 0.0)
    assert buffer.add(2, 2 * STEP, b"2", 0.5) == ()
    assert short(buffer.add(1, STEP, b"1", 0.5)) == ["1", "2"]
    assert buffer.add(4, 4 * STEP, b"4", 0.08) == ()
    assert buffer.deadline == pytest.approx(0.06 + 0.06, abs=0.001)  # packet 3 was due at 60 ms
    assert short(buffer.expire(buffer.deadline - 0.001)) == []
    assert short(buffer.expire(buffer.deadline)) == ["-1", "4"]
    assert buffer.deadline == inf


def test_a_pause_is_no_loss() -> None:
    """DTX: the numbers go on, the stamps jump."""
    buffer = JitterBuffer(RATE)
    buffer.add(0, 0, b"0", 0.0)
    left = buffer.add(1, 21 * STEP, b"1", 0.42)
    assert short(left) == [f"+{20 * STEP}", "1"]
    assert buffer.stats.lost == 0


def test_padding_is_no_sound() -> None:
    """A browser probes its path with packets that have numbers, the last stamp and no payload."""
    buffer = JitterBuffer(RATE)
    assert short(buffer.add(0, 0, b"0", 0.0)) == ["0"]
    assert buffer.add(1, 0, b"", 0.001) == ()
    assert buffer.add(3, 0, b"", 0.002) == ()  # the one before is lost, or later
    assert short(buffer.add(4, STEP, b"1", 0.02)) == []
    assert short(buffer.add(2, 0, b"", 0.021)) == ["1"]
    assert buffer.add(6, 2 * STEP, b"2", 0.04) == ()
    (lost, _) = buffer.expire(buffer.deadline)
    assert lost == Lost(1, 0)


def test_packets_of_other_lengths() -> None:
    """60 ms packets: what a lost one is taken for, and that no pause is seen between two."""
    buffer = JitterBuffer(RATE, length=lambda _payload: 3 * STEP)
    assert short(buffer.add(0, 0, b"0", 0.0)) == ["0"]
    assert short(buffer.add(1, 3 * STEP, b"1", 0.06)) == ["1"]
    assert buffer.add(3, 9 * STEP, b"3", 0.18) == ()
    (lost, _) = buffer.expire(buffer.deadline)
    assert lost == Lost(1, 3 * STEP)


def test_the_depth_follows_the_network() -> None:
    buffer = JitterBuffer(RATE, least_s=0.04, most_s=0.2, first_s=0.06)
    for number in range(100):
        buffer.add(number, number * STEP, b"x", number * 0.02)
    assert buffer.depth_s == pytest.approx(0.04, abs=0.011)
    late = [(number * 20 + 100 * (number % 3 == 0), number) for number in range(100, 200)]
    for ms, number in sorted(late):
        now = ms / 1000
        buffer.add(number, number * STEP, b"x", now)
    deep = buffer.depth_s
    assert 0.12 <= deep <= 0.2
    for number in range(200, 900):
        buffer.add(number, number * STEP, b"x", number * 0.02)
    assert buffer.depth_s < deep / 2


def test_what_delays_every_packet_alike_asks_for_no_depth() -> None:
    """A queue on the way, or a process that stood still: all come late, and in order."""
    buffer = JitterBuffer(RATE, least_s=0.04, most_s=0.2)
    for number in range(200):
        now = max(number * 0.02, (number // 50) * 1.0 + 0.15)  # still for 150 ms in each second
        assert short(buffer.add(number, number * STEP, b"x", now)) == ["x"]
    assert buffer.depth_s == pytest.approx(0.04, abs=0.011)


def test_a_stream_that_is_late_as_a_whole_still_waits_for_a_packet_that_was_overtaken() -> None:
    buffer = JitterBuffer(RATE)
    for number in range(30):
        buffer.add(number, number * STEP, b"x", number * 0.02)
    assert buffer.add(31, 31 * STEP, b"31", 31 * 0.02 + 0.3) == ()
    assert short(buffer.expire(31 * 0.02 + 0.305)) == []
    assert short(buffer.add(30, 30 * STEP, b"30", 31 * 0.02 + 0.306)) == ["30", "31"]


def test_a_stream_that_begins_anew_is_followed() -> None:
    buffer = JitterBuffer(RATE)
    buffer.add(10, 0, b"a", 0.0)
    assert buffer.add(40_000, 77, b"b", 0.02) == ()  # one alone is a stranger
    assert buffer.stats.strange == 1
    assert short(buffer.add(40_001, 77 + STEP, b"c", 0.04)) == ["c"]
    assert buffer.stats.restarts == 1


def test_what_waits_is_bounded() -> None:
    buffer = JitterBuffer(RATE, capacity=8, most_s=1e9, least_s=1e9, first_s=1e9)
    buffer.add(0, 0, b"0", 0.0)
    for number in range(2, 40):
        buffer.add(number, number * STEP, b"x", 0.0)
        assert buffer.waiting <= 8
    assert buffer.stats.lost == 1


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    lost=st.sets(st.integers(1, 78)),
    delays=st.lists(st.integers(0, 70), min_size=80, max_size=80),
    doubled=st.sets(st.integers(0, 79)),
    first=st.integers(0, 1 << 33),
)
def test_whatever_the_network_does(
    lost: set[int], delays: list[int], doubled: set[int], first: int
) -> None:
    """Numbers rise; what left and what was given up is everything, once; counts agree."""
    arrivals = [
        (number * 20 + delays[number], number) for number in range(80) if number not in lost
    ]
    arrivals += [(ms + 3, number) for ms, number in arrivals if number in doubled]
    arrivals.sort()
    buffer = JitterBuffer(RATE)
    left = run(buffer, arrivals, first)
    packets = [int(item) for item in left if item[0] not in "-+"]
    assert packets == sorted(set(packets))
    given_up = sum(int(item[1:]) for item in left if item[0] == "-")
    assert given_up == buffer.stats.lost
    assert len(packets) + given_up == packets[-1] - packets[0] + 1
    assert not [item for item in left if item[0] == "+"]
    assert buffer.waiting == 0
    # What came in time was never given up: at most the late ones are missing besides the lost.
    missing = set(range(packets[0], packets[-1] + 1)) - set(packets)
    assert len(missing - lost) <= buffer.stats.late


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    st.lists(
        st.tuples(st.integers(0, 65_535), st.integers(0, (1 << 32) - 1), st.integers(0, 300)),
        max_size=60,
    )
)
def test_any_numbers_at_all(packets: list[tuple[int, int, int]]) -> None:
    """A sender may say what it likes: no exception, nothing unbounded."""
    buffer = JitterBuffer(RATE, capacity=16)
    now = 0.0
    for sequence, stamp, ms in packets:
        now += ms / 1000
        for item in (*buffer.expire(now), *buffer.add(sequence, stamp, b"x", now)):
            if isinstance(item, Lost):
                assert 0 < item.packets <= 2_001
                assert 0 <= item.ticks <= max(2 * RATE, item.packets * STEP)
        assert buffer.waiting <= 17
    buffer.flush()
    assert buffer.waiting == 0
