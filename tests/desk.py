"""A server of nobody's that takes what is posted to it."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

__all__ = ["Desk", "Posted"]


class Posted(NamedTuple):
    """One request."""

    line: str
    headers: dict[str, str]
    body: bytes


class Desk:
    """Answers 200 to everything and keeps it."""

    def __init__(self) -> None:
        self.posts: list[Posted] = []
        self.port = 0

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls) -> AsyncIterator["Desk"]:
        """On a free port of loopback."""
        desk = cls()
        server = await asyncio.start_server(desk._serve, "127.0.0.1", 0)
        desk.port = server.sockets[0].getsockname()[1]
        try:
            yield desk
        finally:
            server.close()

    @property
    def bodies(self) -> list[dict[str, Any]]:
        """What came, as JSON."""
        return [json.loads(post.body) for post in self.posts]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                pairs = (line.partition(": ") for line in head[1:] if line)
                headers = {name.lower(): value for name, _, value in pairs}
                body = await reader.readexactly(int(headers["content-length"]))
                self.posts.append(Posted(head[0], headers, body))
                writer.write(b"HTTP/1.1 200 ok\r\ncontent-length: 0\r\n\r\n")
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # whoever posted is done
        finally:
            writer.close()
