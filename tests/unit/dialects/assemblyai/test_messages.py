"""The tables both ways, and what is no message."""

import json

import pytest
from assembly_table import (  # type: ignore[import-not-found]
    CLIENT,
    LEGACY_CLIENT,
    LEGACY_MALFORMED,
    LEGACY_SERVER,
    MALFORMED,
    SERVER,
)

from ossicle.core.errors import BadMessage
from ossicle.dialects.assemblyai.legacy_messages import (
    decode_legacy,
    decode_legacy_server,
    encode_legacy,
)
from ossicle.dialects.assemblyai.messages import decode_client, decode_server, encode


@pytest.mark.parametrize(("name", "text", "message"), CLIENT)
def test_a_client_message_both_ways(name: str, text: str, message: object):
    assert decode_client(text) == message
    assert encode(message) == text  # type: ignore[arg-type]


@pytest.mark.parametrize(("name", "text", "message"), SERVER)
def test_a_server_message_both_ways(name: str, text: str, message: object):
    assert decode_server(text) == message
    assert json.loads(encode(message)) == json.loads(text)  # type: ignore[arg-type]


@pytest.mark.parametrize(("name", "text", "message"), SERVER)
def test_only_an_error_has_a_member_named_error(name: str, text: str, message: object):
    assert ("error" in json.loads(encode(message))) == (name == "error")  # type: ignore[arg-type]


@pytest.mark.parametrize(("name", "text", "message"), [*CLIENT, *SERVER])
def test_members_that_nobody_knows_are_no_harm(name: str, text: str, message: object):
    decode = decode_server if (name, text, message) in SERVER else decode_client
    assert decode(text[:-1] + ',"colour":{"of":[1]}}') == message


def test_python_writes_the_type_last():
    assert decode_client('{"max_turn_silence":900,"type":"UpdateConfiguration"}') == decode_client(
        '{"type":"UpdateConfiguration","max_turn_silence":900}'
    )


@pytest.mark.parametrize(("name", "text"), MALFORMED)
def test_what_is_no_message_is_refused_in_words(name: str, text: str):
    with pytest.raises(BadMessage) as caught:
        decode_client(text)
    assert 0 < len(str(caught.value)) < 400


def test_base64_is_told_where_it_belongs():
    with pytest.raises(BadMessage, match="/v2/realtime/ws"):
        decode_client('{"audio_data":"AAAA"}')


@pytest.mark.parametrize(("name", "text", "message"), LEGACY_CLIENT)
def test_a_legacy_client_message_both_ways(name: str, text: str, message: object):
    assert decode_legacy(text) == message
    assert encode_legacy(message) == text  # type: ignore[arg-type]


@pytest.mark.parametrize(("name", "text", "message"), LEGACY_SERVER)
def test_a_legacy_server_message_both_ways(name: str, text: str, message: object):
    assert decode_legacy_server(text) == message
    assert json.loads(encode_legacy(message)) == json.loads(text)  # type: ignore[arg-type]


@pytest.mark.parametrize(("name", "text"), LEGACY_MALFORMED)
def test_what_is_no_legacy_message_is_refused_in_words(name: str, text: str):
    with pytest.raises(BadMessage) as caught:
        decode_legacy(text)
    assert 0 < len(str(caught.value)) < 400
