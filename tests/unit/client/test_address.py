"""Where a gateway is, as people write it."""

import pytest

from ossicle.client.address import Wire, address, wire_of
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
        ("https://h:1", "grpc", "grpcs://h:1"),
        ("grpc://10.0.0.1:1,10.0.0.2:2", "grpc", "grpc://10.0.0.1:1,10.0.0.2:2"),
        ("grpcs://h", "websocket", "wss://h"),
    ],
)
def test_any_scheme_will_do(url: str, wire: Wire, expected: str):
    assert address(url, wire) == expected


@pytest.mark.parametrize("url", ["ftp://h", "http://", "http://h:99999", "http://h:x", "://"])
def test_what_is_no_gateway(url: str):
    with pytest.raises(Refused, match=r"http\(s\)://host:port"):
        address(url, "websocket")


@pytest.mark.parametrize("url", ["grpc://,", "grpc://a:1,", "grpc://a:x,b:1", "grpc://a:0"])
def test_every_place_of_a_list_has_to_be_one(url: str):
    with pytest.raises(Refused):
        address(url, "grpc")


def test_a_scheme_that_names_its_wire():
    assert wire_of("grpc://h", "websocket") == "grpc"
    assert wire_of("GRPCS://h", "http") == "grpc"
    assert wire_of("https://h", "http") == "http"
    assert wire_of("", "websocket") == "websocket"
