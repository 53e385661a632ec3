"""How often a peer may do what costs us more than it costs the peer: a bucket that refills.

budget = Budget(200, 10.0)
budget.spend(1, now)        # False: it is empty
"""

__all__ = ["Budget"]


class Budget:
    """`most` at once, `per_s` more each second."""

    __slots__ = ("_at", "_held", "_most", "_per_s")

    def __init__(self, most: float, per_s: float) -> None:
        self._most, self._per_s = most, per_s
        self._held = most
        self._at = 0.0

    def spend(self, count: int, now: float) -> bool:
        """Whether there was that much."""
        self._held = min(self._most, self._held + max(0.0, now - self._at) * self._per_s)
        self._at = now
        self._held -= count
        return self._held >= 0

    def earn(self, count: float) -> None:
        """What was useful gives some back."""
        self._held = min(self._most, self._held + count)
