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

from .address import DEFAULT_RPC_URL, DEFAULT_URL, Choice, Wire, address, places, wire_of
from .backoff import Reconnect
from .dial import Dial, dialer
from .dialects import Provider, provider
from .proxies import Through
from .race import Pace
from .racing import Racing
from .stream import Buffering, SpeechStream
from .unresumed import Unresumed
from .ways import Way

__all__ = ["AUTO", "AnyOptions", "connect", "patch_of"]

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
    proxy: Through = None,
    dialect: str = "native",
    transport: Choice | Pace | Dial = "websocket",
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
        proxy: a proxy's URL, with user:password@ where it wants them. None = as HTTPS_PROXY,
            HTTP_PROXY, ALL_PROXY and NO_PROXY say; False = directly.
        dialect: whose protocol to speak: `native`, or a provider's (`deepgram`, `deepgram-flux`,
            `deepgram-speak`, `assemblyai`, `google`, `riva`, `amazon`, `amazon-http2`), whose own
            service or a gateway answers.
        transport: `websocket`; `auto`, the best wire that gets through (a `Pace` = that, with other
            times); `mux`, a WebSocket that sessions of this process share; `grpc`, which a URL of
            grpc:// means by itself; `http` where nothing else gets through (audio in, events out,
            no other commands); or a `Dial` of your own. A provider's is its own.
        within_s: how long you wait for the end, in seconds from entering; the stream ends before,
            with what was heard by then and `TimedOut`. Carried by `ossicle.v1` on every wire and by
            gRPC; other protocols have no word for it. None = as long as it takes.
        reconnect: how to survive a broken connection; False = not at all.
        on_buffering: told while audio waits here because nobody takes it.

    Raises:
        Refused: a URL, transport or option that is none. Connecting itself happens on entering.
    """
    pace = transport if isinstance(transport, Pace) else None
    choice = "auto" if isinstance(transport, Pace) else transport
    source = format or AudioFormat()
    spoken = provider(dialect)
    where = url or spoken.url or DEFAULT_URL
    if isinstance(choice, str):
        choice = wire_of(where, choice) if dialect == "native" else _own_wire(spoken, choice)
    if choice == "grpc" and where == DEFAULT_URL:  # that port speaks HTTP
        where = DEFAULT_RPC_URL
    if isinstance(choice, str):
        wires: tuple[Wire, ...] = AUTO if choice == "auto" else (choice,)
        ways = tuple(
            Way(
                wire,
                dialer(
                    where,
                    wire,
                    ca=ca,
                    proxy=proxy,
                    timeout_s=pace.answer_s if pace is not None else 10.0,
                ),
                _half(spoken, wire, source, where),
                framed=wire != "http",
            )
            for wire in wires
        )
    else:
        ways = (Way("own", choice, _half(spoken, "own", source, where)),)
    if reconnect is True:
        plan = Reconnect()
    elif reconnect is False:
        plan = Reconnect(total_s=0.0)
    else:
        plan = reconnect
    return SpeechStream(
        ways[0].dial,
        ways[0].dialect,
        Configure(
            patch=patch_of(options),
            format=source,
            speaks=speaks,
            credential=key or None,
            within_s=_checked(within_s),
        ),
        framed=ways[0].framed,
        reconnect=plan,
        on_buffering=on_buffering,
        wire=ways[0].wire,
        racing=Racing(ways, place=_place(where, proxy), pace=pace) if len(ways) > 1 else None,
    )


AUTO: tuple[Wire, ...] = ("websocket", "http")
"""What `auto` tries, in this order."""


def _own_wire(spoken: Provider, choice: Choice) -> Wire:
    """A provider has one wire. Where that is a WebSocket, sessions can share one to a gateway."""
    if choice == "mux" and spoken.wire == "websocket":
        return choice
    if choice not in {"auto", "websocket", spoken.wire}:
        raise Refused(
            f"{spoken.name} goes over {spoken.wire}, not over {choice}: leave transport out",
            code="bad_option",
        )
    return spoken.wire


def _half(
    spoken: Provider, wire: str, source: AudioFormat, where: str
) -> Callable[[], ClientDialect]:
    """What makes a client half for one connection."""
    if not spoken.resumes:
        half = spoken.halves(where)
        return lambda: Unresumed(half(), source, spoken.name)
    if wire == "grpc":
        from ossicle.dialects.native.rpc_client import RpcClient  # noqa: PLC0415  may be unused

        return RpcClient
    return partial(spoken.make, framed=wire != "http")


def _place(url: str, proxy: Through) -> str:
    """What is remembered of a wire is of one place, seen through one proxy."""
    scheme, host, port = places(address(url, "http"))[0]
    via = proxy if isinstance(proxy, str) else ""
    return f"{scheme}://{host}:{port} {via.rpartition('@')[2]}"


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
