"""The RTP header, read and written."""

from hypothesis import given, settings
from hypothesis import strategies as st

from ossicle.transports.webrtc.rtp import header, read


def test_there_and_back() -> None:
    packet = read(header(111, 1, 65_535, 4_000_000_000, 0xDEADBEEF) + b"payload")
    assert packet is not None
    assert (packet.payload_type, packet.marker) == (111, 1)
    assert (packet.sequence_number, packet.timestamp) == (65_535, 4_000_000_000)
    assert (packet.ssrc, packet.payload) == (0xDEADBEEF, b"payload")


def test_extensions_sources_and_padding() -> None:
    head = bytearray(header(111, 0, 1, 2, 3))
    head[0] |= 0x10 | 0x20 | 2
    data = bytes(head) + bytes(8) + b"\xbe\xde\x00\x01" + b"\x10\xff\x00\x00" + b"ab" + b"\0\0\x03"
    packet = read(data)
    assert packet is not None
    assert packet.payload == b"ab"
    assert packet.extension == b"\x10\xff\x00\x00"


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.binary(max_size=80))
def test_any_bytes(data: bytes) -> None:
    packet = read(data)
    assert packet is None or len(packet.payload) <= len(data) - 12
