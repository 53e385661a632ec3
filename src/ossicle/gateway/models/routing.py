"""Which engine hears for which model name: several engines, started and closed together.

    engines = Routed(pocketsphinx, (("nova-*", better), ("digits", pocketsphinx)), unknown="refuse")
    engines.choose("nova-3")        better
    engines.choose("")              pocketsphinx, the default

It is an Engine itself (the default one, to whoever knows nothing of routes), so that what runs
one engine runs several. A name is looked for as it is first, then among the patterns in their
order; upper and lower case are the same.
"""

import asyncio
import difflib
from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase
from typing import Literal

from ossicle.core.capabilities import Capabilities
from ossicle.core.errors import Refused
from ossicle.core.options import Options
from ossicle.core.ports import Engine, Sink, Stream
from ossicle.engines.lifecycle import aclose, is_warm, start

from ..configuration.settings import GatewaySettings

__all__ = ["VENDOR_MODELS", "Routed", "chosen", "cold", "route"]

VENDOR_MODELS = (
    # Deepgram
    "nova", "nova-*", "enhanced", "enhanced-*", "base", "base-*", "flux-*", "general", "general-*",
    "whisper", "whisper-*", "aura-*",
    # AssemblyAI
    "universal", "universal-*", "u3-*", "best", "nano", "slam-*",
    # OpenAI
    "gpt-*", "tts-*", "o?-*",
    # Google
    "latest_long", "latest_short", "command_and_search", "phone_call", "video", "default", "long",
    "short", "telephony", "telephony_short", "chirp", "chirp_*", "medical_*",
)  # fmt: skip
"""Names that SDKs send whether their user chose one or not: the default engine hears for them,
unless a route says otherwise."""


class Routed:
    """Engines behind model names."""

    def __init__(
        self,
        default: Engine,
        routes: Iterable[tuple[str, Engine]],
        *,
        unknown: Literal["default", "refuse"] = "default",
    ) -> None:
        self.default = default
        self.routes = tuple((name.lower(), engine) for name, engine in routes)
        self._unknown = unknown
        self.engines: tuple[Engine, ...] = _distinct(
            (default, *(engine for _, engine in self.routes))
        )
        """Each once, the default one first."""

    @property
    def capabilities(self) -> Capabilities:
        """Of the default engine."""
        return self.default.capabilities

    @property
    def warm(self) -> bool:
        """All of them are."""
        return all(is_warm(engine) for engine in self.engines)

    async def start(self) -> None:
        """Start all; if one cannot, none stays started."""
        try:
            async with asyncio.TaskGroup() as group:
                for engine in self.engines:
                    group.create_task(start(engine))
        except BaseExceptionGroup as failed:
            await self.aclose()
            raise failed.exceptions[0] from None

    async def aclose(self) -> None:
        """Close all, whatever one of them says about it."""
        done = await asyncio.gather(
            *(aclose(engine) for engine in self.engines), return_exceptions=True
        )
        for error in done:
            if error is not None:
                raise error

    async def open(self, options: Options, sink: Sink) -> Stream:
        """By the model that the options name."""
        return await self.choose(options.recognition.model).open(options, sink)

    def choose(self, model: str) -> Engine:
        """The engine for a model name; empty = the default one.

        Raises:
            Refused: no route knows the name, and unknown ones are refused.
        """
        name = model.strip().lower()
        if not name:
            return self.default
        for route_, engine in self.routes:
            if route_ == name:
                return engine
        for pattern, engine in self.routes:
            if fnmatchcase(name, pattern):
                return engine
        if self._unknown == "default" or any(fnmatchcase(name, each) for each in VENDOR_MODELS):
            return self.default
        known = list(dict.fromkeys(pattern for pattern, _ in self.routes))
        near = difflib.get_close_matches(name, known, 1)
        guess = f"did you mean {near[0]!r}? " if near else ""
        raise Refused(
            f"model {model[:60]!r} is not known here; {guess}there are {', '.join(known)}"
            if known
            else f"model {model[:60]!r} is not known here; leave it out",
            code="bad_option",
        )


def route(settings: GatewaySettings, make: Callable[[str], Engine]) -> Engine:
    """The engine, or the engines, that settings ask for; not started.

    Args:
        settings: `engine`, `models` and `unknown_model`.
        make: opens one by `NAME[:ARG]`; called once for each that differs.

    Raises:
        Refused: as `make` does.
    """
    made = {settings.engine: make(settings.engine)}
    for _, spec in settings.models:
        if spec not in made:
            made[spec] = make(spec)
    default = made[settings.engine]
    if not settings.models and settings.unknown_model == "default":
        return default
    routes = [(name, made[spec]) for name, spec in settings.models]
    return Routed(default, routes, unknown=settings.unknown_model)


def chosen(engine: Engine, options: Options) -> Engine:
    """The engine for these options, where there may be one or several.

    Raises:
        Refused: as `Routed.choose`.
    """
    return engine.choose(options.recognition.model) if isinstance(engine, Routed) else engine


def cold(engine: Engine) -> list[str]:
    """Names of those that would keep a stream waiting."""
    engines = engine.engines if isinstance(engine, Routed) else (engine,)
    return [each.capabilities.name for each in engines if not is_warm(each)]


def _distinct(engines: Iterable[Engine]) -> tuple[Engine, ...]:
    return tuple({id(engine): engine for engine in engines}.values())
