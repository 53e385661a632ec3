"""Frames with their bytes, worked out by hand with `struct` and `zlib`; and how they are asked
for. FRAMES drives parser, serializer and the seeds of the fuzz target; BROKEN must be refused.
"""

import struct
import zlib

from ossicle.core.wire import ChannelTraits, Opening
from ossicle.dialects.amazon.eventstream import Frame, Header, blob, stamp, text

AUDIO = b"\x01\x02" * 320


def raw(headers: bytes, payload: bytes = b"") -> bytes:
    """A frame by hand."""
    sizes = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    message = sizes + struct.pack(">I", zlib.crc32(sizes)) + headers + payload
    return message + struct.pack(">I", zlib.crc32(message))


FRAMES: tuple[tuple[str, bytes, Frame], ...] = (
    ("nothing", raw(b""), Frame()),
    ("payload_alone", raw(b"", b"{}"), Frame((), b"{}")),
    (
        "audio_event",
        raw(
            b"\x0d:message-type\x07\x00\x05event\x0b:event-type\x07\x00\x0aAudioEvent"
            b"\x0d:content-type\x07\x00\x18application/octet-stream",
            AUDIO,
        ),
        Frame(
            (
                text(":message-type", "event"),
                text(":event-type", "AudioEvent"),
                text(":content-type", "application/octet-stream"),
            ),
            AUDIO,
        ),
    ),
    (
        "signed_end",
        raw(
            b"\x05:date\x08" + struct.pack(">q", 1_795_521_600_123)
            + b"\x10:chunk-signature\x06\x00\x20" + bytes(range(32))
        ),
        Frame((stamp(":date", 1_795_521_600_123), blob(":chunk-signature", bytes(range(32))))),
    ),
    (
        "every_type",
        raw(
            b"\x01a\x00\x01b\x01\x01c\x02\xff\x01d\x03\xff\xfe\x01e\x04\x00\x00\x00\x07"
            b"\x01f\x05\x00\x00\x00\x00\x00\x00\x00\x08\x01g\x06\x00\x01x\x01h\x07\x00\x02\xc3\xa9"
            b"\x01i\x08\x00\x00\x00\x00\x00\x00\x00\x09\x01j\x09" + b"0123456789abcdef"
        ),
        Frame(
            (
                Header("a", 0, True),
                Header("b", 1, False),
                Header("c", 2, -1),
                Header("d", 3, -2),
                Header("e", 4, 7),
                Header("f", 5, 8),
                blob("g", b"x"),
                text("h", "é"),
                stamp("i", 9),
                Header("j", 9, b"0123456789abcdef"),
            )
        ),
    ),
)  # fmt: skip

_GOOD = FRAMES[2][1]


def _bent(data: bytes, at: int) -> bytes:
    return data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :]


BROKEN: tuple[tuple[str, bytes], ...] = (
    ("prelude_sum", _bent(_GOOD, 9)),
    ("message_sum", _bent(_GOOD, len(_GOOD) - 1)),
    ("a_byte_of_the_payload", _bent(_GOOD, len(_GOOD) - 20)),
    ("total_length", _bent(_GOOD, 3)),
    ("headers_longer_than_the_frame", struct.pack(">II", 16, 1)
     + struct.pack(">I", zlib.crc32(struct.pack(">II", 16, 1))) + b"\0\0\0\0"),
    ("shorter_than_a_frame_can_be", struct.pack(">II", 15, 0)
     + struct.pack(">I", zlib.crc32(struct.pack(">II", 15, 0))) + b"\0\0\0"),
    ("too_large", struct.pack(">II", 1 << 24, 0)
     + struct.pack(">I", zlib.crc32(struct.pack(">II", 1 << 24, 0)))),
    ("header_type_10", raw(b"\x01a\x0a")),
    ("name_without_letters", raw(b"\x00\x00")),
    ("name_cut_off", raw(b"\x09abc")),
    ("type_cut_off", raw(b"\x01a")),
    ("number_cut_off", raw(b"\x01a\x05\x00")),
    ("string_cut_off", raw(b"\x01a\x07\x00\x09x")),
    ("uuid_cut_off", raw(b"\x01a\x09abc")),
    ("not_utf8", raw(b"\x01a\x07\x00\x01\xff")),
    ("name_not_utf8", raw(b"\x01\xff\x00")),
    ("twice_the_same", raw(b"\x01a\x00\x01a\x01")),
)  # fmt: skip


GIVEN = {"language-code": "en-US", "sample-rate": "16000", "media-encoding": "pcm"}
AT = 1_795_521_600.0
"""2026-11-24 12:00:00 UTC."""


def post(**more: str) -> Opening:
    """A stream asked for over HTTP/2."""
    given = GIVEN | {name.replace("_", "-"): value for name, value in more.items()}
    return Opening(
        id="3f8f3c2e-0000-4000-8000-000000000001",
        at=AT,
        transport="http",
        traits=ChannelTraits(framed=False),
        method="POST",
        path="/stream-transcription",
        headers=(
            ("host", "localhost"),
            *((f"x-amzn-transcribe-{name}", value) for name, value in given.items() if value),
        ),
    )


def upgrade(**more: str) -> Opening:
    """A stream asked for over WebSocket."""
    given = GIVEN | {name.replace("_", "-"): value for name, value in more.items()}
    return Opening(
        id="3f8f3c2e-0000-4000-8000-000000000002",
        at=AT,
        transport="websocket",
        method="GET",
        path="/stream-transcription-websocket",
        headers=(("host", "localhost:8443"),),
        query=tuple((name, value) for name, value in given.items() if value),
    )
