"""The table of what real clients did with this gateway, written by the tests that ran them.

    record("Deepgram /v1/listen", sdk="deepgram-sdk", version="7.17.0", language="Python",
           door="wss", use="live, sync")

Call it at the end of a test, so that a row means: it passed. Nothing is written unless
`OSSICLE_WRITE_DOCS=1`; then the row replaces its older self in `docs/reference/interop.json`, and
`docs/reference/interop.md` is made again from all rows.
"""

import json
import os
from pathlib import Path

__all__ = ["JSON", "PAGE", "page", "record"]

_DOCS = Path(__file__).parents[2] / "docs" / "reference"
JSON = _DOCS / "interop.json"
PAGE = _DOCS / "interop.md"

_COLUMNS = ("dialect", "language", "sdk", "version", "door", "use")


def record(dialect: str, *, sdk: str, version: str, language: str, door: str, use: str) -> None:
    """One thing that one client did, unmodified, and that worked.

    Args:
        dialect: the protocol and its path.
        sdk: name of the package, or of the program.
        version: what was installed, exactly.
        language: of the client.
        door: ws, wss, http, https, grpc, ...
        use: what it did, in a few words.
    """
    if os.environ.get("OSSICLE_WRITE_DOCS") != "1":
        return
    row = dict(zip(_COLUMNS, (dialect, language, sdk, version, door, use), strict=True))
    rows = [
        held
        for held in (json.loads(JSON.read_text()) if JSON.exists() else [])
        if any(held[name] != row[name] for name in _COLUMNS if name != "version")
        or held["version"].split(".")[0] != version.split(".", maxsplit=1)[0]
    ]
    rows = sorted([*rows, row], key=lambda each: tuple(each[name] for name in _COLUMNS))
    JSON.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n")
    PAGE.write_text(page(rows))


def page(rows: list[dict[str, str]]) -> str:
    """The page that shows the rows."""
    lines = [
        "# Clients that were run against this gateway",
        "",
        "Each row is a test in `tests/interop` that ran the client as its maker publishes it, with",
        "nothing changed but the address. The tests write this page",
        "(`OSSICLE_WRITE_DOCS=1 pytest tests/interop`). Of each SDK of Deepgram and",
        "AssemblyAI an older major version is run, too.",
        "",
        "The versions are pinned. `make canary` runs the same tests with what each vendor",
        "publishes today, in a throw-away folder, and prints what is pinned, what is newest, and",
        "what came of it.",
        "",
        "| dialect | language | client | version | door | what was done |",
        "|---|---|---|---|---|---|",
    ]
    lines += ["| " + " | ".join(row[name] for name in _COLUMNS) + " |" for row in rows]
    return "\n".join(lines) + "\n"
