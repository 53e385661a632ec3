"""`ossicle serve` in a process that may be killed, halted, told to leave and started again on the
same port.

    served = Served(folder, 'engine = "scripted:heard"\\n')
    await served.start()
    await served.kill()
"""

import asyncio
import os
import signal
import sys
import urllib.request
from pathlib import Path

from .between import free_port
from .machine import ROOT

__all__ = ["Served"]

_LEAVE_S = 5.0
"""How long a gateway that was told to leave may take; it is asked to drain for one second."""


class Served:
    """`ossicle serve`, in a process that may be killed and started again on the same port."""

    def __init__(self, folder: Path, config: str) -> None:
        """`config`: TOML without a port."""
        self.folder, self.port = folder, free_port()
        folder.mkdir(parents=True, exist_ok=True)
        self._file = folder / "ossicle.toml"
        self._file.write_text(
            f'port = {self.port}\ntls_port = "off"\ngrpc_port = "off"\nvoice = "off"\n'
            'log_level = "error"\n'
            f'state_dir = "{folder / "state"}"\ndrain_s = 1.0\n{config}'
        )
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Until it listens and is warm."""
        log = (self.folder / "log").open("ab")
        with log:
            self._process = await asyncio.create_subprocess_exec(
                Path(sys.executable).with_name("ossicle"), "serve", "--config", str(self._file),
                stdout=log, stderr=log, cwd=ROOT,
            )  # fmt: skip
        async with asyncio.timeout(90):
            while not await asyncio.to_thread(self._ready):
                if self._process.returncode is not None:
                    raise RuntimeError((self.folder / "log").read_text()[-2_000:])
                await asyncio.sleep(0.05)

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=1) as said:
                return said.status == 200
        except OSError:
            return False

    async def kill(self) -> None:
        """At once, with what it holds."""
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            process.send_signal(signal.SIGKILL)
            await process.wait()

    async def leave(self) -> None:
        """As `systemctl stop` does: it takes nobody any more, lets those there finish for a second,
        and ends; killed when it does not."""
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            process.send_signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(_LEAVE_S):
                    await process.wait()
            except TimeoutError:
                process.send_signal(signal.SIGKILL)
                await process.wait()

    @property
    def pid(self) -> int:
        """0 = none runs."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else 0

    def halt(self, *, on: bool) -> None:
        """It does nothing any more, and keeps its connections; or it goes on."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal.SIGSTOP if on else signal.SIGCONT)

    def resident(self) -> int:
        """Bytes of memory."""
        pages = Path(f"/proc/{self.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")
