"""QUIC at `/v1/probe`'s port: a real handshake, and what comes on a stream goes back.

    echoes = QuicEchoes(most=64)
    echoes.certificate                                     # PEM, for the offer
    echoes.received(data, sender, known=cookie_is_good)    # [(datagram, sender), ...] to send

Nobody is answered whose first packet bears no cookie for its address as its token, which
`gateway.datagrams` gave it over UDP: so a forged sender gets nothing at all, where QUIC itself
would allow three times what it sent (RFC 9000 section 8.1), and no Retry is needed, which would
cost the round trip that is to be measured. Tickets are given, so that a second handshake can bring
early data; each is good once. Pure but for the clock that is handed in; needs the `quic` extra.
"""

import datetime as dt
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, TypeAlias

from aioquic.buffer import Buffer  # pyright: ignore[reportPrivateImportUsage]  its own name for it
from aioquic.quic.configuration import SMALLEST_MAX_DATAGRAM_SIZE, QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.events import (
    ConnectionIdIssued,
    ConnectionTerminated,
    StreamDataReceived,
)
from aioquic.quic.packet import QuicPacketType, pull_quic_header
from aioquic.tls import SessionTicket
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ossicle.core.probing import MOST_STREAM, QUIC_ALPN, QUIC_NAME

__all__ = ["QuicEchoes"]

Sender: TypeAlias = tuple[Any, ...]
Post: TypeAlias = list[tuple[bytes, Sender]]

_IDLE_S = 5.0
_MOST_S = 30.0
"""Of one connection: a handshake and a few echoes."""
_MOST_TICKETS = 1_000
_CID = 8


class QuicEchoes:
    """Every connection of the port."""

    def __init__(self, most: int) -> None:
        """`most`: connections at once."""
        key = ec.generate_private_key(ec.SECP256R1())
        made = _certificate(key)
        self.certificate = made.public_bytes(serialization.Encoding.PEM).decode()
        self._most = most
        self._configuration = QuicConfiguration(
            is_client=False,
            alpn_protocols=[QUIC_ALPN],
            connection_id_length=_CID,
            idle_timeout=_IDLE_S,
            max_data=MOST_STREAM,
            max_stream_data=MOST_STREAM,
        )
        self._configuration.certificate = made
        self._configuration.private_key = key
        self._by_id: dict[bytes, _Echo] = {}
        self._echoes: set[_Echo] = set()
        self._tickets: OrderedDict[bytes, SessionTicket] = OrderedDict()
        self.echoed = 0
        """Bytes."""

    @property
    def connections(self) -> int:
        """At this moment."""
        return len(self._echoes)

    def due(self) -> float | None:
        """When `expire` wants to be called; None = never."""
        return min((each.due for each in self._echoes), default=None)

    def received(self, data: bytes, sender: Sender, now: float, known: Callable[[bytes], bool]
                 ) -> Post:  # fmt: skip
        """A datagram, and what to send.

        Args:
            data: it.
            sender: address and port.
            now: monotonic seconds.
            known: whether a cookie is good for that sender.
        """
        try:
            header = pull_quic_header(Buffer(data=data), host_cid_length=_CID)
        except ValueError:
            return []
        echo = self._by_id.get(header.destination_cid)
        if echo is None:
            begins = header.packet_type == QuicPacketType.INITIAL
            if not begins or len(data) < SMALLEST_MAX_DATAGRAM_SIZE:  # RFC 9000 section 14.1
                return []
            if len(self._echoes) >= self._most or not known(header.token):
                return []
            if header.version not in self._configuration.supported_versions:
                return []
            echo = _Echo(
                QuicConnection(
                    configuration=self._configuration,
                    original_destination_connection_id=header.destination_cid,
                    session_ticket_fetcher=self._ticket,
                    session_ticket_handler=self._keep,
                ),
                now + _MOST_S,
            )
            self._echoes.add(echo)
            for each in (header.destination_cid, echo.quic.host_cid):
                self._name(each, echo)
        echo.quic.receive_datagram(data, sender, now)
        return self._turn(echo, now)

    def expire(self, now: float) -> Post:
        """What is due."""
        post: Post = []
        for echo in tuple(self._echoes):
            if now >= echo.ends:
                echo.quic.close()
                post += self._turn(echo, now)
                self._forget(echo)
            elif now >= echo.due:
                echo.quic.handle_timer(now)
                post += self._turn(echo, now)
        return post

    def _turn(self, echo: "_Echo", now: float) -> Post:
        while (event := echo.quic.next_event()) is not None:
            match event:
                case StreamDataReceived(data=data, end_stream=end, stream_id=number):
                    echo.left -= len(data)
                    self.echoed += len(data)
                    if echo.left < 0:
                        echo.quic.close(error_code=1, reason_phrase="that is enough")
                    elif number % 4 == 0:  # both ways, begun by the client (RFC 9000 2.1)
                        echo.quic.send_stream_data(number, data, end)
                case ConnectionIdIssued(connection_id=name):
                    self._name(name, echo)
                case ConnectionTerminated():
                    self._forget(echo)
                case _:
                    pass
        return [(data, to) for data, to in echo.quic.datagrams_to_send(now)]

    def _name(self, name: bytes, echo: "_Echo") -> None:
        echo.names.add(name)
        self._by_id[name] = echo

    def _forget(self, echo: "_Echo") -> None:
        self._echoes.discard(echo)
        for each in echo.names:
            self._by_id.pop(each, None)

    def _keep(self, ticket: SessionTicket) -> None:
        self._tickets[ticket.ticket] = ticket
        while len(self._tickets) > _MOST_TICKETS:
            self._tickets.popitem(last=False)

    def _ticket(self, name: bytes) -> SessionTicket | None:
        """Once: early data that is played again is not taken (RFC 8446 section 8.1)."""
        return self._tickets.pop(name, None)


class _Echo:
    """One connection."""

    def __init__(self, quic: QuicConnection, ends: float) -> None:
        self.quic, self.ends = quic, ends
        self.left = MOST_STREAM
        self.names: set[bytes] = set()

    @property
    def due(self) -> float:
        """Its next timer, or its end."""
        timer = self.quic.get_timer()
        return self.ends if timer is None else min(timer, self.ends)


def _certificate(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, QUIC_NAME)])
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=365))
        .not_valid_after(now + dt.timedelta(days=3_650))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(QUIC_NAME)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
