"""HTTP/2 for an ASGI application, on a connection that uvicorn's port has taken.

    config = uvicorn.Config(app, http=http_protocol(settings, http2_protocol(more)))

Every request is one ASGI call of its own (`stream.py`), so whatever answers over HTTP/1.1 answers
here; a WebSocket does not come this way, since SETTINGS_ENABLE_CONNECT_PROTOCOL is not offered,
and browsers open a connection of their own for it.

The protocol itself is h2's; what it leaves to its user is here and in `watch.py`: windows that are
given back when the application reads, limits for floods, time-outs, and a stop that lets streams
finish.
"""

import asyncio
import contextlib
import logging
import socket
from collections import deque
from typing import Any, ClassVar, cast
from urllib.parse import unquote

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    RequestReceived,
    StreamEnded,
    StreamReset,
    WindowUpdated,
)
from h2.exceptions import H2Error
from h2.settings import SettingCodes, Settings

from .budget import Budget
from .settings import Http2Settings
from .stream import Http2Stream
from .watch import PREFACE, FrameWatch

__all__ = ["PREFACE", "Http2Protocol", "http2_protocol"]

log = logging.getLogger("ossicle.transports.http2")

TRANSPORT = "ossicle.transport"
"""The ASGI extension by which a request's transport is lent, as over HTTP/1.1."""
_FIRST_WINDOW = 65_535
"""Of a connection, before it is opened further: RFC 9113 6.9.2."""
_MOST_WINDOW = 2**31 - 1
_RECEIVE_BUFFER, _SEND_BUFFER = 128 * 1024, 64 * 1024
"""SO_RCVBUF: the windows are the bound, this is what is under way. SO_SNDBUF: what gets stale in
the kernel when a client does not read."""


class Http2Protocol(asyncio.Protocol):
    """One connection. See `http2_protocol`."""

    settings: ClassVar[Http2Settings] = Http2Settings()

    def __init__(
        self,
        config: Any,
        server_state: Any,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self._app: Any = config.loaded_app
        self._state = server_state
        self._app_state = app_state
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self.proxied: tuple[str, int] | None = None
        """Who the connection is from, by a PROXY header that was read before; None = its peer."""
        self._watch = FrameWatch()
        self._preface = PREFACE
        """What is still to come of it."""
        self._streams: dict[int, Http2Stream] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._credit = 0
        """Bytes by which the connection's window is to be opened again."""
        self._full = False
        """The socket takes no more at the moment."""
        self._stopping = self._over = False
        self._resets = Budget(self.settings.resets, 10.0)
        self._idle_frames = Budget(self.settings.idle_frames, 100.0)
        self._seen = (0, 0)
        self._heard_at = self._idle_since = self._opened_at = self._loop.time()
        self._pinged_at = 0.0
        self._asked = False
        """A request came."""
        self._head_since: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        limits = self.settings
        self._h2 = H2Connection(H2Configuration(client_side=False, header_encoding=None))
        self._h2.local_settings = Settings(
            client=False,
            initial_values={
                SettingCodes.MAX_CONCURRENT_STREAMS: limits.max_streams,
                SettingCodes.INITIAL_WINDOW_SIZE: limits.window,
                SettingCodes.MAX_HEADER_LIST_SIZE: limits.max_head,
                SettingCodes.ENABLE_PUSH: 0,
            },
        )
        self._h2.decoder.max_header_list_size = limits.max_head

    @property
    def cycle(self) -> object | None:
        """As uvicorn's protocols have it: something once a request came."""
        return self if self._asked else None

    # ── called by the event loop ──

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The first word is ours as well."""
        self._transport = wire = cast("asyncio.Transport", transport)
        self._state.connections.add(self)
        sock: Any = wire.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        self._h2.initiate_connection()
        # One window for each stream: whoever does not read holds up nobody but itself.
        window = min(self.settings.max_streams * self.settings.window, _MOST_WINDOW)
        if window > _FIRST_WINDOW:
            self._h2.increment_flow_control_window(window - _FIRST_WINDOW)
        self._flush()
        self._timer = self._loop.call_later(1.0, self._tick)

    def data_received(self, data: bytes) -> None:
        """Frames, cut anywhere."""
        if self._over:
            return
        self._heard_at = self._loop.time()
        if self._preface:
            size = min(len(self._preface), len(data))
            head, data = data[:size], data[size:]
            if head != self._preface[:size]:
                self._end(ErrorCodes.PROTOCOL_ERROR)
                return
            self._preface = self._preface[size:]
            self._h2.receive_data(head)
        watch = self._watch
        data = watch.feed(data)
        if not self._within_budget():
            return
        try:
            events = self._h2.receive_data(data) if data else []
            for event in events:
                self._event(event)
        except H2Error as error:
            log.info("HTTP/2 connection ended: %s", type(error).__name__)
            self._over_now()
            return
        if self._credit >= self.settings.window // 2:
            self._h2.increment_flow_control_window(self._credit)
            self._credit = 0
        self._flush()
        if watch.leaving and not self._streams:
            self._end(ErrorCodes.NO_ERROR)

    def eof_received(self) -> bool:
        """A peer that shut down its side has left."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Every request of it is over."""
        self._over = True
        if self._timer is not None:
            self._timer.cancel()
        self._state.connections.discard(self)
        streams, self._streams = self._streams, {}
        for stream in streams.values():
            stream.lose()

    def pause_writing(self) -> None:
        """What is sent waits in the streams."""
        self._full = True

    def resume_writing(self) -> None:
        """There is room again."""
        self._full = False
        self._pump_all()
        self._flush()

    def shutdown(self) -> None:
        """uvicorn stops: no new requests, those that are open may finish. GOAWAY waits for the last
        of them, because clients made with h2 take it for the end of the connection."""
        self._stopping = True
        if not self._streams:
            self._end(ErrorCodes.NO_ERROR)

    # ── what came ──

    def _within_budget(self) -> bool:
        """Whether the peer keeps within what one may ask for in good faith."""
        resets, empty = self._watch.resets, self._watch.empty
        before, self._seen = self._seen, (resets, empty)
        fine = True
        if resets > before[0]:
            fine = self._resets.spend(resets - before[0], self._heard_at)
        if empty > before[1]:
            fine = self._idle_frames.spend(empty - before[1], self._heard_at) and fine
        if not fine:
            log.warning("HTTP/2 connection ended: a flood of frames that ask and bring nothing")
            self._end(ErrorCodes.ENHANCE_YOUR_CALM)
        return fine

    def _event(self, event: Event) -> None:
        match event:
            case DataReceived():
                self._data(event)
            case RequestReceived():
                self._request(event)
            case WindowUpdated(stream_id=number):
                if number:
                    stream = self._streams.get(number)
                    if stream is not None:
                        self.pump(stream)
                else:
                    self._pump_all()
            case StreamEnded(stream_id=number):
                stream = self._streams.get(number)
                if stream is not None:
                    stream.finish()
                    if stream.complete:
                        self._forget(number)
            case StreamReset(stream_id=number):
                stream = self._forget(number)
                if stream is not None:
                    stream.lose()
            case ConnectionTerminated():
                self._over_now()
            case _:
                pass

    def _data(self, event: DataReceived) -> None:
        number, size = event.stream_id, event.flow_controlled_length or 0
        self._credit += size
        if size:
            self._idle_frames.earn(2)
        stream = self._streams.get(number)
        if stream is None:
            return
        if stream.complete:  # RFC 9113 8.1: the answer did not need the rest
            self._forget(number)
            self.reset(number, ErrorCodes.NO_ERROR)
            return
        data = event.data or b""
        stream.owed += size - len(data)  # padding
        stream.data(data)

    def _request(self, event: RequestReceived) -> None:
        number = event.stream_id
        pseudo: dict[bytes, bytes] = {}
        headers: list[tuple[bytes, bytes]] = []
        cookies: list[bytes] = []
        for name, value in cast("list[tuple[bytes, bytes]]", event.headers):
            if name.startswith(b":"):
                pseudo[name] = value
            elif name == b"cookie":
                cookies.append(value)
            else:
                headers.append((name, value))
        if cookies:  # RFC 9113 8.2.3
            headers.append((b"cookie", b"; ".join(cookies)))
        target = pseudo.get(b":path", b"")
        refused = self._stopping or len(self._tasks) >= 2 * self.settings.max_streams
        if refused or not target.startswith(b"/"):
            code = ErrorCodes.REFUSED_STREAM if refused else ErrorCodes.PROTOCOL_ERROR
            self.reset(number, code)
            return
        if (authority := pseudo.get(b":authority")) and all(n != b"host" for n, _ in headers):
            headers.insert(0, (b"host", authority))
        self._asked = True
        method = pseudo[b":method"].decode("latin-1")
        stream = self._streams[number] = Http2Stream(number, self, head=method == "HEAD")
        task = self._loop.create_task(
            stream.run(self._app, self._scope(method, target, headers, stream)),
            name=f"http2 {number}",
        )
        for tasks in (self._tasks, self._state.tasks):
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    def _scope(
        self, method: str, target: bytes, headers: list[tuple[bytes, bytes]], stream: Http2Stream
    ) -> dict[str, Any]:
        wire = self._transport
        assert wire is not None
        path, _, query = target.partition(b"#")[0].partition(b"?")
        secure = wire.get_extra_info("sslcontext") is not None
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "2",
            "server": _address(wire, "sockname"),
            "client": self.proxied or _address(wire, "peername"),
            "scheme": "https" if secure else "http",
            "method": method,
            "root_path": "",
            "path": unquote(path.decode("latin-1"), errors="replace"),
            "raw_path": path,
            "query_string": query,
            "headers": headers,
            "state": self._app_state.copy(),
            "extensions": {TRANSPORT: stream},
        }

    # ── what goes out: see `stream.Connection` ──

    def respond(self, number: int, headers: list[tuple[bytes, bytes]], *, over: bool) -> None:
        """The head of a response."""
        if not self._over:
            with contextlib.suppress(H2Error):  # reset a moment ago: its stream hears of it
                # the server's own, `date` among them (RFC 9110 6.6.1)
                headers = [*headers, *self._state.default_headers]
                self._h2.send_headers(number, headers, end_stream=over)
            self._flush()

    def pump(self, stream: Http2Stream) -> None:
        """As much of a response as there is room for."""
        if self._over or stream.gone or stream.complete:
            return
        try:
            self._pump(stream)
        except H2Error:
            self._forget(stream.number)
            stream.lose()
        self._flush()

    def _pump(self, stream: Http2Stream) -> None:
        number, out = stream.number, stream.out
        while out and not self._full:
            room = min(self._h2.local_flow_control_window(number), self._h2.max_outbound_frame_size)
            if room <= 0:
                return
            piece = out.popleft()
            if len(piece) > room:
                out.appendleft(piece[room:])
                piece = piece[:room]
            stream.out_bytes -= len(piece)
            self._h2.send_data(number, piece)
            self._idle_frames.earn(2)
            self._flush()
        if out:
            return
        stream.roomy()
        if stream.ended and not stream.complete:
            self._h2.end_stream(number)
            stream.done()

    def _pump_all(self) -> None:
        # The one that was served first goes to the end, so that none starves.
        waiting = deque(stream for stream in self._streams.values() if stream.out)
        for stream in waiting:
            self.pump(stream)
        if waiting and waiting[0].number in self._streams:
            self._streams[waiting[0].number] = self._streams.pop(waiting[0].number)

    def taken(self, stream: Http2Stream, count: int) -> None:
        """The application has these bytes: its peer may send as many again."""
        stream.owed += count
        if self._over or stream.finished or stream.owed < self.settings.window // 2:
            return
        with contextlib.suppress(H2Error, KeyError):  # it ended meanwhile: nothing to open
            self._h2.increment_flow_control_window(stream.owed, stream.number)
        stream.owed = 0
        self._flush()

    def reset(self, number: int, code: int) -> None:
        """End a stream in the middle."""
        self._forget(number)
        if not self._over:
            with contextlib.suppress(H2Error, KeyError):  # it is closed already
                self._h2.reset_stream(number, code)
            self._flush()

    def answered(self, stream: Http2Stream) -> None:
        """A response is complete. Its request may not be."""
        self._state.total_requests += 1
        if stream.finished:
            self._forget(stream.number)
        else:
            self._loop.call_later(self.settings.linger_s, self._linger, stream)

    def _linger(self, stream: Http2Stream) -> None:
        if self._streams.get(stream.number) is stream:
            self.reset(stream.number, ErrorCodes.NO_ERROR)

    def _forget(self, number: int) -> Http2Stream | None:
        stream = self._streams.pop(number, None)
        if not self._streams:
            self._idle_since = self._loop.time()
            if self._stopping or self._watch.leaving:
                self._loop.call_soon(self._leave)
        return stream

    def _leave(self) -> None:
        if not self._streams:
            self._end(ErrorCodes.NO_ERROR)

    def _flush(self) -> None:
        data = self._h2.data_to_send()
        if data and self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    # ── time, and the end ──

    def _tick(self) -> None:
        """Once a second: who is late, who is gone."""
        now, limits = self._loop.time(), self.settings
        self._timer = self._loop.call_later(1.0, self._tick)
        self._head_since = (self._head_since or now) if self._watch.heads_open else None
        if not self._asked and now - self._opened_at > limits.head_timeout:
            self._end(ErrorCodes.NO_ERROR)
        elif self._head_since is not None and now - self._head_since > limits.head_timeout:
            self._end(ErrorCodes.ENHANCE_YOUR_CALM)
        elif not self._streams:
            if self._asked and now - self._idle_since > limits.idle_s:
                self._end(ErrorCodes.NO_ERROR)
        elif self._pinged_at > self._heard_at:
            if now - self._pinged_at > limits.keepalive_s:
                log.info("HTTP/2 peer answered no ping for %g s, dropped", limits.keepalive_s)
                self._over_now(rude=True)
        elif now - self._heard_at > limits.keepalive_s:
            self._pinged_at = now
            self._h2.ping(b"ossicle?")
            self._flush()

    def _end(self, code: int) -> None:
        """Say goodbye and close."""
        if self._over:
            return
        with contextlib.suppress(H2Error):
            self._h2.close_connection(code)
        self._over_now()

    def _over_now(self, *, rude: bool = False) -> None:
        """Close; h2 has already said why."""
        if self._over:
            return
        self._flush()
        self._over = True
        wire = self._transport
        streams, self._streams = self._streams, {}
        for stream in streams.values():
            stream.lose()
        if wire is None:
            return
        if rude:
            wire.abort()
        else:
            wire.close()
            # A peer that does not take even this must not keep the socket.
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._loop.call_later(self.settings.linger_s, wire.abort)


def _address(wire: asyncio.Transport, end: str) -> tuple[str, int] | None:
    found: Any = wire.get_extra_info(end)  # (host, port, …); a Unix socket has a path
    return None if found is None or isinstance(found, str) else (str(found[0]), int(found[1]))


def http2_protocol(settings: Http2Settings | None = None) -> type[Http2Protocol]:
    """What to hand to `http_protocol`."""
    return type("Http2", (Http2Protocol,), {"settings": settings or Http2Settings()})
