"""The reference page names every parameter, message and code that the code has."""

import re
from pathlib import Path

import msgspec
import pytest

from ossicle.dialects.assemblyai import messages
from ossicle.dialects.assemblyai.errors import LEGACY_CODES, V3_CODES
from ossicle.dialects.assemblyai.legacy_messages import LegacyRequest, LegacyServerMessage
from ossicle.dialects.assemblyai.legacy_query import LegacyParameters
from ossicle.dialects.assemblyai.query import PASSED_OVER, Parameters

PAGE = (Path(__file__).parents[4] / "docs" / "reference" / "assemblyai.md").read_text("utf-8")
CODE = set(re.findall(r"`([^`]+)`", PAGE))
NUMBERS = set(re.findall(r"\b[0-9]{4}\b", PAGE))


@pytest.mark.parametrize("kind", [Parameters, LegacyParameters, LegacyRequest])
def test_every_parameter_is_named(kind: type[msgspec.Struct]):
    names = {field.name for field in msgspec.structs.fields(kind)}
    assert names <= {name for text in CODE for name in re.findall(r"\w+", text)}


def test_every_parameter_that_is_passed_over_is_named():
    assert PASSED_OVER <= CODE
    assert not PASSED_OVER & {field.name for field in msgspec.structs.fields(Parameters)}


def test_every_message_is_named():
    unions = (messages.ClientMessage, messages.ServerMessage, LegacyServerMessage)
    tags = {str(kind.__struct_config__.tag) for union in unions for kind in union.__args__}
    assert tags <= CODE


@pytest.mark.parametrize("codes", [V3_CODES, LEGACY_CODES])
def test_every_code_is_named(codes: dict[str, int]):
    assert set(map(str, codes.values())) <= NUMBERS
