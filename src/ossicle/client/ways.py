"""A way to a gateway: a wire, how to dial it, and what to speak on it.

    Way("websocket", dialer(url, "websocket"), NativeClient)

A stream that may go more than one way has them in the order they are tried; see `race`.
"""

from collections.abc import Callable

import msgspec

from ossicle.core.ports import ClientDialect, Dial

__all__ = ["Way"]


class Way(msgspec.Struct, frozen=True):
    """One of them."""

    wire: str
    dial: Dial
    dialect: Callable[[], ClientDialect]
    """Makes the client half for one connection."""
    framed: bool = True
    """The wire keeps messages apart; False: only audio and the end can be sent."""
