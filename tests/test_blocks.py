"""Every fenced block is what it says: code that parses, names that exist, configuration that is
taken, addresses where something answers. What can be run without a microphone, an account or root
is run, by tests/interop/test_examples.py."""

import ast
import configparser
import importlib
import json
import re
import shutil
import subprocess
import sys
import textwrap
import tomllib
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

import ossicle
from fences import ROOT, Block, blocks
from harness import missing
from ossicle.gateway.configuration.sources import Misconfigured, configure

BLOCKS = list(blocks())
MARKS = {"", "runs", "continues"}
UNITS = [["Unit", "Service", "Install"], ["Unit", "Service"], ["Socket", "Install"]]
"""Of a service, of one that something else starts, and of a socket."""
LANGUAGES = {"python", "sh", "js", "toml", "json", "ini", "xml", ""}
SDKS = ROOT / "tests/interop/js"
DOCUMENTS = [
    json.loads((ROOT / "docs/reference" / name).read_text("utf-8"))
    for name in ("openapi.json", "asyncapi.json")
]
PATHS = [
    re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path)))
    for path in (*DOCUMENTS[0]["paths"], *(c["address"] for c in DOCUMENTS[1]["channels"].values()))
]


def of(*languages: str) -> Any:
    """A test for each block in these languages that is no part of an example."""
    found = [b for b in BLOCKS if b.language in languages and not b.mark.startswith("example: ")]
    assert found, languages
    return pytest.mark.parametrize("block", found, ids=str)


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_a_block_is_marked_and_named(block: Block) -> None:
    if block.mark.startswith("example: "):
        example = (ROOT / "examples" / block.mark.removeprefix("example: ")).read_text("utf-8")
        assert block.text in example, "the example says something else"
        return
    assert block.language in LANGUAGES, "checked by nothing: make it a part of a tested example"
    assert block.mark in MARKS, "a mark is `runs`, `continues` or `example: FILE`"
    assert not block.mark or block.language in {"python", "sh"}, "only python and sh can be run"


@of("toml")
def test_configuration_is_taken(block: Block, tmp_path: Path) -> None:
    file = tmp_path / "ossicle.toml"
    file.write_text(block.text, "utf-8")
    assert tomllib.loads(block.text), "it says nothing"
    try:
        configure(file)
    except Misconfigured as error:
        pytest.fail(str(error))


@of("python")
def test_python_parses_and_its_names_exist(block: Block) -> None:
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT | ast.PyCF_ONLY_AST
    tree = compile(textwrap.dedent(block.text), str(block), "exec", flags)
    assert isinstance(tree, ast.AST)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.value.id == "ossicle":
                assert hasattr(ossicle, node.attr) or _module(f"ossicle.{node.attr}"), node.attr
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ossicle"):
            module = importlib.import_module(node.module or "")
            assert [each.name for each in node.names if not hasattr(module, each.name)] == []


def _module(name: str) -> bool:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError:
        return False
    return True


OLDER = {"DeepgramClientOptions"}
"""Names of an SDK's older version, which another ring installs beside (sdk_table.py)."""


def test_what_pythons_sdks_are_asked_for_is_there() -> None:
    """In a process of its own: what an SDK warns about while it is imported is its matter."""
    asked: set[str] = set()
    for block in BLOCKS:
        if block.language != "python" or block.mark.startswith("example: "):
            continue
        for node in ast.walk(ast.parse(_awaited(block.text))):
            if isinstance(node, ast.ImportFrom) and not (node.module or "").startswith("ossicle"):
                names = {each.name for each in node.names}
                if not names & OLDER:
                    asked.add(f"from {node.module} import {', '.join(sorted(names))}")
    assert any("deepgram" in each for each in asked)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", "\n".join(sorted(asked))],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def _awaited(text: str) -> str:
    """As the body of a function, where it may wait."""
    return "async def block():\n" + textwrap.indent(textwrap.dedent(text), "    ") + "\n    pass"


@of("sh")
def test_a_shell_reads_it_and_what_it_names_is_there(block: Block) -> None:
    shell = shutil.which("bash") or "sh"
    done = subprocess.run(
        [shell, "-n"], input=block.text, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    assert set(re.findall(r"(?:^|[;&] *|=1 )make ([a-z]+)", block.text, re.MULTILINE)) <= targets
    for name in re.findall(r"\b((?:examples|scripts|docs|tests)/[\w./-]+)", block.text):
        assert (ROOT / name).exists(), name
    for path in re.findall(r"(?:localhost:\d+|example\.org)(/[^\s'\"?#`>;]*)", block.text):
        answered = any(pattern.fullmatch(path) for pattern in PATHS)
        served = (ROOT / "examples" / path.lstrip("/")).is_file()
        assert answered or served, f"nothing answers at {path}"


@of("json")
def test_json_is_json(block: Block) -> None:
    for each in block.text.split("\n\n"):
        json.loads(each)


@of("ini")
def test_a_unit_is_one(block: Block) -> None:
    parser = configparser.RawConfigParser(strict=False)
    parser.read_string(block.text)
    assert parser.sections() in UNITS


@of("xml")
def test_xml_is_well_formed(block: Block) -> None:
    ET.fromstring(block.text)


CHECK = """
const vm = require("node:vm");
const fs = require("node:fs");
const wrong = [];
(async () => {
  for (const { where, text } of JSON.parse(fs.readFileSync(0, "utf8"))) {
    try {
      new vm.SourceTextModule(text, { identifier: where });
      for (const [, names, from] of text.matchAll(/import \\{([^}]*)\\} from "([^"]+)"/g)) {
        const there = from.endsWith("/ossicle.js")
          ? await import(process.argv[1]) : await import(require.resolve(from));
        for (const name of names.split(",").map((each) => each.trim()))
          if (!(name in there)) wrong.push(`${where}: ${from} has no ${name}`);
      }
    } catch (error) { wrong.push(`${where}: ${error.message}`); }
  }
  console.log(JSON.stringify(wrong));
})();
"""


def test_javascript_parses_and_its_imports_exist() -> None:
    node = shutil.which("node")
    if node is None:
        missing("node is not installed")
    if not (SDKS / "node_modules").is_dir():
        missing("the JavaScript SDKs are not installed: npm ci in tests/interop/js")
    asked = [
        {"where": str(block), "text": block.text}
        for block in BLOCKS
        if block.language == "js" and not block.mark.startswith("example: ")
    ]
    assert asked
    done = subprocess.run(
        [node or "", "--experimental-vm-modules", "--no-warnings", "-e", CHECK,
         str(ROOT / "src/ossicle/web/ossicle.js")],
        cwd=SDKS, input=json.dumps(asked), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == []
