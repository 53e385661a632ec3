"""How a call is asked for and controlled: `/v1/realtime/calls` and what is below it.

    POST /v1/realtime/calls          an SDP offer, or a form of `sdp` and `session`
    POST …/{call_id}/hangup          the call is over
    POST …/{call_id}/accept          \\
    POST …/{call_id}/reject           } of calls over SIP, which ring first; none come here
    POST …/{call_id}/refer           /

A part of the form may be a field or a file, with a type or without: each client does it in its own
way (wire note, section 6). What is done with the offer is the gateway's business; this file knows
no SDP and no media.
"""

from uuid import uuid4

import msgspec

from ossicle.core.endpoint import Desk, Request, Response
from ossicle.core.errors import BadMessage, Fault, OssicleError, Refused
from ossicle.core.wire import Close, Opening, Part

from .credentials import credential_in, token_in
from .errors import Rejected, error_body, headers_of, refusal, request_headers, status
from .multipart import Field, FileBegan, FileEnded, Multipart, boundary_of

__all__ = [
    "CALLS",
    "CallAsked",
    "call_asked",
    "call_name",
    "call_path",
    "call_refused",
    "hang_up",
    "sip_only",
]

CALLS = "/v1/realtime/calls"
_SDP = "application/sdp"
_PARTS = ("sdp", "session")


class CallAsked(msgspec.Struct, frozen=True):
    """A request for a call."""

    sdp: str
    parts: tuple[Part, ...] = ()
    """The session, as it was sent; for the opening."""


def call_asked(content_type: str, body: bytes) -> CallAsked:
    """What a request says.

    Raises:
        Refused: a body of another kind, or too large a part.
        BadMessage: a damaged one.
        Rejected: no offer in it.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind == _SDP:
        return CallAsked(_text(body, "the body"))
    if kind != "multipart/form-data":
        raise Refused(
            f"content-type {kind[:60]!r} is not taken here; send {_SDP}, or multipart/form-data "
            "with the parts sdp and session",
            code="unsupported_audio",
        )
    held = _parts(content_type, body)
    if "sdp" not in held:
        raise Rejected("Missing required parameter: 'sdp'.", "missing_required_parameter", "sdp")
    session = held.get("session")
    parts = () if session is None else (Part("session", session),)
    return CallAsked(_text(held["sdp"], "the part 'sdp'"), parts)


def call_name(opening: Opening) -> str:
    """The name by which a sideband or a hang-up finds a session: the call id of its answer."""
    return "rtc_" + opening.id.replace("-", "")


def call_path(opening: Opening) -> str:
    """Where the call of an opening is from now on."""
    return f"{CALLS}/{call_name(opening)}"


def call_refused(error: OssicleError, request_id: str) -> Close:
    """The answer where there is no call."""
    return refusal(error.fault(), request_id, error)


async def hang_up(request: Request, desk: Desk) -> Response:
    """End a call, or another session of the same owner."""
    call_id, credential = _asked_of(request)
    try:
        await desk.end(credential, call_id)
    except OssicleError as error:
        return _refused(error)
    return Response(200, request_headers(str(uuid4())))


async def sip_only(request: Request, desk: Desk) -> Response:
    """Accept, reject or refer: there is nothing to do it to."""
    call_id, credential = _asked_of(request)
    verb = request.path.rpartition("/")[2]
    try:
        await desk.find(credential, call_id)
        raise Rejected(
            f"'{verb}' is for calls over SIP, which ring before they are answered; none come here. "
            f"A call over WebRTC is answered with its offer and ended with {CALLS}/"
            "{call_id}/hangup.",
            "call_not_sip",
        )
    except OssicleError as error:
        return _refused(error)


def _asked_of(request: Request) -> tuple[str, str | None]:
    call_id = request.path.rpartition("/")[0].rpartition("/")[2][:200]
    credential = credential_in(request.headers)
    return call_id, None if credential is None else token_in(credential)


def _refused(error: OssicleError) -> Response:
    fault: Fault = error.fault()
    return Response(status(fault), headers_of(fault, str(uuid4())), error_body(fault, error))


def _parts(content_type: str, body: bytes) -> dict[str, bytes]:
    form = Multipart(boundary_of(content_type))
    held: dict[str, bytes] = {}
    name = ""
    for found in form.feed(body):
        match found:
            case Field(name=field, value=value) if field in _PARTS:
                held[field] = value.encode()
            case FileBegan(name=file):
                name = file if file in _PARTS else ""
                if name:
                    held[name] = b""
            case FileEnded():
                name = ""
            case bytes() if name:
                held[name] += found
            case _:
                pass  # a part that nobody asked for
    if not form.complete:
        raise BadMessage("the multipart body ends before its last boundary")
    return held


def _text(data: bytes, what: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise BadMessage(f"{what} is no SDP: it is not UTF-8") from error
