"""How late an event loop is. `python -m bench.lag` is a loop that does nothing else."""

import asyncio
import json
import os
import time

import uvloop

__all__ = ["Lag"]

_EVERY_S = 0.005


class Lag:
    """Notes, 200 times a second, how much later than asked the loop calls back."""

    def __init__(self) -> None:
        self._late: list[float] = []
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0

    def start(self) -> None:
        """From now on."""
        # not loop.time(): uvloop's stands still within a turn and counts whole milliseconds
        self._due = time.monotonic() + _EVERY_S
        self._timer = self._loop.call_later(_EVERY_S, self._beat)

    def stop(self) -> None:
        """No more."""
        if self._timer is not None:
            self._timer.cancel()

    def take(self) -> list[float]:
        """Milliseconds noted since the last call."""
        late, self._late = self._late, []
        return late

    def _beat(self) -> None:
        self._late.append(round((time.monotonic() - self._due) * 1000, 3))
        self.start()


async def main() -> None:
    lag = Lag()
    lag.start()
    over = asyncio.get_running_loop().create_future()

    def line() -> None:
        if os.read(0, 256):
            print(json.dumps({"lag_ms": lag.take()}), flush=True)
        elif not over.done():
            over.set_result(None)

    asyncio.get_running_loop().add_reader(0, line)
    print("empty loop", flush=True)
    await over


if __name__ == "__main__":
    uvloop.run(main())
