"""The echo of datagrams: whoever cannot prove itself is not answered, and no answer is longer than
what it answers."""

import secrets
import socket

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ossicle.core.probing import LEAST_DATAGRAM, MOST_DATAGRAM, Datagram, read_datagram
from ossicle.gateway.measuring.datagrams import Datagrams, udp_socket

ME, OTHER = ("192.0.2.1", 4000), ("192.0.2.2", 4000)


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def echo(clock: Clock) -> Datagrams:
    return Datagrams(10.0, clock, clock)


def ask(echo: Datagrams, datagram: Datagram, sender=ME, size: int = 100) -> Datagram | None:
    answer = echo.answer(datagram.bytes(size), sender)
    assert answer is None or len(answer) == size
    return read_datagram(answer) if answer is not None else None


def cookie(echo: Datagrams, sender=ME) -> bytes:
    answer = ask(echo, Datagram("hello", 1, echo.ticket()), sender)
    assert answer is not None
    assert (answer.kind, answer.n) == ("cookie", 1)
    return answer.proof


def test_a_ticket_gets_a_cookie_and_a_cookie_echoes(echo: Datagrams, clock: Clock) -> None:
    answer = ask(echo, Datagram("echo", 7, cookie(echo)), size=MOST_DATAGRAM)
    assert answer is not None
    assert (answer.kind, answer.n, answer.at_ms) == ("echoed", 7, clock.now * 1000)
    assert (echo.answered, echo.ignored) == (2, 0)


def test_a_stranger_is_not_answered(echo: Datagrams) -> None:
    proof = secrets.token_bytes(16)
    assert ask(echo, Datagram("hello", 1, proof)) is None
    assert ask(echo, Datagram("echo", 1, proof)) is None
    # what only the gateway says, and a ticket in place of a cookie
    assert ask(echo, Datagram("cookie", 1, echo.ticket())) is None
    assert ask(echo, Datagram("echoed", 1, cookie(echo))) is None
    assert ask(echo, Datagram("echo", 1, echo.ticket())) is None
    assert echo.ignored == 5


def test_a_cookie_is_one_addresss_alone(echo: Datagrams) -> None:
    """So nobody has somebody else's address answered."""
    mine = cookie(echo)
    assert ask(echo, Datagram("echo", 1, mine), OTHER) is None
    assert ask(echo, Datagram("echo", 1, mine), (ME[0], 4001)) is None
    assert ask(echo, Datagram("echo", 1, mine), ME) is not None


def test_proofs_grow_old(echo: Datagrams, clock: Clock) -> None:
    ticket, mine = echo.ticket(), cookie(echo)
    clock.now += 120
    assert ask(echo, Datagram("echo", 1, mine)) is not None
    clock.now += 120
    assert ask(echo, Datagram("hello", 1, ticket)) is None
    assert ask(echo, Datagram("echo", 1, mine)) is None


def test_an_address_has_a_rate(echo: Datagrams, clock: Clock) -> None:
    mine = cookie(echo)
    answers = [ask(echo, Datagram("echo", n, mine)) for n in range(60)]
    assert sum(each is not None for each in answers) == 39  # four seconds' worth, and the cookie
    assert ask(echo, Datagram("hello", 1, echo.ticket()), OTHER) is not None
    clock.now += 1
    assert ask(echo, Datagram("echo", 1, mine)) is not None


def test_all_addresses_together_have_one(echo: Datagrams) -> None:
    hello = Datagram("hello", 1, echo.ticket())
    answers = [ask(echo, hello, (f"192.0.2.{n}", 4000)) for n in range(250)]
    assert sum(each is not None for each in answers) == 200


@pytest.mark.parametrize("size", [0, 1, LEAST_DATAGRAM - 1, MOST_DATAGRAM + 1])
def test_other_sizes_are_not_answered(echo: Datagrams, size: int) -> None:
    whole = Datagram("hello", 1, echo.ticket()).bytes(2_000)
    assert echo.answer(whole[:size], ME) is None


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.binary(max_size=1_500), st.booleans(), st.integers(0, 3))
def test_bytes_of_any_kind(data: bytes, ours: bool, kind: int) -> None:
    echo = Datagrams(0.0)
    if ours:
        data = b"OSP1" + bytes([kind]) + data
    answer = echo.answer(data, ME)
    assert answer is None or len(answer) <= len(data)


def test_a_port_that_is_taken_gives_another() -> None:
    with udp_socket("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with udp_socket("127.0.0.1", port) as second:
            assert second.getsockname()[1] not in {0, port}
    with pytest.raises(OSError):
        udp_socket("192.0.2.77", 0)
    assert second.type == socket.SOCK_DGRAM
