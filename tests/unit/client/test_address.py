"""Where a gateway is, as people write it."""

import pytest

from ossicle.client.address import Wire, address
from ossicle.core.errors import Refused


@pytest.mark.parametrize(
    ("url", "wire", "expected"),
    [
        ("localhost:8080", "websocket", "ws://localhost:8080"),
        ("localhost:8080", "http", "http://localhost:8080"),
        ("http://h/v1/stream", "websocket", "ws://h/v1/stream"),
        ("https://h", "websocket", "wss://h"),
        ("wss://h:1/x?a=b", "http", "https://h:1/x?a=b"),
        ("HTTP://[::1]:80/", "websocket", "ws://[::1]:80/"),
    ],
)
def test_any_scheme_will_do(url: str, wire: Wire, expected: str):
    assert address(url, wire) == expected


@pytest.mark.parametrize("url", ["ftp://h", "http://", "http://h:99999", "http://h:x", "://"])
def test_what_is_no_gateway(url: str):
    with pytest.raises(Refused, match=r"http\(s\)://host:port"):
        address(url, "websocket")
