"""The front door of the client.

async with ossicle.connect("http://localhost:8080") as stream:
    await stream.send(audio)
    await stream.end()
    async for event in stream:
        print(event)
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from ossicle.core.commands import Configure
from ossicle.core.deadline import LONGEST_S
from ossicle.core.errors import Refused
from ossicle.core.formats import AudioFormat
from ossicle.core.options import Options, RecognitionOptions, difference
from ossicle.core.ports import ClientDialect
from ossicle.dialects.native.rpc_client import RpcClient

from .address import DEFAULT_RPC_URL, DEFAULT_URL, Wire, wire_of
from .backoff import Reconnect
from .dial import Dial, dialer
from .dialects import provider
from .stream import Buffering, SpeechStream
from .unresumed import Unresumed

__all__ = ["AnyOptions", "connect", "patch_of"]

AnyOptions: TypeAlias = Options | RecognitionOptions | dict[str, Any] | None
"""Options as a value, or a merge patch on the defaults."""


def connect(
    url: str | None = None,
    *,
    options: AnyOptions = None,
    format: AudioFormat | None = None,  # noqa: A002  the natural name, and keyword-only
    speaks: AudioFormat | None = None,
    key: str | None = None,
    ca: str | Path | None = None,
    dialect: str = "native",
    transport: Wire | Dial = "websocket",
    within_s: float | None = None,
    reconnect: Reconnect | bool = True,
    on_buffering: Callable[[Buffering], None] | None = None,
) -> SpeechStream:
    """A live stream to a gateway: `async with connect(...) as stream`.

    Args:
        url: http(s) or ws(s), with or without `/v1/stream`; or grpc(s), which may list several
            addresses, separated by commas. None = this machine, port 8080 (gRPC: 50051); of
            another dialect, the provider itself.
        options: how to hear and to speak.
        format: what will be sent; None = 16 kHz, 16 bit, mono. `AudioFormat("auto")` lets the
            gateway recognise a container.
        speaks: what to hear; None = the engine's own.
        key: API key, where the gateway wants one; of Amazon `ID:SECRET` or `ID:SECRET:TOKEN`.
        ca: PEM file of a CA to believe besides the platform's (`ossicle certs` prints its path).
        dialect: whose protocol to speak: `native`, or a provider's (`deepgram`, `deepgram-flux`,
            `deepgram-speak`, `assemblyai`, `google`, `riva`, `amazon`, `amazon-http2`), whose own
            service or a gateway answers.
        transport: `websocket`; `grpc`, which a URL of grpc:// means by itself; `http` where
            nothing else gets through (audio in, events out, no other commands); or a `Dial` of
            your own. A provider's is its own.
        within_s: how long you wait for the end, in seconds from entering; the stream ends before,
            with what was heard by then and `TimedOut`. Carried by `ossicle.v1` on every wire and by
            gRPC; other protocols have no word for it. None = as long as it takes.
        reconnect: how to survive a broken connection; False = not at all.
        on_buffering: told while audio waits here because nobody takes it.

    Raises:
        Refused: a URL, transport or option that is none. Connecting itself happens on entering.
    """
    source = format or AudioFormat()
    spoken = provider(dialect)
    where = url or spoken.url or DEFAULT_URL
    if isinstance(transport, str):
        if dialect != "native" and transport not in {"websocket", spoken.wire}:
            raise Refused(
                f"{dialect} goes over {spoken.wire}, not over {transport}: leave transport out",
                code="bad_option",
            )
        transport = wire_of(where, transport) if dialect == "native" else spoken.wire
    framed = transport != "http"
    make: Callable[[], ClientDialect]
    if not spoken.resumes:
        make = partial(_unresumed, spoken.halves(where), source)
    elif transport == "grpc":
        make = RpcClient
    else:
        make = partial(spoken.make, framed=framed)
    if transport == "grpc" and where == DEFAULT_URL:  # that port speaks HTTP
        where = DEFAULT_RPC_URL
    if reconnect is True:
        plan = Reconnect()
    elif reconnect is False:
        plan = Reconnect(total_s=0.0)
    else:
        plan = reconnect
    return SpeechStream(
        dialer(where, transport, ca=ca) if isinstance(transport, str) else transport,
        make,
        Configure(
            patch=patch_of(options),
            format=source,
            speaks=speaks,
            credential=key or None,
            within_s=_checked(within_s),
        ),
        framed=framed,
        reconnect=plan,
        on_buffering=on_buffering,
    )


def _unresumed(half: Callable[[], ClientDialect], source: AudioFormat) -> ClientDialect:
    """A provider has no way back to a broken session; this makes one."""
    return Unresumed(half(), source)


def _checked(within_s: float | None) -> float | None:
    if within_s is not None and not 0 < within_s <= LONGEST_S:
        raise Refused(f"within_s={within_s:g} is not over 0 and at most {LONGEST_S:g} seconds")
    return within_s


def patch_of(options: AnyOptions) -> dict[str, Any]:
    """Options as the merge patch that makes them from the defaults."""
    if options is None:
        return {}
    if isinstance(options, dict):
        return options
    if isinstance(options, RecognitionOptions):
        options = Options(recognition=options)
    return difference(options)
