"""One table drives parse and serialize, both ways."""

import typing
from typing import Any

import msgspec
import pytest
from realtime_table import CLIENT, MALFORMED, SERVER  # type: ignore[import-not-found]

from ossicle.core.errors import BadMessage
from ossicle.dialects.openai import messages
from ossicle.dialects.openai.messages import (
    append_of,
    head_of,
    parse_client,
    parse_server,
    sound_in,
    written,
)


@pytest.mark.parametrize(("name", "text", "event"), CLIENT)
def test_client_events(name: str, text: str, event: Any):
    assert parse_client(text) == event
    assert msgspec.json.decode(written(event)) == msgspec.json.decode(text)


@pytest.mark.parametrize(("name", "text", "event"), SERVER)
def test_server_events(name: str, text: str, event: Any):
    assert parse_server(text) == event
    assert msgspec.json.decode(written(event)) == msgspec.json.decode(text)


def test_the_table_holds_every_event():
    for table, union in ((CLIENT, messages.ClientEvent), (SERVER, messages.ServerEvent)):
        assert {type(row[2]) for row in table} == set(typing.get_args(union))


@pytest.mark.parametrize(("name", "text"), MALFORMED)
def test_what_is_no_event_is_named_and_not_quoted(name: str, text: str):
    for parse in (parse_client, parse_server):
        with pytest.raises(BadMessage) as refused:
            parse(text)
        assert len(str(refused.value)) < 200


def test_the_head_of_what_cannot_be_read():
    assert head_of('{"type":"dance","event_id":"mine","x":') == ("", "")
    assert head_of('{"type":"dance","event_id":"mine"}') == ("dance", "mine")
    assert head_of('{"type":1,"event_id":2}') == ("", "")


@pytest.mark.parametrize("audio", [b"\0", bytes(range(256)), b"\xff\xfe" * 700])
def test_sound_is_written_and_read_by_hand_as_by_the_table(audio: bytes):
    text = append_of(audio)
    assert text == written(messages.AudioAppend(audio=audio))
    assert sound_in(text) == audio
    held = text.split('"audio":')[1][:-1]
    behind = f'{{"audio": {held}, "type": "input_audio_buffer.append"}}'
    assert sound_in(behind) == audio


@pytest.mark.parametrize(
    "text",
    [
        '{"type":"input_audio_buffer.commit"}',
        '{"type":"input_audio_buffer.append","audio":"not base64!"}',
        '{"type":"input_audio_buffer.append","audio":7}',
        '{"type":"input_audio_buffer.append"}',
        '{"type":"input_audio_buffer.append","audio":"AAAA"',
        '{"type":"other","event_id":"input_audio_buffer.append","audio":"AAAA"}',
        '{"type":"input_audio_buffer.append","audio":' + "[" * 10_000,
        "",
    ],
)
def test_what_is_no_sound_is_left_to_the_table(text: str):
    assert sound_in(text) is None
