"""Engines by name."""

from pathlib import Path

import pytest

from ossicle.core.errors import MissingExtra, Refused
from ossicle.engines import open as opening
from ossicle.engines.echo import EchoEngine
from ossicle.engines.open import NAMES, default_voice, describe_engines, open_engine
from ossicle.engines.scripted import ScriptedEngine
from ossicle.engines.tone import ToneEngine

ROOT = Path(__file__).parents[3]


def test_names_and_arguments():
    assert isinstance(open_engine("echo"), EchoEngine)
    assert isinstance(open_engine("tone"), ToneEngine)
    assert isinstance(open_engine("scripted:Hello: you.?open_ms=5"), ScriptedEngine)


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ("ecko", r"'ecko' is not known; did you mean 'echo'\? there are pocketsphinx, echo"),
        ("", "'' is not known"),
        ("echo:x", "echo takes no argument, not 'x'"),
        ("python:json", "must be python:MODULE:ATTRIBUTE"),
        ("python:no_such_module:x", "cannot be found"),
        ("python:json:no_such", "cannot be found"),
        ("python:json:__name__", "is no engine and makes none"),
        ("python:json:JSONDecoder", "gave a JSONDecoder, which is no Engine"),
        ("scripted:a?pace=x", "pace='x'"),
    ],
)
def test_mistakes_are_named(spec, text):
    with pytest.raises(Refused, match=text):
        open_engine(spec)


def test_an_engine_of_your_own(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    assert open_engine("python:my_engine_async:engine").capabilities.name == "loudness"
    assert isinstance(open_engine("python:ossicle.engines.echo:EchoEngine"), EchoEngine)


def test_the_default_voice_is_one_that_is_here(monkeypatch):
    monkeypatch.setattr(opening, "available", lambda: False)
    assert default_voice() == "tone"
    with pytest.raises(MissingExtra, match=r"ossicle\[voice\]"):
        open_engine("espeak")
    row = next(row for row in describe_engines() if row.name == "espeak")
    assert not row.available
    assert "libespeak-ng1" in row.why
    monkeypatch.setattr(opening, "available", lambda: True)
    assert default_voice() == "espeak"


def test_every_engine_is_described():
    rows = describe_engines()
    assert tuple(row.name for row in rows) == NAMES
    assert all(row.note for row in rows)
