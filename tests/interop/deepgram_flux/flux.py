"""Deepgram's Python SDK on Flux, as its users write it. Orders as JSON on stdin; one JSON line for
each message its handlers are given."""

import asyncio
import json
import sys
import threading
import time
from pathlib import Path

from deepgram import AsyncDeepgramClient, DeepgramClient
from deepgram.core.events import EventType
from deepgram.environment import DeepgramClientEnvironment

orders = json.load(sys.stdin)
environment = DeepgramClientEnvironment(
    base=orders["base"],
    production=orders["ws"],
    agent=orders["ws"],
    agent_rest=orders["base"],
)
query = {"model": "flux-general-en", "encoding": "linear16", "sample_rate": 16000}
query |= orders.get("query", {})
query = {name: value for name, value in query.items() if value is not None}
audio = Path(orders["audio"]).read_bytes() if orders.get("audio") else b""
PIECE = 2560  # 80 ms, as the vendor advises


def credential():
    if not orders.get("grant"):
        return {"api_key": orders["key"]}
    client = DeepgramClient(api_key=orders["key"], environment=environment)
    granted = client.auth.v1.tokens.grant(ttl_seconds=orders["grant"])
    say({"type": "Granted", "expires_in": granted.expires_in})
    return {"access_token": granted.access_token}


def say(value):
    print(json.dumps(value, default=str), flush=True)


def told(message):
    say(message.model_dump() if hasattr(message, "model_dump") else message)


def steps():
    """What to do after which piece."""
    for number, at in enumerate(range(0, len(audio), PIECE)):
        yield number, audio[at : at + PIECE]


def sync():
    client = DeepgramClient(environment=environment, **credential())
    with client.listen.v2.connect(**query) as socket:
        socket.on(EventType.MESSAGE, told)
        socket.on(EventType.ERROR, lambda error: say({"type": "SdkError", "text": repr(error)}))
        listening = threading.Thread(target=socket.start_listening)
        listening.start()
        for number, piece in steps():
            if number == orders.get("configure_at"):
                socket.send_configure({"type": "Configure", **orders["configure"]})
            if number == orders.get("force_at"):
                socket.send_force_end_turn()
            socket.send_media(piece)
            time.sleep(orders.get("pace", 0))
        if orders.get("close", True):
            socket.send_close_stream()
        listening.join(30)
    say({"type": "Over", "hangs": listening.is_alive()})


async def asynchronous():
    client = AsyncDeepgramClient(environment=environment, **credential())
    async with client.listen.v2.connect(**query) as socket:
        socket.on(EventType.MESSAGE, told)
        socket.on(EventType.ERROR, lambda error: say({"type": "SdkError", "text": repr(error)}))
        listening = asyncio.create_task(socket.start_listening())
        for number, piece in steps():
            if number == orders.get("configure_at"):
                await socket.send_configure({"type": "Configure", **orders["configure"]})
            if number == orders.get("force_at"):
                await socket.send_force_end_turn()
            await socket.send_media(piece)
            await asyncio.sleep(orders.get("pace", 0))
        if orders.get("close", True):
            await socket.send_close_stream()
        await asyncio.wait_for(listening, 30)
    say({"type": "Over", "hangs": False})


try:
    asyncio.run(asynchronous()) if orders["kind"] == "async" else sync()
except Exception as error:
    say({"type": "Raised", "name": type(error).__name__, "text": str(error)})
