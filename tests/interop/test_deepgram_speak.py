"""Deepgram's own SDKs, unmodified, on `/v1/speak` and `/v2/speak`: over a WebSocket, as a file,
and for a callback."""

import io
import json
import re
from pathlib import Path
from typing import Any

import av
import pytest

from deepgram_sdk import EVERYWHERE, Door, client, door, noted, run
from desk import Desk
from harness import until
from ossicle.engines.compose import Combined
from ossicle.engines.scripted import ScriptedEngine
from ossicle.engines.tone import CHARACTER_MS, ToneEngine
from ossicle.gateway.doors.bind import BINDINGS, ENDPOINTS

pytestmark = [pytest.mark.interop, pytest.mark.timeout(120)]


async def speak(at: Door, kind: str, wire: str, **orders: Any) -> list[Any]:
    return await run("speak", kind, at.at(wire) | {"post": False} | orders, at.authority)


def story(told: list[Any], bytes_a_ms: int) -> list[Any]:
    """Types of messages; sound in milliseconds, joined."""
    short: list[Any] = []
    for message in told:
        assert message["type"] not in {"SdkError", "Raised"}, message
        if message["type"] != "Sound":
            short.append(message["type"])
        elif short and isinstance(short[-1], float):
            short[-1] += message["bytes"] / bytes_a_ms
        else:
            short.append(message["bytes"] / bytes_a_ms)
    return short


@pytest.mark.parametrize(("kind", "wire"), EVERYWHERE)
async def test_two_flushes_and_a_close(kind: str, wire: str, tmp_path: Path):
    async with door(tmp_path, ToneEngine()) as at:
        told = await speak(at, kind, wire, texts=["Hello there.", "And again."])
        one, two = 12 * CHARACTER_MS, 10 * CHARACTER_MS
        short = [m for m in story(told, 48) if m != "Closed"]
        assert short == [
            "Metadata",
            pytest.approx(one, abs=6),
            "Flushed",
            pytest.approx(two, abs=6),
            "Flushed",
            "Over",
        ]
        assert [m["sequence_id"] for m in told if m["type"] == "Flushed"] == [0, 1]
        if kind == "js":
            assert {"type": "Closed", "code": 1000} in told
        assert not at.house.sessions
    noted("Deepgram /v1/speak", kind, "wss" if wire == "tls" else "ws", "speak, flush, close")


@pytest.mark.parametrize("kind", ["sync", "async", "js"])
async def test_clear_and_another_format(kind: str, tmp_path: Path):
    async with door(tmp_path, Combined(ScriptedEngine("heard"), ToneEngine())) as at:
        told = await speak(
            at, kind, "plain", texts=["Hello there."], clear=True,
            query={"encoding": "mulaw", "sample_rate": 8000},
        )  # fmt: skip
        types = [m["type"] for m in told]
        assert types[0] == "Metadata"
        assert "Cleared" in types
        assert "Sound" not in types[types.index("Cleared") :]


@pytest.mark.parametrize(("kind", "wire"), EVERYWHERE)
async def test_a_file(kind: str, wire: str, tmp_path: Path):
    out = tmp_path / "speech"
    async with door(tmp_path, ToneEngine()) as at:
        told = await speak(at, kind, wire, post=True, text="Hello there.", out=str(out))
        assert [m["type"] for m in told] == ["Over"], told
        assert lasts(out.read_bytes()) == pytest.approx(12 * CHARACTER_MS, abs=130)
    noted("Deepgram /v1/speak", kind, "https" if wire == "tls" else "http", "a file of speech")


@pytest.mark.parametrize("kind", ["sync", "js"])
async def test_a_callback_gets_the_file(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OSSICLE_WEBHOOK_SECRET", "whsec_" + "a" * 32)
    out = tmp_path / "answer"
    text = "Hello there. " * 40
    async with Desk.open() as desk, door(tmp_path, ToneEngine()) as at:
        query = {"callback": f"http://127.0.0.1:{desk.port}/done", "callback_method": "PUT"}
        told = await speak(at, kind, "plain", post=True, text=text, out=str(out), query=query)
        assert [m["type"] for m in told] == ["Over"], told
        answer = json.loads(out.read_bytes())
        await until(lambda: desk.posts)
        await until(lambda: not at.house.sessions)
    (posted,) = desk.posts
    assert posted.line == "PUT /done HTTP/1.1"
    assert posted.headers["content-type"] == "audio/mpeg"
    assert posted.headers["dg-request-id"] == answer["request_id"]
    assert posted.headers["dg-model-name"] == "aura-2-thalia-en"
    assert posted.headers["ossicle-delivery"]
    # half a minute of speech (a voice skips blanks), made faster than it is heard
    assert lasts(posted.body) == pytest.approx(40 * 12 * CHARACTER_MS, abs=400)
    noted("Deepgram /v1/speak", kind, "http", "a file of speech for callback")


@pytest.mark.parametrize(
    ("encoding", "container"),
    [("linear16", "wav"), ("mulaw", "wav"), ("opus", "ogg"), ("flac", None), ("aac", None)],
)
async def test_files_of_every_kind(encoding: str, container: str | None, tmp_path: Path):
    out = tmp_path / "speech"
    query = {"encoding": encoding} | ({"container": container} if container else {})
    async with door(tmp_path, ToneEngine()) as at:
        told = await speak(
            at, "sync", "plain", post=True, text="Hello there.", out=str(out), query=query
        )
        assert [m["type"] for m in told] == ["Over"], told
        assert lasts(out.read_bytes()) == pytest.approx(12 * CHARACTER_MS, abs=130)


@pytest.mark.parametrize("kind", ["sync", "js"])
async def test_a_text_that_is_too_long_is_an_error_that_users_know(kind: str, tmp_path: Path):
    out = tmp_path / "speech"
    async with door(tmp_path, ToneEngine()) as at:
        told = await speak(at, kind, "plain", post=True, text="x" * 2001, out=str(out))
        assert told[0]["type"] == "Raised"
        assert "413" in told[0]["text"]
        assert "2000" in told[0]["text"]


def lasts(data: bytes) -> float:
    """Milliseconds, by what FFmpeg decodes."""
    with av.open(io.BytesIO(data)) as file:
        rate = file.streams.audio[0].rate
        return sum(frame.samples for frame in file.decode(audio=0)) * 1000 / rate


# ── /v2/speak ──


async def turns(at: Door, kind: str, wire: str, **orders: Any) -> list[Any]:
    orders = {"post": False, "texts": []} | orders
    return await run("flux_speak", kind, at.at(wire) | orders, at.authority)


@pytest.mark.parametrize(("kind", "wire"), EVERYWHERE)
async def test_turns_of_speech(kind: str, wire: str, tmp_path: Path):
    texts = ["Hello there.", "Hello there."]
    async with door(tmp_path, ToneEngine()) as at:
        told = await turns(at, kind, wire, texts=texts)
    types = [m["type"] for m in told if m["type"] not in {"Sound", "ConfigureSuccess", "Closed"}]
    assert types[0] == "Connected"
    assert types[-2:] == ["SessionMetadata", "Over"], told
    assert [m["applied"] for m in told if m["type"] == "ConfigureSuccess"] == [{"speed": 1.5}] * 2
    # how much was spoken before the interrupt came depends on the two clocks
    cut = [m for m in told if m["type"] == "SpeechInterrupted"]
    whole = [m for m in told if m["type"] == "SpeechMetadata"]
    warned = [m["code"] for m in told if m["type"] == "Warning"]
    assert len(cut) + len(warned) == 1, told
    assert set(warned) <= {"NO_ACTIVE_SPEECH", "NO_AUDIO_GENERATED"}
    ids = [m["speech_id"] for m in told if m["type"] == "SpeechStarted"]
    assert len(set(ids)) == len(ids)
    assert [m["speech_id"] for m in whole] == ids[: len(whole)]
    if not cut:
        lengths = [m["audio_duration_ms"] for m in whole]
        wanted = 12 * CHARACTER_MS
        assert lengths == [pytest.approx(wanted, abs=6), pytest.approx(wanted / 1.5, abs=20)]
    if kind == "js":
        assert {"type": "Closed", "code": 1000} in told
    else:
        assert all(m["class"] == f"SpeakV2{m['type']}" for m in told if "class" in m), told
    noted(
        "Deepgram /v2/speak", kind, "wss" if wire == "tls" else "ws", "turns, Configure, Interrupt"
    )


@pytest.mark.parametrize(("kind", "wire"), EVERYWHERE)
async def test_a_file_of_v2(kind: str, wire: str, tmp_path: Path):
    out = tmp_path / "speech"
    async with door(tmp_path, ToneEngine()) as at:
        told = await turns(at, kind, wire, post=True, text="Hello there.", out=str(out))
    assert [m["type"] for m in told] == ["Over"], told
    assert lasts(out.read_bytes()) == pytest.approx(12 * CHARACTER_MS, abs=130)
    noted("Deepgram /v2/speak", kind, "https" if wire == "tls" else "http", "a file of speech")


# ── every path of the SDK ──


def test_every_path_that_the_sdk_dials_is_answered_or_said_to_be_missing():
    """A newer SDK that dials another one fails here."""
    source = client("sync").folder / "deepgram"
    said: set[str] = set()
    for file in source.rglob("*client.py"):
        text = file.read_text("utf-8")
        said |= set(re.findall(r'f?"/?(v\d+/[a-z][\w/{}().-]*)"', text))
    assert {"v1/listen", "v2/listen", "v1/speak", "v2/speak", "v1/auth/grant"} <= said
    here = {binding.path for binding in BINDINGS} | {path for _, path, _ in ENDPOINTS}
    page = (Path(__file__).parents[2] / "docs" / "reference" / "deepgram.md").read_text("utf-8")
    absent = {
        path.strip("`*") for path in re.findall(r"`/v\d[^`]*`", page.partition("Not here")[2])
    }
    for path in said:
        whole = f"/{path}"
        assert whole in here or any(
            whole == one.removesuffix("/*") or whole.startswith(one.removesuffix("*"))
            for one in absent
        ), f"{whole} is neither answered nor named in docs/reference/deepgram.md"
