"""The reference page names every parameter, header, event and error that the code has."""

import re
from pathlib import Path

from ossicle.dialects.amazon.errors import _NAMES, AUTH
from ossicle.dialects.amazon.parameters import _ECHOED, _ENCODINGS

PAGE = (Path(__file__).parents[4] / "docs" / "reference" / "amazon.md").read_text("utf-8")
CODE = set(re.findall(r"`([^`]+)`", PAGE))


def test_every_parameter_and_encoding_is_named():
    assert {*_ECHOED, "session-id", "content-redaction-type"} <= CODE
    assert {*_ENCODINGS} <= CODE


def test_every_error_is_named():
    for name in {*_NAMES.values(), *AUTH.values()}:
        assert f"| `{name}` |" in PAGE, name


def test_events_and_paths_are_named():
    assert {"AudioEvent", "ConfigurationEvent", "TranscriptEvent", "POST /stream-transcription",
            "GET /stream-transcription-websocket"} <= CODE  # fmt: skip
