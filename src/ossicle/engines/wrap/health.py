"""How well an engine has been of late: how long it is left alone after it failed.

Each failure in a row doubles the rest, from `rest_s` to `most_s`; one success ends the row. Shared
by all sessions, so that one of them finds out for the others. Pure: time is an argument.
"""

__all__ = ["Health"]


class Health:
    """Of one engine."""

    __slots__ = ("_failures", "_most_s", "_rest_s", "down_until", "open")

    def __init__(self, *, rest_s: float = 5.0, most_s: float = 300.0) -> None:
        """
        Args:
            rest_s: after a first failure.
            most_s: at most, however often it failed.
        """
        self._rest_s, self._most_s = rest_s, most_s
        self._failures = 0
        self.down_until = 0.0
        """Monotonic seconds before which it is not asked."""
        self.open = 0
        """Streams on it now."""

    def well(self, now: float) -> bool:
        """It may be asked."""
        return now >= self.down_until

    @property
    def failures(self) -> int:
        """In a row."""
        return self._failures

    def failed(self, now: float) -> None:
        """It could not open a stream, or broke one."""
        rest = min(self._most_s, self._rest_s * 2.0 ** min(self._failures, 30))
        self._failures += 1
        self.down_until = max(self.down_until, now + rest)

    def worked(self) -> None:
        """It heard something to its end, or took over and heard words."""
        self._failures = 0
        self.down_until = 0.0
