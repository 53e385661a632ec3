"""Where a piece of a call belongs on the stream's timeline.

Nearly every piece follows on, and says so to the session at the price of a comparison; a piece
whose time says otherwise is placed by `core.intake`, which fills, rolls over, reorders and drops.
"""

from ossicle.core.commands import Audio
from ossicle.core.formats import AudioFormat

from .calls import Sound

__all__ = ["Placing"]

_MOST_MS = 7 * 86_400_000
"""A week: no call is longer, and a time beyond it is damaged or a lie."""


class Placing:
    """The timeline of one stream."""

    __slots__ = ("_channels", "_per_second", "_until_ms")

    def __init__(self, source: AudioFormat, tracks: tuple[str, ...]) -> None:
        """
        Args:
            source: format of one track.
            tracks: their names; each is a channel, in this order.
        """
        self._per_second = source.units_per_second
        self._channels = {name: place for place, name in enumerate(tracks)}
        self._until_ms = 0

    def place(self, sound: Sound) -> Audio | None:
        """The command for a piece; None = it is empty, or of a track nobody announced."""
        if not sound.data:
            return None
        if len(self._channels) != 1:
            channel = self._channels.get(sound.track)
            if channel is None or not _possible(sound.at_ms):
                return None
            return Audio(data=sound.data, at_ms=sound.at_ms, channel=channel)
        at_ms = sound.at_ms
        length = len(sound.data) * 1000 // self._per_second
        if at_ms is None:
            self._until_ms += length
            return Audio(data=sound.data)
        if not _possible(at_ms):
            return None
        # Less than a piece early or late is the carrier's rounding, not a gap: a hole of 1 ms
        # would be filled with a click.
        follows = -length < at_ms - self._until_ms < length
        self._until_ms = max(self._until_ms, at_ms + length)
        return Audio(data=sound.data) if follows else Audio(data=sound.data, at_ms=at_ms)


def _possible(at_ms: int | None) -> bool:
    return at_ms is None or 0 <= at_ms <= _MOST_MS
