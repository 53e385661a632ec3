"""Node, which runs the module without a browser."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness import missing

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def node() -> str:
    found = shutil.which("node")
    if not found:
        missing("Node is not installed: apt-get install nodejs")
    return str(found)


@pytest.fixture(scope="session")
def in_javascript(node: str) -> Callable[..., list[Any]]:
    """What the module answers to some jobs of `driver.mjs`, in their order."""

    def ask(*jobs: dict[str, Any]) -> list[Any]:
        lines = "".join(json.dumps(job) + "\n" for job in jobs)
        done = subprocess.run(
            [node, str(HERE / "driver.mjs")], input=lines, capture_output=True, text=True,
            timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    return ask
