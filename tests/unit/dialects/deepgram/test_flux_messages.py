"""Flux's table both ways, and what is no message."""

import json

import pytest

from flux_table import CLIENT, MALFORMED, SERVER
from ossicle.core.errors import BadMessage
from ossicle.dialects.deepgram.flux_messages import decode_client, decode_server, encode


@pytest.mark.parametrize(("name", "text", "message"), CLIENT)
def test_client(name, text, message):
    assert decode_client(text) == message
    assert decode_client(json.dumps(json.loads(text), indent=2)) == message
    assert decode_client(encode(message)) == message


@pytest.mark.parametrize(("name", "text", "message"), SERVER)
def test_server(name, text, message):
    assert decode_server(text) == message
    assert json.loads(encode(message)) == json.loads(text)


@pytest.mark.parametrize("text", MALFORMED)
def test_what_is_no_message(text):
    with pytest.raises(BadMessage) as refused:
        decode_client(text)
    assert "Flux" in str(refused.value)


def test_an_error_never_quotes_the_message():
    with pytest.raises(BadMessage) as refused:
        decode_client('{"type":"my secret words"')
    assert "secret" not in str(refused.value)
