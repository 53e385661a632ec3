"""A session of ours in the service's words: what a client half puts into `session.update`.

    session_of({"recognition": {"language": "de-DE"}}, pcm, pcm, talks=False)
    {"type": "transcription", "audio": {"input": {…, "transcription": {…, "language": "de"}}}}

The mirror of `settings`, which reads what others write. Knows no connection.
"""

import json
from typing import Any, TypeAlias, cast

from ossicle.core.formats import AudioFormat

__all__ = ["PADDING_MS", "line_of", "merged", "session_of", "turns_of"]

Json: TypeAlias = dict[str, Any]

PADDING_MS = 300
"""Sound in front of a turn that the service keeps with it; its own default."""
_TYPES = {"pcm_s16le": "audio/pcm", "mulaw": "audio/pcmu", "alaw": "audio/pcma"}
_EAGER = ((0.85, "low"), (0.7, "medium"), (0.0, "high"))


def turns_of(patch: Json) -> Json:
    """How turns are found."""
    recognition = cast("Json", patch.get("recognition") or {})
    return cast("Json", recognition.get("turns") or {})


def session_of(patch: Json, heard_as: AudioFormat, spoken_as: AudioFormat, *, talks: bool) -> Json:
    """The session, whole.

    Args:
        patch: options of ours, as in a `Configure`.
        heard_as: what the client's sound is.
        spoken_as: what the answers' sound is.
        talks: a conversation, not only words.
    """
    recognition = cast("Json", patch.get("recognition") or {})
    heard: Json = {"format": _format(heard_as), "turn_detection": _detection(patch, talks=talks)}
    words: Json = {}
    if not talks and recognition.get("model"):
        words["model"] = recognition["model"]
    if recognition.get("language"):
        words["language"] = str(recognition["language"]).partition("-")[0]
    hints = cast("list[Json]", recognition.get("hints") or [])
    if hints:
        words["keywords"] = [str(hint.get("text")) for hint in hints]
    heard["transcription"] = {"model": "gpt-4o-transcribe", **words}
    if not talks:
        return {"type": "transcription", "audio": {"input": heard}}
    answers = cast("Json", patch.get("answers") or {})
    voice = cast("Json", patch.get("synthesis") or {})
    spoken: Json = {"format": _format(spoken_as)}
    spoken |= {name: voice[name] for name in ("voice", "speed") if voice.get(name)}
    session: Json = {
        "type": "realtime",
        "output_modalities": ["text"] if answers.get("aloud") is False else ["audio"],
        "audio": {"input": heard, "output": spoken},
    }
    if "instructions" in answers:
        session["instructions"] = answers["instructions"]
    if answers.get("tools"):
        session["tools"] = [_tool(tool) for tool in cast("list[Json]", answers["tools"])]
    choice = answers.get("tool_choice")
    if choice:
        plain = choice in {"auto", "none", "required"}
        session["tool_choice"] = choice if plain else {"type": "function", "name": choice}
    if answers.get("max_tokens"):
        session["max_output_tokens"] = answers["max_tokens"]
    return session


def line_of(role: str, text: str, call: str) -> Json:
    """An item of a conversation; `role` "result" = what the tool call `call` gave."""
    if role == "result":
        return {"type": "function_call_output", "call_id": call, "output": text}
    kind = "output_text" if role == "assistant" else "input_text"
    content = [{"type": kind, "text": text}]
    return {"type": "message", "role": role, "content": content}


def merged(held: Json, patch: Json) -> Json:
    """Options with a change (RFC 7396, but that a null stays: it means the default)."""
    out = dict(held)
    for name, value in patch.items():
        inner = out.get(name)
        if isinstance(value, dict) and isinstance(inner, dict):
            out[name] = merged(cast("Json", inner), cast("Json", value))
        else:
            out[name] = value
    return out


def _detection(patch: Json, *, talks: bool) -> Json | None:
    turns, answers = turns_of(patch), cast("Json", patch.get("answers") or {})
    if turns.get("detect") is False:
        return None
    sure = turns.get("confidence")
    detection: Json
    if isinstance(sure, int | float):
        eagerness = next(name for least, name in _EAGER if sure >= least)
        detection = {"type": "semantic_vad", "eagerness": eagerness}
    else:
        detection = {"type": "server_vad", "prefix_padding_ms": PADDING_MS}
        if isinstance(turns.get("silence_ms"), int):
            detection["silence_duration_ms"] = turns["silence_ms"]
        if isinstance(turns.get("threshold"), int | float):
            detection["threshold"] = turns["threshold"]
    if talks:
        detection["create_response"] = answers.get("auto") is not False
        detection["interrupt_response"] = answers.get("interrupt") is not False
    return detection


def _format(fmt: AudioFormat) -> Json:
    kind = _TYPES.get(fmt.encoding, "audio/pcm")
    return {"type": kind, "rate": fmt.sample_rate} if kind == "audio/pcm" else {"type": kind}


def _tool(tool: Json) -> Json:
    try:
        parameters = json.loads(tool.get("parameters") or "{}")
    except ValueError:
        parameters = {}
    return {
        "type": "function",
        "name": tool.get("name"),
        "description": tool.get("description") or "",
        "parameters": parameters,
    }
