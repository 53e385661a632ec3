"""Signatures, against values worked out by hand with `openssl dgst`."""

import pytest

from ossicle.core.wire import Opening
from ossicle.dialects.twilio.guard import Refusal, Vouched, header_token, signed
from ossicle.dialects.twilio.signature import algorithm, places, signature, valid

URL = "https://example.com/myapp.php?foo=1&bar=2"
FIELDS = (("Digits", "1234"), ("CallSid", "CA1234567890ABCDE"), ("To", "+18005551212"))


def test_the_form_is_sorted_and_each_pair_counts_once():
    once = signature(b"12345", URL, FIELDS)
    assert once == signature(b"12345", URL, (*reversed(FIELDS), FIELDS[0]))
    assert once == signature(b"12345", URL + "CallSidCA1234567890ABCDEDigits1234To+18005551212")


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("", "HMAC_SHA1"),
        ("key=k1,algorithm=HMAC_SHA256", "HMAC_SHA256"),
        (" algorithm = hmac_sha256 , key=k", "HMAC_SHA256"),
        ("key=k1", "HMAC_SHA1"),
        ("algorithm=", "HMAC_SHA1"),
        ("algorithm=NONE", "NONE"),
    ],
)
def test_the_algorithm_a_header_names(header: str, name: str):
    assert algorithm(header) == name


def test_an_algorithm_nobody_signs_with_is_never_right():
    assert not valid(b"t", signature(b"t", URL), [URL], settings="algorithm=NONE")
    assert not valid(b"t", "", [URL])
    assert valid(b"t", signature(b"t", URL), ["x", URL, "y"])


def test_every_spelling_of_one_place_and_of_no_other():
    urls = places("https://example.com", "/twilio/media")
    assert set(urls) == {
        f"{scheme}://example.com{port}/twilio/media{slash}"
        for scheme in ("wss", "https")
        for port in ("", ":443")
        for slash in ("", "/")
    }
    assert places("ws://localhost:8080", "/x/", "a=1") == (
        "ws://localhost:8080/x?a=1",
        "ws://localhost:8080/x/?a=1",
        "http://localhost:8080/x?a=1",
        "http://localhost:8080/x/?a=1",
    )
    assert places("https://example.com/behind/", "/x")[0] == "https://example.com/behind/x"
    assert places("wss://[::1]:99", "/x")[0] == "wss://[::1]:99/x"
    assert places("ftp://example.com", "/x") == places("https://h:port", "/x") == ()


def opening(given: str, **headers: str) -> Opening:
    fields = {"host": "example.com", "x-twilio-signature": given} | headers
    return Opening(path="/twilio/media", headers=tuple(fields.items()))


def test_the_guard():
    at = "wss://example.com/twilio/media"
    guard = signed(lambda name: b"t" if name == "twilio_auth_token" else None, vouched="v")
    assert guard(opening(signature(b"t", at))) == Vouched("v")
    assert isinstance(guard(opening(signature(b"u", at))), Refusal)
    assert isinstance(guard(opening("")), Refusal)
    elsewhere = signed(lambda _: b"t", public_url="https://other.example.com")
    assert isinstance(elsewhere(opening(signature(b"t", at))), Refusal)
    assert signed(lambda _: None)(opening("")) == Vouched()


def test_a_header_as_credential():
    guard = header_token("x-telnyx-streaming-auth-token")
    fields = (("x-telnyx-streaming-auth-token", "k"),)
    assert guard(Opening(headers=fields)) == Vouched("k")
    assert guard(Opening()) == Vouched(None)
