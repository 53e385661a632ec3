"""`openapi.json` is a valid document, and says what a gateway really answers: every route, every
parameter, every body."""

import asyncio
import inspect
import json
import re
import struct
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from openapi_spec_validator.validation.exceptions import OpenAPIValidationError
from starlette.routing import Route as WireRoute

from harness import Answer, Talk, ask, gateway_with, heard
from ossicle.dialects.amazon.eventstream import encode
from ossicle.dialects.amazon.messages import audio_frame
from ossicle.dialects.deepgram import flux_query, listen_query, speak_query
from ossicle.engines.compose import Combined
from ossicle.engines.open import open_engine
from ossicle.gateway.app import make_app
from ossicle.gateway.configuration.settings import GatewaySettings
from ossicle.gateway.house import House
from ossicle.testing.marked import marked_audio
from webrtc_peers import an_offer

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

import parameters  # noqa: E402
from openapi_document import openapi_document  # noqa: E402

DOCUMENT = json.loads((ROOT / "docs/reference/openapi.json").read_text("utf-8"))
READ = re.compile(
    r"(?:given\.(?:flag|last|all|read)\(|param\(|_flag\(opening, |opening\.query if name == )"
    r'\s*"(\w+)"'
)
"""How a query of Deepgram asks for a parameter."""


def routes() -> set[tuple[str, str]]:
    """Method and path of everything a gateway answers over plain HTTP."""
    app = make_app(House(GatewaySettings(), heard()))
    return {
        (method, route.path)
        for route in app.routes
        if isinstance(route, WireRoute)
        for method in (route.methods or {"GET"}) - {"HEAD"}
    }


def test_it_is_valid() -> None:
    validate(DOCUMENT)


def test_a_document_that_is_not_is_found() -> None:
    wrong = openapi_document()
    wrong["paths"]["/healthz"]["get"]["responses"] = {}
    with pytest.raises(OpenAPIValidationError):
        validate(wrong)


async def test_every_route_is_in_it_and_nothing_else() -> None:
    told = {(m.upper(), path) for path, methods in DOCUMENT["paths"].items() for m in methods}
    assert routes() - told == set(), "add it to scripts/openapi_routes.py"
    assert told - routes() == set(), "nothing answers there any more"


@pytest.mark.parametrize(
    ("module", "tables", "elsewhere"),
    [
        (listen_query, ("LISTEN_LIVE", "LISTEN_FILE"), set(listen_query._UNDONE)),
        (
            speak_query,
            ("SPEAK", "SPEAK_FILE", "SPEAK_FLUX", "SPEAK_FLUX_FILE"),
            set[str](),
        ),
        (flux_query, ("FLUX",), {"eot_threshold", "eager_eot_threshold", "eot_timeout_ms"}),
    ],
)
def test_parameters_of_deepgram_are_those_that_are_read(
    module: ModuleType, tables: tuple[str, ...], elsewhere: set[str]
) -> None:
    read = set(READ.findall(inspect.getsource(module))) | elsewhere
    assert {name for table in tables for name in getattr(parameters, table)} == read


async def test_a_gateway_answers_as_it_says(tmp_path: Path) -> None:
    seen: set[tuple[str, str]] = set()

    async def check(method: str, path: str, status: int, at: str = "", **more: Any) -> Answer:
        answer = await ask(gateway.url, method=method, path=path, **more)
        assert answer.status == status, f"{method} {path}: {answer.body!r}"
        told(method, at or path.partition("?")[0], answer)
        seen.add((method, at or path.partition("?")[0]))
        return answer

    async with gateway_with(tmp_path, Combined(heard(), open_engine("tone"))) as gateway:
        async with Talk.open(gateway.url, encoding="pcm_s16le", sample_rate=16000) as talk:
            await check("GET", "/v1/sessions", 200)
            name = talk.began["session"]
            follower = asyncio.create_task(
                check("GET", f"/v1/sessions/{name}/events", 200, "/v1/sessions/{name}/events")
            )
            async with asyncio.timeout(10):
                record = await check("GET", f"/v1/sessions/{name}", 200, "/v1/sessions/{name}")
                while not record.json["counts"]["observers"]:
                    record = await check("GET", f"/v1/sessions/{name}", 200, "/v1/sessions/{name}")
            await talk.say("end")
            await talk.ended()
            assert (await follower).lines[-1]["type"] == "ended"
        await check("GET", f"/v1/sessions/{name}", 200, "/v1/sessions/{name}")
        await check("GET", "/v1/sessions/gone", 404, "/v1/sessions/{name}")
        events = "/v1/sessions/{name}/events"
        await check("GET", "/v1/sessions/gone/events", 404, events)
        await check("GET", "/v1/sessions/gone/events?no=1", 400, events)
        for path in (
            "/healthz",
            "/readyz",
            "/metrics",
            "/v1/about",
            "/v1/snippets",
            "/",
            "/advise",
            "/probe",
        ):
            await check("GET", path, 200)
        await check("GET", "/v1/advise?client=browser&provider=google&browsers=safari+26", 200)
        await check("GET", "/v1/advise?client=bowser", 400)
        for path in ("/ossicle.js", "/ossicle.d.ts", "/openapi.json", "/asyncapi.json"):
            await check("GET", path, 200)
        await check("GET", "/ossicle/link.js", 200, "/ossicle/{name}")
        await check("GET", "/ossicle/gone.js", 404, "/ossicle/{name}")
        await check("GET", "/playground/page.css", 200, "/playground/{name}")
        await check("POST", "/v1/tokens", 200, body=b'{"ttl_s": 60}')
        await check("POST", "/v1/tokens", 400, body=b"[]")
        await check("POST", "/v1/auth/grant", 200, body=b"{}")
        await check("POST", "/v1/auth/grant", 400, body=b"[]")
        await check("GET", "/v3/token?expires_in_seconds=60", 200)
        await check("GET", "/v3/token", 400)
        await check("POST", "/v2/realtime/token", 200, body=b'{"expires_in": 60}')
        for method in ("GET", "POST"):
            await check(method, "/twilio/voice", 200)
            await check(method, "/twilio/status", 204)
        bare = "encoding=linear16&sample_rate=16000"
        await check("POST", "/v1/speak?encoding=linear16", 200, body=b'{"text": "hi"}')
        await check("POST", "/v1/speak", 400, body=b"{}")
        await check("POST", "/v2/speak?model=flux-haley-en", 200, body=b'{"text": "hi"}')
        await check("POST", "/v2/speak", 400, body=b'{"text": "hi"}')
        options = "utterances=true&paragraphs=true&numerals=true&tag=a&extra=b:c"
        recording = await check(
            "POST", f"/v1/listen?{bare}&{options}", 200, body=marked_audio([1, 2, 0, 3])
        )
        assert recording.json["results"]["channels"][0]["alternatives"][0]["words"]
        await check("POST", "/v1/listen?sample_rate=none&encoding=linear16", 400, body=b"x")
        native = "/v1/stream?encoding=pcm_s16le&sample_rate=16000"
        await check("POST", native, 200, body=marked_audio([1, 2, 0]))
        await check("POST", f"{native}&no=1", 400, body=b"")
        sdp = {"content-type": "application/sdp"}
        part = {"content-type": "application/trickle-ice-sdpfrag"}
        offer = await an_offer()
        call = await check("POST", "/whip", 201, headers=sdp, body=offer.encode())
        (session,) = (await check("GET", "/v1/sessions", 200)).json["sessions"]
        listening = offer.replace("a=sendrecv", "a=recvonly").encode()
        heard_at = f"/whep/{session['session']}"
        listener = await check(
            "POST", heard_at, 201, "/whep/{session}", headers=sdp, body=listening
        )
        await check("POST", "/whip?encoding=mulaw", 400, headers=sdp, body=offer.encode())
        await check("POST", "/whip", 400, headers=sdp, body=b"no offer")
        await check("POST", "/whip", 415, body=b"no offer")
        await check("POST", "/whep/gone", 404, "/whep/{session}", headers=sdp, body=listening)
        for answer, at in ((call, "/whip/{call}"), (listener, "/whep/{session}/{call}")):
            place = answer.headers["location"]
            await check("PATCH", place, 428, at, headers=part)
            await check("PATCH", place, 412, at, headers={**part, "if-match": '"no"'})
            same = {**part, "if-match": answer.headers["etag"]}
            await check("PATCH", place, 204, at, headers=same)
            fresh = f"a=ice-ufrag:abcd\r\na=ice-pwd:{'x' * 22}\r\n".encode()
            again = {**part, "if-match": "*"}
            await check("PATCH", place, 200, at, headers=again, body=fresh)
            await check("OPTIONS", place, 204, at)
            await check("DELETE", place, 200, at)
        await check("OPTIONS", "/whip", 204)
        await check("OPTIONS", heard_at, 204, "/whep/{session}")
        given = {"language-code": "en-US", "media-encoding": "pcm", "sample-rate": "16000"}
        headers = {f"x-amzn-transcribe-{name}": value for name, value in given.items()}
        said = encode(audio_frame(marked_audio([1, 2, 0])))
        amazon = "/stream-transcription"
        await check("POST", amazon, 200, headers=headers, body=said)
        await check("POST", amazon, 400, body=said)
        secrets = "/v1/realtime/client_secrets"
        await check("POST", secrets, 200, body=b"{}")
        await check("POST", secrets, 400, body=b"[]")
        await check("POST", "/v1/realtime/sessions", 200, body=b"{}")
        await check("POST", "/v1/realtime/transcription_sessions", 200, body=b"{}")
        hang_up = "/v1/realtime/calls/{call_id}/hangup"
        async with Talk.open(gateway.url, encoding="pcm_s16le", sample_rate=16000) as talk:
            name = talk.began["session"]
            await check("POST", f"/v1/realtime/calls/{name}/hangup", 200, hang_up)
            await talk.ended()
        await check("POST", "/v1/realtime/calls/gone/hangup", 404, hang_up)
        calls = "/v1/realtime/calls"
        for at in (calls, "/v1/realtime"):
            begun = await check("POST", at, 201, headers=sdp, body=offer.encode())
            await check("POST", at, 400, headers=sdp, body=b"no offer")
            await check("OPTIONS", at, 204)
        place = begun.headers["location"]
        for verb in ("accept", "reject", "refer"):
            named = f"{calls}/{{call_id}}/{verb}"
            await check("POST", f"{place}/{verb}", 400, named)
            await check("OPTIONS", f"{place}/{verb}", 204, named)
        await check("OPTIONS", f"{place}/hangup", 204, hang_up)
        await check("POST", f"{place}/hangup", 200, hang_up)
        speech = "/v1/audio/speech"
        for form in ("mp3", "wav", "pcm", "opus", "flac", "aac"):
            asked = json.dumps({"input": "hi", "response_format": form}).encode()
            await check("POST", speech, 200, body=asked)
        await check("POST", speech, 200, body=b'{"input": "hi", "stream_format": "sse"}')
        await check("POST", speech, 400, body=b"{}")
        words = "/v1/audio/transcriptions"
        kind = {"content-type": "multipart/form-data; boundary=x"}
        for more in ("response_format=json", "response_format=vtt", "response_format=text",
                     "response_format=verbose_json", "stream=true"):  # fmt: skip
            await check("POST", words, 200, headers=kind, body=form_of(more))
        await check("POST", words, 400, headers=kind, body=form_of("response_format=yaml"))
        await check("GET", "/v1/probe", 200)
        await check("GET", "/v1/probe?pieces=2&every_ms=1", 200)
        await check("GET", "/v1/probe?bytes=100", 200)
        await check("GET", "/v1/probe?pieces=none", 400)
        await check("POST", "/v1/probe", 200, body=b"abc")
        samples = json.dumps({"url": gateway.url, "is_ossicle": True}).encode()
        kind = {"content-type": "application/json"}
        await check("POST", "/v1/probe/findings", 200, headers=kind, body=samples)
        await check("POST", "/v1/probe/findings", 400, headers=kind, body=b"{}")
        await check("POST", "/v1/probe/ice", 400, headers=sdp, body=b"v=1")
        hears = offer.replace("a=sendrecv", "a=recvonly").replace("a=sendonly", "a=recvonly")
        await check("POST", "/v1/probe/ice", 201, headers=sdp, body=hears.encode())
    assert routes() - seen == set(), "ask it here"


def form_of(field: str) -> bytes:
    """A recording as a browser would send it."""
    name, _, value = field.partition("=")
    data = marked_audio([1, 2, 0])
    head = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", len(data) + 36, b"WAVE", b"fmt ", 16, 1, 1,
                       16_000, 32_000, 2, 16, b"data", len(data))  # fmt: skip
    fields = {"model": "whisper-1", name: value}
    parts = [f'--x\r\ncontent-disposition: form-data; name="{n}"\r\n\r\n{v}\r\n'
             for n, v in fields.items()]  # fmt: skip
    file = '--x\r\ncontent-disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
    return "".join((*parts, file)).encode() + head + data + b"\r\n--x--\r\n"


def told(method: str, path: str, answer: Answer) -> None:
    """Hold an answer against what the document says of it."""
    responses = DOCUMENT["paths"][path][method.lower()]["responses"]
    content = responses[str(answer.status)].get("content", {})
    kind = answer.headers.get("content-type", "").partition(";")[0]
    if not content:
        assert answer.body == b""
        return
    assert kind in content or "*/*" in content, f"{method} {path} is {kind}"
    if kind == "application/json":
        schema = {**content[kind]["schema"], "components": DOCUMENT["components"]}
        Draft202012Validator(schema).validate(answer.json)
