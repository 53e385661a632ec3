"""The parameters of `/v3/ws`: query text to options, and options to query text.

Booleans come as `True` (Python SDK) and as `true` (JavaScript SDK); lists are one JSON value.
Names nobody knows are passed over, as the service does. What a parameter turns into stands in
one place, `_patch`, for the opening and for `UpdateConfiguration` alike.
"""

from collections.abc import Iterable
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, UnsetType

from ossicle.core.errors import BadAudio, Refused
from ossicle.core.formats import AudioFormat, parse_format

from .messages import Changes

__all__ = [
    "LOST",
    "PASSED_OVER",
    "Parameters",
    "changes_of",
    "format_of",
    "lost_in",
    "parameters_of",
    "patch_of",
    "query_of",
    "said_of",
    "undone_in",
    "update_of",
]

_ENCODINGS = {
    "pcm_s16le": "pcm_s16le",
    "pcm_mulaw": "mulaw",
    "opus": "opus",
    "ogg_opus": "ogg",
    "aac": "aac",
}
_OPUS_RATE = 48_000
"""What raw Opus packets are decoded at (RFC 6716, section 2); a stated rate means nothing, nor
for a container, whose header tells."""


class Parameters(Changes, frozen=True, kw_only=True):
    """Everything an opening may say that matters here."""

    sample_rate: int | UnsetType | None = UNSET
    """Hz; required for PCM."""
    encoding: str = "pcm_s16le"
    speech_model: Annotated[str, msgspec.Meta(max_length=200)] = ""
    """Routes to an engine where the gateway has a route of that name."""
    mode: Annotated[str, msgspec.Meta(max_length=40)] = ""
    """Told back in `Begin`, nothing else."""
    token: str = ""
    inactivity_timeout: Annotated[int, msgspec.Meta(ge=5, le=3600)] | UnsetType | None = UNSET
    """Seconds without audio or KeepAlive after which the session ends."""
    language_code: str | UnsetType | None = UNSET
    """The old way to say the language."""
    language_detection: bool | UnsetType | None = UNSET
    """Name the language of each turn, where the engine knows it."""
    speaker_labels: bool | UnsetType | None = UNSET
    include_partial_turns: bool | UnsetType | None = UNSET

    @property
    def always_formats(self) -> bool:
        """These models send one message at the end of a turn, and it is formatted."""
        return self.speech_model.startswith(("u3", "universal-3"))


_TURN_DEFAULTS = {"silence_ms": 1_280, "confidence": 0.4, "least_ms": 400}
"""The vendor's max_turn_silence, end_of_turn_confidence_threshold and min_turn_silence."""

PASSED_OVER = frozenset(
    {
        "_customer_support_audio_capture",  # as the JavaScript SDK spells it
        "agent_context",
        "continuous_partials",
        "customer_support_audio_capture",
        "domain",
        "interruption_delay",
        "llm_gateway",
        "max_speakers",
        "noise_suppression_model",
        "noise_suppression_threshold",
        "prompt",
        "redact_pii",
        "redact_pii_policies",
        "redact_pii_sub",
        "speaker_labels_revision_interval_ms",
        "turn_left_pad_ms",
        "voice_focus",
        "voice_focus_threshold",
        "webhook_auth_header_name",
        "webhook_auth_header_value",
        "webhook_url",
    }
)
"""What the vendor's SDKs may say besides, and nothing here does."""

_PROMISES = ("redact_pii", "llm_gateway", "webhook_url")
"""Those of them whose absence is no matter of degree: who asks for one is told."""

_JSON = frozenset({"keyterms_prompt", "language_codes"})
_KNOWN = frozenset(field.name for field in msgspec.structs.fields(Parameters))


def parameters_of(query: Iterable[tuple[str, str]]) -> Parameters:
    """The parameters of an opening.

    Raises:
        Refused: a value of the wrong type or out of range; the text names the parameter.
    """
    values: dict[str, object] = {}
    for name, text in query:
        if name in _KNOWN:
            values[name] = _listed(name, text) if name in _JSON else text
    try:
        return msgspec.convert(values, Parameters, strict=False)
    except (msgspec.ValidationError, RecursionError) as error:
        raise Refused(f"parameters: {str(error)[:160]}", code="bad_option") from error


def undone_in(query: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """What an opening asks for that is not done here and would be missed."""
    said = {name for name, text in query if text.lower() not in {"", "0", "false", "null"}}
    return tuple(name for name in _PROMISES if name in said)


def _listed(name: str, text: str) -> object:
    try:
        return msgspec.json.decode(text)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        raise Refused(f"parameter {name} must be one JSON list", code="bad_option") from error


def format_of(parameters: Parameters) -> AudioFormat:
    """What the client will send.

    Raises:
        BadAudio: an encoding nobody decodes here, or a sample rate that is missing or out of
            range.
    """
    name = parameters.encoding.lower()
    encoding = _ENCODINGS.get(name)
    if encoding is None:
        raise BadAudio(
            f"encoding {name[:40]!r} is not taken; use one of {', '.join(_ENCODINGS)}",
            code="unsupported_audio",
        )
    if encoding in {"opus", "ogg", "aac"}:
        return parse_format(encoding, _OPUS_RATE)
    rate = parameters.sample_rate
    if not isinstance(rate, int):
        raise BadAudio(f"sample_rate is required for {name}", code="unsupported_audio")
    return parse_format(encoding, rate)


def patch_of(parameters: Parameters) -> dict[str, Any]:
    """The options that an opening asks for."""
    recognition: dict[str, Any] = {}
    if parameters.speech_model:
        recognition["model"] = parameters.speech_model
    if isinstance(parameters.language_code, str):
        recognition["language"] = parameters.language_code
    if parameters.speaker_labels is True:
        recognition["diarize"] = True
    if parameters.include_partial_turns is False:
        recognition["interim_results"] = False
    if parameters.always_formats:
        recognition["punctuate"] = True
    patch = _patch(parameters, recognition)
    turns = recognition.get("turns")
    if turns is not None and _TURN_DEFAULTS.keys() & turns.keys():
        # Who names one of them means the vendor's rule, of which the others have known defaults;
        # who names none gets the gateway's own, as every other dialect does.
        recognition["turns"] = _TURN_DEFAULTS | turns
    return patch


def changes_of(changes: Changes) -> dict[str, Any]:
    """The options that an UpdateConfiguration changes; null sets the default again."""
    return _patch(changes, {})


def _patch(changes: Changes, recognition: dict[str, Any]) -> dict[str, Any]:
    turns: dict[str, Any] = {}
    if (silence := changes.max_turn_silence) is not UNSET:
        turns["silence_ms"] = silence
    if (threshold := changes.end_of_turn_confidence_threshold) is not UNSET:
        turns["confidence"] = threshold
    if (least := _least_silence(changes)) is not UNSET:
        turns["least_ms"] = least
    if (speech := changes.vad_threshold) is not UNSET:
        turns["threshold"] = speech
    if changes.format_turns is not UNSET and "punctuate" not in recognition:
        recognition["punctuate"] = changes.format_turns
    if (terms := changes.keyterms_prompt) is not UNSET:
        hints = [{"text": term} for term in terms or () if term.strip()]
        recognition["hints"] = hints if terms is not None else None
    if (masked := changes.filter_profanity) is not UNSET:
        recognition["profanity_filter"] = masked
    if isinstance(codes := changes.language_codes, tuple) and codes:
        recognition["language"] = codes[0]
    if turns:
        recognition["turns"] = turns
    return {"recognition": recognition} if recognition else {}


def _least_silence(changes: Changes) -> int | UnsetType | None:
    if changes.min_turn_silence is not UNSET:
        return changes.min_turn_silence
    return changes.min_end_of_turn_silence_when_confident


# ── the other way, for the client half ──

_TURNS = {
    "silence_ms": "max_turn_silence",
    "confidence": "end_of_turn_confidence_threshold",
    "least_ms": "min_turn_silence",
    "threshold": "vad_threshold",
}
_RECOGNITION = {
    "model": "speech_model",
    "diarize": "speaker_labels",
    "punctuate": "format_turns",
    "profanity_filter": "filter_profanity",
    "interim_results": "include_partial_turns",
}
_CHANGEABLE = frozenset(field.name for field in msgspec.structs.fields(Changes))

LOST = frozenset(
    {
        "overload",
        "label",
        "strict",
        "synthesis",
        "recognition.word_times",
        "recognition.alternatives",
        "recognition.only_hints",
        "recognition.channels",
        "recognition.final",
        "recognition.turns.max_ms",
        "recognition.turns.eager",
        "recognition.turns.detect",
    }
)
"""Options that AssemblyAI has no word for. A hint's boost and a language's region are lost, too."""


def query_of(patch: dict[str, Any], source: AudioFormat) -> tuple[tuple[str, str], ...]:
    """The query of an opening.

    Raises:
        BadAudio: the service does not take that format.
    """
    names = {ours: theirs for theirs, ours in _ENCODINGS.items()}
    encoding = names.get(source.encoding)
    if encoding is None or (source.channels != 1 and source.width):
        raise BadAudio(
            f"AssemblyAI does not take {source.encoding} with {source.channels} channels; "
            f"convert to one of {', '.join(names)}, one channel",
            code="unsupported_audio",
        )
    query = [("encoding", encoding)]
    if source.width:
        query.append(("sample_rate", str(source.sample_rate)))
    for name, value in said_of(patch).items():
        text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
        query.append((name, text))
    return tuple(query)


def said_of(patch: dict[str, Any]) -> dict[str, Any]:
    """A patch in AssemblyAI's names; nulls are left out: the service has its own defaults."""
    said: dict[str, Any] = {}
    recognition: dict[str, Any] = patch.get("recognition") or {}
    turns: dict[str, Any] = recognition.get("turns") or {}
    for names, values in ((_RECOGNITION, recognition), (_TURNS, turns)):
        said.update(
            {names[name]: value for name, value in values.items()
             if name in names and value is not None}
        )  # fmt: skip
    if language := recognition.get("language"):
        said["language_codes"] = [str(language).split("-")[0]]
    if (hints := recognition.get("hints")) is not None:
        said["keyterms_prompt"] = [hint["text"] for hint in hints]
    return said


def update_of(patch: dict[str, Any]) -> dict[str, Any]:
    """What of a patch can be changed in a running session."""
    return {name: value for name, value in said_of(patch).items() if name in _CHANGEABLE}


def lost_in(patch: dict[str, Any]) -> tuple[str, ...]:
    """Dotted names in a patch that AssemblyAI has no word for."""
    lost: list[str] = []

    def walk(values: dict[str, Any], path: str) -> None:
        for name, value in values.items():
            if path + name in LOST:
                lost.append(path + name)
            elif isinstance(value, dict):
                walk(value, f"{path}{name}.")  # pyright: ignore[reportUnknownArgumentType]

    walk(patch, "")
    return tuple(lost)
