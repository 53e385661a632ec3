"""`/twilio/voice`: TwiML that streams a call to this gateway. `/twilio/status`: what became of it.

A telephone number's webhook may point here, and nothing else has to be written: the answer says
`<Connect><Stream>` with this gateway's address, and the query of the request as parameters.
"""

import logging
import re
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape, quoteattr

from ossicle.core.endpoint import Desk, Endpoint, Request, Response

from .guard import SECRET
from .signature import HEADER, SETTINGS_HEADER, Fields, places, queries, valid

__all__ = ["MEDIA_PATH", "STATUS_PATH", "VOICE_PATH", "status_at", "twiml", "voice_at"]

log = logging.getLogger("ossicle.twilio")

VOICE_PATH, STATUS_PATH, MEDIA_PATH = "/twilio/voice", "/twilio/status", "/twilio/media"

_MOST_PARAMETER = 500
"""Characters of a name and its value together (Twilio's limit)."""
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that no XML document can hold (XML 1.0 section 2.2); they are left away."""
_EVENTS = frozenset({"stream-started", "stream-stopped", "stream-error"})


def twiml(url: str, parameters: Fields, *, status_url: str = "") -> str:
    """The document that connects a call to the stream at `url`, both ways."""
    status = f" statusCallback={_quoted(status_url)}" if status_url else ""
    inner = "".join(
        f"<Parameter name={_quoted(name)} value={_quoted(value)}/>" for name, value in parameters
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        f"<Response><Connect><Stream url={_quoted(url)}{status}>{inner}</Stream></Connect>"
        "</Response>"
    )


def _quoted(text: str) -> str:
    return quoteattr(_NOT_XML.sub("", text))


def voice_at(public_url: str) -> Endpoint:
    """The endpoint. `public_url`: scheme and host that the world knows us by; empty = as the
    request names its host, over TLS."""

    async def voice(request: Request, desk: Desk) -> Response:
        refused = _checked(request, desk, public_url)
        if refused is not None:
            return refused
        long = next((n for n, v in request.query if len(n) + len(v) >= _MOST_PARAMETER), None)
        if long is not None:
            return _text(
                400, f"parameter {long[:60]} and its value must be shorter than 500 characters"
            )
        base = _base(request, public_url)
        given = dict(request.query)
        parameters = [("mode", "bidi")] if "mode" not in given else []
        # A name may stand in a document once; the last one counts, as in a query.
        parameters += list(given.items())
        document = twiml(_stream_url(base) + MEDIA_PATH, parameters, status_url=base + STATUS_PATH)
        headers = (("content-type", "text/xml; charset=utf-8"), ("cache-control", "no-store"))
        return Response(200, headers, document.encode())

    return voice


def status_at(public_url: str) -> Endpoint:
    """What Twilio tells of a stream: taken, and its errors logged without their text."""

    async def status(request: Request, desk: Desk) -> Response:
        refused = _checked(request, desk, public_url)
        if refused is not None:
            return refused
        fields = dict(_fields(request))
        event = fields.get("StreamEvent", "")
        if event == "stream-error":
            log.warning("Twilio reports an error of stream %s", _name(fields.get("StreamSid", "")))
        elif event in _EVENTS:
            log.info("Twilio: %s, %s", event, _name(fields.get("StreamSid", "")))
        return Response(204)

    return status


def _checked(request: Request, desk: Desk, public_url: str) -> Response | None:
    """Refused unless the signature is right, where the token is known."""
    token = desk.secret(SECRET)
    if not token:
        return None
    base = _base(request, public_url)
    urls = [url for each in queries(request.query) for url in places(base, request.path, each)]
    given, settings = request.header(HEADER), request.header(SETTINGS_HEADER)
    if valid(token, given, urls, _fields(request), settings=settings):
        return None
    return _text(403, "the signature of this request is wrong or missing")


def _fields(request: Request) -> Fields:
    kind = request.header("content-type").partition(";")[0].strip().lower()
    if request.method != "POST" or kind != "application/x-www-form-urlencoded":
        return ()
    try:
        text = request.body.decode()
        return tuple(parse_qsl(text, keep_blank_values=True, max_num_fields=200))
    except ValueError:
        return ()


def _base(request: Request, public_url: str) -> str:
    return public_url.rstrip("/") if public_url else f"https://{request.header('host')}"


def _stream_url(base: str) -> str:
    scheme, _, rest = base.partition("://")
    return f"{'ws' if scheme in {'http', 'ws'} else 'wss'}://{rest}"


def _name(sid: str) -> str:
    return sid[:40] if sid.isalnum() else "?"


def _text(status: int, text: str) -> Response:
    return Response(
        status, (("content-type", "text/plain; charset=utf-8"),), (escape(text) + "\n").encode()
    )
