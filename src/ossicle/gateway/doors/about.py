"""What a gateway tells its own page about itself: which engine listens, what would listen better,
and who answers.

    GET /v1/about   →  About as JSON, to anyone

Nothing that a stranger must not know: no names of files or keys of this machine.
"""

from importlib.metadata import metadata

import msgspec

from ossicle.client.dialects import PROVIDERS
from ossicle.engines.agent import Agent

from ..configuration.settings import GatewaySettings
from ..house import House
from ..models.routing import Routed

__all__ = ["About", "Answerer", "Better", "about"]

_BEGINNERS = {
    "pocketsphinx": (
        "This engine works offline at once and hears commands and digits. It is not for dictation."
    ),
}
"""Engines that are a beginning, and what they are good for."""

_BETTER = (
    ("deepgram", "Deepgram"),
    ("assemblyai", "AssemblyAI"),
    ("openai", "OpenAI"),
    ("google", "Google"),
)
"""Providers that hear better than an engine that is a beginning, the first one offered first."""

_OWN = "my_engine:engine"
"""As the how-to calls it: a file of that name beside where the line is run."""

_WILD = frozenset("*?[")


class Better(msgspec.Struct, frozen=True):
    """An engine to put in the place of this one."""

    title: str
    """For a list."""
    line: str
    """Starts this gateway again with it."""
    how: str
    """What has to be there first, in one sentence."""
    page: str
    """Address of the page that says more."""


class Answerer(msgspec.Struct, frozen=True):
    """Who answers where a client expects answers (`answers=true`)."""

    name: str
    """`parrot` repeats; it is there when nothing else is configured."""
    model: str = ""
    """Model name that leads to it; empty = it is there without."""
    aloud: bool = True
    """It has a voice; False = text alone."""
    always: bool = False
    """It answers unless it is told not to (`answer_turns=false`)."""


class About(msgspec.Struct, frozen=True):
    """What the page tells of the gateway."""

    engine: str
    keys: bool
    """A key is asked for."""
    webrtc: bool = False
    """Calls over WebRTC are taken; False = the extra is not installed."""
    answers: Answerer | None = None
    """null = nobody hears, so nobody answers."""
    note: str = ""
    """What the engine is good for."""
    better: tuple[Better, ...] = ()
    """Engines for more than that; empty = no need."""


def about(house: House, *, webrtc: bool) -> About:
    """As it is now."""
    name = house.engine.capabilities.name
    note = _BEGINNERS.get(name.partition("+")[0], "")
    return About(
        engine=name,
        keys=house.access.on,
        webrtc=webrtc,
        answers=_answerer(house),
        note=note,
        better=_better(house.settings) if note else (),
    )


def _better(settings: GatewaySettings) -> tuple[Better, ...]:
    """One line each, for a shell in the place of the one that started this gateway. Where it
    listens is said again where that is not the usual."""
    start = "ossicle serve"
    if settings.port not in {None, 0, GatewaySettings().port}:
        start += f" --port {settings.port}"
    where = f"{_documentation()}/howto"
    found = [
        Better(
            title,
            f"{PROVIDERS[name].key}=YOUR_KEY {start} --engine upstream:{name}",
            f"Put your key of {title} in the place of YOUR_KEY.",
            f"{where}/upstreams.md",
        )
        for name, title in _BETTER
    ]
    module = _OWN.partition(":")[0]
    found.append(
        Better(
            "Your own",
            f"{start} --engine python:{_OWN}",
            f"Write {module}.py first; a function is enough.",
            f"{where}/write-an-engine.md",
        )
    )
    return tuple(found)


def _answerer(house: House) -> Answerer | None:
    engine = house.engine
    default = engine.default if isinstance(engine, Routed) else engine
    able = default.capabilities
    if able.answers:
        name = default.responder.name if isinstance(default, Agent) else able.name
        return Answerer(name, aloud=bool(able.speaks), always=True)
    for model, each in engine.routes if isinstance(engine, Routed) else ():
        if each.capabilities.answers and not _WILD & set(model):
            name = each.responder.name if isinstance(each, Agent) else each.capabilities.name
            return Answerer(name, model, bool(each.capabilities.speaks), always=True)
    return Answerer("parrot", aloud=bool(able.speaks)) if able.hears else None


def _documentation() -> str:
    """Where this package says that its pages are."""
    for each in metadata("ossicle").get_all("Project-URL") or ():
        name, _, address = each.partition(", ")
        if name == "Documentation":
            return address
    return "https://github.com/ossicle/ossicle/tree/main/docs"
