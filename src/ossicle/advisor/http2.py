"""HTTP/2 from here to a gateway: a request and its answer, cold and with the TLS session of before.

    tried = await asks_http2(place, context, headers)

Over TLS the other end has to choose `h2` by ALPN; without, HTTP/2 is spoken at once (RFC 9113
section 3.3). The question is the one that HTTP/1.1 was asked, so the answer is known.
"""

import ssl as tls
import time
from typing import Any

import msgspec
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ConnectionTerminated, DataReceived, ResponseReceived, StreamEnded, StreamReset
from h2.exceptions import H2Error

from ossicle.core.errors import BadMessage, ConnectionLost
from ossicle.core.probing import PATH, Offer

from .line import Line, Place
from .measured import Tried

__all__ = ["asks_http2"]

_MOST_BODY = 64 * 1024


async def asks_http2(
    place: Place, context: tls.SSLContext | None, headers: tuple[tuple[str, str], ...] = ()
) -> Tried:
    """
    Args:
        place: where.
        context: offers `h2` by ALPN; None = without TLS, by prior knowledge.
        headers: the credential.

    Raises:
        ConnectionLost: nobody there, or gone.
    """
    tried = Tried()
    session: tls.SSLSession | None = None
    for cold in (True, False):
        if not cold and session is None:
            break
        try:
            line = await Line.open(place, context, session)
        except ConnectionLost as error:
            if not isinstance(error.__cause__, tls.SSLError):
                raise
            # some servers end the handshake where no protocol is common (RFC 7301 section 3.2)
            return Tried("blocked", f"with h2 offered, {error}")
        async with line:
            if context is not None and line.alpn != "h2":
                return Tried("blocked", "h2 is not agreed on by ALPN")
            began = time.perf_counter()
            try:
                await _ask(line, headers)
            except BadMessage as error:
                return Tried("broken", str(error))
            took = line.spent.all_ms + (time.perf_counter() - began) * 1000
            if cold:
                tried.state, tried.cold_ms = "passes", took
                session = line.session
            elif line.resumed:
                tried.resumed_ms = took
    return tried


async def _ask(line: Line, headers: tuple[tuple[str, str], ...]) -> None:
    """The offer once more.

    Raises:
        BadMessage: the answer is not HTTP/2, or another.
        ConnectionLost: it hung up.
    """
    place = line.place
    http = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
    http.initiate_connection()
    http.send_headers(
        1,
        [
            (":method", "GET"), (":scheme", "https" if place.secure else "http"),
            (":authority", place.authority), (":path", place.path + PATH), *headers,
        ],
        end_stream=True,
    )  # fmt: skip
    status, body, over = "", b"", False
    while not over:
        if data := http.data_to_send():
            await line.write(data)
        data = await line.read()
        if not data:
            raise ConnectionLost("it hung up on HTTP/2")
        try:
            events: list[Any] = http.receive_data(data)
        except (H2Error, UnicodeDecodeError) as error:
            raise BadMessage("what it answers is not HTTP/2") from error
        for event in events:
            match event:
                case ResponseReceived(headers=fields):
                    known: dict[Any, Any] = dict(fields or ())
                    status = str(known.get(":status", ""))
                case DataReceived(data=piece, flow_controlled_length=length):
                    body += piece or b""
                    if len(body) > _MOST_BODY:
                        raise BadMessage(f"it answers with more than {_MOST_BODY} bytes")
                    http.acknowledge_received_data(length or 0, 1)
                case StreamEnded():
                    over = True
                case StreamReset() | ConnectionTerminated():
                    raise BadMessage("it ends the request without an answer")
                case _:
                    pass
    if status != "200":
        raise BadMessage(f"the same request is answered with status {status[:3]} there")
    try:
        msgspec.json.decode(body, type=Offer)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise BadMessage("the same request has another answer there") from error
