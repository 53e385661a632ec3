"""Twilio's part by hand, from its documentation: nothing of Ossicle's is used, so that a mistake
made on both of its ends is seen. It plays sound on a clock, returns marks when they are reached,
and at once after a clear, and keeps what it would complain of."""

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

CALL, STREAM = "CA" + "1" * 32, "MZ" + "2" * 32
MEMBERS = {
    "media": {"event", "streamSid", "media"},
    "mark": {"event", "streamSid", "mark"},
    "clear": {"event", "streamSid"},
}


class Caller:
    """One call."""

    def __init__(self, wire: Any, tracks: tuple[str, ...]) -> None:
        self.wire = wire
        self.tracks = tracks
        self.sequence = 0
        self.chunks = dict.fromkeys(tracks, 0)
        self.played = bytearray()
        self.order: list[str] = []
        """What came: media, mark NAME, clear."""
        self.returned: list[str] = []
        self.warnings: list[str] = []
        self.news = asyncio.Event()
        self._marks: list[tuple[float, str]] = []
        self._plays_until = 0.0

    @classmethod
    @contextlib.asynccontextmanager
    async def dial(
        cls,
        port: int,
        *,
        path: str = "/twilio/media",
        tracks: tuple[str, ...] = ("inbound",),
        headers: dict[str, str] | None = None,
        **parameters: str,
    ) -> "AsyncIterator[Caller]":
        async with connect(
            f"ws://localhost:{port}{path}", additional_headers=headers, compression=None, proxy=None
        ) as wire:
            caller = cls(wire, tracks)
            reading = asyncio.create_task(caller._read())
            try:
                await caller.begin(parameters)
                yield caller
            finally:
                reading.cancel()
                await asyncio.wait([reading])

    async def begin(self, parameters: dict[str, str]) -> None:
        await self.raw({"event": "connected", "protocol": "Call", "version": "1.0.0"})
        await self.say(
            "start",
            start={
                "accountSid": "AC" + "0" * 32,
                "callSid": CALL,
                "streamSid": STREAM,
                "tracks": list(self.tracks),
                "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
                "customParameters": parameters,
            },
        )

    async def raw(self, message: Any) -> None:
        await self.wire.send(json.dumps(message))

    async def say(self, event: str, **body: Any) -> None:
        self.sequence += 1
        await self.raw(
            {"event": event, "sequenceNumber": str(self.sequence), "streamSid": STREAM, **body}
        )

    async def talk(self, data: bytes, track: str = "inbound", *, twice: bool = False) -> None:
        """mu-law in pieces of 20 ms; the last one is filled up."""
        for at in range(0, len(data), 160):
            piece = data[at : at + 160].ljust(160, b"\xff")
            self.chunks[track] += 1
            media = {
                "track": track,
                "chunk": str(self.chunks[track]),
                "timestamp": str(20 * (self.chunks[track] - 1)),
                "payload": base64.b64encode(piece).decode(),
            }
            await self.say("media", media=media)
            if twice:
                self.sequence -= 1
                await self.say("media", media=media)

    async def stop(self) -> None:
        await self.say("stop", stop={"accountSid": "AC" + "0" * 32, "callSid": CALL})

    async def closed(self, seconds: float = 20.0) -> tuple[int | None, str | None]:
        async with asyncio.timeout(seconds):
            await self.wire.wait_closed()
        return self.wire.close_code, self.wire.close_reason

    async def until(self, true: Any, seconds: float = 10.0) -> None:
        async with asyncio.timeout(seconds):
            while not true():
                self.news.clear()
                await self.news.wait()

    async def _read(self) -> None:
        loop = asyncio.get_running_loop()
        returning: set[asyncio.TimerHandle] = set()
        with contextlib.suppress(ConnectionClosed):
            async for message in self.wire:
                self._told(message, loop, returning)
                while self.returned_due:
                    await self.say("mark", mark={"name": self.returned_due.pop(0)})
                self.news.set()

    returned_due: list[str]

    def _told(self, message: Any, loop: Any, timers: set[Any]) -> None:
        self.__dict__.setdefault("returned_due", [])
        if isinstance(message, bytes):
            self.warnings.append("31950")
            return
        said = json.loads(message)
        if set(said) != MEMBERS.get(said.get("event")) or said["streamSid"] != STREAM:
            self.warnings.append("31951")
            return
        now = loop.time()
        match said["event"]:
            case "media":
                data = base64.b64decode(said["media"]["payload"], validate=True)
                self.played += data
                self._plays_until = max(self._plays_until, now) + len(data) / 8000
                self.order.append("media")
            case "mark":
                name = said["mark"]["name"]
                self.order.append(f"mark {name}")
                self._marks.append((self._plays_until, name))
                loop.call_at(self._plays_until, self._reached, name)
            case _:
                self.order.append("clear")
                self._plays_until = now
                self.returned_due += [name for _, name in self._marks]
                self._marks.clear()

    def _reached(self, name: str) -> None:
        if any(name == each for _, each in self._marks):
            self._marks = [each for each in self._marks if each[1] != name]
            self.returned.append(name)
            self._sending = asyncio.ensure_future(self.say("mark", mark={"name": name}))
            self.news.set()
