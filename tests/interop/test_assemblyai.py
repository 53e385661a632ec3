"""AssemblyAI's own SDKs, unmodified, against a running gateway: they change one URL, and trust one
certificate where they insist on TLS.

The SDKs run as programs of their own (`assemblyai_sdk/`), so that nothing of this process helps
them: no event loop, no trust, no import.
"""

import asyncio
import base64
import contextlib
import json
import os
import re
import wave
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError

from harness import Talk, gateway_with, missing
from ossicle.dialects.assemblyai.messages import Changes
from ossicle.dialects.assemblyai.query import PASSED_OVER, Parameters
from ossicle.engines.open import open_engine
from ossicle.engines.scripted import ScriptedEngine
from ossicle.gateway.serve import Gateway
from ossicle.testing.marked import marked_audio
from sdks import Client, javascript, python, ran

pytestmark = [pytest.mark.interop, pytest.mark.timeout(90)]

PROGRAMS = Path(__file__).parent / "assemblyai_sdk"
KEY = "a-secret-key-of-a-test"
SPOKEN = [1, 2, 3, 0, 4, 5, 0, 6]
WORDS = [f"w{n}" for n in SPOKEN if n]
EVERYWHERE = ("sync", "async", "js")
LEGACY = "AssemblyAI /v2/realtime/ws"


class Door:
    """A gateway with keys, on a plain and on a TLS port."""

    def __init__(self, gateway: Gateway, authority: Path) -> None:
        self.plain = gateway.doors["http"].port
        self.secure = gateway.doors["https"].port
        self.authority = authority
        self.house = gateway.house


@contextlib.asynccontextmanager
async def door(tmp_path: Path, engine: Any = None, **settings: Any) -> AsyncIterator[Door]:
    async with gateway_with(
        tmp_path, engine, tls_port=0, keys=(("me", KEY),), **settings
    ) as gateway:
        await gateway.ready()
        (authority,) = (tmp_path / "state").rglob("ca.pem")
        yield Door(gateway, authority)


def client(program: str, major: int | None = None) -> Client:
    """The SDK that a program uses."""
    language = python if program.endswith(".py") else javascript
    return language("assemblyai", major=major)


async def run(
    program: str, orders: dict[str, Any], authority: Path, major: int | None = None
) -> list[dict[str, Any]]:
    """What an SDK's handlers were given."""
    sdk = client(program, major)
    variables = {
        name: value
        for name, value in os.environ.items()
        if not any(part in name for part in ("CERT", "CA_BUNDLE", "SSL", "proxy", "PROXY"))
    } | sdk.variables
    variables |= {"SSL_CERT_FILE": str(authority), "NODE_EXTRA_CA_CERTS": str(authority)}
    process = await asyncio.create_subprocess_exec(
        *sdk.command(PROGRAMS / program),
        env=variables,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(45):
            out, err = await process.communicate(json.dumps(orders).encode())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, err.decode()
    assert b"Traceback" not in err, err.decode()
    return [json.loads(line) for line in out.splitlines()]


async def live(
    kind: str, at: Door, audio: Path | None, *, wire: str = "tls", **more: Any
) -> list[dict[str, Any]]:
    """One conversation of `/v3/ws`; parameters in the SDK's own spelling."""
    parameters = {"sample_rate": 16_000, "format_turns": True} | more.pop("parameters", {})
    orders: dict[str, Any] = {"audio": str(audio) if audio else "", **more}
    key = orders.pop("key", KEY)
    if kind == "js":
        host = f"localhost:{at.secure}"
        camel = {
            "".join([p if not n else p.title() for n, p in enumerate(name.split("_"))]): value
            for name, value in parameters.items()
        }
        orders |= {"url": f"wss://{host}/v3/ws", "baseUrl": f"https://{host}", "apiKey": key}
        return await run("live.cjs", orders | {"parameters": camel}, at.authority)
    host = f"localhost:{at.secure}" if wire == "tls" else f"ws://localhost:{at.plain}"
    orders |= {"api_host": host, "api_key": key, "async": kind == "async"}
    return await run("live.py", orders | {"parameters": parameters}, at.authority)


def of_kind(kind: str) -> Client:
    return client("live.cjs" if kind == "js" else "live.py")


def noted(kind: str, wire: str, use: str) -> None:
    """A row in the table of clients."""
    use = use if kind == "js" else f"{use}, {kind}"
    ran(of_kind(kind), "AssemblyAI /v3/ws", door=wire, use=use)


def of(events: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [event for event in events if event["event"] == kind]


def closed(events: list[dict[str, Any]], *, formatted: bool) -> list[str]:
    """Words of the turns that are over."""
    return [
        word
        for turn in of(events, "Turn")
        if turn["end_of_turn"] and turn["turn_is_formatted"] == formatted
        for word in turn["transcript"].split()
    ]


def recording(variable: str, name: str) -> Path:
    folder = os.environ.get(variable)
    if not folder or not (Path(folder) / name).is_file():
        if variable == "OSSICLE_SPEECH":
            pytest.skip(f"{name} is in the folder of more recordings, which {variable} may name")
        missing(f"{name} is needed in the folder that {variable} names (scripts/clips.py)")
    return Path(str(folder)) / name


@pytest.fixture
def spoken(tmp_path: Path) -> Path:
    path = tmp_path / "spoken.pcm"
    path.write_bytes(marked_audio(SPOKEN))
    return path


# ── live ──


@pytest.mark.parametrize(
    ("kind", "wire"),
    [("sync", "tls"), ("sync", "plain"), ("async", "tls"), ("async", "plain"), ("js", "tls")],
)
async def test_live(kind: str, wire: str, tmp_path: Path, spoken: Path):
    async with door(tmp_path) as at:
        events = await live(kind, at, spoken, wire=wire)
    begin = of(events, "Begin")
    assert len(begin) == 1
    assert not of(events, "Error")
    assert closed(events, formatted=False) == WORDS
    assert closed(events, formatted=True) == WORDS
    turns = of(events, "Turn")
    ends = [(t["turn_order"], t["turn_is_formatted"]) for t in turns if t["end_of_turn"]]
    assert ends == [(n, formatted) for n in range(3) for formatted in (False, True)]
    assert any(not turn["end_of_turn"] for turn in turns)
    assert events[-1]["event"] == "Over"
    if kind != "js":
        assert of(events, "Termination")[0]["audio_duration_seconds"] == 2
    else:
        assert events[-1]["ms"] < 4_000, "the SDK gave up waiting for Termination (5 s)"
    noted(kind, "ws" if wire == "plain" else "wss", "live, format_turns, Terminate")


@pytest.mark.parametrize("kind", ["sync", "js"])
async def test_force_endpoint_and_a_change_on_the_way(kind: str, tmp_path: Path, spoken: Path):
    update = {"max_turn_silence": 250}
    async with door(tmp_path) as at:
        events = await live(kind, at, spoken, force_at=3, update_at=1, update=update)
    assert closed(events, formatted=True) == WORDS
    assert len([t for t in of(events, "Turn") if t["end_of_turn"]]) == 8
    assert not of(events, "Error")
    noted(kind, "wss", "ForceEndpoint, UpdateConfiguration")


@pytest.mark.parametrize("kind", EVERYWHERE)
async def test_begin_does_not_wait_for_an_engine(kind: str, tmp_path: Path, spoken: Path):
    """An engine that takes 3 s to open; the SDKs give up after one."""
    async with door(tmp_path, ScriptedEngine("heard?open_ms=3000")) as at:
        events = await live(kind, at, spoken)
    assert len(of(events, "Begin")) == 1
    assert closed(events, formatted=True) == WORDS
    for connected in of(events, "Connected"):
        assert connected["ms"] < 1_000


@pytest.mark.parametrize("kind", ["sync", "js"])
async def test_the_last_word_is_not_lost_with_the_goodbye(kind: str, tmp_path: Path):
    path = tmp_path / "tail.pcm"
    path.write_bytes(marked_audio([1, 2])[:-640])
    async with door(tmp_path) as at:
        events = await live(kind, at, path)
    assert closed(events, formatted=True) == ["w1", "w2"]


async def test_a_client_that_leaves_frees_its_session(tmp_path: Path, spoken: Path):
    async with door(tmp_path) as at:
        await live("sync", at, spoken, terminate=False)
        async with asyncio.timeout(5):
            while at.house.sessions:
                await asyncio.sleep(0.01)


async def test_heartbeats_silence_and_idleness(tmp_path: Path):
    parameters = {"session_heartbeat": True, "inactivity_timeout": 5}
    async with door(tmp_path) as at:
        events = await live("sync", at, None, parameters=parameters, linger_s=5.7)
    assert 4 <= len(of(events, "Heartbeat")) <= 5
    assert of(events, "Error")[0]["code"] == 4031


async def test_a_session_that_lasted_long_enough_ends_with_its_words(tmp_path: Path):
    """3008, as for a token's `max_session_duration_seconds`, which is at least a minute."""
    messages: list[dict[str, Any]] = []
    async with door(tmp_path, session={"session_s": 1.0}) as at:
        where = f"ws://localhost:{at.plain}/v3/ws?sample_rate=16000"
        async with connect(
            where, proxy=None, compression=None, additional_headers={"authorization": KEY}
        ) as socket:
            await socket.send(marked_audio([1, 2]))
            with pytest.raises(ConnectionClosedError) as caught:
                while True:
                    messages.append(json.loads(await socket.recv()))
    assert caught.value.rcvd is not None
    assert caught.value.rcvd.code == 3008
    assert (messages[-1]["type"], messages[-1]["error_code"]) == ("Error", 3008)
    assert "reached its limit of 1 s" in messages[-1]["error"]
    assert [m["transcript"] for m in messages if m.get("end_of_turn")] == ["w1 w2"]


# ── parameters ──


def test_every_parameter_of_the_python_sdk_is_known():
    """Taken, or named among what is not; a newer SDK that says more fails here."""
    assert python("assemblyai").version
    from assemblyai.streaming.v3 import StreamingParameters, StreamingSessionParameters

    taken = {field.name for field in msgspec.structs.fields(Parameters)}
    changes = {field.name for field in msgspec.structs.fields(Changes)}
    assert set(StreamingParameters.model_fields) - taken - PASSED_OVER == set()
    assert set(StreamingSessionParameters.model_fields) - changes - PASSED_OVER == set()


def test_every_parameter_of_the_javascript_sdk_is_known():
    source = javascript("assemblyai").folder / "dist" / "index.mjs"
    # two classes have such a method; the one of v3 comes last
    url = source.read_text("utf-8").rpartition("connectionUrl() {")[2].partition("\n    on(")[0]
    said = set(re.findall(r'searchParams\.set\(\s*"(\w+)"', url))
    assert {"sample_rate", "token", "format_turns"} <= said, "the SDK says it elsewhere now"
    taken = {field.name for field in msgspec.structs.fields(Parameters)}
    assert said - taken - PASSED_OVER == set()


# ── refusals ──


@pytest.mark.parametrize("kind", EVERYWHERE)
async def test_a_wrong_key_is_told_at_once(kind: str, tmp_path: Path, spoken: Path):
    loop = asyncio.get_running_loop()
    async with door(tmp_path) as at:
        started = loop.time()
        events = await live(kind, at, spoken, key="wrong")
        assert loop.time() - started < 8
    errors = [e for e in events if e["event"] in {"Error", "Failed"}]
    assert errors
    assert not of(events, "Begin")
    assert any(e.get("code") == 4001 for e in errors), errors


@pytest.mark.parametrize("kind", ["sync", "js"])
async def test_a_bad_rate_is_told(kind: str, tmp_path: Path, spoken: Path):
    async with door(tmp_path) as at:
        events = await live(kind, at, spoken, parameters={"sample_rate": 1_000})
    errors = [e for e in events if e["event"] in {"Error", "Failed"}]
    assert any(e.get("code") == 4000 for e in errors), events


async def test_a_full_house_is_told_as_such(tmp_path: Path, spoken: Path):
    async with door(tmp_path, sessions=1) as at:
        url = f"ws://localhost:{at.plain}/v3/ws?sample_rate=16000"
        headers = {"authorization": KEY}
        async with connect(url, additional_headers=headers, proxy=None) as first:
            assert json.loads(await first.recv())["type"] == "Begin"
            events = await live("sync", at, spoken)
    assert of(events, "Error")[0]["code"] == 3009


# ── tokens ──


@pytest.mark.parametrize("kind", ["sync", "js"])
async def test_a_temporary_token(kind: str, tmp_path: Path, spoken: Path):
    mint = {"expires_in_seconds": 60, "max_session_duration_seconds": 120}
    async with door(tmp_path) as at:
        events = await live(kind, at, spoken, mint=mint)
    assert of(events, "Token")[0]["token"]
    assert of(events, "Token")[0]["token"] != KEY
    assert closed(events, formatted=True) == WORDS
    ran(of_kind(kind), "AssemblyAI /v3/token", door="https", use="token, then live")


# ── the legacy API ──


async def legacy(
    at: Door, audio: Path, program: str = "legacy.cjs", major: int | None = None, **more: Any
) -> Any:
    host = f"localhost:{at.secure}"
    orders = {
        "url": f"wss://{host}/v2/realtime/ws", "baseUrl": f"https://{host}", "apiKey": KEY,
        "base_url": f"https://{host}", "api_key": KEY, "audio": str(audio), "sample_rate": 16_000,
        **more,
    }  # fmt: skip
    return await run(program, orders, at.authority, major)


@pytest.mark.parametrize("form", ["binary", "base64", "mixed"])
async def test_a_raw_client_in_base64(form: str, tmp_path: Path):
    """As people wrote it from the vendor's pages, before the SDKs; with a key in the head."""
    audio = marked_audio(SPOKEN)
    async with door(tmp_path) as at:
        url = f"ws://localhost:{at.plain}/v2/realtime/ws?sample_rate=16000"
        headers = {"authorization": KEY}
        messages: list[dict[str, Any]] = []
        async with connect(url, additional_headers=headers, proxy=None) as wire:
            for number, start in enumerate(range(0, len(audio), 3_200)):
                piece = audio[start : start + 3_200]
                if form == "base64" or (form == "mixed" and number % 2):
                    said = base64.b64encode(piece).decode()
                    await wire.send(json.dumps({"audio_data": said}))
                else:
                    await wire.send(piece)
            await wire.send('{"terminate_session":true}')
            async with asyncio.timeout(10):
                messages += [json.loads(message) async for message in wire]
        assert wire.close_code == 1000
    finals = [m["text"] for m in messages if m["message_type"] == "FinalTranscript"]
    assert " ".join(finals).split() == WORDS
    assert messages[-1] == {"message_type": "SessionTerminated"}


async def test_both_at_once_where_only_binary_is_taken(tmp_path: Path):
    async with door(tmp_path) as at:
        url = f"ws://localhost:{at.plain}/v3/ws?sample_rate=16000"
        headers = {"authorization": KEY}
        async with connect(url, additional_headers=headers, proxy=None) as wire:
            await wire.send(marked_audio([1, 0]))
            await wire.send('{"audio_data":"AAAA"}')
            messages: list[dict[str, Any]] = []
            with pytest.raises(ConnectionClosedError):
                async with asyncio.timeout(10):
                    while True:
                        messages.append(json.loads(await wire.recv()))
        assert wire.close_code == 3006
    assert messages[-1]["error_code"] == 3006
    assert "/v2/realtime/ws" in messages[-1]["error"]


async def test_a_stream_that_stops_without_closing(tmp_path: Path):
    """The connection breaks in mid-word: the session goes, and nothing else."""
    async with door(tmp_path) as at:
        url = f"ws://localhost:{at.plain}/v3/ws?sample_rate=16000"
        headers = {"authorization": KEY}
        async with connect(url, additional_headers=headers, proxy=None) as wire:
            await wire.send(marked_audio([1])[:-1_000])
            assert json.loads(await wire.recv())["type"] == "Begin"
            assert len(at.house.sessions) == 1
            wire.transport.abort()
        async with asyncio.timeout(5):
            while at.house.sessions:
                await asyncio.sleep(0.01)


@pytest.mark.parametrize("mint", [None, {"expires_in": 60}])
async def test_the_legacy_class_in_javascript(mint: Any, tmp_path: Path, spoken: Path):
    async with door(tmp_path) as at:
        events = await legacy(at, spoken, **({"mint": mint} if mint else {}))
    assert len(of(events, "Begins")) == 1
    finals = of(events, "FinalTranscript")
    assert " ".join(f["text"] for f in finals).split() == WORDS
    assert [len(f["text"].split()) for f in finals] == [3, 2, 1]
    assert of(events, "SessionInformation")
    assert not of(events, "Error")
    ran(client("legacy.cjs"), LEGACY, door="wss", use="token, then live" if mint else "live")


@pytest.mark.parametrize(("program", "major"), [("legacy.cjs", 3), ("legacy.py", 0)])
async def test_older(program: str, major: int, tmp_path: Path, spoken: Path):
    """JavaScript 3.x sends base64; Python 0.x is of the time of this API."""
    async with door(tmp_path) as at:
        events = await legacy(at, spoken, program, major)
    kind = "FinalTranscript" if program == "legacy.cjs" else "RealtimeFinalTranscript"
    assert " ".join(f["text"] for f in of(events, kind)).split() == WORDS
    assert not of(events, "Error")
    ran(client(program, major), LEGACY, door="wss", use="live")


# ── real speech ──


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("sync", "go-forward.wav"), ("async", "go-forward.wav"), ("js", "go-forward.wav"),
        ("legacy", "go-forward.wav"), ("sync", "numbers.wav"), ("js", "sense-0880.wav"),
        ("legacy", "something.wav"),
    ],
)  # fmt: skip
async def test_real_speech_has_the_words_of_the_native_dialect(
    kind: str, name: str, tmp_path: Path
):
    clip = recording("OSSICLE_CLIPS", name)
    with wave.open(str(clip)) as file:
        rate, data = file.getframerate(), file.readframes(file.getnframes())
    path = tmp_path / "clip.pcm"
    path.write_bytes(data)
    engine = open_engine("pocketsphinx")
    async with door(tmp_path, engine) as at:
        url = f"http://localhost:{at.plain}"
        headers = {"authorization": f"Bearer {KEY}"}
        async with Talk.open(url, headers=headers, encoding="pcm_s16le", sample_rate=rate) as talk:
            await talk.audio(data, 3_200)
            await talk.say("end")
            await talk.ended()
            native = talk.words()
        if kind == "legacy":
            events = await legacy(at, path, sample_rate=rate)
            texts = [final["text"] for final in of(events, "FinalTranscript")]
            said = [word for text in texts for word in text.split()]
        else:
            events = await live(kind, at, path, parameters={"sample_rate": rate})
            said = closed(events, formatted=True)
    assert native
    assert said == native
