"""How large a message of one peer may be, when that is less than its wire takes.

    leg.bound(Measure(65_536, session.fail))

A leg asks it of every message once it is set; a leg without one pays nothing. On a channel without
frames (an HTTP body) the message is the whole body, however it is cut on the way.
"""

from collections.abc import Callable

from .errors import OssicleError, Refused

__all__ = ["Measure", "too_large"]


class Measure:
    """The bound of one leg."""

    __slots__ = ("_most", "_over", "_taken", "_told", "_whole")

    def __init__(
        self, most: int, over: Callable[[OssicleError], None], *, whole: bool = False
    ) -> None:
        """
        Args:
            most: bytes.
            over: told once, with the error, when a message is larger.
            whole: all that comes is one message.
        """
        self._most = most
        self._over = over
        self._whole = whole
        self._taken = 0
        self._told = False

    def fits(self, data: bytes | str) -> bool:
        """Whether one more message, or piece of the whole, is within the bound."""
        size = len(data)
        if isinstance(data, str) and size <= self._most < 4 * size:
            size = len(data.encode("utf-8", "surrogatepass"))  # characters are 1 to 4 bytes
        if self._whole:
            size = self._taken = self._taken + size
        if size <= self._most:
            return True
        if not self._told:
            self._told = True
            self._over(too_large(size, self._most))
        return False

    def meter(self, binary: Callable[[bytes], None]) -> Callable[[bytes], None]:
        """The way of audio, measured."""
        most = self._most

        def each(data: bytes) -> None:  # the hot path of who has a bound: one comparison
            if len(data) <= most:
                binary(data)
            else:
                self.fits(data)

        def measured(data: bytes) -> None:
            if self.fits(data):
                binary(data)

        return measured if self._whole else each


def too_large(size: int, most: int) -> Refused:
    """What is said of it."""
    return Refused(
        f"a message of {size} bytes; the limit of this key is {most} (max_message)",
        code="too_large",
    )
