"""The client half of `ossicle.v1`, over a framed channel (WebSocket) or a byte stream (HTTP)."""

from math import inf

import msgspec

from ossicle.core.commands import Audio, Command, Configure, End
from ossicle.core.errors import Fault, OssicleError
from ossicle.core.events import AudioOut, Ended
from ossicle.core.ports import ClientSteps
from ossicle.core.wire import Accept, Binary, Close, Fin, Message, Opening, Ping, Text

from .credentials import SUBPROTOCOL
from .errors import STATUS
from .messages import (
    AudioOutMessage,
    ErrorBody,
    KeepAliveMessage,
    decode_server,
    encode,
    event_of,
    request_of,
)
from .query import flat_of

__all__ = ["NativeClient"]

_HEARTBEAT_S = 20.0


class NativeClient:
    """Implements `core.ports.ClientDialect`."""

    def __init__(self, *, framed: bool = True, heartbeat_s: float = _HEARTBEAT_S) -> None:
        """`framed`: the channel keeps messages apart (WebSocket); False: an HTTP request whose
        body is the audio."""
        self.deadline = inf
        self.plain = framed
        self._framed = framed
        self._heartbeat = heartbeat_s
        self._sound: AudioOut | None = None
        self._over = False

    def open(self, configure: Configure) -> Opening:
        """The request for a channel."""
        headers: list[tuple[str, str]] = []
        if configure.credential:
            headers.append(("authorization", f"Bearer {configure.credential}"))
        if self._framed:
            headers.append(("sec-websocket-protocol", SUBPROTOCOL))
        else:
            headers.append(("accept", "application/x-ndjson"))
            headers.append(("content-type", "application/octet-stream"))
        return Opening(
            method="GET" if self._framed else "POST",
            path="/v1/stream",
            query=tuple(flat_of(configure)),
            headers=tuple(headers),
        )

    def receive(self, message: Message, now: float) -> ClientSteps:
        """A message from the gateway."""
        match message:
            case Accept():
                self.deadline = now + self._heartbeat if self._framed else inf
                return ()
            case Text(data=text) if not self._over:
                if not text or text.isspace():
                    return ()
                return self._event(text)
            case Binary(data=data):
                sound, self._sound = self._sound, None
                return (msgspec.structs.replace(sound, data=data),) if sound is not None else ()
            case Close():
                self.deadline = inf
                return () if self._over else self._closed(message)
            case _:
                return ()

    def send(self, command: Command, now: float) -> ClientSteps:
        """What the user wants, as messages."""
        self.deadline = now + self._heartbeat if self._framed else inf
        match command:
            case Audio(data=data):
                return (Binary(data),)
            case End() if not self._framed:
                return (Fin(),)
            case _:
                return (Text(encode(request_of(command))),) if self._framed else ()

    def expire(self, now: float) -> ClientSteps:
        """Nothing was sent for a while."""
        if now < self.deadline or not self._framed:
            return ()
        self.deadline = now + self._heartbeat
        return (Text(encode(KeepAliveMessage())), Ping())

    def _event(self, text: str) -> ClientSteps:
        try:
            message = decode_server(text)
            event = event_of(message)
        except OssicleError as error:
            self._over, self.deadline = True, inf
            return (Close(1003, "not ossicle.v1"), Ended(reason="failed", error=error.fault()))
        if isinstance(message, AudioOutMessage) and not message.data and self._framed:
            self._sound = event if isinstance(event, AudioOut) else None
            return ()
        if isinstance(event, Ended):
            self._over = True
        return (event,)

    def _closed(self, close: Close) -> ClientSteps:
        """Closed without `ended`: refused before it began, or cut."""
        self._over = True
        if close.body:
            try:
                fault = msgspec.json.decode(close.body, type=ErrorBody).error
            except (msgspec.MsgspecError, RecursionError, UnicodeError):
                fault = _refused(close)
            return (Ended(reason="refused", error=fault),)
        if close.code in {None, 1000, 1001, 1005, 1006}:
            fault = Fault("connection_lost", "the gateway closed without an end", "us", True)
            return (Ended(reason="failed", error=fault),)
        return (Ended(reason="refused", error=_refused(close)),)


_COME_BACK = frozenset({0, 1004, 1006, 1011, 1012, 1013, 1014, 1015})
"""Close codes after which the same may succeed (RFC 6455 section 7.4.1 and its registry). The
others say that something has to change: 1002, 1003, 1007-1010, and redirects, which are not
followed."""


def _refused(close: Close) -> Fault:
    """What a bare status means: from a proxy, say, that knows nothing of us."""
    status = (close.code or 0) % 4000
    code = next((code for code, number in STATUS.items() if number == status), "connection_lost")
    retryable = status in {408, 429} or 500 <= status < 600 or status in _COME_BACK
    whose = "us" if retryable else "client"
    return Fault(
        code, f"the gateway answered {close.code} {close.reason}".strip(), whose, retryable
    )
