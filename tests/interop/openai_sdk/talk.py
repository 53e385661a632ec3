"""Run by the tests: the Python SDK over its WebSocket, as a user writes it. Orders come as JSON on
stdin, each event goes out as a line of JSON."""

import asyncio
import base64
import json
import sys
from pathlib import Path

from openai import AsyncOpenAI

ORDERS = json.load(sys.stdin)
STEP = 4_800


async def send(connection, name: str) -> None:
    data = Path(name).read_bytes()
    for at in range(0, len(data), STEP):
        piece = base64.b64encode(data[at : at + STEP]).decode()
        await connection.input_audio_buffer.append(audio=piece)


async def main() -> None:
    client = AsyncOpenAI(api_key=ORDERS["key"], base_url=ORDERS["base_url"])
    mode = ORDERS["mode"]
    if mode == "transcription":
        opening = client.realtime.connect(extra_query={"intent": "transcription"})
    else:
        opening = client.realtime.connect(model="gpt-realtime")
    async with opening as connection:
        detection = {"type": "server_vad", "silence_duration_ms": 200}
        heard = {"turn_detection": detection, "transcription": {"model": "gpt-4o-transcribe"}}
        if mode == "manual":
            heard["turn_detection"] = None
        kind = "transcription" if mode == "transcription" else "realtime"
        await connection.session.update(session={"type": kind, "audio": {"input": heard}})
        await send(connection, ORDERS["audio"])
        if mode == "manual":
            await connection.input_audio_buffer.commit()
            await connection.response.create()
        await read(connection, mode)


async def read(connection, mode: str) -> None:
    """Until what was to happen has happened."""
    interrupted, done, words = False, 0, 0
    truncated = mode != "interrupted"
    async for event in connection:
        print(event.model_dump_json(exclude_none=True), flush=True)
        if event.type == "response.output_audio.delta" and mode == "interrupted":
            if not interrupted:
                interrupted = True
                item = event.item_id
                await send(connection, ORDERS["second"])
        elif event.type == "response.done":
            done += 1
            if event.response.status == "cancelled":
                await connection.conversation.item.truncate(
                    item_id=item, content_index=0, audio_end_ms=100
                )
        elif event.type.endswith("transcription.completed"):
            words += 1
        elif event.type == "conversation.item.truncated":
            truncated = True
        if truncated and done == (2 if mode == "interrupted" else 1) and words:
            return
        if mode == "transcription" and words == ORDERS["turns"]:
            return


asyncio.run(asyncio.wait_for(main(), 30))
