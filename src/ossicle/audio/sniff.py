"""A container recognised by its first bytes, and held to what the client said it would be.

>>> recognise(b"OggS" + bytes(8))
('ogg', 'Ogg')
>>> recognise(b"\\0\\0\\0\\x20ftypM4A ")
('', 'MP4')
"""

from collections.abc import Callable, Sequence
from functools import partial

from ossicle.core.errors import BadAudio
from ossicle.core.formats import AudioFormat
from ossicle.core.ports import Demuxer, Packet

from . import mpeg
from .adts import AdtsDemuxer
from .amr import MAGIC, AmrDemuxer
from .flac import FlacDemuxer
from .id3 import Id3Skipper
from .ogg import OggDemuxer
from .wav import WavDemuxer
from .webm import WebmDemuxer

__all__ = ["HEAD", "SniffingDemuxer", "recognise"]

HEAD = 12
"""Bytes that decide: the longest signature is RIFF....WAVE."""

_DEMUXERS: dict[str, Callable[[], Demuxer]] = {
    "wav": WavDemuxer,
    "webm": WebmDemuxer,
    "ogg": OggDemuxer,
    "mp3": mpeg.Mp3Demuxer,
    "aac": AdtsDemuxer,
    "flac": FlacDemuxer,
    "amr_nb": partial(AmrDemuxer, "amr_nb"),
    "amr_wb": partial(AmrDemuxer, "amr_wb"),
}

_SIGNATURES: tuple[tuple[bytes, str, str], ...] = (
    (b"RIFX", "wav", "RIFX"),
    (b"RF64", "wav", "WAV"),
    (b"\x1aE\xdf\xa3", "webm", "WebM/Matroska"),
    (b"OggS", "ogg", "Ogg"),
    (b"fLaC", "flac", "FLAC"),
    (b"FORM", "", "AIFF"),
    (MAGIC["amr_nb"], "amr_nb", "AMR"),
    (MAGIC["amr_wb"], "amr_wb", "AMR-WB"),
    (b"#!AMR", "", "AMR of several channels"),
    (b".snd", "", "Sun AU"),
    (b"caff", "", "Core Audio Format"),
    (b"\x30\x26\xb2\x75", "", "ASF/WMA"),
    (b"wvpk", "", "WavPack"),
    (b"MAC ", "", "Monkey's Audio"),
    (b"FLV", "", "Flash Video"),
    (b"ADIF", "", "AAC (ADIF)"),
)


def recognise(head: bytes) -> tuple[str, str]:
    """(encoding, name) of the container that begins with `head`. An empty encoding: known by
    name, not supported. Two empty strings: unknown."""
    if head[:4] == b"RIFF":
        return ("wav", "WAV") if head[8:12] == b"WAVE" else ("", "RIFF (not WAVE)")
    if head[4:8] == b"ftyp":
        return "", "MP4"
    for magic, encoding, name in _SIGNATURES:
        if head.startswith(magic):
            return encoding, name
    if mpeg.parse_frame(head) is not None:
        return "mp3", "MP3"
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0:
        return "aac", "AAC (ADTS)"
    return "", ""


class SniffingDemuxer:
    """Holds back the first bytes, decides, and hands on. `declared` is an encoding or `auto`."""

    def __init__(self, declared: str = "auto") -> None:
        self.format: AudioFormat | None = None
        self._declared = declared
        self._held: bytes = b""
        self._tag = Id3Skipper()
        self._inner: Demuxer | None = None

    def feed(self, data: bytes) -> Sequence[bytes | Packet]:
        """What `data` completed.

        Raises:
            BadAudio: unknown, unsupported, or not what was declared.
        """
        if self._inner is None:
            self._held += self._tag.skip(data)
            if self._tag.pending or len(self._held) < HEAD:
                return []
            self._inner, data, self._held = self._decide(), self._held, b""
        items = self._inner.feed(data)
        self.format = self._inner.format
        return items

    def finish(self) -> Sequence[bytes | Packet]:
        """What was left.

        Raises:
            BadAudio: the input ended before the format was known.
        """
        first: Sequence[bytes | Packet] = ()
        if self._inner is None:
            self._held += self._tag.finish()
            if not self._held:
                raise BadAudio("the audio ended before anything of it came")
            self._inner = self._decide()
            first = self._inner.feed(self._held)
        items = [*first, *self._inner.finish()]
        self.format = self._inner.format
        return items

    def _decide(self) -> Demuxer:
        found, name = recognise(self._held)
        declared = self._declared
        if declared == "auto":
            if not found and name:
                raise BadAudio(
                    f"{name} is not supported; send one of {', '.join(_DEMUXERS)}, or raw samples"
                    " with their encoding declared",
                    code="unsupported_audio",
                )
            if not found:
                raise BadAudio(
                    f"no container begins with {self._held[:4].hex()}; if these are raw samples,"
                    " declare their encoding and sample rate"
                )
        elif name and found != declared:
            raise BadAudio(f"declared {declared}, but the bytes are {name}")
        # Nothing recognised: the declared demuxer says what it misses, or (MP3) finds its place.
        return _DEMUXERS[found or declared]()
