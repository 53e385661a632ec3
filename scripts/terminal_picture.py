"""The picture of `ossicle demo`, which `make run` ends in, in docs/images: the real program in a
real terminal (tmux), its screen read back with its colours, and drawn by Chromium.

    .venv/bin/python scripts/terminal_picture.py     needs tmux, Chromium, the clips of `make run`

The screen is cut above the lines that name the folders of this machine; nothing else is changed.
"""

import asyncio
import io
import os
import shlex
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "scripts")]

from clips import main as fetch_clips  # noqa: E402

from chromium import chromium  # noqa: E402

COLUMNS, ROWS = 88, 44
COMMAND = "ossicle demo --port 0 --tls-port off"
IMAGE = ROOT / "docs" / "images" / "terminal-run.png"
THEME = TerminalTheme(
    (18, 22, 21), (233, 238, 236),
    [(18, 22, 21), (255, 138, 128), (139, 201, 126), (230, 181, 102), (143, 176, 230),
     (210, 160, 202), (98, 205, 189), (169, 180, 176)],
    [(117, 128, 124), (255, 160, 150), (165, 220, 150), (240, 200, 130), (170, 200, 240),
     (225, 185, 220), (140, 225, 212), (255, 255, 255)],
)  # fmt: skip
PAGE = """<!doctype html><meta charset="utf-8"><style>
body {{ margin: 0; background: {background}; color: {foreground}; }}
pre {{ margin: 0; padding: 18px 22px; font: 14px/1.45 "DejaVu Sans Mono", monospace;
  width: max-content; }}
</style><pre>{code}</pre>"""
SIZE = (
    "(({width, height}) => [width, height])(document.querySelector('pre').getBoundingClientRect())"
)


async def screen(*words: str) -> str:
    """What tmux says."""
    tmux = await asyncio.create_subprocess_exec(
        "tmux", "-L", "ossicle-picture", "-f", "/dev/null", *words, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await tmux.communicate()
    if tmux.returncode:
        raise RuntimeError(f"tmux {words[0]} ended with {tmux.returncode}")
    return out.decode()


async def run_in_terminal(state: Path) -> str:
    """The screen once the recording was played, with its colours."""
    command = f"{shlex.quote(str(Path(sys.executable).parent))}/{COMMAND}"
    settings = {"OSSICLE_STATE_DIR": str(state), "TERM": "tmux-256color", "COLORTERM": "truecolor"}
    given = [word for name, value in settings.items() for word in ("-e", f"{name}={value}")]
    await screen(
        "new-session", "-d", "-x", str(COLUMNS), "-y", str(ROWS), *given,
        "-e", f"OSSICLE_CLIPS={os.environ['OSSICLE_CLIPS']}", command,
    )  # fmt: skip
    try:
        async with asyncio.timeout(90):
            shown = ""
            while "Ctrl-C stops it" not in shown:
                await asyncio.sleep(0.2)  # tmux tells nobody when a screen changes
                shown = await screen("capture-pane", "-p", "-e")
    finally:
        await screen("kill-server")
    lines = shown.splitlines()
    return "\n".join(lines[: next(at for at, line in enumerate(lines) if "listening" in line)])


async def main() -> None:
    """One picture."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        text = await run_in_terminal(folder / "state")
        console = Console(record=True, width=COLUMNS, file=io.StringIO())
        console.print(Text(f"$ {COMMAND}\n"), Text.from_ansi(text.rstrip()), sep="")
        page = folder / "page.html"
        page.write_text(
            console.export_html(theme=THEME, code_format=PAGE, inline_styles=True), "utf-8"
        )
        async with chromium(folder) as browser:
            shown = await browser.open(page.as_uri(), width=800, height=600)
            width, height = await shown.run(SIZE)
            await shown.size(round(width), round(height))
            await shown.picture(IMAGE)
    print(IMAGE.relative_to(ROOT))


if __name__ == "__main__":
    if "OSSICLE_CLIPS" not in os.environ:
        fetch_clips()
    asyncio.run(main())
