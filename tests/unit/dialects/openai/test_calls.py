"""Requests for calls, and the verbs of calls, as values."""

import json
from typing import Any

import pytest

from ossicle.core.endpoint import Minted, Request, Response
from ossicle.core.errors import OssicleError, Refused
from ossicle.core.wire import Opening, Part
from ossicle.dialects.openai.calls import (
    call_asked,
    call_name,
    call_path,
    call_refused,
    hang_up,
    sip_only,
)
from ossicle.dialects.openai.errors import Rejected

FORM = "multipart/form-data; boundary=x"
OFFER = "v=0\r\ns=-\r\n"


class Desk:
    """Knows one call of one key."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    async def owner(self, credential: str | None) -> str:
        return "me"

    async def mint(self, *_values: Any, **_more: Any) -> Minted:
        raise AssertionError

    async def find(self, credential: str | None, session: str) -> str:
        await self.end(credential, session)
        return session

    async def end(self, credential: str | None, session: str) -> None:
        self.asked.append((credential, session))
        if session != "rtc_1":
            raise Refused("there is no such session", code="not_found")

    def secret(self, name: str) -> bytes | None:
        return None


def form(*parts: tuple[str, str, str]) -> bytes:
    body = "".join(
        f'--x\r\ncontent-disposition: form-data; name="{name}"{more}\r\n\r\n{value}\r\n'
        for name, more, value in parts
    )
    return f"{body}--x--\r\n".encode()


async def ask(endpoint: Any, path: str) -> tuple[int, Any, Desk]:
    desk = Desk()
    request = Request("POST", path, headers=(("authorization", "Bearer KEY"),), body=b"{}")
    response: Response = await endpoint(request, desk)
    return response.status, json.loads(response.body or b"{}"), desk


def test_the_bare_offer():
    for kind in ("application/sdp", "Application/SDP; charset=utf-8"):
        asked = call_asked(kind, OFFER.encode())
        assert (asked.sdp, asked.parts) == (OFFER, ())


@pytest.mark.parametrize(
    "more",
    ["", '; filename=""', '; filename="blob"\r\ncontent-type: application/sdp'],
)
def test_a_form_in_each_clients_way(more: str):
    asked = call_asked(
        FORM, form(("other", "", "x"), ("sdp", more, OFFER), ("session", more, '{"a":1}'))
    )
    assert (asked.sdp, asked.parts) == (OFFER, (Part("session", b'{"a":1}'),))
    assert call_asked(FORM, form(("sdp", more, OFFER))).parts == ()


@pytest.mark.parametrize(
    ("kind", "body", "word"),
    [
        ("", b"", "content-type"),
        ("application/json", b"{}", "content-type"),
        ("application/sdp", b"\xff", "UTF-8"),
        ("multipart/form-data", b"", "boundary"),
        (FORM, b"", "boundary"),
        (FORM, form(("session", "", "{}")), "'sdp'"),
        (FORM, form(("sdp", "", OFFER))[:-6], "last boundary"),
        (FORM, form(("sdp", "", "x" * 70_000)), "larger"),
    ],
)
def test_what_is_no_request(kind: str, body: bytes, word: str):
    with pytest.raises(OssicleError, match=word):
        call_asked(kind, body)


def test_a_call_has_the_name_of_its_opening():
    opening = Opening(id="5f0e-52")
    assert call_name(opening) == "rtc_5f0e52"
    assert call_path(opening) == "/v1/realtime/calls/rtc_5f0e52"


def test_a_refusal_says_the_services_word():
    close = call_refused(Rejected("No.", "unknown_parameter", "session.x"), "id")
    assert close.code == 400
    error = {"message": "No.", "type": "invalid_request_error", "param": "session.x"}
    assert json.loads(close.body) == {"error": {**error, "code": "unknown_parameter"}}
    assert ("x-request-id", "id") in close.headers


async def test_hanging_up():
    path = "/v1/realtime/calls/{}/hangup"
    status, _, desk = await ask(hang_up, path.format("rtc_1"))
    assert status == 200
    assert desk.asked == [("KEY", "rtc_1")]
    status, body, _ = await ask(hang_up, path.format("rtc_2"))
    assert status == 404
    assert body["error"]["code"] == "not_found"


@pytest.mark.parametrize("verb", ["accept", "reject", "refer"])
async def test_verbs_of_sip_say_so(verb: str):
    status, body, _ = await ask(sip_only, f"/v1/realtime/calls/rtc_1/{verb}")
    assert status == 400
    assert body["error"]["code"] == "call_not_sip"
    assert f"'{verb}'" in body["error"]["message"]
    status, body, _ = await ask(sip_only, f"/v1/realtime/calls/rtc_2/{verb}")
    assert status == 404
