"""A WebSocket to `/v1/probe`, for one who measures: ask and be answered, or learn why not.

    async with await Talk.open(place, context) as talk:
        echoed = await talk.ask(Echo(1), Echoed)

What comes is bounded and not believed: a message that is none of the four answers ends it.
"""

import asyncio
import ssl as tls
from typing import TypeVar

import msgspec

from ossicle.core.errors import BadMessage, ConnectionLost, OssicleError, TimedOut
from ossicle.core.ports import Channel, Receiver
from ossicle.core.probing import PATH, ProbeAnswer, ProbeRequest
from ossicle.core.wire import Accept, Close, Message, Opening, Ping, Signal, Text
from ossicle.transports.websocket.channel import WebSocketSettings
from ossicle.transports.websocket.client import connect

from .line import Place

__all__ = ["Talk"]

A = TypeVar("A", bound=msgspec.Struct)

_MOST_WAITING = 64
_decode = msgspec.json.Decoder(ProbeAnswer)


class Talk:
    """The receiver of its channel."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.refusal: Close | None = None
        self.over = asyncio.Event()
        self.over_at = 0.0
        """On the loop's clock."""
        self._answers: asyncio.Queue[ProbeAnswer] = asyncio.Queue(_MOST_WAITING)
        self._error: OssicleError | None = None
        self._accepted = False

    @classmethod
    async def open(
        cls,
        place: Place,
        context: tls.SSLContext | None,
        headers: tuple[tuple[str, str], ...] = (),
        limit_s: float = 5.0,
    ) -> "Talk":
        """Connected.

        Raises:
            OssicleError: nobody answers, or the upgrade is refused.
        """
        made: list[Talk] = []

        def receiver(channel: Channel) -> Receiver:
            made.append(cls(channel))
            return made[0]

        scheme = "wss" if place.secure else "ws"
        host = f"[{place.host}]" if ":" in place.host else place.host
        url = f"{scheme}://{host}:{place.port}{place.path}{PATH}"
        settings = WebSocketSettings(max_message=64 * 1024)
        await connect(
            Opening(path=PATH, headers=headers), receiver, url=url, ssl=context, timeout=limit_s,
            settings=settings,
        )  # fmt: skip
        talk = made[0]
        if talk.refusal is not None:
            raise ConnectionLost(f"the upgrade was answered with status {talk.refusal.code}")
        talk.channel.send(Signal("quiet_s", "3600"))
        return talk

    async def __aenter__(self) -> "Talk":
        return self

    async def __aexit__(self, *_: object) -> None:
        self.channel.abort()

    async def ask(self, request: ProbeRequest, kind: type[A], limit_s: float = 2.0) -> A:
        """The answer of that kind; others before it are passed over.

        Raises:
            TimedOut: there was none.
            ConnectionLost: the connection is gone.
            BadMessage: something else came.
        """
        self.channel.send(Text(msgspec.json.encode(request).decode()))
        try:
            async with asyncio.timeout(limit_s):
                while True:
                    answer = await self._next()
                    if isinstance(answer, kind):
                        return answer
        except TimeoutError as error:
            raise TimedOut(f"no answer within {limit_s:g} s") from error

    async def _next(self) -> ProbeAnswer:
        if self._answers.empty() and not self.over.is_set():
            getting = asyncio.ensure_future(self._answers.get())
            ending = asyncio.ensure_future(self.over.wait())
            try:
                await asyncio.wait({getting, ending}, return_when=asyncio.FIRST_COMPLETED)
                if getting.done():
                    return getting.result()
            finally:
                getting.cancel()
                ending.cancel()
        if not self._answers.empty():
            return self._answers.get_nowait()
        raise self._error or ConnectionLost("the connection was closed")

    def ping(self) -> None:
        """A ping, whose answer is not waited for."""
        self.channel.send(Ping())

    # ── Receiver ──

    def received(self, message: Message) -> None:
        """Something came."""
        match message:
            case Accept():
                self._accepted = True
            case Close() if not self._accepted:
                self.refusal = message
            case Close(code, reason):
                text = f" ({code}: {reason[:120]})" if code not in {None, 1000, 1001, 1005} else ""
                self._error = ConnectionLost(f"the other end closed the WebSocket{text}")
            case Text(data):
                self._heard(data)
            case _:
                pass

    def binary(self, data: bytes) -> None:
        """Nobody asked for any."""
        del data
        self._spoil("it sent bytes that nobody asked for")

    def writable(self, yes: bool) -> None:
        """Little is sent here."""

    def closed(self, error: OssicleError | None) -> None:
        """Gone."""
        self._error = self._error or error
        self.over_at = asyncio.get_running_loop().time()
        self.over.set()

    def _heard(self, data: str) -> None:
        try:
            self._answers.put_nowait(_decode.decode(data))
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
            self._spoil("what it said on the WebSocket is none of the answers there are")
        except asyncio.QueueFull:
            self._spoil("it talks without being asked")

    def _spoil(self, text: str) -> None:
        self._error = self._error or BadMessage(text)
        self.channel.abort()
