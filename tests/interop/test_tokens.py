"""Tokens end to end: a key makes one, a client comes in with it, and it ends by itself."""

import json

import pytest

import ossicle
from harness import ask, gateway_with, heard, refusal

pytestmark = pytest.mark.interop

KEYS = (("ann", "key-a"), ("bob", "key-b"))


def bearer(key):
    return {"authorization": f"Bearer {key}"}


async def token_of(gateway, key, **asked):
    answer = await ask(
        gateway.url, json.dumps(asked).encode(), path="/v1/tokens", headers=bearer(key)
    )
    return answer.status, json.loads(answer.body)


async def test_a_client_comes_in_with_a_token_and_sees_what_its_owner_sees(tmp_path):
    async with gateway_with(tmp_path, heard(), keys=KEYS) as gateway:
        status, minted = await token_of(gateway, "key-a", ttl_s=60)
        assert status == 200
        assert minted["expires_in_s"] == 60
        async with ossicle.connect(gateway.url, key=minted["token"]) as stream:
            assert stream.session
            seen = await ask(
                gateway.url, method="GET", path="/v1/sessions", headers=bearer("key-a")
            )
            assert len(json.loads(seen.body)["sessions"]) == 1
            other = await ask(
                gateway.url, method="GET", path="/v1/sessions", headers=bearer("key-b")
            )
            assert json.loads(other.body)["sessions"] == []


async def test_a_token_that_is_over_and_one_that_was_changed_are_refused(tmp_path):
    async with gateway_with(tmp_path, heard(), keys=KEYS) as gateway:
        minted = (await token_of(gateway, "key-a", ttl_s=1))[1]["token"]
        spoiled = minted.replace("ossicle-t.", "ossicle-t.x")
        status, body = await refusal(gateway.url, headers=bearer(spoiled))
        assert (status, body["error"]["code"]) == (401, "unauthorized")
        gateway.house.tokens().now = lambda: 4e9  # the clock moved on
        status, body = await refusal(gateway.url, headers=bearer(minted))
        assert status == 401
        assert "ask for a new one" in body["error"]["text"]


@pytest.mark.parametrize(
    ("key", "body", "status"),
    [
        ("wrong", b"{}", 401),
        ("key-a", b'{"ttl_s": 0}', 400),
        ("key-a", b'{"ttl_s": 1e9}', 400),
        ("key-a", b'{"ttl_s": "long"}', 400),
        ("key-a", b"{", 400),
        ("key-a", b'{"seconds": 5}', 400),
        ("key-a", b"[" * 5_000, 400),
        ("key-a", b" " * 70_000, 413),
    ],
)
async def test_what_makes_no_token(tmp_path, key, body, status):
    async with gateway_with(tmp_path, heard(), keys=KEYS) as gateway:
        answer = await ask(gateway.url, body, path="/v1/tokens", headers=bearer(key))
        assert answer.status == status
        assert json.loads(answer.body)["error"]["code"]


async def test_a_token_makes_no_tokens_and_needs_a_key(tmp_path):
    async with gateway_with(tmp_path, heard(), keys=KEYS) as gateway:
        minted = (await token_of(gateway, "key-a"))[1]["token"]
        assert (await token_of(gateway, minted))[0] == 401
        assert (await ask(gateway.url, b"{}", path="/v1/tokens")).status == 401
