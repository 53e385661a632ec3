"""`ossicle demo` (`make run`): a gateway, human speech through it as a live client would send it,
captions as they form, the reference under them, the ledger; then the gateway stays up."""

import asyncio
import json
import os
import socket
import time
import wave
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.live import Live
from rich.text import Text

from ossicle.client.connect import connect
from ossicle.client.stream import SpeechStream
from ossicle.core.errors import OssicleError
from ossicle.core.events import Transcript
from ossicle.gateway.configuration.settings import GatewaySettings
from ossicle.gateway.keys.access import keys_from_environment
from ossicle.gateway.reports.logs import set_up
from ossicle.gateway.serve import Gateway, serving
from ossicle.testing.score import Score, score, spoken

from .doors import port
from .ledger import ledger_table
from .serve import STATE_DIR, build_engine, run, stop_signals, welcome

__all__ = ["demo"]

console = Console()

CLIPS = ("go-forward.wav", "digits.wav", "sense-0930.wav")
PAUSE_S = 0.9
"""Between two clips, so that each is a turn."""
PIECE_MS = 100
ENOUGH = 0.75
"""Share of the words that must be right."""


def demo(
    clips: Annotated[
        Path | None, typer.Option(help="Folder of recordings.", envvar="OSSICLE_CLIPS")
    ] = None,
    once: Annotated[bool, typer.Option(help="Stop after the clip.", envvar="ONCE")] = False,
    engine: Annotated[str, typer.Option(help="NAME[:ARG].")] = "pocketsphinx",
    port_: Annotated[str, typer.Option("--port", help="HTTP and WebSocket.")] = "8080",
    tls_port: Annotated[str, typer.Option(help="The same over TLS.")] = "8443",
    state_dir: Annotated[
        Path, typer.Option(help="Where the local CA is kept.", envvar="OSSICLE_STATE_DIR")
    ] = STATE_DIR,
) -> None:
    """Start a gateway, stream human speech through it, and show what it hears."""
    set_up(level="warning")
    settings = GatewaySettings(
        port=port(port_),
        tls_port=port(tls_port),
        engine=engine,
        state_dir=state_dir,
        keys=keys_from_environment(),
        drain_s=5.0,
    )
    folder = clips or Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / (
        "ossicle/clips"
    )
    try:
        sound, reference = _recordings(folder)
        right = run(_demo(settings, sound, reference, once=once))
    except (OssicleError, OSError) as error:
        console.print(f"[bold red]error[/] {error}")
        raise typer.Exit(2) from error
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    if right < ENOUGH:
        raise typer.Exit(1)


async def _demo(
    settings: GatewaySettings, sound: list[bytes], reference: list[str], *, once: bool
) -> float:
    async with _somewhere(settings) as gateway:
        with console.status("the engine is loading its models"):
            await gateway.ready()
        key = settings.keys[0][1] if settings.keys else None
        right = await _listen(gateway.url, sound, reference, key)
        if once:
            return right
        console.print()
        welcome(gateway, settings, console)
        console.print("[dim]Ctrl-C stops it.[/]")
        with stop_signals(gateway):
            await gateway.wait()
    return 1.0


def _somewhere(settings: GatewaySettings) -> AbstractAsyncContextManager[Gateway]:
    """Serve at the usual ports, or at free ones where these are taken."""
    for name in ("port", "tls_port"):
        number = getattr(settings, name)
        if number and _taken(settings.host, number):
            console.print(f"[yellow]port {number} is taken[/], any free one will do")
            settings = msgspec.structs.replace(settings, **{name: 0})
    return serving(settings, build_engine(settings))


def _taken(host: str, number: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, number))
        except OSError:
            return True
    return False


async def _listen(url: str, sound: list[bytes], reference: list[str], key: str | None) -> float:
    seconds = sum(len(pcm) for pcm in sound) / 32_000 + PAUSE_S * (len(sound) - 1)
    console.print(
        f"[bold]{seconds:.0f} s of human speech[/], sent to {url}/v1/stream as it would be spoken\n"
    )
    turns: list[str] = []
    began = time.monotonic()
    async with connect(url, key=key) as stream, asyncio.TaskGroup() as group:
        group.create_task(_speak(stream, sound))
        with Live(console=console, refresh_per_second=20, transient=True) as live:
            async for event in stream:
                if not isinstance(event, Transcript) or event.side != "in":
                    continue
                at = f"[dim]{time.monotonic() - began:5.1f} s[/]  "
                if not event.final:
                    live.update(Text.from_markup(at) + Text(event.text, "italic dim"))
                elif event.text:
                    turns.append(event.text)
                    live.update(Text())
                    console.print(Text.from_markup(at) + Text(event.text, "bold"))
    result = score(" ".join(reference), " ".join(turns))
    console.print(Text("said     ", "dim") + Text(" / ".join(reference), "green"))
    console.print(_verdict(result))
    console.print()
    if stream.ledger is not None:
        console.print(ledger_table(stream.ledger))
    return result.right


def _verdict(result: Score) -> Text:
    good = result.right >= ENOUGH
    return Text(
        f"right    {result.hits} of {result.words} words"
        f" ({result.right:.0%}; {result.insertions} heard that nobody said)",
        "green" if good else "bold red",
    )


async def _speak(stream: SpeechStream, sound: list[bytes]) -> None:
    """Send at the pace of speech, pauses included; the clock is the sender's, so that a slow
    moment is made up for."""
    loop = asyncio.get_running_loop()
    silence = bytes(round(PAUSE_S * 32_000))
    whole = silence.join(sound) + silence
    size = PIECE_MS * 32
    due = loop.time()
    for start in range(0, len(whole), size):
        await stream.send(whole[start : start + size])
        due += PIECE_MS / 1000
        await asyncio.sleep(max(0.0, due - loop.time()))
    await stream.end()


def _recordings(folder: Path) -> tuple[list[bytes], list[str]]:
    """16 kHz mono recordings and what is said in them."""
    table = folder / "transcripts.json"
    if not table.exists():
        raise FileNotFoundError(
            f"no recordings in {folder}: fetch them with `python scripts/clips.py`, or start with "
            "`make run`, which does"
        )
    texts = json.loads(table.read_text(encoding="utf-8"))
    sound: list[bytes] = []
    for name in CLIPS:
        with wave.open(str(folder / name)) as file:
            sound.append(file.readframes(file.getnframes()))
    return sound, [" ".join(spoken(texts[name]["text"])) for name in CLIPS]
