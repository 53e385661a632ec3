"""The AsyncAPI 3.0 document of the gateway's WebSockets, from the table of channels and the types
their dialects parse with. It is the gateway's document: what it *receives* is what a client sends.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec
from asyncapi_channels import CHANNELS, Channel, message_name
from openapi_document import project
from schemas import Schema, Shelf

__all__ = ["asyncapi_document"]

BINARY: Schema = {"type": "string", "format": "binary"}


def asyncapi_document() -> Schema:
    """The document."""
    version, text = project()
    shelf = Shelf(draft_07=True)
    messages: dict[str, Schema] = {}
    channels: dict[str, Schema] = {}
    operations: dict[str, Schema] = {}
    for channel in CHANNELS:
        taken = _messages(channel, channel.takes, channel.hears, "audio-in", shelf)
        given = _messages(channel, channel.gives, channel.says, "audio-out", shelf)
        if both := taken.keys() & given.keys():
            raise ValueError(f"{channel.name}: {both} go both ways under one name")
        messages |= {f"{channel.name}.{name}": it for name, it in (taken | given).items()}
        channels[channel.name] = _channel(channel, [*taken, *given])
        for action, verb, names in (("receive", "hears", taken), ("send", "says", given)):
            if names:
                operations[f"{channel.name}.{verb}"] = {
                    "action": action,
                    "channel": {"$ref": f"#/channels/{channel.name}"},
                    "summary": f"What the gateway {verb}.",
                    "messages": [
                        {"$ref": f"#/channels/{channel.name}/messages/{name}"} for name in names
                    ],
                }
    document = {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Ossicle",
            "version": version,
            "description": f"{text} WebSockets; plain HTTP is in openapi.json.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "plain": {"host": "localhost:8080", "protocol": "ws"},
            "tls": {"host": "localhost:8443", "protocol": "wss"},
        },
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages, "schemas": dict(sorted(shelf.schemas.items()))},
    }
    return msgspec.json.decode(msgspec.json.encode(document))


def _messages(
    channel: Channel, kinds: tuple[type[msgspec.Struct], ...], binary: str, name: str, shelf: Shelf
) -> dict[str, Schema]:
    found: dict[str, Schema] = {}
    for kind in kinds:
        payload = shelf.ref(kind)
        schema = shelf.schemas[payload["$ref"].rsplit("/", 1)[-1]]
        found[message_name(kind)] = {
            "name": message_name(kind),
            "title": f"{channel.title}: {message_name(kind)}",
            "summary": schema.get("description", ""),
            "payload": payload,
        }
    if binary:
        found[name] = {
            "name": name,
            "title": f"{channel.title}: sound",
            "summary": binary,
            "contentType": "application/octet-stream",
            "payload": BINARY,
        }
    return found


def _channel(channel: Channel, names: list[str]) -> Schema:
    ws: dict[str, Any] = {"method": "GET", "bindingVersion": "0.1.0"}
    if channel.query:
        ws["query"] = {"type": "object", "properties": dict(channel.query)}
    made: Schema = {
        "address": channel.address,
        "title": channel.title,
        "description": channel.text,
        "messages": {
            name: {"$ref": f"#/components/messages/{channel.name}.{name}"} for name in names
        },
        "bindings": {"ws": ws},
    }
    if named := re.findall(r"\{(\w+)\}", channel.address):
        made["parameters"] = {name: {"description": "Its id or another name."} for name in named}
    return made
