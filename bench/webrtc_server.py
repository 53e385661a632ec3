"""A server of calls in a process of its own, so that its CPU can be read: ours or stock aiortc.

python -m bench.webrtc_server ours|stock recv|both      prints its port; answers offers, one a line
"""

import asyncio
import json
import sys
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import uvloop

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from aiortc.mediastreams import MediaStreamTrack

from ossicle.core.ports import Channel
from ossicle.core.wire import Media, Message
from pitch import pitches
from webrtc_peers import Ours, Stock, ours

VOICE = pitches([number % 40 for number in range(200)])
CHUNK = 3_200
"""100 ms, as a voice hands it over."""


class Voice(MediaStreamTrack):
    """The same sound for a stock sender: frames at 16 kHz, paced as aiortc's own examples do."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._begun, self._count = 0.0, 0

    async def recv(self) -> Any:
        self._begun = self._begun or time.monotonic()
        delay = self._begun + self._count * 0.02 - time.monotonic()
        if delay > 0:
            await asyncio.sleep(delay)
        at = self._count * 640 % (len(VOICE) - 640)
        frame = av.AudioFrame(format="s16", layout="mono", samples=320)
        frame.planes[0].update(VOICE[at : at + 640])
        frame.sample_rate, frame.pts, frame.time_base = (
            16_000,
            self._count * 320,
            Fraction(1, 16_000),
        )
        self._count += 1
        return frame


async def speak(channel: Channel) -> None:
    """Hand the voice over, ten times a second."""
    loop = asyncio.get_running_loop()
    begun, count = loop.time(), 0
    while True:
        at = count * CHUNK % (len(VOICE) - CHUNK)
        channel.send(Media(VOICE[at : at + CHUNK]))
        count += 1
        await asyncio.sleep(max(0.0, begun + count * 0.1 - loop.time()))


async def serve(kind: str, both: bool) -> None:
    async with ours() as server:
        stock = Stock()
        side: Ours | Stock = server if kind == "ours" else stock
        stock.voice = Voice if both else None
        speaking: list[asyncio.Task[None]] = []

        def reply(message: Message, channel: Channel) -> None:
            """Speak from the first sound on."""
            if both and channel not in begun:
                begun.append(channel)
                speaking.append(asyncio.create_task(speak(channel)))

        begun: list[Channel] = []
        server.reply = reply

        async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while line := await reader.readline():
                asked = json.loads(line)
                if "offer" in asked:
                    told: Any = {"answer": await side.answer(asked["offer"])}
                else:
                    told = [
                        {"first": h.pieces[0][0] if h.pieces else None,
                         "pieces": [(at, len(data)) for at, data in h.pieces]}
                        for h in side.all
                    ]  # fmt: skip
                writer.write(json.dumps(told).encode() + b"\n")
                await writer.drain()

        listening = await asyncio.start_server(client, "127.0.0.1", 0, limit=1 << 24)
        print(listening.sockets[0].getsockname()[1], flush=True)
        await listening.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1], sys.argv[2] == "both"))
