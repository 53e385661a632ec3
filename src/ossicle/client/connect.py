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
from ossicle.core.errors import Refused
from ossicle.core.formats import AudioFormat
from ossicle.core.options import Options, RecognitionOptions, difference

from .address import DEFAULT_URL, Wire
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
    reconnect: Reconnect | bool = True,
    on_buffering: Callable[[Buffering], None] | None = None,
) -> SpeechStream:
    """A live stream to a gateway: `async with connect(...) as stream`.

    Args:
        url: http(s) or ws(s), with or without `/v1/stream`. None = this machine, port 8080; of
            another dialect, the provider itself.
        options: how to hear and to speak.
        format: what will be sent; None = 16 kHz, 16 bit, mono. `AudioFormat("auto")` lets the
            gateway recognise a container.
        speaks: what to hear; None = the engine's own.
        key: API key, where the gateway wants one.
        ca: PEM file of a CA to believe besides the platform's (`ossicle certs` prints its path).
        dialect: whose protocol to speak: `native`, or a provider's (`deepgram`, `deepgram-flux`,
            `deepgram-speak`, `assemblyai`), whose own service or a gateway answers.
        transport: `websocket`; `http` where nothing else gets through (audio in, events out, no
            other commands); or a `Dial` of your own.
        reconnect: how to survive a broken connection; False = not at all.
        on_buffering: told while audio waits here because nobody takes it.

    Raises:
        Refused: a URL, transport or option that is none. Connecting itself happens on entering.
    """
    framed = transport != "http"
    source = format or AudioFormat()
    spoken = provider(dialect)
    if dialect != "native" and not framed:
        raise Refused(
            f"{dialect} goes over {spoken.wire}, not over {transport}: leave transport out",
            code="bad_option",
        )
    where = url or spoken.url or DEFAULT_URL
    if reconnect is True:
        plan = Reconnect()
    elif reconnect is False:
        plan = Reconnect(total_s=0.0)
    else:
        plan = reconnect
    return SpeechStream(
        dialer(where, transport, ca=ca) if isinstance(transport, str) else transport,
        partial(spoken.make, framed=framed)
        if spoken.resumes
        else lambda: Unresumed(spoken.make(), source),
        Configure(
            patch=patch_of(options),
            format=source,
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
    return difference(options)
