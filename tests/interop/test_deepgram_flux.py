"""Deepgram's own SDKs, unmodified, on Flux: they change one URL, and trust one certificate."""

import asyncio
import json
import os
import wave
from pathlib import Path
from typing import Any

import pytest

from deepgram_sdk import EVERYWHERE, KEY, Door, door, noted, run
from harness import Talk, ask, missing
from ossicle.engines.open import open_engine
from ossicle.testing.marked import marked_audio

pytestmark = [pytest.mark.interop, pytest.mark.timeout(120)]

PAUSE = bytes(32 * 1400)
"""Long enough after a number: the rules wait for more digits, and `w2` ends in one."""
WORDS = marked_audio([1, 2]) + PAUSE + marked_audio([3]) + PAUSE


async def flux(
    at: Door, kind: str, wire: str, audio: bytes, tmp_path: Path, **orders: Any
) -> list[Any]:
    file = tmp_path / "audio.raw"
    file.write_bytes(audio)
    return await run("flux", kind, at.at(wire) | {"audio": str(file)} | orders, at.authority)


def checked(messages: list[Any]) -> list[str]:
    """The story in short, after the laws: dense numbers, lawful turns."""
    told, place = [], "idle"
    numbers = [m["sequence_id"] for m in messages if "sequence_id" in m]
    assert numbers == list(range(len(numbers)))
    for message in messages:
        assert message["type"] not in {"SdkError", "Raised"}, message
        if message["type"] != "TurnInfo":
            continue
        event = message["event"]
        lawful = {
            "StartOfTurn": {"idle"},
            "EagerEndOfTurn": {"speaking"},
            "TurnResumed": {"waiting"},
            "EndOfTurn": {"speaking", "waiting"},
        }
        if event == "Update":
            continue
        assert place in lawful[event], messages
        place = {"EagerEndOfTurn": "waiting", "EndOfTurn": "idle"}.get(event, "speaking")
        trigger = f" {message['trigger']}" if event == "EndOfTurn" else ""
        told.append(f"{message['turn_index']} {event} {message['transcript']}{trigger}")
    assert messages[-1]["type"] == "Over"
    assert not messages[-1]["hangs"]
    return told


@pytest.mark.parametrize(("kind", "wire"), EVERYWHERE)
async def test_turns_and_the_rest_at_the_close(kind: str, wire: str, tmp_path: Path):
    async with door(tmp_path) as at:
        audio = WORDS + marked_audio([4])
        told = await flux(at, kind, wire, audio, tmp_path)
        assert checked(told) == [
            "0 StartOfTurn w1",
            "0 EndOfTurn w1 w2 model",
            "1 StartOfTurn w3",
            "1 EndOfTurn w3 model",
            "2 StartOfTurn w4",
        ]
        assert told[0]["type"] == "Connected"
        last = [m for m in told if m["type"] == "TurnInfo"][-1]
        assert (last["event"], last["transcript"]) == ("Update", "w4")
        if kind == "js":
            assert {"type": "Closed", "code": 1000} in told
        assert not at.house.sessions
    noted("Deepgram Flux /v2/listen", kind, "wss" if wire == "tls" else "ws", "turns")


@pytest.mark.parametrize("kind", ["sync", "async", "js"])
async def test_eager_ends_configure_and_force(kind: str, tmp_path: Path):
    async with door(tmp_path) as at:
        audio = marked_audio([1]) + bytes(32 * 800) + marked_audio([2]) + PAUSE
        told = await flux(at, kind, "plain", audio, tmp_path, query={"eager_eot_threshold": 0.4})
        assert checked(told) == [
            "0 StartOfTurn w1",
            "0 EagerEndOfTurn w1",
            "0 TurnResumed w1",
            "0 EagerEndOfTurn w1 w2",
            "0 EndOfTurn w1 w2 model",
        ]
        told = await flux(
            at, kind, "plain", marked_audio([1, 2, 3, 4, 5]), tmp_path,
            configure_at=0, force_at=8,
            configure={"thresholds": {"eot_threshold": 0.9, "eot_timeout_ms": 6000}},
        )  # fmt: skip
        (success,) = [m for m in told if m["type"] == "ConfigureSuccess"]
        assert success["thresholds"]["eot_threshold"] == 0.9
        assert success["thresholds"]["eot_timeout_ms"] == 6000
        story = checked(told)
        assert "manual" in story[1]
        turns = {m["turn_index"]: m["transcript"] for m in told if m["type"] == "TurnInfo"}
        assert " ".join(turns.values()).split() == ["w1", "w2", "w3", "w4", "w5"]
    noted("Deepgram Flux /v2/listen", kind, "ws", "eager ends, Configure, ForceEndTurn")


@pytest.mark.parametrize("kind", ["sync", "async", "js"])
async def test_a_wrong_key_is_an_error_that_users_know(kind: str, tmp_path: Path):
    async with door(tmp_path) as at:
        told = await flux(at, kind, "plain", b"", tmp_path, key="wrong")
        names = [m["type"] for m in told]
        assert "Connected" not in names
        assert {"Raised", "SdkError"} & set(names)
        assert any("401" in str(m) for m in told), told
        assert not at.house.sessions


@pytest.mark.parametrize("kind", ["sync", "js"])
async def test_a_bad_parameter_is_a_400(kind: str, tmp_path: Path):
    async with door(tmp_path) as at:
        told = await flux(at, kind, "plain", b"", tmp_path, query={"eot_threshold": 0.1})
        assert any("400" in str(m) for m in told), told


async def test_javascript_does_not_connect_again(tmp_path: Path):
    """It does after every close but 1000."""
    async with door(tmp_path) as at:
        told = await flux(at, "js", "plain", WORDS, tmp_path, linger_ms=6000)
        assert [m["type"] for m in told].count("Connected") == 1


def speech() -> list[Path]:
    folder = os.environ.get("OSSICLE_CLIPS", "")
    clips = sorted(Path(folder).glob("**/*.wav"))[3:7] if folder else []
    if not clips:
        missing("OSSICLE_CLIPS names no folder with recordings")
    return clips


@pytest.mark.parametrize("kind", ["async", "js"])
async def test_real_speech_has_the_words_of_the_native_dialect(kind: str, tmp_path: Path):
    engine = open_engine("pocketsphinx:2")
    async with door(tmp_path, engine, session={"unsent_ms": 60_000}) as at:
        compared = 0
        for clip in speech():
            with wave.open(str(clip)) as file:
                if (file.getframerate(), file.getnchannels()) != (16000, 1):
                    continue
                audio = file.readframes(file.getnframes())[: 32_000 * 8]
            told = await flux(at, kind, "plain", audio, tmp_path, pace=0.02)
            checked(told)
            turns = {m["turn_index"]: m["transcript"] for m in told if m["type"] == "TurnInfo"}
            heard = " ".join(text for text in turns.values() if text)
            native = await native_words(at, audio)
            assert heard == native
            compared += len(heard.split())
        assert compared >= 5, f"only {compared} words were compared"


async def native_words(at: Door, audio: bytes) -> str:
    """The same pauses, so that the recogniser is asked the same."""
    headers = {"Authorization": f"Bearer {KEY}"}
    async with Talk.open(f"http://localhost:{at.plain}", headers=headers) as talk:
        turns = {"silence_ms": 5000, "confidence": 0.7}
        await talk.socket.send(
            json.dumps(
                {
                    "type": "start",
                    "encoding": "pcm_s16le",
                    "sample_rate": 16000,
                    "options": {"recognition": {"language": "en", "turns": turns}},
                }
            )
        )
        for place in range(0, len(audio), 3200):
            await talk.socket.send(audio[place : place + 3200])
            await asyncio.sleep(0.01)
        await talk.say("end")
        await talk.ended()
        return " ".join(talk.words())


@pytest.mark.parametrize(("kind", "wire"), EVERYWHERE)
async def test_a_granted_token_opens_the_stream(kind: str, wire: str, tmp_path: Path):
    async with door(tmp_path) as at:
        where = f"http://localhost:{at.plain}"
        key = {"authorization": f"Token {KEY}", "content-type": "application/json"}
        granted = await ask(where, b"{}", path="/v1/auth/grant", headers=key)
        if granted.status in {404, 405}:
            missing("this gateway binds no /v1/auth/grant")
        assert granted.status == 200, granted.body
        assert granted.json["expires_in"] == 30
        token = {"authorization": f"Bearer {granted.json['access_token']}"}
        again = await ask(where, b"{}", path="/v1/auth/grant", headers=token)
        assert again.status in {401, 403}
        told = await flux(at, kind, wire, WORDS, tmp_path, grant=60)
        assert told[0] == {"type": "Granted", "expires_in": 60}
        assert checked(told)[1] == "0 EndOfTurn w1 w2 model"
    noted("Deepgram /v1/auth/grant", kind, "https" if wire == "tls" else "http", "token, then Flux")
