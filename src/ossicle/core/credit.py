"""Windows in audio time: how far a peer may send, said in absolute stream time.

"You may send up to 12,000 ms" can be repeated, lost or read twice without harm, and stays true
over a resume. Positions are journal units; the session turns them into milliseconds.
"""

__all__ = ["Credit"]


class Credit:
    """What the engine granted and what the client may therefore send."""

    __slots__ = ("granted", "told", "window")

    def __init__(self, window: int) -> None:
        """`window`: units a client may be ahead of what the engine takes."""
        self.window = window
        self.granted: int | None = None
        """Position up to which the open stream takes audio; None = no limit."""
        self.told = 0
        """Highest position the client was ever allowed: never taken back."""

    def grant(self, until: int) -> bool:
        """The engine takes audio up to `until`. True when that is news: credit never shrinks."""
        if self.granted is not None and until <= self.granted:
            return False
        self.granted = until
        return True

    def skip(self, units: int) -> None:
        """Audio was left out: the stream's clock stood still, so its grant reaches further."""
        if self.granted is not None:
            self.granted += units

    def renew(self) -> None:
        """Another stream was opened: it has its own limit, none until it says so."""
        self.granted = None

    def feedable(self, sent: int) -> bool:
        """Whether one more item may be given to the engine."""
        return self.granted is None or sent < self.granted

    def until(self, sent: int) -> int:
        """Position up to which the client may send, given what has been sent to the engine."""
        reach = sent if self.granted is None else max(sent, self.granted)
        self.told = max(self.told, reach + self.window)
        return self.told

    def news(self, sent: int, told: int) -> bool:
        """Whether the client's limit moved by at least half a window since `told`."""
        return self.until(sent) - told >= self.window // 2
