"""A conformance kit for dialects: hand it the two halves, and it raises with the law they break.

    check_server(NativeServer, opening)
    check_pair(NativeServer, NativeClient, commands=…, events=…)

Everything is pure, so everything runs in microseconds, with a clock that is a number.
"""

from collections.abc import Callable, Iterable, Sequence
from math import inf
from typing import cast

import msgspec

from ossicle.core.commands import Command, Configure
from ossicle.core.errors import CODES
from ossicle.core.events import Began, Configured, Ended, Event, Flow, Notice, Transcript
from ossicle.core.formats import AudioFormat
from ossicle.core.options import Options
from ossicle.core.ports import ClientDialect, Dialect, Steps
from ossicle.core.wire import Accept, Binary, Clear, Close, Fin, Mark, Message, Opening, Ping, Text

__all__ = ["check_pair", "check_server"]

_NOISE: tuple[Message, ...] = (
    Text(""),
    Text("not a message"),
    Text("{"),
    Text('{"type":"no such type"}'),
    Text('{"type":' * 2_000),
    Text("[" * 5_000),
    Text('{"type":"\\ud800"}'),
    Binary(b""),
    Binary(b"\x00"),
    Binary(b"\xff" * 1_000),
    Ping(b"x"),
    Mark("nobody set this"),
    Clear(),
)
"""What a broken or hostile peer might send."""


def check_server(
    make: Callable[[], Dialect], opening: Opening, hello: Sequence[Message] = ()
) -> None:
    """The laws of a server half, for an opening it takes.

    Args:
        make: makes one.
        opening: how a channel is asked for.
        hello: messages that say what is wanted, where the opening does not (contracts M3).

    Raises:
        AssertionError: names the law of `core.ports` that is broken.
    """
    _opens(make(), opening, hello)
    _refuses(make, opening, hello)
    _bears_noise(make, opening, hello)
    _ends(make(), opening, hello)
    _keeps_time(make(), opening, hello)


def check_pair(
    server: Callable[[], Dialect],
    client: Callable[[], ClientDialect],
    *,
    commands: Sequence[Command],
    events: Sequence[Event],
    kept: Callable[[Command | Event], object] = lambda item: item,
    configure: Configure | None = None,
    speaks_first: bool = False,
) -> None:
    """What the client half says the server half hears, and the other way round.

    Args:
        server: makes a server half.
        client: makes a client half.
        commands: to send from the client, in order.
        events: to send from the server, in order; `Began` and `Configured` are added before.
        kept: what must survive; maps an item to what is compared, so that declared losses are
            declared in one place. None = not compared.
        configure: the first command.
        speaks_first: the wire holds no handshake (gRPC): its client's transport tells Accept when
            there is a connection, before the server has said anything.

    Raises:
        AssertionError: shows the first item that changed on its way.
    """
    asks, answers = client(), server()
    first = configure or Configure(format=AudioFormat())
    opening = asks.open(first)
    steps = answers.open(opening, 0.0)
    told = (Accept(),) if speaks_first else tuple(_messages(steps))
    for message in told:  # accepted at once: what is wanted is said afterwards
        for hello in _messages(asks.receive(message, 0.0)):
            steps += answers.receive(hello, 0.0)
    heard = [kept(step) for step in steps if isinstance(step, Configure)]
    assert heard == [kept(first)], f"the opening said {first}, the server half heard {heard}"
    begun: list[Event] = [Began(session="s", engine="e"), Configured(options=Options())]
    arrived: list[object] = []
    for event in (*begun, *events):
        for message in _messages(answers.send(event, 1.0)):
            arrived += [
                kept(cast("Event", step))
                for step in asks.receive(message, 1.0)
                if not _is_message(step)
            ]
    sent = [kept(event) for event in (*begun, *events)]
    _same("event", [e for e in sent if e is not None], [e for e in arrived if e is not None])
    said: list[object] = []
    for command in commands:
        for message in asks.send(command, 2.0):
            assert _is_message(message), f"the client half answered {command} with {message}"
            said += [
                kept(cast("Command", step))
                for step in answers.receive(cast("Message", message), 2.0)
                if not _is_message(step)
            ]
    _same(
        "command",
        [c for c in map(kept, commands) if c is not None],
        [c for c in said if c is not None],
    )


def _same(kind: str, sent: list[object], came: list[object]) -> None:
    for place, (one, other) in enumerate(zip(sent, came, strict=False)):
        assert one == other, f"{kind} {place} changed on its way:\n  sent {one}\n  came {other}"
    assert len(sent) == len(came), f"{len(sent)} {kind}s were sent, {len(came)} came"


def _begin(dialect: Dialect, opening: Opening, hello: Sequence[Message]) -> Steps:
    steps = _steps(dialect.open(opening, 0.0), "open")
    for message in hello:
        steps += _steps(dialect.receive(message, 0.0), f"receive({type(message).__name__})")
    return steps


def _opens(dialect: Dialect, opening: Opening, hello: Sequence[Message]) -> None:
    steps = _begin(dialect, opening, hello)
    configures = [step for step in steps if isinstance(step, Configure)]
    assert len(configures) == 1, f"an opening asks for one session, this one for {len(configures)}"
    before = [step for step in steps if _is_message(step)]
    assert not before or isinstance(before[0], Accept), f"the first message out is {before[0]}"


def _refuses(make: Callable[[], Dialect], opening: Opening, hello: Sequence[Message]) -> None:
    for code, kind in CODES.items():
        dialect = make()
        _begin(dialect, opening, hello)
        fault = kind("a sentence for a person", code=code).fault()
        out = list(_messages(dialect.send(Ended(reason="refused", error=fault), 0.0)))
        assert out, f"a refusal for {code} says nothing"
        assert isinstance(out[-1], Close), f"a refusal for {code} ends with {out[-1]}, not Close"
        assert dialect.deadline == inf, f"a timer is left after a refusal for {code}"


def _bears_noise(make: Callable[[], Dialect], opening: Opening, hello: Sequence[Message]) -> None:
    for noise in (*_NOISE, Fin(), Close(1006), Close(1000)):
        dialect = make()
        _begin(dialect, opening, hello)
        dialect.send(Began(session="s"), 0.0)
        dialect.send(Configured(), 0.0)
        steps = _steps(dialect.receive(noise, 0.1), f"receive({type(noise).__name__})")
        for step in steps:
            assert not isinstance(step, Accept), "it accepted twice"


def _ends(dialect: Dialect, opening: Opening, hello: Sequence[Message]) -> None:
    # Some accept at once and say what is wrong afterwards (contracts M3).
    out = list(_messages(_begin(dialect, opening, hello)))
    for event in (
        Began(session="s"),
        Configured(),
        Notice(level="info", code="x", text="y"),
        Flow(),
        Transcript(text="a b", final=True, ends_turn=True, start_ms=0, end_ms=10, seq=3),
        Ended(),
    ):
        out += _messages(dialect.send(event, 0.5))
    accepts = [place for place, message in enumerate(out) if isinstance(message, Accept)]
    assert accepts == [0], f"Accept comes first and once; it came at {accepts} of {len(out)}"
    closes = [place for place, message in enumerate(out) if isinstance(message, Close | Fin)]
    assert closes, "the end is not said: no Close after Ended"
    assert closes[-1] == len(out) - 1, "something was sent after Close"
    assert dialect.deadline == inf, "a timer is left after the end"


def _keeps_time(dialect: Dialect, opening: Opening, hello: Sequence[Message]) -> None:
    _begin(dialect, opening, hello)
    dialect.send(Began(session="s"), 0.0)
    dialect.send(Configured(), 0.0)
    now = 0.0
    for _ in range(50):
        due = dialect.deadline
        if due == inf:
            return
        assert due >= now, f"the deadline {due} is in the past at {now}"
        early = _steps(dialect.expire(now), "expire")
        assert due == now or not early, "expire did something before its deadline"
        now = due
        _steps(dialect.expire(now), "expire")
        assert dialect.deadline > now, (
            f"expire at {now} left its deadline where it was: a busy loop"
        )


def _steps(steps: Steps, what: str) -> Steps:
    assert type(steps) is tuple, f"{what} returned {type(steps).__name__}; the contract is a tuple"
    for step in steps:
        assert isinstance(step, msgspec.Struct), f"{what} returned {step!r}"
    return steps


def _messages(steps: Iterable[object]) -> Iterable[Message]:
    return (cast("Message", step) for step in steps if _is_message(step))


def _is_message(step: object) -> bool:
    return type(step).__module__ == Accept.__module__
