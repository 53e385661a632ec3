"""Keys and limits against a gateway with real sockets, and the command that makes them."""

import asyncio
import contextlib
import json
import sys

import pytest

from harness import FRAME, Talk, ask, gateway_with, refusal, until
from ossicle.gateway.configuration.settings import AccessSettings
from ossicle.gateway.keys.keyfile import KeyFile, KeyLimits
from ossicle.testing.marked import marked_audio

pytestmark = pytest.mark.interop

FORMAT = {"encoding": "pcm_s16le", "sample_rate": 16000}


def bearer(key):
    return {"authorization": f"Bearer {key}"}


@pytest.fixture
def book(tmp_path):
    return KeyFile(tmp_path / "state" / "keys.json")


@contextlib.asynccontextmanager
async def talking(gateway, key, words=(1, 2, 0)):
    async with Talk.open(gateway.url, headers=bearer(key), **FORMAT) as talk:
        await talk.audio(marked_audio(words))
        yield talk


async def command(tmp_path, *arguments):
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "from ossicle.cli import main; main()", "keys", *arguments,
        "--state-dir", str(tmp_path / "state"),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(30):
        out, complaint = await process.communicate()
    return process.returncode, out.decode(), complaint.decode()


async def test_a_key_from_making_to_taking_back(tmp_path):
    status, out, told = await command(
        tmp_path, "add", "web", "--sessions", "2", "--max-message", "1000000"
    )
    key = out.strip()
    assert status == 0
    assert "only time" in told
    assert key not in told
    status, out, _ = await command(tmp_path, "list")
    assert "web" in out
    assert "sessions=2 max_message=1000000" in " ".join(out.split())
    assert key not in out
    name = key.split("_")[1]
    async with gateway_with(tmp_path) as gateway:
        assert (await refusal(gateway.url))[0] == 401
        assert (await refusal(gateway.url, headers=bearer(key + "x")))[0] == 401
        made = await ask(gateway.url, path="/v1/tokens", headers=bearer(key))
        token = made.json["token"]
        async with talking(gateway, key) as talk:
            await talk.until("transcript")
            status, out, _ = await command(tmp_path, "revoke", name)
            assert out == f"revoked {name} of web\n"
            ended = await talk.ended()
            assert ended["error"]["code"] == "unauthorized"
            assert "revoked" in ended["error"]["text"]
        for credential in (key, token):  # the file is empty: nobody comes in, not everybody
            status, body = await refusal(gateway.url, headers=bearer(credential))
            assert (status, body["error"]["code"]) == (401, "unauthorized")
        assert gateway.house.access.on
    status, out, _ = await command(tmp_path, "usage", "--csv")
    lines = [line.split(",") for line in out.splitlines()]
    assert lines[0] == ["day", "key", "owner", "engine", "audio_s", "spoken_s"]
    assert [line[1:3] for line in lines[1:]] == [[name, "web"]]
    assert float(lines[1][4]) > 0
    status, _, told = await command(tmp_path, "revoke", name)
    assert status == 2
    assert "ossicle keys list" in told


async def test_a_half_written_file_changes_nothing(tmp_path, book, caplog):
    key = book.add("web").key
    async with gateway_with(tmp_path) as gateway:
        whole = book.path.read_bytes()
        book.path.write_bytes(whole[: len(whole) // 2])
        await until(lambda: "cut off or edited wrongly" in caplog.text)
        async with talking(gateway, key):
            pass
        book.path.unlink()
        later = book.add("batch").key
        async with asyncio.timeout(5):
            while (await ask(gateway.url, method="GET", path="/v1/sessions",
                             headers=bearer(later))).status != 200:  # fmt: skip
                await asyncio.sleep(0.05)
        assert (await refusal(gateway.url, headers=bearer(key)))[0] == 401


async def test_an_unreadable_file_is_no_start(tmp_path, book):
    book.add("web")
    book.path.chmod(0o644)
    with pytest.raises(Exception, match="mode 0644; make it 0600"):
        async with gateway_with(tmp_path):
            pass


@pytest.mark.parametrize(
    ("limits", "says", "again"),
    [
        (KeyLimits(sessions=1), "its limit is 1 (sessions)", range(1, 2)),
        (KeyLimits(handshakes_per_s=0.01), "(handshakes_per_s)", range(90, 101)),
    ],
)
async def test_a_key_over_its_limit(tmp_path, book, limits, says, again):
    mine, other = book.add("web", limits), book.add("batch")
    async with gateway_with(tmp_path) as gateway:
        made = await ask(gateway.url, path="/v1/tokens", headers=bearer(mine.key))
        async with talking(gateway, mine.key):
            for credential in (mine.key, made.json["token"]):
                got = await ask(gateway.url, b"RIFF", headers=bearer(credential))
                assert (got.status, got.json["error"]["code"]) == (429, "rate_limited")
                assert says in got.json["error"]["text"]
                assert int(got.headers["retry-after"]) in again
            async with talking(gateway, other.key):
                pass


async def test_a_session_ends_with_its_seconds(tmp_path, book):
    key = book.add("web", KeyLimits(session_s=1.0)).key
    async with gateway_with(tmp_path) as gateway, talking(gateway, key) as talk:
        ended = await talk.ended()
        assert (ended["reason"], ended["error"]["code"]) == ("limit", "session_limit")
        assert "limit of 1 s" in ended["error"]["text"]


async def test_audio_is_capped_and_the_cap_outlives_the_gateway(tmp_path, book):
    new = book.add("web", KeyLimits(audio_s_per_day=2.0))
    open_to_all = AccessSettings(metrics_for=("*",))
    async with gateway_with(tmp_path, access=open_to_all) as gateway:
        async with Talk.open(gateway.url, headers=bearer(new.key), **FORMAT) as talk:
            await talk.audio(bytes(FRAME) * 150)
            ended = await talk.ended()
            assert (ended["reason"], ended["error"]["code"]) == ("limit", "rate_limited")
            assert "used 3 s of audio, its limit is 2 s (audio_s_per_day)" in ended["error"]["text"]
        page = (await ask(gateway.url, method="GET", path="/metrics")).body.decode()
        (line,) = [t for t in page.splitlines() if t.startswith("ossicle_key_audio_seconds_total")]
        assert f'key="{new.id}"' in line
        assert 'owner="web"' in line
        assert line.endswith(" 3.0")
        assert new.key not in page
    async with gateway_with(tmp_path) as gateway:
        status, body = await refusal(gateway.url, headers=bearer(new.key))
        assert (status, body["error"]["code"]) == (429, "rate_limited")
        assert 0 < body["error"]["retry_after_s"] <= 86_400
        for path in ("/v1/stream", "/v1/listen"):
            got = await ask(gateway.url, b"RIFF", path=path, headers=bearer(new.key))
            assert got.status == 429
            assert 0 < int(got.headers["retry-after"]) <= 86_400
            assert abs(int(got.headers["retry-after"]) - body["error"]["retry_after_s"]) < 30


async def test_an_upload_that_is_repeated_is_counted_once(tmp_path, book):
    new = book.add("web")
    sound = marked_audio([1, 2, 0])
    path = "/v1/stream?encoding=pcm_s16le&sample_rate=16000"
    async with gateway_with(tmp_path) as gateway:
        for _ in range(2):
            headers = bearer(new.key) | {"idempotency-key": "upload-7"}
            assert (await ask(gateway.url, sound, path=path, headers=headers)).status == 200
        await until(lambda: not gateway.house.sessions)
        assert gateway.house.usage.used(new.id)[0] == len(sound) / 32_000
        await ask(gateway.url, sound, path=path, headers=bearer(new.key))
        await until(lambda: not gateway.house.sessions)
        assert gateway.house.usage.used(new.id)[0] == 2 * len(sound) / 32_000


async def test_an_address_may_knock_only_so_often(tmp_path):
    access = AccessSettings(handshakes_per_s=1.0, trust_proxies=("127.0.0.1",))
    async with gateway_with(tmp_path, keys=(("me", "k"),), access=access) as gateway:
        loud, calm = {"x-forwarded-for": "198.51.100.1"}, {"x-forwarded-for": "198.51.100.2"}
        told = [(await refusal(gateway.url, headers=loud))[0] for _ in range(6)]
        assert told[:4] == [401] * 4
        assert 429 in told[4:]
        async with asyncio.timeout(10):  # plain HTTP counts the same
            while True:
                got = await ask(gateway.url, path="/v1/tokens", headers=loud | bearer("k"))
                if got.status == 429:
                    break
        assert "from your address" in got.json["error"]["text"]
        assert got.headers["retry-after"] == "1"
        async with Talk.open(gateway.url, headers=calm | bearer("k"), **FORMAT):
            pass


async def test_a_key_in_a_url_is_refused_and_a_token_is_not(tmp_path, book):
    new = book.add("web")
    async with gateway_with(tmp_path) as gateway:
        status, body = await refusal(gateway.url, token=new.key)
        assert status == 401
        assert "POST /v1/tokens" in body["error"]["text"]
        assert new.key not in json.dumps(body)
        made = await ask(gateway.url, path="/v1/tokens", headers=bearer(new.key))
        async with Talk.open(gateway.url, token=made.json["token"], **FORMAT):
            assert len(gateway.house.listing("web")) == 1
        again = await ask(gateway.url, path="/v1/tokens", headers=bearer(made.json["token"]))
        assert again.status == 401


async def test_the_figures_open_to_whom_they_are_for(tmp_path, book):
    """They name the owners of keys and what each used."""
    mine, other = book.add("prometheus").key, book.add("web").key
    access = AccessSettings(metrics_for=("prometheus",))
    async with gateway_with(tmp_path, access=access) as gateway:
        for headers, status in ((None, 401), (bearer(other), 403), (bearer(mine), 200)):
            answer = await ask(gateway.url, method="GET", path="/metrics", headers=headers)
            assert answer.status == status
        refused = await ask(gateway.url, method="GET", path="/metrics", headers=bearer(other))
        assert "name it in access.metrics_for" in refused.body.decode()
