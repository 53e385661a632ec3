"""What a dialect can carry, found out by sending it: each fact goes from the server half to the
client half (or the other way round) and is looked for at the far end. No sockets, no clock.

    carried(NativeServer, NativeClient)["speaker of each word"]     True

A fact that a pair of dialects loses is one that either of them does not carry.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from ossicle.core.commands import Audio, Cancel, Command, Configure, Finalize
from ossicle.core.errors import OssicleError
from ossicle.core.events import (
    Began,
    Configured,
    Event,
    Notice,
    SpeechEnded,
    SpeechStarted,
    Transcript,
    Word,
)
from ossicle.core.formats import AudioFormat
from ossicle.core.options import Options, merged
from ossicle.core.ports import ClientDialect, Dialect
from ossicle.core.wire import (
    Accept,
    Binary,
    Clear,
    Close,
    Fin,
    Mark,
    Media,
    Message,
    Ping,
    Signal,
    Text,
)

__all__ = ["FACTS", "OPTIONS", "carried", "lost"]

_MESSAGES = (Accept, Binary, Clear, Close, Fin, Mark, Media, Ping, Signal, Text)
MONO, STEREO = AudioFormat(), AudioFormat("pcm_s16le", 16_000, 2)
TELEPHONE = AudioFormat("mulaw", 8_000)
OPENAI = AudioFormat("pcm_s16le", 24_000)

Server = Callable[[], Dialect]
Client = Callable[[], ClientDialect]


class Fact(NamedTuple):
    """Something that is told, and how it is recognised at the far end."""

    told: Sequence[Event]
    seen: Callable[[Sequence[Event]], bool]
    patch: Mapping[str, Any] = {}
    """Recognition options that ask for it."""
    source: AudioFormat = MONO


def _words(speaker: str = "", confidence: float | None = 0.5, language: str = "") -> Any:
    return (
        Word("turn", 100, 400, confidence, speaker, language),
        Word("left", 400, 900, confidence, speaker and "1", language),
    )


def _turn(**fields: Any) -> tuple[Event, ...]:
    """One turn: a beginning, a partial, an end, a final."""
    heard: dict[str, Any] = {"text": "turn left", "start_ms": 100, "end_ms": 900}
    heard |= {"words": _words(), "confidence": 0.5} | fields
    channel = heard.get("channel", 0)
    return (
        SpeechStarted(at_ms=100, channel=channel),
        Transcript(**heard | {"stable": fields.get("stable", 0)}),
        SpeechEnded(at_ms=900, reason="silence", channel=channel, confidence=0.75),
        Transcript(**heard | {"stable": 0}, final=True, ends_turn=True),
    )


def _late(events: tuple[Event, ...]) -> tuple[Event, ...]:
    """The same 900 ms later: OpenAI counts sound in front of a turn, and streams begin at 0."""
    moved: list[Event] = []
    for event in events:
        match event:
            case Transcript(start_ms=start, end_ms=end, words=words):
                later = [
                    msgspec.structs.replace(word, start_ms=word.start_ms + 900,
                                            end_ms=word.end_ms + 900)
                    for word in words or ()
                ]  # fmt: skip
                times = {"start_ms": (start or 0) + 900, "end_ms": (end or 0) + 900}
                moved.append(msgspec.structs.replace(event, words=tuple(later), **times))
            case SpeechStarted(at_ms=at) | SpeechEnded(at_ms=at):
                moved.append(msgspec.structs.replace(event, at_ms=(at or 0) + 900))
            case _:
                moved.append(event)
    return tuple(moved)


def _finals(events: Sequence[Event]) -> list[Transcript]:
    return [e for e in events if isinstance(e, Transcript) and e.final and e.text]


def _partials(events: Sequence[Event]) -> list[Transcript]:
    return [e for e in events if isinstance(e, Transcript) and not e.final]


def _of_words(name: str, *values: object) -> Callable[[Sequence[Event]], bool]:
    """The words of a final have those values."""

    def seen(events: Sequence[Event]) -> bool:
        words = [word for final in _finals(events) for word in final.words or ()]
        return len(words) == 2 and tuple(getattr(word, name) for word in words) == values

    return seen


def _of_final(name: str, value: object) -> Callable[[Sequence[Event]], bool]:
    return lambda events: any(getattr(final, name) == value for final in _finals(events))


def _speech_ended(events: Sequence[Event], **fields: Any) -> bool:
    return any(
        isinstance(event, SpeechEnded)
        and all(getattr(event, name) == value for name, value in fields.items())
        for event in events
    )


_SPLIT = {"channels": "split"}

FACTS: dict[str, Fact] = {
    "finals": Fact(_turn(), _of_final("text", "turn left")),
    "partials": Fact(_turn(), lambda e: any(p.text == "turn left" for p in _partials(e))),
    "times of words": Fact(
        _turn(),
        lambda e: _of_words("start_ms", 100, 400)(e) and _of_words("end_ms", 400, 900)(e),
    ),
    "confidence of words": Fact(_turn(), _of_words("confidence", 0.5, 0.5)),
    "unknown confidence stays unknown": Fact(
        _turn(words=_words(confidence=None), confidence=None),
        lambda e: _of_words("confidence", None, None)(e) and _of_final("confidence", None)(e),
    ),
    "confidence of a final": Fact(_turn(), _of_final("confidence", 0.5)),
    "speaker of each word": Fact(
        _turn(words=_words("0")),
        lambda e: _of_words("speaker", "0", "1")(e) or _of_words("speaker", "A", "B")(e),
        {"diarize": True},
    ),
    "language of words": Fact(
        _turn(words=_words(language="de")), _of_words("language", "de", "de")
    ),
    "language of a final": Fact(_turn(language="de"), _of_final("language", "de")),
    "channel": Fact(_turn(channel=1), _of_final("channel", 1), _SPLIT, STEREO),
    "stable beginning of a partial": Fact(
        _turn(stable=4), lambda e: any(p.stable == 4 for p in _partials(e))
    ),
    "other readings": Fact(
        _turn(alternatives=("turned left",)),
        _of_final("alternatives", ("turned left",)),
        {"alternatives": 2},
    ),
    "end of a turn": Fact(_turn(), lambda e: any(f.ends_turn for f in _finals(e))),
    "start of speech": Fact(
        _late(_turn()),
        lambda e: any(isinstance(x, SpeechStarted) and x.at_ms == 1_000 for x in e),
    ),
    "end of speech": Fact(_turn(), lambda e: _speech_ended(e, at_ms=900, provisional=False)),
    "why speech ended": Fact(_turn(), lambda e: _speech_ended(e, reason="silence")),
    "provisional end": Fact(
        (
            *_turn()[:2],
            SpeechEnded(at_ms=900, reason="model", provisional=True, confidence=0.5),
            SpeechStarted(at_ms=1_000),
            *_turn()[2:],
        ),
        lambda e: _speech_ended(e, provisional=True),
        {"turns": {"eager": 0.4, "confidence": 0.7}},
    ),
    "how sure the end is": Fact(
        _turn(end_confidence=0.75),
        lambda e: _of_final("end_confidence", 0.75)(e) or _speech_ended(e, confidence=0.75),
    ),
    "warnings": Fact(
        (Notice(level="warning", code="audio_lost", text="some"),),
        lambda e: any(isinstance(x, Notice) and "some" in x.text for x in e),
    ),
}
"""Told by the server half."""

OPTIONS: dict[str, Mapping[str, Any]] = {
    "language": {"language": "de-DE"},
    "interim_results": {"interim_results": False},
    "alternatives": {"alternatives": 3},
    "hints": {"hints": [{"text": "ossicle"}]},
    "boost of a hint": {"hints": [{"text": "ossicle", "boost": 2.5}]},
    "only_hints": {"hints": [{"text": "yes"}], "only_hints": True},
    "diarize": {"diarize": True},
    "punctuate": {"punctuate": True},
    "profanity_filter": {"profanity_filter": True},
    "final": {"final": "accurate"},
    "turns.silence_ms": {"turns": {"silence_ms": 1_500}},
    "turns.max_ms": {"turns": {"max_ms": 9_000}},
    "turns.threshold": {"turns": {"threshold": 0.25}},
    "turns.confidence": {"turns": {"confidence": 0.75}},
    "turns.eager": {"turns": {"eager": 0.5, "confidence": 0.75}},
    "turns.detect": {"turns": {"detect": False}},
    "turns.least_ms": {"turns": {"least_ms": 240}},
}
"""Asked by the client half."""


def carried(server: Server, client: Client, *, hearing: bool = True) -> dict[str, bool]:
    """Every fact, and whether it arrives.

    Args:
        server: makes a server half.
        client: makes a client half.
        hearing: False: transcripts do not come this way (a telephone).
    """
    found = {name: hearing and _arrives(server, client, fact) for name, fact in FACTS.items()}
    found |= {
        f"option `{name}`": _asked(server, client, patch) == _wanted(patch)
        for name, patch in OPTIONS.items()
    }
    found["`Finalize`"] = _commanded(server, client, Finalize())
    found["`Cancel` of what was heard"] = _commanded(server, client, Cancel(side="in"))
    return found


def lost(client: Mapping[str, bool], upstream: Mapping[str, bool]) -> tuple[str, ...]:
    """What does not survive the way from one to the other."""
    return tuple(name for name in client if not (client[name] and upstream[name]))


# ── inside ──


def _open(
    server: Dialect, client: ClientDialect, patch: Mapping[str, Any], source: AudioFormat
) -> list[Command | Message]:
    """Both halves meet, and the session begins; what the server half made of it."""
    configure = Configure(patch={"recognition": dict(patch)} if patch else {}, format=source)
    opening = msgspec.structs.replace(
        client.open(configure), id="00000000-0000-4000-8000-000000000000"
    )
    steps: list[Command | Message] = list(server.open(opening, 0.0))
    accepted = [step for step in steps if isinstance(step, Accept)]
    for accept in accepted:
        for hello in client.receive(accept, 0.0):
            if isinstance(hello, _MESSAGES):
                steps += server.receive(hello, 0.0)
    options = msgspec.structs.replace(merged(Options(), {"recognition": dict(patch)}), hears=source)
    begun = (Began(session="s", engine="e", options=options), Configured(options=options))
    for number, event in enumerate(begun, 1):
        _, asked = _tell(server, client, msgspec.structs.replace(event, seq=number), 0.5)
        steps += asked
    return steps


def _tell(
    server: Dialect, client: ClientDialect, event: Event, now: float
) -> tuple[list[Event], list[Command | Message]]:
    """An event to the client: what it heard of it, and what it asked at once (OpenAI's asks for
    everything only when the session is there)."""
    heard: list[Event] = []
    asked: list[Command | Message] = []
    for message in server.send(event, now):
        if not isinstance(message, _MESSAGES):
            continue
        for step in client.receive(message, now):
            if isinstance(step, _MESSAGES):
                asked += server.receive(step, now)
            else:
                heard.append(step)
    return heard, asked


def _source(client: Client, wanted: AudioFormat) -> AudioFormat:
    """A format that the dialect takes."""
    match type(client()).__name__:
        case "TwilioClient":
            return TELEPHONE
        case "RealtimeClient" if wanted.channels == 1:
            return OPENAI
        case _:
            return wanted


def _arrives(server: Server, client: Client, fact: Fact) -> bool:
    says, hears = server(), client()
    source = _source(client, fact.source)
    try:
        steps = _open(says, hears, fact.patch, source)
    except OssicleError:
        return False  # it takes no such audio
    if any(isinstance(step, Close) for step in steps):
        return False
    got: list[Event] = []
    for number, event in enumerate(fact.told, 3):
        heard, _ = _tell(says, hears, msgspec.structs.replace(event, seq=number), 1.0)
        got += heard
    return fact.seen(got)


def _asked(server: Server, client: Client, patch: Mapping[str, Any]) -> object:
    """Options as the server half understood them."""
    try:
        steps = _open(server(), client(), patch, _source(client, MONO))
    except OssicleError:
        return None
    patches = [step.patch for step in steps if isinstance(step, Configure)]
    if not patches:
        return None
    return _leaves(merged(Options(), patches[-1]), patch)


def _wanted(patch: Mapping[str, Any]) -> object:
    return _leaves(merged(Options(), {"recognition": dict(patch)}), patch)


def _leaves(options: Options, patch: Mapping[str, Any]) -> object:
    """Only what the patch speaks of: dialects have defaults of their own."""
    held = msgspec.to_builtins(options.recognition)
    return {
        name: {inner: held[name][inner] for inner in value} if name == "turns" else held[name]
        for name, value in patch.items()
    }


def _commanded(server: Server, client: Client, command: Command) -> bool:
    says, hears = server(), client()
    try:
        _open(says, hears, {}, _source(client, MONO))
    except OssicleError:
        return False
    for message in hears.send(Audio(data=bytes(9_600)), 1.0):  # no less can be committed
        if isinstance(message, _MESSAGES):
            says.receive(message, 1.0)
    for event in _turn()[:2]:
        _tell(says, hears, event, 1.0)
    heard: list[object] = []
    for message in hears.send(command, 1.0):
        if isinstance(message, _MESSAGES):
            heard += says.receive(message, 1.0)
    return any(type(step) is type(command) for step in heard)
