"""A session of ours in the service's words, and back by the settings that read them."""

from typing import Any

import pytest

from ossicle.core.formats import AudioFormat
from ossicle.dialects.openai.session_words import line_of, merged, session_of

PCM = AudioFormat("pcm_s16le", 24_000)
ULAW = AudioFormat("mulaw", 8_000)


def heard(patch: dict[str, Any], *, talks: bool = False) -> dict[str, Any]:
    return session_of(patch, PCM, PCM, talks=talks)["audio"]["input"]


def test_words_only() -> None:
    patch = {"recognition": {"model": "m", "language": "de-DE", "hints": [{"text": "Ohr"}]}}
    session = session_of(patch, ULAW, PCM, talks=False)
    assert session["type"] == "transcription"
    told = session["audio"]["input"]
    assert told["format"] == {"type": "audio/pcmu"}
    assert told["transcription"] == {"model": "m", "language": "de", "keywords": ["Ohr"]}
    assert set(session["audio"]) == {"input"}


def test_a_conversation() -> None:
    tool = {"name": "clock", "parameters": '{"type":"object"}'}
    patch = {
        "recognition": {"model": "never the one that hears"},
        "synthesis": {"voice": "alloy", "speed": 1.1},
        "answers": {
            "wanted": True, "instructions": "Be short.", "tools": [tool], "tool_choice": "clock",
            "max_tokens": 50, "interrupt": False,
        },
    }  # fmt: skip
    session = session_of(patch, PCM, ULAW, talks=True)
    assert session["audio"]["output"] == {
        "format": {"type": "audio/pcmu"}, "voice": "alloy", "speed": 1.1,
    }  # fmt: skip
    assert session["audio"]["input"]["transcription"] == {"model": "gpt-4o-transcribe"}
    assert session["instructions"] == "Be short."
    assert session["tools"][0]["parameters"] == {"type": "object"}
    assert session["tool_choice"] == {"type": "function", "name": "clock"}
    assert session["max_output_tokens"] == 50
    detection = session["audio"]["input"]["turn_detection"]
    assert (detection["create_response"], detection["interrupt_response"]) == (True, False)


@pytest.mark.parametrize(
    ("turns", "told"),
    [
        ({}, {"type": "server_vad", "prefix_padding_ms": 300}),
        (
            {"silence_ms": 400, "threshold": 0.6},
            {"type": "server_vad", "prefix_padding_ms": 300, "silence_duration_ms": 400,
             "threshold": 0.6},
        ),
        ({"confidence": 0.9}, {"type": "semantic_vad", "eagerness": "low"}),
        ({"confidence": 0.75}, {"type": "semantic_vad", "eagerness": "medium"}),
        ({"confidence": 0.1}, {"type": "semantic_vad", "eagerness": "high"}),
        ({"detect": False}, None),
    ],
)  # fmt: skip
def test_how_turns_are_found(turns: dict[str, Any], told: dict[str, Any] | None) -> None:
    assert heard({"recognition": {"turns": turns}})["turn_detection"] == told


def test_lines() -> None:
    assert line_of("result", "noon", "c1") == {
        "type": "function_call_output", "call_id": "c1", "output": "noon",
    }  # fmt: skip
    assert line_of("assistant", "a", "")["content"] == [{"type": "output_text", "text": "a"}]
    assert line_of("user", "u", "")["content"] == [{"type": "input_text", "text": "u"}]


def test_a_change_keeps_what_it_does_not_name() -> None:
    held = {"recognition": {"language": "de", "model": "m"}, "answers": None}
    change = {"recognition": {"language": None}, "answers": {"aloud": False}}
    assert merged(held, change) == {
        "recognition": {"language": None, "model": "m"}, "answers": {"aloud": False},
    }  # fmt: skip
    assert held["recognition"]["language"] == "de"
