"""gRPC for browsers: a call of the gRPC door on a request of the HTTP door.

    acceptor = grpc_web(router(house, "grpc"), {"/ossicle.v1.Speech/Listen": "answers"})
    Route("/ossicle.v1.Speech/Listen", stream_endpoint(acceptor), methods=["POST"])

It stands between two acceptors. Towards the dialect it is a channel of gRPC: a message is its
bytes, `Accept` sends the initial metadata, `Close` the status, which goes as the last frame of the
body, since a page cannot see HTTP's trailers. Towards the HTTP door it is a receiver: that one
holds the queues, the pause and the limits, and none of them stands here again.

A browser cannot send while it reads, so a call is one message, and then the answers: a method whose
client streams is answered UNIMPLEMENTED.
"""

import asyncio
from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import Literal, TypeAlias

import msgspec

from ossicle.core.deadline import seconds_of
from ossicle.core.errors import BadMessage, OssicleError, TimedOut
from ossicle.core.ports import Acceptor, Channel, Receiver
from ossicle.core.wire import Accept, Binary, ChannelTraits, Close, Fin, Message, Opening, Text

from .frames import COMPRESSED, TRAILERS, Base64Reader, FrameReader, frame, metadata, trailers

__all__ = ["CONTENT_TYPES", "MAX_MESSAGE", "WebKind", "grpc_web"]

WebKind: TypeAlias = Literal["unary", "answers", "stream"]
"""Who asks once is answered once, or with a stream; or streams himself, which is not to be had."""

CONTENT_TYPES = {
    "application/grpc-web": False,
    "application/grpc-web+proto": False,
    "application/grpc-web-text": True,
    "application/grpc-web-text+proto": True,
}
"""Whether the body is base64."""
MAX_MESSAGE = 12 << 20
"""Largest message taken: as at the gRPC door."""

Headers: TypeAlias = Callable[[Opening], tuple[tuple[str, str], ...]]


def _none(_opening: Opening) -> tuple[tuple[str, str], ...]:
    return ()


def grpc_web(
    acceptor: Acceptor,
    methods: Mapping[str, WebKind],
    *,
    headers: Headers = _none,
    max_message: int = MAX_MESSAGE,
) -> Acceptor:
    """An acceptor for the HTTP door.

    Args:
        acceptor: of gRPC.
        methods: what is called how.
        headers: what a response carries besides: what lets a page of another origin read it.
        max_message: largest message taken, in bytes.
    """

    def accept(opening: Opening, wire: Channel) -> Receiver:
        kind = opening.header("content-type").partition(";")[0].strip().lower()
        text = CONTENT_TYPES.get(kind)
        if text is None:
            body = f"{kind[:60] or 'no content-type'} is not gRPC-Web; gRPC has a port of its own\n"
            wire.send(Close(415, headers=headers(opening), body=body.encode()))
            return _Nobody()
        call = _WebCall(wire, (("content-type", kind), *headers(opening)), max_message, text=text)
        call.begin(acceptor, opening, methods.get(opening.path, "stream"))
        return call

    return accept


class _WebCall:
    """Implements `core.ports.Channel` for the dialect and `core.ports.Receiver` for HTTP."""

    def __init__(
        self, wire: Channel, head: tuple[tuple[str, str], ...], max_message: int, *, text: bool
    ) -> None:
        self.traits = ChannelTraits(max_message=max_message, duplex=False)
        self._wire = wire
        self._head = head
        self._encoded = text
        self._base64 = Base64Reader()
        self._frames = FrameReader(max_message)
        self._leg: Receiver | None = None
        self._accepted = self._over = self._asked = False
        self._error: OssicleError | None = None
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, acceptor: Acceptor, opening: Opening, kind: WebKind) -> None:
        """Hand the call to whoever answers it."""
        if kind == "stream":
            text = "gRPC-Web has no client streaming: use gRPC, or a WebSocket at /v1/stream"
            self.send(Close(12, text))
            return
        within = seconds_of(opening.header("grpc-timeout"))
        if within is not None:
            self._timer = asyncio.get_running_loop().call_later(within, self._late)
        self._leg = acceptor(
            msgspec.structs.replace(
                opening,
                transport="grpc-web",
                traits=self.traits,
                method="unary" if kind == "unary" else "stream",
            ),
            self,
        )

    # ── what a dialect's leg may do ──

    def send(self, message: Message) -> None:
        """Hand a message over. Never blocks and never raises."""
        if self._over:
            return
        match message:
            case Accept(headers=headers):
                self._accept(headers)
            case Binary(data=data):
                self._put(frame(data))
            case Text(data=data):
                self._put(frame(data.encode(errors="replace")))
            case Close(code=code, reason=reason, headers=headers):
                self._accept(())
                self._put(trailers(code or 0, reason, headers))
                self._over = True
                self._wire.send(Close())
            case _:
                pass

    def _accept(self, headers: tuple[tuple[str, str], ...]) -> None:
        if not self._accepted:
            self._accepted = True
            self._wire.send(Accept((*self._head, *metadata(headers)), flush=True))

    def _put(self, data: bytes) -> None:
        # each frame padded by itself, so that what has come can be read
        self._wire.send(Binary(b64encode(data) if self._encoded else data))

    def pause(self) -> None:
        """Stop reading."""
        self._wire.pause()

    def resume(self) -> None:
        """Read again."""
        self._wire.resume()

    def abort(self) -> None:
        """Drop the request."""
        self._wire.abort()

    # ── what HTTP tells ──

    def binary(self, data: bytes) -> None:
        """A piece of the request's body."""
        if self._over:
            return
        try:
            frames = self._frames.feed(self._base64.feed(data) if self._encoded else data)
            for flags, message in frames:
                self._take(flags, message)
        except OssicleError as error:
            self._fail(error, 8 if error.code == "too_large" else 3)

    def _take(self, flags: int, message: bytes) -> None:
        if flags & COMPRESSED:
            raise BadMessage("compressed messages are not taken: send no grpc-encoding")
        if flags & TRAILERS or self._asked:
            raise BadMessage("a call of gRPC-Web is one message")
        self._asked = True
        if self._leg is not None:
            self._leg.binary(message)

    def received(self, message: Message) -> None:
        """The end of the body."""
        if not isinstance(message, Fin) or self._over:
            return
        if torn := self._frames.torn or self._base64.torn:
            text = f"the body ends within a frame: {torn} bytes are left over"
            self._fail(BadMessage(text), 3)
        elif self._leg is not None:
            self._leg.received(message)

    def writable(self, yes: bool) -> None:
        """The browser takes more, or not."""
        if self._leg is not None:
            self._leg.writable(yes)

    def closed(self, error: OssicleError | None) -> None:
        """The request is over."""
        self._over = True
        if self._timer is not None:
            self._timer.cancel()
        leg, self._leg = self._leg, None
        if leg is not None:
            leg.closed(self._error or error)

    def _late(self) -> None:
        text = "the client's deadline passed"
        self._fail(TimedOut(text, code="timed_out"), 4)

    def _fail(self, error: OssicleError, status: int) -> None:
        """End the call from here; its leg is told when the request is over."""
        self._error = self._error or error
        self.send(Close(status, str(error)))


class _Nobody:
    """The receiver of a request that is answered already."""

    def received(self, message: Message) -> None: ...
    def binary(self, data: bytes) -> None: ...
    def writable(self, yes: bool) -> None: ...
    def closed(self, error: OssicleError | None) -> None: ...
