"""Who may come in."""

import hmac

import pytest

from ossicle.core.errors import Denied, Refused
from ossicle.core.wire import Opening
from ossicle.gateway.keys.access import Access, keys_from_environment, loopback


def asked(origin: str = "", host: str = "localhost:8080") -> Opening:
    headers = [("host", host)] if host else []
    return Opening(headers=(*headers, *((("origin", origin),) if origin else ())))


@pytest.mark.parametrize(
    ("host", "here"),
    [
        ("localhost", True),
        ("LOCALHOST", True),
        ("localhost.", True),
        ("app.localhost", True),
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("[::1]", True),
        ("", False),
        ("0.0.0.0", False),
        ("10.0.0.1", False),
        ("example.org", False),
        ("localhost.example.org", False),
        ("notlocalhost", False),
        ("127.0.0.1.example.org", False),
    ],
)
def test_what_is_this_machine(host, here):
    assert loopback(host) == here


@pytest.mark.parametrize(
    ("origin", "host", "passes"),
    [
        ("", "", True),
        ("", "localhost:8080", True),
        ("", "127.0.0.1:8080", True),
        ("", "[::1]:8080", True),
        ("", "speech.example.org", True),
        ("", "other.example.org", False),
        ("", "[::1", False),
        ("http://localhost:3000", "localhost", True),
        ("https://SPEECH.example.org", "localhost", True),
        ("https://evil.example", "localhost", False),
        ("https://localhost.evil.example", "localhost", False),
        ("https://evil.example", "evil.example", False),
        ("null", "localhost", False),
        ("http://[::1", "localhost", False),
        ("file://", "localhost", False),
        ("localhost", "localhost", False),
    ],
)
def test_pages_and_names_while_keys_are_off(origin, host, passes):
    access = Access((), ["Speech.example.org"])
    if passes:
        access.check_page(asked(origin, host))
    else:
        with pytest.raises(Refused, match="--allow-host") as caught:
            access.check_page(asked(origin, host))
        assert caught.value.code == "forbidden"


def test_with_keys_on_any_page_may_come_that_has_one():
    Access([("me", "k")]).check_page(asked("https://anywhere.example", "anywhere.example"))


def test_a_key_tells_whose_it_is():
    access = Access([("ann", "k1"), ("bob", "k2"), ("bob", "k3")])
    assert [access.owner(key) for key in ("k1", "k2", "k3")] == ["ann", "bob", "bob"]
    for wrong in (None, "", "k", "k11", "K1", "\ud800"):
        with pytest.raises(Denied) as caught:
            access.owner(wrong)
        assert "k11" not in str(caught.value)


def test_keys_off_means_everybody_is_nobody():
    assert Access(()).owner(None) == Access(()).owner("anything") == ""


def test_every_key_is_compared_and_none_is_held(monkeypatch):
    access, compared = Access([("a", "first"), ("b", "second"), ("c", "third")]), []
    real = hmac.compare_digest
    monkeypatch.setattr(
        "ossicle.gateway.keys.access.hmac.compare_digest",
        lambda one, other: compared.append(len(one)) or real(one, other),
    )
    access.owner("first")
    assert compared == [32, 32, 32], "finding it early saves no time"
    assert "first" not in repr(vars(access))


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("", ()),
        ("k", (("default", "k"),)),
        ("ann:k1, bob:k2 ,", (("ann", "k1"), ("bob", "k2"))),
        (":k", (("default", "k"),)),
        ("ann:", ()),
        ("a:b:k", (("a:b", "k"),)),
    ],
)
def test_keys_from_the_environment(monkeypatch, text, pairs):
    monkeypatch.setenv("OSSICLE_KEYS", text)
    assert keys_from_environment() == pairs
    for owner, key in pairs:
        assert Access(pairs).owner(key) == owner
