"""`asyncapi.json` for people: one section for each WebSocket, one table for each message. Reads the
document and nothing else.
"""

from __future__ import annotations

import re

from openapi_page import inside, link, parts
from schemas import Schema, rows

__all__ = ["message_page"]

ABOUT = """\
# Messages on WebSockets

What may be said on each WebSocket, both ways, in the types the gateway parses with. The same for
machines: [asyncapi.json](asyncapi.json), AsyncAPI 3.0, which a gateway also serves at
`/asyncapi.json`. Plain HTTP is in [its own page](http.md).

A field without a default and without **required** may be absent.
"""
OWN_PAGE = {"/v1/stream", "/v1/sessions/{name}/events"}
"""Addresses whose messages are told in full on the page of `ossicle.v1`."""


def message_page(document: Schema) -> str:
    """The page."""
    out = [ABOUT]
    schemas = document["components"]["schemas"]
    asked: list[str] = []
    shown: set[str] = set()
    for name, channel in document["channels"].items():
        out += [f"## {channel['title']}\n", f"`GET {channel['address']}`, upgraded to WebSocket.",
                f"{channel['description']}\n"]  # fmt: skip
        if channel["address"] in OWN_PAGE:
            out.append("Parameters and messages: [ossicle.v1](ossicle-v1.md).\n")
            continue
        if properties := channel["bindings"]["ws"].get("query", {}).get("properties"):
            out += [*rows(properties, named=link), ""]
        for verb, who in (("hears", "From the client"), ("says", "From the gateway")):
            operation = document["operations"].get(f"{name}.{verb}")
            if operation is None:
                continue
            out.append(f"### {channel['title']}: {who[0].lower()}{who[1:]}\n")
            for reference in operation["messages"]:
                key = reference["$ref"].rsplit("/", 1)[-1]
                message = document["components"]["messages"][f"{name}.{key}"]
                if not inside(message["payload"]):
                    out.append(f"**Binary**: {message['summary']}\n")
                    continue
                kind = inside(message["payload"])[0]
                shown.add(kind)
                out += _message(message, schemas[kind])
                asked += inside(schemas[kind].get("properties", {}))
    out += ["## Parts of messages\n", *parts(schemas, asked, shown)]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(out)).rstrip() + "\n"


def _message(message: Schema, schema: Schema) -> list[str]:
    text = " ".join(message["summary"].split())
    out = [f"#### `{message['name']}`\n", f"{text}\n" if text else ""]
    fields = schema["properties"]
    return [*out, *rows(fields, schema.get("required", ()), link), ""] if fields else out
