"""The laws of `core.ports` for AssemblyAI's dialects, and that their two halves understand each
other. What is lost on the way is lost in one place: `kept`."""

from collections.abc import Callable

import msgspec
import pytest

from ossicle.core.commands import Audio, Command, Configure, End, Finalize
from ossicle.core.errors import Overloaded
from ossicle.core.events import (
    Began,
    Configured,
    Ended,
    Event,
    Flow,
    Notice,
    SpeechEnded,
    SpeechStarted,
    Transcript,
    Word,
)
from ossicle.core.formats import AudioFormat
from ossicle.core.ports import ClientDialect, Dialect
from ossicle.core.wire import Opening
from ossicle.dialects.assemblyai import (
    AssemblyClient,
    AssemblyServer,
    LegacyClient,
    LegacyServer,
)
from ossicle.testing.dialect import check_pair, check_server

PCM = (("sample_rate", "16000"),)
TIMED = (*PCM, ("inactivity_timeout", "5"), ("session_heartbeat", "true"))
TURNS = {"silence_ms": 900, "confidence": 0.7, "least_ms": 300, "threshold": 0.3}

CONFIGURE = Configure(
    patch={
        "recognition": {
            "language": "en",
            "model": "universal-streaming-english",
            "hints": [{"text": "Ossicle"}],
            "diarize": True,
            "profanity_filter": True,
            "interim_results": False,
            "turns": TURNS,
        }
    },
    format=AudioFormat("mulaw", 8_000),
    credential="KEY",
)


@pytest.mark.parametrize("make", [AssemblyServer, lambda: AssemblyServer(strict_audio=True)])
@pytest.mark.parametrize("query", [PCM, TIMED])
def test_the_server_half(make: Callable[[], Dialect], query: tuple[tuple[str, str], ...]):
    check_server(make, Opening(query=query, at=1_000.0))


@pytest.mark.parametrize("make", [LegacyServer, lambda: LegacyServer(strict_audio=True)])
def test_the_legacy_server_half(make: Callable[[], Dialect]):
    check_server(make, Opening(query=PCM, at=1_000.0))


def words(text: str, start: int = 0) -> tuple[Word, ...]:
    return tuple(
        Word(t, start + 100 * n, start + 100 * n + 80, 0.5) for n, t in enumerate(text.split())
    )


def partial(text: str, stable: int, turn: int) -> Transcript:
    heard = words(text)
    return Transcript(
        text=text, start_ms=0, end_ms=heard[-1].end_ms, turn=turn, stable=stable, words=heard,
        end_confidence=0.25,
    )  # fmt: skip


def final(text: str, turn: int, ref: str = "") -> tuple[SpeechEnded, Transcript]:
    heard = words(text)
    end = heard[-1].end_ms
    return (
        SpeechEnded(at_ms=end, turn=turn, reason="asked" if ref else "model", confidence=0.75),
        Transcript(
            text=text, start_ms=0, end_ms=end, turn=turn, final=True, ends_turn=True, words=heard,
            end_confidence=0.75,
        ),
    )  # fmt: skip


EVENTS: list[Event] = [
    SpeechStarted(at_ms=0, turn=0),
    partial("turn", 0, 0),
    partial("turn le", 4, 0),
    partial("turn left", 9, 0),
    *final("turn left", 0),
    Notice(level="warning", code="audio_lost", text="20 ms"),
    SpeechStarted(at_ms=0, turn=1),
    *final("now", 1),
]


def kept(item: Command | Event) -> object:
    """Declared losses of `/v3/ws`: options, token and sequence of `Began`; the code of a notice;
    `Configured` and `Flow`; what the format's header holds; references (AssemblyAI has none, the
    client half gives them back by order)."""
    match item:
        case Began():
            return Began(session=item.session)
        case Configured() | Flow():
            return None
        case Notice():
            return Notice(level=item.level, text=item.text)
        case Audio() | End() | Configure():
            return item
        case Finalize():
            return Finalize()
        case _:
            return msgspec.structs.replace(item, seq=0, ref="")


def test_the_two_halves():
    check_pair(
        AssemblyServer,
        AssemblyClient,
        commands=[
            Audio(data=b"\xff" * 800),
            Finalize(),
            Configure(patch={"recognition": {"turns": TURNS, "profanity_filter": False}}),
            Audio(data=b"\xff" * 8_000),
            End(),
        ],
        events=EVENTS,
        kept=kept,
        configure=CONFIGURE,
    )


def test_the_two_halves_with_formatted_turns():
    configure = Configure(patch={"recognition": {"punctuate": True}}, format=AudioFormat())
    check_pair(
        AssemblyServer,
        AssemblyClient,
        commands=[End()],
        events=[
            SpeechStarted(at_ms=0, turn=0),
            *final("Turn left.", 0),
            SpeechStarted(at_ms=0, turn=1),
            *final("Now!", 1),
        ],
        kept=kept,
        configure=configure,
    )


@pytest.mark.parametrize(
    ("server", "client", "expected"),
    [
        (AssemblyServer(), AssemblyClient(), Ended(audio_ms=3_000, session_ms=4_000)),
        (LegacyServer(), LegacyClient(), Ended(audio_ms=2_600)),
    ],
)
def test_the_end(server: Dialect, client: ClientDialect, expected: Ended):
    """In whole seconds on `/v3/ws`."""
    server.open(client.open(Configure(format=AudioFormat())), 0.0)
    steps = [
        step
        for message in server.send(Ended(audio_ms=2_600, session_ms=4_400), 0.0)
        for step in client.receive(message, 0.0)  # type: ignore[arg-type]
    ]
    assert steps == [expected]


def test_a_refusal_arrives_with_its_reason():
    server, client = AssemblyServer(), AssemblyClient()
    server.open(client.open(Configure(format=AudioFormat())), 0.0)
    fault = Overloaded("2000 sessions are open").fault()
    steps = [
        step
        for message in server.send(Ended(reason="refused", error=fault), 0.0)
        for step in client.receive(message, 0.0)  # type: ignore[arg-type]
    ]
    assert len(steps) == 1
    assert isinstance(steps[0], Ended)
    assert steps[0].error is not None
    assert (steps[0].error.code, steps[0].error.text) == (fault.code, fault.text)
    assert steps[0].error.retryable


def kept_of_legacy(item: Command | Event) -> object:
    """Losses of the legacy API, besides those of `/v3/ws`: notices, how sure the end is, stable
    words, the length of the session."""
    match item:
        case Began() | Notice() | SpeechEnded():
            return None
        case Transcript():
            return msgspec.structs.replace(
                item, seq=0, ref="", stable=0, end_confidence=None, confidence=None
            )
        case Configure():
            return msgspec.structs.replace(item, patch=_legacy_patch(item.patch))
        case _:
            return kept(item)


def _legacy_patch(patch: dict[str, object]) -> dict[str, object]:
    recognition = patch.get("recognition")
    assert isinstance(recognition, dict)
    names = ("hints", "interim_results", "turns")
    said = {name: recognition[name] for name in names if name in recognition}
    return {"recognition": said}


@pytest.mark.parametrize("base64", [True, False])
def test_the_two_legacy_halves(base64: bool):
    hints = {"hints": [{"text": "Ossicle"}], "interim_results": False}
    check_pair(
        LegacyServer,
        lambda: LegacyClient(base64=base64),
        commands=[
            Audio(data=bytes(range(256))),
            Finalize(),
            Configure(patch={"recognition": {"turns": {"silence_ms": 900}}}),
            End(),
        ],
        events=EVENTS,
        kept=kept_of_legacy,
        configure=Configure(patch={"recognition": hints}, format=AudioFormat(), credential="K"),
    )
