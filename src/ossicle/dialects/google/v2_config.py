"""The configuration of v2: recognizers, masks, and what they ask for.

A recognizer is a name under which a configuration is kept. `_` is the empty one; others come from
the gateway's settings (`GoogleRules.recognizers`). Project and location are not looked at.
"""

import re
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import msgspec

from ossicle.core.errors import Refused
from ossicle.dialects.protobuf import Duration, FieldMask

from .asked import Asked, Hearing, checked_format, language_tag
from .errors import Status, Unmet
from .hints import Hints
from .v2_messages import (
    AutoDecoding,
    ExplicitDecoding,
    RecognitionConfig,
    RecognitionFeatures,
    StreamingFeatures,
)

__all__ = ["asked_of", "merged", "preset", "recognizer_id", "unknown"]

_NAME = re.compile(r"projects/[^/]+/locations/[^/]+/recognizers/([^/]+)")
_ENCODINGS = {
    0: "",
    1: "pcm_s16le",
    2: "mulaw",
    3: "alaw",
    4: "amr_nb",
    5: "amr_wb",
    6: "flac",
    7: "mp3",
    8: "ogg",
    9: "webm",
}
_UNDECODED = {10: "MP4_AAC", 11: "M4A_AAC", 12: "MOV_AAC"}
_MOST_ALTERNATIVES, _ALTERNATIVES = 30, 10
_SILENCES = {2: 300, 3: 500}
"""Milliseconds that end a turn, for SUPERSHORT and SHORT; the default of the session otherwise."""
_SPLIT = 1
"""SEPARATE_RECOGNITION_PER_CHANNEL"""


def recognizer_id(name: str) -> str:
    """The last part of a recognizer's name.

    Raises:
        Unmet: it is no such name.
    """
    found = _NAME.fullmatch(name)
    if found is None:
        raise Unmet(
            f"Invalid resource field value in the request: {name[:100]!r} is not "
            "projects/PROJECT/locations/LOCATION/recognizers/NAME."
        )
    return found[1]


def preset(recognizer: str, text: str) -> RecognitionConfig:
    """A recognizer as the settings spell it.

    Raises:
        Refused: an unknown name, or a value of another kind.
    """
    values = dict(parse_qsl(text, keep_blank_values=True))
    names = {"language", "model", "punctuation", "profanity_filter", "word_times"}
    for name in values:
        if name not in names:
            raise Refused(
                f"google.recognizers: {recognizer[:60]}: {name[:60]!r} is not known; "
                f"use {', '.join(sorted(names))}",
                code="bad_option",
            )
    return RecognitionConfig(
        features=RecognitionFeatures(
            profanity_filter=_switch(recognizer, values, "profanity_filter"),
            enable_word_time_offsets=_switch(recognizer, values, "word_times"),
            enable_automatic_punctuation=_switch(recognizer, values, "punctuation"),
        ),
        auto_decoding_config=AutoDecoding(),
        model=values.get("model", ""),
        language_codes=(values["language"],) if values.get("language") else (),
    )


def _switch(recognizer: str, values: dict[str, str], name: str) -> bool:
    value = values.get(name, "false")
    if value not in {"true", "false"}:
        raise Refused(
            f"google.recognizers: {recognizer[:60]}: {name}={value[:60]!r} must be true or false",
            code="bad_option",
        )
    return value == "true"


_Held = TypeVar("_Held", bound=msgspec.Struct)


def merged(
    kept: RecognitionConfig, given: RecognitionConfig, mask: FieldMask | None
) -> RecognitionConfig:
    """A recognizer's configuration with a request's over it. Without a mask every field that is
    not its default counts; `*` replaces all; else the fields that are named (wire note, §3)."""
    paths = mask.paths if mask is not None else ()
    if "*" in paths:
        return given
    if not paths:
        base = kept
        if given.auto_decoding_config is not None or given.explicit_decoding_config is not None:
            base = msgspec.structs.replace(
                kept, auto_decoding_config=None, explicit_decoding_config=None
            )
        return _over(base, given)
    for path in paths:
        kept = _masked(kept, given, path.split("."))
    return kept


def _over(kept: _Held, given: _Held) -> _Held:
    changes: dict[str, Any] = {}
    for field in msgspec.structs.fields(given):
        value, before = getattr(given, field.name), getattr(kept, field.name)
        if isinstance(value, msgspec.Struct) and isinstance(before, msgspec.Struct):
            changes[field.name] = _over(before, value)
        elif value != field.default:
            changes[field.name] = value
    return msgspec.structs.replace(kept, **changes)


def _masked(kept: _Held, given: _Held, path: list[str]) -> _Held:
    name, *rest = path
    if name not in kept.__struct_fields__:
        return kept  # a field that nobody here reads
    value, before = getattr(given, name), getattr(kept, name)
    if rest and isinstance(value, msgspec.Struct):
        value = _masked(
            before if isinstance(before, msgspec.Struct) else type(value)(), value, rest
        )
    return msgspec.structs.replace(kept, **{name: value})


def asked_of(config: RecognitionConfig, stream: StreamingFeatures | None = None) -> Asked:
    """A complete configuration, of a stream or of a recording.

    Raises:
        Unmet: it cannot be served.
    """
    features = config.features or RecognitionFeatures()
    hints = _hints(config)
    warnings = [*_undone(config, features), *hints.warnings]
    wanted = features.max_alternatives
    if not 0 <= wanted <= _MOST_ALTERNATIVES:
        raise Unmet(f"Invalid 'max_alternatives': {wanted} is outside 0-{_MOST_ALTERNATIVES}.")
    if wanted > _ALTERNATIVES:
        warnings.append(f"max_alternatives: {_ALTERNATIVES} of {wanted}")
    language, unheard = _language(config)
    warnings += unheard
    timeout = stream.voice_activity_timeout if stream is not None else None
    activity = stream is not None and stream.enable_voice_activity_events
    asked = Asked(
        patch={},
        hearing=_hearing(config),
        language=language,
        interim=stream is not None and stream.interim_results,
        activity=activity,
        start_timeout_ms=_ms(timeout.speech_start_timeout) if timeout and activity else None,
        end_timeout_ms=_ms(timeout.speech_end_timeout) if timeout and activity else None,
        word_times=features.enable_word_time_offsets,
        word_confidence=features.enable_word_confidence,
        speakers=features.diarization_config is not None,
        alternatives=max(1, min(wanted, _ALTERNATIVES)),
        split=features.multi_channel_mode == _SPLIT,
        warnings=tuple(warnings),
    )
    recognition: dict[str, Any] = {
        "model": config.model,
        "interim_results": asked.interim,
        "word_times": asked.word_times or asked.word_confidence or asked.speakers,
        "alternatives": asked.alternatives,
        "hints": hints.hints(),
        "diarize": asked.speakers,
        "punctuate": features.enable_automatic_punctuation,
        "profanity_filter": features.profanity_filter,
        "channels": "split" if asked.split else "mix",
    }
    if language:
        recognition["language"] = language
    silence = _SILENCES.get(stream.endpointing_sensitivity) if stream is not None else None
    if silence is not None:
        recognition["turns"] = {"silence_ms": silence}
    asked.patch["recognition"] = recognition
    return asked


def _language(config: RecognitionConfig) -> tuple[str, list[str]]:
    """The first language, "" for `auto`, and what is said about the others."""
    if not config.language_codes:
        raise Unmet("Invalid 'language_codes': at least one is needed.")
    first, *others = config.language_codes
    said = ["language_codes: one language is heard, the first"] if others else []
    if first == "auto":
        return "", [*said, "language_codes: the engine's own language is heard for auto"]
    return language_tag(first), said


def _hearing(config: RecognitionConfig) -> Hearing:
    given: ExplicitDecoding | None = config.explicit_decoding_config
    if given is None:
        if config.auto_decoding_config is None:
            raise Unmet(
                "Invalid 'config': one of auto_decoding_config and explicit_decoding_config is "
                "needed."
            )
        return Hearing()
    number = given.encoding
    if number in _UNDECODED:
        raise Unmet(
            f"Invalid 'explicit_decoding_config': {_UNDECODED[number]} has no decoder here."
        )
    if number not in _ENCODINGS or not number:
        raise Unmet(f"Invalid 'explicit_decoding_config': encoding {number} is not known.")
    return checked_format(_ENCODINGS[number], given.sample_rate_hertz, given.audio_channel_count)


def _hints(config: RecognitionConfig) -> Hints:
    hints = Hints()
    adaptation = config.adaptation
    if adaptation is None:
        return hints
    for each in adaptation.custom_classes:
        hints.add_class(each.name, (item.value for item in each.items))
    for entry in adaptation.phrase_sets:
        if entry.inline_phrase_set is None:
            hints.warn("adaptation: phrase sets stored at the service are not known here")
            continue
        for phrase in entry.inline_phrase_set.phrases:
            hints.add(phrase.value, phrase.boost or entry.inline_phrase_set.boost)
    return hints


def _undone(config: RecognitionConfig, features: RecognitionFeatures) -> list[str]:
    """Understood, asked for, and not done by any engine here."""
    found: list[str] = []
    if features.enable_spoken_punctuation:
        found.append("enable_spoken_punctuation: spoken signs are written as words")
    if features.enable_spoken_emojis:
        found.append("enable_spoken_emojis: spoken emojis are written as words")
    if features.custom_prompt_config is not None:
        found.append("custom_prompt_config: no engine here takes a prompt")
    if config.transcript_normalization is not None and config.transcript_normalization.entries:
        found.append("transcript_normalization: nothing is replaced")
    if config.translation_config is not None:
        found.append("translation_config: nothing is translated")
    if config.denoiser_config is not None and config.denoiser_config.denoise_audio:
        found.append("denoiser_config: noise is left to the engine")
    return found


def _ms(duration: Duration | None) -> int | None:
    if duration is None:
        return None
    if duration.ms < 0:
        raise Unmet("Invalid 'voice_activity_timeout': a duration is negative.")
    return duration.ms


def unknown(name: str, known: list[str]) -> Unmet:
    """No recognizer of that name."""
    return Unmet(
        f"Unable to find Recognizer {name[:100]}; there are {', '.join(['_', *known])}.",
        Status.NOT_FOUND,
    )
