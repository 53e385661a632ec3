"""From bytes as a client sends them to pieces of the timeline.

Finds out what they are (declared, or recognised from the first bytes), takes containers apart,
and puts pieces that carry a time where they belong. What leaves is what the journal holds:
samples, packets and gaps. Knows nothing of engines.
"""

from collections.abc import Sequence
from typing import cast

from .commands import Audio
from .errors import BadAudio, BadMessage
from .formats import AudioFormat
from .intake import Gap, Intake, Piece, Roll
from .journal import Sound
from .ports import Codecs, Demuxer, Packet
from .tracks import Tracks

__all__ = ["Arrival"]


class Arrival:
    """One client's audio, arriving."""

    __slots__ = ("_codecs", "_demuxer", "_intake", "_tracks", "begun", "declared", "source")

    def __init__(self, codecs: Codecs) -> None:
        self._codecs = codecs
        self._demuxer: Demuxer | None = None
        self._intake: Intake | None = None
        self._tracks: Tracks | None = None
        self.declared: AudioFormat | None = None
        """What the client said it sends; None = nothing."""
        self.source: AudioFormat | None = None
        """What it sends, once that is certain: samples or packets, never a container."""
        self.begun = False
        """Audio came."""

    def declare(self, declared: AudioFormat) -> None:
        """The client says what it will send. Certain at once unless it is a container.

        Raises:
            BadMessage: it said something else before, or audio has come already.
        """
        if declared == self.declared:
            return
        if self.declared is not None or self.begun:
            before = self.declared.encoding if self.declared else "undeclared audio"
            raise BadMessage(
                f"the audio format cannot change to {declared.encoding} {declared.sample_rate} Hz: "
                f"{before} came before; declare the format first, and once"
            )
        self.declared = declared
        self._open(declared)

    def take(self, data: bytes) -> Sequence[Sound]:
        """The next bytes; the pieces they complete.

        Raises:
            BadAudio: they are not what was declared, or not recognised.
        """
        self.begun = True
        if self._demuxer is None and self._intake is None:
            self._open(AudioFormat("auto"))
        if self._demuxer is not None:
            return self._demuxed(self._demuxer.feed(data))
        return _sounds(cast("Intake", self._intake).follow(data))

    def placed(self, audio: Audio, at: int, origin_ms: int) -> Sequence[Sound]:
        """A piece with a time of its own. `at`: journal position of the newest piece.

        Raises:
            BadMessage: the format is not declared, or a container (which has its own times).
        """
        intake = self._intake
        if intake is None or self._demuxer is not None:
            raise BadMessage("audio with a time needs a declared encoding made of samples")
        self.begun = True
        intake.cursor = max(intake.cursor, at)
        at_ms = None if audio.at_ms is None else audio.at_ms - origin_ms
        if audio.channel is not None and intake.format.channels > 1:
            tracks = self._joined(intake.format, at)
            return _frames(tracks.place(audio.data, at_ms, audio.channel), intake.format)
        return _sounds(intake.place(audio.data, at_ms))

    def _joined(self, source: AudioFormat, at: int) -> Tracks:
        """Tracks that come one by one; from the first such piece on, all of them do."""
        if self._tracks is None:
            track = AudioFormat(source.encoding, source.sample_rate)
            self._tracks = Tracks(track, source.channels, start_ms=source.ms(at))
        return self._tracks

    def finish(self) -> Sequence[Sound]:
        """No more will come: what was held back.

        Raises:
            BadAudio: it ended before its format could be recognised, or is cut off.
        """
        if self._demuxer is not None:
            pieces = self._demuxed(self._demuxer.finish())
            if self.source is None:
                raise BadAudio("the audio ended before its format could be recognised")
            return pieces
        if self._intake is None:
            return ()
        joined = self._tracks.flush() if self._tracks is not None else ()
        return (*_frames(joined, self._intake.format), *_sounds(self._intake.flush()))

    @property
    def plain(self) -> bool:
        """Whole frames may go straight through: nothing is held back or taken apart."""
        return self._intake is not None and not self._intake.waiting

    def _open(self, kind: AudioFormat) -> None:
        self._demuxer = self._codecs.demuxer(kind)
        known = kind if self._demuxer is None else self._demuxer.format
        if known is not None:
            self._settle(known)

    def _demuxed(self, items: Sequence[bytes | Packet]) -> Sequence[Sound]:
        demuxer = cast("Demuxer", self._demuxer)
        if self.source is None and demuxer.format is not None:
            self._settle(demuxer.format)
        return items

    def _settle(self, source: AudioFormat) -> None:
        self.source = source
        if self._demuxer is None:
            self._intake = Intake(source)


def _sounds(pieces: Sequence[Piece]) -> Sequence[Sound]:
    return [Gap(piece.units) if isinstance(piece, Roll) else piece for piece in pieces]


def _frames(pieces: Sequence[bytes | Roll], whole: AudioFormat) -> Sequence[Sound]:
    """What joined tracks give: a jump is counted in units of one track there."""
    return [Gap(p.units * whole.channels) if isinstance(p, Roll) else p for p in pieces]
