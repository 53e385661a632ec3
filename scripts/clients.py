"""The clients that the tests run unmodified and that `.venv` cannot hold.

- JavaScript: `tests/interop/js`, from its lock, with an older major version of two SDKs under
  another name (`deepgram-4`, `assemblyai-3`).
- Older major versions of the Python SDKs: `.venv-older`, from `tests/interop/older`. They share
  module names with the current ones, so a test puts that folder before everything else
  (`PYTHONPATH`) for one process.

Standard library only; `.venv` is there before. Each function returns what went wrong, or nothing:
a test that misses its client says so itself, and fails where everything has to be there.

    python scripts/clients.py
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import environment

__all__ = ["JAVASCRIPT", "OLDER", "OLDER_LOCK", "javascript", "main", "older"]

ROOT = Path(__file__).resolve().parent.parent
JAVASCRIPT = ROOT / "tests" / "interop" / "js"
OLDER = ROOT / ".venv-older"
OLDER_LOCK = ROOT / "tests" / "interop" / "older" / "requirements.lock"


def javascript() -> str:
    """Install the pinned JavaScript of tests/interop/js."""
    lock = JAVASCRIPT / "package-lock.json"
    done = JAVASCRIPT / "node_modules" / ".package-lock.json"
    if done.exists() and done.stat().st_mtime >= lock.stat().st_mtime:
        return ""
    if not shutil.which("npm"):
        return "npm is not there"
    environment.say("Installing the JavaScript SDKs")
    try:
        made = subprocess.run(
            ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
            cwd=JAVASCRIPT,
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
        )
    except subprocess.TimeoutExpired:
        return "npm ci took longer than 240 s"
    if made.returncode:
        return (made.stderr.strip().splitlines() or [f"npm ci ended with {made.returncode}"])[-1]
    return ""


def older() -> str:
    """Install the older Python SDKs in a folder of their own."""
    stamp, lock = OLDER / "ossicle-lock", OLDER_LOCK.read_text(encoding="utf-8")
    # Compiled packages fit one version of Python: the one that the environment was made with.
    made_with = (environment.VENV / "pyvenv.cfg").read_text(encoding="utf-8")
    wanted = hashlib.sha256(f"{made_with}\n{lock}".encode()).hexdigest()
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return ""
    environment.say("Installing the older Python SDKs")
    shutil.rmtree(OLDER, ignore_errors=True)
    if not environment.install(lock, wheels_only=True, target=OLDER):
        return "the installer's words are above"
    stamp.write_text(wanted, encoding="utf-8")
    return ""


def main() -> int:
    """Both; the exit code tells whether all of it is there."""
    troubles = [trouble for trouble in (javascript(), older()) if trouble]
    for trouble in troubles:
        environment.say(trouble, "31")
    return 1 if troubles else 0


if __name__ == "__main__":
    sys.exit(main())
