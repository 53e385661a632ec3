"""Every plain HTTP route of the gateway, and what it takes and gives: the table `openapi.json` is
made from. `tests/test_openapi.py` compares it with the routes of a gateway that runs, so a route
that is missing here fails there.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple, TypeAlias

import msgspec
import parameters
from parameters import Parameters
from schemas import Schema

from ossicle.advisor.measured import Measured
from ossicle.core.probing import Came, Offer, Piece, Total
from ossicle.dialects.amazon.parameters import PREFIX
from ossicle.dialects.assemblyai import endpoints as assemblyai
from ossicle.dialects.deepgram import endpoints as deepgram
from ossicle.dialects.deepgram.prerecorded_messages import Queued, Recording
from ossicle.dialects.deepgram.speak_messages import Body
from ossicle.dialects.native import endpoints as native
from ossicle.dialects.native.messages import ErrorBody
from ossicle.dialects.openai import endpoints as openai
from ossicle.dialects.openai.speech_request import SpeechAsked
from ossicle.dialects.openai.transcription_text import FORMATS
from ossicle.gateway.doors.about import About
from ossicle.gateway.measuring.advice import AdviceGiven
from ossicle.gateway.measuring.probecalls import Understood
from ossicle.gateway.reports.records import SessionRecord
from ossicle.gateway.snippets import Snippet

__all__ = ["ROUTES", "TAGS", "Also", "Credential", "Media", "Refusals", "Route", "What"]

What: TypeAlias = type[msgspec.Struct] | Schema
Media: TypeAlias = Mapping[str, What]
"""What a body is, by its media type."""
Refusals: TypeAlias = Literal[
    "", "native", "deepgram", "deepgram-v2", "assemblyai", "amazon", "openai", "text"
]
"""In whose words a route refuses."""
Credential: TypeAlias = Literal[
    "", "native", "deepgram", "assemblyai", "amazon", "openai", "twilio"
]

TAGS = {
    "speech": "Sound in, words out; text in, sound out. WebSockets at the same paths are in "
    "[asyncapi.json](asyncapi.json).",
    "calls": "WebRTC: one exchange over HTTP, then sound and words between the two ends.",
    "sessions": "What is going on, and what was.",
    "tokens": "A key becomes something that a browser may hold.",
    "telephone": "What a carrier asks beside the stream of a call.",
    "operation": "Is it alive, is it ready, how much does it do.",
    "pages": "The playground, the module for browsers, and these documents.",
}

NOTHING: Mapping[str, Schema] = MappingProxyType({})
TEXT: Schema = {"type": "string"}
BYTES: Schema = {"type": "string", "format": "binary"}
"""A body of bytes (OpenAPI 3.0 spelling, which every reader still understands)."""
LINES: Schema = {
    "type": "string",
    "description": "One JSON object a line, each a message of the server in asyncapi.json.",
}
EVENTS: Schema = {
    "type": "string",
    "description": "The same objects as server-sent events: `id` is `seq`, `event` is `type`.",
}
WORDS: Schema = {"type": "string", "description": "The words of each turn on a line."}
STREAMED: Media = {
    "application/x-ndjson": LINES,
    "text/event-stream": EVENTS,
    "text/plain": WORDS,
}
READY: Schema = {
    "type": "object",
    "required": ["ready"],
    "properties": {
        "ready": {"type": "boolean"},
        "notes": {
            "type": "array",
            "items": TEXT,
            "description": "What it copes with meanwhile, and what to do; absent = nothing.",
        },
        "missing": {
            "type": "array",
            "items": TEXT,
            "description": "What keeps it from serving, in words.",
        },
    },
}
LISTED: Schema = {
    "type": "object",
    "required": ["sessions"],
    "properties": {
        "sessions": {
            "type": "array",
            "items": {
                "type": "object",
                "required": [
                    "session", "state", "detached", "engine", "model", "label", "age_ms",
                    "audio_ms",
                ],
                "properties": {
                    "session": {**TEXT, "description": "Session id."},
                    "state": {"enum": ["opening", "live", "draining", "ended"]},
                    "detached": {
                        "type": "boolean",
                        "description": "Its client is gone, and may come back.",
                    },
                    "engine": {**TEXT, "description": "What listens."},
                    "model": {**TEXT, "description": "The model that was asked for."},
                    "label": {**TEXT, "description": "The client's own name for it."},
                    "age_ms": {"type": "integer", "description": "Since it began."},
                    "audio_ms": {"type": "integer", "description": "Stream time heard."},
                },
                "additionalProperties": False,
            },
        }
    },
}  # fmt: skip
FORM: Schema = {
    "type": "object",
    "additionalProperties": TEXT,
    "description": "What Twilio tells of the call.",
}


RECORDING: Schema = {
    "type": "object",
    "required": ["file", "model"],
    "properties": {
        "file": {**BYTES, "description": "WAV, MP3, FLAC, Ogg, WebM; 25 MiB where it comes first."},
        "model": {**TEXT, "description": "Routes to an engine."},
        "language": {**TEXT, "description": "BCP-47 tag."},
        "response_format": {"enum": list(FORMATS), "description": "`json` when absent."},
        "stream": {"type": "boolean", "description": "Words as server-sent events."},
        "timestamp_granularities[]": {
            "type": "array",
            "items": {"enum": ["word", "segment"]},
            "description": "With `verbose_json`.",
        },
        "keywords[]": {"type": "array", "items": TEXT, "description": "Likely words."},
    },
}
HEARD: Media = {
    "application/json": {
        "type": "object",
        "required": ["text"],
        "properties": {
            "text": {**TEXT, "description": "All of it."},
            "usage": {"type": "object", "description": "Seconds of sound."},
        },
    },
    "text/plain": WORDS,
    "text/vtt": TEXT,
    "text/event-stream": EVENTS,
}
OFFERED: Schema = {
    "type": "object",
    "required": ["sdp"],
    "properties": {
        "sdp": {**TEXT, "description": "The offer; up to 64 KiB."},
        "session": {**TEXT, "description": "A session as JSON; what it says comes last."},
    },
}
SESSION: Schema = {"type": "object", "description": "A session in the beta's shape."}


class Also(NamedTuple):
    """An answer beside the usual one and the refusals."""

    text: str
    gives: Media = NOTHING


class Route(NamedTuple):
    """One route with one method."""

    method: str
    path: str
    tag: str
    summary: str
    text: str = ""
    query: Parameters = NOTHING
    headers: Parameters = NOTHING
    needs: tuple[str, ...] = ()
    """Parameters that must be there."""
    takes: Media = NOTHING
    gives: Media = NOTHING
    status: int = 200
    refuses: Refusals = ""
    also: Mapping[int, Also] = MappingProxyType({})
    credential: Credential = ""


def _page(path: str, summary: str, kind: str, text: str = "") -> Route:
    return Route(
        "GET", path, "pages", summary, text, gives={kind: TEXT},
        also={304: Also("It is what you have: `if-none-match` names its `etag`.")}
        | ({404: Also("There is no such file.", {"text/plain": TEXT})} if "{" in path else {}),
    )  # fmt: skip


def _document(path: str, summary: str) -> Route:
    return _page(path, summary, "application/json")._replace(
        gives={"application/json": {"type": "object"}}
    )


def _twilio(method: str, path: str, summary: str, text: str, status: int, gives: Media) -> Route:
    return Route(
        method, path, "telephone", summary, text, status=status, gives=gives, refuses="text",
        takes={"application/x-www-form-urlencoded": FORM} if method == "POST" else {},
        credential="twilio",
    )  # fmt: skip


def _change(path: str) -> Route:
    return Route(
        "PATCH", path, "calls", "More addresses for a call, or an ICE restart",
        "`if-match` names the ICE session by its `etag` and adds addresses (204), or is `*` and "
        "restarts ICE with the credentials in the body (200).",
        takes={"application/trickle-ice-sdpfrag": TEXT},
        gives={"application/trickle-ice-sdpfrag": TEXT}, refuses="native",
        also={
            204: Also("The addresses were taken."),
            412: Also("`if-match` names another ICE session.", {"application/json": ErrorBody}),
            428: Also("`if-match` is missing.", {"application/json": ErrorBody}),
        },
    )  # fmt: skip


def _gone(path: str) -> Route:
    return Route(
        "DELETE", path, "calls", "End a call",
        "What was said is still finished. Who knows the path may end it: it cannot be guessed.",
        refuses="native",
    )  # fmt: skip


_VOICE = (
    "TwiML that connects the call to `/twilio/media`. Every parameter of the query becomes one of "
    "the stream."
)

SPEECH: Media = {
    **dict.fromkeys(
        ("audio/mpeg", "audio/wav", "audio/l16", "audio/mulaw", "audio/alaw", "audio/ogg",
         "audio/flac", "audio/aac"),
        BYTES,
    ),
    "application/json": Queued,
}  # fmt: skip
"""A file; with `callback` only that it will come."""

ROUTES: tuple[Route, ...] = (
    Route(
        "POST", "/v1/stream", "speech", "Sound in, words out, while it is still being sent",
        "The answer streams. Its status is held until the sound is recognised, so bad audio is a "
        "4xx. `Accept` chooses the form of the answer.",
        query=parameters.NATIVE, takes={"*/*": BYTES}, gives=STREAMED,
        refuses="native", credential="native",
    ),
    Route(
        "POST", "/v1/listen", "speech", "Deepgram: transcribe a recording",
        "One answer, at the end. A JSON body names a recording instead of being one.",
        query=parameters.LISTEN_FILE,
        takes={
            "*/*": BYTES,
            "application/json": {
                "type": "object", "required": ["url"], "properties": {"url": TEXT},
            },
        },
        gives={"application/json": {"anyOf": [Recording, Queued]}},
        refuses="deepgram", credential="deepgram",
    ),
    Route(
        "POST", "/v1/speak", "speech", "Deepgram: text to a file of speech",
        "The answer streams while it is spoken. At most 2000 characters.",
        query=parameters.SPEAK_FILE, takes={"application/json": Body},
        gives=SPEECH, refuses="deepgram", credential="deepgram",
    ),
    Route(
        "POST", "/v2/speak", "speech", "Deepgram Flux: text to a file of speech",
        "As `/v1/speak`, by the rules of the newer API.",
        query=parameters.SPEAK_FLUX_FILE, takes={"application/json": Body},
        gives=SPEECH, refuses="deepgram-v2", credential="deepgram",
    ),
    Route(
        "POST", "/v1/audio/transcriptions", "speech", "OpenAI: transcribe a recording",
        "The parts may come in any order.", takes={"multipart/form-data": RECORDING},
        gives=HEARD, refuses="openai", credential="openai",
    ),
    Route(
        "POST", "/v1/audio/speech", "speech", "OpenAI: text to a file of speech",
        "The answer streams while it is spoken. At most 4096 characters.",
        takes={"application/json": SpeechAsked},
        gives=dict.fromkeys(
            ("audio/mpeg", "audio/wav", "audio/l16", "audio/ogg", "audio/flac", "audio/aac",
             "text/event-stream"), BYTES,
        ),
        refuses="openai", credential="openai",
    ),
    Route(
        "POST", "/v1/realtime/client_secrets", "tokens", "OpenAI: a key for a browser",
        "It ends by itself, and brings the session it was made for.",
        takes={"application/json": openai.SecretAsked},
        gives={"application/json": openai.ClientSecret}, refuses="openai", credential="openai",
    ),
    Route(
        "POST", "/v1/realtime/sessions", "tokens", "OpenAI beta: a key for a browser",
        takes={"application/json": SESSION}, gives={"application/json": SESSION},
        refuses="openai", credential="openai",
    ),
    Route(
        "POST", "/v1/realtime/transcription_sessions", "tokens",
        "OpenAI beta: a key for a browser that transcribes",
        takes={"application/json": SESSION}, gives={"application/json": SESSION},
        refuses="openai", credential="openai",
    ),
    *(
        Route(
            "POST", path, "calls", f"OpenAI{of}: begin a call over WebRTC",
            "An SDP offer with one audio section and a data channel, bare or as a form beside the "
            "session. The events go over the data channel, the sound on the track. `location` "
            "names the call.",
            query={name: parameters.REALTIME[name] for name in ("model", "intent")},
            takes={"application/sdp": TEXT, "multipart/form-data": OFFERED},
            gives={"application/sdp": TEXT}, status=201, refuses="openai", credential="openai",
        )
        for path, of in (("/v1/realtime/calls", ""), ("/v1/realtime", " beta"))
    ),
    Route(
        "POST", "/v1/realtime/calls/{call_id}/hangup", "calls", "OpenAI: end a call",
        "By its call id, or the id of any session of the same key.",
        refuses="openai", credential="openai",
    ),
    *(
        Route(
            "POST", f"/v1/realtime/calls/{{call_id}}/{verb}", "calls",
            f"OpenAI: {verb} a call over SIP",
            "Refused: no calls over SIP come here, and one over WebRTC is answered with its offer.",
            refuses="openai", credential="openai",
        )
        for verb in ("accept", "reject", "refer")
    ),
    *(
        Route(
            "OPTIONS", path, "calls", "What a page of another origin may ask",
            "Headers that the page wants to send are echoed.", status=204,
            also={403: Also("It is not a page that may.")},
        )
        for path in (
            "/v1/realtime/calls", "/v1/realtime",
            *(f"/v1/realtime/calls/{{call_id}}/{verb}"
              for verb in ("hangup", "accept", "reject", "refer")),
        )
    ),
    Route(
        "POST", "/stream-transcription", "speech", "Amazon Transcribe: StartStreamTranscription",
        "Event-stream frames both ways, while the other end still sends; over HTTP/2, as the SDKs "
        "do it. The status comes before any sound.",
        headers={f"{PREFIX}{name}": schema for name, schema in parameters.AMAZON.items()},
        takes={"application/vnd.amazon.eventstream": BYTES},
        gives={"application/vnd.amazon.eventstream": BYTES},
        refuses="amazon", credential="amazon",
    ),
    Route(
        "GET", "/v1/sessions", "sessions", "Your open sessions",
        query={
            "label": {**TEXT, "description": "Those with this label only."},
            "token": parameters.TOKEN,
        },
        gives={"application/json": LISTED}, refuses="native", credential="native",
    ),
    Route(
        "GET", "/v1/sessions/{name}", "sessions", "What a session is or was",
        "By its id or another of its names; for an hour after its end.",
        query={"token": parameters.TOKEN}, gives={"application/json": SessionRecord},
        refuses="native", credential="native",
    ),
    Route(
        "GET", "/v1/sessions/{name}/events", "sessions", "Follow a session",
        "The events of a session of any dialect, as they come; before it begins, too.",
        query=parameters.OBSERVER, gives=STREAMED, refuses="native", credential="native",
    ),
    Route(
        "POST", "/v1/tokens", "tokens", "A token that ends by itself",
        "Made by a key; a token makes no tokens.",
        takes={"application/json": native.TokenAsked},
        gives={"application/json": native.TokenGiven}, refuses="native", credential="native",
    ),
    Route(
        "POST", "/v1/auth/grant", "tokens", "Deepgram: a token that ends by itself",
        takes={"application/json": deepgram.GrantAsked},
        gives={"application/json": deepgram.Granted}, refuses="deepgram", credential="deepgram",
    ),
    Route(
        "GET", "/v3/token", "tokens", "AssemblyAI: a token for universal streaming",
        query=parameters.ASSEMBLYAI_TOKEN, needs=("expires_in_seconds",),
        gives={"application/json": assemblyai.TokenGiven},
        refuses="assemblyai", credential="assemblyai",
    ),
    Route(
        "POST", "/v2/realtime/token", "tokens", "AssemblyAI: a token for the legacy API",
        takes={"application/json": assemblyai.LegacyTokenAsked},
        gives={"application/json": assemblyai.LegacyTokenGiven},
        refuses="assemblyai", credential="assemblyai",
    ),
    Route(
        "POST", "/whip", "calls", "Begin a call: sound in, and back (WHIP, RFC 9725)",
        "An SDP offer with one audio section; with a data channel the messages of `ossicle.v1` go "
        "over it. Options as for `/v1/stream`, but for formats, which SDP negotiates. The answer "
        "names the call in `location`, its ICE session in `etag`, and ICE servers in `link`.",
        query=parameters.CALL, takes={"application/sdp": TEXT}, gives={"application/sdp": TEXT},
        status=201, refuses="native", credential="native",
    ),
    _change("/whip/{call}"),
    _gone("/whip/{call}"),
    Route(
        "POST", "/whep/{session}", "calls", "Listen to a session over WebRTC (WHEP)",
        "Captions on the data channel, the voice on the track.",
        query=parameters.OBSERVER_CALL, takes={"application/sdp": TEXT},
        gives={"application/sdp": TEXT}, status=201, refuses="native", credential="native",
    ),
    _change("/whep/{session}/{call}"),
    _gone("/whep/{session}/{call}"),
    *(
        Route(
            "OPTIONS", path, "calls", "What a page of another origin may ask",
            "With a credential: the ICE servers, too, in `link`.", status=204,
        )
        for path in ("/whip", "/whip/{call}", "/whep/{session}", "/whep/{session}/{call}")
    ),
    _twilio("GET", "/twilio/voice", "TwiML for a call", _VOICE, 200, {"text/xml": TEXT}),
    _twilio("POST", "/twilio/voice", "TwiML for a call", _VOICE, 200, {"text/xml": TEXT}),
    _twilio("GET", "/twilio/status", "What Twilio tells of a stream", "", 204, {}),
    _twilio("POST", "/twilio/status", "What Twilio tells of a stream", "", 204, {}),
    Route(
        "GET", "/healthz", "operation", "It is alive", gives={"text/plain": TEXT},
    ),
    Route(
        "GET", "/readyz", "operation", "It is ready",
        "Every open door listens, and the engine is warm.", gives={"application/json": READY},
        also={503: Also("It is not; `missing` says why.", {"application/json": READY})},
    ),
    Route(
        "GET", "/metrics", "operation", "Figures for Prometheus",
        "While keys are on, for the owners in `access.metrics_for`.",
        gives={"text/plain": TEXT}, refuses="native", credential="native",
    ),
    Route(
        "GET", "/v1/probe", "operation", "Measure the way here: what there is, or a body",
        "Without a query, what can be measured. `pieces`: lines that leave one after another, "
        "`every_ms` apart and `size` long. `bytes`: so many, as fast as they are taken. "
        "`ossicle probe` asks this.",
        query={
            "pieces": {"type": "integer", "minimum": 1, "maximum": 64},
            "every_ms": {"type": "integer", "minimum": 1, "default": 100},
            "size": {"type": "integer", "minimum": 1, "maximum": 16384, "default": 200},
            "bytes": {"type": "integer", "minimum": 1},
            "token": parameters.TOKEN,
        },
        gives={
            "application/json": Offer, "application/x-ndjson": Piece,
            "application/octet-stream": BYTES,
        },
        refuses="native", credential="native",
    ),
    Route(
        "POST", "/v1/probe", "operation", "Measure the way here: when does each piece come?",
        "A line for each of the first 64 pieces of the body, at once, and one at its end.",
        query={"token": parameters.TOKEN}, takes={"application/octet-stream": BYTES},
        gives={"application/x-ndjson": {"anyOf": [Came, Total]}},
        refuses="native", credential="native",
    ),
    Route(
        "POST", "/v1/probe/ice", "operation", "Measure the way here: a call without sound",
        "An SDP offer with a data channel and an audio section that only receives. What is asked "
        "on the data channel is answered as on the WebSocket `/v1/probe`.",
        query={"token": parameters.TOKEN}, takes={"application/sdp": TEXT},
        gives={"application/sdp": TEXT}, status=201, refuses="native", credential="native",
    ),
    Route(
        "POST", "/v1/probe/findings", "operation", "What the samples of a measurement mean",
        "The judgement of `ossicle probe`, for samples that a page took; its advice is for a "
        "browser on that network.",
        takes={"application/json": Measured}, gives={"application/json": Understood},
        refuses="native",
    ),
    Route(
        "GET", "/v1/about", "pages", "Which engine listens, who answers, if a key is asked for",
        gives={"application/json": About},
    ),
    Route(
        "GET", "/v1/snippets", "pages", "The lines that point an SDK at this gateway",
        query={"token": parameters.TOKEN},
        gives={"application/json": {
            "type": "object", "required": ["snippets"],
            "properties": {"snippets": {"type": "array", "items": Snippet}},
        }},
        refuses="native", credential="native",
    ),
    Route(
        "GET", "/v1/advise", "pages", "Which protocol?",
        "The advisor's answer for this gateway: as `ossicle advise --json`.",
        query=parameters.ADVISE, gives={"application/json": AdviceGiven}, refuses="native",
    ),
    _page("/", "The playground", "text/html"),
    _page("/advise", "Which protocol? A form and the answer", "text/html"),
    _page("/probe", "What does the network in between let through?", "text/html"),
    _page("/playground/{name}", "What the playground is made of", "*/*"),
    _page("/ossicle.js", "The module for browsers", "text/javascript",
          "Any page may import it, those of other origins too."),
    _page("/ossicle.d.ts", "Its types", "text/plain"),
    _page("/ossicle/{name}", "What the module is made of", "*/*"),
    _document("/openapi.json", "This document"),
    _document("/asyncapi.json", "The messages on WebSockets"),
)  # fmt: skip
