"""Token grants: limits, defaults, and who may not."""

import json

import pytest

from ossicle.core.endpoint import Minted, Request
from ossicle.core.errors import Denied
from ossicle.dialects.deepgram.endpoints import grant


class Desk:
    def __init__(self):
        self.asked = []

    async def owner(self, credential):
        return ""

    async def mint(self, credential, ttl_s):
        self.asked.append((credential, ttl_s))
        if credential is None:
            raise Denied("no key")
        if credential == "TOKEN":
            raise Denied("a token mints no token", code="forbidden")
        return Minted("aaa.bbb", ttl_s, 0.0)

    def secret(self, name):
        return None


async def asked(body, authorization="Token KEY"):
    desk = Desk()
    headers = (("authorization", authorization),) if authorization else ()
    return await grant(Request("POST", "/v1/auth/grant", headers=headers, body=body), desk), desk


@pytest.mark.parametrize(
    ("body", "ttl"),
    [(b"", 30), (b"{}", 30), (b'{"ttl_seconds":60}', 60), (b'{"ttl_seconds":null}', 30),
     (b'{"ttl_seconds":1}', 1), (b'{"ttl_seconds":3600,"x":1}', 3600)],
)  # fmt: skip
async def test_a_key_becomes_a_token(body, ttl):
    response, desk = await asked(body)
    assert response.status == 200
    assert json.loads(response.body) == {"access_token": "aaa.bbb", "expires_in": ttl}
    assert desk.asked == [("KEY", ttl)]


@pytest.mark.parametrize(
    "body", [b"x", b"[]", b'{"ttl_seconds":0}', b'{"ttl_seconds":3601}', b'{"ttl_seconds":"60"}']
)
async def test_what_is_no_request(body):
    response, desk = await asked(body)
    assert response.status == 400
    assert b"1-3600" in response.body
    assert desk.asked == []


@pytest.mark.parametrize(
    ("authorization", "status"), [("", 401), ("Bearer TOKEN", 403), ("Basic x", 401)]
)
async def test_who_may_not(authorization, status):
    response, _ = await asked(b"{}", authorization)
    assert response.status == status
    assert json.loads(response.body)["request_id"]
    assert b"TOKEN" not in response.body
