"""OpenAI's own SDKs, unmodified, against a running gateway: they change one URL, and trust one
certificate where they insist on TLS. Each comes to a whole turn with its transcript and a reply
that can be heard, and to a turn that is interrupted.

The SDKs run as programs of their own (`openai_sdk/`), so that nothing of this process helps them.
"""

import asyncio
import base64
import contextlib
import json
import math
import os
import struct
import wave
from array import array
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from harness import Talk, gateway_with, missing
from ossicle.audio.resample import Resampler
from ossicle.core.events import Event, Transcript
from ossicle.core.options import Options
from ossicle.core.ports import Engine, Sink, Stream
from ossicle.engines.compose import Combined
from ossicle.engines.open import open_engine
from ossicle.engines.tone import ToneEngine
from ossicle.gateway.serve import Gateway
from ossicle.testing.marked import marked_audio
from sdks import Client, javascript, python, ran

pytestmark = [pytest.mark.interop, pytest.mark.timeout(90)]

PROGRAMS = Path(__file__).parent / "openai_sdk"
KEY = "sk-of-a-test"
LONG = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0]
"""Said again by the parrot this takes more than two seconds of tones."""


class Sure:
    """A recogniser that says how sure it is of each word: word n is 1 in n + 1."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.capabilities = engine.capabilities

    async def open(self, options: Options, sink: Sink) -> Stream:
        tell = sink.tell

        def surely(event: Event) -> None:
            if isinstance(event, Transcript) and event.words:
                words = (replace(w, confidence=1 / (1 + int(w.text[1:]))) for w in event.words)
                event = replace(event, words=tuple(words))
            tell(event)

        return await self._engine.open(options, _Told(sink, surely))


class _Told:
    def __init__(self, sink: Sink, tell: Callable[[Event], None]) -> None:
        self.tell, self.credit, self.settled = tell, sink.credit, sink.settled


class Door:
    """A gateway with keys, on a plain and on a TLS port."""

    def __init__(self, gateway: Gateway, authority: Path) -> None:
        self.plain = f"http://localhost:{gateway.doors['http'].port}"
        self.secure = f"https://localhost:{gateway.doors['https'].port}"
        self.authority = authority
        self.house = gateway.house


@contextlib.asynccontextmanager
async def door(tmp_path: Path, engine: Any = None) -> AsyncIterator[Door]:
    engine = engine or Combined(open_engine("scripted:heard"), ToneEngine())
    async with gateway_with(
        tmp_path, engine, tls_port=0, keys=(("me", KEY),), session={"speak_ahead_ms": 500}
    ) as gateway:
        await gateway.ready()
        (authority,) = (tmp_path / "state").rglob("ca.pem")
        yield Door(gateway, authority)


async def run(client: Client, program: str, at: Door, **orders: Any) -> list[Any]:
    """One client process; the JSON it printed."""
    process = await asyncio.create_subprocess_exec(
        *client.command(PROGRAMS / program),
        env={
            **os.environ,
            "SSL_CERT_FILE": str(at.authority),
            "NODE_EXTRA_CA_CERTS": str(at.authority),
            **client.variables,
        },
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(40):
            out, err = await process.communicate(json.dumps({"key": KEY, **orders}).encode())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, err.decode()[-3_000:]
    return [json.loads(line) for line in out.splitlines()]


async def python_talk(mode: str, at: Door, wire: str, **orders: Any) -> list[Any]:
    base = at.plain if wire == "ws" else at.secure
    return await run(python("openai"), "talk.py", at, base_url=f"{base}/v1", mode=mode, **orders)


async def node_talk(mode: str, at: Door, **orders: Any) -> list[Any]:
    base = f"{at.secure}/v1"
    return await run(javascript("openai"), "talk.mjs", at, base_url=base, mode=mode, **orders)


def of(events: list[Any], kind: str) -> list[Any]:
    return [event for event in events if event["type"] == kind]


def words(events: list[Any]) -> list[str]:
    """What was heard, by item, in order of the commits."""
    texts = {e["item_id"]: e["transcript"] for e in of(events, COMPLETED)}
    order = [e["item_id"] for e in of(events, "input_audio_buffer.committed")]
    return [texts[item] for item in order if item in texts]


def sound(events: list[Any]) -> int:
    return sum(len(base64.b64decode(e["delta"])) for e in of(events, "response.output_audio.delta"))


COMPLETED = "conversation.item.input_audio_transcription.completed"


@pytest.fixture
def speech(tmp_path: Path) -> dict[str, Any]:
    """Marked words at 24 kHz, as samples and as a file."""

    def at_24k(spoken: list[int]) -> bytes:
        samples = array("h", marked_audio(spoken))
        return array("h", (samples[n * 2 // 3] for n in range(len(samples) * 3 // 2))).tobytes()

    made = {}
    for name, spoken in (("short", [1, 2, 3, 0]), ("long", LONG), ("second", [20, 21, 0])):
        path = tmp_path / f"{name}.pcm"
        path.write_bytes(at_24k(spoken))
        made[name] = str(path)
    data = marked_audio([1, 2, 3, 0, 4, 5, 0])
    path = tmp_path / "speech.wav"
    path.write_bytes(
        struct.pack("<4sI4s", b"RIFF", len(data) + 36, b"WAVE")
        + struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 16_000, 32_000, 2, 16)
        + struct.pack("<4sI", b"data", len(data))
        + data
    )
    return {**made, "wav": str(path)}


def check_turn(events: list[Any]) -> None:
    assert not of(events, "error"), of(events, "error")
    assert words(events) == ["w1 w2 w3"]
    (done,) = of(events, "response.done")
    assert done["response"]["status"] == "completed"
    said = of(events, "response.output_audio_transcript.done")[0]["transcript"]
    assert said == "w1 w2 w3"
    assert sound(events) == pytest.approx(8 * 60 * 48, abs=2_000)


def check_interrupted(events: list[Any]) -> None:
    assert not of(events, "error"), of(events, "error")
    assert words(events) == [" ".join(f"w{n}" for n in LONG if n), "w20 w21"]
    first, second = of(events, "response.done")
    assert first["response"]["status"] == "cancelled"
    assert first["response"]["status_details"]["reason"] == "turn_detected"
    assert second["response"]["status"] == "completed"
    assert second["response"]["output"][0]["content"][0]["transcript"] == "w20 w21"
    assert of(events, "conversation.item.truncated")
    assert of(events, "rate_limits.updated")[0]["rate_limits"] == []
    kinds = [event["type"] for event in events]
    started = [n for n, kind in enumerate(kinds) if kind == "input_audio_buffer.speech_started"]
    ended = kinds.index("response.done")
    assert started[1] < ended
    assert "response.output_audio.delta" not in kinds[started[1] : ended], "it spoke on"


# ── over a WebSocket ──


@pytest.mark.parametrize(("mode", "wire"), [("turn", "wss"), ("manual", "ws")])
async def test_python_has_a_conversation(
    mode: str, wire: str, tmp_path: Path, speech: dict[str, Any]
) -> None:
    sdk = python("openai")
    async with door(tmp_path) as at:
        events = await python_talk(mode, at, wire, audio=speech["short"])
    check_turn(events)
    use = "conversation" if mode == "turn" else "conversation, manual commit"
    ran(sdk, "OpenAI /v1/realtime", door=wire, use=use)


async def test_python_is_interrupted(tmp_path: Path, speech: dict[str, Any]) -> None:
    sdk = python("openai")
    async with door(tmp_path) as at:
        events = await python_talk(
            "interrupted", at, "ws", audio=speech["long"], second=speech["second"]
        )
    check_interrupted(events)
    ran(sdk, "OpenAI /v1/realtime", door="ws", use="conversation, interrupted")


async def test_python_transcribes(tmp_path: Path, speech: dict[str, Any]) -> None:
    sdk = python("openai")
    async with door(tmp_path) as at:
        events = await python_talk("transcription", at, "ws", audio=speech["short"], turns=1)
    assert words(events) == ["w1 w2 w3"]
    assert not [e for e in events if e["type"].startswith("response.")]
    ran(sdk, "OpenAI /v1/realtime", door="ws", use="transcription")


@pytest.mark.parametrize("mode", ["turn", "manual"])
async def test_javascript_has_a_conversation(
    mode: str, tmp_path: Path, speech: dict[str, Any]
) -> None:
    sdk = javascript("openai")
    async with door(tmp_path) as at:
        events = await node_talk(mode, at, audio=speech["short"], files=speech["wav"])
    check_turn(events)
    (file,) = of(events, "FILE")
    assert file["answer"]["text"] == "w1 w2 w3 w4 w5"
    (said,) = of(events, "SPEECH")
    assert said["size"] == pytest.approx(6 * 60 * 48, abs=400)
    use = "conversation" if mode == "turn" else "conversation, manual commit"
    ran(sdk, "OpenAI /v1/realtime", door="wss", use=use)
    ran(sdk, "OpenAI /v1/audio", door="https", use="transcriptions, speech")


async def test_javascript_is_interrupted(tmp_path: Path, speech: dict[str, Any]) -> None:
    sdk = javascript("openai")
    async with door(tmp_path) as at:
        events = await node_talk("interrupted", at, audio=speech["long"], second=speech["second"])
    check_interrupted(events)
    ran(sdk, "OpenAI /v1/realtime", door="wss", use="conversation, interrupted")


async def test_javascript_transcribes(tmp_path: Path, speech: dict[str, Any]) -> None:
    sdk = javascript("openai")
    async with door(tmp_path) as at:
        events = await node_talk("transcription", at, audio=speech["short"], turns=1)
    assert words(events) == ["w1 w2 w3"]
    ran(sdk, "OpenAI /v1/realtime", door="wss", use="transcription")


async def agents(mode: str, at: Door, **orders: Any) -> list[Any]:
    url = at.plain.replace("http", "ws", 1) + "/v1/realtime?model=gpt-realtime"
    client = javascript("@openai/agents-realtime")
    return await run(client, "agents.mjs", at, url=url, mode=mode, **orders)


def spoken_in(history: list[Any], role: str) -> list[str]:
    """Transcripts that the SDK holds, by who said them."""
    return [
        part.get("transcript") or ""
        for item in history
        if item.get("role") == role
        for part in item["content"]
    ]


async def test_the_agents_sdk_has_a_conversation(tmp_path: Path, speech: dict[str, Any]) -> None:
    sdk = javascript("@openai/agents-realtime")
    async with door(tmp_path) as at:
        events = await agents("turn", at, audio=speech["short"])
    assert not of(events, "FAILED"), of(events, "FAILED")
    (history,) = of(events, "HISTORY")
    assert spoken_in(history["history"], "user") == ["w1 w2 w3"]
    assert spoken_in(history["history"], "assistant") == ["w1 w2 w3"]
    assert of(events, "SOUND")[0]["bytes"] == pytest.approx(8 * 60 * 48, abs=2_000)
    ran(sdk, "OpenAI /v1/realtime", door="ws", use="conversation")


async def test_the_agents_sdk_is_interrupted(tmp_path: Path, speech: dict[str, Any]) -> None:
    sdk = javascript("@openai/agents-realtime")
    async with door(tmp_path) as at:
        events = await agents("interrupted", at, audio=speech["long"], second=speech["second"])
    assert not of(events, "FAILED"), of(events, "FAILED")
    assert of(events, "INTERRUPTED")
    assert [e["status"] for e in of(events, "response.done")] == ["cancelled", "completed"]
    (history,) = of(events, "HISTORY")
    assert spoken_in(history["history"], "user")[-1] == "w20 w21"
    assert spoken_in(history["history"], "assistant")[-1] == "w20 w21"
    ran(sdk, "OpenAI /v1/realtime", door="ws", use="conversation, interrupted")


# ── over HTTP ──


async def test_python_sends_and_gets_files(tmp_path: Path, speech: dict[str, Any]) -> None:
    sdk = python("openai")
    sure = Combined(Sure(open_engine("scripted:heard")), ToneEngine())
    async with door(tmp_path, sure) as at:
        base = f"{at.plain}/v1"
        answers = await run(sdk, "files.py", at, base_url=base, audio=speech["wav"])
    by = {answer["form"]: answer for answer in answers}
    text = "w1 w2 w3 w4 w5"
    assert by["json"]["answer"]["text"] == text
    assert by["text"]["answer"].strip() == text
    assert by["srt"]["answer"].splitlines()[:3] == ["1", "00:00:00,000 --> 00:00:00,640",
                                                    "w1 w2 w3"]  # fmt: skip
    assert by["vtt"]["answer"].startswith("WEBVTT\n\n00:00:00.000 --> 00:00:00.640\nw1 w2 w3\n")
    verbose = by["verbose_json"]["answer"]
    assert [word["word"] for word in verbose["words"]] == text.split()
    assert [segment["text"] for segment in verbose["segments"]] == ["w1 w2 w3", "w4 w5"]
    assert by["diarized_json"]["answer"]["segments"][0]["speaker"] == "A"
    streamed = [a["answer"] for a in answers if a["form"] == "stream"]
    assert "".join(e["delta"] for e in streamed if e["type"] == "transcript.text.delta") == text
    assert streamed[-1]["type"] == "transcript.text.done"
    assert streamed[-1]["text"] == text
    assert "logprobs" not in by["json"]["answer"]
    assert "logprobs" not in streamed[-1]
    for said in (by["sure"]["answer"], by["sure stream"]["answer"]):  # of the stream, its last
        tokens = said["logprobs"]
        assert "".join(each["token"] for each in tokens) == text
        assert bytes(int(b) for each in tokens for b in each["bytes"]).decode() == text
        assert [math.exp(each["logprob"]) for each in tokens] == pytest.approx(
            [1 / 2, 1 / 3, 1 / 4, 1 / 5, 1 / 6]
        )
    heads = {"mp3": "ff", "opus": "4f676753", "aac": "fff", "flac": "664c6143", "wav": "52494646"}
    for form, head in heads.items():
        assert by[form]["head"].startswith(head), form
    # 12 characters of 60 ms at 24 kHz, whole
    assert by["pcm"]["size"] == pytest.approx(12 * 60 * 48, abs=400)
    assert by["refused"]["status"] == 400
    assert by["refused"]["name"] == "BadRequestError"
    secret = by["secret"]["answer"]
    assert secret["value"].startswith("ek_")
    assert secret["session"]["instructions"] == "Be short."
    ran(sdk, "OpenAI /v1/audio", door="http", use="transcriptions, all forms, streamed")
    ran(sdk, "OpenAI /v1/audio", door="http", use="speech, all forms")
    ran(sdk, "OpenAI /v1/realtime", door="http", use="client_secrets")


# ── real speech ──


def recording(name: str) -> Path:
    folder = os.environ.get("OSSICLE_CLIPS")
    if not folder or not (Path(folder) / name).is_file():
        missing(f"{name} is needed in the folder that OSSICLE_CLIPS names (scripts/clips.py)")
    return Path(str(folder)) / name


async def test_real_speech_has_the_words_of_the_native_dialect(tmp_path: Path) -> None:
    clip = recording("go-forward.wav")
    with wave.open(str(clip)) as file:
        rate, data = file.getframerate(), file.readframes(file.getnframes())
    up = Resampler(rate, 24_000)
    path = tmp_path / "clip.pcm"
    data24 = up.push(data) + up.flush()
    path.write_bytes(data24 + bytes(48_000))
    async with door(tmp_path, open_engine("pocketsphinx")) as at:
        headers = {"authorization": f"Bearer {KEY}"}
        async with Talk.open(
            at.plain, headers=headers, encoding="pcm_s16le", sample_rate=24_000
        ) as talk:
            await talk.audio(data24 + bytes(48_000), 4_800)
            await talk.say("end")
            await talk.ended()
            native = talk.words()
        events = await python_talk("transcription", at, "ws", audio=str(path), turns=1)
    assert native
    assert " ".join(words(events)).split() == native
