import pytest

from ossicle.core.wire import Opening
from ossicle.transports.target import request_target


@pytest.mark.parametrize(
    ("url", "opening", "target"),
    [
        ("ws://host", Opening(path="/v1/stream"), "/v1/stream"),
        ("ws://host/", Opening(path="/v1/stream"), "/v1/stream"),
        ("ws://host/mine", Opening(path="/v1/stream"), "/mine"),
        ("ws://host/mine?a=1", Opening(path="/x", query=(("b", "2"),)), "/mine?a=1&b=2"),
        ("ws://host", Opening(path="/a b/é"), "/a%20b/%C3%A9"),
        ("ws://host/a%20b", Opening(), "/a%20b"),
        ("ws://host", Opening(query=(("q", "a&b=c d"), ("q", ""))), "/?q=a%26b%3Dc+d&q="),
        ("ws://host", Opening(query=(("q", "a\r\nb"),)), "/?q=a%0D%0Ab"),
    ],
)
def test_request_target(url: str, opening: Opening, target: str) -> None:
    assert request_target(url, opening) == target
