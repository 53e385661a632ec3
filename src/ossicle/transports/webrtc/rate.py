"""How fast to speak: bitrate and redundancy from what the receiver reports. Pure.

Receiver reports say how much was lost (RFC 3550 section 6.4.1). Loss above a tenth costs bitrate
at once, by as much as it asks; below a fiftieth for some seconds gives it back in steps (the
loss-based controller of Google Congestion Control, section 6 of its draft). What the receiver
estimates (REMB) is a ceiling. The share of redundancy follows the loss, smoothed, and a little
above it: a burst is worse than its average.

    >>> rate = SendRate(24_000, 12_000)
    >>> rate.report(0.3, 1.0)
    True
    >>> rate.bitrate < 24_000, rate.loss_percent >= 20
    (True, True)
"""

__all__ = ["SendRate"]

_CALM_S = 4.0
_OVERHEAD = 16_000
"""IP, UDP, SRTP and RTP around 50 packets a second: 40 bytes each."""


class SendRate:
    """Of one stream."""

    def __init__(self, most: int, least: int) -> None:
        """
        Args:
            most: bits per second when all is well.
            least: whatever happens.
        """
        self.bitrate = most
        self.loss_percent = 0
        """What the encoder is told to expect."""
        self._most, self._least = most, max(6_000, min(least, most))
        self._ceiling = most
        self._loss = 0.0
        self._calm_since: float | None = None

    def report(self, lost: float, now: float) -> bool:
        """A receiver report.

        Args:
            lost: share of packets lost since the last one, 0-1.
            now: monotonic seconds.

        Returns:
            Whether the encoder has to be told.
        """
        self._loss = max(lost, 0.7 * self._loss + 0.3 * lost) if lost else 0.7 * self._loss
        before = (self.bitrate, self.loss_percent)
        bitrate = self.bitrate
        if lost > 0.1:
            bitrate = round(bitrate * (1 - 0.5 * lost))
            self._calm_since = None
        elif lost > 0.02:
            self._calm_since = None
        elif self._calm_since is None:
            self._calm_since = now
        elif now - self._calm_since >= _CALM_S:
            bitrate = round(bitrate * 1.15)
            self._calm_since = now
        self._set(bitrate)
        self.loss_percent = min(30, round(self._loss * 125)) if self._loss > 0.005 else 0
        return before != (self.bitrate, self.loss_percent)

    def ceiling(self, bits: int) -> bool:
        """The receiver estimates what its path takes, headers included (REMB).

        Returns:
            Whether the encoder has to be told.
        """
        before = self.bitrate
        self._ceiling = max(self._least, bits - _OVERHEAD)
        self._set(self.bitrate)
        return before != self.bitrate

    def _set(self, bitrate: int) -> None:
        self.bitrate = max(self._least, min(bitrate, self._ceiling, self._most))
