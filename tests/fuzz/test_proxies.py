"""Whatever proxies, and those who pretend to be some, say about addresses."""

import asyncio
import ipaddress
import socket

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ossicle.core.wire import Opening
from ossicle.gateway.doors.proxied import SIGNATURE, BadHeader, read_header
from ossicle.gateway.keys.forwarded import Forwarding, address_of

pytestmark = pytest.mark.fuzz

PIECES = st.sampled_from(
    ["for=", "For=", '"', ",", ";", "198.51.100.1", "10.0.0.7", "[2001:db8::1]", ":443", "unknown",
     "_x", "\\", "proto=https", " ", "by=", "6.6.6.6"]
)  # fmt: skip
VALUES = st.lists(st.text(max_size=60) | st.lists(PIECES, max_size=12).map("".join), max_size=4)


@settings(derandomize=True, max_examples=400, deadline=None)
@given(
    st.text(max_size=40) | st.just("10.0.0.1:1"), VALUES,
    st.sampled_from(["forwarded", "x-forwarded-for"]),
)  # fmt: skip
def test_headers_of_proxies(peer, values, header):
    """An address or what was there before, never a piece of what somebody wrote."""
    forwarding = Forwarding(["10.0.0.0/8"], header)
    headers = tuple((header, value) for value in values)
    seen = forwarding.seen(Opening(peer=peer, headers=headers))
    if seen.peer != peer:
        ipaddress.ip_address(address_of(seen.peer))
    stranger = forwarding.seen(Opening(peer="203.0.113.7:1", headers=headers))
    assert stranger.peer == "203.0.113.7:1"


STARTS = st.sampled_from(
    [b"", b"PROXY ", b"PROXY TCP4 1.2.3.4 ", SIGNATURE, SIGNATURE + b"\x21",
     SIGNATURE + b"\x21\x11\x00\x0c"]
)  # fmt: skip


@settings(derandomize=True, max_examples=400, deadline=None)
@given(STARTS, st.binary(max_size=300))
def test_what_stands_where_a_proxy_header_should(start, rest):
    async def read():
        near, far = socket.socketpair()
        with near, far:
            near.setblocking(False)
            far.sendall(start + rest)
            far.shutdown(socket.SHUT_WR)
            return await asyncio.wait_for(read_header(near), 5)

    try:
        client = asyncio.run(read())
    except (BadHeader, ConnectionResetError):
        return
    if client is not None:
        ipaddress.ip_address(client[0])
        assert 0 <= client[1] <= 65_535
