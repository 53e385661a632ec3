"""Every message of live `/v1/listen`, from bytes and back."""

import pytest
from listen_table import REQUESTS, RESPONSES

from ossicle.core.errors import BadMessage
from ossicle.dialects.deepgram.listen_messages import (
    Request,
    Response,
    parse_request,
    parse_response,
    written,
)


@pytest.mark.parametrize(("name", "data", "message"), REQUESTS)
def test_requests(name: str, data: bytes, message: Request) -> None:
    assert parse_request(data.decode()) == message
    assert written(message) == data.decode()


@pytest.mark.parametrize(("name", "data", "message"), RESPONSES)
def test_responses(name: str, data: bytes, message: Response) -> None:
    assert parse_response(data.decode()) == message
    assert written(message) == data.decode()


def test_spacing_and_unknown_members_do_not_matter() -> None:
    assert parse_request(' { "more": [1] , "type" :"Finalize" } ') == REQUESTS[1][2]


@pytest.mark.parametrize(
    "text", ["", "UklGRg==", "null", "[]", '"x"', '{"type":1}', "{}", '{"type":"Sing"}', "[" * 9999]
)
def test_what_is_no_message_is_refused_without_being_quoted(text: str) -> None:
    with pytest.raises(BadMessage) as caught:
        parse_request(text)
    assert "UklGRg" not in str(caught.value)
