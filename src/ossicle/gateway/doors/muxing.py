"""`/v1/mux` on the WebSocket door: whatever answers on a WebSocket of its own answers on a stream.

websocket_protocol(multiplexed(house, router(house, "websocket")))
"""

from ossicle.core.ports import Acceptor, Channel, Receiver
from ossicle.core.wire import Opening
from ossicle.transports.mux.frames import PATH
from ossicle.transports.mux.server import mux_door

from ..house import House

__all__ = ["multiplexed"]


def multiplexed(house: House, acceptor: Acceptor) -> Acceptor:
    """An acceptor with that one path more. A stream that asks for it again is answered as a path
    that is not there: streams do not nest."""
    door = mux_door(acceptor, house.settings.mux)
    house.exits.twins["mux"] = house.exits.twins["websocket"]

    def accept(opening: Opening, channel: Channel) -> Receiver:
        return door(opening, channel) if opening.path == PATH else acceptor(opening, channel)

    return accept
