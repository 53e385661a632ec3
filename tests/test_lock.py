"""The lock files pin everything by hash, agree with each other, and name no machine."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
OLDER = "tests/interop/older/requirements"
FILES = ("requirements.lock", "requirements-dev.lock", f"{OLDER}.lock")
MAY_STAND = re.compile(
    r"""[A-Za-z0-9][\w.-]*==[\w.!+-]+(\ ;\ [^\\]+)?\ \\   # a pin, perhaps for some machines
      | \ {4}--hash=sha256:[0-9a-f]{64}(\ \\)?
      | \ {4}\#(\ via|\ {3}|\ via\ )?\ ?[\w.\[\],-]*(\ \([\w.,:\ -]+\))?   # who asked for it
    """,
    re.VERBOSE,
)


def pins(name: str) -> set[str]:
    """The pins of a lock with their markers."""
    text = (ROOT / name).read_text(encoding="utf-8")
    return {line.rstrip(" \\") for line in text.splitlines() if re.match(r"\w", line)}


@pytest.mark.parametrize("name", FILES)
def test_every_line_is_a_pin_a_hash_or_who_asked(name: str) -> None:
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not MAY_STAND.fullmatch(line)] == []


@pytest.mark.parametrize("name", FILES)
def test_every_pin_has_a_hash(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    blocks = re.split(r"^(?=\w)", text, flags=re.MULTILINE)[1:]
    assert [block.split()[0] for block in blocks if "--hash=sha256:" not in block] == []


def test_the_tools_come_on_top_of_what_is_run() -> None:
    assert pins("requirements.lock") <= pins("requirements-dev.lock")


def test_exact_pins_of_the_project_are_in_the_lock() -> None:
    table = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    asked = table["project"]["dependencies"] + table["dependency-groups"]["dev"]
    exact = {each for each in asked if re.fullmatch(r"[\w.-]+==[\w.]+", each)}
    assert exact
    assert exact - {pin.split(" ;")[0] for pin in pins("requirements-dev.lock")} == set()


def test_the_older_sdks_are_the_ones_asked_for() -> None:
    lines = (ROOT / f"{OLDER}.in").read_text(encoding="utf-8").splitlines()
    asked = {line for line in lines if line and not line.startswith("#")}
    assert asked == {"assemblyai==0.34.0", "deepgram-sdk==4.8.1"}
    assert asked <= {pin.split(" ;")[0] for pin in pins(f"{OLDER}.lock")}
