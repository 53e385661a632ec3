"""Engines by name: what `--engine NAME[:ARG]` says becomes an `Engine`.

    open_engine("echo")
    open_engine("scripted:Hello there.?pace=0.5")
    open_engine("pocketsphinx:2")                    a pool of two processes
    open_engine("python:my_package.engines:make")    your own: an Engine, its class, or a function

Nothing heavy is imported before its name is asked for, and nothing is started here
(`engines.lifecycle`).
"""

import difflib
import importlib
import importlib.util
import inspect
import os
import sys
from collections.abc import Callable
from typing import Any, cast

import msgspec

from ..core.capabilities import Capabilities
from ..core.errors import MissingExtra, Refused
from ..core.ports import Engine
from .agents import open_agent
from .echo import EchoEngine
from .espeak.engine import MISSING, EspeakEngine
from .espeak.library import available
from .openai_http import open_transcription_server
from .request import Way, directly
from .scripted import ScriptedEngine
from .tone import ToneEngine

__all__ = ["NAMES", "EngineRow", "default_voice", "describe_engines", "open_engine"]


class EngineRow(msgspec.Struct, frozen=True):
    """One line of `ossicle engines`."""

    name: str
    argument: str
    """What may follow the colon; empty = nothing."""
    available: bool
    why: str
    """Why it is not available, and the way out; empty when it is."""
    note: str
    """One sentence for people."""
    capabilities: Capabilities | None = None
    """None where it is known only once it runs."""


class _Entry(msgspec.Struct, frozen=True):
    make: Callable[[str, Way], Engine]
    argument: str
    note: str
    missing: Callable[[], str]
    """Why it cannot be opened here; empty = it can."""


def open_engine(spec: str, way: Way = directly) -> Engine:
    """The engine that `NAME[:ARG]` names, not started.

    Args:
        spec: its name and what follows.
        way: to the server of one that asks over HTTP.

    Raises:
        Refused: an unknown name, or an argument the engine does not take.
        MissingExtra: the engine is known and not installed; the text says what to install.
    """
    name, _, argument = spec.partition(":")
    entry = _TABLE.get(name)
    if entry is None:
        near = difflib.get_close_matches(name, _TABLE, 1)
        guess = f"did you mean {near[0]!r}? " if near else ""
        raise Refused(
            f"engine {name!r} is not known; {guess}there are {', '.join(_TABLE)}",
            code="bad_option",
        )
    if missing := entry.missing():
        raise MissingExtra(missing)
    if argument and not entry.argument:
        raise Refused(f"engine {name} takes no argument, not {argument!r}", code="bad_option")
    return entry.make(argument, way)


def default_voice() -> str:
    """The voice that speaks when none was chosen: espeak where it is installed, else tone."""
    return "espeak" if available() else "tone"


def describe_engines() -> tuple[EngineRow, ...]:
    """Every engine there is, with what it can do, or why it cannot be opened here."""
    rows: list[EngineRow] = []
    for name, entry in _TABLE.items():
        missing = entry.missing()
        known = _KNOWN.get(name)
        rows.append(EngineRow(name, entry.argument, not missing, missing, entry.note, known))
    return tuple(rows)


def _pocketsphinx(argument: str) -> Engine:
    make = cast(
        "Callable[..., Engine]",
        importlib.import_module("ossicle.engines.pocketsphinx").PocketsphinxEngine,
    )
    if not argument:
        return make()
    if not argument.isdecimal() or not 1 <= int(argument) <= 256:
        raise Refused(
            f"pocketsphinx:{argument} must be a number of processes in 1-256", code="bad_option"
        )
    return make(pool=int(argument))


def _no_pocketsphinx() -> str:
    if importlib.util.find_spec("pocketsphinx") is None:
        return "pocketsphinx is not installed; install it with `pip install pocketsphinx`"
    return ""


def _python(argument: str) -> Engine:
    """`pkg.mod:attribute`. The working directory is searched too, as `python -m` does."""
    module_name, _, attribute = argument.partition(":")
    if not module_name or not attribute:
        raise Refused(
            f"python:{argument} must be python:MODULE:ATTRIBUTE, as in python:my_engines:make",
            code="bad_option",
        )
    here = os.getcwd()  # noqa: PTH109  what sys.path holds
    if here not in sys.path and "" not in sys.path:
        sys.path.insert(0, here)
    try:
        found: Any = importlib.import_module(module_name)
        for part in attribute.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise Refused(f"python:{argument} cannot be found: {error}", code="bad_option") from error
    if inspect.isclass(found) or not hasattr(found, "open"):
        if not callable(found):
            raise Refused(f"python:{argument} is no engine and makes none", code="bad_option")
        found = found()
    if not callable(getattr(found, "open", None)) or not isinstance(
        getattr(found, "capabilities", None), Capabilities
    ):
        raise Refused(
            f"python:{argument} gave a {type(found).__name__}, which is no Engine: it needs"
            " `capabilities` and `async open(options, sink)`",
            code="bad_option",
        )
    return cast("Engine", found)


def _here() -> str:
    return ""


_TABLE: dict[str, _Entry] = {
    "pocketsphinx": _Entry(
        lambda argument, _: _pocketsphinx(argument),
        "PROCESSES",
        "Works offline at once; good for commands and digits, not dictation.",
        _no_pocketsphinx,
    ),
    "echo": _Entry(lambda _, way: EchoEngine(), "", EchoEngine.capabilities.note, _here),
    "scripted": _Entry(
        lambda argument, _: ScriptedEngine(argument),
        "TEXT|FILE|heard[?pace=&fail_at=&fail=&open_ms=]",
        "Says given words by audio time; for tests.",
        _here,
    ),
    "tone": _Entry(lambda _, way: ToneEngine(), "", ToneEngine.capabilities.note, _here),
    "espeak": _Entry(
        lambda _, way: EspeakEngine(),
        "",
        EspeakEngine.capabilities.note,
        lambda: "" if available() else MISSING,
    ),
    "python": _Entry(
        lambda argument, _: _python(argument), "MODULE:ATTRIBUTE", "An engine of your own.", _here
    ),
    "openai_http": _Entry(
        open_transcription_server,
        "URL?model=NAME&key_env=VARIABLE&words=1",
        "Sends each turn to an OpenAI-compatible /v1/audio/transcriptions; no partials.",
        _here,
    ),
    "agent": _Entry(
        lambda argument, way: open_agent(
            argument, lambda spec: open_engine(spec, way), default_voice(), way
        ),
        "RECOGNISER > RESPONDER > VOICE",
        "Answers what it hears: parrot, chat:URL?model=NAME or python:MODULE:NAME.",
        _here,
    ),
}

_KNOWN: dict[str, Capabilities] = {
    "echo": EchoEngine.capabilities,
    "scripted": ScriptedEngine("").capabilities,
    "tone": ToneEngine.capabilities,
    "espeak": EspeakEngine.capabilities,
}

NAMES = tuple(_TABLE)
"""Every engine's name."""
