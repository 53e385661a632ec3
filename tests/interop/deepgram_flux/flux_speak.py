"""Deepgram's Python SDK on `/v2/speak`, as its users write it. Orders as JSON on stdin."""

import asyncio
import json
import sys
import threading
from pathlib import Path

from deepgram import AsyncDeepgramClient, DeepgramClient
from deepgram.core.events import EventType
from deepgram.environment import DeepgramClientEnvironment
from deepgram.speak.v2.types import SpeakV2Configure, SpeakV2Speak

orders = json.load(sys.stdin)
environment = DeepgramClientEnvironment(
    base=orders["base"],
    production=orders["ws"],
    agent=orders["ws"],
    agent_rest=orders["base"],
)
query = {"model": "flux-haley-en"} | orders.get("query", {})


def say(value):
    print(json.dumps(value, default=str), flush=True)


def told(message):
    if isinstance(message, bytes):
        say({"type": "Sound", "bytes": len(message)})
    else:
        say({"class": type(message).__name__} | message.model_dump())


def broken(error):
    say({"type": "SdkError", "text": repr(error)})


def sync():
    client = DeepgramClient(environment=environment, api_key=orders["key"])
    if orders["post"]:
        data = b"".join(client.speak.v2.audio.generate(text=orders["text"], **query))
        Path(orders["out"]).write_bytes(data)
        return
    with client.speak.v2.connect(**query) as socket:
        socket.on(EventType.MESSAGE, told)
        socket.on(EventType.ERROR, broken)
        listening = threading.Thread(target=socket.start_listening)
        listening.start()
        for text in orders["texts"]:
            socket.send_speak(SpeakV2Speak(text=text))
            socket.send_flush()
            socket.send_configure(SpeakV2Configure(speed=1.5))
        socket.send_interrupt()
        socket.send_close()
        listening.join(30)


async def asynchronous():
    client = AsyncDeepgramClient(environment=environment, api_key=orders["key"])
    if orders["post"]:
        pieces = [p async for p in client.speak.v2.audio.generate(text=orders["text"], **query)]
        Path(orders["out"]).write_bytes(b"".join(pieces))
        return
    async with client.speak.v2.connect(**query) as socket:
        socket.on(EventType.MESSAGE, told)
        socket.on(EventType.ERROR, broken)
        listening = asyncio.create_task(socket.start_listening())
        for text in orders["texts"]:
            await socket.send_speak(SpeakV2Speak(text=text))
            await socket.send_flush()
            await socket.send_configure(SpeakV2Configure(speed=1.5))
        await socket.send_interrupt()
        await socket.send_close()
        await asyncio.wait_for(listening, 30)


try:
    asyncio.run(asynchronous()) if orders["kind"] == "async" else sync()
    say({"type": "Over"})
except Exception as error:
    say({"type": "Raised", "name": type(error).__name__, "text": str(error)})
