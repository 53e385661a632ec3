"""What may stand in the query of each address, as JSON Schema by name.

Where the code has a type for it, the type is asked. Deepgram's parameters are read one by one in
the code, so they stand here as a table, and `tests/test_openapi.py` holds the names to the source.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgspec
from schemas import Schema, Shelf

from ossicle.advisor.inputs import FIELDS
from ossicle.core.formats import CONTAINERS, MAX_CHANNELS, MAX_RATE, MIN_RATE, WIDTHS
from ossicle.core.options import Options
from ossicle.dialects.assemblyai.endpoints import TokenAsked
from ossicle.dialects.assemblyai.legacy_query import LegacyParameters
from ossicle.dialects.assemblyai.query import Parameters as AssemblyParameters
from ossicle.dialects.deepgram.flux_messages import Thresholds
from ossicle.dialects.native.query import NAMES

__all__ = [
    "ADVISE", "AMAZON", "ASSEMBLYAI", "ASSEMBLYAI_LEGACY", "ASSEMBLYAI_TOKEN", "CALL", "FLUX",
    "LISTEN_FILE", "LISTEN_LIVE", "NATIVE", "NOTHING", "OBSERVER", "OBSERVER_CALL", "REALTIME",
    "SPEAK", "SPEAK_FILE", "SPEAK_FLUX", "SPEAK_FLUX_FILE", "Parameters",
]  # fmt: skip

Parameters = Mapping[str, Schema]

NOTHING: Parameters = MappingProxyType({})
FLAG: Schema = {"type": "boolean"}
TEXT: Schema = {"type": "string"}
WHOLE: Schema = {"type": "integer"}
NUMBER: Schema = {"type": "number"}
LIST: Schema = {"type": "array", "items": {"type": "string"}}
"""The name is repeated, once for each."""
RATE: Schema = {"type": "integer", "minimum": MIN_RATE, "maximum": MAX_RATE}
CHANNELS: Schema = {"type": "integer", "minimum": 1, "maximum": MAX_CHANNELS}


def said(schema: Schema, text: str) -> Schema:
    """The same with a sentence."""
    return {**schema, "description": text}


def _option(path: str) -> Schema:
    kind: Any = Options
    *parents, leaf = path.split(".")
    for parent in parents:
        kind = next(field.type for field in msgspec.structs.fields(kind) if field.name == parent)
    schema = Shelf(draft_07=True).fields(kind)[leaf]
    return said(_never_null(schema), f"{schema.get('description', '')} Option `{path}`.".strip())


def _advise() -> Parameters:
    """What the advisor asks for."""
    kinds: dict[str, Schema] = {"whole": WHOLE, "switch": FLAG, "list": LIST}
    found: dict[str, Schema] = {}
    for field in FIELDS:
        schema = kinds.get(field.kind) or {"enum": list(field.choices)}
        found[field.name] = said(schema, f"{field.title} {field.text}".strip())
    return MappingProxyType(found)


def _fields(kind: type[msgspec.Struct]) -> Parameters:
    fields = Shelf(draft_07=True).fields(kind)
    return {name: _never_null(schema) for name, schema in fields.items()}


def _never_null(schema: Schema) -> Schema:
    """A query has no null: what may be absent is absent."""
    kinds = [each for each in schema.get("anyOf", ()) if each != {"type": "null"}]
    if len(kinds) != 1:
        return schema
    rest = {k: v for k, v in schema.items() if k != "anyOf" and v is not None}
    return {**kinds[0], **rest}


TOKEN = said(
    TEXT, "A token that ends by itself. A whole key is refused here, since URLs are logged."
)
TRACE = said(TEXT, "The trace to go on with, as in the header (W3C Trace Context).")
NODE = said(TEXT, "The gateway that has the session, for a proxy to route by. Not read here.")
SINCE = said({"type": "integer", "minimum": 0}, "The last `seq` you have.")

NATIVE: Parameters = {
    "encoding": said(
        {"enum": [*sorted(CONTAINERS), "opus", *WIDTHS]},
        "What is sent. `auto`, the default: a container, recognised by its first bytes.",
    ),
    "sample_rate": said({**RATE, "default": 16_000}, "Hz, of bare samples."),
    "channels": said({**CHANNELS, "default": 1}, "Interleaved."),
    "speaks": said({"enum": list(WIDTHS)}, "Encoding to be heard back; absent = the engine's own."),
    "speaks_rate": said(RATE, "Hz of that."),
    "hint": said(LIST, "`word` or `word:boost`; repeat it."),
    "tool": said(LIST, "A function that may be asked for, as JSON: `name`, `description`, "
                 "`parameters` (a JSON Schema as text); repeat it. Option `answers.tools`."),
    **{name: _option(path) for name, (path, _) in sorted(NAMES.items())},
    "transcript_url": said(LIST, "Post events there, too; repeat it."),
    "audio_from": said(TEXT, "URL of the sound, for the gateway to read; none is sent."),
    "token": TOKEN,
    "resume": said(TEXT, "The token of a session that goes on."),
    "since": SINCE,
    "settled_ms": said({"type": "integer", "minimum": 0},
                       "For a gateway that does not know the token: replay begins here."),
    "turn": said({"type": "integer", "minimum": 0}, "And turns are numbered from here."),
    "session": said(TEXT, "Join this session instead of opening one."),
    "role": said({"enum": ["observer", "controller"], "default": "observer"}, "As what."),
    "node": NODE,
    "traceparent": TRACE,
}  # fmt: skip

OBSERVER: Parameters = {
    "since": SINCE,
    "wait_s": said(
        {"type": "number", "minimum": 0, "maximum": 600, "default": 0},
        "Seconds to wait for a session that is not there yet.",
    ),
    "audio": said({**FLAG, "default": False}, "Send what the voice says, too."),
    "token": TOKEN,
    "node": NODE,
    "traceparent": TRACE,
}

CALL: Parameters = {
    name: schema
    for name, schema in NATIVE.items()
    if name not in {"encoding", "sample_rate", "channels", "speaks", "speaks_rate"}
}
"""Formats are negotiated by SDP."""
OBSERVER_CALL: Parameters = {name: each for name, each in OBSERVER.items() if name != "audio"}

_CALLBACK: Parameters = {
    "callback": said(TEXT, "Post the answer there; its host must be allowed."),
    "callback_method": said({"enum": ["POST", "PUT"], "default": "POST"}, "How."),
}
_LISTEN: Parameters = {
    "model": said(TEXT, "Routes to an engine; the service's own names mean the default one."),
    "encoding": said(
        TEXT,
        "`linear16`, `linear32`, `mulaw`, `alaw`, `opus`, or the name of a container; absent: a "
        "container, recognised by its first bytes.",
    ),
    "sample_rate": said(RATE, "Hz; needed with bare samples."),
    "channels": said(CHANNELS, "Interleaved channels."),
    "multichannel": said(FLAG, "Results for each channel; else they are mixed."),
    "language": said(TEXT, "BCP-47 tag, or `multi`."),
    "punctuate": said(FLAG, "Punctuation and case, as far as the engine writes them."),
    "smart_format": said(FLAG, "The same; paragraphs of a recording, too."),
    "diarize": said(FLAG, "Number the speakers, where the engine tells them apart."),
    "diarize_model": said(TEXT, "Anything but `false` is the same."),
    "keyterm": said(LIST, "Likely phrases; repeat it."),
    "keywords": said(LIST, "`word` or `word:boost`; repeat it."),
    "profanity_filter": said(FLAG, "Mask rude words, where the engine can."),
    "tag": said(LIST, "Told back in the metadata; the session's label."),
    "extra": said(LIST, "`name:value`, told back in the metadata."),
    **_CALLBACK,
}
_UNDONE: Parameters = {
    name: said(TEXT, "Taken and not done; `warnings` says so.")
    for name in (
        "numerals", "dictation", "filler_words", "measurements", "detect_entities",
        "detect_topics", "topics", "intents", "sentiment", "summarize", "redact", "search",
        "replace", "language_hint",
    )
}  # fmt: skip

LISTEN_LIVE: Parameters = {
    **_LISTEN,
    "interim_results": said({**FLAG, "default": False}, "Results that may still change."),
    "endpointing": said(TEXT, "Milliseconds of silence that make `speech_final`; or `false`."),
    "utterance_end_ms": said(WHOLE, "`UtteranceEnd` after so long without a word."),
    "vad_events": said(FLAG, "`SpeechStarted`."),
    **_UNDONE,
}

LISTEN_FILE: Parameters = {
    **_LISTEN,
    "paragraphs": said(FLAG, "The text in paragraphs."),
    "utterances": said(FLAG, "The words in stretches without a long gap."),
    "utt_split": said({**NUMBER, "default": 0.8}, "Seconds of such a gap."),
    "detect_language": said(TEXT, "Say which language was heard, where the engine knows."),
    **_UNDONE,
}

_SPOKEN: Parameters = {
    "model": said(
        {**TEXT, "default": "aura-asteria-en"},
        "A voice of the engine; of the service's names the last part chooses the language.",
    ),
    "sample_rate": said(RATE, "Hz."),
    "speed": said({"type": "number", "minimum": 0.25, "maximum": 4, "default": 1}, "Pace."),
    "tag": said(TEXT, "The session's label."),
}
SPEAK: Parameters = {
    **_SPOKEN,
    "encoding": said({"enum": ["linear16", "mulaw", "alaw"], "default": "linear16"}, "Samples."),
}
SPEAK_FILE: Parameters = {
    **_SPOKEN,
    "encoding": said(
        {"enum": ["mp3", "linear16", "mulaw", "alaw", "opus", "flac", "aac"], "default": "mp3"},
        "What the file is made of.",
    ),
    "container": said({"enum": ["wav", "ogg", "none"]}, "What it is put into."),
    "bit_rate": said(WHOLE, "Bits a second, of encodings that have one."),
    **_CALLBACK,
}
_IN_TURNS: Parameters = {
    "model": said(TEXT, "Required. A voice; of `flux-…` the last part chooses the language."),
    "speed": said(
        {"type": "number", "minimum": 0.5, "maximum": 1.5, "multipleOf": 0.05, "default": 1},
        "Pace.",
    ),
    "expressivity": said({"type": "integer", "minimum": -2, "maximum": 2}, "Without effect."),
}
SPEAK_FLUX: Parameters = {**SPEAK, **_IN_TURNS}
SPEAK_FLUX_FILE: Parameters = {**SPEAK_FILE, **_IN_TURNS}

FLUX: Parameters = {
    "model": said(TEXT, "Required. `flux-…` is the default engine; any other name routes."),
    "encoding": said(
        {"enum": ["linear16", "linear32", "mulaw", "alaw", "opus", "ogg-opus"]},
        "Absent: a container, recognised by its first bytes.",
    ),
    "sample_rate": said(RATE, "Hz; required with an encoding other than `ogg-opus`."),
    **{
        name: said(
            schema,
            {
                "eot_threshold": "Confidence at which a turn ends; 0.7 when absent.",
                "eager_eot_threshold": "Confidence for `EagerEndOfTurn`; off when absent.",
                "eot_timeout_ms": "Silence that ends a turn in any case; 5000 when absent.",
            }[name],
        )
        for name, schema in _fields(Thresholds).items()
    },
    "keyterm": said(LIST, "Likely phrases; repeat it."),
    "language_hint": said(LIST, "The first is the language; repeat it."),
    "profanity_filter": said(FLAG, "Mask rude words, where the engine can."),
    "tag": said(TEXT, "The session's label."),
}

AMAZON: Parameters = {
    "language-code": said(TEXT, "The language; exactly one of this and the next two."),
    "identify-language": said(FLAG, "Find the language out; needs `language-options`."),
    "identify-multiple-languages": said(FLAG, "The same; options may be absent."),
    "language-options": said(TEXT, "Languages, separated by commas."),
    "preferred-language": said(TEXT, "One of them."),
    "media-encoding": said(
        {"enum": ["pcm", "flac", "ogg-opus", "g711-alaw", "g711-ulaw"]}, "Required."
    ),
    "sample-rate": said(RATE, "Hz; required."),
    "session-id": said(TEXT, "The session's name; one is made where none is given."),
    "session-resume-window": said(
        {"type": "integer", "minimum": 1, "maximum": 300}, "Minutes to wait for a lost client."
    ),
    "vocabulary-name": said(TEXT, "A list of `[amazon.vocabularies]`, as hints."),
    "vocabulary-names": said(TEXT, "The same, several, separated by commas."),
    "vocabulary-filter-name": said(TEXT, "A list of `[amazon.filters]`."),
    "vocabulary-filter-names": said(TEXT, "The same, several, separated by commas."),
    "vocabulary-filter-method": said({"enum": ["mask", "remove", "tag"]}, "`mask` when absent."),
    "show-speaker-label": said(FLAG, "Tell speakers apart."),
    "enable-channel-identification": said(FLAG, "Tell two channels apart."),
    "number-of-channels": said({"const": 2}, "With the one before."),
    "enable-partial-results-stabilization": said(FLAG, "Say which items are stable."),
    "partial-results-stability": said({"enum": ["low", "medium", "high"]}, "Read only."),
    "language-model-name": said(TEXT, "A model, which routes to an engine."),
    "content-identification-type": said(TEXT, "Ignored."),
    "content-redaction-type": said(TEXT, "Refused: nothing here redacts."),
    "pii-entity-types": said(TEXT, "Ignored."),
    "transcript-format": said({"enum": ["written", "spoken"]}, "Read only."),
}
"""In the query of a WebSocket; over HTTP in headers, behind `x-amzn-transcribe-`."""

REALTIME: Parameters = {
    "model": said(TEXT, "Of a conversation. Routes to an engine."),
    "intent": said({"enum": ["transcription"]}, "Words only, no answers."),
    "call_id": said(TEXT, "Join the session of that call, or of that id, as a sideband."),
}

ASSEMBLYAI: Parameters = _fields(AssemblyParameters)
ASSEMBLYAI_LEGACY: Parameters = _fields(LegacyParameters)
ASSEMBLYAI_TOKEN: Parameters = _fields(TokenAsked)

ADVISE: Parameters = _advise()
