"""Whether HTTP/2 passes: the preface goes out, and a SETTINGS frame has to come back.

    tried = await greets_http2(place, context)

That is the first thing on every HTTP/2 connection (RFC 9113 section 3.4), so gRPC's ports show by
it too that nothing on the way changes or holds what they say. Nothing more is asked.
"""

import ssl as tls
import time

from ossicle.core.errors import ConnectionLost

from .line import Line, Place
from .measured import Tried

__all__ = ["greets_http2"]

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_SETTINGS = b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"
_HEAD = 9


async def greets_http2(place: Place, context: tls.SSLContext | None) -> Tried:
    """
    Args:
        context: offers `h2` by ALPN; None = without TLS, by prior knowledge.

    Raises:
        ConnectionLost: nobody there, or gone.
    """
    try:
        line = await Line.open(place, context)
    except ConnectionLost as error:
        if not isinstance(error.__cause__, tls.SSLError):
            raise
        # some servers end the handshake where no protocol is common (RFC 7301 section 3.2)
        return Tried("blocked", f"with h2 offered, {error}")
    async with line:
        if context is not None and line.alpn != "h2":
            return Tried("blocked", "h2 is not agreed on by ALPN")
        began = time.perf_counter()
        await line.write(_PREFACE + _SETTINGS)
        got = b""
        while len(got) < _HEAD:
            data = await line.read()
            if not data:
                raise ConnectionLost("it hung up at the HTTP/2 preface")
            got += data
        if got[3] != 4:  # not SETTINGS
            return Tried("broken", "the answer to the HTTP/2 preface is not HTTP/2")
        took = line.spent.all_ms + (time.perf_counter() - began) * 1000
        return Tried("passes", cold_ms=took)
