"""WebM and Matroska taken apart as they arrive, live as MediaRecorder writes them (RFC 9559).

Only three elements are entered: Segment, Cluster and nothing more; every other one is read whole
or skipped by its size, and element IDs say where one is. So unknown sizes need no special care.
A recording started anew on the same wire goes on. Opus and PCM inside; anything else is refused
by name. Holds one block, at most 64 KiB. Timecodes are not used: sound follows on sound.

    >>> read_size(bytes([0x40, 0x02]), 0), read_size(bytes([0xFF]), 0)
    ((2, 2), (None, 1))
"""

import struct
from collections.abc import Iterator, Sequence

from ossicle.core.errors import BadAudio
from ossicle.core.formats import AudioFormat, parse_format
from ossicle.core.ports import Packet

from . import opus

__all__ = ["WebmDemuxer", "read_size"]

_EBML, _SEGMENT, _TRACKS, _CLUSTER = 0x1A45DFA3, 0x18538067, 0x1654AE6B, 0x1F43B675
_SIMPLE_BLOCK, _BLOCK_GROUP, _BLOCK, _DISCARD = 0xA3, 0xA0, 0xA1, 0x75A2
_DOC_TYPE, _TRACK = 0x4282, 0xAE
_NUMBER, _TYPE, _CODEC, _PRIVATE, _AUDIO = 0xD7, 0x83, 0x86, 0x63A2, 0xE1
_ENCODINGS, _RATE, _CHANNELS, _BITS = 0x6D80, 0xB5, 0x9F, 0x6264

_ENTERED = frozenset({_SEGMENT, _CLUSTER})
_READ = frozenset({_EBML, _TRACKS, _SIMPLE_BLOCK, _BLOCK_GROUP})

_LARGEST = 64 << 10
"""An element read whole. A larger block is a picture of another track, and skipped."""

_LONGEST_SKIP = 64 << 20
"""No index, attachment or picture is larger; a damaged size would swallow all that follows."""

_SEARCH = 1 << 20
"""Bytes without a track list before the input is given up; nothing of them is kept."""

_PCM = {
    ("A_PCM/INT/LIT", 8): "pcm_u8",
    ("A_PCM/INT/LIT", 16): "pcm_s16le",
    ("A_PCM/INT/LIT", 24): "pcm_s24le",
    ("A_PCM/INT/LIT", 32): "pcm_s32le",
    ("A_PCM/INT/BIG", 16): "pcm_s16be",
    ("A_PCM/FLOAT/IEEE", 32): "pcm_f32le",
    ("A_PCM/FLOAT/IEEE", 64): "pcm_f64le",
}


def read_size(data: bytes | bytearray, at: int) -> tuple[int | None, int] | None:
    """An EBML size at `at`: (value, or None for unknown; bytes it takes). None: not all there.

    Raises:
        BadAudio: no size begins so (RFC 8794 section 4.4: at most 8 bytes).
    """
    if at >= len(data):
        return None
    length = 9 - data[at].bit_length()
    if length > 8:
        raise BadAudio("the WebM stream is damaged: an element size begins with a zero byte")
    if len(data) < at + length:
        return None
    bits = 7 * length
    value = int.from_bytes(data[at : at + length], "big") & ((1 << bits) - 1)
    return (None if value == (1 << bits) - 1 else value), length


class WebmDemuxer:
    """See the module. Emits `Packet`s of Opus, or `bytes` of PCM frames."""

    def __init__(self) -> None:
        self.format: AudioFormat | None = None
        self._held: bytearray = bytearray()
        self._skip = 0
        self._before = 0  # bytes seen without a track list
        self._track = 0
        self._lead = 0  # 48 kHz samples of pre-skip still to drop

    def feed(self, data: bytes) -> Sequence[bytes | Packet]:
        """Blocks completed by `data`.

        Raises:
            BadAudio: not WebM, damaged, or no supported audio track.
        """
        if self.format is None:
            self._before += len(data)
        self._held += data
        out: list[bytes | Packet] = []
        while (element := self._element()) is not None:
            self._read(*element, out)
        if self.format is None and self._before > _SEARCH:
            raise BadAudio(f"no track list in the first {_SEARCH >> 20} MiB of the WebM stream")
        return out

    def finish(self) -> Sequence[bytes | Packet]:
        """Nothing is left but a block cut off.

        Raises:
            BadAudio: the input ended before the tracks were known.
        """
        if self.format is None:
            raise BadAudio("the WebM stream ended before its track list")
        return []

    def _element(self) -> tuple[int, bytes] | None:
        """The next element to read, whole."""
        held = self._held
        while True:
            if self._skip:
                gone = min(self._skip, len(held))
                del held[:gone]
                self._skip -= gone
            if self._skip or not held:
                return None
            width = 9 - held[0].bit_length()
            if width > 4:
                raise BadAudio(
                    f"the WebM stream is damaged: no element begins with byte {held[0]:#04x}"
                )
            size = read_size(held, width)
            if size is None:
                return None
            name = int.from_bytes(held[:width], "big")
            length, wide = size
            head = width + wide
            if name in _ENTERED:
                del held[:head]
            elif length is None:
                raise BadAudio(f"WebM element {name:#x} has no size; only Segment and Cluster may")
            elif name not in _READ or (name in {_SIMPLE_BLOCK, _BLOCK_GROUP} and length > _LARGEST):
                if length > _LONGEST_SKIP:
                    raise BadAudio(
                        f"the WebM stream is damaged: element {name:#x} has {length} bytes"
                    )
                self._skip = head + length
            elif length > _LARGEST:
                raise BadAudio(
                    f"WebM element {name:#x} has {length} bytes; at most {_LARGEST} are taken"
                )
            elif len(held) < head + length:
                return None
            else:
                body = bytes(held[head : head + length])
                del held[: head + length]
                return name, body

    def _read(self, name: int, body: bytes, out: list[bytes | Packet]) -> None:
        match name:
            case 0x1A45DFA3:
                kind = _text(dict(_children(body)).get(_DOC_TYPE, b"matroska"))
                if kind not in {"webm", "matroska"}:
                    raise BadAudio(
                        f"EBML document type {kind!r} is not WebM or Matroska",
                        code="unsupported_audio",
                    )
            case 0x1654AE6B:
                self._tracks(body)
            case 0xA3:
                self._block(body, 0, out)
            case _:
                parts = dict(_children(body))
                discard = int.from_bytes(parts.get(_DISCARD, b""), "big", signed=True)
                if _BLOCK in parts:
                    self._block(parts[_BLOCK], max(discard, 0), out)

    def _tracks(self, body: bytes) -> None:
        seen: list[str] = []
        for name, entry in _children(body):
            if name != _TRACK:
                continue
            parts = dict(_children(entry))
            codec = _text(parts.get(_CODEC, b""))
            if int.from_bytes(parts.get(_TYPE, b""), "big") != 2:
                seen.append(codec)
                continue
            if _ENCODINGS in parts:
                raise BadAudio(
                    "the WebM audio track is compressed or encrypted a second time"
                    " (ContentEncodings), which is not supported",
                    code="unsupported_audio",
                )
            found, lead = _describe(codec, parts)
            if self.format is not None and (
                found.encoding,
                found.sample_rate,
                found.channels,
            ) != (self.format.encoding, self.format.sample_rate, self.format.channels):
                raise BadAudio(
                    f"the second recording is {found.encoding} with {found.channels} channels, the"
                    f" first was {self.format.encoding} with {self.format.channels}",
                    code="unsupported_audio",
                )
            self.format, self._lead = found, lead
            self._track = int.from_bytes(parts.get(_NUMBER, b"\1"), "big")
            return
        raise BadAudio(
            f"the WebM stream has no audio track; it holds {', '.join(seen) or 'no track'}"
        )

    def _block(self, body: bytes, discard_ns: int, out: list[bytes | Packet]) -> None:
        if self.format is None:
            raise BadAudio("the WebM stream has sound before its track list")
        track = read_size(body, 0)
        if track is None or len(body) < track[1] + 3:
            raise BadAudio(f"a WebM block of {len(body)} bytes is cut off")
        number, width = track
        if number != self._track:
            return
        at = width + 3  # the relative timecode and the flags
        frames = _frames(body, at, body[at - 1] >> 1 & 3)
        if self.format.encoding != "opus":
            whole = self.format.frame_bytes
            out += [frame[: len(frame) - len(frame) % whole] for frame in frames if frame]
            return
        for index, frame in enumerate(frames):
            units = opus.samples_of(frame)
            if discard_ns and index == len(frames) - 1:
                units = max(0, units - round(discard_ns * opus.RATE / 1e9))
            skipped = min(self._lead, units)
            self._lead -= skipped
            out.append(Packet(frame, units - skipped))


def _describe(codec: str, parts: dict[int, bytes]) -> tuple[AudioFormat, int]:
    audio = dict(_children(parts.get(_AUDIO, b"")))
    channels = int.from_bytes(audio.get(_CHANNELS, b"\1"), "big")
    if codec == "A_OPUS":
        private = parts.get(_PRIVATE, b"")
        if not private:
            return AudioFormat("opus", opus.RATE, channels), 0
        head = opus.parse_head(private)
        return head.format, head.pre_skip
    encoding = _PCM.get((codec, int.from_bytes(audio.get(_BITS, b"\x10"), "big")))
    if encoding is None:
        raise BadAudio(
            f"the WebM audio track is {codec or 'nameless'}; only A_OPUS and A_PCM are supported",
            code="unsupported_audio",
        )
    return parse_format(encoding, round(_float(audio.get(_RATE, b""))), channels), 0


def _children(body: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(body):
        width = 9 - body[at].bit_length()
        size = read_size(body, at + width) if width <= 4 else None
        if size is None or size[0] is None or at + width + size[1] + size[0] > len(body):
            raise BadAudio("the WebM stream is damaged: an element is longer than its parent")
        start = at + width + size[1]
        yield int.from_bytes(body[at : at + width], "big"), body[start : start + size[0]]
        at = start + size[0]


def _frames(body: bytes, at: int, lacing: int) -> list[bytes]:
    """The frames of one block (RFC 9559 section 10.3: none, Xiph, fixed size, EBML)."""
    if lacing == 0:
        return [body[at:]]
    if at >= len(body):
        raise BadAudio("a laced WebM block has no frame count")
    count = body[at] + 1
    at += 1
    sizes: list[int] = []
    if lacing == 2:
        each, rest = divmod(len(body) - at, count)
        if rest:
            raise BadAudio(f"{len(body) - at} bytes of a WebM block are not {count} equal frames")
        sizes = [each] * (count - 1)
    elif lacing == 1:
        for _ in range(count - 1):
            size = 0
            while at < len(body) and body[at] == 255:
                size += 255
                at += 1
            size += body[at] if at < len(body) else 0
            at += 1
            sizes.append(size)
    else:
        for index in range(count - 1):
            step = read_size(body, at)
            if step is None or step[0] is None:
                raise BadAudio("a frame size of a laced WebM block is cut off")
            value, width = step[0], step[1]
            at += width
            if index:
                # The first is a size; the others are differences, offset to be signed.
                value += sizes[-1] - ((1 << (7 * width - 1)) - 1)
            sizes.append(value)
    sizes.append(len(body) - at - sum(sizes))
    if min(sizes) < 0:
        raise BadAudio("the frames of a laced WebM block are longer than the block")
    out: list[bytes] = []
    for size in sizes:
        out.append(body[at : at + size])
        at += size
    return out


def _text(data: bytes) -> str:
    text = data[:40].rstrip(b"\0").decode("ascii", "replace")
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _float(data: bytes) -> float:
    if len(data) not in {4, 8}:
        return 8000.0  # the default of RFC 9559 section 5.1.4.1.29.1
    value = struct.unpack(">f" if len(data) == 4 else ">d", data)[0]
    return value if value == value and abs(value) < 1e9 else 0.0  # noqa: PLR0124  not a number
