"""TwiML and status callbacks, without sockets."""

import xml.etree.ElementTree as ET

import pytest

from ossicle.core.endpoint import Minted, Request, Response
from ossicle.dialects.twilio.endpoints import status_at, twiml, voice_at
from ossicle.dialects.twilio.signature import signature


class Desk:
    """Knows one secret, or none."""

    def __init__(self, token: bytes | None = None) -> None:
        self.token = token

    async def owner(self, credential: str | None) -> str:
        return ""

    async def mint(self, credential: str | None, ttl_s: float) -> Minted:
        raise AssertionError

    def secret(self, name: str) -> bytes | None:
        assert name == "twilio_auth_token"
        return self.token


HOST = (("host", "gw.example.com"),)


def stream_of(response: Response) -> ET.Element:
    stream = ET.fromstring(response.body).find("Connect/Stream")
    assert stream is not None
    return stream


async def test_it_names_itself_as_it_was_asked():
    response = await voice_at("")(Request(headers=HOST, path="/twilio/voice"), Desk())
    assert response.status == 200
    stream = stream_of(response)
    assert stream.attrib == {
        "url": "wss://gw.example.com/twilio/media",
        "statusCallback": "https://gw.example.com/twilio/status",
    }
    assert [p.attrib for p in stream] == [{"name": "mode", "value": "bidi"}]


async def test_or_as_it_is_configured():
    response = await voice_at("http://127.0.0.1:9/base/")(Request(headers=HOST), Desk())
    assert stream_of(response).attrib["url"] == "ws://127.0.0.1:9/base/twilio/media"


async def test_the_query_becomes_parameters():
    query = (("mode", "uni"), ("lang", "a"), ("lang", "<&\"'>"))
    response = await voice_at("")(Request(headers=HOST, query=query), Desk())
    parameters = {p.attrib["name"]: p.attrib["value"] for p in stream_of(response)}
    assert parameters == {"mode": "uni", "lang": "<&\"'>"}


async def test_a_parameter_too_long_for_twilio_is_refused_here():
    query = (("hints", "x" * 495),)
    response = await voice_at("")(Request(headers=HOST, query=query), Desk())
    assert response.status == 400
    assert b"hints" in response.body


@pytest.mark.parametrize("body", [b"\xff", b"a=1&" * 300, b"a&b=&=c", b"%zz=1"])
async def test_a_body_that_is_no_form(body: bytes):
    headers = (*HOST, ("content-type", "application/x-www-form-urlencoded"))
    request = Request("POST", "/twilio/status", headers=headers, body=body)
    assert (await status_at("")(request, Desk())).status == 204
    assert (await status_at("")(request, Desk(b"t"))).status == 403


async def test_the_query_is_signed_too():
    url = "https://gw.example.com/twilio/voice?lang=de%20DE&label=%C3%A4"
    query = (("lang", "de DE"), ("label", "ä"))
    for right, status in ((signature(b"t", url), 200), (signature(b"t", url + "x"), 403)):
        request = Request(
            path="/twilio/voice", query=query, headers=(*HOST, ("x-twilio-signature", right))
        )
        assert (await voice_at("")(request, Desk(b"t"))).status == status


def test_characters_no_document_can_hold_are_left_away():
    ET.fromstring(twiml("wss://h/x", [("a", "b\x00\x08\x0b\ufffe\ud800c")]).encode())
