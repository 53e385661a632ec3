"""What a key has used, whatever dialect and wire it came by: heard and spoken, by engine."""

import asyncio
import csv
import io
import json
import sys
from pathlib import Path

import pytest
from websockets.asyncio.client import connect

from harness import Talk, address, ask, gateway_with, until
from ossicle.engines.compose import Combined
from ossicle.engines.open import open_engine
from ossicle.gateway.configuration.settings import AccessSettings
from ossicle.gateway.keys.keyfile import KeyFile, KeyLimits
from ossicle.testing.marked import marked_audio

OPEN = AccessSettings(metrics_for=("*",))

pytestmark = pytest.mark.interop

SOUND = marked_audio([1, 2, 3, 0])
SECONDS = len(SOUND) / 32_000


def wav(data: bytes, rate: int = 16_000) -> bytes:
    head = b"RIFF" + (36 + len(data)).to_bytes(4, "little") + b"WAVEfmt " + b"".join((
        (16).to_bytes(4, "little"), (1).to_bytes(2, "little"), (1).to_bytes(2, "little"),
        rate.to_bytes(4, "little"), (2 * rate).to_bytes(4, "little"), (2).to_bytes(2, "little"),
        (16).to_bytes(2, "little"),
    ))  # fmt: skip
    return head + b"data" + len(data).to_bytes(4, "little") + data


async def native(url, key):
    format_ = {"encoding": "pcm_s16le", "sample_rate": 16000}
    async with Talk.open(url, headers={"authorization": f"Bearer {key}"}, **format_) as talk:
        await talk.audio(SOUND)
        await talk.say("end")
        await talk.ended()


async def native_post(url, key):
    path = "/v1/stream?encoding=pcm_s16le&sample_rate=16000"
    got = await ask(url, SOUND, path=path, headers={"authorization": f"Bearer {key}"})
    assert got.status == 200


async def prerecorded(url, key):
    headers = {"authorization": f"Token {key}", "content-type": "audio/wav"}
    got = await ask(url, wav(SOUND), path="/v1/listen", headers=headers)
    assert got.status == 200


async def live(url, key, path, last, *, step=3_200):
    """A WebSocket that takes binary sound."""
    scheme = "" if path.startswith("/v3") else "Token "
    where = f"ws://localhost:{address(url)[1]}{path}"
    async with connect(
        where, additional_headers={"authorization": f"{scheme}{key}"}, proxy=None
    ) as wire:
        for at in range(0, len(SOUND), step):
            await wire.send(SOUND[at : at + step])
        await wire.send(json.dumps({"type": last}))
        async with asyncio.timeout(10):
            await wire.wait_closed()


async def listen(url, key):
    await live(url, key, "/v1/listen?encoding=linear16&sample_rate=16000", "CloseStream")


async def flux(url, key):
    path = "/v2/listen?model=flux-general-en&encoding=linear16&sample_rate=16000"
    await live(url, key, path, "CloseStream")


async def assemblyai(url, key):
    await live(url, key, "/v3/ws?sample_rate=16000", "Terminate")


async def twilio(url, key):
    start = {"event": "start", "streamSid": "MZ1", "start": {
        "streamSid": "MZ1", "callSid": "CA1", "accountSid": "AC1", "tracks": ["inbound"],
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        "customParameters": {"token": key},
    }}  # fmt: skip
    silence = "/" * 212 + "/w=="  # 160 bytes of 0xff: 20 ms
    where = f"ws://localhost:{address(url)[1]}/twilio/media"
    async with connect(where, proxy=None) as wire:
        await wire.send(json.dumps({"event": "connected", "protocol": "Call"}))
        await wire.send(json.dumps(start))
        for number in range(round(SECONDS * 50)):
            await wire.send(json.dumps({
                "event": "media", "streamSid": "MZ1", "media": {
                    "track": "inbound", "timestamp": str(20 * number), "chunk": str(number + 1),
                    "payload": silence,
                },
            }))  # fmt: skip
        await wire.send(json.dumps({"event": "stop", "streamSid": "MZ1", "stop": {}}))
        async with asyncio.timeout(10):
            await wire.wait_closed()


WAYS = [native, native_post, prerecorded, listen, flux, assemblyai, twilio]


async def used(tmp_path: Path) -> list[dict[str, str]]:
    """`ossicle keys usage --csv`."""
    process = await asyncio.create_subprocess_exec(
        Path(sys.executable).with_name("ossicle"), "keys", "usage", "--csv",
        "--state-dir", str(tmp_path / "state"), stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await process.communicate()
    return list(csv.DictReader(io.StringIO(out.decode())))


async def test_what_every_dialect_hears_is_counted(tmp_path):
    book = KeyFile(tmp_path / "state" / "keys.json")
    keys = {way.__name__: book.add(way.__name__) for way in WAYS}
    async with gateway_with(tmp_path, access=OPEN) as gateway:
        for way in WAYS:
            await way(gateway.url, keys[way.__name__].key)
        await until(lambda: not gateway.house.sessions)
        page = (await ask(gateway.url, method="GET", path="/metrics")).body.decode()
    rows = {row["owner"]: row for row in await used(tmp_path)}
    assert rows.keys() == keys.keys()
    for name, row in rows.items():
        assert row["key"] == keys[name].id
        assert row["engine"] == "scripted", name
        assert float(row["audio_s"]) == pytest.approx(SECONDS, abs=0.03), name
        assert float(row["spoken_s"]) == 0.0
        line = next(
            t for t in page.splitlines()
            if t.startswith("ossicle_key_audio_seconds_total") and f'owner="{name}"' in t
        )  # fmt: skip
        assert float(line.rpartition(" ")[2]) == pytest.approx(float(row["audio_s"]))


async def speak(url, key):
    got = await ask(
        url, b'{"text": "one two three four"}', path="/v1/speak?encoding=linear16&container=none",
        headers={"authorization": f"Token {key}", "content-type": "application/json"},
    )  # fmt: skip
    assert got.status == 200
    return len(got.body) / 48_000


async def speak_live(url, key):
    where = f"ws://localhost:{address(url)[1]}/v1/speak?encoding=linear16&sample_rate=24000"
    sound = 0
    async with connect(
        where, additional_headers={"authorization": f"Token {key}"}, proxy=None
    ) as wire:
        await wire.send(json.dumps({"type": "Speak", "text": "one two three four"}))
        await wire.send(json.dumps({"type": "Flush"}))
        async with asyncio.timeout(10):
            async for message in wire:
                if isinstance(message, bytes):
                    sound += len(message)
                elif json.loads(message)["type"] == "Flushed":
                    break
        await wire.send(json.dumps({"type": "Close"}))
        await wire.wait_closed()
    return sound / 48_000


async def test_what_is_spoken_is_counted_beside_what_is_heard(tmp_path):
    book = KeyFile(tmp_path / "state" / "keys.json")
    ways = (speak, speak_live)
    keys = {way.__name__: book.add(way.__name__) for way in ways}
    capped = book.add("capped", KeyLimits(audio_s_per_day=0.1)).key
    engine = Combined(open_engine("scripted:heard"), open_engine("tone"))
    async with gateway_with(tmp_path, engine, access=OPEN) as gateway:
        made = {way.__name__: await way(gateway.url, keys[way.__name__].key) for way in ways}
        await speak(gateway.url, capped)
        await until(lambda: not gateway.house.sessions)
        got = await ask(
            gateway.url, b'{"text": "more"}', path="/v1/speak",
            headers={"authorization": f"Token {capped}", "content-type": "application/json"},
        )  # fmt: skip
        assert got.status == 429
        assert "(audio_s_per_day)" in got.body.decode()
        page = (await ask(gateway.url, method="GET", path="/metrics")).body.decode()
    rows = {row["owner"]: row for row in await used(tmp_path)}
    for name, seconds in made.items():
        assert seconds > 0.3
        assert float(rows[name]["spoken_s"]) == pytest.approx(seconds, abs=0.03)
        assert float(rows[name]["audio_s"]) == 0.0
        assert "tone" in rows[name]["engine"]
        assert f'ossicle_key_spoken_seconds_total{{engine="{rows[name]["engine"]}"' in page
