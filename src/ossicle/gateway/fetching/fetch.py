"""One recording, read from where a client says it lies: a GET, followed, bounded, piece by piece.

    fetch = Fetch(reach, reach.target("https://media.example.org/call.wav"))
    await fetch.open()
    while piece := await fetch.piece():
        ...

What is not asked for is not read: who asks for no piece stops the sender, by TCP. Every redirect is
a URL like the first one, and may lead only where `Reach` lets it. Knows no session and no audio.
"""

import asyncio
import contextlib
from http import HTTPStatus
from urllib.parse import urljoin

import h11

from ossicle.core.errors import ConnectionLost, OssicleError, Refused, TimedOut

from ..configuration.settings import FetchSettings
from .reach import Reach, Streams, Target

__all__ = ["Fetch", "unreadable"]

_PIECE = 16 * 1024
"""Bytes read at once: half a second of CD sound, so that a session may say stop in time."""
_RECEIVE_BUFFER = 128 * 1024
"""SO_RCVBUF: what a sender can push while nobody reads."""
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_PAGES = frozenset(
    {"text/html", "application/xhtml+xml", "application/json", "application/xml", "text/xml"}
)
"""What a server calls a page, or an error in words. Anything else is judged by its bytes: many
servers call a recording text/plain, or nothing at all."""


def unreadable(text: str, *, again: bool = False) -> OssicleError:
    """There is no recording at that URL. `again`: there may be one later."""
    error = Refused(text, code="remote_content")
    error.retryable = again
    return error


class Fetch:
    """One GET. `close` it, whatever happened."""

    def __init__(self, reach: Reach, target: Target, settings: FetchSettings | None = None) -> None:
        """
        Args:
            reach: where may be read from.
            target: where to begin.
            settings: limits.
        """
        self._reach = reach
        self._target = target
        self._settings = settings or FetchSettings()
        self._http = h11.Connection(h11.CLIENT)
        self._streams: Streams | None = None
        self._length: int | None = None
        self._waited = 0.0
        self.taken = 0
        """Bytes of the recording so far."""

    @property
    def host(self) -> str:
        """Who is read from. The rest of a URL may hold a secret, and is never told."""
        return self._target.host

    async def open(self) -> None:
        """To the head of the answer that holds the recording.

        Raises:
            Refused: a redirect leads where nobody may call, or there is no recording
                (`remote_content`), or it is larger than is taken.
        """
        hops = 0
        while True:
            head = await self._ask()
            if head.status_code not in _REDIRECTS:
                break
            hops += 1
            if hops > self._settings.redirects:
                raise unreadable(f"more than {self._settings.redirects} redirects")
            self._target = self._next(head)
            self.close()
        self._judge(head)

    async def piece(self) -> bytes:
        """The next bytes; none = that was all.

        Raises:
            Refused: it broke off, stalls, or is larger than is taken.
        """
        while True:
            match await self._event():
                case h11.Data(data=data):
                    data = bytes(data)
                    self.taken += len(data)
                    if self.taken > self._settings.most_bytes:
                        raise self._too_large(f"more than {self._settings.most_bytes}")
                    if data:
                        return data
                case h11.EndOfMessage():
                    if not self.taken:
                        raise unreadable(f"what {self.host} sends is empty")
                    return b""
                case _:
                    continue

    def close(self) -> None:
        """Hang up."""
        streams, self._streams = self._streams, None
        if streams is not None:
            with contextlib.suppress(OSError):
                streams[1].transport.abort()

    # ── inside ──

    async def _ask(self) -> h11.Response:
        """One request, to the head of its answer."""
        target, settings = self._target, self._settings
        try:
            self._streams = await self._reach.dial(
                target, settings.connect_s, receive_buffer=_RECEIVE_BUFFER
            )
        except (ConnectionLost, TimedOut) as error:
            raise unreadable(f"{self.host} cannot be reached: {error}", again=True) from error
        self._http = h11.Connection(h11.CLIENT)
        request = h11.Request(
            method="GET",
            target=target.path,
            headers=[
                ("host", target.netloc),
                ("user-agent", "ossicle"),
                ("accept", "*/*"),
                ("accept-encoding", "identity"),
                ("connection", "close"),
            ],
        )
        self._streams[1].write(
            (self._http.send(request) or b"") + (self._http.send(h11.EndOfMessage()) or b"")
        )
        try:
            async with asyncio.timeout(settings.answer_s):
                while True:
                    event = await self._event()
                    if isinstance(event, h11.Response):
                        return event
        except TimeoutError as error:
            text = f"{self.host} did not answer within {settings.answer_s:g} s"
            raise unreadable(text, again=True) from error

    def _next(self, head: h11.Response) -> Target:
        """Where a redirect leads, if that may be called."""
        there = _header(head, b"location")
        if not there:
            raise unreadable(f"{self.host} redirects to nowhere")
        before = self._target
        scheme = "https" if before.secure else "http"
        try:
            url = urljoin(f"{scheme}://{before.netloc}{before.path}", there)
        except ValueError as error:
            raise unreadable(f"{self.host} redirects to what is no URL") from error
        after = self._reach.target(url)
        if before.secure and not after.secure:
            raise unreadable(f"{self.host} redirects from https to http")
        return after

    def _judge(self, head: h11.Response) -> None:
        """Whether this answer can be a recording."""
        status = head.status_code
        if status not in {200, 203}:
            name = f" {HTTPStatus(status).phrase}" if status in set(HTTPStatus) else ""
            again = status >= 500 or status in {408, 425, 429}
            raise unreadable(f"{self.host} answers {status}{name}", again=again)
        coding = _header(head, b"content-encoding").strip().lower()
        if coding not in {"", "identity"}:
            raise unreadable(f"{self.host} sends it with content-encoding {coding[:40]}")
        kind = _header(head, b"content-type").partition(";")[0].strip().lower()
        if kind in _PAGES:
            raise unreadable(f"{self.host} sends {kind}, which is no recording")
        length = _header(head, b"content-length")
        self._length = int(length) if length.isdecimal() else None
        if self._length is not None and self._length > self._settings.most_bytes:
            raise self._too_large(str(self._length))

    def _too_large(self, size: str) -> OssicleError:
        return Refused(
            f"the recording has {size} bytes; the limit is {self._settings.most_bytes} "
            "(fetch.most_bytes)",
            code="too_large",
        )

    async def _event(self) -> h11.Event | type[h11.PAUSED]:
        """What the server says next."""
        try:
            while (event := self._http.next_event()) is h11.NEED_DATA:
                self._http.receive_data(await self._read())
        except h11.RemoteProtocolError as error:
            raise self._broke() from error
        if isinstance(event, h11.ConnectionClosed):
            raise self._broke()
        return event  # pyright: ignore[reportReturnType]  NEED_DATA does not leave the loop

    async def _read(self) -> bytes:
        settings, streams = self._settings, self._streams
        assert streams is not None
        loop = asyncio.get_running_loop()
        began = loop.time()
        left = settings.most_s - self._waited
        try:
            async with asyncio.timeout(min(settings.stall_s, left)):
                data = await streams[0].read(_PIECE)
        except TimeoutError as error:
            if left <= settings.stall_s:
                text = f"reading from {self.host} takes longer than {settings.most_s:g} s"
            else:
                text = f"nothing came from {self.host} for {settings.stall_s:g} s"
            raise unreadable(text, again=True) from error
        except OSError as error:
            raise self._broke() from error
        self._waited += loop.time() - began
        return data

    def _broke(self) -> OssicleError:
        where = f"after {self.taken} bytes" if self.taken else "before it began"
        whole = f" of {self._length}" if self.taken and self._length else ""
        return unreadable(f"what {self.host} sends broke off {where}{whole}", again=True)


def _header(head: h11.Response, name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in head.headers if key == name), "")
