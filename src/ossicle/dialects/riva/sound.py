"""From audio messages to a session's audio. The SDK sends a file from its first byte, so bare
samples may begin with a WAV header: it is taken off, and its rate and channels count for more than
the configuration (wire note). Another encoding in it is an error, as at the service.

    sound = Sound(asked)
    sound.feed(first_bytes)     # (Configure(format=...), Audio(...))
    sound.seconds               # of audio so far, where bytes tell
"""

import msgspec

from ossicle.core.commands import Audio, Command, Configure
from ossicle.core.formats import WIDTHS, AudioFormat
from ossicle.dialects.riff import Riff

from .asked import Asked
from .errors import Unmet

__all__ = ["Sound"]

_MISMATCH = "Error: config format doesn't match with header format"


class Sound:
    """One stream's audio."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._riff: Riff | None = Riff() if asked.encoding in WIDTHS else None
        self._format: AudioFormat | None = None
        self._bytes = 0

    @property
    def declared(self) -> AudioFormat | None:
        """What to configure with at once: containers. Samples wait for what stands first."""
        asked = self._asked
        if asked.encoding in WIDTHS:
            return None
        return AudioFormat("auto") if not asked.encoding else _format(asked.encoding, asked)

    def seconds(self, heard_ms: int) -> float:
        """Audio so far; `heard_ms` where its bytes do not tell."""
        if self._format is None:
            return heard_ms / 1000
        return self._format.ms(self._bytes) / 1000

    def feed(self, data: bytes) -> tuple[Command, ...]:
        """The next message.

        Raises:
            Unmet: the header contradicts the configuration, or a rate is nowhere to be found.
            BadAudio: a damaged header.
        """
        riff = self._riff
        if riff is None:
            return (Audio(data=data),)
        return self._passed(riff, riff.feed(data))

    def finish(self) -> tuple[Command, ...]:
        """No more comes."""
        riff = self._riff
        return self._passed(riff, riff.finish()) if riff is not None else ()

    def _passed(self, riff: Riff, data: bytes) -> tuple[Command, ...]:
        if not riff.known:
            return ()
        commands: tuple[Command, ...] = ()
        if self._format is None and (data or riff.header is not None):
            self._format = self._decided(riff)
            commands = (Configure(format=self._format),)
        self._bytes += len(data)
        return (*commands, Audio(data=data)) if data else commands

    def _decided(self, riff: Riff) -> AudioFormat:
        asked, header = self._asked, riff.header
        if header is None:
            if not asked.sample_rate:
                raise Unmet("Error: sample_rate_hertz is needed for audio without a header")
            return _format(asked.encoding, asked)
        if header.encoding != asked.encoding:
            raise Unmet(_MISMATCH)
        corrected = msgspec.structs.replace(
            asked, sample_rate=header.sample_rate, channels=header.channels
        )
        return _format(asked.encoding, corrected)


def _format(encoding: str, asked: Asked) -> AudioFormat:
    return msgspec.convert(
        {
            "encoding": encoding,
            "sample_rate": asked.sample_rate or 16_000,
            "channels": asked.channels or 1,
        },
        AudioFormat,
    )
