"""The shapes of the beta, `OpenAI-Beta: realtime=v1`: the same conversation in older words.

What a client says is written anew as GA, and what it is told in the beta's words, at the edge of
the dialect and nowhere else (wire note, section 12).
"""

from typing import Any, TypeAlias, cast

import msgspec

from .messages import (
    ConversationCreated,
    ItemAdded,
    ItemDone,
    ServerEvent,
    SessionCreated,
    written,
)
from .settings import Settings

__all__ = ["Beta", "beta_session", "ga_session"]

Json: TypeAlias = dict[str, Any]

_FORMATS = {"pcm16": "audio/pcm", "g711_ulaw": "audio/pcmu", "g711_alaw": "audio/pcma"}
_NAMES = {ga: beta for beta, ga in _FORMATS.items()}
_RENAMED = {
    "response.output_audio.delta": "response.audio.delta",
    "response.output_audio.done": "response.audio.done",
    "response.output_audio_transcript.delta": "response.audio_transcript.delta",
    "response.output_audio_transcript.done": "response.audio_transcript.done",
    "response.output_text.delta": "response.text.delta",
    "response.output_text.done": "response.text.done",
}
_CONTENT = {"output_text": "text", "output_audio": "audio"}
_SESSIONS = {
    "session.created": "transcription_session.created",
    "session.updated": "transcription_session.updated",
}


class Beta:
    """Of one leg."""

    def read(self, text: str, settings: Settings) -> str:
        """What a client of the beta said, in GA. What cannot be read is left as it is: the parser
        behind this says why."""
        try:
            said: Any = msgspec.json.decode(text)
        except (msgspec.MsgspecError, RecursionError, UnicodeError):
            return text
        if not isinstance(said, dict):
            return text
        message = cast("Json", said)
        kind = str(message.get("type"))
        if kind in {"session.update", "transcription_session.update"}:
            session = message.get("session")
            if isinstance(session, dict):
                message["type"] = "session.update"
                message["session"] = ga_session(cast("Json", session), settings)
        elif kind == "response.create" and isinstance(message.get("response"), dict):
            message["response"] = _response(cast("Json", message["response"]))
        else:
            return text
        return msgspec.json.encode(message).decode()

    def written(self, event: ServerEvent) -> tuple[str, ...]:
        """What a client of the beta is told; nothing for what it does not know."""
        match event:
            case ItemDone():
                return ()  # said as created already; its words come in events of their own
            case ItemAdded():
                told = _plain(event)
                told["type"] = "conversation.item.created"
                told["item"] = _item(cast("Json", told["item"]))
            case SessionCreated(session=session):
                told = _plain(event)
                told["session"] = beta_session(session)
                if session.get("type") == "transcription":
                    told["type"] = _SESSIONS["session.created"]
                    return (_text(told),)
                name = str(session.get("id", "")).removeprefix("sess_")
                conversation = {"id": f"conv_{name}", "object": "realtime.conversation"}
                created = ConversationCreated(
                    event_id=f"{event.event_id}c", conversation=conversation
                )
                return (_text(told), written(created))
            case _:
                told = _plain(event)
                self._rename(told)
        return (_text(told),)

    @staticmethod
    def _rename(told: Json) -> None:
        kind = str(told["type"])
        told["type"] = _RENAMED.get(kind, kind)
        if "session" in told:
            session = cast("Json", told["session"])
            if session.get("type") == "transcription":
                told["type"] = _SESSIONS.get(kind, kind)
            told["session"] = beta_session(session)
        if "item" in told:
            told["item"] = _item(cast("Json", told["item"]))
        if "response" in told:
            response = cast("Json", told["response"])
            response["output"] = [_item(item) for item in response.get("output", ())]
            modalities = response.pop("output_modalities", ["audio"])
            response["modalities"] = _modalities(modalities)
            output = response.pop("audio", {}).get("output", {})
            response["voice"] = output.get("voice", "")
            response["output_audio_format"] = _named(output.get("format"))


def _text(told: Json) -> str:
    return msgspec.json.encode(told).decode()


def _plain(event: ServerEvent) -> Json:
    return cast("Json", msgspec.json.decode(written(event)))


def _one_modality(given: Any) -> list[str]:
    """GA speaks, with its transcript, or writes."""
    return ["audio"] if isinstance(given, list) and "audio" in given else ["text"]


def _modalities(given: Any) -> list[str]:
    """The beta named both where it spoke."""
    return ["audio", "text"] if "audio" in (given or ()) else ["text"]


def _named(fmt: Any) -> str:
    return _NAMES.get(str(cast("Json", fmt).get("type")), "pcm16") if fmt else "pcm16"


def _format(name: Any) -> Json:
    kind = _FORMATS.get(str(name), str(name))
    return {"type": kind, "rate": 24_000} if kind == "audio/pcm" else {"type": kind}


def _item(item: Json) -> Json:
    content = item.get("content")
    if not isinstance(content, list):
        return item
    parts: list[Any] = []
    for part in cast("list[Json]", content):
        kind = str(part.get("type"))
        parts.append({**part, "type": _CONTENT.get(kind, kind)})
    return {**item, "content": parts}


def ga_session(given: Json, settings: Settings) -> Json:
    """A session of the beta as an update in GA."""
    out: Json = {"type": settings.type}
    heard: Json = {}
    spoken: Json = {}
    for name, value in given.items():
        match name:
            case "modalities":
                out["output_modalities"] = _one_modality(value)
            case "input_audio_format":
                heard["format"] = _format(value)
            case "output_audio_format":
                spoken["format"] = _format(value)
            case "input_audio_transcription":
                heard["transcription"] = value
            case "input_audio_noise_reduction":
                heard["noise_reduction"] = value
            case "turn_detection":
                heard["turn_detection"] = value
            case "voice" | "speed":
                spoken[name] = value
            case "max_response_output_tokens":
                out["max_output_tokens"] = value
            case "temperature" | "client_secret" | "object" | "type":
                pass  # has no place any more
            case _:
                out[name] = value
    audio = {"input": heard} if heard else {}
    if spoken and settings.type == "realtime":
        audio["output"] = spoken
    if audio:
        out["audio"] = audio
    return out


def _response(given: Json) -> Json:
    out: Json = {}
    output: Json = {}
    for name, value in given.items():
        match name:
            case "modalities":
                out["output_modalities"] = _one_modality(value)
            case "voice":
                output["voice"] = value
            case "output_audio_format":
                output["format"] = _format(value)
            case "max_response_output_tokens":
                out["max_output_tokens"] = value
            case "temperature":
                pass
            case _:
                out[name] = value
    if output:
        out["audio"] = {"output": output}
    return out


def beta_session(session: Json) -> Json:
    """The effective session in the beta's words."""
    audio = cast("Json", session.get("audio") or {})
    heard, spoken = cast("Json", audio.get("input") or {}), cast("Json", audio.get("output") or {})
    out: Json = {
        name: value
        for name, value in session.items()
        if name not in {"audio", "type", "output_modalities", "max_output_tokens"}
    }
    out["input_audio_format"] = _named(heard.get("format"))
    out["input_audio_transcription"] = heard.get("transcription")
    out["input_audio_noise_reduction"] = heard.get("noise_reduction")
    out["turn_detection"] = heard.get("turn_detection")
    if session.get("type") == "realtime":
        out["modalities"] = _modalities(session.get("output_modalities"))
        out["output_audio_format"] = _named(spoken.get("format"))
        out["voice"] = spoken.get("voice")
        out["speed"] = spoken.get("speed")
        out["max_response_output_tokens"] = session.get("max_output_tokens")
        out["temperature"] = 0.8
    return out
