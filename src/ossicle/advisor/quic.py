"""QUIC from here to a gateway: a real handshake, cold and with a ticket, and an echo of each.

    await handshakes(place, offer, tried, 2.5)

The gateway answers no QUIC from an address that has not shown itself, so a cookie is fetched first,
over the same socket, as for datagrams; that is not counted. Cold is the time until the handshake is
complete. The second one brings the ticket of the first, and the question as early data (RFC 9001
section 4.6): the answer comes one round trip after the first packet.
"""

import asyncio
import importlib
import time
from typing import Any

from ossicle.core.errors import BadMessage, ConnectionLost, OssicleError, TimedOut
from ossicle.core.probing import (
    LEAST_DATAGRAM,
    QUIC_ALPN,
    QUIC_NAME,
    Datagram,
    Offer,
    read_datagram,
)

from .line import Place
from .measured import Tried

__all__ = ["handshakes"]

_TRIES, _TRY_S = 4, 0.3
_QUESTION = b"is it you?"
_MOST_WAITING = 256


class _Socket(asyncio.DatagramProtocol):
    """What comes, in order; more than can wait is dropped, as the network does."""

    def __init__(self) -> None:
        self.came: asyncio.Queue[bytes] = asyncio.Queue(_MOST_WAITING)
        self.refused = ""

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        if not self.came.full():
            self.came.put_nowait(data)

    def error_received(self, exc: Exception) -> None:
        self.refused = str(getattr(exc, "strerror", "")) or type(exc).__name__


async def handshakes(place: Place, offer: Offer, tried: Tried, limit_s: float) -> None:
    """Fill in what became of it."""
    try:
        importlib.import_module("aioquic.quic.connection")  # before the clock runs
    except ModuleNotFoundError:
        tried.state = "not_tried"
        tried.why = "pip install 'ossicle[quic]' here to try it"
        return
    port = (offer.quic_port or 0) & 0xFFFF
    loop = asyncio.get_running_loop()
    try:
        transport, socket = await loop.create_datagram_endpoint(
            _Socket, remote_addr=(place.host, port)
        )
    except OSError as error:
        tried.state, tried.why = "blocked", error.strerror or type(error).__name__
        return
    try:
        cookie = await _cookie(transport, socket, offer.ticket)
        dialling = _Dialling(transport, socket, (place.host, port), offer.quic_certificate, cookie)
        async with asyncio.timeout(limit_s):
            cold = await dialling.once(None)
            tried.state, tried.cold_ms = "passes", cold.ready_ms
            again = await dialling.once(cold.ticket) if cold.ticket is not None else None
    except TimeoutError:
        if tried.state != "passes":
            tried.state = "blocked"
            tried.why = (
                f"small datagrams pass, and no QUIC handshake within {limit_s:g} s: something "
                "drops QUIC, or datagrams of 1,200 bytes"
            )
        return
    except OssicleError as error:
        if tried.state != "passes":
            tried.state = "blocked" if isinstance(error, TimedOut) else "broken"
        tried.why = str(error)
        return
    finally:
        transport.close()
    if again is None or not again.resumed:
        tried.why = f"first answer after {cold.answer_ms:.1f} ms; it resumes nothing"
        return
    tried.resumed_ms = again.ready_ms
    how = "as early data" if again.early else "without early data"
    tried.why = (
        f"first answer after {cold.answer_ms:.1f} ms cold, {again.answer_ms:.1f} ms resumed {how}"
    )


async def _cookie(transport: asyncio.DatagramTransport, socket: _Socket, ticket: str) -> bytes:
    try:
        proof = bytes.fromhex(ticket)
    except ValueError:
        raise BadMessage("it offers QUIC with a ticket that is none") from None
    for n in range(_TRIES):
        transport.sendto(Datagram("hello", n, proof).bytes(LEAST_DATAGRAM))
        try:
            async with asyncio.timeout(_TRY_S):
                while True:
                    answer = read_datagram(await socket.came.get())
                    if answer is not None and answer.kind == "cookie":
                        return answer.proof
        except TimeoutError:
            continue
    raise TimedOut(socket.refused or "no datagram came back, so no QUIC either")


class _Made:
    """One handshake."""

    def __init__(self) -> None:
        self.ready_ms = self.answer_ms = 0.0
        self.resumed = self.early = False
        self.ticket: Any = None


class _Dialling:
    """Connections one after another over one socket."""

    def __init__(
        self, transport: asyncio.DatagramTransport, socket: _Socket, where: tuple[str, int],
        certificate: str, cookie: bytes,
    ) -> None:  # fmt: skip
        self._transport, self._socket, self._where = transport, socket, where
        self._certificate, self._cookie = certificate, cookie

    async def once(self, ticket: Any) -> _Made:
        """Connect, ask, be answered, hang up.

        Raises:
            ConnectionLost: the handshake failed, in its words.
            BadMessage: another answer than the question.
        """
        from aioquic.quic import events  # noqa: PLC0415  an extra, and it is there
        from aioquic.quic.configuration import QuicConfiguration  # noqa: PLC0415
        from aioquic.quic.connection import QuicConnection  # noqa: PLC0415

        configuration = QuicConfiguration(
            is_client=True, alpn_protocols=[QUIC_ALPN], server_name=QUIC_NAME,
            token=self._cookie, session_ticket=ticket,
        )  # fmt: skip
        configuration.load_verify_locations(cadata=self._certificate.encode())
        made = _Made()

        def keep(found: Any) -> None:
            made.ticket = found

        loop = asyncio.get_running_loop()
        quic = QuicConnection(configuration=configuration, session_ticket_handler=keep)
        began = time.perf_counter()
        quic.connect(self._where, now=loop.time())
        asked, heard, answered = False, b"", False
        if ticket is not None:
            quic.send_stream_data(0, _QUESTION, end_stream=True)
            asked = True
        while not (answered and (made.ticket is not None or ticket is not None)):
            self._flush(quic)
            await self._next(quic)
            while (event := quic.next_event()) is not None:
                took = (time.perf_counter() - began) * 1000
                match event:
                    case events.HandshakeCompleted():
                        made.ready_ms = took
                        made.resumed = event.session_resumed
                        made.early = event.early_data_accepted
                        if not asked:
                            quic.send_stream_data(0, _QUESTION, end_stream=True)
                            asked = True
                    case events.StreamDataReceived(data=data, end_stream=end):
                        heard += data[:100]
                        if end or len(heard) >= len(_QUESTION):
                            made.answer_ms, answered = took, True
                    case events.ConnectionTerminated(reason_phrase=reason, error_code=code):
                        said = reason[:120] or f"error {code:#x}"
                        raise ConnectionLost(f"the QUIC handshake fails: {said}")
                    case _:
                        pass
        if heard != _QUESTION:
            raise BadMessage("the QUIC echo is another one than the question")
        quic.close()
        self._flush(quic)
        return made

    def _flush(self, quic: Any) -> None:
        for data, _ in quic.datagrams_to_send(now=asyncio.get_running_loop().time()):
            self._transport.sendto(data)

    async def _next(self, quic: Any) -> None:
        loop = asyncio.get_running_loop()
        timer = quic.get_timer()
        wait = None if timer is None else max(0.0, timer - loop.time())
        try:
            async with asyncio.timeout(wait):
                data = await self._socket.came.get()
        except TimeoutError:
            quic.handle_timer(now=loop.time())
        else:
            quic.receive_datagram(data, self._where, now=loop.time())
