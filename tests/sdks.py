"""Where the vendors' SDKs are that the tests run unmodified, and which version of each is there.

    deepgram = javascript("@deepgram/sdk")         # pinned in tests/interop/js
    older = javascript("@deepgram/sdk", major=4)   # there too, under another name
    client = python("deepgram-sdk")                # pinned in the environment
    older = python("deepgram-sdk", major=4)        # in a folder of its own, .venv-older

    process = await asyncio.create_subprocess_exec(
        *client.command(program), env={**os.environ, **client.variables})

Something that is not there skips the test and names the way to it (`scripts/clients.py`); under
`CI=true` it fails. The canary (`scripts/canary.py`) names other folders with
`OSSICLE_NODE_MODULES` and `PYTHONPATH`, and a file with `OSSICLE_SDK_USES` in which each test
notes which SDK it ran.
"""

import importlib.metadata
import json
import os
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path

from harness import missing
from interop.sdk_table import record

__all__ = ["OLDER", "Client", "javascript", "node", "node_modules", "python", "ran"]

_ROOT = Path(__file__).parent.parent
_JAVASCRIPT = _ROOT / "tests" / "interop" / "js"
OLDER = _ROOT / ".venv-older"
"""Where the older Python SDKs are."""


@dataclass(frozen=True)
class Client:
    """An SDK that can be run."""

    sdk: str
    version: str
    language: str
    program: str
    """The interpreter."""
    folder: Path
    """Of the package itself."""
    variables: dict[str, str] = field(default_factory=dict[str, str])
    """What its process needs in its environment."""

    def command(self, program: Path | str) -> list[str]:
        """How a program that uses it is run."""
        return [self.program, str(program)]


def node() -> str:
    """Node's path."""
    program = shutil.which("node")
    if program is None:
        missing("node is needed: apt-get install nodejs")
        raise AssertionError
    return program


def node_modules(name: str) -> Path:
    """The folder of an npm package that the tests use."""
    places = [
        os.environ.get("OSSICLE_NODE_MODULES", ""),
        _JAVASCRIPT / "node_modules",
        *os.environ.get("NODE_PATH", "").split(os.pathsep),
    ]
    for place in filter(None, places):
        if (found := Path(place) / name).is_dir():
            return found
    missing(f"{name} is needed: python scripts/clients.py, or npm ci in tests/interop/js")
    raise AssertionError


def javascript(name: str, *, major: int | None = None) -> Client:
    """An SDK for JavaScript; with `major` the older one."""
    # Programs that run several versions are told the name with OSSICLE_SDK.
    alias = name if major is None else f"{name.strip('@').split('/', maxsplit=1)[0]}-{major}"
    program, folder = node(), node_modules(alias)
    version = json.loads((folder / "package.json").read_text(encoding="utf-8"))["version"]
    modules = folder.parents[alias.count("/")]
    client = Client(
        name, version, "JavaScript", program, folder,
        {"NODE_PATH": str(modules), "OSSICLE_SDK": alias},
    )  # fmt: skip
    return _noted(client, major)


def python(name: str, *, major: int | None = None) -> Client:
    """An SDK for Python; with `major` the older one."""
    places = sys.path if major is None else [str(OLDER)]
    found = next(iter(importlib.metadata.distributions(name=name, path=places)), None)
    if found is None:
        missing(
            f"the Python package {name} is needed: make test installs it"
            if major is None
            else f"{name} {major} is needed in {OLDER.name}: python scripts/clients.py"
        )
        raise AssertionError
    variables = {} if major is None else {"PYTHONPATH": str(OLDER)}
    folder = Path(str(found.locate_file("")))
    return _noted(Client(name, found.version, "Python", sys.executable, folder, variables), major)


def _noted(client: Client, major: int | None) -> Client:
    """The client, once it is known to be of the wanted major version."""
    if major is not None:
        assert client.version.split(".")[0] == str(major), (client.sdk, client.version)
    uses = os.environ.get("OSSICLE_SDK_USES")
    if uses and major is None:  # an older one is no news
        test = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" ")[0]
        row = {"test": test, "sdk": client.sdk, "language": client.language}
        with Path(uses).open("a", encoding="utf-8") as file:
            file.write(json.dumps(row | {"version": client.version}) + "\n")
    return client


def ran(client: Client, dialect: str, *, door: str, use: str) -> None:
    """A row in the table of clients: this test passed."""
    record(
        dialect, sdk=client.sdk, version=client.version, language=client.language,
        door=door, use=use,
    )  # fmt: skip
