"""Captions as they form: partials rewrite themselves, finals stay.

On a terminal the words that may still change stand dim at the bottom, with how far the audio is;
a final moves up and stays. Anywhere else a final is a plain line, at once, and nothing else is
printed. Knows events, not streams.
"""

from types import TracebackType
from typing import TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn
from rich.text import Text

from ossicle.core.events import Event, Notice, Transcript

__all__ = ["Captions"]

_STYLES = {"info": "dim", "warning": "yellow", "error": "bold red"}


class Captions:
    """A context manager; `tell` it every event."""

    def __init__(
        self,
        *,
        finals: TextIO | None,
        console: Console | None = None,
        total_ms: int | None = None,
        source: str = "",
    ) -> None:
        """
        Args:
            finals: where finals go as plain lines when they are not shown live; None = nowhere.
            console: where captions form; it decides whether it is a terminal.
            total_ms: length of the audio; None = not known, as with a microphone.
            source: name of the audio.
        """
        self._finals = finals
        self._console = console or Console(stderr=True)
        self._live: Live | None = None
        self._open: dict[tuple[int, int, int], str] = {}
        self._at_ms = 0
        self._progress: Progress | None = None
        if self._console.is_terminal:
            self._live = Live(
                console=self._console, transient=True, auto_refresh=False, vertical_overflow="crop"
            )
            if finals is self._console.file:
                self._finals = None  # the captions are the lines
            if total_ms:
                self._progress = Progress(
                    TextColumn("[dim]{task.description}"),
                    BarColumn(bar_width=None),
                    TextColumn("[dim]{task.fields[clock]}"),
                    console=self._console,
                )
                self._task = self._progress.add_task(source, total=total_ms, clock="")
                self._total_ms = total_ms

    def __enter__(self) -> "Captions":
        if self._live is not None:
            self._live.start()
            self._draw()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.update(Text(""), refresh=True)
            self._live.stop()

    def tell(self, event: Event) -> None:
        """One more event."""
        match event:
            case Transcript(side="in"):
                self._heard(event)
            case Notice():
                line = Text(f"{event.level}: {event.text}", _STYLES[event.level])
                self._console.print(line)
            case _:
                return
        if self._live is not None:
            self._draw()

    def at(self, ms: int) -> None:
        """The gateway has heard so far."""
        if ms > self._at_ms:
            self._at_ms = ms
            if self._live is not None:
                self._draw()

    def waiting(self, seconds: float | None) -> None:
        """Nobody takes the audio: say so, on a terminal."""
        if self._live is not None:
            held = f", {seconds:.1f} s of audio wait" if seconds else ""
            self._draw(Text(f"reconnecting{held}", "yellow"))

    def _heard(self, event: Transcript) -> None:
        key = (event.channel, event.turn, event.segment)
        if event.end_ms is not None:
            self._at_ms = max(self._at_ms, event.end_ms)
        if not event.final:
            self._open[key] = event.text
            return
        self._open.pop(key, None)
        if event.ends_turn:
            self._open = {
                each: text
                for each, text in self._open.items()
                if each[0] != event.channel or each[1] > event.turn
            }
        if not event.text:
            return
        name = f"{event.channel}: " if event.channel else ""
        if self._live is not None:
            line = Text.assemble((name, "dim"), (event.text, "bold"))
            self._console.print(line, highlight=False)
        if self._finals is not None:
            self._finals.write(f"{name}{event.text}\n")
            self._finals.flush()

    def _draw(self, line: Text | None = None) -> None:
        rows: list[RenderableType] = []
        partial = " ".join(text for _, text in sorted(self._open.items()) if text)
        if partial:
            rows.append(Text(partial, "dim"))
        if line is not None:
            rows.append(line)
        if self._progress is not None:
            clock = f"{_clock(self._at_ms)} / {_clock(self._total_ms)}"
            self._progress.update(self._task, completed=self._at_ms, clock=clock)
            rows.append(self._progress.get_renderable())
        if self._live is not None:
            self._live.update(Group(*rows), refresh=True)


def _clock(ms: int) -> str:
    return f"{ms // 60_000}:{ms // 1000 % 60:02}"
