"""What an opening asks for, whichever way it is said."""

import json
from typing import Any

import pytest

from ossicle.core.errors import OssicleError
from ossicle.core.wire import Opening, Part
from ossicle.dialects.openai.credentials import ephemeral
from ossicle.dialects.openai.settings import Settings
from ossicle.dialects.openai.wanted import wanted


def opening(query: str = "", key: Any = None, body: Any = None) -> Opening:
    pairs = tuple(tuple(each.split("=")) for each in query.split("&") if each)
    held = ephemeral("ossicle-t.a.b", key) if key is not None else "sk"
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    parts = () if body is None else (Part("session", data),)
    return Opening(query=pairs, headers=(("authorization", f"Bearer {held}"),), parts=parts)  # pyright: ignore[reportArgumentType]  pairs


def test_the_url_alone():
    assert wanted(opening("model=m")) == Settings(model="m")
    assert wanted(opening("intent=transcription")).type == "transcription"
    assert wanted(opening()) == Settings()


def test_the_key_then_the_body():
    key = {"type": "realtime", "instructions": "key", "audio": {"output": {"voice": "a"}}}
    body = {"type": "realtime", "instructions": "body", "audio": {"output": {"speed": 1.5}}}
    settings = wanted(opening(key=key, body=body))
    assert settings.instructions == "body"
    output = settings.audio.output
    assert (output.voice, output.speed) == ("a", 1.5)  # it merges
    assert wanted(opening("model=url", body={"model": "body"})).model == "url"
    assert wanted(opening(key={"model": "key"}, body={"model": "body"})).model == "body"
    assert wanted(opening(body={"type": "transcription"})).type == "transcription"


@pytest.mark.parametrize(
    ("asked", "word"),
    [
        (opening("intent=transcription&model=m"), "no model"),
        (opening(body={"type": "sip"}), "session.type"),
        (opening(key={"type": "transcription"}, body={"type": "realtime"}), "not allowed"),
        (opening(body={"dance": 1}), "dance"),
        (opening(body=[]), "JSON object"),
        (opening(body=b"{"), "JSON object"),
        (opening(body=b"\xff"), "JSON object"),
    ],
)
def test_what_is_no_session(asked: Opening, word: str):
    with pytest.raises(OssicleError, match=word):
        wanted(asked)
