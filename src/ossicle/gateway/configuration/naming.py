"""What may be configured: one name for each setting, the same in a file, in the environment and
on the command line. Made from the settings themselves, so that defaults and texts stand once.

    a field of                   in the file         in the environment           as a flag
    GatewaySettings.tls_port     tls_port = 8443     OSSICLE_TLS_PORT=8443        --tls-port 8443
    SessionSettings.idle_s       [session]           OSSICLE_SESSION__IDLE_S=60   --set NAME=60
                                 idle_s = 60                                      session.idle_s

A field that is added to one of the structs has its name by that. Knows no file and no process;
`configuration` reads those.
"""

import ast
import difflib
import inspect
import math
import types
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, Union, cast, get_args, get_origin

import msgspec

from .settings import GatewaySettings

__all__ = ["LATER", "PREFIX", "SETTINGS", "TABLES", "Kind", "Setting", "nearest", "schema"]

Kind: TypeAlias = Literal[
    "choice", "list", "number", "numbers", "path", "port", "switch", "table", "text", "whole"
]

PREFIX = "OSSICLE_"

LATER = {
    "quic_port": "WebTransport and Media over QUIC",
    "sip_port": "SIP",
    "sip_tls_port": "SIP over TLS",
    "rtp_ports": "RTP",
}
"""Names that are fixed already, whose door is not in this version: one line says so, no error."""

_RENAMED = {"certificate": "tls_cert", "key": "tls_key", "allow_hosts": "allow_host"}
"""Fields whose name for people is another. `OSSICLE_KEY` is the key of a client, everywhere."""

_NOT_HERE = {"keys"}
"""Fields that no file holds: secrets, which come from the environment (`gateway.access`)."""

_BYTES, _LONG_S, _LONG_MS = float(1 << 30), 31_536_000.0, 3_600_000.0

_LIMITS: dict[str, tuple[float, float]] = {
    "sessions": (1, 1_000_000),
    "patience_s": (0, 60),
    "heartbeat_s": (0.1, 3_600),
    "drain_s": (0, 86_400),
    "session.unsent_ms": (100, _LONG_MS),
    "session.flow_ms": (100, 60_000),
    "session.open_s": (0.1, 600),
    "session.speak_ahead_ms": (100, _LONG_MS),
    "session.replays": (0, 1_000),
    "session.replay_wait_s": (0, 600),
    "http.head_timeout": (0.1, 3_600),
    "http.slow_reader_s": (0.1, 86_400),
    "http.max_head": (1_024, 1 << 24),
    "webrtc.calls": (1, 100_000),
    "webrtc.bitrate": (6_000, 510_000),
    "webrtc.least_bitrate": (6_000, 510_000),
    "webrtc.complexity": (0, 10),
    "webrtc.connect_s": (1, 600),
    "webrtc.consent_s": (2, 600),
    "webrtc.max_offer": (1_024, 1 << 20),
    "webrtc.max_message": (1_024, 1 << 20),
    "webrtc.turn_ttl_s": (60, 31_536_000),
    "grpc.streams_per_connection": (1, 1_000_000),
    "grpc.slow_reader_s": (0.1, 86_400),
    "grpc.keepalive_s": (1, 86_400),
    "grpc.keepalive_timeout_s": (0.1, 3_600),
    "grpc.min_ping_interval_s": (0, 3_600),
    "grpc.max_head": (1_024, 1 << 24),
    "grpc.window": (65_535, 1 << 24),
    "mux.streams": (1, 1_000_000),
    "mux.window": (1_024, _BYTES),
    "mux.handshake_timeout": (0.1, 3_600),
    "mux.slow_reader_s": (0.1, 86_400),
    "mux.close_timeout": (0.1, 3_600),
    "mux.linger_s": (0.1, 86_400),
    "http2.max_streams": (1, 10_000),
    "http2.window": (16_384, 1 << 24),
    "http2.max_head": (1_024, 1 << 24),
    "http2.head_timeout": (0.1, 3_600),
    "http2.keepalive_s": (0.1, 86_400),
    "websocket.handshake_timeout": (0.1, 3_600),
    "websocket.keepalive_s": (0.1, 86_400),
    "websocket.silence_s": (0.1, 86_400),
    "websocket.slow_reader_s": (0.1, 86_400),
    "websocket.close_timeout": (0.1, 3_600),
    "websocket.max_held": (1, 1_000_000),
    "probe.at_once": (1, 1_000_000),
    "probe.per_address": (1, 1_000_000),
    "probe.most_s": (1, 3_600),
}
_BY_NAME: tuple[tuple[tuple[str, ...], tuple[float, float]], ...] = (
    (("_ms",), (0, _LONG_MS)),
    (("_s", "_timeout"), (0, _LONG_S)),
    (("_buffer", "write_high", "write_low", "max_backlog", "max_message"), (1_024, _BYTES)),
)
_ANY = (0.0, float(1 << 31))


class Setting(msgspec.Struct, frozen=True):
    """One thing that may be configured."""

    name: str
    """Dotted, as `session.idle_s`."""
    attribute: tuple[str, ...]
    """Where it stands in `GatewaySettings`."""
    kind: Kind
    default: Any
    text: str = ""
    """One or two sentences for people."""
    least: float = _ANY[0]
    most: float = _ANY[1]
    """Numbers outside are refused."""
    choices: tuple[str, ...] = ()
    optional: bool = False
    """It may be off, which is None."""

    @property
    def variable(self) -> str:
        """Its name in the environment."""
        return PREFIX + self.name.upper().replace(".", "__")

    @property
    def flag(self) -> str:
        """Its flag of `ossicle serve`."""
        return "--set " + self.name if "." in self.name else "--" + self.name.replace("_", "-")

    def accepts(self) -> str:
        """What it takes, in words."""
        match self.kind:
            case "port":
                return "a port: 1-65535, 0 for any free one, or off"
            case "whole":
                return f"a whole number from {self.least:g} to {self.most:.0f}"
            case "number":
                return f"a number from {self.least:g} to {self.most:.0f}"
            case "numbers":
                return f"a list of numbers from {self.least:g} to {self.most:.0f}"
            case "switch":
                return "true or false"
            case "list":
                return "a list of texts"
            case "choice":
                return "one of " + ", ".join(self.choices)
            case "path":
                return "a path"
            case "table":
                return 'a table of texts, as in "nova-*" = "pocketsphinx"'
            case "text":
                return "a text in quotes"

    def read(self, value: object) -> Any:
        """The value of the setting from one in a file.

        Raises:
            ValueError: it is of another kind, or outside the limits; the text says what would do.
        """
        found = self._read(value)
        if found is _WRONG:
            raise ValueError(f"{shown(value)} is not {self.accepts()}")
        return found

    def parse(self, text: str) -> Any:
        """The value of the setting from the words of an environment or a command line. Lists are
        separated by commas, routes by semicolons.

        Raises:
            ValueError: as `read`.
        """
        value: object = text
        plain = text.strip()
        match self.kind:
            case "switch":
                value = _SWITCH.get(plain.lower(), text)
            case "whole" | "port" | "number":
                value = _number(plain, text)
            case "numbers":
                value = [_number(part.strip(), part) for part in plain.split(",")] if plain else []
            case "list":
                value = [part.strip() for part in text.split(",") if part.strip()]
            case "table":
                pairs = [part.partition("=") for part in text.split(";") if part.strip()]
                value = {name.strip(): spec.strip() for name, _, spec in pairs}
            case "choice" | "path" | "text":
                pass
        try:
            return self.read(value)
        except ValueError:
            raise ValueError(f"{shown(text)} is not {self.accepts()}") from None

    def _read(self, value: Any) -> Any:
        if self.optional and isinstance(value, str) and value.lower() == "off":
            return None
        match self.kind:
            case "switch":
                return value if isinstance(value, bool) else _WRONG
            case "whole" | "port":
                whole = isinstance(value, int) and not isinstance(value, bool)
                return value if whole and self._inside(value) else _WRONG
            case "number":
                return float(value) if _is_number(value) and self._inside(value) else _WRONG
            case "numbers":
                if not isinstance(value, list):
                    return _WRONG
                items = cast("list[object]", value)
                fit = len(items) <= _MOST_ITEMS and all(
                    _is_number(item) and self._inside(item) for item in items
                )
                return tuple(float(cast("float", item)) for item in items) if fit else _WRONG
            case "text":
                return value if _is_text(value) else _WRONG
            case "path":
                return Path(value) if _is_text(value) and value else _WRONG
            case "choice":
                return value if value in self.choices else _WRONG
            case "list":
                return _texts(value)
            case "table":
                return _routes(value)

    def _inside(self, value: Any) -> bool:
        return self.least <= value <= self.most  # False for NaN, too


class _Wrong:
    """Stands for a value that is none, where None is one."""


_WRONG = _Wrong()
_SWITCH = {"true": True, "yes": True, "on": True, "1": True,
           "false": False, "no": False, "off": False, "0": False}  # fmt: skip
_MOST_ITEMS = 1_000


def shown(value: object) -> str:
    """A value as people wrote it, bounded: it may be anything."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return f"a list of {len(cast('list[object]', value))}"
    if isinstance(value, int) and abs(value) > 10**20:
        return "so large a number"
    text = repr(value) if isinstance(value, str | int | float) else str(value)
    return text if len(text) <= 60 else text[:57] + "…"


def nearest(name: str, names: Iterable[str]) -> str:
    """The known name that was probably meant; "" = none is near."""
    known = list(names)
    near = difflib.get_close_matches(name, known, 1, cutoff=0.7)
    if not near and "." not in name:  # the right name, without its table
        near = [each for each in known if each.rpartition(".")[2] == name]
    return near[0] if near else ""


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and _finite(value)


def _finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond what a float holds
        return False


def _is_text(value: object) -> bool:
    return isinstance(value, str) and "\0" not in value and len(value) <= 4_096


def _texts(value: object) -> Any:
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, list):
        return _WRONG
    items = cast("list[object]", value)
    fit = len(items) <= _MOST_ITEMS and all(_is_text(item) and item for item in items)
    return tuple(items) if fit else _WRONG


def _routes(value: object) -> Any:
    if not isinstance(value, dict):
        return _WRONG
    pairs = cast("dict[str, object]", value)
    fit = len(pairs) <= _MOST_ITEMS and all(
        name and _is_text(name) and spec and _is_text(spec) for name, spec in pairs.items()
    )
    return tuple(pairs.items()) if fit else _WRONG


def _number(text: str, otherwise: str) -> object:
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        return otherwise


# ── from the structs ──


@cache
def _texts_of(kind: type[msgspec.Struct]) -> Mapping[str, str]:
    """The docstring below each field; "" is the class's own. Empty without the source."""
    try:
        (node,) = ast.parse(inspect.getsource(kind)).body
    except (OSError, SyntaxError):
        return {}
    assert isinstance(node, ast.ClassDef)
    texts = {"": ast.get_docstring(node) or ""}
    for statement, after in zip(node.body, [*node.body[1:], None], strict=True):
        if (
            isinstance(statement, ast.AnnAssign)
            and isinstance(statement.target, ast.Name)
            and isinstance(after, ast.Expr)
            and isinstance(after.value, ast.Constant)
        ):
            texts[statement.target.id] = " ".join(str(after.value.value).split())
    return texts


def _settings(
    kind: type[msgspec.Struct], table: str = "", above: tuple[str, ...] = ()
) -> Iterable[Setting]:
    texts = _texts_of(kind)
    for field in msgspec.structs.fields(kind):
        name = table + _RENAMED.get(field.name, field.name)
        if name in _NOT_HERE:
            continue
        if (inner := _struct(field.type)) is not None:
            yield from _settings(inner, f"{field.name}.", (*above, field.name))
            continue
        found = _kind(field.type)
        if found is None:
            unsayable.append(name)
            continue
        what, choices, optional = found
        least, most = (0.0, 65_535.0) if what == "port" else _limits(name)
        yield Setting(
            name,
            (*above, field.name),
            what,
            field.default,
            texts.get(field.name, ""),
            least,
            most,
            choices,
            optional,
        )


def _kind(given: Any) -> tuple[Kind, tuple[str, ...], bool] | None:
    if get_origin(given) is Annotated:
        given = get_args(given)[0]
    if get_origin(given) is Literal:
        return "choice", get_args(given), False
    optional = False
    if get_origin(given) in {Union, types.UnionType} and type(None) in get_args(given):
        optional = True
        (given,) = [each for each in get_args(given) if each is not type(None)]
    if given is int:
        return ("port" if optional else "whole"), (), optional
    kinds: dict[Any, Kind] = {
        bool: "switch",
        float: "number",
        str: "text",
        Path: "path",
        tuple[str, ...]: "list",
        tuple[float, ...]: "numbers",
        tuple[tuple[str, str], ...]: "table",
    }
    return (kinds[given], (), optional) if given in kinds else None


def _limits(name: str) -> tuple[float, float]:
    if name in _LIMITS:
        return _LIMITS[name]
    for ends, limits in _BY_NAME:
        if name.endswith(ends):
            return limits
    return _ANY


def _struct(given: Any) -> type[msgspec.Struct] | None:
    is_one = isinstance(given, type) and issubclass(given, msgspec.Struct)
    return cast("type[msgspec.Struct]", given) if is_one else None


unsayable: list[str] = []
"""Fields that are of a type no file can say. A test holds it empty."""

SETTINGS: Mapping[str, Setting] = {each.name: each for each in _settings(GatewaySettings)}
"""Every setting by its dotted name, in the order of the structs."""

TABLES: Mapping[str, str] = {
    "": _texts_of(GatewaySettings).get("", ""),
    **{
        field.name: _texts_of(inner).get("", "")
        for field in msgspec.structs.fields(GatewaySettings)
        if (inner := _struct(field.type)) is not None
    },
}
"""The tables of a file and what is in them; "" is its beginning."""


def schema() -> dict[str, Any]:
    """JSON Schema of a configuration file (editors for TOML read it)."""
    root: dict[str, Any] = {}
    for each in SETTINGS.values():
        table, _, name = each.name.rpartition(".")
        inside = root
        if table:
            empty: dict[str, Any] = {
                "type": "object",
                "description": TABLES[table],
                "additionalProperties": False,
                "properties": {},
            }
            inside = root.setdefault(table, empty)["properties"]
        inside[name] = _shape(each) | {"description": each.text}
        if each.default is not msgspec.NODEFAULT and each.default is not None:
            inside[name]["default"] = plain(each.default)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Ossicle: configuration of a gateway",
        "type": "object",
        "additionalProperties": False,
        "properties": root,
    }


def plain(value: object) -> Any:
    """A value as TOML and JSON have it."""
    if value is None:
        return "off"
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, tuple):
        items = cast("tuple[object, ...]", value)
        if items and isinstance(items[0], tuple):
            return dict(cast("tuple[tuple[str, str], ...]", items))
        return list(items)
    return value


def _shape(each: Setting) -> dict[str, Any]:
    bounds = {"minimum": each.least, "maximum": each.most}
    shape: dict[str, Any]
    match each.kind:
        case "port":
            shape = {"type": "integer", "minimum": 0, "maximum": 65_535}
        case "whole":
            shape = {"type": "integer", "minimum": int(each.least), "maximum": int(each.most)}
        case "number":
            shape = {"type": "number", **bounds}
        case "numbers":
            shape = {"type": "array", "items": {"type": "number", **bounds}}
        case "switch":
            shape = {"type": "boolean"}
        case "choice":
            shape = {"enum": list(each.choices)}
        case "list":
            shape = {"type": "array", "items": {"type": "string", "minLength": 1}}
        case "table":
            shape = {"type": "object", "additionalProperties": {"type": "string", "minLength": 1}}
        case "text" | "path":
            shape = {"type": "string"}
    return {"anyOf": [shape, {"const": "off"}]} if each.optional else shape
