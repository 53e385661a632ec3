"""The parameters of `/v2/realtime/ws`, both ways."""

from typing import Any

import msgspec

from ossicle.core.errors import BadAudio, Refused
from ossicle.core.formats import AudioFormat, parse_format
from ossicle.core.wire import Opening

__all__ = ["LegacyParameters", "legacy_format", "legacy_parameters", "legacy_patch", "legacy_query"]

_ENCODINGS = {"pcm_s16le": "pcm_s16le", "pcm_mulaw": "mulaw"}


class LegacyParameters(msgspec.Struct, frozen=True):
    """Everything an opening may say."""

    sample_rate: int = 16_000
    encoding: str = "pcm_s16le"
    word_boost: tuple[str, ...] = ()
    """Likely phrases."""
    disable_partial_transcripts: bool = False
    enable_extra_session_information: bool = False
    """Send `SessionInformation` at the end."""


_KNOWN = frozenset(field.name for field in msgspec.structs.fields(LegacyParameters))


def legacy_parameters(opening: Opening) -> LegacyParameters:
    """The parameters of an opening.

    Raises:
        Refused: a value of the wrong type; the text names the parameter.
    """
    values: dict[str, object] = {k: v for k, v in opening.query if k in _KNOWN}
    try:
        if isinstance(boost := values.get("word_boost"), str):
            values["word_boost"] = msgspec.json.decode(boost)
        return msgspec.convert(values, LegacyParameters, strict=False)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        raise Refused(f"parameters: {str(error)[:160]}", code="bad_option") from error


def legacy_format(parameters: LegacyParameters) -> AudioFormat:
    """What the client will send.

    Raises:
        BadAudio: another encoding than the two, or a sample rate out of range.
    """
    encoding = _ENCODINGS.get(parameters.encoding.lower())
    if encoding is None:
        raise BadAudio(
            f"encoding {parameters.encoding[:40]!r} is not taken; use {' or '.join(_ENCODINGS)}",
            code="unsupported_audio",
        )
    return parse_format(encoding, parameters.sample_rate)


def legacy_patch(parameters: LegacyParameters) -> dict[str, Any]:
    """The options an opening asks for. The service punctuates always. How much silence ends an
    utterance is the gateway's choice until the client says otherwise."""
    recognition: dict[str, Any] = {"punctuate": True}
    if parameters.disable_partial_transcripts:
        recognition["interim_results"] = False
    if hints := [{"text": phrase} for phrase in parameters.word_boost if phrase.strip()]:
        recognition["hints"] = hints
    return {"recognition": recognition}


def legacy_query(patch: dict[str, Any], source: AudioFormat) -> tuple[tuple[str, str], ...]:
    """The query of an opening; the mirror of `legacy_patch` and `legacy_format`.

    Raises:
        BadAudio: the service does not take that format.
    """
    names = {ours: theirs for theirs, ours in _ENCODINGS.items()}
    if source.encoding not in names or source.channels != 1:
        raise BadAudio(
            f"AssemblyAI's legacy API does not take {source.encoding} with {source.channels} "
            f"channels; convert to {' or '.join(names)}, one channel",
            code="unsupported_audio",
        )
    query = [("sample_rate", str(source.sample_rate)), ("encoding", names[source.encoding])]
    recognition: dict[str, Any] = patch.get("recognition") or {}
    if recognition.get("interim_results") is False:
        query.append(("disable_partial_transcripts", "true"))
    if hints := recognition.get("hints"):
        phrases = [hint["text"] for hint in hints]
        query.append(("word_boost", msgspec.json.encode(phrases).decode()))
    query.append(("enable_extra_session_information", "true"))
    return tuple(query)
