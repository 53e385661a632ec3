"""What a person sees while it measures: the measurement, its step, the time."""

import contextlib
import time
from collections.abc import Generator

from rich.console import Console
from rich.status import Status

__all__ = ["Progress"]


class Progress:
    """One line that changes in a terminal; one line each where there is none."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._status: Status | None = None
        self._name = ""

    @contextlib.contextmanager
    def measuring(self, name: str) -> Generator[None, None, None]:
        """A measurement begins and ends."""
        self._name, began = name, time.monotonic()
        if self.console.is_terminal:
            with self.console.status(name) as self._status:
                yield
        else:
            yield
        self._status = None
        self.console.print(f"[green]{name}[/] took {time.monotonic() - began:.0f} s")

    def step(self, what: str) -> None:
        """It does this now."""
        if self._status is not None:
            self._status.update(f"[cyan]{self._name}[/] {what}")
