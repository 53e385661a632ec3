"""Ephemeral keys, as values."""

import json
from typing import Any

import pytest

from ossicle.core.endpoint import Minted, Request, Response
from ossicle.core.errors import Denied
from ossicle.dialects.openai.credentials import session_in, token_in
from ossicle.dialects.openai.endpoints import beta_secret, client_secret

TOKEN = "ossicle-t.payload.signature"


class Desk:
    """Mints one token, for one key."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    async def owner(self, credential: str | None) -> str:
        return "me"

    async def mint(self, credential: str | None, ttl_s: float) -> Minted:
        if credential != "KEY":
            raise Denied("this key is not known")
        self.asked.append(ttl_s)
        return Minted(TOKEN, ttl_s, 1_000.0 + ttl_s)

    async def end(self, credential: str | None, session: str) -> None:
        raise AssertionError(session)

    async def find(self, credential: str | None, session: str) -> str:
        raise AssertionError(session)

    def secret(self, name: str) -> bytes | None:
        return None


async def ask(body: Any, endpoint: Any = client_secret, key: str = "KEY", path: str = "/") -> Any:
    desk = Desk()
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = Request("POST", path, headers=(("authorization", f"Bearer {key}"),), body=data)
    response: Response = await endpoint(request, desk)
    return response.status, json.loads(response.body or b"{}"), desk


async def test_a_key_for_a_browser():
    status, body, desk = await ask(b"")
    assert status == 200
    assert body["value"] == f"ek_{TOKEN}"
    assert body["expires_at"] == 1_600
    assert body["session"]["type"] == "realtime"
    assert body["session"]["audio"]["input"]["turn_detection"]["type"] == "server_vad"
    assert desk.asked == [600]


async def test_it_carries_its_session():
    session = {"type": "transcription", "audio": {"input": {"transcription": {"model": "m"}}}}
    asked = {"expires_after": {"anchor": "created_at", "seconds": 60}, "session": session}
    status, body, desk = await ask(asked)
    assert status == 200
    assert desk.asked == [60]
    assert session_in(body["value"]) == session
    assert token_in(body["value"]) == TOKEN
    assert body["session"]["type"] == "transcription"
    assert all(character not in body["value"] for character in ' ,;="')


async def test_the_beta_has_the_secret_inside():
    status, body, _ = await ask({"model": "m", "voice": "alloy"}, beta_secret)
    assert status == 200
    assert body["client_secret"]["value"].startswith("ek_")
    assert body["modalities"] == ["audio", "text"]
    asked = {"input_audio_transcription": {"model": "whisper-1"}}
    _, body, _ = await ask(asked, beta_secret, path="/v1/realtime/transcription_sessions")
    assert session_in(body["client_secret"]["value"])["type"] == "transcription"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"[]", 400),
        (b"{", 400),
        ({"expires_after": {"seconds": 9}}, 400),
        ({"expires_after": {"seconds": 7_201}}, 400),
        ({"session": {"type": "dance"}}, 400),
        ({"session": {"type": "realtime", "modalities": []}}, 400),
        ({"session": {"type": "realtime", "instructions": "x" * 7_000}}, 413),
    ],
)
async def test_what_is_no_request(body: Any, status: int):
    for endpoint in (client_secret, beta_secret):
        if endpoint is beta_secret and not isinstance(body, bytes):
            continue
        got, said, _ = await ask(body, endpoint)
        assert got == status
        assert said["error"]["message"]


async def test_another_key():
    status, body, _ = await ask({}, key="OTHER")
    assert status == 401
    assert body["error"]["code"] == "invalid_api_key"
