"""`/v1/listen` on a running gateway, spoken to by clients that are nobody's SDK: a bare WebSocket,
HTTP by hand, a receiver of callbacks. Real speech has the words of the native dialect."""

import asyncio
import contextlib
import hashlib
import json
import os
import struct
import wave
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from desk import Desk
from harness import Talk, address, ask, gateway_with, missing, refusal, until
from ossicle.core.formats import AudioFormat
from ossicle.engines.open import open_engine
from ossicle.testing.marked import marked_audio

pytestmark = pytest.mark.interop

RAW = "model=nova-3&encoding=linear16&sample_rate=16000"
RAW_FIELDS = {"model": "nova-3", "encoding": "linear16", "sample_rate": "16000"}


def wav(data: bytes, channels: int = 1) -> bytes:
    return (
        struct.pack("<4sI4s", b"RIFF", len(data) + 36, b"WAVE")
        + struct.pack(
            "<4sIHHIIHH", b"fmt ", 16, 1, channels, 16000, 32000 * channels, 2 * channels, 16
        )
        + struct.pack("<4sI", b"data", len(data))
        + data
    )


def both(one: bytes, other: bytes) -> bytes:
    """Two channels, interleaved."""
    return b"".join(
        one[at : at + 2] + other[at : at + 2] for at in range(0, min(len(one), len(other)), 2)
    )


async def live(
    url: str, query: str, items: list[bytes | str], *, seconds: float = 60.0
) -> tuple[list[dict[str, Any]], int | None, str | None]:
    """Send everything, close politely, and return all messages and the close."""
    host, port = address(url)
    where = f"ws://{host}:{port}/v1/listen?{query}"
    messages: list[dict[str, Any]] = []
    async with (
        asyncio.timeout(seconds),
        connect(where, proxy=None, compression=None) as socket,
    ):

        async def read() -> None:
            with contextlib.suppress(ConnectionClosed):  # how it closed is for the caller
                while True:
                    messages.append(json.loads(await socket.recv()))

        reading = asyncio.create_task(read())
        with contextlib.suppress(ConnectionClosed):
            for item in (*items, '{"type": "CloseStream"}'):
                await socket.send(item)
        await reading
        return messages, socket.close_code, socket.close_reason


def pieces(data: bytes, step: int = 3200) -> list[bytes | str]:
    return [data[at : at + step] for at in range(0, len(data), step)]


def words(messages: list[dict[str, Any]], channel: int = 0) -> list[str]:
    return [
        word["word"]
        for message in messages
        if message.get("is_final") and message["channel_index"][0] == channel
        for word in message["channel"]["alternatives"][0]["words"]
    ]


async def test_a_wrong_key_is_refused_before_the_upgrade(tmp_path: Path) -> None:
    async with gateway_with(tmp_path, keys=(("me", "a-good-key-of-some-length"),)) as gateway:
        for headers in (None, {"Authorization": "Token wrong"}, {"Authorization": "bearer"}):
            status, body = await refusal(
                gateway.url, path="/v1/listen", headers=headers, **RAW_FIELDS
            )
            assert status == 401
            assert body["err_code"] == "INVALID_AUTH"
            assert body["request_id"]
        answer = await ask(
            gateway.url,
            b"x",
            path=f"/v1/listen?{RAW}",
            headers={"authorization": "Token wrong"},
        )
        assert answer.status == 401
        assert answer.headers["dg-error"]
        assert answer.json["err_msg"] == "Invalid credentials."


async def test_a_browser_gives_its_key_as_a_subprotocol(tmp_path: Path) -> None:
    key = "a-good-key-of-some-length"
    async with gateway_with(tmp_path, keys=(("me", key),)) as gateway:
        host, port = address(gateway.url)
        for offer, chosen in (
            (["token", key], "token"),
            (["bearer", key], "bearer"),
            (["mine", "token", key, "x-deepgram-session-id", "6f0c"], "token"),
        ):
            async with connect(
                f"ws://{host}:{port}/v1/listen?{RAW}", proxy=None, subprotocols=offer
            ) as socket:
                assert socket.subprotocol == chosen
                assert socket.response is not None
                assert socket.response.headers["dg-request-id"]


async def test_wrong_kinds_are_400_before_the_upgrade(tmp_path: Path) -> None:
    async with gateway_with(tmp_path) as gateway:
        status, body = await refusal(
            gateway.url, path="/v1/listen", encoding="linear16", sample_rate="loud"
        )
        assert (status, set(body)) == (400, {"err_code", "err_msg", "request_id"})


async def test_no_room_is_429_and_the_repeated_upload_counts_once(tmp_path: Path) -> None:
    audio = wav(marked_audio([1, 2]))
    async with gateway_with(tmp_path, sessions=1) as gateway:
        async with Talk.open(gateway.url, encoding="pcm_s16le", sample_rate=16000):
            refused = await ask(gateway.url, audio, path="/v1/listen")
            assert refused.status == 429
            assert refused.headers["retry-after"] == "1"
        await until(lambda: not gateway.house.sessions)
        before = gateway.house.metrics.page()
        answer = await ask(gateway.url, audio, path="/v1/listen")
        assert answer.status == 200
        await until(lambda: not gateway.house.sessions)
        assert _opened(gateway.house.metrics.page()) == _opened(before) + 1


def _opened(page: bytes | str) -> float:
    text = page.decode() if isinstance(page, bytes) else page
    lines = [line for line in text.splitlines() if line.startswith("ossicle_sessions_opened_total")]
    assert lines, text
    return sum(float(line.rpartition(" ")[2]) for line in lines)


async def test_a_container_is_recognised_live(tmp_path: Path) -> None:
    audio = wav(marked_audio([1, 2, 3]))
    async with gateway_with(tmp_path) as gateway:
        messages, code, _ = await live(gateway.url, "model=nova-3", pieces(audio))
    assert words(messages) == ["w1", "w2", "w3"]
    assert messages[-1]["sha256"] == hashlib.sha256(audio).hexdigest()
    assert code == 1000


async def test_what_is_no_audio_closes_with_data_0000(tmp_path: Path) -> None:
    async with gateway_with(tmp_path) as gateway:
        messages, code, reason = await live(gateway.url, "model=nova-3", [b"no container" * 20])
    assert (messages, code, reason) == ([], 1008, "DATA-0000")


async def test_two_channels_have_two_streams_of_results(tmp_path: Path) -> None:
    audio = both(marked_audio([1, 2, 0]), marked_audio([3, 4, 0]))
    async with gateway_with(tmp_path) as gateway:
        messages, code, _ = await live(
            gateway.url, RAW + "&channels=2&multichannel=true", [*pieces(audio), "{}"]
        )
        answer = await ask(gateway.url, wav(audio, 2), path="/v1/listen?multichannel=true")
    assert (words(messages, 0), words(messages, 1)) == (["w1", "w2"], ["w3", "w4"])
    assert {tuple(m["channel_index"]) for m in messages if m["type"] == "Results"} == {
        (0, 2),
        (1, 2),
    }
    assert messages[-1]["channels"] == 2
    assert code == 1000
    first, second = answer.json["results"]["channels"]
    assert first["alternatives"][0]["transcript"] == "w1 w2"
    assert second["alternatives"][0]["transcript"] == "w3 w4"


async def test_base64_among_binary_is_an_error_and_nothing_is_lost(tmp_path: Path) -> None:
    audio = pieces(marked_audio([1, 2, 3]))
    mixed = [item for piece in audio for item in (piece, "AAAAAAAA")]
    async with gateway_with(tmp_path) as gateway:
        messages, code, _ = await live(gateway.url, RAW, mixed)
    assert words(messages) == ["w1", "w2", "w3"]
    assert [m["type"] for m in messages].count("Error") == len(audio)
    assert code == 1000


async def test_a_client_that_just_goes_frees_its_slot(tmp_path: Path) -> None:
    async with gateway_with(tmp_path, sessions=1) as gateway:
        host, port = address(gateway.url)
        async with connect(f"ws://{host}:{port}/v1/listen?{RAW}", proxy=None) as socket:
            await socket.send(marked_audio([1]))
            await until(lambda: gateway.house.sessions)
        await until(lambda: not gateway.house.sessions, 2.0)
        async with connect(f"ws://{host}:{port}/v1/listen?{RAW}", proxy=None) as socket:
            await socket.send(marked_audio([1]))
            socket.transport.abort()
        await until(lambda: not gateway.house.sessions, 2.0)


async def test_a_callback_gets_what_the_client_would_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OSSICLE_WEBHOOK_SECRET", "whsec_" + "a" * 32)
    audio = marked_audio([1, 2, 0, 3])
    async with Desk.open() as desk, gateway_with(tmp_path, session={"resume_window_s": 5}) as it:
        callback = f"callback=http://127.0.0.1:{desk.port}/done&callback_method=put"
        answer = await ask(it.url, wav(audio), path=f"/v1/listen?{callback}")
        assert answer.status == 200
        assert set(answer.json) == {"request_id"}
        await until(lambda: desk.bodies)
        (posted,) = desk.bodies
        assert desk.posts[0].line.startswith("PUT /done")
        assert posted["metadata"]["request_id"] == answer.json["request_id"]
        reading = posted["results"]["channels"][0]["alternatives"][0]
        assert reading["transcript"] == "w1 w2 w3"
        desk.posts.clear()
        messages, _, _ = await live(it.url, f"{RAW}&{callback}", pieces(audio))
        await until(lambda: any(body["type"] == "Metadata" for body in desk.bodies))
        assert words(desk.bodies) == words(messages) == ["w1", "w2", "w3"]


# ── real speech ──


def speech(name: str) -> bytes:
    folder = os.environ.get("OSSICLE_CLIPS", "")
    if not folder or not (Path(folder) / name).is_file():
        missing(f"{name} is needed in the folder that OSSICLE_CLIPS names (scripts/clips.py)")
    with wave.open(str(Path(folder) / name)) as file:
        assert AudioFormat("pcm_s16le", file.getframerate()).sample_rate == 16_000
        return file.readframes(file.getnframes()) + bytes(32_000)


@pytest.mark.parametrize("name", ["go-forward.wav", "numbers.wav", "sense-0880.wav"])
async def test_real_speech_has_the_words_of_the_native_dialect(name: str, tmp_path: Path) -> None:
    sound = speech(name)
    async with gateway_with(tmp_path, open_engine("pocketsphinx")) as gateway:
        await gateway.ready()
        async with Talk.open(gateway.url, encoding="pcm_s16le", sample_rate=16000) as talk:
            await talk.audio(sound, 3200)
            await talk.say("end")
            await talk.ended(60)
            wanted = talk.words()
        assert wanted
        messages, code, _ = await live(
            gateway.url, RAW + "&interim_results=true&vad_events=true", pieces(sound)
        )
        answer = await ask(gateway.url, wav(sound), path="/v1/listen", seconds=60)
    assert words(messages) == [word.lower() for word in wanted]
    assert code == 1000
    reading = answer.json["results"]["channels"][0]["alternatives"][0]
    assert [word["word"] for word in reading["words"]] == words(messages)
