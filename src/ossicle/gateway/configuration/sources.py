"""The configuration of a gateway: flags over environment over file over defaults.

    found = configure(Path("ossicle.toml"), os.environ, {"port": 0})
    found.settings            a GatewaySettings
    found.source("port")      "flag --port"

Everything that is wrong is found in one go and said in words: where it stands, the value, what
would do instead, and for an unknown name the one that was probably meant. Secrets are no part of
it: they have variables of their own (`SECRETS`), and nothing here reads their values.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, cast

import msgspec

from ossicle.core.errors import Refused
from ossicle.dialects.google.v2_config import preset
from ossicle.engines.open import NAMES

from ..models.choices import choices
from ..models.upstreams import entry, open_upstream
from .naming import LATER, PREFIX, SETTINGS, TABLES, Setting, nearest
from .settings import GatewaySettings

__all__ = ["OTHERS", "SECRETS", "Configuration", "Misconfigured", "Problem", "configure"]

SECRETS: Mapping[str, str] = {
    "OSSICLE_KEYS": "keys of the clients",
    "OSSICLE_TURN_SECRET": "what the gateway and a TURN relay share",
}
"""Variables whose values are never shown, and what they hold."""

OTHERS = frozenset(
    {"OSSICLE_CONFIG", "OSSICLE_KEY", "OSSICLE_URL", "OSSICLE_CA", "OSSICLE_CLIPS",
     "OSSICLE_SPEECH", "OSSICLE_PYTHON"}
)  # fmt: skip
"""Variables that mean something else here: of clients, of the demonstration, of the set-up."""

_ENGINES = (*NAMES, "upstream")

_MOST_BYTES = 1 << 20
"""A configuration is text by people; beyond this it is another file, or a device."""

_SECRET_NAMES = {"keys": "keys are not kept in this file: set OSSICLE_KEYS=name:secret"}


class Problem(msgspec.Struct, frozen=True):
    """One thing that is wrong."""

    where: str
    """`FILE`, `FILE:LINE`, or the name of a variable or flag."""
    text: str
    """What, in a sentence with the value and the way out."""

    def __str__(self) -> str:
        return f"{self.where}: {self.text}"


class Misconfigured(Refused):
    """The configuration cannot be used; `problems` says all of why."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(each) for each in self.problems), code="bad_option")


class Configuration(msgspec.Struct, frozen=True):
    """Settings, and where each came from."""

    settings: GatewaySettings
    sources: Mapping[str, str]
    """For each name that was given: `flag --port`, `OSSICLE_PORT`, `FILE:LINE`."""
    notes: tuple[str, ...] = ()
    """What is not wrong, but probably not meant."""

    def source(self, name: str) -> str:
        """Where a setting came from."""
        return self.sources.get(name, "default")

    def value(self, setting: Setting) -> Any:
        """The value in force."""
        found: Any = self.settings
        for attribute in setting.attribute:
            found = getattr(found, attribute)
        return found


class _Gathered:
    """Values by dotted name, the later source over the earlier one."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.sources: dict[str, str] = {}
        self.problems: list[Problem] = []
        self.notes: list[str] = []

    def put(self, setting: Setting, value: Any, source: str) -> None:
        self.values[setting.name] = value
        self.sources[setting.name] = source

    def wrong(self, where: str, text: str) -> None:
        self.problems.append(Problem(where, text))


def configure(
    file: Path | None = None,
    environment: Mapping[str, str] | None = None,
    flags: Mapping[str, object] | None = None,
    assignments: Iterable[str] = (),
    base: GatewaySettings | None = None,
) -> Configuration:
    """Read everything and make one value of it.

    Args:
        file: a TOML file; None = none is read, whatever lies in the working directory.
        environment: `OSSICLE_*` variables; None = none.
        flags: values by dotted name, of the kinds a file has, as far as they were given.
        assignments: `NAME=VALUE`, of the flag `--set`.
        base: what is in force where nobody says anything.

    Raises:
        Misconfigured: with everything that is wrong.
    """
    found = _Gathered()
    if file is not None:
        _from_file(file, found)
    _from_environment(environment or {}, found)
    for name, value in (flags or {}).items():
        _one(found, name, value, f"flag {SETTINGS[name].flag}")
    for text in assignments:
        _assigned(found, text)
    settings = _applied(base or GatewaySettings(), found.values)
    _together(settings, found)
    if found.problems:
        raise Misconfigured(found.problems)
    return Configuration(settings, dict(found.sources), tuple(found.notes))


def _from_file(path: Path, found: _Gathered) -> None:
    try:
        with path.open("rb") as opened:
            data = opened.read(_MOST_BYTES + 1)
    except OSError as error:
        found.wrong(str(path), f"cannot be read: {error.strerror or type(error).__name__}")
        return
    if len(data) > _MOST_BYTES:
        found.wrong(str(path), f"is larger than {_MOST_BYTES} bytes: no configuration")
        return
    try:
        text = data.decode("utf-8-sig")
        tree = tomllib.loads(text)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        found.wrong(f"{path}:{line}", "is not UTF-8 text")
        return
    except ValueError as error:  # TOMLDecodeError, and integers of too many digits
        line, what = _place(str(error))
        found.wrong(f"{path}:{line}" if line else str(path), f"is not TOML: {what}")
        return
    except RecursionError:
        found.wrong(str(path), "is nested too deeply to be a configuration")
        return
    _table(tree, "", path, text, found)


def _table(tree: Mapping[str, object], table: str, path: Path, text: str, found: _Gathered) -> None:
    for key, value in tree.items():
        name = f"{table}.{key}" if table else key
        line = _line(text, table, key)
        where = f"{path}:{line}" if line else str(path)
        if name in SETTINGS:
            _one(found, name, value, where, folder=path.parent)
        elif not table and key in TABLES and key:
            if isinstance(value, dict):
                _table(cast("dict[str, object]", value), key, path, text, found)
            else:
                found.wrong(where, f"{key} is a table: write [{key}] and its settings below")
        elif name in LATER:
            found.notes.append(f"{where}: {name}: {LATER[name]} is not in this version")
        elif name in _SECRET_NAMES:
            found.wrong(where, _SECRET_NAMES[name])
        else:
            found.wrong(where, _unknown(name))


def _unknown(name: str) -> str:
    near = nearest(name, (*SETTINGS, *(table for table in TABLES if table)))
    hint = f"; did you mean {near}?" if near else "; `ossicle config show` lists them"
    shown = re.sub(r"[^\x20-\x7e]", "?", name[:60])
    return f"there is no setting {shown}{hint}"


def _one(
    found: _Gathered, name: str, value: object, where: str, *, folder: Path | None = None
) -> None:
    setting = SETTINGS[name]
    try:
        read = setting.read(value)
    except ValueError as error:
        found.wrong(where, f"{name}: {error}")
        return
    if isinstance(read, Path):
        # a relative one is meant from the file that names it
        read = ((folder or Path()) / read.expanduser()).absolute()
    found.put(setting, read, where)


def _from_environment(environment: Mapping[str, str], found: _Gathered) -> None:
    variables = {each.variable: each for each in SETTINGS.values()}
    for variable, text in sorted(environment.items()):
        if not variable.startswith(PREFIX) or variable in OTHERS or variable in SECRETS:
            continue
        setting = variables.get(variable)
        if setting is not None:
            _parsed(found, setting, text, variable)
        elif (name := variable.removeprefix(PREFIX).lower().replace("__", ".")) in LATER:
            found.notes.append(f"{variable}: {LATER[name]} is not in this version")
        elif near := nearest(name, SETTINGS):
            near = SETTINGS[near].variable
            found.wrong(variable, f"there is no such setting; did you mean {near}?")
        else:
            found.notes.append(f"{variable} is no setting and is not read")


def _assigned(found: _Gathered, text: str) -> None:
    name, equals, value = text.partition("=")
    name = name.strip()
    if not equals:
        found.wrong("flag --set", f"{name[:60]!r} must be NAME=VALUE")
    elif name not in SETTINGS:
        found.wrong("flag --set", _SECRET_NAMES.get(name) or _unknown(name))
    else:
        _parsed(found, SETTINGS[name], value, f"flag --set {name}")


def _parsed(found: _Gathered, setting: Setting, text: str, where: str) -> None:
    try:
        read = setting.parse(text)
    except ValueError as error:
        found.wrong(where, f"{setting.name}: {error}")
        return
    found.put(setting, read.expanduser().absolute() if isinstance(read, Path) else read, where)


def _applied(base: GatewaySettings, values: Mapping[str, Any]) -> GatewaySettings:
    tables: dict[str, dict[str, Any]] = {}
    top: dict[str, Any] = {}
    for name, value in values.items():
        *above, field = SETTINGS[name].attribute
        (tables.setdefault(above[0], {}) if above else top)[field] = value
    for table, inside in tables.items():
        top[table] = msgspec.structs.replace(getattr(base, table), **inside)
    return msgspec.structs.replace(base, **top)


def _together(settings: GatewaySettings, found: _Gathered) -> None:
    """What is right alone and wrong together."""

    def at(*names: str) -> str:
        return next((found.sources[name] for name in names if name in found.sources), names[0])

    if settings.port is None and settings.tls_port is None:
        found.wrong(
            at("tls_port", "port"), "port and tls_port are both off: there would be no door"
        )
    if settings.key is not None and settings.certificate is None:
        found.wrong(at("tls_key"), "tls_key belongs to tls_cert, which is not set")
    for table in ("http", "websocket", "mux"):
        low, high = (getattr(getattr(settings, table), f"write_{end}") for end in ("low", "high"))
        if low >= high:
            names = (f"{table}.write_low", f"{table}.write_high")
            found.wrong(at(*names), f"{names[0]} ({low}) must be below {names[1]} ({high})")
    if settings.access.proxy_protocol and not settings.access.trust_proxies:
        found.wrong(
            at("access.proxy_protocol"),
            "access.proxy_protocol needs access.trust_proxies: who may write the header?",
        )
    wire = settings.websocket
    if wire.silence_s <= wire.keepalive_s:
        names = ("websocket.silence_s", "websocket.keepalive_s")
        found.wrong(
            at(*names),
            f"{names[0]} ({wire.silence_s:g}) must be above {names[1]} ({wire.keepalive_s:g}), or "
            "who is quiet is taken for gone",
        )
    specs = [("engine", settings.engine), *(("models", spec) for _, spec in settings.models)]
    if settings.voice not in {"", "off"}:
        specs.append(("voice", settings.voice))
    for name, upstream in settings.upstreams:
        try:
            entry(name, upstream)
        except Refused as error:
            found.wrong(at("upstreams"), str(error))
    for name, recognizer in settings.google.recognizers:
        try:
            preset(name, recognizer)
        except Refused as error:
            found.wrong(at("google.recognizers"), str(error))
    for name, spec in specs:
        for problem in _unopenable(spec, dict(settings.upstreams)):
            found.wrong(at(name), f"{name}: {problem}")


def _unopenable(spec: str, upstreams: Mapping[str, str]) -> Iterable[str]:
    """Why the engines that a text names could not be opened, as far as their names say."""
    try:
        wanted = choices(spec)
    except Refused as error:
        yield str(error)
        return
    for _, _, each in wanted:
        engine, _, argument = each.partition(":")
        if engine == "upstream":
            try:
                open_upstream(argument, upstreams)
            except Refused as error:
                yield str(error)
        elif engine not in NAMES:
            near = nearest(engine, _ENGINES)
            hint = f"did you mean {near}? " if near else ""
            yield (f"engine {engine[:60]!r} is not known; {hint}there are {', '.join(_ENGINES)}")


def _place(message: str) -> tuple[int, str]:
    """The line that tomllib put into its sentence, and the rest of that."""
    found = re.search(r"\s*\(at (?:line (\d+), column (\d+)|end of document)\)", message)
    if found is None:
        return 0, message[:200]
    end = " at its end: is it complete?" if found[1] is None else f" (column {found[2]})"
    return int(found[1] or 0), message[: found.start()][:200] + end


_HEADER = re.compile(r"\s*\[\s*([^\[\]]+?)\s*\]")
_QUOTES = re.compile(r'"""|\'\'\'')


def _line(text: str, table: str, key: str) -> int:
    """Where a key of a table stands; 0 = it was written in a form that is not looked for."""
    names = {key, f'"{key}"', f"'{key}'"}
    inside, within = "", ""
    for number, line in enumerate(text.splitlines(), 1):
        if within:
            within = "" if line.count(within) % 2 else within
            continue
        if header := _HEADER.match(line):
            inside = header[1].strip().strip("\"'")
            if not table and inside in {key, table}:
                return number
            continue
        name = line.partition("=")[0].strip()
        if inside == table and name in names:
            return number
        dotted = not inside and name.startswith(f"{table}.")
        if table and dotted and name.removeprefix(f"{table}.").strip() in names:
            return number
        if quotes := _QUOTES.search(line):
            within = quotes[0] if line.count(quotes[0]) % 2 else ""
    return 0
