"""The WebSocket door on uvicorn's port.

    config = uvicorn.Config(app, http="httptools", ws=websocket_protocol(acceptor))

An acceptor is asked once per upgrade request, with everything but the body known; the handshake
is held until its receiver's first message is out: `Accept` (101) or `Close` (an ordinary HTTP
refusal). It knows no dialect and no path: the acceptor routes.
"""

from ossicle.core.ports import Acceptor

from .channel import WebSocketSettings
from .upgrade import Door, HeldUpgrade

__all__ = ["WebSocketSettings", "websocket_protocol"]


def websocket_protocol(
    acceptor: Acceptor, settings: WebSocketSettings | None = None
) -> type[HeldUpgrade]:
    """What to hand to `uvicorn.Config(ws=...)`. Each call makes a door of its own, with its own
    count of held handshakes."""
    door = Door(acceptor, settings or WebSocketSettings())
    return type("Upgrade", (HeldUpgrade,), {"door": door})
