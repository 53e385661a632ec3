"""Send a file as it is, and print each turn once it is final.

python examples/stream_file.py speech.wav [URL]
"""

import asyncio
import sys
from pathlib import Path

import ossicle


async def main(audio: bytes, url: str = "http://localhost:8080") -> None:
    async with (
        ossicle.connect(url, format=ossicle.AudioFormat("auto")) as stream,
        asyncio.TaskGroup() as group,
    ):
        group.create_task(send(stream, audio))
        async for event in stream:
            if isinstance(event, ossicle.Transcript) and event.final:
                print(event.text)


async def send(stream: ossicle.SpeechStream, audio: bytes) -> None:
    await stream.send(audio)  # waits whenever the gateway asks for it
    await stream.end()


asyncio.run(main(Path(sys.argv[1]).read_bytes(), *sys.argv[2:]))
