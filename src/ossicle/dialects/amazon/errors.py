"""One table from error code to what an Amazon Transcribe client sees.

Before a stream on HTTP/2, and where an upgrade is refused: a status, the name in a header, and a
JSON body. Within a stream: a frame, and in frames only the five names that every SDK can build.

    refusal(fault, request_id)     -> Close(403, headers, body)
    exception(fault)               -> Frame(:exception-type BadRequestException)
"""

import msgspec

from ossicle.core.errors import Fault
from ossicle.core.wire import Close

from .eventstream import Frame, text

__all__ = ["AUTH", "exception", "name_of", "refusal", "request_headers", "status"]

BAD, LIMIT, INTERNAL, CONFLICT, DOWN = (
    "BadRequestException",
    "LimitExceededException",
    "InternalFailureException",
    "ConflictException",
    "ServiceUnavailableException",
)

AUTH = {
    "unauthorized": "UnrecognizedClientException",
    "bad_signature": "InvalidSignatureException",
    "forbidden": "AccessDeniedException",
    "resume_denied": "AccessDeniedException",
}
"""Names of a 403; no frame may carry them."""

_STATUS = {BAD: 400, LIMIT: 429, INTERNAL: 500, CONFLICT: 409, DOWN: 503}

_NAMES = {
    "replaced": CONFLICT,
    "conflict": CONFLICT,
    "at_capacity": LIMIT,
    "rate_limited": LIMIT,
    "slow_reader": LIMIT,
    "overloaded": DOWN,
    "draining": DOWN,
    "engine_unavailable": DOWN,
    "engine_failed": INTERNAL,
    "connection_lost": INTERNAL,
    "missing_extra": INTERNAL,
    "internal": INTERNAL,
    "handshake_timeout": DOWN,
    "timed_out": DOWN,
    "session_limit": BAD,
    "idle": BAD,
}


def name_of(fault: Fault) -> str:
    """The name, as it may stand before a stream."""
    if fault.code in AUTH:
        return AUTH[fault.code]
    return _NAMES.get(fault.code, BAD if fault.whose == "client" else INTERNAL)


def status(fault: Fault) -> int:
    """The status of a stream that does not begin."""
    return _STATUS.get(name_of(fault), 403)


def exception(fault: Fault) -> Frame:
    """How a stream that has begun is told of an error."""
    name = name_of(fault)
    return Frame(
        (
            text(":message-type", "exception"),
            text(":exception-type", name if name in _STATUS else BAD),
            text(":content-type", "application/json"),
        ),
        _body(fault),
    )


def refusal(fault: Fault, request_id: str) -> Close:
    """The whole answer of a stream that does not begin."""
    code = status(fault)
    headers = [
        ("content-type", "application/json"),
        ("x-amzn-errortype", name_of(fault)),
        *request_headers(request_id),
    ]
    if code in {429, 503}:
        headers.append(("retry-after", "1"))
    return Close(code, name_of(fault), headers=tuple(headers), body=_body(fault))


def request_headers(request_id: str) -> tuple[tuple[str, str], ...]:
    """What every answer carries."""
    return (("x-amzn-request-id", request_id),)


def _body(fault: Fault) -> bytes:
    return msgspec.json.encode({"Message": fault.text})
