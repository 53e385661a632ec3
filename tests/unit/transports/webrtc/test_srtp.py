"""Opening packets: what a genuine one holds, and nothing of all others."""

import pytest

pytest.importorskip("pylibsrtp")

from pylibsrtp import Policy, Session

from ossicle.transports.webrtc.rtp import header
from ossicle.transports.webrtc.srtp import LONGEST, Opener

KEY = bytes(range(30))


@pytest.fixture
def far() -> Session:
    return Session(Policy(key=KEY, ssrc_type=Policy.SSRC_ANY_OUTBOUND))


@pytest.fixture
def opener() -> Opener:
    return Opener(Session(Policy(key=KEY, ssrc_type=Policy.SSRC_ANY_INBOUND)))


def packet(number: int, payload: bytes = b"sound") -> bytes:
    return header(111, 0, number, number * 960, 77) + payload


def test_packets_of_any_length_one_after_another(far: Session, opener: Opener) -> None:
    for number, size in enumerate((0, 900, 3, 1_330, 1)):
        plain = packet(number, bytes([number + 1]) * size)
        assert opener.open(far.protect(plain)) == plain


def test_a_copy_is_none(far: Session, opener: Opener) -> None:
    sealed = far.protect(packet(1))
    assert opener.open(sealed) is not None
    assert opener.open(sealed) is None
    assert opener.open(far.protect(packet(2))) == packet(2)


@pytest.mark.parametrize("place", [2, 14, -1])
def test_a_changed_bit_is_none(far: Session, opener: Opener, place: int) -> None:
    sealed = bytearray(far.protect(packet(1)))
    sealed[place] ^= 1
    assert opener.open(bytes(sealed)) is None


@pytest.mark.parametrize("data", [bytes(12), b"\x80" * 13, bytes([0x8F]) * LONGEST, b"\x80"])
def test_no_packet_at_all(opener: Opener, data: bytes) -> None:
    assert opener.open(data) is None
