"""Writes the reference pages that are made from code: the protocol, its JSON Schema, the options,
the engines, the commands, the figures.

    python scripts/reference.py            # write docs/reference/
    python scripts/reference.py --check    # fail when a page is not what the code says

The types are the specification: names, defaults and limits are read from them, and the text below
a field is its docstring.
"""

from __future__ import annotations

import argparse
import json
import sys
import typing
from pathlib import Path

import msgspec
from asyncapi_document import asyncapi_document
from asyncapi_page import message_page
from configuration_page import configuration_page
from docstrings import docs_of
from facts_page import between, choices, comparison, wires_page
from openapi_document import openapi_document
from openapi_page import http_page
from proto_page import proto_page
from schemas import shape
from specifications_page import specifications_page
from surface import command_page, engine_page, metric_page

from ossicle.advisor.drawing import base64_svg, tree_svg
from ossicle.core import capabilities, errors, events, ledger
from ossicle.core import options as core_options
from ossicle.core.errors import CODES
from ossicle.core.formats import CONTAINERS, MAX_CHANNELS, MAX_RATE, MIN_RATE, WIDTHS
from ossicle.dialects.native import messages
from ossicle.dialects.native.errors import STATUS
from ossicle.dialects.native.query import NAMES
from ossicle.gateway.reports import hookbody, records

__all__ = ["files", "main", "pages"]

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "reference"
SERVED = ROOT / "src" / "ossicle" / "web"
"""Where the package keeps what a gateway serves."""
MADE = "<!-- made from the code by scripts/reference.py: change that, then `make reference` -->\n\n"
ABOUT = """\
| door | how |
|---|---|
| WebSocket | `GET /v1/stream`: JSON text messages, binary audio |
| chunked HTTP | `POST /v1/stream`: audio in, answers out while it is still being sent |
| gRPC | `ossicle.v1.Speech/Stream`: the same messages [in protobuf](ossicle-v1-proto.md) |

**Credential**: `Authorization: Bearer KEY`, or the subprotocols `ossicle.v1, token, KEY`
(browsers; a token does instead of a key everywhere), or `?token=TOKEN`: tokens that end by
themselves only, from `POST /v1/tokens`. A whole key there is refused, since URLs are logged.

**HTTP answers** by `Accept`: `application/x-ndjson` (default; one JSON object a line),
`text/event-stream` (the same objects as events), `text/plain` (the words only). The status is
held until the audio is recognised, so bad audio is a 4xx. Sound is base64 in `audio_out.data`
there; on a WebSocket it is the binary message after `audio_out`.

**Resume**: `?resume=TOKEN&since=SEQ`. `began.taken_bytes` says where to go on. Add `settled_ms=`
and `turn=` to let a gateway that does not know the token go on as a new session from there. The
token begins with the name of its gateway and a dot, so that
[a proxy can route by it](../howto/behind-a-proxy.md#several-gateways).

**Silences**: at least every 20 s (`heartbeat_s`) something is sent, whatever is said: the last
`flow` again, and to an observer a ping, a comment of server-sent events, or a space before the next
JSON line.

**Listen in**: `?session=ID`, with `role=observer` (default) or `role=controller`; or
[without this protocol](../howto/observe-sessions.md).
"""


def ticked(names: typing.Iterable[str]) -> str:
    """Names as code."""
    return " ".join(f"`{name}`" for name in names)


def fields(kind: type[msgspec.Struct], texts: dict[str, dict[str, str]]) -> list[str]:
    """The rows of one struct."""
    schema, parts = msgspec.json.schema_components([kind])
    own = parts[schema[0]["$ref"].rsplit("/", 1)[-1]]
    required = set(own.get("required", ()))
    rows = ["| field | type | default | |", "|---|---|---|---|"]
    for name, what in own["properties"].items():
        if name == "type":
            continue
        text = next(
            (t[name] for c in kind.__mro__ if (t := texts.get(c.__name__)) and name in t), ""
        )
        default = "**required**" if name in required else f"`{json.dumps(what.get('default'))}`"
        rows.append(f"| `{name}` | {shape(what)} | {default} | {text} |")
    return rows


def protocol() -> str:
    """The page of `ossicle.v1`."""
    texts = docs_of(messages)
    out = [
        MADE + "# `ossicle.v1`\n",
        ABOUT,
        "## Parameters\n",
        "Any of them in the query string; unknown names are refused with a suggestion.\n",
        "| parameter | option | default |",
        "|---|---|---|",
        f"| `encoding` | {ticked([*WIDTHS, 'opus', *sorted(CONTAINERS)])} | `auto` |",
        f"| `sample_rate` | Hz, {MIN_RATE}-{MAX_RATE} | `16000` |",
        f"| `channels` | interleaved, 1-{MAX_CHANNELS} | `1` |",
        "| `speaks`, `speaks_rate` | what is heard back | the engine's own |",
        "| `hint` | `word` or `word:boost`; repeat it | |",
        "| `transcript_url` | [post events there](../howto/webhooks.md), too; repeat it | |",
        "| `node` | [for a proxy to route by](../howto/behind-a-proxy.md#several-gateways) | |",
        "| `audio_from` | sound for the gateway to [read](../howto/recordings-by-url.md) | |",
        "| `traceparent` | [the trace](../howto/traces-and-logs.md), as in the header | |",
    ]
    held = msgspec.to_builtins(core_options.Options())
    for name, (path, _) in sorted(NAMES.items()):
        value: typing.Any = held
        for part in path.split("."):
            value = value[part]
        out.append(f"| `{name}` | `{path}` | `{json.dumps(value)}` |")
    for title, union in (
        ("What you send", messages.ClientMessage),
        ("What you are sent", messages.ServerMessage),
    ):
        out.append(f"\n## {title}\n")
        for kind in typing.get_args(union):
            out.append(f"### `{kind.__struct_config__.tag}`\n")
            out.append(texts[kind.__name__][""] + "\n")
            out += [*fields(kind, texts), ""]
    out += [
        "## Errors\n",
        'Before a connection is accepted: the HTTP status, and `{"error": {code, text, whose,',
        "retryable}}`. After: `ended.error`, and the WebSocket close code.\n",
        "| code | HTTP | WebSocket | whose | a retry can help |",
        "|---|---|---|---|---|",
    ]
    for code, number in STATUS.items():
        error = CODES[code]("", code=code)
        retry = "yes" if error.retryable else "no"
        out.append(f"| `{code}` | {number} | {4000 + number} | {error.whose} | {retry} |")
    return "\n".join(out) + "\n"


def option_page() -> str:
    """The page of options."""
    texts = docs_of(core_options)
    out = [MADE + "# Options of a session\n"]
    out.append("Changed by a merge patch (RFC 7396) in `start.options`; null is the default.\n")
    for name, path in (
        ("Options", ""),
        ("RecognitionOptions", "recognition"),
        ("TurnOptions", "recognition.turns"),
        ("Hint", "recognition.hints[]"),
        ("SynthesisOptions", "synthesis"),
    ):
        kind = getattr(core_options, name)
        out += [f"## `{path or 'options'}`\n", texts[name][""] + "\n", *fields(kind, texts), ""]
    return "\n".join(out)


def exit_page() -> str:
    """What is posted, and what is kept."""
    out = [
        MADE + "# Records and webhooks\n",
        "JSON; every field is always there. How to use them: [webhooks](../howto/webhooks.md),",
        "[records](../howto/traces-and-logs.md#the-record-of-a-session).\n",
        "## Webhook\n",
        f"`type` is one of {ticked(typing.get_args(hookbody.HookType))}.\n",
    ]
    texts = docs_of(hookbody) | {"Word": docs_of(events)["Word"], "Fault": docs_of(errors)["Fault"]}
    out += [*fields(hookbody.HookBody, texts), ""]
    for kind, title in ((events.Word, "In `words`"), (errors.Fault, "In `error`")):
        out += [f"### {title}\n", *fields(kind, texts), ""]
    texts = docs_of(records)
    out += ["## Record\n", *fields(records.SessionRecord, texts), ""]
    for kind, title in ((records.Counts, "In `counts`"), (records.SessionEnd, "In `end`")):
        out += [f"### {title}\n", *fields(kind, texts), ""]
    return "\n".join(out)


def schema_file() -> str:
    """JSON Schema of every message."""
    both = typing.Union[messages.ClientMessage, messages.ServerMessage]  # noqa: UP007
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "ossicle.v1",
        **msgspec.json.schema(both),
    }
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


def document(value: dict[str, typing.Any]) -> str:
    """As it is kept and served."""
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


def pages() -> dict[str, str]:
    """Every generated file and its text."""
    openapi, asyncapi = openapi_document(), asyncapi_document()
    return {
        "openapi.json": document(openapi),
        "asyncapi.json": document(asyncapi),
        "http.md": MADE + http_page(openapi),
        "messages.md": MADE + message_page(asyncapi),
        "ossicle-v1.md": protocol(),
        "ossicle-v1.schema.json": schema_file(),
        "ossicle-v1-proto.md": MADE + proto_page(),
        "options.md": option_page(),
        "engines.md": MADE + engine_page(docs_of(capabilities)["Capabilities"]),
        "records-and-webhooks.md": exit_page(),
        "configuration.md": MADE + configuration_page(),
        "cli.md": MADE + command_page(),
        "metrics.md": MADE + metric_page(docs_of(ledger)["LedgerReport"]),
        "wires.md": MADE + wires_page(),
    }


def files() -> dict[Path, str]:
    """Every generated file by its path; two documents twice, since a gateway serves them."""
    made = pages()
    served = {SERVED / name: made[name] for name in ("openapi.json", "asyncapi.json")}
    specifications = {FOLDER.parent / "specifications.md": MADE + specifications_page()}
    advice = FOLDER.parent / "explanation" / "choosing-a-protocol.md"
    figures = {
        FOLDER.parent / "images" / "decision-tree.svg": tree_svg(),
        FOLDER.parent / "images" / "base64.svg": base64_svg(),
        SERVED / "playground" / "tree.svg": tree_svg(styled=False),
        advice: between(
            between(advice.read_text("utf-8"), "comparison", comparison()), "choices", choices()
        ),
    }
    pages_ = {FOLDER / name: text for name, text in made.items()}
    return pages_ | specifications | served | figures


def main() -> int:
    """Write, or check."""
    parser = argparse.ArgumentParser(description="Make the reference pages from the code.")
    parser.add_argument("--check", action="store_true", help="only say whether they are up to date")
    check = parser.parse_args().check
    stale = 0
    FOLDER.mkdir(parents=True, exist_ok=True)
    for path, text in files().items():
        if check and (not path.exists() or path.read_text() != text):
            stale += 1
            print(f"{path.name} is not what the code says: run make reference")
        elif not check:
            path.write_text(text)
            print(path)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
