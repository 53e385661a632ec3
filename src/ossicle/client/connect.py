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

import msgspec

from ossicle.core.commands import Configure
from ossicle.core.formats import AudioFormat
from ossicle.core.options import Options, RecognitionOptions
from ossicle.dialects.native import NativeClient
from ossicle.dialects.native.rpc_client import RpcClient

from .address import DEFAULT_URL, Wire, wire_of
from .backoff import Reconnect
from .dial import Dial, dialer
from .stream import Buffering, SpeechStream

__all__ = ["AnyOptions", "connect", "patch_of"]

AnyOptions: TypeAlias = Options | RecognitionOptions | dict[str, Any] | None
"""Options as a value, or a merge patch on the defaults."""


def connect(
    url: str = DEFAULT_URL,
    *,
    options: AnyOptions = None,
    format: AudioFormat | None = None,  # noqa: A002  the natural name, and keyword-only
    speaks: AudioFormat | None = None,
    key: str | None = None,
    ca: str | Path | None = None,
    transport: Wire | Dial = "websocket",
    reconnect: Reconnect | bool = True,
    on_buffering: Callable[[Buffering], None] | None = None,
) -> SpeechStream:
    """A live stream to a gateway: `async with connect(...) as stream`.

    Args:
        url: http(s) or ws(s), with or without `/v1/stream`; or grpc(s), which may list several
            addresses, separated by commas.
        options: how to hear and to speak.
        format: what will be sent; None = 16 kHz, 16 bit, mono. `AudioFormat("auto")` lets the
            gateway recognise a container.
        speaks: what to hear; None = the engine's own.
        key: API key, where the gateway wants one.
        ca: PEM file of a CA to believe besides the platform's (`ossicle certs` prints its path).
        transport: `websocket`; `grpc`, which a URL of grpc:// means by itself; `http` where
            nothing else gets through (audio in, events out, no other commands); or a `Dial` of
            your own.
        reconnect: how to survive a broken connection; False = not at all.
        on_buffering: told while audio waits here because nobody takes it.

    Raises:
        Refused: a URL, transport or option that is none. Connecting itself happens on entering.
    """
    if isinstance(transport, str):
        transport = wire_of(url, transport)
    framed = transport != "http"
    if reconnect is True:
        plan = Reconnect()
    elif reconnect is False:
        plan = Reconnect(total_s=0.0)
    else:
        plan = reconnect
    return SpeechStream(
        dialer(url, transport, ca=ca) if isinstance(transport, str) else transport,
        RpcClient if transport == "grpc" else partial(NativeClient, framed=framed),
        Configure(
            patch=patch_of(options),
            format=format or AudioFormat(),
            speaks=speaks,
            credential=key or None,
        ),
        framed=framed,
        reconnect=plan,
        on_buffering=on_buffering,
    )


def patch_of(options: AnyOptions) -> dict[str, Any]:
    """Options as the merge patch that makes them from the defaults."""
    if options is None:
        return {}
    if isinstance(options, dict):
        return options
    if isinstance(options, RecognitionOptions):
        options = Options(recognition=options)
    given = msgspec.structs.replace(options, hears=None, speaks=None)
    return _difference(msgspec.to_builtins(given), msgspec.to_builtins(Options()))


def _difference(given: dict[str, Any], default: dict[str, Any]) -> dict[str, Any]:
    patch: dict[str, Any] = {}
    for name, value in given.items():
        if isinstance(value, dict):
            if inner := _difference(value, default[name]):  # pyright: ignore[reportUnknownArgumentType]
                patch[name] = inner
        elif value != default[name]:
            patch[name] = value
    return patch
