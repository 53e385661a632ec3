"""The session object of `/v1/realtime`: its defaults, how an update changes it, what it means to
a session of ours, and how it is shown.

    settings = updated(Settings(), {"audio": {"input": {"turn_detection": None}}})
    patch_of(settings)["recognition"]["turns"]["detect"]        False

An update merges: what is absent stays; null switches turn detection, transcription and noise
reduction off. Turn detection and formats are replaced whole (wire note, section 2).
"""

import json
from typing import Annotated, Any, Literal, TypeAlias, cast

import msgspec

from ossicle.core.formats import AudioFormat
from ossicle.core.options import AnswerOptions, SynthesisOptions

from .errors import Rejected

__all__ = [
    "EAGERNESS",
    "OWN_VOICES",
    "AudioSettings",
    "Format",
    "InputSettings",
    "OutputSettings",
    "SemanticVad",
    "ServerVad",
    "Settings",
    "Transcription",
    "answers_of",
    "format_of",
    "patch_of",
    "shown",
    "synthesis_of",
    "tool_choice_of",
    "tools_of",
    "updated",
    "voice_of",
]

Json: TypeAlias = dict[str, Any]
Kind: TypeAlias = Literal["realtime", "transcription"]

OWN_VOICES = frozenset(
    {"alloy", "ash", "ballad", "cedar", "coral", "echo", "fable", "marin", "nova", "onyx", "sage",
     "shimmer", "verse"}
)  # fmt: skip
"""Names that clients send whether their user chose one or not: the gateway's own voice speaks."""

EAGERNESS: dict[str, tuple[int, float]] = {
    "low": (8_000, 0.9),
    "medium": (4_000, 0.8),
    "high": (2_000, 0.6),
    "auto": (4_000, 0.8),
}
"""Longest wait in milliseconds, and how sure the judge of turn ends must be before that."""

Milliseconds = Annotated[int, msgspec.Meta(ge=0, le=600_000)]


class Format(msgspec.Struct, frozen=True, omit_defaults=True):
    """How sound is written."""

    type: Literal["audio/pcm", "audio/pcmu", "audio/pcma"]
    rate: int | None = None


PCM = Format("audio/pcm", 24_000)


class Transcription(msgspec.Struct, frozen=True, omit_defaults=True):
    """The client wants the words of what it sends."""

    model: str | None = None
    language: str | None = None
    prompt: str | None = None
    delay: str | None = None
    keywords: list[str] | None = None
    languages: list[str] | None = None


class NoiseReduction(msgspec.Struct, frozen=True, omit_defaults=True):
    """Taken, shown, and left to the engine."""

    type: Literal["near_field", "far_field"]
    strength: float | str | None = None


class ServerVad(msgspec.Struct, frozen=True, tag="server_vad"):
    """A turn ends with silence."""

    threshold: Annotated[float, msgspec.Meta(ge=0.0, le=1.0)] = 0.5
    prefix_padding_ms: Milliseconds = 300
    silence_duration_ms: Milliseconds = 500
    idle_timeout_ms: Milliseconds | None = None
    create_response: bool = True
    interrupt_response: bool = True


class SemanticVad(msgspec.Struct, frozen=True, tag="semantic_vad"):
    """A turn ends by judgement: silence, word stability and grammar rules, no model."""

    eagerness: Literal["low", "medium", "high", "auto"] = "auto"
    create_response: bool = True
    interrupt_response: bool = True


class InputSettings(msgspec.Struct, frozen=True):
    """What the client sends."""

    format: Format = PCM
    transcription: Transcription | None = None
    noise_reduction: NoiseReduction | None = None
    turn_detection: ServerVad | SemanticVad | None = ServerVad()


class OutputSettings(msgspec.Struct, frozen=True):
    """What it hears."""

    format: Format = PCM
    voice: str | Json = "alloy"
    speed: Annotated[float, msgspec.Meta(ge=0.25, le=1.5)] = 1.0


class AudioSettings(msgspec.Struct, frozen=True):
    """Both ways."""

    input: InputSettings = InputSettings()
    output: OutputSettings = OutputSettings()


class Settings(msgspec.Struct, frozen=True):
    """A session, whole."""

    type: Kind = "realtime"
    model: Annotated[str, msgspec.Meta(max_length=200)] = ""
    output_modalities: tuple[Literal["audio", "text"], ...] = ("audio",)
    instructions: Annotated[str, msgspec.Meta(max_length=200_000)] = ""
    audio: AudioSettings = AudioSettings()
    tools: tuple[Json, ...] = ()
    tool_choice: str | Json = "auto"
    max_output_tokens: Annotated[int, msgspec.Meta(ge=1, le=4096)] | Literal["inf"] = "inf"
    include: tuple[str, ...] | None = None
    tracing: Any = None
    truncation: Any = "auto"
    prompt: Any = None
    reasoning: Any = None
    parallel_tool_calls: bool | None = None


_ECHOED = frozenset({"id", "object", "expires_at", "client_secret"})
"""Members of a session that a client may send back as it got them."""
_WHOLE = frozenset({"turn_detection", "format", "transcription", "noise_reduction", "voice"})
"""Members that an update replaces and does not merge into."""
_MOST_TOOLS = 128


def updated(settings: Settings, change: Json) -> Settings:
    """The session after an update.

    Raises:
        Rejected: a member that is not known, or of another kind; the text names it. The code is the
            service's own word for it.
    """
    kind = change.get("type", settings.type)
    if kind != settings.type:
        raise Rejected(
            f"Passing a {kind if isinstance(kind, str) else '?'!s} session update event to a "
            f"{settings.type} session is not allowed: the type of a session cannot change.",
            "invalid_value",
            "session.type",
        )
    for name in change:
        if name not in _KNOWN and name not in _ECHOED:
            where = f"session.{name[:60]}"
            raise Rejected(f"Unknown parameter: '{where}'.", "unknown_parameter", where)
    held = cast("Json", msgspec.to_builtins(settings))
    fresh = {name: value for name, value in change.items() if name in _KNOWN}
    if fresh.get("max_output_tokens", 0) is None:
        fresh["max_output_tokens"] = "inf"
    merged = _merge(held, fresh)
    if settings.model:
        merged["model"] = settings.model  # fixed when the socket opened; naming it is normal
    try:
        made = msgspec.convert(merged, Settings)
    except (msgspec.ValidationError, RecursionError) as error:
        said = str(error).replace("$.", "session.")
        raise Rejected(f"Invalid session: {said}", "invalid_value", "session") from error
    _check(made)
    return made


_KNOWN = frozenset(Settings.__struct_fields__)


def _merge(held: Json, change: Json) -> Json:
    out = dict(held)
    for name, value in change.items():
        inner = out.get(name)
        if isinstance(value, dict) and isinstance(inner, dict) and name not in _WHOLE:
            out[name] = _merge(cast("Json", inner), cast("Json", value))
        elif name == "turn_detection" and isinstance(value, dict):
            out[name] = _detection(cast("Json | None", inner), cast("Json", value))
        elif name == "transcription" and isinstance(value, dict) and isinstance(inner, dict):
            out[name] = {**cast("Json", inner), **cast("Json", value)}
        else:
            out[name] = value
    return out


def _detection(held: Json | None, change: Json) -> Json:
    """Another type starts from its defaults; the same one goes on from what it was."""
    kind = change.get("type") or (held or {}).get("type") or "server_vad"
    base = held if held is not None and held.get("type") == kind else {}
    return {**base, **change, "type": kind}


def _check(settings: Settings) -> None:
    if len(settings.output_modalities) != 1:
        raise Rejected(
            "Invalid modalities: session.output_modalities is ['audio'] (with its transcript) or "
            "['text'].",
            "invalid_value",
            "session.output_modalities",
        )
    for where, fmt in (
        ("input", settings.audio.input.format),
        ("output", settings.audio.output.format),
    ):
        rate = fmt.rate
        wanted = 24_000 if fmt.type == "audio/pcm" else 8_000
        if rate is not None and rate != wanted:
            raise Rejected(
                f"Invalid value: session.audio.{where}.format.rate is {rate}; {fmt.type} is taken "
                f"at {wanted}.",
                "invalid_value",
                f"session.audio.{where}.format.rate",
            )
    tools_of(settings.tools)


def format_of(fmt: Format) -> AudioFormat:
    """As the core says it. PCM is 16 bit, little-endian, mono."""
    match fmt.type:
        case "audio/pcm":
            return AudioFormat("pcm_s16le", 24_000)
        case "audio/pcmu":
            return AudioFormat("mulaw", 8_000)
        case "audio/pcma":
            return AudioFormat("alaw", 8_000)


def voice_of(voice: str | Json) -> str:
    """The name of a voice of ours; empty = the one that speaks anyway."""
    name = voice if isinstance(voice, str) else voice.get("id", "")
    return "" if not isinstance(name, str) or name in OWN_VOICES else name


def tools_of(tools: tuple[Json, ...]) -> list[Json]:
    """Function tools, as `Options.answers.tools` takes them.

    Raises:
        Rejected: another kind of tool, or too many.
    """
    if len(tools) > _MOST_TOOLS:
        raise Rejected(
            f"{len(tools)} tools; the limit is {_MOST_TOOLS}.", "invalid_value", "session.tools"
        )
    made: list[Json] = []
    for place, tool in enumerate(tools):
        name, kind = tool.get("name"), tool.get("type", "function")
        if kind != "function":
            where = f"session.tools[{place}].type"
            raise Rejected(
                f"Invalid value: {where}; only 'function' is taken here.", "invalid_value", where
            )
        if not isinstance(name, str) or not name:
            where = f"session.tools[{place}].name"
            raise Rejected(
                f"Missing required parameter: '{where}'.", "missing_required_parameter", where
            )
        description = tool.get("description")
        made.append(
            {
                "name": name,
                "description": description if isinstance(description, str) else "",
                "parameters": json.dumps(tool.get("parameters") or {}, separators=(",", ":")),
            }
        )
    return made


def tool_choice_of(choice: str | Json) -> str:
    """auto, none, required, or a name."""
    if isinstance(choice, str):
        return choice
    name = choice.get("name")
    return name if isinstance(name, str) and name else "auto"


def patch_of(settings: Settings) -> Json:
    """The merge patch on `core.options.Options`; always whole, so that what was set before and is
    not any more goes back to its default."""
    heard = settings.audio.input.transcription
    keywords = (heard.keywords or []) if heard is not None else []
    # A conversation is routed by the model in its URL, a transcription by its own.
    model = settings.model
    if settings.type == "transcription":
        model = (heard.model or "") if heard is not None else ""
    recognition: Json = {
        "language": (heard.language or None) if heard is not None else None,
        "model": model or None,
        "hints": [{"text": word[:200]} for word in keywords[:1000] if word] or None,
        "turns": _turns(settings.audio.input.turn_detection),
        # The service's way to ask who said what is the name of a model.
        "diarize": heard is not None and "diarize" in (heard.model or ""),
    }
    if settings.type == "transcription":
        return {"recognition": recognition, "answers": {"wanted": False, "auto": False}}
    detection = settings.audio.input.turn_detection
    most = settings.max_output_tokens
    return {
        "recognition": recognition,
        "synthesis": {
            "voice": voice_of(settings.audio.output.voice) or None,
            "speed": settings.audio.output.speed,
        },
        "answers": {
            "wanted": True,
            "auto": detection is not None and detection.create_response,
            "interrupt": detection is not None and detection.interrupt_response,
            "resume": False,  # its clients ask for the next response themselves
            "aloud": settings.output_modalities == ("audio",),
            "instructions": settings.instructions,
            "tools": tools_of(settings.tools),
            "tool_choice": tool_choice_of(settings.tool_choice),
            "max_tokens": None if most == "inf" else most,
        },
    }


def answers_of(settings: Settings) -> AnswerOptions:
    """How one response is to be given."""
    return msgspec.convert(patch_of(settings)["answers"], AnswerOptions)


def synthesis_of(settings: Settings) -> SynthesisOptions:
    """In which voice."""
    output = settings.audio.output
    return SynthesisOptions(voice=voice_of(output.voice), speed=output.speed)


def _turns(detection: ServerVad | SemanticVad | None) -> Json:
    match detection:
        case None:
            return {"detect": False, "silence_ms": None, "confidence": None, "threshold": None}
        case ServerVad():
            return {
                "detect": True,
                "silence_ms": detection.silence_duration_ms,
                "confidence": None,
                "threshold": detection.threshold,
            }
        case SemanticVad():
            wait_ms, confidence = EAGERNESS[detection.eagerness]
            return {
                "detect": True,
                "silence_ms": wait_ms,
                "confidence": confidence,
                "threshold": None,
            }


def shown(settings: Settings, session_id: str, expires_at: int) -> Json:
    """The whole effective session, as `session.created` and `session.updated` hold it."""
    held = cast("Json", msgspec.to_builtins(settings))
    audio = cast("Json", held["audio"])
    if settings.type == "transcription":
        return {
            "type": "transcription",
            "object": "realtime.transcription_session",
            "id": session_id,
            "expires_at": expires_at,
            "audio": {"input": audio["input"]},
            "include": held["include"],
        }
    if settings.parallel_tool_calls is None:
        del held["parallel_tool_calls"]
    if settings.reasoning is None:
        del held["reasoning"]
    return {
        "type": "realtime",
        "object": "realtime.session",
        "id": session_id,
        "expires_at": expires_at,
        **held,
    }
