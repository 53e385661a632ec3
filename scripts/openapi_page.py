"""`openapi.json` for people: one section for each route. Reads the document and nothing else."""

from __future__ import annotations

import re

from schemas import Schema, leaf, rows, shape

__all__ = ["http_page", "link", "parts"]

ABOUT = """\
# Plain HTTP

Every route that is no WebSocket; those are in [Messages](messages.md). The same for machines:
[openapi.json](openapi.json), OpenAPI 3.1, which a gateway also serves at `/openapi.json`.

Where keys are off, no credential is asked for. The body of a refusal says why, in the words of
whose client it is; [which code has which status](ossicle-v1.md#errors).
"""


def link(name: str) -> str:
    """To the section of a schema on the same page."""
    return f"[`{name}`](#{re.sub(r'[^a-z0-9_-]', '', name.lower())})"


def parts(schemas: dict[str, Schema], names: list[str], shown: set[str]) -> list[str]:
    """The sections of these schemas and of all they are made of, each once."""
    out: list[str] = []
    todo = list(names)
    while todo:
        name = todo.pop(0)
        if name in shown:
            continue
        shown.add(name)
        schema = schemas[name]
        text = " ".join(schema.get("description", "").split())
        out += [f"### `{name}`\n", f"{text}\n" if text else ""]
        properties = schema.get("properties", {})
        out += [*rows(properties, schema.get("required", ()), link), ""] if properties else []
        todo = [*inside(properties), *todo]
    return [line for line in out if line is not None]


def inside(value: object) -> list[str]:
    """The names of the schemas that are referred to in there, in their order."""
    if isinstance(value, dict):
        if name := leaf(value) if "$ref" in value else "":
            return [name]
        return [name for each in value.values() for name in inside(each)]
    if isinstance(value, list):
        return [name for each in value for name in inside(each)]
    return []


def http_page(document: Schema) -> str:
    """The page."""
    out = [ABOUT]
    schemas = document["components"]["schemas"]
    asked: list[str] = []
    for tag in document["tags"]:
        out += [f"## {tag['name'].capitalize()}\n", f"{tag['description']}\n"]
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                if tag["name"] in operation["tags"]:
                    out += _operation(f"{method.upper()} {path}", operation, document)
                    asked += inside(operation)
    out += ["## Bodies\n", *parts(schemas, asked, set())]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(out)).rstrip() + "\n"


def _operation(title: str, operation: Schema, document: Schema) -> list[str]:
    out = [f"### `{title}`\n", operation["summary"] + ".\n"]
    if text := operation.get("description"):
        out.append(f"{text}\n")
    schemes = document["components"]["securitySchemes"]
    names = [name for each in operation["security"] for name in each]
    if names:
        out.append(
            "Credential: "
            + "; or ".join(
                f"the {'parameter' if schemes[name].get('in') == 'query' else 'header'} "
                f"`{schemes[name].get('name', 'Authorization: Bearer')}` "
                f"({schemes[name]['description'][:1].lower()}{schemes[name]['description'][1:-1]})"
                for name in names
            )
            + ".\n"
        )
    given = [each for each in operation.get("parameters", ()) if each["in"] == "query"]
    if given:
        fields = {
            each["name"]: {**each["schema"], "description": each["description"]} for each in given
        }
        needed = [each["name"] for each in given if each["required"]]
        out += [*rows(fields, needed, link), ""]
    if body := operation.get("requestBody"):
        out.append(f"Body: {_media(body['content'])}.\n")
    out += ["| answer | | body |", "|---|---|---|"]
    refused: dict[str, list[str]] = {}
    for status, answer in operation["responses"].items():
        body = _media(answer.get("content", {}))
        if " Codes: " in answer["description"]:
            refused.setdefault(body, []).append(status)
        else:
            out.append(f"| {status} | {answer['description']} | {body} |")
    for body, statuses in refused.items():
        out.append(f"| {' '.join(statuses)} | Refused: its code says why. | {body} |")
    return [*out, ""]


def _media(content: dict[str, Schema]) -> str:
    """Media types, and the schema where it says more than they do."""
    by_shape: dict[str, list[str]] = {}
    for kind, it in content.items():
        schema = it["schema"]
        told = shape(schema, link) if inside(schema) and schema.get("type") != "object" else ""
        by_shape.setdefault(told, []).append(f"`{kind}`" if kind != "*/*" else "of any type")
    return "; ".join(
        f"{', '.join(kinds)}{f': {told}' if told else ''}" for told, kinds in by_shape.items()
    )
