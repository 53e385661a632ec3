"""Runs the module's own tests under Node's test runner."""

import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.mark.parametrize("name", [path.name for path in sorted(HERE.glob("*.test.mjs"))])
def test_under_node(node: str, name: str) -> None:
    done = subprocess.run(
        [node, "--test", str(HERE / name)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
