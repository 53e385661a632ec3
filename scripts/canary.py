"""The vendors' SDKs as they are published today, against this gateway.

The tests pin what they run; users do not. This installs the newest version of every SDK in a
throw-away folder, runs the same tests with it, and prints what is pinned, what is newest, and
what came of it. Nothing in the project changes. The exit code: 0 all passed, 1 something failed,
2 the newest versions could not be had.

    make canary
    python scripts/canary.py -k flux       # what comes after goes to pytest

The tests say themselves which SDK they ran (`tests/sdks.py`, `OSSICLE_SDK_USES`).
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import environment

__all__ = ["Row", "Use", "main", "outcomes", "pinned", "rows", "table"]

ROOT = Path(__file__).resolve().parent.parent
PYTHON = ("assemblyai", "deepgram-sdk", "openai", "twilio")
JAVASCRIPT = (
    "@deepgram/sdk", "@openai/agents-realtime", "assemblyai", "openai", "twilio", "ws"
)  # fmt: skip
TESTS = ("assemblyai", "deepgram_flux", "deepgram_sdks", "deepgram_speak", "openai_sdks",
         "snippets", "twilio")  # fmt: skip
SECONDS = 900


class Use(NamedTuple):
    """A test ran an SDK."""

    test: str
    sdk: str
    language: str
    version: str


class Row(NamedTuple):
    """One SDK and what came of it."""

    sdk: str
    language: str
    pinned: str
    newest: str
    result: str


def pinned() -> dict[tuple[str, str], str]:
    """SDK and language to the version that the tests pin."""
    table = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    lines = [each.partition("==") for each in table["dependency-groups"]["dev"]]
    package = (ROOT / "tests" / "interop" / "js" / "package.json").read_text(encoding="utf-8")
    npm: dict[str, str] = json.loads(package)["dependencies"]
    return {(name, "Python"): version for name, _, version in lines if name in PYTHON} | {
        (name, "JavaScript"): npm[name] for name in JAVASCRIPT
    }


def install(folder: Path) -> str:
    """The newest versions; returns what went wrong."""
    uv = Path(sys.executable).with_name("uv")
    target = ["install", "-q", "--target", str(folder / "python"), *PYTHON]
    if uv.exists():
        command = [str(uv), "pip", *target[:1], "--python", sys.executable, *target[1:]]
        variables = environment.uv_environment(Path(sys.executable))
    else:
        command, variables = [sys.executable, "-m", "pip", *target], dict(os.environ)
    if not shutil.which("npm"):
        return "npm is not there"
    npm = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    (folder / "js").mkdir()
    for each, place, values in (
        (command, folder, variables),
        ([*npm, *(f"{name}@latest" for name in JAVASCRIPT)], folder / "js", dict(os.environ)),
    ):
        done = subprocess.run(
            each, cwd=place, env=values, capture_output=True, text=True, check=False
        )
        if done.returncode:
            return (done.stderr or done.stdout).strip()
    return ""


def run(folder: Path, extra: list[str]) -> int:
    """The tests, with what is in the folder before everything else."""
    variables = os.environ | {
        "PYTHONPATH": str(folder / "python"),
        "OSSICLE_NODE_MODULES": str(folder / "js" / "node_modules"),
        "OSSICLE_SDK_USES": str(folder / "uses"),
    }
    variables.pop("OSSICLE_WRITE_DOCS", None)
    command = [
        sys.executable, "-m", "pytest", "-q", "--no-header", f"--junitxml={folder / 'report.xml'}",
        *(f"tests/interop/test_{name}.py" for name in TESTS), "-k", "not older", *extra,
    ]  # fmt: skip
    try:
        return subprocess.run(
            command, cwd=ROOT, env=variables, check=False, timeout=SECONDS
        ).returncode
    except subprocess.TimeoutExpired:
        environment.say(f"The tests took longer than {SECONDS} s", "31")
        return 1


def outcomes(report: str) -> dict[str, str]:
    """A JUnit report as test to outcome; tests are named as pytest names them."""
    found: dict[str, str] = {}
    for case in ET.fromstring(report).iter("testcase"):
        file = case.get("classname", "").replace(".", "/")
        kinds = {each.tag for each in case} & {"failure", "error", "skipped"}
        outcome = "passed" if not kinds else "skipped" if kinds == {"skipped"} else "failed"
        found[f"{file}.py::{case.get('name')}"] = outcome
    return found


def rows(
    uses: Iterable[Use], told: Mapping[str, str], pins: Mapping[tuple[str, str], str]
) -> list[Row]:
    """What came of each SDK; one that no test ran is a failure, too."""
    ran: dict[tuple[str, str], dict[str, str]] = {key: {} for key in pins}
    newest: dict[tuple[str, str], str] = {}
    for use in uses:
        key = (use.sdk, use.language)
        ran.setdefault(key, {})[use.test] = told.get(use.test, "failed")
        newest[key] = use.version
    found: list[Row] = []
    for (sdk, language), tests in sorted(ran.items()):
        counts = Counter(tests.values())
        result = ", ".join(f"{counts[kind]} {kind}" for kind in ("passed", "failed", "skipped")
                           if counts[kind])  # fmt: skip
        found.append(
            Row(sdk, language, pins.get((sdk, language), ""), newest.get((sdk, language), ""),
                result or "not run")
        )  # fmt: skip
    return found


def table(found: Iterable[Row]) -> str:
    """The rows in columns."""
    lines = [("SDK", "language", "pinned", "newest", "result"), *found]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def main(arguments: list[str] | None = None) -> int:
    """Install, run, print."""
    extra = sys.argv[1:] if arguments is None else arguments
    with tempfile.TemporaryDirectory(prefix="ossicle-canary-") as name:
        folder = Path(name)
        environment.say("Installing the newest SDKs")
        if trouble := install(folder):
            environment.say(f"The newest SDKs could not be installed: {trouble}", "31")
            return 2
        code = run(folder, extra)
        lines = (folder / "uses").read_text(encoding="utf-8") if (folder / "uses").exists() else ""
        uses = [Use(**json.loads(line)) for line in lines.splitlines()]
        report = folder / "report.xml"
        told = outcomes(report.read_text(encoding="utf-8")) if report.exists() else {}
    found = rows(uses, told, pinned())
    print(f"\n{table(found)}")
    others = {name for name, outcome in told.items() if outcome == "failed"} - {
        use.test for use in uses
    }
    for name in sorted(others):
        environment.say(f"failed, without an SDK: {re.sub('^tests/interop/', '', name)}", "33")
    return 1 if code else 0


if __name__ == "__main__":
    sys.exit(main())
