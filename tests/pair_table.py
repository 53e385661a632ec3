"""The page of pairs: which client dialect was heard through which provider's protocol, written by
the tests that tried it, and what does not survive the way, found out by sending it (`losses`).

Nothing is written unless `OSSICLE_WRITE_DOCS=1`; then a row goes into docs/reference/pairs.json and
docs/reference/pairs.md is made again.
"""

import json
import os
from pathlib import Path

from losses import carried, lost
from pairs import CLIENTS, HTTP, TIMELESS, UPSTREAMS, server_of

__all__ = ["ALL", "JSON", "PAGE", "page", "record"]

_DOCS = Path(__file__).parents[1] / "docs" / "reference"
JSON = _DOCS / "pairs.json"
PAGE = _DOCS / "pairs.md"

ALL = (*UPSTREAMS, *TIMELESS, HTTP)
"""What stands behind a gateway."""

Rows = dict[str, dict[str, str]]


def record(client: str, upstream: str, what: str) -> None:
    """One conversation that came through whole; call it at the end of a test."""
    if os.environ.get("OSSICLE_WRITE_DOCS") != "1":
        return
    rows: Rows = json.loads(JSON.read_text()) if JSON.exists() else {}
    rows.setdefault(client, {})[upstream] = what
    ordered = {name: dict(sorted(rows[name].items())) for name in sorted(rows)}
    JSON.write_text(json.dumps(ordered, indent=1) + "\n")
    PAGE.write_text(page(ordered))


def page(rows: Rows) -> str:
    """The page that shows the rows, and the losses beside them."""
    measured = {
        name: carried(server, CLIENTS[name].make, hearing=CLIENTS[name].hears)
        for name in CLIENTS
        if (server := server_of(name)) is not None
    }
    upstreams = [name for name in ALL if name in measured]
    lines = [
        "# Pairs of protocols, and what they lose",
        "",
        "Any client dialect reaches any provider, since both meet in a session. This page is",
        "written by tests (`OSSICLE_WRITE_DOCS=1 pytest tests/interop/test_pairs*.py`).",
        "",
        "## Conversations",
        "",
        "A client of the protocol on the left, a gateway, the protocol above, and another gateway",
        "that knows every word that was sent. Each word came once and in order, with its times",
        "where there are any; questions for finals were answered. OpenAI's protocols have no times",
        "of words; there the words and their turns were compared.",
        "",
        "| client | " + " | ".join(f"`{name}`" for name in ALL) + " |",
        "|---|" + "---|" * len(ALL),
    ]
    for client in CLIENTS:
        cells = (rows.get(client, {}).get(upstream, "") for upstream in ALL)
        lines.append(f"| `{client}` | " + " | ".join(cells) + " |")
    lines += [
        "",
        "## What each protocol carries",
        "",
        "Found out by sending each fact from one half of the protocol to the other. A dash: it",
        "has no word for it, and the fact is lost on its way. An option that is lost is one the",
        "next engine decides by itself. A telephone hears no words: they go to whoever observes",
        "its session, in full.",
        "",
        f"`{HTTP}` is a server of recordings (`openai_http:`), asked once for each turn: its",
        "finals have the times of the turn, a language, and times of words where it is told to ask",
        "for them (`words=1`); it is told a language and hints; `Finalize` and `Cancel` are done",
        "by the gateway; all else is lost.",
        "",
        "| fact | " + " | ".join(f"`{name}`" for name in measured) + " |",
        "|---|" + "---|" * len(measured),
    ]
    facts = list(next(iter(measured.values())))
    for fact in facts:
        cells = ("yes" if measured[name][fact] else "–" for name in measured)
        lines.append(f"| {fact} | " + " | ".join(cells) + " |")
    lines += [
        "",
        "## What each pair loses",
        "",
        "The losses of both protocols together. What is heard first, what is asked after it.",
        "",
        "| client | provider | not heard | not asked |",
        "|---|---|---|---|",
    ]
    for client, carries in measured.items():
        for upstream in upstreams:
            both = lost(carries, measured[upstream])
            heard = [fact for fact in both if not _asked(fact)]
            asked = [fact.removeprefix("option ") for fact in both if _asked(fact)]
            if not CLIENTS[client].hears:
                heard = ["all of it, on its own connection"]
            lines.append(
                f"| `{client}` | `{upstream}` | {', '.join(heard) or 'nothing'} | "
                f"{', '.join(asked) or 'nothing'} |"
            )
    return "\n".join(lines) + "\n"


def _asked(fact: str) -> bool:
    return fact.startswith(("option ", "`"))
