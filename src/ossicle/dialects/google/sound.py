"""From audio messages to a session's audio: the header that may stand first is read, compared with
the configuration, and taken off where bare samples were declared.

    sound = Sound(Hearing(encoding="pcm_s16le", sample_rate=16000))
    sound.declared                  # the format, where it is certain before any audio
    sound.feed(first_bytes)         # (Audio(...),) or, with the format only now, (Configure, Audio)

WAV and FLAC files say their own encoding and rate: both may be left out, and have to agree where
they are given (wire note, §2).
"""

import msgspec

from ossicle.core.commands import Audio, Command, Configure
from ossicle.core.errors import BadAudio
from ossicle.core.formats import WIDTHS, AudioFormat
from ossicle.dialects.riff import Riff

from .asked import Hearing
from .blocks import Blocks
from .errors import Unmet

__all__ = ["Sound"]

_FLAC_HEAD = 22
"""Bytes of a FLAC file up to its rate and channels: marker, block header, STREAMINFO."""
_NAMES = {"pcm_s16le": "LINEAR16", "mulaw": "MULAW", "alaw": "ALAW"}


class Sound:
    """One stream's audio."""

    def __init__(self, hearing: Hearing) -> None:
        self._hearing = hearing
        self._bare = hearing.encoding in WIDTHS
        self._riff: Riff | None = Riff() if self._bare or not hearing.encoding else None
        self._blocks = Blocks() if hearing.encoding == "speex" else None
        self._flac = bytearray() if hearing.encoding in {"", "flac"} else None
        self.declared: AudioFormat | None = hearing.format
        """What to configure with; None = the header has to come first."""
        if self._bare and not hearing.sample_rate:
            self.declared = None

    def feed(self, data: bytes) -> tuple[Command, ...]:
        """The next message.

        Raises:
            Unmet: the header contradicts the configuration, or there is none and it is needed.
            BadAudio: a damaged header.
        """
        riff, flac = self._riff, self._flac
        if self._blocks is not None:
            return tuple(Audio(data=packet) for packet in self._blocks.feed(data))
        if flac is not None:
            self._check_flac(flac, data)
        if riff is None:
            return (Audio(data=data),)
        if not self._bare:  # only looked at: the session takes the container apart
            riff.feed(data)
            self._check_looked(riff)
            return (Audio(data=data),)
        if riff.known:
            data = riff.feed(data)
            return (Audio(data=data),) if data else ()
        data = riff.feed(data)
        return self._begun(riff, data)

    def finish(self) -> tuple[Command, ...]:
        """No more comes."""
        riff = self._riff
        if riff is None or not self._bare or riff.known:
            return ()
        return self._begun(riff, riff.finish())

    def _begun(self, riff: Riff, data: bytes) -> tuple[Command, ...]:
        if not riff.known:
            return ()
        self._check_bare(riff)
        commands: tuple[Command, ...] = ()
        if self.declared is None and riff.header is not None:
            header = riff.header
            self.declared = msgspec.convert(
                {
                    "encoding": header.encoding,
                    "sample_rate": header.sample_rate,
                    "channels": header.channels,
                },
                AudioFormat,
            )
            commands = (Configure(format=self.declared),)
        return (*commands, Audio(data=data)) if data else commands

    def _check_bare(self, riff: Riff) -> None:
        hearing, header = self._hearing, riff.header
        if header is None:
            if not hearing.sample_rate:
                raise Unmet("Invalid recognition 'config': bad sample rate hertz.")
            return
        if header.encoding != hearing.encoding:
            name = _NAMES.get(header.encoding)
            raise Unmet(
                f"Specify {name} encoding to match audio file."
                if name
                else "Encoding in RecognitionConfig must match the WAV header."
            )
        self._check_rate("WAV", header.sample_rate)
        self._check_channels(header.channels)

    def _check_looked(self, riff: Riff) -> None:
        if riff.known and self._riff is not None:
            self._riff = None
            if riff.header is not None:
                self._check_rate("WAV", riff.header.sample_rate)
                if self._hearing.channels:
                    self._check_channels(riff.header.channels)

    def _check_rate(self, kind: str, rate: int) -> None:
        given = self._hearing.sample_rate
        if given and given != rate:
            raise Unmet(
                f"sample_rate_hertz ({given}) in RecognitionConfig must either be unspecified or "
                f"match the value in the {kind} header ({rate})."
            )

    def _check_channels(self, channels: int) -> None:
        given = self._hearing.channels or 1
        # where the header decides the rate, it may decide the channels too
        if given != channels and (self._hearing.channels or self.declared is not None):
            raise Unmet(
                f"Must use {given} channel{'s' * (given > 1)} of audio, but WAV header indicates "
                f"{channels} channel{'s' * (channels > 1)}."
            )

    def _check_flac(self, held: bytearray, data: bytes) -> None:
        held += data[: _FLAC_HEAD - len(held)]
        if len(held) < _FLAC_HEAD and b"fLaC".startswith(bytes(held[:4])):
            return
        self._flac = None
        if bytes(held[:4]) == b"fLaC":
            rate = int.from_bytes(held[18:21], "big") >> 4
            self._check_rate("FLAC", rate)
        elif self._hearing.encoding == "flac":
            raise BadAudio("the audio is no FLAC file: it does not begin with fLaC")
