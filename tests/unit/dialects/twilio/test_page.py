"""The reference page names every parameter, message and code that the code has."""

import re
from pathlib import Path

from ossicle.dialects.twilio.parameters import NAMES
from ossicle.dialects.twilio.server import CARRIERS

PAGE = (Path(__file__).parents[4] / "docs" / "reference" / "twilio.md").read_text("utf-8")
CODE = set(re.findall(r"`([^`]+)`", PAGE))


def test_every_parameter_is_named_with_what_it_does():
    for name in NAMES:
        assert f"| `{name}` |" in PAGE, name


def test_every_path_and_message_is_named():
    assert {f"/{name}/media" for name in CARRIERS} | {"/twilio/voice", "/twilio/status"} <= CODE
    assert {
        "connected",
        "start",
        "media",
        "dtmf",
        "mark",
        "stop",
        "clear",
        "31950",
        "31951",
    } <= CODE
