"""The documents say what is there: links, commands, flags, names, codes, excerpts of examples."""

import inspect
import re
import typing
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qsl

import msgspec
import pytest
import typer

from fences import FENCE, PAGES, ROOT, blocks
from ossicle.cli import app
from ossicle.core.capabilities import Capabilities
from ossicle.core.errors import CODES
from ossicle.core.ledger import LedgerReport
from ossicle.core.options import Options
from ossicle.core.session import SessionSettings
from ossicle.dialects.native import query
from ossicle.dialects.native.errors import STATUS
from ossicle.gateway.configuration.naming import SETTINGS as SETTINGS_BY_NAME
from ossicle.gateway.configuration.settings import GatewaySettings
from ossicle.gateway.reports import metrics

LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
INLINE = re.compile(r"`([^`\n]+)`")
FOREIGN = re.compile(
    r"https?://\S*(?:pypi|python|npm|registry)\S*/simple|registry\.|/wor[k]/|/roo[t]/|/tmp/"
    r"|/home/(?!ossicle\b)",
    re.IGNORECASE,
)


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return FENCE.sub("", page.read_text("utf-8"))


def code(page: Path) -> Iterator[str]:
    """Everything written as code, continued lines joined."""
    yield from INLINE.findall(prose(page))
    for block in blocks():
        if block.page == page:
            yield from re.sub(r"\\\n\s*", "", block.text).splitlines()


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def anchors(page: Path) -> set[str]:
    """Names of the headings, as they are made from their text."""
    heads = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


every_page = pytest.mark.parametrize("page", PAGES, ids=name_of)


@every_page
def test_links_lead_somewhere(page: Path) -> None:
    broken: list[str] = []
    for link in LINK.findall(prose(page)):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


def test_every_page_can_be_reached_from_the_readme() -> None:
    seen, todo = {ROOT / "README.md"}, [ROOT / "README.md"]
    while todo:
        page = todo.pop()
        for link in LINK.findall(prose(page)):
            target = (page.parent / link.partition("#")[0]).resolve()
            if target.suffix == ".md" and target.exists() and target not in seen:
                seen.add(target)
                todo.append(target)
    assert {name_of(page) for page in PAGES if page not in seen} == set()


COMMANDS: dict[str, typing.Any] = typing.cast("typing.Any", typer.main.get_command(app)).commands


def flags_of(command: typing.Any) -> set[str]:
    """Of a command, and of those below it."""
    below = getattr(command, "commands", {}).values()
    return (
        {opt for each in command.params for opt in (*each.opts, *each.secondary_opts)}
        | {"--help"}
        | {flag for each in below for flag in flags_of(each)}
    )


FLAGS = {name: flags_of(command) for name, command in COMMANDS.items()}


@every_page
def test_commands_and_flags_exist(page: Path) -> None:
    wrong: list[str] = []
    for line in code(page):
        for found in re.finditer(r"(?:^|[\s/($=])ossicle ([a-z][a-z-]*)([^|)#]*)", line):
            name, rest = found.groups()
            if name not in COMMANDS:
                wrong.append(f"ossicle {name}")
                continue
            below = getattr(COMMANDS[name], "commands", None)
            if below is not None and (first := rest.split()[:1]) and first[0] not in below:
                wrong.append(f"ossicle {name} {first[0]}")
            used = set(re.findall(r"(?<=\s)--[a-z][a-z-]*", rest))
            wrong += [f"ossicle {name} {flag}" for flag in used - FLAGS[name]]
    alone = {word.split("=")[0].split()[0] for word in INLINE.findall(prose(page))
             if word.startswith("--")}  # fmt: skip
    wrong += sorted(alone - set().union(*FLAGS.values()))
    assert wrong == []


def fields_of(kind: type[msgspec.Struct], at: str = "") -> Iterator[str]:
    """Dotted names of a struct's fields."""
    for field in msgspec.structs.fields(kind):
        yield at + field.encode_name
        if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
            yield from fields_of(field.type, f"{at}{field.encode_name}.")


@every_page
def test_option_names_exist(page: Path) -> None:
    known = set(fields_of(Options))
    named = {
        word for text in INLINE.findall(prose(page))
        for word in re.findall(r"\b(?:recognition|synthesis)\.[a-z_.]*[a-z_]", text)
    }  # fmt: skip
    assert named - known == set()


PARAMETERS = {
    *query.NAMES, "encoding", "sample_rate", "channels", "speaks", "speaks_rate", "hint", "tool",
    "token",
    "resume", "since", "settled_ms", "turn", "session", "role", "transcript_url", "audio_from",
    "traceparent",
}  # fmt: skip


@every_page
def test_parameters_in_addresses_exist(page: Path) -> None:
    wrong: set[str] = set()
    for line in code(page):
        for text in re.findall(r"(?:/v1/stream|^)\?([a-z_]+=[^\s'\"`#]*)", line):
            wrong |= {name for name, _ in parse_qsl(text, keep_blank_values=True)} - PARAMETERS
    assert wrong == set()


@every_page
def test_metrics_and_variables_exist(page: Path) -> None:
    sources = "".join(
        path.read_text("utf-8")
        for folder in ("src", "scripts", "tests", "bench")
        for path in (ROOT / folder).rglob("*.py")
    ) + (ROOT / "Makefile").read_text("utf-8")
    known = set(re.findall(r"OSSICLE_[A-Z_]+", sources))
    known |= {setting.variable for setting in SETTINGS_BY_NAME.values()}
    text = page.read_text("utf-8")
    assert set(re.findall(r"OSSICLE_[A-Z_]*[A-Z]", text)) - known == set()
    figures = set(re.findall(r'"(ossicle_[a-z_]+)"', inspect.getsource(metrics)))
    named = {
        re.sub(r"_(total|bucket|count|sum)$", "", word)
        for word in re.findall(r"\bossicle_[a-z_]+", text)
    }
    assert named - figures == set()


SETTINGS = {
    name
    for kind in (GatewaySettings, SessionSettings, LedgerReport, Capabilities)
    for name in kind.__struct_fields__
}


@every_page
def test_bounds_named_are_settings(page: Path) -> None:
    """Names of the form `something_s` and `something_ms` are where the code has them."""
    known = SETTINGS | {name.split(".")[-1] for name in fields_of(Options)} | set(query.NAMES)
    code = [path for kind in ("*.py", "*.js") for path in (ROOT / "src").rglob(kind)]
    source = "".join(path.read_text("utf-8") for path in code)
    named = {word for word in INLINE.findall(prose(page)) if re.fullmatch(r"[a-z_]+_m?s", word)}
    assert {name for name in named - known if not re.search(rf"\b{name}\b", source)} == set()


@every_page
def test_no_page_names_a_machine_or_a_registry(page: Path) -> None:
    assert FOREIGN.findall(page.read_text("utf-8")) == []


def test_troubleshooting_knows_every_code() -> None:
    page = (ROOT / "docs" / "howto" / "troubleshooting.md").read_text("utf-8")
    rows = re.findall(r"^\| `([a-z_]+)` \| (\d+) \|", page, re.MULTILINE)
    assert {code: int(status) for code, status in rows} == STATUS
    assert [code for code, _ in rows] == list(STATUS), "in the order of the table in the code"
    assert set(STATUS) == set(CODES)
