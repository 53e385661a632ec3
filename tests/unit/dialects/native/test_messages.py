"""The table both ways, and what is no message."""

import json

import pytest
from table import CLIENT, MALFORMED, SERVER  # type: ignore[import-not-found]

from ossicle.core.commands import Command
from ossicle.core.errors import OssicleError, Refused
from ossicle.core.events import Ended, Event, Notice
from ossicle.core.wire import Binary, Close, Opening, Text
from ossicle.dialects.native import NativeClient, NativeServer
from ossicle.dialects.native.messages import (
    command_of,
    decode_client,
    decode_server,
    encode,
    event_of,
    message_of,
    request_of,
)


@pytest.mark.parametrize(("text", "command"), [row[1:] for row in CLIENT], ids=lambda v: None)
def test_a_client_message_is_a_command(text: str, command: Command | None):
    assert command_of(decode_client(text)) == command


@pytest.mark.parametrize(("name", "text", "command"), CLIENT)
def test_a_command_is_a_client_message(name: str, text: str, command: Command | None):
    if command is not None:
        assert encode(request_of(command)) == text


@pytest.mark.parametrize(("name", "text", "event"), SERVER)
def test_a_server_message_is_an_event(name: str, text: str, event: Event):
    assert event_of(decode_server(text)) == event


@pytest.mark.parametrize(("name", "text", "event"), SERVER)
def test_an_event_is_a_server_message(name: str, text: str, event: Event):
    assert json.loads(encode(message_of(event))) == json.loads(text)
    assert encode(message_of(event)) == text


@pytest.mark.parametrize(("name", "text", "event"), SERVER)
def test_what_a_newer_gateway_adds_is_no_harm(name: str, text: str, event: Event):
    newer = text[:-1] + ',"colour":{"of":["music"]}}'
    assert event_of(decode_server(newer)) == event


@pytest.mark.parametrize(("name", "text"), MALFORMED)
def test_what_is_no_message_is_refused_in_words(name: str, text: str):
    with pytest.raises(Refused) as caught:
        command_of(decode_client(text))
    assert len(str(caught.value)) < 1_000


@pytest.mark.parametrize(("name", "text"), MALFORMED)
def test_a_server_answers_what_is_no_message_with_a_notice(name: str, text: str):
    server = NativeServer()
    server.open(Opening(), 0.0)
    (answer,) = server.receive(Text(text), 0.0)
    assert isinstance(answer, Text)
    assert isinstance(event_of(decode_server(answer.data)), Notice)


@pytest.mark.parametrize("text", ["hello", '{"type":"dance"}', '{"type":"began","options":{}}'])
def test_a_client_leaves_a_gateway_that_speaks_something_else(text: str):
    close, ended = NativeClient().receive(Text(text), 0.0)
    assert close == Close(1003, "not ossicle.v1")
    assert isinstance(ended, Ended)
    assert ended.error is not None
    assert not ended.error.retryable


def test_options_that_are_none_are_no_message():
    text = '{"type":"configured","options":{"recognition":{"alternatives":"many"}}}'
    with pytest.raises(OssicleError, match="alternatives"):
        event_of(decode_server(text))


def test_binary_that_nobody_announced_is_nothing():
    assert NativeClient().receive(Binary(b"x"), 0.0) == ()


@pytest.mark.parametrize(
    ("code", "retryable"),
    [
        (None, True), (1000, True), (1001, True), (1006, True), (1011, True), (1012, True),
        (1013, True), (1002, False), (1003, False), (1007, False), (1008, False), (1009, False),
        (400, False), (401, False), (403, False), (404, False), (409, False), (4409, False),
        (408, True), (429, True), (502, True), (503, True), (4503, True), (302, False),
    ],
)  # fmt: skip
def test_a_close_without_words_says_whether_a_retry_can_help(code: int | None, retryable: bool):
    (ended,) = NativeClient().receive(Close(code), 0.0)
    assert isinstance(ended, Ended)
    assert ended.error is not None
    assert ended.error.retryable is retryable


@pytest.mark.parametrize("body", [b"{", b"\xff", b"<html>", b"[" * 5_000, b'{"error":{}}'])
def test_a_refusal_with_a_body_of_somebody_else(body: bytes):
    (ended,) = NativeClient().receive(Close(503, body=body), 0.0)
    assert isinstance(ended, Ended)
    assert ended.error is not None
    assert ended.error.retryable
