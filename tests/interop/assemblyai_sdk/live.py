"""AssemblyAI's Python SDK, as its users write it. Reads one JSON object of orders from standard
input, prints what the SDK's handlers were given, one JSON value a line."""

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

from assemblyai.streaming.v3 import (
    AsyncStreamingClient,
    StreamingClient,
    StreamingClientOptions,
    StreamingEvents,
    StreamingParameters,
    StreamingSessionParameters,
)

ORDERS: dict[str, Any] = json.loads(sys.stdin.read())
EVENTS = [
    name
    for name in ("Begin", "Turn", "Termination", "SpeechStarted", "Warning", "Heartbeat", "Silence")
    if hasattr(StreamingEvents, name)
]


def say(kind: str, value: Any) -> None:
    # one write: handlers run on the SDK's threads
    sys.stdout.write(json.dumps({"event": kind, **value}) + "\n")
    sys.stdout.flush()


def told(kind: str) -> Any:
    return lambda _client, event: say(kind, json.loads(event.model_dump_json()))


def failed(_client: Any, error: Any) -> None:
    say("Error", {"error": str(error), "code": getattr(error, "code", None)})


async def atold(_client: Any, event: Any) -> None:
    say(type(event).__name__.removesuffix("Event"), json.loads(event.model_dump_json()))


async def afailed(client: Any, error: Any) -> None:
    failed(client, error)


def pieces() -> list[bytes]:
    """Audio, and between two pieces what else is asked."""
    data = Path(ORDERS["audio"]).read_bytes() if ORDERS.get("audio") else b""
    return [data[at : at + 3_200] for at in range(0, len(data), 3_200)]


def options() -> StreamingClientOptions:
    names = ("api_host", "api_key", "token")
    return StreamingClientOptions(**{n: ORDERS[n] for n in names if n in ORDERS})


def sync() -> None:
    if ttl := ORDERS.get("mint"):
        minted = StreamingClient(options()).create_temporary_token(**ttl)
        say("Token", {"token": minted})
        ORDERS["token"] = minted
        ORDERS.pop("api_key")
    client = StreamingClient(options())
    for name in EVENTS:
        client.on(getattr(StreamingEvents, name), told(name))
    client.on(StreamingEvents.Error, failed)
    started = time.monotonic()
    client.connect(StreamingParameters(**ORDERS["parameters"]))
    say("Connected", {"ms": round((time.monotonic() - started) * 1000)})
    force = ORDERS.get("force_at")
    for number, piece in enumerate(pieces()):
        if number == force:
            client.force_endpoint()
        if number == ORDERS.get("update_at"):
            client.set_params(StreamingSessionParameters(**ORDERS["update"]))
        client.stream(piece)
    time.sleep(ORDERS.get("linger_s", 0))
    client.disconnect(terminate=ORDERS.get("terminate", True))
    say("Over", {})


async def asynchronous() -> None:
    client = AsyncStreamingClient(options())
    for name in EVENTS:
        client.on(getattr(StreamingEvents, name), atold)
    client.on(StreamingEvents.Error, afailed)
    await client.connect(StreamingParameters(**ORDERS["parameters"]))
    await client.stream(pieces())
    await client.disconnect(terminate=True)
    say("Over", {})


if ORDERS.get("async"):
    asyncio.run(asynchronous())
else:
    sync()
