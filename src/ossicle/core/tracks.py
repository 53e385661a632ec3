"""Mono tracks that come one by one (a caller and a callee), joined into frames.

Each track has an `Intake` of its own. A track that falls more than `reorder_ms` behind the
foremost is filled with silence, so that a silent party never holds the other one up. A jump of
one track is a jump of all: they share one timeline. Knows nothing of packets.

    >>> tracks = Tracks(AudioFormat("mulaw", 8000), 2)
    >>> tracks.follow(b"aaa", 0), tracks.follow(b"bbb", 1)
    ((), (b'ababab',))
"""

from collections.abc import Iterable
from typing import cast

import msgspec

from .errors import BadAudio
from .formats import MAX_CHANNELS, AudioFormat
from .intake import Intake, IntakeStats, Piece, Roll, silence

__all__ = ["Tracks"]


class Tracks:
    """Joins mono tracks. Pure, synchronous, bounded by `reorder_ms` and the tracks' own bounds."""

    def __init__(
        self,
        track: AudioFormat,
        channels: int,
        *,
        start_ms: int = 0,
        reorder_ms: int = 60,
        fill_ms: int = 2_000,
    ) -> None:
        """
        Args:
            track: format of one track: samples, mono.
            channels: how many tracks.
            start_ms: where the timeline begins.
            reorder_ms: how far a track may be behind the foremost, and a piece behind its track.
            fill_ms: longest gap that is filled when all tracks have it; a longer one is a roll.

        Raises:
            BadAudio: tracks of packets or of several channels, or too many of them.
        """
        if not track.width or track.channels != 1:
            raise BadAudio(
                f"tracks of {track.channels} channels in {track.encoding} cannot be joined; "
                "send mono samples",
                code="unsupported_audio",
            )
        if not 1 <= channels <= MAX_CHANNELS:
            raise BadAudio(
                f"{channels} tracks are outside 1-{MAX_CHANNELS}", code="unsupported_audio"
            )
        self.format = msgspec.structs.replace(track, channels=channels)
        """What leaves."""
        self._lag = track.units(reorder_ms)
        self._tracks = tuple(
            Intake(track, start_ms=start_ms, reorder_ms=reorder_ms, fill_ms=fill_ms)
            for _ in range(channels)
        )
        self._ready = tuple(bytearray() for _ in range(channels))

    @property
    def stats(self) -> tuple[IntakeStats, ...]:
        """One per track."""
        return tuple(track.stats for track in self._tracks)

    @property
    def waiting(self) -> int:
        """Bytes held back on all tracks."""
        return sum(map(len, self._ready)) + sum(track.waiting for track in self._tracks)

    def follow(self, data: bytes, channel: int) -> tuple[bytes | Roll, ...]:
        """Samples right after what came before on that track.

        Raises:
            BadAudio: there is no such track.
        """
        return self.place(data, None, channel)

    def place(self, data: bytes, at_ms: int | None, channel: int) -> tuple[bytes | Roll, ...]:
        """Samples with a time of their own on that track.

        Raises:
            BadAudio: there is no such track, or a time before 0.
        """
        if not 0 <= channel < len(self._tracks):
            raise BadAudio(f"channel {channel} is outside 0-{len(self._tracks) - 1}")
        track = self._tracks[channel]
        before = track.cursor
        out = self._join(channel, before, track.place(data, at_ms))
        foremost = self._foremost()
        for other, behind in enumerate(self._tracks):
            if foremost - behind.cursor > self._lag:
                self._keep(other, behind.advance(foremost - self._lag))
        return (*out, *self._frames())

    def flush(self) -> tuple[bytes | Roll, ...]:
        """Everything that is held, the shorter tracks filled up with silence."""
        out: list[bytes | Roll] = []
        for channel, track in enumerate(self._tracks):
            before = track.cursor
            out += self._join(channel, before, track.flush())
        out += self._level(self._foremost())
        return tuple(out)

    def _foremost(self) -> int:
        return max(track.cursor for track in self._tracks)

    def _join(self, channel: int, place: int, pieces: Iterable[Piece]) -> list[bytes | Roll]:
        """Take a track's `pieces`, which begin at `place`."""
        out: list[bytes | Roll] = []
        for piece in pieces:
            if isinstance(piece, Roll):
                out += self._roll(channel, place, place + piece.units)
                place += piece.units
            else:
                self._keep(channel, (piece,))
                place += len(cast("bytes", piece))
        return out

    def _keep(self, channel: int, pieces: Iterable[Piece]) -> None:
        # Samples only: tracks have no packets, and `advance` fills instead of rolling.
        self._ready[channel].extend(b"".join(cast("Iterable[bytes]", pieces)))

    def _roll(self, channel: int, place: int, until: int) -> list[bytes | Roll]:
        """One track jumps from `place` to `until`, and has done so: take the others along.

        The jump of all begins where the foremost of the others is.
        """
        others = [other for other in range(len(self._tracks)) if other != channel]
        for other in others:
            self._keep(other, self._tracks[other].release())
        start = max([place, *(self._tracks[other].cursor for other in others)])
        if start >= until:
            self._keep(channel, (silence(self._tracks[channel].format, until - place),))
            return []
        self._keep(channel, (silence(self._tracks[channel].format, start - place),))
        for other in others:
            self._keep(other, self._tracks[other].advance(start))
        out = self._frames()
        ms = self._tracks[channel].format.ms
        roll = Roll(ms(until) - ms(start), until - start)
        for other in others:
            self._tracks[other].skip(roll)
        return [*out, roll]

    def _level(self, until: int) -> list[bytes | Roll]:
        for channel, track in enumerate(self._tracks):
            self._keep(channel, track.advance(until))
        return self._frames()

    def _frames(self) -> list[bytes | Roll]:
        """Frames that every track has its part of."""
        whole = min(map(len, self._ready))
        if not whole:
            return []
        width, step = self.format.width, self.format.frame_bytes
        frames = bytearray(whole * len(self._ready))
        for channel, ready in enumerate(self._ready):
            for byte in range(width):
                frames[channel * width + byte :: step] = ready[byte:whole:width]
            del ready[:whole]
        return [bytes(frames)]
