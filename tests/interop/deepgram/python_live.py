"""Run by the tests in a process of its own: the Python SDK, live, as a user writes it.

python_live.py BASE WS FILE sync|async     prints one JSON object per message
"""

import asyncio
import json
import sys
import threading
from pathlib import Path

from deepgram import AsyncDeepgramClient, DeepgramClient
from deepgram.core.events import EventType
from deepgram.environment import DeepgramClientEnvironment

base, ws, file, how = sys.argv[1:]
environment = DeepgramClientEnvironment(base=base, production=ws, agent=ws, agent_rest=base)
options = {
    "model": "nova-3",
    "encoding": "linear16",
    "sample_rate": 16000,
    "interim_results": True,
    "vad_events": True,
    "utterance_end_ms": 1000,
    "punctuate": True,
    "keyterm": ["gateway", "ossicle"],
    "tag": ["one", "two"],
    "request_options": {"additional_query_parameters": {"nobody_knows": "this"}},
}
audio = Path(file).read_bytes()
PIECES = [audio[at : at + 3200] for at in range(0, len(audio), 3200)]


def show(message: object) -> None:
    print(json.dumps(message.model_dump() if hasattr(message, "model_dump") else repr(message)))


def main() -> None:
    client = DeepgramClient(api_key="KEY", environment=environment)
    with client.listen.v1.connect(**options) as connection:
        over = threading.Event()
        connection.on(EventType.MESSAGE, show)
        connection.on(
            EventType.ERROR,
            lambda error: print(json.dumps({"type": "FAILED", "error": repr(error)})),
        )
        connection.on(EventType.CLOSE, lambda _: over.set())
        listening = threading.Thread(target=connection.start_listening)
        listening.start()
        connection.send_keep_alive()
        for piece in PIECES:
            connection.send_media(piece)
        connection.send_finalize()
        connection.send_close_stream()
        assert over.wait(20), "the SDK saw no close"
        listening.join(5)


async def main_async() -> None:
    client = AsyncDeepgramClient(api_key="KEY", environment=environment)
    async with client.listen.v1.connect(**options) as connection:
        connection.on(EventType.MESSAGE, show)
        connection.on(
            EventType.ERROR,
            lambda error: print(json.dumps({"type": "FAILED", "error": repr(error)})),
        )
        listening = asyncio.create_task(connection.start_listening())
        await connection.send_keep_alive()
        for piece in PIECES:
            await connection.send_media(piece)
        await connection.send_finalize()
        await connection.send_close_stream()
        await asyncio.wait_for(listening, 20)


if how == "sync":
    main()
else:
    asyncio.run(main_async())
