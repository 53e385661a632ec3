"""The client half of `ossicle.v1` over gRPC: `Speech/Stream`."""

from math import inf

from ossicle.core.commands import Audio, Command, Configure
from ossicle.core.deadline import header_of
from ossicle.core.errors import Fault, OssicleError
from ossicle.core.events import Ended
from ossicle.core.ports import ClientSteps
from ossicle.core.wire import Accept, Binary, Close, Fin, Message, Opening

from .byhand import audio_out
from .protobuf import KEEP_ALIVE, read_event, write_request, write_start
from .rpc_errors import SAYS_END, fault_of

__all__ = ["RpcClient"]

_HEARTBEAT_S = 20.0


class RpcClient:
    """Implements `core.ports.ClientDialect`. On this wire the first message does not wait for the
    server: the transport tells Accept when there is a connection."""

    def __init__(self, *, heartbeat_s: float = _HEARTBEAT_S) -> None:
        self.deadline = inf
        self._heartbeat = heartbeat_s
        self._configure = Configure()
        self._over = False

    def open(self, configure: Configure) -> Opening:
        """The call."""
        self._configure = configure
        key = configure.credential
        headers = (("authorization", f"Bearer {key}"),) if key else ()
        return Opening(
            transport="grpc",
            method="stream",
            path="/ossicle.v1.Speech/Stream",
            headers=(*headers, SAYS_END, *header_of(configure.within_s)),
        )

    def receive(self, message: Message, now: float) -> ClientSteps:
        """A message from the gateway."""
        match message:
            case Accept():
                self.deadline = now + self._heartbeat
                return (Binary(write_start(self._configure)),)
            case Binary(data=data) if not self._over:
                return self._event(data)
            case Close():
                self.deadline = inf
                return () if self._over else self._closed(message)
            case _:
                return ()

    def send(self, command: Command, now: float) -> ClientSteps:
        """What the user wants, as messages."""
        self.deadline = now + self._heartbeat
        if isinstance(command, Audio):
            return (Binary(audio_out(command.data)),)
        return (Binary(write_request(command)),)

    def expire(self, now: float) -> ClientSteps:
        """Nothing was sent for a while."""
        if now < self.deadline:
            return ()
        self.deadline = now + self._heartbeat
        return (Binary(KEEP_ALIVE),)

    def _event(self, data: bytes) -> ClientSteps:
        try:
            event = read_event(data)
        except OssicleError as error:
            self._over, self.deadline = True, inf
            return (Close(3, "not ossicle.v1"), Ended(reason="failed", error=error.fault()))
        if isinstance(event, Ended):
            self._over = True
            return (Fin(), event)  # heard: the gateway waits for this before its status
        return (event,)

    def _closed(self, close: Close) -> ClientSteps:
        """Ended without `ended`: refused before it began, or cut."""
        self._over = True
        if close.code is None:
            fault = Fault("connection_lost", "the gateway closed without an end", "us", True)
            return (Ended(reason="failed", error=fault),)
        return (Ended(reason="refused", error=fault_of(close)),)
