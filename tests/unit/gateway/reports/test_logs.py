"""Off a terminal every line is one JSON object, with what was said beside the message."""

import io
import json
import logging
import sys

import pytest

from ossicle.gateway.reports.logs import set_up


@pytest.fixture(autouse=True)
def kept():
    root, ours = logging.getLogger(), logging.getLogger("ossicle")
    handlers, levels = root.handlers[:], (root.level, ours.level)
    yield
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    ours.setLevel(levels[1])


def test_one_object_a_line_off_a_terminal(monkeypatch):
    out = io.StringIO()
    monkeypatch.setattr(sys, "stderr", out)
    set_up()
    log = logging.getLogger("ossicle.gateway.sessions")
    log.info("session ended", extra={"session": "s1", "audio_ms": 7, "trace": "0af7"})
    log.debug("not at this level")
    (line,) = out.getvalue().splitlines()
    said = json.loads(line)
    assert said["event"] == "session ended"
    assert (said["session"], said["audio_ms"], said["trace"]) == ("s1", 7, "0af7")
    assert said["level"] == "info"
    assert said["timestamp"].endswith("Z")


def test_for_people_on_a_terminal(monkeypatch):
    out = io.StringIO()
    out.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", out)
    set_up()
    logging.getLogger("ossicle.gateway.sessions").info("refused", extra={"code": "forbidden"})
    assert "refused" in out.getvalue()
    assert "forbidden" in out.getvalue()
    assert not out.getvalue().startswith("{")
