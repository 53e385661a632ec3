"""What a session was asked to do: frozen values, passed through whole.

A client changes them with a merge patch (RFC 7396) in `Configure.patch`; `merged` applies it.
"""

from typing import Annotated, Any, Literal, cast

import msgspec
from msgspec import UNSET, UnsetType

from .errors import Refused
from .formats import AudioFormat

__all__ = [
    "AnswerOptions",
    "Hint",
    "Options",
    "Overload",
    "RecognitionOptions",
    "SynthesisOptions",
    "TimedOptions",
    "Tool",
    "TurnOptions",
    "changed",
    "difference",
    "merged",
    "untimed",
]

Overload = Literal["pause", "drop_oldest", "refuse"]
"""What happens when audio arrives faster than the engine takes it and the buffer is full."""

Milliseconds = Annotated[int, msgspec.Meta(ge=0, le=3_600_000)]
Share = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]


class Hint(msgspec.Struct, frozen=True):
    """A word or phrase that is likely to be said."""

    text: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    """The phrase."""
    boost: float | None = None
    """How much more likely, in the engine's own scale; None lets the engine decide."""


class TurnOptions(msgspec.Struct, frozen=True):
    """When a speaker is taken to have finished."""

    silence_ms: Milliseconds = 800
    """Non-speech that ends a turn. Usually the largest part of the latency; no wire shortens it."""
    max_ms: Milliseconds = 0
    """Longest turn before it is closed anyway; 0 = no limit."""
    threshold: Share = 0.5
    """Speech probability above which a frame counts as speech."""
    eager: Share | None = None
    """End-of-turn confidence for a provisional end; None = never provisional."""
    confidence: Share | None = None
    """End-of-turn confidence at which a turn ends before `silence_ms` passed; None = silence alone
    decides."""
    detect: bool = True
    """False: only `Finalize` and `End` close a turn."""
    least_ms: Milliseconds = 0
    """Non-speech before which no confidence ends a turn."""


class RecognitionOptions(msgspec.Struct, frozen=True):
    """How to hear."""

    language: Annotated[str, msgspec.Meta(max_length=64)] = "en-US"
    """BCP-47 tag."""
    model: Annotated[str, msgspec.Meta(max_length=200)] = ""
    """Model name, which routes to an engine; empty = the gateway's default."""
    interim_results: bool = True
    """Send partial transcripts."""
    word_times: bool = True
    """Send words with times where the engine has them."""
    alternatives: Annotated[int, msgspec.Meta(ge=1, le=10)] = 1
    """How many readings of each final."""
    hints: Annotated[tuple[Hint, ...], msgspec.Meta(max_length=1000)] = ()
    """Likely words and phrases."""
    only_hints: bool = False
    """Hear nothing but the hints: a command grammar."""
    diarize: bool = False
    """Tell speakers apart."""
    punctuate: bool = False
    """Add punctuation and case."""
    profanity_filter: bool = False
    """Mask rude words."""
    channels: Literal["mix", "split"] = "mix"
    """Several channels: mixed to one, or one transcript each."""
    final: Literal["fast", "accurate"] = "fast"
    """Finals at once, or after a second and slower pass where the engine has one."""
    turns: TurnOptions = TurnOptions()
    """When a turn ends."""


class SynthesisOptions(msgspec.Struct, frozen=True):
    """How to speak."""

    voice: Annotated[str, msgspec.Meta(max_length=200)] = ""
    """Voice name; empty = the engine's default."""
    language: Annotated[str, msgspec.Meta(max_length=64)] = ""
    """BCP-47 tag; empty = the voice's own."""
    speed: Annotated[float, msgspec.Meta(ge=0.25, le=4.0)] = 1.0
    """1.0 = natural pace."""


class Tool(msgspec.Struct, frozen=True):
    """A function that whoever answers may ask the client to call."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    """What the question names."""
    description: Annotated[str, msgspec.Meta(max_length=10_000)] = ""
    """What it is good for, for a model to read."""
    parameters: Annotated[str, msgspec.Meta(max_length=65_536)] = "{}"
    """JSON Schema of its arguments, as text."""


class AnswerOptions(msgspec.Struct, frozen=True):
    """How to answer, for an engine that replies by itself. Others do not look at it."""

    wanted: bool = False
    """The client expects answers: an engine that gives none is given a responder."""
    auto: bool = True
    """Answer at the end of each turn; False = only when asked (`Speak` without a text)."""
    interrupt: bool = True
    """Stop speaking when the other side begins to."""
    resume: bool = True
    """Go on by itself when the tools that were asked for have answered."""
    aloud: bool = True
    """Say it; False = text alone."""
    instructions: Annotated[str, msgspec.Meta(max_length=200_000)] = ""
    """For the model that answers."""
    tools: Annotated[tuple[Tool, ...], msgspec.Meta(max_length=128)] = ()
    """What may be asked of the client."""
    tool_choice: Annotated[str, msgspec.Meta(max_length=200)] = "auto"
    """auto, none, required, or the name of one of them."""
    max_tokens: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] | None = None
    """Longest answer, in tokens of the model; None = the model decides."""


class Options(msgspec.Struct, frozen=True):
    """Everything a session was asked for. Formats are chosen by the session."""

    recognition: RecognitionOptions = RecognitionOptions()
    synthesis: SynthesisOptions = SynthesisOptions()
    overload: Overload = "pause"
    """What to do when the engine is slower than the client."""
    label: Annotated[str, msgspec.Meta(max_length=200)] = ""
    """The client's own name for the session; shown in lists, never interpreted."""
    strict: bool = False
    """An option the engine cannot honour is an error instead of a Notice."""
    hears: AudioFormat | None = None
    """What the engine is fed; set by the session from the engine's capabilities."""
    speaks: AudioFormat | None = None
    """What the client is sent; set by the session."""
    answers: AnswerOptions = AnswerOptions()


class TimedOptions(Options, frozen=True):
    """What an engine is opened with for a client that waits so long and no longer. On no wire, and
    no option of anybody's: who opens a call to somebody else for it bounds that call, too."""

    ends_at: float | None = None
    """When the client stops waiting, on the event loop's clock."""

    @classmethod
    def of(cls, options: Options, ends_at: float) -> "TimedOptions":
        """The same options, with that time."""
        return cls(**_values(options), ends_at=ends_at)


def untimed(options: Options) -> Options:
    """The options alone, for whoever sends them on as they are."""
    return options if type(options) is Options else Options(**_values(options))


def _values(options: Options) -> dict[str, Any]:
    return {name: getattr(options, name) for name in Options.__struct_fields__}


def merged(options: Options, patch: dict[str, Any] | UnsetType) -> Options:
    """`options` with an RFC 7396 merge patch applied; null sets the default again.

    Raises:
        Refused: an unknown name or a value out of range; the text names it and the limit.
    """
    if patch is UNSET or not patch:
        return options
    held = msgspec.to_builtins(options)
    _check_names(patch, held, "")
    try:
        return msgspec.convert(_merge(held, patch), Options)
    except (msgspec.ValidationError, RecursionError) as error:
        raise Refused(f"options: {error}", code="bad_option") from error


def difference(options: Options) -> dict[str, Any]:
    """The merge patch that makes these options from the defaults, formats and time apart."""
    given: dict[str, Any] = msgspec.to_builtins(options)
    for name in ("hears", "speaks", "ends_at"):
        given.pop(name, None)
    return _difference(given, msgspec.to_builtins(Options()))


def _difference(given: dict[str, Any], default: dict[str, Any]) -> dict[str, Any]:
    patch: dict[str, Any] = {}
    for name, value in given.items():
        if isinstance(value, dict):
            if inner := _difference(cast("dict[str, Any]", value), default[name]):
                patch[name] = inner
        elif value != default[name]:
            patch[name] = value
    return patch


def _merge(target: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    for name, value in patch.items():
        if value is None:
            target.pop(name, None)
        elif isinstance(value, dict):
            # Into an empty object where none was: the RFC drops the nulls inside, too.
            held = target.get(name)
            inner = cast("dict[str, Any]", held) if isinstance(held, dict) else {}
            target[name] = _merge(inner, cast("dict[str, Any]", value))
        else:
            target[name] = value
    return target


def _check_names(patch: dict[str, Any], held: dict[str, Any], path: str) -> None:
    for name, value in patch.items():
        if name not in held:
            near = _nearest(name, held)
            raise Refused(
                f"option {path + name[:40]!r} is not known"
                + (f"; did you mean {path + near!r}?" if near else ""),
                code="bad_option",
            )
        if isinstance(value, dict) and isinstance(held[name], dict):
            _check_names(cast("dict[str, Any]", value), held[name], f"{path}{name}.")


def _nearest(name: str, names: dict[str, Any]) -> str:
    import difflib  # noqa: PLC0415  only on the way to an error

    return next(iter(difflib.get_close_matches(name, list(names), 1)), "")


def changed(before: Options, after: Options) -> frozenset[str]:
    """Dotted names of options that differ."""
    names: set[str] = set()

    def walk(old: dict[str, object], new: dict[str, object], path: str) -> None:
        for name, value in old.items():
            other = new[name]
            if isinstance(value, dict) and isinstance(other, dict):
                walk(
                    cast("dict[str, object]", value),
                    cast("dict[str, object]", other),
                    f"{path}{name}.",
                )
            elif value != other:
                names.add(path + name)

    walk(msgspec.to_builtins(before), msgspec.to_builtins(after), "")
    return frozenset(names)
