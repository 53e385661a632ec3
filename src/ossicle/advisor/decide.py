"""The answer: which wire, in whose protocol, why, what instead, and what to look out for.

    here = Here(built={("websocket", "native")})
    advice = decide(Inputs(client="browser", latency_ms=100), here)
    advice.recommended.wire, advice.today.wire        -> "webrtc", "websocket"

Wishes in their order, less what is ruled out: the first is recommended, the next on another wire
is the runner-up. What a gateway has is told to it; where the best is not there yet, `today` is the
best that is. Pure.
"""

from collections.abc import Collection

import msgspec

from .budget import Part, budget
from .cautions import cautions
from .facts import FACTS, PROVIDERS, WIRES, Fact
from .inputs import Inputs
from .obstacles import contradictions, obstacle
from .tree import path, steps
from .wishes import Wish, wishes

__all__ = ["Advice", "Choice", "Here", "Reason", "Ruled", "decide"]


class Here(msgspec.Struct, frozen=True):
    """What the gateway at hand has."""

    built: Collection[tuple[str, str]] = frozenset()
    """Wire and dialect of each door that answers."""
    upstreams: Collection[str] = frozenset()
    """Providers it can speak to."""


class Choice(msgspec.Struct, frozen=True):
    """One way to do it."""

    wire: str
    """One of the fixed names: websocket http http2 grpc grpcweb webrtc webtransport moq
    sip."""
    dialect: str
    """`native` is Ossicle's own; a provider's name is the protocol its SDKs speak."""
    title: str
    """For people."""
    built: bool
    """This gateway has it."""


class Reason(msgspec.Struct, frozen=True):
    """A sentence, and the fact it rests on."""

    text: str
    fact: str
    """Its name in the table."""
    known: str
    """What the fact says."""
    source: str
    date: str
    read: bool
    """The source bears no date; this is the day it was read."""


class Ruled(msgspec.Struct, frozen=True):
    """A way that would have been better, and what stands in its way."""

    wire: str
    dialect: str
    title: str
    why: str


class Advice(msgspec.Struct, frozen=True):
    """The whole answer."""

    recommended: Choice
    runner_up: Choice | None
    """The next best on another wire; None = there is none."""
    today: Choice | None
    """The best that this gateway has now; None = nothing that fits."""
    upstream: Choice | None
    """How the gateway reaches the provider behind it; None = the engine is one's own."""
    reasons: tuple[Reason, ...]
    warnings: tuple[str, ...]
    warning_facts: tuple[str, ...]
    """The fact behind each warning; empty = it is about this version."""
    contradictions: tuple[str, ...]
    """What in the question cannot be had together, and the nearest way that works."""
    ruled_out: tuple[Ruled, ...]
    """Ways that would have come first."""
    path: tuple[str, ...]
    """The way through the decision tree, from its root to the wire."""
    steps: tuple[tuple[str, str], ...]
    """The same in words: question and answer."""
    budget: tuple[Part, ...]
    """Where 300 ms go."""
    rank: int
    """How many better ways are ruled out; 0 = the best there is for this purpose."""


def decide(asked: Inputs, here: Here | None = None) -> Advice:
    """What to use.

    Raises:
        Refused: a browser that is not known.
    """
    here = here if here is not None else Here()
    everything = wishes(asked)
    ruled: list[Ruled] = []
    left: list[tuple[int, Wish]] = []
    for number, wish in enumerate(everything):
        why = obstacle(wish, asked)
        if why:
            ruled.append(Ruled(wish.wire, wish.dialect, _title(wish.wire, wish.dialect), why))
        else:
            left.append((number, wish))
    against = contradictions(asked)
    if not left:
        left = [(len(everything), everything[-1])]
        against = (
            *against,
            (
                "Nothing is left that could work: this answer ignores "
                f"that {ruled[-1].why}. Change one of the two."
            ),
        )
    rank, first = left[0]
    second = next((wish for _, wish in left if wish.wire != first.wire), None)
    now = next((wish for _, wish in left if (wish.wire, wish.dialect) in here.built), None)
    best = _choice(first, here)
    behind = _behind(asked, here)
    warnings = [*_of_this_version(best, now, behind), *cautions(first.wire, first.dialect, asked)]
    way = path(asked, first.wire, first.dialect)
    return Advice(
        recommended=best,
        runner_up=None if second is None else _choice(second, here),
        today=None if now is None else _choice(now, here),
        upstream=behind,
        reasons=tuple(_reason(text, FACTS[name]) for text, name in first.why),
        warnings=tuple(text for text, _ in warnings),
        warning_facts=tuple(name for _, name in warnings),
        contradictions=against,
        ruled_out=tuple(
            each for each in ruled[:rank] if (each.wire, each.dialect) != (best.wire, best.dialect)
        ),
        path=way,
        steps=steps(way),
        budget=budget(asked, first.wire),
        rank=rank,
    )


def _choice(wish: Wish, here: Here) -> Choice:
    built = (wish.wire, wish.dialect) in here.built
    return Choice(wish.wire, wish.dialect, _title(wish.wire, wish.dialect), built)


def _title(wire: str, dialect: str) -> str:
    return f"{WIRES[wire]} in {_DIALECTS[dialect]}"


_BEHIND = {"deepgram": "websocket", "assemblyai": "websocket", "google": "grpc", "riva": "grpc",
           "amazon": "websocket", "openai": "websocket"}  # fmt: skip


def _behind(asked: Inputs, here: Here) -> Choice | None:
    if asked.provider == "own":
        return None
    wire = _BEHIND[asked.provider]
    title = _title(wire, asked.provider)
    return Choice(wire, asked.provider, title, asked.provider in here.upstreams)


def _of_this_version(
    best: Choice, now: Wish | None, behind: Choice | None
) -> list[tuple[str, str]]:
    said: list[tuple[str, str]] = []
    if not best.built:
        until = (
            f"until it has, use {_title(now.wire, now.dialect)}"
            if now is not None
            else "and nothing else here fits either"
        )
        said.append((f"This version of Ossicle does not have {best.title} yet: {until}.", ""))
    if behind is not None and not behind.built:
        said.append(
            ((f"This version of Ossicle cannot reach {PROVIDERS[behind.dialect]} behind it yet: "
             "another engine has to hear."), "")
        )  # fmt: skip
    return said


def _reason(text: str, fact: Fact) -> Reason:
    return Reason(text, fact.name, fact.text, fact.source, fact.date, fact.read)


_DIALECTS = {
    "native": "Ossicle's own protocol",
    "twilio": "the form of a carrier's media stream",
    **{name: f"{title}'s protocol" for name, title in PROVIDERS.items()},
}
