"""The QUIC echo at the gateway: nothing for who shows no cookie, a handshake and an echo for who
does, and every bound of it. Both ends in memory, with a clock that is moved by hand."""

import os
from typing import Any

import pytest

pytest.importorskip("aioquic")

from aioquic.quic import events
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection

from ossicle.core.probing import MOST_STREAM, QUIC_ALPN, QUIC_NAME
from ossicle.gateway.measuring.datagrams import Datagrams
from ossicle.gateway.measuring.quicecho import QuicEchoes

HERE = ("192.0.2.1", 4000)
COOKIE = b"c" * 16


class Client:
    """One connection to the echo."""

    def __init__(
        self, echoes: QuicEchoes, token: bytes = COOKIE, ticket: Any = None, sender: Any = HERE
    ) -> None:
        configuration = QuicConfiguration(
            alpn_protocols=[QUIC_ALPN], server_name=QUIC_NAME, token=token, session_ticket=ticket
        )
        configuration.load_verify_locations(cadata=echoes.certificate.encode())
        self.tickets: list[Any] = []
        self.quic = QuicConnection(
            configuration=configuration, session_ticket_handler=self.tickets.append
        )
        self.echoes, self.sender = echoes, sender
        self.heard = b""
        self.done: Any = None
        self.ended: Any = None
        self.sent = self.answered = 0
        self.now = 0.0
        self.quic.connect(("198.51.100.1", 443), now=0.0)

    def talk(self) -> "Client":
        """Until neither side has anything to say. Time passes: what is sent is paced."""
        quiet = 0
        while quiet < 5:
            self.now += 0.005
            post: list[bytes] = []
            for data, _ in self.quic.datagrams_to_send(self.now):
                self.sent += len(data)
                post += self._given(data)
            due = self.echoes.due()
            if due is not None and due <= self.now:
                post += [each for each, _ in self.echoes.expire(self.now)]
            timer = self.quic.get_timer()
            if not post and timer is not None and timer <= self.now:
                self.quic.handle_timer(self.now)
            for data in post:
                self.answered += len(data)
                self.quic.receive_datagram(data, ("198.51.100.1", 443), now=self.now)
            quiet = 0 if post else quiet + 1
            while (event := self.quic.next_event()) is not None:
                match event:
                    case events.HandshakeCompleted():
                        self.done = event
                    case events.StreamDataReceived(data=data):
                        self.heard += data
                    case events.ConnectionTerminated():
                        self.ended = event
                    case _:
                        pass
        return self

    def _given(self, data: bytes) -> list[bytes]:
        post = self.echoes.received(data, self.sender, self.now, lambda token: token == COOKIE)
        return [each for each, _ in post]

    def say(self, data: bytes, *, end: bool = True) -> None:
        self.quic.send_stream_data(self.quic.get_next_available_stream_id(), data, end)


def test_a_handshake_and_an_echo() -> None:
    client = Client(QuicEchoes(4)).talk()
    assert client.done is not None
    assert not client.done.session_resumed
    client.say(b"is it you?")
    assert client.talk().heard == b"is it you?"


def test_the_second_one_asks_with_its_first_packet() -> None:
    echoes = QuicEchoes(4)
    (ticket, *_) = Client(echoes).talk().tickets
    client = Client(echoes, ticket=ticket)
    client.say(b"early")
    client.talk()
    assert client.done.session_resumed
    assert client.done.early_data_accepted
    assert client.heard == b"early"


def test_a_ticket_is_good_once() -> None:
    """So early data that somebody plays again is not taken."""
    echoes = QuicEchoes(4)
    (ticket, *_) = Client(echoes).talk().tickets
    assert Client(echoes, ticket=ticket).talk().done.session_resumed
    again = Client(echoes, ticket=ticket).talk()
    assert not again.done.session_resumed
    assert not again.done.early_data_accepted


@pytest.mark.parametrize("token", [b"", b"x" * 16, COOKIE + b"x"])
def test_without_a_cookie_nothing_is_answered(token: bytes) -> None:
    """Not a Retry, not a refusal: a forged sender gets no byte."""
    echoes = QuicEchoes(4)
    client = Client(echoes, token)
    client.talk()
    assert client.sent >= 1_200
    assert client.answered == 0
    assert echoes.connections == 0


@pytest.mark.parametrize(
    "data",
    [b"", b"\xc3", b"\xc3\x00\x00\x00\x01" + bytes(20), os.urandom(1_200), b"\x40" + bytes(1_199),
     b"\xc3\x1a\x2a\x3a\x4a\x08" + bytes(1_194)],
    ids=["empty", "one byte", "short", "noise", "short header", "version"],
)  # fmt: skip
def test_what_is_no_first_packet_is_not_answered(data: bytes) -> None:
    """A version that is not spoken, too: version negotiation would be an answer to a stranger."""
    echoes = QuicEchoes(4)
    assert echoes.received(data, HERE, 0.0, lambda _token: True) == []
    assert echoes.connections == 0


def test_a_small_first_packet_is_not_answered() -> None:
    echoes = QuicEchoes(4)
    client = Client(echoes)
    (data, _), *_ = client.quic.datagrams_to_send(0.0)
    assert echoes.received(data[:1_199], HERE, 0.0, lambda token: token == COOKIE) == []


def test_enough_is_enough() -> None:
    echoes = QuicEchoes(4)
    client = Client(echoes).talk()
    for _ in range(3):
        client.say(bytes(MOST_STREAM // 2 - 8))
        client.talk()
    client.now += 3.0  # a connection that was closed is told of once it has drained
    client.talk()
    assert client.ended is not None
    assert client.ended.reason_phrase == "that is enough"
    assert echoes.echoed <= 2 * MOST_STREAM


def test_connections_are_bounded_and_end() -> None:
    echoes = QuicEchoes(2)
    clients = [Client(echoes, sender=("192.0.2.1", port)) for port in (1, 2, 3)]
    assert [bool(each.talk().done) for each in clients] == [True, True, False]
    assert echoes.connections == 2
    due = echoes.due()
    assert due is not None
    now = 0.0
    while (due := echoes.due()) is not None and now < 60:
        now = max(now + 0.01, due)
        echoes.expire(now)
    assert echoes.connections == 0
    assert now <= 31, "idle ones end by themselves, and all of them after 30 s"
    assert not echoes._by_id  # pyright: ignore[reportPrivateUsage]  nothing is kept


def test_at_the_port_of_the_datagrams() -> None:
    """The cookie of an address lets in that address and no other, and rates count QUIC, too."""
    datagrams = Datagrams(per_s=50)
    datagrams.quic = echoes = QuicEchoes(4)
    from ossicle.core.probing import LEAST_DATAGRAM, Datagram, read_datagram

    hello = Datagram("hello", 0, datagrams.ticket()).bytes(LEAST_DATAGRAM)
    answer = read_datagram(datagrams.answer(hello, HERE) or b"")
    assert answer is not None
    for sender, connections in ((("192.0.2.9", 4000), 0), (("192.0.2.1", 4001), 0), (HERE, 1)):
        client = Client(echoes, answer.proof)
        for data, _ in client.quic.datagrams_to_send(0.0):
            datagrams._transport = None  # pyright: ignore[reportPrivateUsage]  nothing is sent here
            post = echoes.received(
                data, sender, 0.0,
                lambda token, s=sender: datagrams._good(token, f"{s[0]} {s[1]}"),  # pyright: ignore[reportPrivateUsage]
            )  # fmt: skip
            assert bool(post) == bool(connections)
        assert echoes.connections == connections
