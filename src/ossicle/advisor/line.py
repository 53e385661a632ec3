"""One connection as a stranger makes it: every step timed, nothing believed, nothing unbounded.

    line = await Line.open(place, context)          # name, TCP and TLS
    line.spent.tls_ms, line.certificate.issuer
    answer = await line.ask("GET", "/v1/probe")

The event loop's own TLS can resume no session and says nothing about its steps, so TLS is done
here over two memory buffers (`ssl.SSLObject`). Whoever calls sets the limits of time: everything
here may be cancelled. Knows nothing of what is measured.
"""

import asyncio
import socket
import ssl as tls
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any, cast
from urllib.parse import urlsplit

import h11
import msgspec
from cryptography import x509
from cryptography.x509.oid import NameOID

from ossicle.client.address import address
from ossicle.core.errors import BadMessage, ConnectionLost
from ossicle.core.probing import PATH

__all__ = ["Answer", "Certificate", "Line", "Place", "Spent", "read_place"]

_READ = 64 * 1024
_MOST_HEAD = 32 * 1024
_MOST_BODY = 64 * 1024
"""Of an answer that is read whole."""


class Place(msgspec.Struct, frozen=True):
    """Where to."""

    host: str
    port: int
    secure: bool = False
    path: str = ""
    """What stands before `/v1/probe`, for a gateway below a path."""

    @property
    def authority(self) -> str:
        """As the `host` header has it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.secure else 80) else f"{host}:{self.port}"


class Spent(msgspec.Struct):
    """Milliseconds of each step; None = not come to, or not needed."""

    name_ms: float | None = None
    tcp_ms: float | None = None
    tls_ms: float | None = None

    @property
    def all_ms(self) -> float:
        """Together."""
        return sum(each or 0.0 for each in (self.name_ms, self.tcp_ms, self.tls_ms))


class Certificate(msgspec.Struct, frozen=True):
    """Whom the other end claims to be."""

    subject: str
    issuer: str
    """Another one than your own authority: somebody on the way opens TLS."""
    ends: str
    """ISO 8601, UTC."""
    days_left: float
    names: tuple[str, ...]
    version: str
    """Of TLS."""
    cipher: str


class Answer(msgspec.Struct, frozen=True):
    """An HTTP answer, read whole."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str:
        """The first of that name; "" = there is none."""
        return next((value for key, value in self.headers if key == name), "")


class Line:
    """A connection over TCP, with or without TLS."""

    def __init__(
        self, place: Place, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.place = place
        self.spent = Spent()
        self._reader, self._writer = reader, writer
        self._tls: tls.SSLObject | None = None
        self._in, self._out = tls.MemoryBIO(), tls.MemoryBIO()
        self._heard = False
        """Something came since the last request."""
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MOST_HEAD)

    @classmethod
    async def open(
        cls,
        place: Place,
        context: tls.SSLContext | None = None,
        session: tls.SSLSession | None = None,
        spent: Spent | None = None,
    ) -> "Line":
        """Connect.

        Args:
            context: for TLS; None = the place is plain.
            session: to resume.
            spent: filled step by step, so that the steps before a failure are known.

        Raises:
            ConnectionLost: no such name, nobody there, or gone; caused by an `ssl.SSLError` where
                TLS does not come about.
        """
        spent = spent if spent is not None else Spent()
        loop = asyncio.get_running_loop()
        began = time.perf_counter()
        try:
            found = await loop.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise ConnectionLost(f"the name {place.host} leads to no address") from error
        spent.name_ms = _ms(began)
        reader, writer = await _first(found, place, spent)
        line = cls(place, reader, writer)
        line.spent = spent
        if context is not None:
            try:
                began = time.perf_counter()
                await line._greet(context, session)
                spent.tls_ms = _ms(began)
            except tls.SSLError as error:
                line.abort()
                reason = (error.reason or "no reason given").replace("_", " ").lower()
                raise ConnectionLost(f"TLS does not come about: {reason}") from error
            except BaseException:
                line.abort()
                raise
        return line

    def abort(self) -> None:
        """Drop it."""
        self._writer.transport.abort()

    async def __aenter__(self) -> "Line":
        return self

    async def __aexit__(self, *_: object) -> None:
        self.abort()

    # ── TLS ──

    async def _greet(self, context: tls.SSLContext, session: tls.SSLSession | None) -> None:
        self._tls = context.wrap_bio(
            self._in, self._out, server_hostname=self.place.host, session=session
        )
        while True:
            try:
                self._tls.do_handshake()
                await self._flush()
                return
            except tls.SSLWantReadError:
                await self._flush()
                if not await self._more():
                    raise ConnectionLost("it hung up within the TLS handshake") from None
            except tls.SSLError:
                await self._flush()  # the alert that says why
                raise

    async def _more(self) -> bool:
        data = await self._read_raw()
        if data:
            self._in.write(data)
        return bool(data)

    async def _flush(self) -> None:
        data = self._out.read()
        if data:
            self._writer.write(data)
            await self._drain()

    @property
    def session(self) -> tls.SSLSession | None:
        """To resume later. TLS 1.3 brings it with the first answer (RFC 8446 section 4.6.1)."""
        return self._tls.session if self._tls is not None else None

    @property
    def resumed(self) -> bool:
        """The other end took the session."""
        return bool(self._tls is not None and self._tls.session_reused)

    @property
    def alpn(self) -> str:
        """What was agreed on; "" = nothing."""
        return (self._tls.selected_alpn_protocol() or "") if self._tls is not None else ""

    @property
    def certificate(self) -> Certificate | None:
        """Of the other end; None = no TLS, or none that can be read."""
        raw = self._tls.getpeercert(binary_form=True) if self._tls is not None else None
        if self._tls is None or not raw:
            return None
        try:
            found = x509.load_der_x509_certificate(raw)
        except ValueError:
            return None
        try:
            names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            known = tuple(str(each.value)[:100] for each in names)[:20]
        except (x509.ExtensionNotFound, ValueError):
            known = ()
        ends = found.not_valid_after_utc
        return Certificate(
            _called(found.subject),
            _called(found.issuer),
            ends.isoformat(),
            round((ends - datetime.now(UTC)).total_seconds() / 86_400, 1),
            known,
            self._tls.version() or "",
            (self._tls.cipher() or ("",))[0],
        )

    # ── bytes ──

    async def read(self) -> bytes:
        """What comes next; empty = the other end has hung up.

        Raises:
            ConnectionLost: it broke.
        """
        if self._tls is None:
            return await self._read_raw()
        while True:
            try:
                return self._tls.read(_READ)
            except tls.SSLWantReadError:
                await self._flush()
                if not await self._more():
                    return b""
            except tls.SSLZeroReturnError:
                return b""
            except tls.SSLError as error:
                raise ConnectionLost(f"TLS broke: {error.reason or 'no reason given'}") from error

    async def write(self, data: bytes) -> None:
        """Send; returns when there is room for more.

        Raises:
            ConnectionLost: it broke.
        """
        if self._tls is None:
            self._writer.write(data)
            await self._drain()
            return
        try:
            self._tls.write(data)
        except tls.SSLError as error:
            raise ConnectionLost(f"TLS broke: {error.reason or 'no reason given'}") from error
        await self._flush()

    async def _read_raw(self) -> bytes:
        try:
            return await self._reader.read(_READ)
        except OSError as error:
            raise ConnectionLost(f"the connection broke: {_said(error)}") from error

    async def _drain(self) -> None:
        try:
            await self._writer.drain()
        except OSError as error:
            raise ConnectionLost(f"the connection broke: {_said(error)}") from error

    # ── HTTP/1.1 ──

    async def send(self, event: Any) -> None:
        """An event of h11."""
        data = cast("bytes | None", self._http.send(event))  # h11 has no type for this call
        if data:
            await self.write(data)

    async def begin(
        self, method: str, target: str, headers: tuple[tuple[str, str], ...] = ()
    ) -> None:
        """A request head."""
        self._heard = False
        fields = [("host", self.place.authority), ("user-agent", "ossicle-probe"), *headers]
        await self.send(h11.Request(method=method, target=self.place.path + target, headers=fields))

    async def next(self) -> Any:
        """The next event of the answer.

        Raises:
            BadMessage: it is not HTTP.
            ConnectionLost: it broke.
        """
        while True:
            try:
                event = self._http.next_event()
                if event is h11.NEED_DATA:
                    data = await self.read()
                    if not data and not self._heard:
                        raise ConnectionLost("it hung up without an answer")
                    self._heard = True
                    self._http.receive_data(data)
                    continue
            except h11.RemoteProtocolError as error:
                # h11 quotes nothing that was sent, only what it expected
                raise BadMessage(f"the answer is not HTTP/1.1: {str(error)[:120]}") from error
            if isinstance(event, h11.InformationalResponse) and event.status_code != 101:
                continue
            return event

    async def head(self) -> Any:
        """The head of the answer: an h11 response.

        Raises:
            BadMessage: it is not HTTP.
            ConnectionLost: it hung up.
        """
        event = await self.next()
        if isinstance(event, h11.ConnectionClosed):
            raise ConnectionLost("it hung up without an answer")
        if not isinstance(event, h11.Response | h11.InformationalResponse):
            raise BadMessage("the answer has no head")
        return event

    async def body(self, most: int) -> AsyncIterator[bytes]:
        """The pieces of the answer's body, as they come.

        Raises:
            BadMessage: it is not what its head announced, or longer than `most`.
        """
        got = 0
        while True:
            event = await self.next()
            if not isinstance(event, h11.Data):
                return
            got += len(event.data)
            if got > most:
                raise BadMessage(f"it answered with more than {most} bytes")
            yield bytes(event.data)

    async def ask(
        self, method: str, target: str, headers: tuple[tuple[str, str], ...] = ()
    ) -> Answer:
        """A request without a body and its whole answer. May be called again: connections are
        kept where the other end keeps them."""
        if self._http.our_state is h11.DONE:
            try:
                self._http.start_next_cycle()
            except h11.LocalProtocolError as error:
                raise ConnectionLost("it keeps no connection open") from error
        if self._http.our_state is not h11.IDLE:
            raise ConnectionLost("it keeps no connection open")
        await self.begin(method, target, headers)
        await self.send(h11.EndOfMessage())
        head = await self.head()
        body = b"".join([piece async for piece in self.body(_MOST_BODY)])
        return Answer(head.status_code, _headers(head), body)

    async def send_whole(
        self, method: str, target: str, headers: tuple[tuple[str, str], ...], data: bytes
    ) -> Answer:
        """A request with a body, on a connection of its own, and its whole answer."""
        await self.begin(method, target, (*headers, ("content-length", str(len(data)))))
        await self.send(h11.Data(data=data))
        await self.send(h11.EndOfMessage())
        head = await self.head()
        body = b"".join([piece async for piece in self.body(_MOST_BODY)])
        return Answer(head.status_code, _headers(head), body)

    async def upgrade(self, target: str, headers: tuple[tuple[str, str], ...]) -> Answer:
        """Ask for an upgrade; the answer of whoever does not want it is read whole."""
        await self.begin("GET", target, headers)
        await self.send(h11.EndOfMessage())
        head = await self.head()
        if isinstance(head, h11.InformationalResponse):
            return Answer(head.status_code, _headers(head), b"")
        body = b"".join([piece async for piece in self.body(_MOST_BODY)])
        return Answer(head.status_code, _headers(head), body)


async def _first(
    found: list[Any], place: Place, spent: Spent
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """The first address that answers, with its own time."""
    failed: OSError | None = None
    for family, _, _, _, where in found[:4]:
        began = time.perf_counter()
        try:
            pair = await asyncio.open_connection(where[0], where[1], family=family)
        except OSError as error:
            failed = error
            continue
        spent.tcp_ms = _ms(began)
        return pair
    name = f"{place.host}:{place.port}"
    if isinstance(failed, ConnectionRefusedError):
        raise ConnectionLost(f"nothing listens at {name}") from failed
    raise ConnectionLost(
        f"no connection to {name}: {_said(failed) if failed else 'no address'}"
    ) from failed


def read_place(url: str) -> Place:
    """From a URL of a gateway, with or without a path of ours behind it.

    Raises:
        Refused: it is none.
    """
    parts = urlsplit(address(url, "http"))
    path = parts.path.rstrip("/")
    for ours in (PATH, "/v1/stream"):
        path = path.removesuffix(ours)
    secure = parts.scheme == "https"
    return Place(parts.hostname or "", parts.port or (443 if secure else 80), secure, path)


def _headers(head: Any) -> tuple[tuple[str, str], ...]:
    return tuple((n.decode("latin-1"), v.decode("latin-1")) for n, v in head.headers)


def _called(name: x509.Name) -> str:
    for kind in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME):
        found = name.get_attributes_for_oid(kind)
        if found:
            return str(found[0].value)[:100]
    return name.rfc4514_string()[:100]


def _said(error: OSError) -> str:
    return error.strerror or type(error).__name__


def _ms(began: float) -> float:
    return (time.perf_counter() - began) * 1000
