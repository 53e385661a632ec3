"""Transport-wide feedback: what is told is what came, and when."""

import struct

from hypothesis import given, settings
from hypothesis import strategies as st

from ossicle.transports.webrtc.uplink import Arrivals, number_in


def test_the_number_of_a_packet() -> None:
    assert number_in(b"\x10\xff\x31\x12\x34\x00\x00\x00", 3) == 0x1234
    assert number_in(b"\x10\xff\x00\x00\x31\x12\x34", 3) == 0x1234  # padding between
    assert number_in(b"\x10\xff", 3) is None
    assert number_in(b"\x31\x12", 3) is None  # cut off
    assert number_in(b"\x30\x12\x00", 3) is None  # of another size
    assert number_in(b"\xf0\xff\x31\x12\x34", 3) is None  # 15 ends it all


def told(packet: bytes) -> dict[int, float | None]:
    """A report, read as the draft says (section 3.1)."""
    first, kind, length = struct.unpack_from("!BBH", packet)
    assert (first, kind) == (0x8F, 205)
    assert len(packet) == 4 * (length + 1)
    _sender, _media, base, count, last = struct.unpack_from("!LLHHL", packet, 4)
    place = 20
    symbols: list[int] = []
    while len(symbols) < count:
        (chunk,) = struct.unpack_from("!H", packet, place)
        place += 2
        assert chunk >> 14 == 3
        symbols += [(chunk >> (12 - 2 * n)) & 3 for n in range(7)]
    at = (last >> 8) * 0.064
    out: dict[int, float | None] = {}
    for number, symbol in enumerate(symbols[:count]):
        if symbol == 0:
            out[(base + number) & 0xFFFF] = None
            continue
        if symbol == 1:
            delta = packet[place]
            place += 1
        else:
            (delta,) = struct.unpack_from("!h", packet, place)
            place += 2
        at += delta * 0.00025
        out[(base + number) & 0xFFFF] = at
    assert len(packet) - place < 4
    return out


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    st.lists(st.tuples(st.booleans(), st.integers(-30, 400)), min_size=1, max_size=60),
    st.integers(0, 65_535),
    st.floats(1, 10_000),
)
def test_what_is_told_is_what_came(packets: list[tuple[bool, int]], first: int, now: float) -> None:
    arrivals = Arrivals()
    came: dict[int, float] = {}
    for place, (lost, ms) in enumerate([(False, 0), *packets]):
        now += max(0.0, ms / 1000)
        if not lost:
            number = (first + place) & 0xFFFF
            arrivals.arrived(number, now)
            came[number] = now
    heard = told(arrivals.report(now, 1, 2))
    assert {number for number, at in heard.items() if at is not None} == set(came)
    for number, at in came.items():
        assert abs((heard[number] or 0) - at) < 0.001
    assert not arrivals.due(now + 10)


def test_reports_follow_on() -> None:
    arrivals = Arrivals()
    arrivals.arrived(65_534, 1.0)
    assert arrivals.due(1.0)
    assert list(told(arrivals.report(1.0, 1, 2))) == [65_534]
    arrivals.arrived(1, 1.06)
    assert not arrivals.due(1.06)
    arrivals.arrived(65_534, 1.07)  # told already
    arrivals.arrived(0, 1.1)
    assert arrivals.due(1.1)
    second = told(arrivals.report(1.1, 1, 2))
    assert [number for number, at in second.items() if at is None] == [65_535]
    assert list(second) == [65_535, 0, 1]


def test_a_jump_is_bounded() -> None:
    arrivals = Arrivals()
    arrivals.arrived(0, 1.0)
    arrivals.arrived(30_000, 1.1)
    assert len(told(arrivals.report(1.1, 1, 2))) <= 500
