"""What the variables of other programs mean here."""

import pytest

from ossicle.client.dial import dialer
from ossicle.client.proxies import Proxies, through
from ossicle.core.errors import Refused
from ossicle.transports.tunnel import Proxy

PLAIN, SECURE, EVERY = "http://plain:1", "http://secure:2", "socks5://every:3"
BOTH = {"HTTP_PROXY": PLAIN, "HTTPS_PROXY": SECURE}


def shown(environment: dict[str, str], scheme: str, host: str, port: int = 443) -> str:
    return str(Proxies.of(environment).to(scheme, host, port) or "directly")


@pytest.mark.parametrize(
    ("scheme", "through"),
    [
        ("https", SECURE), ("wss", SECURE), ("grpcs", SECURE),
        ("http", PLAIN), ("ws", PLAIN), ("grpc", PLAIN),
    ],
)  # fmt: skip
def test_a_variable_for_each_kind_of_url(scheme: str, through: str) -> None:
    assert shown(BOTH, scheme, "speech.example") == through


@pytest.mark.parametrize(
    ("environment", "scheme", "through"),
    [
        ({}, "wss", "directly"),
        ({"ALL_PROXY": EVERY}, "wss", EVERY),
        ({"ALL_PROXY": EVERY, "HTTPS_PROXY": SECURE}, "wss", SECURE),
        ({"ALL_PROXY": EVERY, "HTTPS_PROXY": SECURE}, "ws", EVERY),
        ({"HTTPS_PROXY": SECURE, "https_proxy": PLAIN}, "wss", PLAIN),
        ({"https_proxy": ""}, "wss", "directly"),
        ({"all_proxy": EVERY}, "ws", EVERY),
        ({"http_proxy": PLAIN}, "ws", PLAIN),
        ({"HTTP_PROXY": PLAIN, "REQUEST_METHOD": "GET"}, "ws", "directly"),
        ({"http_proxy": PLAIN, "REQUEST_METHOD": "GET"}, "ws", PLAIN),
    ],
)
def test_which_variable_wins(environment: dict[str, str], scheme: str, through: str) -> None:
    assert shown(environment, scheme, "speech.example") == through


@pytest.mark.parametrize(
    ("items", "host", "port", "direct"),
    [
        ("*", "speech.example", 443, True),
        ("speech.example", "speech.example", 443, True),
        ("speech.example", "SPEECH.Example.", 443, True),
        ("speech.example", "eu.speech.example", 443, True),
        (".speech.example", "eu.speech.example", 443, True),
        (".speech.example", "speech.example", 443, True),
        ("*.speech.example", "eu.speech.example", 443, True),
        ("speech.example", "notspeech.example", 443, False),
        ("speech.example", "speech.example.evil", 443, False),
        ("speech.example:8443", "speech.example", 8443, True),
        ("speech.example:8443", "speech.example", 443, False),
        ("other.example, speech.example", "speech.example", 443, True),
        ("other.example speech.example", "speech.example", 443, True),
        (",, ,", "speech.example", 443, False),
        (".", "speech.example", 443, False),
        ("192.0.2.7", "192.0.2.7", 443, True),
        ("192.0.2.7:8080", "192.0.2.7", 8080, True),
        ("192.0.2.7:8080", "192.0.2.7", 443, False),
        ("192.0.2.0/24", "192.0.2.200", 443, True),
        ("192.0.2.0/24", "192.0.3.1", 443, False),
        ("192.0.2.0/24", "speech.example", 443, False),
        ("2001:db8::/32", "2001:db8::1", 443, True),
        ("2001:db8::1", "[2001:db8::1]", 443, True),
        ("[2001:db8::1]:8443", "2001:db8::1", 8443, True),
        ("[2001:db8::1]:8443", "2001:db8::1", 443, False),
        ("10.0.0.0/8", "::ffff:10.1.2.3", 443, True),
        ("0.0.0.0/0", "2001:db8::1", 443, False),
    ],
)
def test_who_is_reached_directly(items: str, host: str, port: int, direct: bool) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        said = shown({**BOTH, name: items}, "wss", host, port)
        assert said == ("directly" if direct else SECURE)


@pytest.mark.parametrize(
    "host",
    ["localhost", "a.localhost", "127.0.0.1", "127.8.8.8", "::1", "[::1]", "::ffff:127.0.0.1"],
)
def test_this_machine_is_reached_by_no_proxy_but_one_that_is_named(host: str) -> None:
    assert shown(BOTH, "ws", host) == "directly"
    assert str(through(PLAIN, "ws", host, 8080, BOTH)) == PLAIN


def test_what_a_user_says_goes_before_the_environment() -> None:
    assert through(False, "wss", "speech.example", 443, BOTH) is None
    assert through("", "wss", "speech.example", 443, BOTH) is None
    for asked in (None, True):
        assert str(through(asked, "wss", "speech.example", 443, BOTH)) == SECURE


def test_the_environment_is_read_when_a_stream_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "gopher://user:secret@speech.example")
    with pytest.raises(Refused, match="a proxy is http://host:port") as told:
        dialer("https://speech.example", "websocket")
    assert "secret" not in str(told.value)
    dialer("https://speech.example", "websocket", proxy=False)


def test_a_proxy_leads_to_one_place() -> None:
    with pytest.raises(Refused, match="several addresses"):
        dialer("grpc://192.0.2.1,192.0.2.2", "grpc", proxy=PLAIN)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("http://proxy.example:8080", ("http", "proxy.example", 8080, "", "")),
        ("proxy.example:8080", ("http", "proxy.example", 8080, "", "")),
        ("http://proxy.example", ("http", "proxy.example", 3128, "", "")),
        ("https://proxy.example", ("https", "proxy.example", 443, "", "")),
        ("socks5h://proxy.example", ("socks5", "proxy.example", 1080, "", "")),
        ("socks://[2001:db8::1]:9", ("socks5", "2001:db8::1", 9, "", "")),
        ("http://us%40er:p%3Aw@proxy.example:1", ("http", "proxy.example", 1, "us@er", "p:w")),
    ],
)
def test_how_a_proxy_is_written(text: str, parts: tuple[str, str, int, str, str]) -> None:
    assert Proxy.of(text) == Proxy(*parts)


@pytest.mark.parametrize(
    "text",
    ["", "ftp://host", "http://", "http://host:0", "http://host:99999", "http://ho st:1",
     "http://host:1\r\nx: y", "http://:8080"],
)  # fmt: skip
def test_a_proxy_that_is_none(text: str) -> None:
    with pytest.raises(Refused, match="a proxy is"):
        Proxy.of(text)


def test_a_proxy_is_shown_without_its_password() -> None:
    proxy = Proxy.of("http://user:secret@proxy.example:3128")
    assert str(proxy) == "http://proxy.example:3128"
    assert "secret" not in repr(proxy)
    assert "secret" not in f"{proxy}"
