"""Walks the way of a newcomer, from a clone to words on the screen, with a clock.

    python scripts/newcomer.py DIR          # DIR must not be there; `git`, `make`, Chromium must

A new clone of this folder's last commit, a home without any cache, `make run`, then the playground
in Chromium with a recording as its microphone. The times are those in
docs/tutorial/your-own-words.md. Ports 8080 and 8443 have to be free.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from chromium import chromium  # noqa: E402

__all__ = ["main", "walk"]

PAGE = "http://localhost:8080/"
FIRST = "document.querySelector('#partial').innerText.trim().length > 1"
LAST = "document.querySelectorAll('#finals p').length >= 1"


class Clock:
    """Says how long each step took, and what the clock shows after it."""

    def __init__(self) -> None:
        self._began = self._last = time.monotonic()

    def step(self, what: str) -> None:
        """A step is done."""
        now = time.monotonic()
        whole = round(now - self._began)
        print(f"{what:<44}{now - self._last:>6.1f} s   {whole // 60}:{whole % 60:02}", flush=True)
        self._last = now


def stranger(home: Path) -> dict[str, str]:
    """The environment of somebody who was never here."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("OSSICLE_", "XDG_"))}
    ours = str(Path(sys.executable).parent)
    path = [each for each in kept["PATH"].split(os.pathsep) if each != ours]
    caches = {name: str(home / name.lower()) for name in ("UV_CACHE_DIR", "PIP_CACHE_DIR")}
    kept.pop("VIRTUAL_ENV", None)
    return kept | caches | {"HOME": str(home), "PATH": os.pathsep.join(path), "COLUMNS": "100"}


async def told(program: asyncio.subprocess.Process, words: str) -> None:
    """Until it says this."""
    assert program.stdout is not None
    async with asyncio.timeout(300):
        while line := (await program.stdout.readline()).decode(errors="replace"):
            if words in line:
                return
    raise RuntimeError(f"make run ended before it said {words!r}")


async def walk(folder: Path) -> None:
    """All the steps."""
    home, project = folder / "home", folder / "ossicle"
    home.mkdir(parents=True)
    environment = stranger(home)
    clock = Clock()
    clone = await asyncio.create_subprocess_exec(
        "git", "clone", "--quiet", f"file://{ROOT}", str(project), env=environment
    )
    if await clone.wait():
        raise RuntimeError("git clone failed")
    clock.step("1. get it")
    program = await asyncio.create_subprocess_exec(
        "make", "run", cwd=project, env=environment, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip
    try:
        await told(program, "of human speech")
        clock.step("2. make run, until the gateway is ready")
        await told(program, "Ctrl-C")
        clock.step("   and until it has played its recording")
        microphone = next(home.rglob("go-forward.wav"))
        async with chromium(folder, microphone=microphone) as browser:
            page = await browser.open(PAGE)
            await page.until("document.querySelector('#sessions').innerText")
            clock.step("3. start a browser and open the page")
            await page.click("#talk")
            await page.until(FIRST)
            clock.step("4. press and talk, until the first guess")
            await page.until(LAST)
            clock.step("   and until the finished sentence")
            print(await page.run("document.querySelector('#finals p').innerText"))
    finally:
        os.killpg(program.pid, signal.SIGINT)
        await program.wait()


def main() -> int:
    """One walk."""
    if len(sys.argv) != 2 or Path(sys.argv[1]).exists():
        print("usage: python scripts/newcomer.py DIR, where DIR is not there yet", file=sys.stderr)
        return 2
    asyncio.run(walk(Path(sys.argv[1]).resolve()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
