"""Tokens end to end: a key makes one, a client comes in with it, and it ends by itself."""

import json

import pytest
from websockets.asyncio.client import connect

import ossicle
from harness import Talk, address, ask, gateway_with, heard, refusal, until
from ossicle.gateway.keys.keyfile import KeyFile, KeyLimits
from ossicle.testing.marked import marked_audio

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


async def listed(gateway, credential):
    answer = await ask(gateway.url, method="GET", path="/v1/sessions", headers=bearer(credential))
    return answer.json["sessions"]


async def test_a_token_for_one_session_opens_one_and_resumes_it(tmp_path):
    format_ = {"encoding": "pcm_s16le", "sample_rate": 16000}
    async with gateway_with(
        tmp_path, heard(), keys=KEYS, session={"resume_window_s": 5}
    ) as gateway:
        token = (await token_of(gateway, "key-a", ttl_s=60, single_use=True))[1]["token"]
        other = (await token_of(gateway, "key-a", ttl_s=60, single_use=True))[1]["token"]
        async with Talk.open(gateway.url, headers=bearer(token), **format_) as talk:
            await talk.audio(marked_audio([1, 0]))
            await talk.until("transcript", text="w1")
            status, body = await refusal(gateway.url, headers=bearer(token))
            assert (status, body["error"]["code"]) == (401, "unauthorized")
            assert "has been used; ask for a new one" in body["error"]["text"]
            resume = talk.began["token"]
            status, body = await refusal(gateway.url, headers=bearer(other), resume=resume)
            assert (status, "a session of its own" in body["error"]["text"]) == (401, True)
            talk.socket.transport.abort()
            await talk.over.wait()
        async with Talk.open(gateway.url, headers=bearer(token), resume=resume, since=1) as talk:
            assert talk.began["resumed"]
            await talk.say("end")
            await talk.ended()
        async with Talk.open(gateway.url, headers=bearer(other), **format_):
            pass  # being refused had not used it up
    async with gateway_with(tmp_path, heard(), keys=KEYS) as gateway:
        for used in (token, other):
            assert (await refusal(gateway.url, headers=bearer(used)))[0] == 401


async def test_a_refused_session_does_not_use_a_token_up(tmp_path):
    async with gateway_with(tmp_path, heard(), keys=KEYS, sessions=1) as gateway:
        token = (await token_of(gateway, "key-a", single_use=True))[1]["token"]
        async with Talk.open(gateway.url, headers=bearer("key-b")):
            assert (await refusal(gateway.url, headers=bearer(token)))[0] == 503
        await until(lambda: not gateway.house.sessions)
        async with Talk.open(gateway.url, headers=bearer(token)):
            pass


async def test_limits_of_a_token_are_its_own(tmp_path):
    format_ = {"encoding": "pcm_s16le", "sample_rate": 16000}
    key = KeyFile(tmp_path / "state" / "keys.json").add("ann", KeyLimits(sessions=3)).key
    async with gateway_with(tmp_path, heard()) as gateway:
        limits = {"sessions": 1, "session_s": 3600, "audio_s_per_day": 1, "max_message": 3200}
        status, minted = await token_of(gateway, key, limits=limits)
        assert status == 200
        narrow = minted["token"]
        wide = (await token_of(gateway, key))[1]["token"]
        async with Talk.open(gateway.url, headers=bearer(narrow), **format_) as talk:
            status, body = await refusal(gateway.url, headers=bearer(narrow))
            assert status == 429
            assert "token " in body["error"]["text"]
            assert "its limit is 1 (sessions)" in body["error"]["text"]
            async with Talk.open(gateway.url, headers=bearer(wide), **format_):
                assert len(await listed(gateway, key)) == 2
            await talk.audio(bytes(32_000 * 2))
            ended = await talk.ended()
            assert (ended["reason"], ended["error"]["code"]) == ("limit", "rate_limited")
            assert "audio_s_per_day" in ended["error"]["text"]
        status, body = await refusal(gateway.url, headers=bearer(narrow))
        assert (status, "has used 2 s" in body["error"]["text"]) == (429, True)
        async with Talk.open(gateway.url, headers=bearer(wide), **format_) as talk:
            await talk.audio(bytes(3_200))
        for asked, says in (
            ({"limits": {"sessions": 4}}, "limits.sessions of 4 is more than the 3 of the key"),
            ({"limits": {"sesions": 1}}, "there are sessions"),
            ({"limits": {"sessions": -1}}, "limits"),
            ({"limits": {"sessions": 1e300}}, "limits"),
            ({"limits": []}, "each of them optional"),
            ({"single_use": "yes"}, "each of them optional"),
        ):
            status, body = await token_of(gateway, key, **asked)
            assert (status, says in body["error"]["text"]) == (400, True), body


async def test_tokens_of_vendors_keep_their_shape(tmp_path):
    async with gateway_with(tmp_path, heard(), keys=KEYS) as gateway:
        got = await ask(
            gateway.url, b"{}", path="/v1/auth/grant", headers={"authorization": "Token key-a"}
        )
        assert got.json.keys() == {"access_token", "expires_in"}
        path = "/v3/token?expires_in_seconds=60&max_session_duration_seconds=60"
        got = await ask(gateway.url, method="GET", path=path, headers={"authorization": "key-a"})
        assert got.json.keys() == {"token", "expires_in_seconds"}
        where = f"ws://localhost:{address(gateway.url)[1]}/v3/ws?sample_rate=16000&token="
        async with connect(where + got.json["token"], proxy=None) as wire:
            assert json.loads(await wire.recv())["type"] == "Begin"
            (session,) = gateway.house.sessions.values()
            assert session.settings.session_s == 60
            for credential, says in ((got.json["token"], "has been used"), ("key-a", "no keys")):
                async with connect(where + credential, proxy=None) as refused:
                    error = json.loads(await refused.recv())
                    assert (error["type"], says in error["error"]) == ("Error", True), error
