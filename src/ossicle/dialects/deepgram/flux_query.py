"""Flux's query: which options its parameters are, in both directions. Unknown ones are ignored,
as the service does; a value that cannot be meant is refused by name."""

from typing import Any

import msgspec

from ossicle.core.commands import Configure
from ossicle.core.errors import Refused
from ossicle.core.formats import AudioFormat, parse_format
from ossicle.core.options import Options, merged
from ossicle.core.wire import Opening

from .credentials import credential_of
from .flux_messages import Configure as ConfigureMessage
from .flux_messages import Thresholds

__all__ = ["EAGER", "EOT", "TIMEOUT_MS", "configure_of", "patch_of", "query_of", "undone_in"]

EOT, EAGER, TIMEOUT_MS = 0.7, None, 5000
"""Defaults of the service."""

_ENCODINGS = {
    "linear16": "pcm_s16le",
    "linear32": "pcm_s32le",
    "mulaw": "mulaw",
    "alaw": "alaw",
    "opus": "opus",
    "ogg-opus": "ogg",
}
_SPELLED = {encoding: name for name, encoding in _ENCODINGS.items()}


def configure_of(opening: Opening) -> Configure:
    """What an opening asks for.

    Raises:
        Refused: a missing model, or a value out of range.
    """
    model = opening.param("model")
    if not model:
        raise Refused("parameter model is missing; use flux-general-en", code="bad_option")
    told = _numbers(opening)
    turns = {
        "confidence": told.get("eot_threshold", EOT),
        "eager": told.get("eager_eot_threshold", EAGER),
        "silence_ms": told.get("eot_timeout_ms", TIMEOUT_MS),
    }
    hints = [value for name, value in opening.query if name == "language_hint" and value]
    vendors_own = model.startswith("flux")
    recognition: dict[str, Any] = {
        "language": "en" if model.endswith("-en") or not hints else hints[0],
        "model": "" if vendors_own else model,
        "interim_results": True,
        "word_times": True,
        "punctuate": True,
        "turns": turns,
    }
    keyterms = [value for name, value in opening.query if name == "keyterm" and value]
    if keyterms:
        recognition["hints"] = [{"text": term} for term in keyterms]
    if _flag(opening, "profanity_filter"):
        recognition["profanity_filter"] = True
    patch: dict[str, Any] = {"recognition": recognition}
    if tag := opening.param("tag"):
        patch["label"] = tag
    merged(Options(), patch)
    return Configure(patch=patch, format=_format(opening), credential=credential_of(opening))


def undone_in(opening: Opening) -> str:
    """What an opening asks for that no engine here does, and that would be missed."""
    asked = {name for name, value in opening.query if value.lower() not in {"", "false"}}
    return ", ".join(name for name in ("redact", "numerals") if name in asked)


def _format(opening: Opening) -> AudioFormat:
    encoding = opening.param("encoding").lower()
    if not encoding:
        return AudioFormat("auto")
    if encoding not in _ENCODINGS:
        raise Refused(
            f"encoding {encoding[:40]!r} is not taken here; use one of {', '.join(_ENCODINGS)}, or "
            "none for a container",
            code="unsupported_audio",
        )
    rate = opening.param("sample_rate")
    if not rate:
        if encoding == "ogg-opus":
            return AudioFormat("ogg")
        raise Refused(
            f"parameter sample_rate is missing; encoding {encoding} needs one", code="bad_option"
        )
    if not rate.isascii() or not rate.isdecimal() or len(rate) > 9:
        raise Refused(f"sample_rate {rate[:20]!r} is not a whole number", code="bad_option")
    return parse_format(_ENCODINGS[encoding], int(rate))


def _numbers(opening: Opening) -> dict[str, Any]:
    """The thresholds, checked like those of a Configure message."""
    raw = {
        name: value
        for name in ("eot_threshold", "eager_eot_threshold", "eot_timeout_ms")
        if (value := opening.param(name))
    }
    try:
        told = msgspec.convert(raw, Thresholds, strict=False)
    except msgspec.ValidationError as error:
        raise Refused(f"parameters: {error}", code="bad_option") from error
    return {name: getattr(told, name) for name in raw}


def _flag(opening: Opening, name: str) -> bool:
    return opening.param(name).lower() == "true"


def patch_of(message: ConfigureMessage) -> dict[str, Any]:
    """What a Configure message changes."""
    recognition: dict[str, Any] = {}
    turns: dict[str, Any] = {}
    if isinstance(message.thresholds, Thresholds):
        told = msgspec.to_builtins(message.thresholds)
        names = {
            "eot_threshold": "confidence",
            "eager_eot_threshold": "eager",
            "eot_timeout_ms": "silence_ms",
        }
        turns = {names[name]: value for name, value in told.items()}
    if turns:
        recognition["turns"] = turns
    if isinstance(message.keyterms, tuple):
        recognition["hints"] = [{"text": term} for term in message.keyterms]
    if isinstance(message.language_hints, tuple) and message.language_hints:
        recognition["language"] = message.language_hints[0]
    return {"recognition": recognition} if recognition else {}


def query_of(configure: Configure) -> list[tuple[str, str]]:
    """The query that asks for this; what Flux has no word for is left out."""
    options = merged(Options(), configure.patch)
    asked = options.recognition
    query = [("model", asked.model or "flux-general-en")]
    source = configure.format or AudioFormat()
    if source.encoding in _SPELLED:
        query.append(("encoding", _SPELLED[source.encoding]))
        query.append(("sample_rate", str(source.sample_rate)))
    turns = asked.turns
    if turns.confidence is not None:
        query.append(("eot_threshold", f"{turns.confidence:g}"))
    if turns.eager is not None:
        query.append(("eager_eot_threshold", f"{turns.eager:g}"))
    if turns.confidence is not None or turns.eager is not None:
        query.append(("eot_timeout_ms", str(turns.silence_ms)))
    query += [("keyterm", hint.text) for hint in asked.hints]
    if asked.profanity_filter:
        query.append(("profanity_filter", "true"))
    if options.label:
        query.append(("tag", options.label))
    return query
