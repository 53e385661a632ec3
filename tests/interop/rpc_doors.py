"""`ossicle serve` with gRPC doors, for SDKs that block: started once for a module, without a loop.

with doors(tmp_path, "--engine", "scripted:heard") as at:
    grpc.insecure_channel(at.grpc)
"""

import contextlib
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

__all__ = ["Doors", "doors"]

_WITHIN_S = 40.0


class Doors:
    """Where a gateway is reached."""

    def __init__(self, state: Path) -> None:
        self.lines: list[str] = []
        self.ca = state / "ca.pem"
        self.ready = threading.Event()

    def _at(self, scheme: str) -> str:
        text = "\n".join(self.lines)
        found = re.search(rf"(?<![a-z]){scheme}://(localhost:\d+)", text)
        assert found is not None, f"no {scheme} door: {text[-2000:]}"
        return found[1]

    @property
    def grpc(self) -> str:
        """host:port, plaintext."""
        return self._at("grpc")

    @property
    def grpcs(self) -> str:
        """host:port, over TLS with the local authority."""
        return self._at("grpcs")

    @property
    def http(self) -> str:
        """URL of the HTTP door."""
        return f"http://{self._at('http')}"

    def read(self, stream: Iterator[bytes]) -> None:
        """Take lines until the gateway is gone."""
        for line in stream:
            self.lines.append(line.decode(errors="replace").rstrip())
            if "try " in self.lines[-1]:
                self.ready.set()
        self.ready.set()


@contextlib.contextmanager
def doors(folder: Path, *flags: str, **environment: str) -> Iterator[Doors]:
    """Running and ready; stopped at the end."""
    state = folder / "state"
    process = subprocess.Popen(
        [
            Path(sys.executable).with_name("ossicle"), "serve",
            "--port", "0", "--tls-port", "off", "--grpc-port", "0", "--grpc-tls-port", "0",
            "--state-dir", str(state), *flags,
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, "NO_COLOR": "1", "COLUMNS": "200", **environment},
    )  # fmt: skip
    assert process.stderr is not None
    it = Doors(state)
    reader = threading.Thread(target=it.read, args=(process.stderr,), daemon=True)
    reader.start()
    try:
        if not it.ready.wait(_WITHIN_S) or process.poll() is not None:
            pytest.fail("the gateway did not start: " + "\n".join(it.lines)[-2000:])
        yield it
    finally:
        process.kill()
        process.wait(10)
        reader.join(10)
        process.stderr.close()
