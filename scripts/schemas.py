"""JSON Schema of message types, each under a name that is its own in the whole document, every
field with its docstring.

    shelf = Shelf()
    shelf.ref(listen_messages.Results)      →  {"$ref": "#/components/schemas/deepgram.Results"}
    shelf.schemas                           →  that one, and what it is made of

Two providers may call a message the same; the first part of a name says whose it is. Types of the
core belong to nobody and have one part.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import msgspec
from docstrings import docs_of

__all__ = ["Schema", "Shelf", "leaf", "rows", "shape"]

Schema = dict[str, Any]

OWNERS = {
    "ossicle.core": "",
    "ossicle.dialects.native": "native.",
    "ossicle.dialects.deepgram.flux_messages": "flux.",
    "ossicle.dialects.deepgram.speak_messages": "speak.",
    "ossicle.dialects.deepgram": "deepgram.",
    "ossicle.dialects.amazon": "amazon.",
    "ossicle.dialects.assemblyai": "assemblyai.",
    "ossicle.dialects.openai": "openai.",
    "ossicle.dialects.twilio.telnyx": "telnyx.",
    "ossicle.dialects.twilio.vonage": "vonage.",
    "ossicle.dialects.twilio.plivo": "plivo.",
    "ossicle.dialects.twilio": "twilio.",
    "ossicle.gateway": "gateway.",
    "ossicle.advisor": "advisor.",
    "ossicle.transports.webrtc": "webrtc.",
}
"""Whose a type is, by the longest beginning of its module's name. A new dialect adds a line."""
AT = "#/components/schemas/"


class Shelf:
    """The schemas of one document."""

    def __init__(self, *, draft_07: bool = False) -> None:
        """`draft_07`: without what JSON Schema learned later. AsyncAPI 3.0 stands on draft 07."""
        self.schemas: dict[str, Schema] = {}
        self._draft_07 = draft_07

    def ref(self, kind: type[msgspec.Struct]) -> Schema:
        """A reference to the schema of a struct, which is on the shelf from now on."""
        kinds = {each.__name__: each for each in _structs(kind)}
        _, parts = msgspec.json.schema_components([kind], ref_template="{name}")
        if set(parts) != set(kinds):
            raise ValueError(f"{kind.__name__} is made of two types with the same name")
        for name, schema in parts.items():
            schema["title"] = name.lstrip("_")
            self.schemas[_named(kinds[name])] = self._told(kinds[name], self._moved(schema, kinds))
        return {"$ref": AT + _named(kind)}

    def fields(self, kind: type[msgspec.Struct]) -> dict[str, Schema]:
        """The schema of each field, for those that are parameters and not a message."""
        self.ref(kind)
        return self.schemas.pop(_named(kind))["properties"]

    def _moved(self, value: Any, kinds: dict[str, type[msgspec.Struct]]) -> Any:
        """The same with references that lead to this shelf."""
        if isinstance(value, list):
            return [self._moved(each, kinds) for each in value]
        if not isinstance(value, dict):
            return value
        # The union it tells apart names the messages anyway, and AsyncAPI has another form of it.
        moved = {k: self._moved(v, kinds) for k, v in value.items() if k != "discriminator"}
        if isinstance(name := moved.get("$ref"), str):
            moved["$ref"] = AT + _named(kinds[name])
        if self._draft_07 and "prefixItems" in moved:
            moved["items"] = moved.pop("prefixItems")
            moved["additionalItems"] = False
        return moved

    def _told(self, kind: type[msgspec.Struct], schema: Schema) -> Schema:
        for field in msgspec.structs.fields(kind):
            text = next((texts[field.name] for texts in _lineage(kind) if field.name in texts), "")
            at = schema["properties"].get(field.encode_name)
            if not text or at is None:
                continue
            if "$ref" in at:  # draft 07 does not read what stands beside a reference
                at = {"allOf": [{"$ref": at["$ref"]}], **{k: at[k] for k in at if k != "$ref"}}
            schema["properties"][field.encode_name] = {**at, "description": text}
        return schema


def _lineage(kind: type) -> Iterator[dict[str, str]]:
    for each in kind.__mro__:
        if each.__module__.startswith("ossicle."):
            yield docs_of(sys.modules[each.__module__]).get(each.__name__, {})


def _named(kind: type) -> str:
    owner = max(
        (each for each in OWNERS if kind.__module__.startswith(each)), key=len, default=None
    )
    if owner is None:
        raise KeyError(f"{kind.__module__}: whose messages these are is not in schemas.OWNERS")
    return OWNERS[owner] + kind.__name__.lstrip("_")


def _structs(kind: type[msgspec.Struct]) -> set[type[msgspec.Struct]]:
    """A struct and all it is made of."""
    found: set[type[msgspec.Struct]] = set()

    def walk(info: Any) -> None:
        if isinstance(info, msgspec.inspect.StructType):
            if info.cls in found:
                return
            found.add(info.cls)
            for field in info.fields:
                walk(field.type)
            return
        for name in ("type", "item_type", "key_type", "value_type"):
            if isinstance(below := getattr(info, name, None), msgspec.inspect.Type):
                walk(below)
        for name in ("types", "item_types"):
            for below in getattr(info, name, ()):
                walk(below)

    walk(msgspec.inspect.type_info(kind))
    return found


def leaf(schema: Schema) -> str:
    """The name at the end of a reference, "" where there is none."""
    if "allOf" in schema:
        schema = schema["allOf"][0]
    return str(schema.get("$ref", "")).rsplit("/", 1)[-1]


def code(name: str) -> str:
    """A name as code."""
    return f"`{name}`"


def shape(schema: Schema, named: Callable[[str], str] = code) -> str:
    """A schema as a few words; `named` writes the name of another one."""
    if name := leaf(schema):
        return named(name)
    if "anyOf" in schema:
        return " or ".join(shape(item, named) for item in schema["anyOf"])
    if "enum" in schema:
        return " ".join(f"`{json.dumps(value)}`" for value in schema["enum"])
    kind = schema.get("type", "any")
    if kind == "array":
        inside = schema.get("items") or (schema.get("prefixItems") or [{}])[0]
        return f"list of {shape(inside[0] if isinstance(inside, list) else inside, named)}"
    limits = [
        f"{word} {schema[name]}"
        for name, word in (("minimum", "≥"), ("maximum", "≤"), ("maxLength", "at most"))
        if name in schema and schema[name] not in {0, 2**53}
    ]
    told = {"base64": "base64"}.get(schema.get("contentEncoding", ""), kind)
    return f"{told} ({', '.join(limits)})" if limits else str(told)


def rows(
    properties: Mapping[str, Schema],
    required: Iterable[str] = (),
    named: Callable[[str], str] = code,
) -> list[str]:
    """The lines of a table of fields."""
    must = set(required)
    out = ["| name | type | default | |", "|---|---|---|---|"]
    for name, schema in properties.items():
        default = f"`{json.dumps(schema['default'])}`" if "default" in schema else ""
        told = "**required**" if name in must else default if len(default) < 40 else ""
        text = " ".join(schema.get("description", "").split())
        out.append(f"| `{name}` | {shape(schema, named)} | {told} | {text} |")
    return out
