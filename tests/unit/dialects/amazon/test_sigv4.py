"""Signatures, beside those that botocore makes; and each part of a request that they cover."""

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from ossicle.dialects.amazon.sigv4 import (
    EMPTY,
    Authorization,
    Scope,
    authorization,
    canonical,
    chunk_signature,
    epoch,
    parse_authorization,
    parse_scope,
    signature,
    signing_key,
    written_at,
)

SCOPE = Scope("AKIDEXAMPLE", "20150830", "us-east-1")
SECRET = b"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"


def test_dates_both_ways():
    assert written_at(1_795_521_600) == "20261124T120000Z"
    assert epoch("20261124T120000Z") == 1_795_521_600.0
    for wrong in ("", "20261124", "20261324T120000Z", "20261124T1200000", "2026١124T120000Z"):
        assert epoch(wrong) is None


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "AK/20261124/us-east-1/transcribe",
        "AK/20261124/us-east-1/s3/aws4_request",
        "AK/20261124/us-east-1/transcribe/aws4",
        "../20261124/us-east-1/transcribe/aws4_request",
        "A K/20261124/us-east-1/transcribe/aws4_request",
        "AK/2026112/us-east-1/transcribe/aws4_request",
        "AK/20261124/US/transcribe/aws4_request",
        "AK/20261124//transcribe/aws4_request",
        "/20261124/us-east-1/transcribe/aws4_request",
    ],
)
def test_what_is_no_scope_of_this_service(wrong: str):
    assert parse_scope(wrong) is None


def test_the_header_both_ways():
    given = Authorization(SCOPE, ("host", "x-amz-date"), "ab" * 32)
    assert parse_authorization(authorization(given)) == given
    no_spaces = authorization(given).replace(", ", ",")
    assert parse_authorization(no_spaces) == given


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1"),
        ("AWS4-HMAC-SHA256 ", ""),
        ("Credential=", "Credentials="),
        ("Signature=", "Signature=g"),
        ("Signature=", "Signature=AB"),
        (", SignedHeaders=host;x-amz-date", ""),
        (", Signature=", ", Signature=aa, Signature="),
        ("transcribe", "transcribestreaming"),
    ],
)
def test_a_header_that_cannot_be_read(old: str, new: str):
    text = authorization(Authorization(SCOPE, ("host", "x-amz-date"), "ab" * 32))
    assert old in text
    assert parse_authorization(text.replace(old, new)) is None


def test_everything_that_is_signed_counts():
    key = signing_key(SECRET, SCOPE)
    base: dict[str, Any] = {
        "method": "POST", "path": "/p", "query": (("a", "1"), ("b", "2")),
        "headers": {"host": "h", "x": "y"}, "signed": ("host", "x"), "payload_hash": EMPTY,
    }  # fmt: skip
    changes: list[dict[str, Any]] = [
        {}, {"method": "GET"}, {"path": "/q"}, {"query": (("a", "1"), ("b", "3"))},
        {"headers": {"host": "h", "x": "z"}}, {"signed": ("host",)}, {"payload_hash": "00"},
    ]  # fmt: skip
    made = {signature(key, "20150830T000000Z", SCOPE, canonical(**(base | c))) for c in changes}
    text = canonical(**base)
    made.add(signature(key, "20150830T000001Z", SCOPE, text))
    made.add(signature(signing_key(SECRET + b"x", SCOPE), "20150830T000000Z", SCOPE, text))
    made.add(signature(key, "20150830T000000Z", SCOPE._replace(region="eu-west-1"), text))
    assert len(made) == len(changes) + 3
    # and nothing else does
    same = base | {
        "query": (("b", "2"), ("a", "1")), "headers": {"host": " h ", "x": "y", "other": "1"},
    }  # fmt: skip
    assert canonical(**same) == text


def test_chunks_are_chained():
    key = signing_key(SECRET, SCOPE)
    first = chunk_signature(key, SCOPE, "00" * 32, 1_440_892_800_000, b"sound")
    assert first != chunk_signature(key, SCOPE, "11" * 32, 1_440_892_800_000, b"sound")
    assert first != chunk_signature(key, SCOPE, "00" * 32, 1_440_892_800_001, b"sound")
    assert first != chunk_signature(key, SCOPE, "00" * 32, 1_440_892_800_000, b"soun")


@pytest.mark.parametrize("token", ["", "session/token+with=signs"])
def test_a_url_signed_by_botocore(token: str):
    query = "language-code=en-US&vocabulary-name=a%20b%2Bc&media-encoding=pcm&sample-rate=16000"
    request = AWSRequest("GET", "https://localhost:8443/stream-transcription-websocket?" + query)
    keys = Credentials("AK", SECRET.decode(), token or None)
    SigV4QueryAuth(keys, "transcribe", "us-east-1", expires=300).add_auth(request)
    pairs = parse_qsl(urlsplit(request.url).query, keep_blank_values=True)
    found = dict(pairs)
    scope = parse_scope(found["X-Amz-Credential"])
    assert scope is not None
    text = canonical(
        "GET", "/stream-transcription-websocket",
        [pair for pair in pairs if pair[0] != "X-Amz-Signature"],
        {"host": "localhost:8443"}, ("host",), EMPTY,
    )  # fmt: skip
    right = signature(signing_key(SECRET, scope), found["X-Amz-Date"], scope, text)
    assert right == found["X-Amz-Signature"]


def test_a_header_signed_by_botocore():
    headers = {"x-amzn-transcribe-language-code": "en-US", "x-amzn-transcribe-odd": " a   b "}
    request = AWSRequest(
        "POST", "https://localhost/stream-transcription", headers=headers, data=b""
    )
    keys = Credentials("AK", SECRET.decode())
    SigV4Auth(keys, "transcribe", "us-east-1").add_auth(request)
    held = {name.lower(): value for name, value in request.headers.items()} | {"host": "localhost"}
    given = parse_authorization(held["authorization"])
    assert given is not None
    text = canonical("POST", "/stream-transcription", (), held, given.signed, EMPTY)
    key = signing_key(SECRET, given.scope)
    assert signature(key, held["x-amz-date"], given.scope, text) == given.signature
