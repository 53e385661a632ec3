"""How large a message of one key may be, on every wire and in every dialect's own words."""

import json

import pytest
from websockets.asyncio.client import connect

from harness import Talk, address, ask, gateway_with
from ossicle.gateway.keys.keyfile import KeyFile, KeyLimits
from ossicle.testing.marked import marked_audio

pytestmark = pytest.mark.interop

MOST = 16_000
FORMAT = {"encoding": "pcm_s16le", "sample_rate": 16000}
SAYS = f"the limit of this key is {MOST} (max_message)"


def bearer(key):
    return {"authorization": f"Bearer {key}"}


@pytest.fixture
def key(tmp_path):
    book = KeyFile(tmp_path / "state" / "keys.json")
    return book.add("web", KeyLimits(max_message=MOST)).key


async def test_native(tmp_path, key):
    async with gateway_with(tmp_path) as gateway:
        for too_large in (bytes(MOST + 2), json.dumps({"type": "keep_alive", "ref": "x" * MOST})):
            async with Talk.open(gateway.url, headers=bearer(key), **FORMAT) as talk:
                await talk.audio(marked_audio([1, 0]), MOST)
                await talk.until("transcript", text="w1")
                await talk.socket.send(too_large)
                ended = await talk.ended()
                assert (ended["reason"], ended["error"]["code"]) == ("refused", "too_large")
                assert SAYS in ended["error"]["text"]
                assert talk.close == (1009, "too_large")
                assert ended["audio_ms"] == len(marked_audio([1, 0])) // 32


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("path", ["/v1/stream?encoding=pcm_s16le&sample_rate=16000", "/v1/listen"])
async def test_a_body(tmp_path, key, chunked, path):
    async with gateway_with(tmp_path) as gateway:
        sound = marked_audio([1, 2, 3, 4, 5, 6, 7, 8, 0])
        assert len(sound) > 2 * MOST
        pieces = [sound[at : at + 3_200] for at in range(0, len(sound), 3_200)]
        got = await ask(gateway.url, pieces if chunked else sound, path=path, headers=bearer(key))
        if got.status == 200:  # it was being answered already
            (ended,) = [line for line in got.lines if line["type"] == "ended"]
            assert (chunked, ended["error"]["code"]) == (True, "too_large")
            assert SAYS in ended["error"]["text"]
        else:
            assert got.status == 413
            assert SAYS in got.body.decode()
            assert ("err_code" in got.json) == (path == "/v1/listen")
        if path != "/v1/listen":
            small = await ask(gateway.url, sound[:MOST], path=path, headers=bearer(key))
            assert small.status == 200
            assert small.words[0] == "w1"


async def test_deepgram_and_assemblyai(tmp_path, key):
    async with gateway_with(tmp_path) as gateway:
        where = f"ws://localhost:{address(gateway.url)[1]}"
        listen = f"{where}/v1/listen?encoding=linear16&sample_rate=16000"
        async with connect(
            listen, additional_headers={"authorization": f"Token {key}"}, proxy=None
        ) as wire:
            await wire.send(bytes(MOST + 2))
            await wire.wait_closed()
            assert (wire.close_code, wire.close_reason) == (1009, "BIG-0000")
        async with connect(
            f"{where}/v3/ws?sample_rate=16000", additional_headers={"authorization": key},
            proxy=None,
        ) as wire:  # fmt: skip
            assert json.loads(await wire.recv())["type"] == "Begin"
            await wire.send(bytes(MOST + 2))
            error = json.loads(await wire.recv())
            assert (error["type"], error["error_code"]) == ("Error", 3007)
            assert SAYS in error["error"]
            await wire.wait_closed()
            assert wire.close_code == 3007


async def test_a_telephone_call(tmp_path, key):
    """It says who it is after the handshake, in a message: what comes then is measured."""
    start = {"event": "start", "start": {
        "streamSid": "MZ1", "callSid": "CA1", "accountSid": "AC1", "tracks": ["inbound"],
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        "customParameters": {"token": key},
    }, "streamSid": "MZ1"}  # fmt: skip
    async with gateway_with(tmp_path) as gateway:
        where = f"ws://localhost:{address(gateway.url)[1]}/twilio/media"
        async with connect(where, proxy=None) as wire:
            await wire.send(json.dumps({"event": "connected", "protocol": "Call"}))
            await wire.send(json.dumps(start))
            await wire.send(json.dumps({"event": "mark", "mark": {"name": "x" * MOST}}))
            await wire.wait_closed()
            assert wire.close_code == 1000  # to a carrier every other code is a fault of ours
            assert wire.close_reason.startswith("too_large: a message of ")
