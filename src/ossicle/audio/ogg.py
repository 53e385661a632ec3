"""Ogg taken apart as it arrives: Opus (RFC 7845), FLAC and Speex inside; others refused by name.

Pages are checked by their CRC (RFC 3533). A damaged page costs its own sound only: what it held is
made up by packets that stand for loss, so time stays true. Encoder delay and end padding are
honoured by shortening packets. Chained streams follow on. Holds one page and one packet.

    >>> checksum(b"OggS") == 0x5FB0A94F
    True
"""

import struct
import zlib
from collections.abc import Sequence

import msgspec

from ossicle.core.errors import BadAudio
from ossicle.core.formats import AudioFormat
from ossicle.core.ports import Packet

from . import flac, opus, speex

__all__ = ["OggDemuxer", "checksum"]

_CONTINUED, _FIRST, _LAST = 1, 2, 4

_SEARCH = 64 << 10
"""Bytes without a good page before the input is given up; a page has at most 65,307."""

_PATIENCE = 1 << 20
"""The same once the stream is known to be Ogg: about a minute of speech."""

_MAX_PACKET = 64 << 10
"""An Opus packet of 120 ms and 8 channels is below; a larger FLAC frame is taken as damage."""

_MAX_FLAC = 2 << 20
_LONGEST_GAP = 480_000

_NAMES = (
    (b"\x01vorbis", "Vorbis"),
    (b"\x80theora", "Theora"),
    (b"fishead", "Skeleton"),
    (b"OVP80", "VP8"),
    (b"PCM     ", "OggPCM"),
    (b"BBCD", "Dirac"),
)

_REVERSED = bytes(int(f"{value:08b}"[::-1], 2) for value in range(256))


def checksum(page: bytes) -> int:
    """Ogg's CRC-32: the usual polynomial, not reflected, from zero. zlib knows the reflected one,
    so the bits of every byte are turned round before, and those of the result after."""
    value = zlib.crc32(page.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{value:032b}"[::-1], 2)


class _Page(msgspec.Struct, gc=False):
    flags: int
    granule: int
    serial: int
    sequence: int
    lacing: bytes
    body: bytes


class OggDemuxer:
    """See the module. Emits `Packet`s."""

    def __init__(self) -> None:
        self.format: AudioFormat | None = None
        self._held: bytearray = bytearray()
        self._noise = 0
        self._refused = ""  # what the streams seen so far hold
        self._serial: int | None = None
        self._sequence = 0
        self._headers = 0  # header packets still to come before sound
        self._partial = bytearray()
        self._open = False  # the last packet goes on in the next page
        self._torn = False  # something was lost since the last good page
        self._lead = 0  # samples of the encoder's delay still to drop
        self._each = 0  # samples of every packet, where the header says so
        self._granule: int | None = None  # position after all packets so far; None: not known yet
        self._sample = b""  # the last packet, for what its replacements must look like

    def feed(self, data: bytes) -> Sequence[bytes | Packet]:
        """Packets of the pages completed by `data`.

        Raises:
            BadAudio: not Ogg, or no codec of ours inside, or 64 KiB without a good page.
        """
        self._held += data
        out: list[bytes | Packet] = []
        while (page := self._page()) is not None:
            self._read(page, out)
        return out

    def finish(self) -> Sequence[bytes | Packet]:
        """Nothing is left but a page cut off.

        Raises:
            BadAudio: the input ended before the codec was known.
        """
        if self.format is None:
            raise BadAudio("the Ogg stream ended before its codec header" + self._seen())
        return []

    def _seen(self) -> str:
        return f"; it holds {self._refused}" if self._refused else ""

    def _page(self) -> _Page | None:
        held = self._held
        while True:
            at = held.find(b"OggS")
            if at < 0:
                at = max(0, len(held) - 3)
            if at:
                self._lose(at)
            if len(held) < 27 or not held.startswith(b"OggS"):
                return None
            count = held[26]
            if len(held) < 27 + count:
                return None
            lacing = bytes(held[27 : 27 + count])
            size = 27 + count + sum(lacing)
            if len(held) < size:
                return None
            _, version, flags, granule, serial, sequence, crc = struct.unpack_from(
                "<4sBBqIII", held
            )
            whole = bytes(held[:22]) + bytes(4) + bytes(held[26:size])
            if version or checksum(whole) != crc:
                self._lose(4)
                continue
            body = bytes(held[27 + count : size])
            del held[:size]
            self._noise = 0
            return _Page(flags, granule, serial, sequence, lacing, body)

    def _lose(self, count: int) -> None:
        del self._held[:count]
        self._noise += count
        self._torn = True
        limit = _SEARCH if self.format is None else _PATIENCE
        if self._noise > limit:
            raise BadAudio(f"{limit >> 10} KiB without an undamaged Ogg page")

    def _read(self, page: _Page, out: list[bytes | Packet]) -> None:
        if page.flags & _FIRST:
            self._begin(page)
            return
        if page.serial != self._serial:
            if self._serial is None:
                raise BadAudio(
                    f"the Ogg stream holds {self._refused or 'no codec header'}; only Opus,"
                    " FLAC and Speex are supported",
                    code="unsupported_audio",
                )
            return
        if page.sequence != self._sequence:
            self._torn = True
            self._open = False
        self._sequence = (page.sequence + 1) & 0xFFFFFFFF
        packets = self._packets(page)
        while self._headers and packets:
            packets.pop(0)
            self._headers -= 1
        if not self._headers:
            self._place(page, packets, out)

    def _begin(self, page: _Page) -> None:
        """A stream begins, or the next link of a chain."""
        head = page.body
        following = self.format is not None and not self._headers
        each = 0
        if head.startswith(b"OpusHead"):
            identity = opus.parse_head(head)
            found, lead, headers = identity.format, identity.pre_skip, 1
        elif head.startswith(b"\x7fFLAC") and head[9:13] == b"fLaC":
            # The Ogg mapping of RFC 9639 section 10.1: version, header count, fLaC, STREAMINFO.
            found = flac.parse_streaminfo(head[17:51])
            lead, headers = 0, int.from_bytes(head[7:9], "big")
            if not headers:
                raise BadAudio(
                    "Ogg FLAC that does not count its headers is not supported",
                    code="unsupported_audio",
                )
        elif head.startswith(b"Speex   "):
            told = speex.parse_head(head)
            found, lead, headers, each = told.format, 0, told.headers, told.samples
        else:
            names = [name for magic, name in _NAMES if head.startswith(magic)]
            self._refused = names[0] if names else f"an unknown codec ({head[:8]!r})"
            return
        if self.format is not None:
            if not following:
                return  # a second audio stream beside the first
            before = self.format
            if (found.encoding, found.sample_rate, found.channels) != (
                before.encoding,
                before.sample_rate,
                before.channels,
            ):
                raise BadAudio(
                    f"the chained Ogg stream changes from {before.encoding} with {before.channels}"
                    f" channels to {found.encoding} with {found.channels}",
                    code="unsupported_audio",
                )
        self.format = found
        self._serial, self._sequence = page.serial, (page.sequence + 1) & 0xFFFFFFFF
        self._headers, self._lead, self._each = headers, lead, each
        self._granule, self._open, self._torn = None, False, False
        self._partial.clear()

    def _packets(self, page: _Page) -> list[bytes]:
        """Packets that end in this page (RFC 3533 section 5: a lacing value below 255 ends one)."""
        out: list[bytes] = []
        partial = self._partial
        continued = bool(page.flags & _CONTINUED)
        # The rest of a packet whose front was lost is dropped, as is a front without a rest.
        whole = self._open or not continued
        if not (continued and self._open):
            partial.clear()
        at = 0
        limit = _MAX_FLAC if self.format and self.format.encoding == "flac" else _MAX_PACKET
        for size in page.lacing:
            # Comment headers may hold a picture of megabytes: counted, never kept.
            if whole and not self._headers:
                partial += page.body[at : at + size]
            at += size
            if size == 255:
                if len(partial) > limit:
                    raise BadAudio(f"an Ogg packet is longer than {limit >> 10} KiB")
                continue
            if whole:
                out.append(bytes(partial))
            partial.clear()
            whole = True
        self._open = bool(page.lacing) and page.lacing[-1] == 255
        return out

    def _place(self, page: _Page, packets: list[bytes], out: list[bytes | Packet]) -> None:
        """Give packets their length, fill what was lost before them, and trim the end."""
        lengths = [self._length(packet) for packet in packets]
        total = sum(lengths)
        granule = page.granule
        if granule >= 0 and packets:
            if self._granule is None:
                # RFC 7845 section 4.3: a stream may be cut from a longer one, and begin anywhere.
                self._granule = 0 if page.flags & _LAST else max(0, granule - total)
                if self._each and not page.flags & _LAST:
                    # Speex counts from where the sound begins, behind the encoder's delay; a
                    # stream of one page does not tell the delay from what fills its end.
                    self._lead = min(max(0, total - granule), self._each)
                    self._granule = granule - total
            elif self._torn and granule > self._granule + total:
                lost = min(granule - self._granule - total, _LONGEST_GAP)
                out += self._replacement(lost)
                self._granule = granule - total
            self._torn = False
        if self._granule is not None:
            self._granule += total
        if page.flags & _LAST and granule >= 0 and self._granule is not None:
            # RFC 7845 section 4.4: the last page may end before its packets do.
            excess = self._granule - granule
            for index in range(len(lengths) - 1, -1, -1):
                if excess <= 0:
                    break
                cut = min(excess, lengths[index])
                lengths[index] -= cut
                excess -= cut
        for packet, length in zip(packets, lengths, strict=True):
            if not packet:
                continue
            skipped = min(self._lead, length)
            self._lead -= skipped
            out.append(Packet(packet, length - skipped))
            self._sample = packet

    def _length(self, packet: bytes) -> int:
        if self.format is not None and self.format.encoding == "flac":
            frame = flac.parse_frame(packet)
            return frame.samples if frame else 0
        if self._each:
            return self._each
        return opus.samples_of(packet)

    def _replacement(self, lost: int) -> list[Packet]:
        if self.format is not None and self.format.encoding == "opus":
            return opus.missing(self._sample, lost)
        return [Packet(b"", lost)]
