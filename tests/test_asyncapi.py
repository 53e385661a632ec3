"""`asyncapi.json` is a valid document, and every message that really goes over a WebSocket is one
of those it tells of."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator, ValidationError
from websockets.asyncio.client import connect

from harness import Talk, gateway_with, heard, missing, pieces
from ossicle.core.probing import PATH
from ossicle.dialects.native import messages as native
from ossicle.engines.compose import Combined
from ossicle.engines.open import open_engine
from ossicle.gateway.doors.bind import BINDINGS
from ossicle.testing.marked import marked_audio
from ossicle.transports.mux.frames import PATH as MUX_PATH

ROOT = Path(__file__).resolve().parent.parent
OFFICIAL = ROOT / "tests/interop/js/node_modules/@asyncapi/specs/schemas/3.0.0.json"
DOCUMENT = json.loads((ROOT / "docs/reference/asyncapi.json").read_text("utf-8"))
sys.path.insert(0, str(ROOT / "scripts"))

from asyncapi_document import asyncapi_document  # noqa: E402


@pytest.fixture(scope="module")
def official() -> Draft7Validator:
    """The specification's own JSON Schema."""
    if not OFFICIAL.exists():
        missing("@asyncapi/specs is not installed: npm ci in tests/interop/js")
    return Draft7Validator(json.loads(OFFICIAL.read_text("utf-8")))


def test_it_is_valid(official: Draft7Validator) -> None:
    official.validate(DOCUMENT)


def test_a_document_that_is_not_is_found(official: Draft7Validator) -> None:
    wrong = asyncapi_document()
    wrong["operations"]["native.hears"]["action"] = "shout"
    with pytest.raises(ValidationError):
        official.validate(wrong)


def references(value: Any) -> set[str]:
    if isinstance(value, dict):
        own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set[str]()
        return own.union(*(references(each) for each in value.values()))
    if isinstance(value, list):
        return set[str]().union(*(references(each) for each in value))
    return set()


def test_every_reference_leads_somewhere_and_nothing_is_left_over() -> None:
    used = references(DOCUMENT)
    for reference in used:
        at: Any = DOCUMENT
        for name in reference.removeprefix("#/").split("/"):
            at = at[name]
    for kind in ("messages", "schemas"):
        there = {f"#/components/{kind}/{name}" for name in DOCUMENT["components"][kind]}
        assert there <= used


def test_every_websocket_is_in_it_and_nothing_else() -> None:
    bound = {binding.path for binding in BINDINGS if binding.transport == "websocket"}
    bound |= {PATH, MUX_PATH}  # no dialect: what carries no speech, and what carries all
    told = {channel["address"] for channel in DOCUMENT["channels"].values()}
    assert told == bound, "scripts/asyncapi_channels.py"


def test_every_message_of_the_native_dialect_is_in_it() -> None:
    channel = DOCUMENT["channels"]["native"]["messages"]
    union = (*native.ClientMessage.__args__, *native.ServerMessage.__args__)  # type: ignore[attr-defined]
    assert set(channel) == {str(kind.__struct_config__.tag) for kind in union} | {
        "audio-in", "audio-out",
    }  # fmt: skip


def validator(channel: str, name: str) -> Draft7Validator:
    payload = DOCUMENT["components"]["messages"][f"{channel}.{name}"]["payload"]
    # Draft 07 reads nothing beside a reference, so it goes into a list of one.
    return Draft7Validator({"allOf": [payload], "components": DOCUMENT["components"]})


def check(channel: str, message: dict[str, Any], tag: str = "type") -> None:
    validator(channel, message[tag]).validate(message)


async def test_what_is_said_natively_is_in_it(tmp_path: Path) -> None:
    async with (
        gateway_with(tmp_path, Combined(heard(), open_engine("tone"))) as gateway,
        Talk.open(gateway.url, encoding="pcm_s16le", sample_rate=16000) as talk,
    ):
        for kind, fields in (
            ("finalize", {"ref": "f"}),
            ("speak", {"text": "hi", "ref": "s"}),
            ("end", {}),
        ):
            check("native", {"type": kind, **fields})
            await talk.audio(marked_audio([1, 2, 0, 3]))
            await talk.say(kind, **fields)
        await talk.ended()
        kinds = {message["type"] for message in talk.messages}
        assert kinds >= {
            "began", "configured", "transcript", "speech_started", "speech_ended", "audio_out",
            "flow", "ended",
        }  # fmt: skip
        for message in talk.messages:
            check("native", message)


@pytest.mark.parametrize(
    ("channel", "path", "says", "expected"),
    [
        (
            "deepgram-listen",
            "/v1/listen?encoding=linear16&sample_rate=16000&interim_results=true&vad_events=true",
            [{"type": "Finalize"}, {"type": "CloseStream"}],
            {"Results", "Metadata"},
        ),
        (
            "deepgram-flux",
            "/v2/listen?model=flux-general-en&encoding=linear16&sample_rate=16000",
            [{"type": "ForceEndTurn"}, {"type": "CloseStream"}],
            {"Connected", "TurnInfo"},
        ),
        (
            "assemblyai",
            "/v3/ws?sample_rate=16000&encoding=pcm_s16le&format_turns=true",
            [{"type": "ForceEndpoint"}, {"type": "Terminate"}],
            {"Begin", "Turn", "Termination"},
        ),
        (
            "assemblyai-legacy",
            "/v2/realtime/ws?sample_rate=16000",
            [{"terminate_session": True}],
            {"SessionBegins", "FinalTranscript", "SessionTerminated"},
        ),
    ],
)
async def test_what_providers_dialects_say_is_in_it(
    tmp_path: Path, channel: str, path: str, says: list[dict[str, Any]], expected: set[str]
) -> None:
    tag = "message_type" if channel == "assemblyai-legacy" else "type"
    async with gateway_with(tmp_path) as gateway:
        url = gateway.url.replace("http", "ws", 1) + path
        async with connect(url, proxy=None, compression=None) as socket:
            for piece in pieces(marked_audio([1, 2, 0, 3]), 1600):
                await socket.send(piece)
            for message in says:
                validator(channel, message.get("type", "request")).validate(message)
                await socket.send(json.dumps(message))
            said = [json.loads(text) async for text in socket]
    assert {message[tag] for message in said} >= expected
    for message in said:
        check(channel, message, tag)
