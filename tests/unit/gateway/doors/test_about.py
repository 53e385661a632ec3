"""What the page is told: the engine, who answers, and lines that start a better one."""

import shlex
import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest

from harness import ask, gateway_with, heard
from ossicle.cli.serve import build_engine
from ossicle.core.ports import Engine
from ossicle.engines.agent import Agent
from ossicle.engines.compose import Combined
from ossicle.engines.responders.function import Function
from ossicle.engines.tone import ToneEngine
from ossicle.gateway.configuration.settings import GatewaySettings
from ossicle.gateway.configuration.sources import configure
from ossicle.gateway.doors.about import About, about
from ossicle.gateway.house import House
from ossicle.gateway.models.routing import Routed

ROOT = Path(__file__).parents[4]


def told(engine: Engine, tmp_path: Path, **settings: Any) -> About:
    values = GatewaySettings(state_dir=tmp_path, **settings)
    return about(House(values, engine), webrtc=True)


def beginner() -> Engine:
    engine = heard()
    engine.capabilities = msgspec.structs.replace(engine.capabilities, name="pocketsphinx")
    return engine


def answerer(name: str) -> Agent:
    return Agent(Combined(heard(), ToneEngine()), Function(lambda question: question.said, name))


async def test_over_http(tmp_path: Path) -> None:
    async with gateway_with(tmp_path, keys=(("me", "sesame"),)) as gateway:
        answer = await ask(gateway.url, method="GET", path="/v1/about")
        assert answer.json == {
            "engine": "scripted", "keys": True, "webrtc": True, "note": "", "better": [],
            "answers": {"name": "parrot", "model": "", "aloud": False, "always": False},
        }  # fmt: skip
        assert answer.headers["cache-control"] == "no-store"
        assert b"sesame" not in answer.body


async def test_who_answers(tmp_path: Path) -> None:
    parrot = told(Combined(heard(), ToneEngine()), tmp_path).answers
    assert parrot is not None
    assert (parrot.name, parrot.model, parrot.aloud, parrot.always) == ("parrot", "", True, False)
    own = told(answerer("clerk"), tmp_path).answers
    assert own is not None
    assert (own.name, own.model, own.aloud, own.always) == ("clerk", "", True, True)
    routes = [("any-*", answerer("hidden")), ("desk", answerer("clerk"))]
    routed = told(Routed(heard(), routes), tmp_path).answers
    assert routed is not None  # a pattern is no name to ask for
    assert (routed.name, routed.model, routed.always) == ("clerk", "desk", True)
    assert told(ToneEngine(), tmp_path).answers is None


async def test_an_engine_that_is_no_beginning_needs_no_better_one(tmp_path: Path) -> None:
    found = told(heard(), tmp_path)
    assert (found.note, found.better) == ("", ())


async def test_each_line_starts_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a shell reads it: the settings and the engine that `ossicle serve` makes of it."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "examples/my_engine_async.py", tmp_path / "my_engine.py")
    found = told(beginner(), tmp_path, port=8090)
    assert "not for dictation" in found.note
    names: list[str] = []
    for each in found.better:
        words = shlex.split(each.line)
        key = ""
        if "=" in words[0]:
            key, _, value = words.pop(0).partition("=")
            assert value == "YOUR_KEY"
            assert value in each.how
        assert words[:4] == ["ossicle", "serve", "--port", "8090"]
        assert words[4] == "--engine"
        settings = configure(None, {}, {"engine": words[5], "port": 8090}, ()).settings
        engine = build_engine(settings)
        able = engine.capabilities
        assert able.hears
        names.append(able.name.partition("+")[0])
        assert bool(key) == words[5].startswith("upstream:")
        _, _, page = each.page.partition("/docs/")
        assert (ROOT / "docs" / page).is_file()
        if key:  # the variable that it is really read from stands on that page
            assert key in (ROOT / "docs" / page).read_text("utf-8")
    assert names == ["deepgram", "assemblyai", "openai", "google", "loudness"]
    assert "--port" not in told(beginner(), tmp_path).better[0].line
