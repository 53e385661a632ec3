"""Deepgram's Python SDK on `/v1/speak`, as its users write it. Orders as JSON on stdin."""

import asyncio
import json
import sys
import threading
from pathlib import Path

from deepgram import AsyncDeepgramClient, DeepgramClient
from deepgram.core.events import EventType
from deepgram.environment import DeepgramClientEnvironment
from deepgram.speak.v1.types import SpeakV1Text

orders = json.load(sys.stdin)
environment = DeepgramClientEnvironment(
    base=orders["base"],
    production=orders["ws"],
    agent=orders["ws"],
    agent_rest=orders["base"],
)
query = {"model": "aura-2-thalia-en"} | orders.get("query", {})


def say(value):
    print(json.dumps(value, default=str), flush=True)


def told(message):
    if isinstance(message, bytes):
        say({"type": "Sound", "bytes": len(message)})
    else:
        say(message.model_dump())


def sync():
    client = DeepgramClient(environment=environment, api_key=orders["key"])
    if orders["post"]:
        data = b"".join(client.speak.v1.audio.generate(text=orders["text"], **query))
        Path(orders["out"]).write_bytes(data)
        return
    with client.speak.v1.connect(**query) as socket:
        socket.on(EventType.MESSAGE, told)
        socket.on(EventType.ERROR, lambda error: say({"type": "SdkError", "text": repr(error)}))
        listening = threading.Thread(target=socket.start_listening)
        listening.start()
        for text in orders["texts"]:
            socket.send_text(SpeakV1Text(text=text))
            socket.send_flush()
        if orders.get("clear"):
            socket.send_clear()
        socket.send_close()
        listening.join(30)


async def asynchronous():
    client = AsyncDeepgramClient(environment=environment, api_key=orders["key"])
    if orders["post"]:
        pieces = [p async for p in client.speak.v1.audio.generate(text=orders["text"], **query)]
        Path(orders["out"]).write_bytes(b"".join(pieces))
        return
    async with client.speak.v1.connect(**query) as socket:
        socket.on(EventType.MESSAGE, told)
        socket.on(EventType.ERROR, lambda error: say({"type": "SdkError", "text": repr(error)}))
        listening = asyncio.create_task(socket.start_listening())
        for text in orders["texts"]:
            await socket.send_text(SpeakV1Text(text=text))
            await socket.send_flush()
        if orders.get("clear"):
            await socket.send_clear()
        await socket.send_close()
        await asyncio.wait_for(listening, 30)


try:
    asyncio.run(asynchronous()) if orders["kind"] == "async" else sync()
    say({"type": "Over"})
except Exception as error:
    say({"type": "Raised", "name": type(error).__name__, "text": str(error)})
