"""The fixed header of RTP (RFC 3550 section 5.1): read and written on the hot path."""

import struct

import msgspec

__all__ = ["Packet", "header", "read"]

_HEAD = struct.Struct("!BBHLL")


class Packet(msgspec.Struct, frozen=True, gc=False):
    """What is used of a packet."""

    payload_type: int
    marker: int
    sequence_number: int
    timestamp: int
    ssrc: int
    payload: bytes
    extension: bytes
    """Header extension elements, without their profile; empty = none, or of two-byte form."""


def read(data: bytes) -> Packet | None:
    """A packet; None = it is none."""
    if len(data) < 12:
        return None
    first, second, sequence, stamp, ssrc = _HEAD.unpack_from(data)
    if first >> 6 != 2:
        return None
    if first == 0x80:  # no extension, no padding: nearly every one of a telephone or a library
        return Packet(second & 127, second >> 7, sequence, stamp, ssrc, data[12:], b"")
    place = 12 + 4 * (first & 15)
    extension = b""
    if first & 0x10:
        if len(data) < place + 4:
            return None
        size = 4 * int.from_bytes(data[place + 2 : place + 4], "big")
        if data[place : place + 2] == b"\xbe\xde":
            extension = data[place + 4 : place + 4 + size]
        place += 4 + size
    end = len(data)
    if first & 0x20:
        end -= data[-1]
        if not data[-1]:
            return None
    if place > end:
        return None
    return Packet(second & 127, second >> 7, sequence, stamp, ssrc, data[place:end], extension)


def header(payload_type: int, marker: int, sequence: int, stamp: int, ssrc: int) -> bytes:
    """The header of a packet without extensions."""
    return _HEAD.pack(0x80, marker << 7 | payload_type, sequence, stamp, ssrc)
