"""One WebSocket after its handshake: frames to messages and back, for both ends.

The server (`upgrade`) and the client (`client`) make it; it does not know which of them did,
except that a server hangs up first after the closing handshake (RFC 6455 7.1.1). It knows no
dialect: a receiver gets messages, in order, and `closed` once, last.

    channel = WebSocketChannel(settings, ends_tcp=True)
    channel.listen(receiver)
    channel.send(Text("hello"))          # queued until the handshake is over

picows parses and masks. What it leaves to its user is done here: reserved bits, fragments and
their bound, UTF-8, the close codes (RFC 6455 5.2, 5.4, 8.1, 7.4). A WebSocket has no half close,
so `Fin` is ignored, as are media, marks and signals. One signal has a meaning: after
`Signal("quiet_s", N)` this end sends no ping of its own for N seconds and does not mind silence,
so that somebody can measure how long a proxy lets it last.
"""

import asyncio
import codecs
import enum
import logging
import socket
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import msgspec
from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport

from ossicle.core.errors import (
    BadMessage,
    ConnectionLost,
    OssicleError,
    Overloaded,
    Refused,
    TimedOut,
)
from ossicle.core.ports import Receiver
from ossicle.core.wire import Accept, Binary, ChannelTraits, Close, Message, Ping, Signal, Text
from ossicle.transports.faults import report_fault

from .closing import close_code, reason_bytes, valid_received
from .keepalive import Pulse

__all__ = ["WebSocketChannel", "WebSocketSettings"]

log = logging.getLogger("ossicle.transports.websocket")

# Bound once: a picows enum attribute costs a dictionary look-up per frame otherwise.
CONTINUATION, TEXT, BINARY = WSMsgType.CONTINUATION, WSMsgType.TEXT, WSMsgType.BINARY
PING, PONG, CLOSE = WSMsgType.PING, WSMsgType.PONG, WSMsgType.CLOSE


class WebSocketSettings(msgspec.Struct, frozen=True):
    """Limits of every WebSocket, server and client. Seconds and bytes."""

    max_message: int = 1 << 20
    """Largest message taken, fragments together; beyond it: 1009."""
    handshake_timeout: float = 10.0
    """How long a handshake may be held before it is refused with 503."""
    max_held: int = 1000
    """Handshakes held at once; the next is refused with 503."""
    keepalive_s: float = 20.0
    """A ping after so much time, whatever else is sent: proxies cut idle tunnels at 60 s."""
    silence_s: float = 60.0
    """A peer that sent nothing at all for so long, pongs included, is gone."""
    slow_reader_s: float = 30.0
    """A peer whose send buffer stays above the low mark for so long is dropped."""
    close_timeout: float = 5.0
    """How long the peer may take to answer a Close and to let the connection go."""
    receive_buffer: int = 128 * 1024
    """SO_RCVBUF: what a client can push while reading is paused."""
    send_buffer: int = 64 * 1024
    """SO_SNDBUF: what gets stale in the kernel when a peer does not read."""
    write_high: int = 64 * 1024
    """`writable(False)` above this many bytes in user space..."""
    write_low: int = 16 * 1024
    """...and `writable(True)` below this."""
    max_backlog: int = 4 << 20
    """What may be queued for a peer by a receiver that goes on sending; then it is dropped."""
    read_buffer: int = 4096
    """picows' read buffer at the start: most of the memory of an idle connection."""

    def traits(self) -> ChannelTraits:
        """What these limits promise."""
        return ChannelTraits(max_message=self.max_message)


class Phase(enum.Enum):
    """Where a channel is in its life. It only moves down this list."""

    HELD = enum.auto()
    """The handshake is not over; what is sent is queued."""
    OPEN = enum.auto()
    CLOSING = enum.auto()
    """One Close went out or came in; nothing more is sent or told."""
    CLOSED = enum.auto()


HELD, OPEN, CLOSING, CLOSED = Phase.HELD, Phase.OPEN, Phase.CLOSING, Phase.CLOSED


class _Deaf:
    """Stands where the receiver was once a Close is on its way, so that the frame callback
    needs no check of its own."""

    def received(self, message: Message) -> None: ...
    def binary(self, data: bytes) -> None: ...
    def writable(self, yes: bool) -> None: ...
    def closed(self, error: OssicleError | None) -> None: ...


DEAF: Receiver = _Deaf()


class WebSocketChannel(WSListener):
    """The channel of one WebSocket. See `ossicle.core.ports.Channel`."""

    __slots__ = (
        "_decoder",
        "_ends_tcp",
        "_error",
        "_finished",
        "_fragments",
        "_greeting",
        "_heard",
        "_heard_at",
        "_loop",
        "_next_ping",
        "_on_gone",
        "_outbox",
        "_outbox_bytes",
        "_owner",
        "_paused",
        "_phase",
        "_pinged_at",
        "_pong",
        "_pulse",
        "_quiet_until",
        "_receiver",
        "_settings",
        "_stuck_since",
        "_text",
        "_timer",
        "_wire",
        "_ws",
        "on_first",
        "traits",
    )

    def __init__(
        self,
        settings: WebSocketSettings,
        traits: ChannelTraits,
        wire: asyncio.Transport,
        *,
        ends_tcp: bool,
    ) -> None:
        self.traits = traits
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self._wire = wire
        self._ends_tcp = ends_tcp
        self._phase = HELD
        self._ws: WSTransport | None = None
        self._owner: Receiver = DEAF
        self._receiver: Receiver = DEAF
        self._outbox: list[Message] | None = []
        self._outbox_bytes = 0
        self._paused = False
        self._stuck_since: float | None = None
        self._pong: bytes | None = None
        self._fragments: bytearray | None = None
        self._text = False
        self._decoder: codecs.IncrementalDecoder | None = None
        self._error: OssicleError | None = None
        self._finished = False
        self._greeting: Accept | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._pulse: Pulse | None = None
        self._heard = True
        self._heard_at = 0.0
        self._next_ping = 0.0
        self._quiet_until = 0.0
        self._pinged_at: float | None = None
        self._on_gone: Callable[[], None] | None = None
        self.on_first: Callable[[Message], None] | None = None
        """Called with the first message sent while the handshake is held."""

    # What a receiver may do ---------------------------------------------------------------

    def send(self, message: Message) -> None:
        """Hand a message over. Never blocks and never raises."""
        if self._phase is not OPEN:
            if self._phase is HELD:
                self._hold(message)
            return
        ws = self._ws
        if ws is None:
            return
        try:
            match message:
                case Text():
                    ws.send(TEXT, message.data)
                case Binary():
                    ws.send(BINARY, message.data)
                case Ping():
                    ws.send_ping(message.data[:125])
                case Close():
                    self._close(message.code, message.reason)
                case Signal("quiet_s"):
                    self._quiet_until = self._loop.time() + float(message.value)
                case _:
                    log.debug("%s has no form on a WebSocket, ignored", type(message).__name__)
        except Exception as fault:  # noqa: BLE001  send never raises: turns into closed(error)
            self._broke("send", fault)
            return
        if (
            self._stuck_since is not None
            and self._wire.get_write_buffer_size() > self._settings.max_backlog
        ):
            self._drop(self._overflow())

    @property
    def sound(self) -> Callable[[bytes], None]:
        """See `core.ports.SoundChannel`: picows' own, which is deaf once a Close was sent or the
        connection is gone."""
        ws = self._ws
        if ws is None or self._phase is not OPEN:
            return lambda data: self.send(Binary(data))
        return partial(ws.send, BINARY)

    def widen(self, max_message: int) -> WebSocketSettings:
        """Take messages as large as this, if that is more than the door takes by itself; the
        limits that hold for this channel now."""
        if max_message > self._settings.max_message:
            self._settings = msgspec.structs.replace(self._settings, max_message=max_message)
            self.traits = self._settings.traits()
        return self._settings

    def pause(self) -> None:
        """Stop reading. Frames of the last read (at most `receive_buffer` bytes) still come."""
        self._paused = True
        if self._phase is OPEN and not self._wire.is_closing():
            self._wire.pause_reading()

    def resume(self) -> None:
        """Read again."""
        self._paused = False
        if self._phase is OPEN and not self._wire.is_closing():
            self._wire.resume_reading()

    def abort(self) -> None:
        """Drop the connection; `closed` comes on the next turn of the loop."""
        if self._phase is not CLOSED:
            self._drop(ConnectionLost("aborted from this side"))

    # What its maker does ------------------------------------------------------------------

    def listen(self, receiver: Receiver) -> None:
        """Who is told."""
        self._owner = self._receiver = receiver

    def greet(self, accept: Accept) -> None:
        """What a client's receiver is told first."""
        self._greeting = accept

    def refused(self, message: Close) -> None:
        """The other side did not want it: told, and over."""
        self._tell(message)
        self._phase = CLOSING
        self.gone(None)

    def opening_over(self, on_gone: Callable[[], None]) -> None:
        """The handshake was answered; `on_gone` is called when the connection is gone."""
        self._on_gone = on_gone
        self.on_first = None

    def tune(self) -> None:
        """Small buffers: what stands in them can be neither taken back nor replaced."""
        settings, wire = self._settings, self._wire
        wire.set_write_buffer_limits(settings.write_high, settings.write_low)
        sock: Any = wire.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, settings.receive_buffer)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, settings.send_buffer)

    def gone(self, error: OssicleError | None) -> None:
        """The connection is gone, also when it never opened."""
        if self._phase is CLOSED:
            return
        self._phase = CLOSED
        self._receiver = DEAF
        self._outbox = self._fragments = None
        if self._timer is not None:
            self._timer.cancel()
        if self._pulse is not None:
            self._pulse.discard(self)
        if self._on_gone is not None:
            self._on_gone()
        owner, self._owner = self._owner, DEAF
        try:
            owner.closed(self._error or error)
        except Exception as fault:  # noqa: BLE001  told last: nobody is left to hand it to
            report_fault(log, "receiver.closed", fault)

    def shutdown(self) -> None:
        """uvicorn stops: the server goes away (RFC 6455 7.4.1)."""
        self.send(Close(1001, "server is shutting down"))

    # What picows calls ----------------------------------------------------------------------

    def on_ws_connected(self, transport: WSTransport) -> None:
        """The handshake is over."""
        self._ws = transport
        self._phase = OPEN
        now = self._loop.time()
        self._heard_at = now
        # The first one soon: it measures the round trip.
        self._next_ping = now + min(1.0, self._settings.keepalive_s)
        self._pulse = Pulse.of(self._loop)
        self._pulse.add(self)
        if self._paused:
            self._wire.pause_reading()
        outbox, self._outbox = self._outbox or [], None
        for message in outbox:
            if not isinstance(message, Accept):
                self.send(message)
        if self._greeting is not None:
            greeting, self._greeting = self._greeting, None
            self._tell(greeting)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """The hot path: one whole message goes to the receiver and nothing else is done. `binary`
        is looked up on the receiver each time, so that a leg can rebind it."""
        self._heard = True
        if frame.fin and self._fragments is None and not (frame.rsv1 or frame.rsv2 or frame.rsv3):
            kind = frame.msg_type
            if kind is BINARY:
                try:
                    # In two steps, as all calls through a slot on the hot path: CPython 3.11 looks
                    # a method up by its name each time where it finds no method but a slot.
                    binary = self._receiver.binary
                    binary(frame.get_payload_as_bytes())
                except Exception as fault:  # noqa: BLE001  turns into 1011 and closed(error)
                    self._broke("binary", fault)
                return
            if kind is TEXT and self._phase is OPEN:
                self._tell_text(frame.get_payload_as_bytes())
                return
        self._other(frame)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """The connection is gone."""
        self.gone(None if self._finished else ConnectionLost("the peer left without a Close"))

    def pause_writing(self) -> None:
        """The send buffer passed its high mark."""
        self._stuck_since = self._loop.time()
        self._tell_writable(False)

    def resume_writing(self) -> None:
        """The send buffer passed its low mark."""
        self._stuck_since = None
        if self._pong is not None and self._phase is OPEN and self._ws is not None:
            pong, self._pong = self._pong, None
            self._ws.send_pong(pong)
        self._tell_writable(True)

    def parser_failed(self, code: int, text: str) -> None:
        """picows found a frame that breaks the protocol; it sends the Close and hangs up."""
        if self._phase is OPEN:
            self._error = _violation(code, text, self._settings.max_message)
        # Nothing after a broken frame can be understood: what it announced is not read.
        if not self._wire.is_closing():
            self._wire.pause_reading()
        if self._ws is not None and not self._ends_tcp:
            _look_away(self._ws)
        self._start_closing()

    # Once a second -----------------------------------------------------------------------

    def beat(self, now: float) -> None:
        """Keep alive, and let go of who is not."""
        settings = self._settings
        quiet = now < self._quiet_until
        if self._heard or self._paused or quiet:  # while we do not read, silence proves nothing
            self._heard, self._heard_at = False, now
        if self._stuck_since is not None:
            if now - self._stuck_since > settings.slow_reader_s:
                text = f"the peer read nothing for {settings.slow_reader_s:g} s"
                self._let_go(Overloaded(text, code="slow_reader"))
        elif now - self._heard_at > settings.silence_s:
            self._drop(ConnectionLost(f"nothing came for {settings.silence_s:g} s, no pong either"))
        elif quiet:
            self._next_ping = self._quiet_until
        elif now >= self._next_ping and self._phase is OPEN and self._ws is not None:
            self._next_ping = now + settings.keepalive_s
            self._pinged_at = self._loop.time()
            self._ws.send_ping()

    # Out ------------------------------------------------------------------------------------

    def _hold(self, message: Message) -> None:
        outbox = self._outbox
        if outbox is None:
            return
        self._outbox_bytes += _size(message)
        if self._outbox_bytes > self._settings.max_backlog:
            self._drop(self._overflow())
            return
        if outbox and isinstance(outbox[0], Close):
            return
        outbox.append(message)
        if len(outbox) == 1 and self.on_first is not None:
            self.on_first(message)

    def _close(self, code: int | None, reason: str) -> None:
        if self._phase is not OPEN or self._ws is None:
            return
        # picows' stub wants its enum; the C side takes any 16-bit number.
        self._ws.send_close(cast("WSCloseCode", close_code(code)), reason_bytes(reason))
        self._start_closing()
        # The answer to our Close has to be read, whatever the receiver asked before.
        if self._paused and not self._wire.is_closing():
            self._paused = False
            self._wire.resume_reading()

    def _start_closing(self) -> None:
        self._receiver = DEAF
        if self._phase is OPEN:
            self._phase = CLOSING
            self._timer = self._loop.call_later(self._settings.close_timeout, self._overdue)

    def _overdue(self) -> None:
        if self._error is None and not self._finished:
            self._error = TimedOut(
                f"the peer did not finish closing within {self._settings.close_timeout:g} s"
            )
        self._wire.abort()

    def _drop(self, error: OssicleError) -> None:
        if self._error is None:
            self._error = error
        self._receiver = DEAF
        self._outbox = None
        if self._phase in (HELD, OPEN):
            self._phase = CLOSING
        self._wire.abort()

    def _let_go(self, error: OssicleError) -> None:
        """Told, behind what it has not read, in case that it reads again; by the next beat it has,
        or is dropped."""
        if self._phase is not OPEN:
            self._drop(error)
            return
        self._error = error
        self._close(429, str(error))

    def _overflow(self) -> Overloaded:
        return Overloaded(
            f"more than {self._settings.max_backlog} bytes are queued for a peer that does not "
            "read them",
            code="slow_reader",
        )

    # In -------------------------------------------------------------------------------------

    def _other(self, frame: WSFrame) -> None:
        kind = frame.msg_type
        if self._phase is CLOSING:
            if kind is CLOSE:
                self._answered()
            return
        if frame.rsv1 or frame.rsv2 or frame.rsv3:
            # RFC 6455 5.2: no extension was negotiated.
            self._fail(1002, "reserved bits are set, no extension was negotiated")
        elif kind is PONG:
            self._ponged()
        elif kind is PING:
            self._ping(frame.get_payload_as_bytes())
        elif kind is CLOSE:
            self._peer_closes(frame.get_payload_as_bytes())
        elif kind is TEXT or kind is BINARY:
            self._first(frame, text=kind is TEXT)
        elif kind is CONTINUATION:
            self._continue(frame)

    def _first(self, frame: WSFrame, *, text: bool) -> None:
        if self._fragments is not None:
            self._fail(1002, "a new message began inside a fragmented one")  # RFC 6455 5.4
        elif frame.fin:  # a whole text: whole binaries went the short way
            self._tell_text(frame.get_payload_as_bytes())
        else:
            self._fragments, self._text = bytearray(), text
            if text:
                self._decoder = codecs.getincrementaldecoder("utf-8")()
            self._add(frame)

    def _continue(self, frame: WSFrame) -> None:
        if self._fragments is None:
            self._fail(1002, "a continuation of nothing")  # RFC 6455 5.4
            return
        if not self._add(frame) or not frame.fin:
            return
        whole, self._fragments, self._decoder = bytes(self._fragments), None, None
        if self._text:
            self._tell_text(whole)
            return
        try:
            self._receiver.binary(whole)
        except Exception as fault:  # noqa: BLE001  turns into 1011 and closed(error)
            self._broke("binary", fault)

    def _add(self, frame: WSFrame) -> bool:
        fragments = self._fragments
        if fragments is None:
            return False
        piece = frame.get_payload_as_bytes()
        if len(fragments) + len(piece) > self._settings.max_message:
            self._fail(1009, f"message is larger than {self._settings.max_message} bytes")
            return False
        if self._decoder is not None:
            try:  # RFC 6455 8.1: fail as soon as it is known, not after the last fragment
                self._decoder.decode(piece)
            except UnicodeDecodeError:
                self._fail(1007, "a text message is not UTF-8")
                return False
        fragments += piece
        return True

    def _tell_text(self, data: bytes) -> None:
        try:
            text = data.decode()
        except UnicodeDecodeError:
            self._fail(1007, "a text message is not UTF-8")
            return
        self._tell(Text(text))

    def _ping(self, data: bytes) -> None:
        if self._stuck_since is not None:
            self._pong = data  # RFC 6455 5.5.3: the most recent ping is enough
        elif self._ws is not None:
            self._ws.send_pong(data)
        self._tell(Ping(data))

    def _ponged(self) -> None:
        """Our ping came back: the round trip goes to whoever keeps the ledger."""
        pinged, self._pinged_at = self._pinged_at, None
        if pinged is not None:
            self._tell(Signal("rtt_ms", f"{(self._loop.time() - pinged) * 1000:.3f}"))

    def _peer_closes(self, data: bytes) -> None:
        code = int.from_bytes(data[:2], "big") if data else None
        if code is not None and not valid_received(code):
            self._fail(1002, f"close code {code} must not be sent")
            return
        if self._ws is not None:
            # RFC 6455 5.5.1: answer with the code received; none is answered by 1000.
            self._ws.send_close(cast("WSCloseCode", code or 1000))
        # picows has already checked that the reason is UTF-8.
        message = Close(code, data[2:].decode(errors="replace"))
        self._tell(message)
        self._start_closing()
        self._answered()

    def _answered(self) -> None:
        """Both Closes are exchanged. RFC 6455 7.1.1: the server ends the TCP connection, the
        client waits for that until its timer says otherwise."""
        self._finished = True
        if self._ends_tcp:
            self._wire.close()

    def _fail(self, code: int, text: str) -> None:
        """The peer broke the protocol (RFC 6455 7.1.7)."""
        self._error = _violation(code, text, self._settings.max_message)
        self._fragments = self._decoder = None
        self._close(code, text)

    # Telling ----------------------------------------------------------------------------------

    def _tell(self, message: Message) -> None:
        try:
            self._receiver.received(message)
        except Exception as fault:  # noqa: BLE001  turns into 1011 and closed(error)
            self._broke("received", fault)

    def _tell_writable(self, yes: bool) -> None:
        try:
            self._receiver.writable(yes)
        except Exception as fault:  # noqa: BLE001  turns into 1011 and closed(error)
            self._broke("writable", fault)

    def _broke(self, where: str, fault: Exception) -> None:
        """The receiver raised: its session is over, the loop and everybody else go on."""
        report_fault(log, f"receiver.{where}", fault)
        if self._error is None:
            self._error = OssicleError.wrap(fault)
        self._close(1011, "internal error")


def _violation(code: int, text: str, limit: int) -> OssicleError:
    if code == WSCloseCode.MESSAGE_TOO_BIG:
        return Refused(f"a message was larger than {limit} bytes", code="too_large")
    return BadMessage(f"the peer broke RFC 6455: {text}")


def _look_away(ws: WSTransport) -> None:
    """A client's picows transport keeps the parser error in a future, and asyncio complains when
    nobody looks at it. Its coroutine, moved one step, hands out a future that can be looked at."""
    waiter = ws.wait_disconnected()
    outcome = cast("asyncio.Future[None]", waiter.send(None))
    outcome.add_done_callback(lambda done: done.cancelled() or done.exception())
    waiter.close()


def _size(message: Message) -> int:
    match message:
        case Text(data) | Binary(data):
            return len(data)
        case Accept() | Close():
            return sum(len(name) + len(value) for name, value in message.headers)
        case _:
            return 1
