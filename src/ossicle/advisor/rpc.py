"""gRPC from here to a gateway: a stream both ways, and how it ends.

    tried = await streams(place, context, headers)
    tried = await asks_over_web(place, context, headers)

Cold is the time until the first echo is back, with a connection and a call to set up; resumed is a
second call on that connection, since that is what a client of gRPC has. A status that does not
arrive shows what proxies do to trailers (RFC 9113 section 8.1): the words came, and nobody says
that they were all.
"""

import ssl as tls
import time
from typing import Any

from ossicle.core.errors import MissingExtra, Refused
from ossicle.core.probing import GRPC_ASK, GRPC_ECHO
from ossicle.dialects.protobuf import decode_error, message_class
from ossicle.transports.grpcweb.frames import TRAILERS, FrameReader, frame

from .line import Line, Place
from .measured import State, Tried

__all__ = ["asks_over_web", "streams"]

_MOST_ANSWER = 4_096

_ECHOES = 3
_OPTIONS = (
    ("grpc.use_local_subchannel_pool", 1),  # a connection of its own, and no health that is asked
    ("grpc.enable_http_proxy", 0),  # what is measured is the way from here, not from a proxy
    ("grpc.enable_retries", 0),
)


async def streams(
    place: Place, context: tls.SSLContext | None, headers: tuple[tuple[str, str], ...]
) -> Tried:
    """
    Args:
        place: of the gRPC port.
        context: whose CAs are believed; None = without TLS.
        headers: the credential.
    """
    try:
        import grpc  # noqa: PLC0415  an extra
        import grpc.aio  # noqa: PLC0415

        message_class("ossicle.v1.EchoRequest")  # before the clock runs
    except (ModuleNotFoundError, MissingExtra):
        return Tried("not_tried", "pip install 'ossicle[grpc]' here to try it")
    host = f"[{place.host}]" if ":" in place.host else place.host
    target = f"{host}:{place.port}"
    if context is None:
        channel: Any = grpc.aio.insecure_channel(target, options=_OPTIONS)
    else:
        roots = "".join(map(tls.DER_cert_to_PEM_cert, context.get_ca_certs(binary_form=True)))
        credentials = grpc.ssl_channel_credentials(roots.encode() or None)
        channel = grpc.aio.secure_channel(target, credentials, options=_OPTIONS)
    async with channel:
        tried = Tried("passes")
        tried.cold_ms = await _call(channel, headers, tried)
        if tried.state == "passes":
            tried.resumed_ms = await _call(channel, headers, tried)
        return tried


async def _call(channel: Any, headers: tuple[tuple[str, str], ...], tried: Tried) -> float | None:
    """Milliseconds to the first echo; None = none came. What is wrong is said in `tried`."""
    import grpc  # noqa: PLC0415
    import grpc.aio  # noqa: PLC0415

    asked, echoed = (message_class(f"ossicle.v1.Echo{each}") for each in ("Request", "Response"))
    began = time.perf_counter()
    call = channel.stream_stream(GRPC_ECHO)(metadata=headers)
    first: float | None = None
    try:
        for n in range(_ECHOES):
            await call.write(asked(n=n).SerializeToString())
            data = await call.read()
            if not isinstance(data, bytes):  # grpc's EOF: the call has ended
                break
            if first is None:
                first = (time.perf_counter() - began) * 1000
            if echoed.FromString(data).n != n:
                tried.state, tried.why = "broken", f"echo {n} came back as another"
                return first
        await call.done_writing()
        await call.read()
    except grpc.aio.AioRpcError:
        pass  # a call that has ended takes nothing more; its status says why it has
    except decode_error():
        tried.state, tried.why = "broken", "what comes back is no echo"
        return first
    code = await call.code()
    if code is grpc.StatusCode.OK:
        return first
    details = (await call.details() or "").partition(";")[0][:120]
    if first is not None:
        tried.state = "broken"
        tried.why = f"a call brings its words and no good end ({code.name}: {details})"
    else:
        tried.state, tried.why = _refused(code.name, details)
    return first


def _refused(name: str, details: str) -> tuple[State, str]:
    if name == "UNIMPLEMENTED":
        return "broken", "something answers gRPC there, and it is no gateway of ours"
    if name in {"UNAUTHENTICATED", "PERMISSION_DENIED"}:
        return "broken", f"a call is refused ({name}): {details}"
    if details == "Internal error from Core":  # grpc's, for a call that was over before it began
        details = "it ends before its first answer"
    return "blocked", f"no call comes about ({name}): {details}"


async def asks_over_web(
    place: Place, context: tls.SSLContext | None, headers: tuple[tuple[str, str], ...]
) -> Tried:
    """gRPC-Web: one message out, one back, over HTTP/1.1 as a page would, and the status in the
    body, where no proxy can lose it.

    Raises:
        OssicleError: no answer over HTTP.
    """
    tried = Tried()
    session: tls.SSLSession | None = None
    for cold in (True, False):
        if not cold and session is None:
            break
        async with await Line.open(place, context, session) as line:
            began = time.perf_counter()
            answer = await line.send_whole(
                "POST", GRPC_ASK, (*headers, *_WEB), frame(b"\x08\x07")
            )  # n = 7
            took = line.spent.all_ms + (time.perf_counter() - began) * 1000
            if answer.status != 200:
                return Tried("blocked", f"it is answered with status {answer.status}")
            if not _says_seven(answer.body):
                return Tried("broken", "the answer is not gRPC-Web")
            if cold:
                tried.state, tried.cold_ms = "passes", took
                session = line.session
            elif line.resumed:
                tried.resumed_ms = took
    return tried


_WEB = (("content-type", "application/grpc-web+proto"), ("x-grpc-web", "1"))


def _says_seven(body: bytes) -> bool:
    """A message that begins with our number, and a last frame with status 0."""
    try:
        parts = FrameReader(_MOST_ANSWER).feed(body)
    except Refused:
        return False
    if len(parts) != 2 or parts[1][0] != TRAILERS:
        return False
    return parts[0][1].startswith(b"\x08\x07") and b"grpc-status:0" in parts[1][1].replace(
        b" ", b""
    )
