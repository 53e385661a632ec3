"""Verdicts that are waited for, with a gateway and real sockets."""

import asyncio
import json
import sys
import types

import pytest

from harness import Talk, ask, gateway_with, refusal
from ossicle.core.errors import Refused
from ossicle.gateway.configuration.settings import AccessSettings
from ossicle.gateway.keys.judges import judge_of

pytestmark = pytest.mark.interop

FORMAT = {"encoding": "pcm_s16le", "sample_rate": 16000}


def bearer(key):
    return {"authorization": f"Bearer {key}"}


@pytest.fixture
def module(monkeypatch):
    found = types.ModuleType("judges_of_this_test")

    async def check(credential):
        if credential == "hangs":
            await asyncio.Event().wait()
        if credential == "breaks":
            raise ValueError("the database said something secret")
        await asyncio.sleep(0)
        return {"ann's": "ann", "odd": 7}.get(credential)

    found.check, found.plain = check, lambda _credential: "ann"
    monkeypatch.setitem(sys.modules, found.__name__, found)
    return found.__name__


async def test_a_function_gives_the_verdict(tmp_path, module, caplog):
    access = AccessSettings(judge=f"python:{module}:check", judge_s=0.3)
    async with gateway_with(tmp_path, access=access, keys=(("me", "k"),)) as gateway:
        for key, owner in (("ann's", "ann"), ("k", "me")):
            async with Talk.open(gateway.url, headers=bearer(key), **FORMAT):
                listed = await ask(gateway.url, method="GET", path="/v1/sessions",
                                   headers=bearer(key))  # fmt: skip
                assert len(listed.json["sessions"]) == len(gateway.house.listing(owner)) == 1
        for key, status, says in (
            ("nobody's", 401, "not known"),
            ("odd", 401, "not known"),
            ("hangs", 503, "within 0.3 s (access.judge_s)"),
            ("breaks", 503, "failed"),
        ):
            got, body = await refusal(gateway.url, headers=bearer(key))
            assert (got, says in body["error"]["text"]) == (status, True), body
            assert "secret" not in json.dumps(body)
            posted = await ask(gateway.url, b"RIFF", headers=bearer(key))
            assert posted.status == status
        assert gateway.house._judging == 0
        assert (await refusal(gateway.url))[0] == 401
        assert (await refusal(gateway.url, token="ann's"))[0] == 401


async def test_a_client_that_leaves_meanwhile_opens_nothing(tmp_path, module):
    access = AccessSettings(judge=f"python:{module}:check", judge_s=0.3)
    async with gateway_with(tmp_path, access=access) as gateway:
        with pytest.raises(TimeoutError):
            await ask(gateway.url, b"RIFF", headers=bearer("hangs"), seconds=0.1)
        async with asyncio.timeout(5):
            while gateway.house._judging:
                await asyncio.sleep(0.01)
        assert gateway.house.sessions == {}


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"judge": "nonsense"}, "python:MODULE:FUNCTION"),
        ({"judge": "python:no_such_module_here:x"}, "there is no x"),
        ({"judge": "python:judges_of_this_test:absent"}, "there is no absent"),
        ({"judge": "python:judges_of_this_test:plain"}, "not an async function"),
        ({"judge": "python:a:b", "jwks": "c"}, "one of them"),
        ({"jwks": "c"}, "jwt_audience"),
    ],
)
def test_judges_that_are_none(module, values, says):
    with pytest.raises(Refused, match=says):
        judge_of(AccessSettings(**values))
