"""Runs the rings of tests from the inside out, and says what was missing.

Standard library only: it makes the environment first. Each ring has a time limit of its own and
all of them together stay under one, so that a test that hangs costs a ring and not the run.

    python scripts/rings.py                    # every ring
    python scripts/rings.py --only lint,unit   # some
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import clients

__all__ = ["RINGS", "Outcome", "Ring", "main"]

ROOT = Path(__file__).resolve().parent.parent
BIN = ROOT / ".venv" / "bin"
COLOUR = (sys.stdout.isatty() or "FORCE_COLOR" in os.environ) and "NO_COLOR" not in os.environ
STRICT = os.environ.get("CI", "").lower() in {"1", "true"}
WHOLE_SECONDS = 24 * 60


@dataclass(frozen=True)
class Ring:
    """One ring: where its tests live, how long it may take, how many processes share it."""

    name: str
    seconds: int
    places: tuple[str, ...] = ()
    workers: int = 0


RINGS = (
    Ring("lint", 240),
    Ring("unit", 300, ("tests/unit", "tests/test_*.py"), workers=2),
    Ring("laws", 180, ("tests/laws",), workers=2),
    Ring("fuzz", 240, ("tests/fuzz",), workers=2),
    # These start processes and wait for them most of the time: two share the machine.
    Ring("interop", 780, ("tests/interop",), workers=2),
    # These measure time and load: they get the machine to themselves.
    Ring("reliability", 420, ("tests/reliability",)),
)


@dataclass
class Outcome:
    """What came of one ring."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    seconds: float = 0.0
    remark: str = ""
    missing: Counter[str] = field(default_factory=Counter[str])


def paint(text: str, colour: str) -> str:
    """The text in this colour, where the terminal has colours."""
    return f"\x1b[{colour}m{text}\x1b[0m" if COLOUR else text


def say(text: str, colour: str = "36") -> None:
    """One line of progress."""
    print(paint(text, colour), flush=True)


def run(command: list[str], seconds: float) -> int | None:
    """Run to the end or to the limit; None means the limit. Takes the command's children along."""
    process = subprocess.Popen(command, cwd=ROOT, start_new_session=True)
    try:
        return process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        return None
    finally:
        # Also after a normal end: a server that a broken test left behind must not outlive it.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def lint(seconds: float) -> Outcome:
    """Each tool counts as one check."""
    outcome = Outcome()
    began = time.monotonic()
    places = [place for place in ("src", "tests", "scripts", "examples", "bench") if here(place)]
    tools = {
        "ruff check": ["ruff", "check", "--quiet", *places],
        "ruff format": ["ruff", "format", "--check", "--quiet", *places],
        "basedpyright": ["basedpyright", "--pythonpath", str(BIN / "python")],
    }
    for name, (program, *arguments) in tools.items():
        left = seconds - (time.monotonic() - began)
        code = run([str(BIN / program), *arguments], max(left, 1))
        if code == 0:
            outcome.passed += 1
        else:
            outcome.failed += 1
            outcome.remark += f"{name}{' took too long' if code is None else ''}  "
    return outcome


def here(place: str) -> list[str]:
    """The paths a pattern names, those that exist."""
    return sorted(str(path.relative_to(ROOT)) for path in ROOT.glob(place))


def pytest(ring: Ring, seconds: float, extra: list[str]) -> Outcome:
    """Run one ring's tests and count them from pytest's own report."""
    places = [found for place in ring.places for found in here(place)]
    if not places:
        return Outcome(remark="no tests yet")
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [str(BIN / "python"), "-m", "pytest", "-q", "--no-header", f"--junitxml={report}"]
        if ring.workers > 1 and (os.cpu_count() or 1) > 1:
            command += ["-n", str(ring.workers), "--dist", "loadfile"]
        if COLOUR:
            command.append("--color=yes")
        code = run([*command, *places, *extra], seconds)
        outcome = count(report)
    if code is None:
        outcome.failed += 1
        outcome.remark = f"stopped at its limit of {seconds:.0f} s"
    elif code == 5:
        outcome.remark = "no tests yet"
    elif code != 0 and not outcome.failed:
        outcome.failed += 1
        outcome.remark = f"pytest ended with status {code}"
    return outcome


def count(report: Path) -> Outcome:
    """Read a JUnit report; a broken collection is a failure like any other."""
    outcome = Outcome()
    if not report.exists():
        return outcome
    for case in ET.parse(report).getroot().iter("testcase"):
        skipped = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            outcome.failed += 1
        elif skipped is not None:
            outcome.skipped += 1
            reason = skipped.get("message", "").removeprefix("Skipped: ")
            outcome.missing[reason or "without a reason"] += 1
        else:
            outcome.passed += 1
    return outcome


def debian_packages() -> list[str]:
    """Install the missing programs where we may; return the names of those still missing."""

    def absent() -> dict[str, str]:
        rows = (ROOT / "scripts" / "debian-packages.txt").read_text(encoding="utf-8").splitlines()
        found: dict[str, str] = {}
        for row in rows:
            if row.strip() and not row.startswith("#"):
                package, probe, _ = (part.strip() for part in row.split("|", 2))
                kind, _, name = probe.rpartition(":")
                there = ctypes.util.find_library(name) if kind == "lib" else shutil.which(name)
                if not there:
                    found[package] = probe
        return found

    missing = absent()
    if missing and os.geteuid() == 0 and shutil.which("apt-get"):
        say(f"Installing {' '.join(missing)}")
        # RUNLEVEL=1 keeps a package from starting its service.
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
        for command in (["update"], ["install", "-y", "--no-install-recommends", *missing]):
            # A mirror that hangs must not take the time of the tests with it.
            limited = ["timeout", "240", "apt-get", "-q", *command]
            done = subprocess.run(
                limited, env=environment, capture_output=True, text=True, check=False
            )
            if done.returncode:
                said = (done.stderr.strip() or done.stdout.strip()).splitlines()
                say(f"apt-get {command[0]}: {said[-1] if said else done.returncode}", "33")
        missing = absent()
    return list(missing)


def set_up() -> list[str]:
    """Environment, programs, recordings; return what could not be had."""
    made = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "environment.py"), "--dev"], check=False
    )
    if made.returncode:
        sys.exit(made.returncode)
    missing = [f"Debian package {name}" for name in debian_packages()]
    if trouble := clients.javascript():
        missing.append(f"the JavaScript of tests/interop/js: {trouble}")
    if trouble := clients.older():
        missing.append(f"the older Python SDKs of tests/interop/older: {trouble}")
    clips = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "clips.py")],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if clips.returncode:
        missing.append("the recordings of human speech (scripts/clips.py says why)")
    else:
        os.environ["OSSICLE_CLIPS"] = clips.stdout.splitlines()[-1]
    speech = ROOT.parent / "shared" / "speech"
    if "OSSICLE_SPEECH" not in os.environ and speech.is_dir():
        os.environ["OSSICLE_SPEECH"] = str(speech)
    return missing


def summary(outcomes: dict[str, Outcome], missing: list[str]) -> int:
    """Print the table; the totals stand alone on the last line."""
    print()
    for name, outcome in outcomes.items():
        colour = "31" if outcome.failed else "33" if outcome.skipped or outcome.remark else "32"
        say(
            f"  {name:<12}{outcome.passed:>6} passed{outcome.failed:>5} failed"
            f"{outcome.skipped:>5} skipped{outcome.seconds:>8.1f} s  {outcome.remark}".rstrip(),
            colour,
        )
        for reason, times in outcome.missing.most_common():
            say(f"{'':14}{times} skipped: {reason}", "33")
    for name in missing:
        say(f"  missing: {name}", "31" if STRICT else "33")
    failed = sum(outcome.failed for outcome in outcomes.values()) + (len(missing) if STRICT else 0)
    passed = sum(outcome.passed for outcome in outcomes.values())
    skipped = sum(outcome.skipped for outcome in outcomes.values())
    print(f"\n{passed} passed, {failed} failed, {skipped} skipped", flush=True)
    return 1 if failed or not passed else 0


def main(arguments: list[str] | None = None) -> int:
    """Set up, run the rings in order, sum up."""
    parser = argparse.ArgumentParser(description="Run the rings of tests.")
    parser.add_argument("--only", default="", help="ring names, separated by commas")
    parser.add_argument("--no-set-up", action="store_true", help="the machine is ready")
    parser.add_argument("pytest", nargs="*", help="passed on to pytest, after --")
    options = parser.parse_args(arguments)
    names = [name for name in options.only.split(",") if name]
    if unknown := set(names) - {ring.name for ring in RINGS}:
        parser.error(
            f"no ring named {', '.join(sorted(unknown))}; there are: "
            + ", ".join(ring.name for ring in RINGS)
        )
    ends = time.monotonic() + WHOLE_SECONDS
    # A proxy lives in sbin, which is not on every user's path.
    os.environ["PATH"] = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
    ready = options.no_set_up or names == ["lint"]
    missing = [] if ready else set_up()
    outcomes: dict[str, Outcome] = {}
    for ring in RINGS:
        if names and ring.name not in names:
            continue
        say(f"\n== {ring.name}", "1;36")
        began = time.monotonic()
        limit = max(min(ring.seconds, ends - began), 1)
        outcome = lint(limit) if ring.name == "lint" else pytest(ring, limit, options.pytest)
        outcome.seconds = time.monotonic() - began
        outcomes[ring.name] = outcome
    return summary(outcomes, missing)


if __name__ == "__main__":
    sys.exit(main())
