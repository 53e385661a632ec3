"""Temporary tokens, asked for as the SDKs do."""

import json
from typing import Any

import pytest

from ossicle.core.endpoint import Minted, Request
from ossicle.core.errors import Denied, Overloaded
from ossicle.dialects.assemblyai.endpoints import legacy_token, v3_token

KEY = (("authorization", "KEY"),)


class Desk:
    """Knows one key."""

    def __init__(self) -> None:
        self.minted: list[float] = []
        self.bounds: list[tuple[Any, bool]] = []

    async def owner(self, credential: str | None) -> str:
        if credential != "KEY":
            raise Denied("this key is not known")
        return "owner"

    async def mint(
        self, credential: str | None, ttl_s: float, limits: Any = None, *, once: bool = False
    ) -> Minted:
        await self.owner(credential)
        self.minted.append(ttl_s)
        self.bounds.append((limits, once))
        return Minted("a.b-c_d", ttl_s, 0.0)

    def secret(self, name: str) -> bytes | None:
        raise AssertionError(name)


def asked(**query: object) -> Request:
    pairs = tuple((name, str(value)) for name, value in query.items())
    return Request(path="/v3/token", query=pairs, headers=KEY)


async def test_a_token_is_for_one_session_of_the_length_asked_for():
    desk = Desk()
    await v3_token(asked(expires_in_seconds=60), desk)
    await v3_token(asked(expires_in_seconds=60, max_session_duration_seconds=90), desk)
    assert desk.bounds == [({}, True), ({"session_s": 90}, True)]


@pytest.mark.parametrize("seconds", [1, 60, 600])
async def test_a_token(seconds: int):
    desk = Desk()
    response = await v3_token(asked(expires_in_seconds=seconds), desk)
    assert response.status == 200
    assert json.loads(response.body) == {"token": "a.b-c_d", "expires_in_seconds": seconds}
    assert desk.minted == [seconds]
    assert ("cache-control", "no-store") in response.headers


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ({}, "expires_in_seconds"),
        ({"expires_in_seconds": 0}, "expires_in_seconds"),
        ({"expires_in_seconds": 601}, "expires_in_seconds"),
        ({"expires_in_seconds": "soon"}, "expires_in_seconds"),
        ({"expires_in_seconds": 1, "max_session_duration_seconds": 59}, "max_session"),
        ({"expires_in_seconds": 1, "max_session_duration_seconds": 10_801}, "max_session"),
    ],
)
async def test_what_is_out_of_range(query: dict[str, object], named: str):
    desk = Desk()
    response = await v3_token(asked(**query), desk)
    assert response.status == 400
    assert named in json.loads(response.body)["error"]
    assert not desk.minted


@pytest.mark.parametrize("headers", [(), (("authorization", "NO"),)])
async def test_a_wrong_key(headers: tuple[tuple[str, str], ...]):
    request = Request(query=(("expires_in_seconds", "60"),), headers=headers)
    response = await v3_token(request, Desk())
    assert response.status == 401
    assert json.loads(response.body).keys() == {"error"}


async def test_a_token_in_the_query_mints_nothing():
    request = Request(query=(("expires_in_seconds", "60"), ("token", "KEY")))
    assert (await v3_token(request, Desk())).status == 401


async def test_a_legacy_token():
    desk = Desk()
    request = Request("POST", "/v2/realtime/token", headers=KEY, body=b'{"expires_in":60}')
    response = await legacy_token(request, desk)
    assert json.loads(response.body) == {"token": "a.b-c_d"}
    assert desk.minted == [60]


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{}", b"[]", b'{"expires_in":59}', b'{"expires_in":360001}', b'{"expires_in":"60"}',
        b"\xff", b'{"expires_in":' * 3_000,
    ],
)  # fmt: skip
async def test_a_bad_body(body: bytes):
    response = await legacy_token(Request("POST", headers=KEY, body=body), Desk())
    assert response.status == 400
    assert json.loads(response.body).keys() == {"error"}


async def test_who_asks_too_often_is_told_when():
    class Busy(Desk):
        async def mint(self, *_values: Any, **_more: Any) -> Minted:
            raise Overloaded("too often", code="rate_limited", retry_after_s=7.5)

    response = await v3_token(asked(expires_in_seconds=60), Busy())
    assert (response.status, dict(response.headers)["retry-after"]) == (429, "8")
    assert "retry-after" not in dict((await v3_token(asked(), Desk())).headers)
