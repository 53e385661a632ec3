"""One table from error code to what an OpenAI client sees.

On a socket an error is an event and the session goes on; a fatal one is followed by a Close whose
reason is `TYPE.CODE`. On plain HTTP it is a status and `{"error": {…}}`. SDKs repeat after 408,
409, 429 and 5xx, and reconnect after 1001, 1011, 1012 and 1013, never after 3xxx (wire note,
sections 8 and 9).

    refusal(fault, request_id)      -> Close(401, headers, body)
    closing(fault)                  -> Close(3000, "invalid_request_error.invalid_api_key")
    fault_of("invalid_api_key", …)  -> the way back
"""

from typing import NamedTuple

import msgspec

from ossicle.core.errors import CODES, Fault, OssicleError, Refused
from ossicle.core.wire import Close

from .messages import ErrorBody

__all__ = [
    "Rejected",
    "closing",
    "error_body",
    "error_of",
    "fault_of",
    "headers_of",
    "refusal",
    "request_headers",
    "status",
]


class Rejected(Refused):
    """Refused in one of the service's own words, which clients look at: they let some pass."""

    def __init__(self, text: str, word: str, param: str | None = None) -> None:
        super().__init__(text)
        self.word = word
        self.param = param


_INVALID, _SERVER, _RATE = "invalid_request_error", "server_error", "rate_limit_error"


class _Row(NamedTuple):
    status: int
    type: str
    code: str
    close: int = 1011


_ROWS: dict[str, _Row] = {
    "bad_request": _Row(400, _INVALID, "invalid_value", 1008),
    "bad_option": _Row(400, _INVALID, "invalid_value", 1008),
    "bad_message": _Row(400, _INVALID, "invalid_value", 1008),
    "bad_audio": _Row(400, _INVALID, "invalid_value", 1008),
    "unsupported_audio": _Row(400, _INVALID, "invalid_value", 1008),
    "too_large": _Row(413, _INVALID, "request_too_large", 1009),
    "unauthorized": _Row(401, _INVALID, "invalid_api_key", 3000),
    "forbidden": _Row(403, _INVALID, "forbidden", 3003),
    "resume_denied": _Row(403, _INVALID, "forbidden", 3003),
    "not_found": _Row(404, _INVALID, "not_found", 3004),
    "resume_unknown": _Row(404, _INVALID, "not_found", 3004),
    "resume_expired": _Row(404, _INVALID, "not_found", 3004),
    "replaced": _Row(409, _INVALID, "conflict", 1008),
    "at_capacity": _Row(429, _RATE, "rate_limit_exceeded", 1013),
    "rate_limited": _Row(429, _RATE, "rate_limit_exceeded", 1013),
    "slow_reader": _Row(429, _RATE, "rate_limit_exceeded", 1013),
    "overloaded": _Row(503, _SERVER, "overloaded", 1013),
    "draining": _Row(503, _SERVER, "draining", 1012),
    "engine_unavailable": _Row(503, _SERVER, "engine_unavailable", 1013),
    "idle": _Row(408, _INVALID, "session_expired", 1001),
    "handshake_timeout": _Row(408, _INVALID, "session_expired", 1001),
    "session_limit": _Row(408, _INVALID, "session_expired", 1001),
    "timed_out": _Row(504, _SERVER, "timed_out"),
    "connection_lost": _Row(502, _SERVER, "connection_lost"),
    "engine_failed": _Row(502, _SERVER, "engine_failed"),
    "missing_extra": _Row(501, _SERVER, "not_implemented"),
    "internal": _Row(500, _SERVER, "internal_error"),
}


def _row(fault: Fault) -> _Row:
    """An unknown code is the client's (400) or ours (500)."""
    return _ROWS.get(fault.code, _ROWS["bad_request" if fault.whose == "client" else "internal"])


def status(fault: Fault) -> int:
    """HTTP status of an error."""
    return _row(fault).status


def error_of(
    fault: Fault, *, word: str = "", param: str | None = None, event_id: str = ""
) -> ErrorBody:
    """An error as an event holds it.

    Args:
        fault: what is wrong.
        word: the service's own code, where the table's is too wide.
        param: which member of the client's event.
        event_id: the client's name of that event.
    """
    row = _row(fault)
    return ErrorBody(
        type=row.type,
        code=word or row.code,
        message=fault.text,
        param=param,
        event_id=event_id or None,
    )


def error_body(fault: Fault, error: OssicleError | None = None) -> bytes:
    """The JSON of a refusal; `error`: what was raised, where the service has a word for it."""
    row = _row(fault)
    word, param = row.code, None
    if isinstance(error, Rejected):
        word, param = error.word, error.param
    return msgspec.json.encode(
        {"error": {"message": fault.text, "type": row.type, "param": param, "code": word}}
    )


def request_headers(request_id: str) -> tuple[tuple[str, str], ...]:
    """What every answer carries."""
    return (("x-request-id", request_id),) if request_id else ()


def headers_of(fault: Fault, request_id: str) -> tuple[tuple[str, str], ...]:
    """Headers of a refusal."""
    again = (("retry-after", "1"),) if status(fault) in {408, 429, 503} else ()
    return (("content-type", "application/json"), *request_headers(request_id), *again)


def refusal(fault: Fault, request_id: str, error: OssicleError | None = None) -> Close:
    """The whole answer of a request that is refused; `error` as for `error_body`."""
    row = _row(fault)
    return Close(row.status, row.code, headers_of(fault, request_id), error_body(fault, error))


def closing(fault: Fault | None) -> Close:
    """How an open WebSocket is closed."""
    if fault is None:
        return Close(1000)
    row = _row(fault)
    return Close(row.close, f"{row.type}.{row.code}")


_BACK: dict[str, str] = {
    row.code: code for code, row in reversed(_ROWS.items()) if row.code != "invalid_value"
} | {
    "insufficient_quota": "rate_limited",
    "invalid_model": "bad_option",
    "missing_model": "bad_option",
    "cannot_update_voice": "bad_option",
    "session_expired": "session_limit",
}


def fault_of(code: str | None, kind: str, text: str) -> Fault:
    """A service's error as one of ours."""
    known = _BACK.get(code or "")
    if known is None:
        known = {
            _RATE: "rate_limited",
            _SERVER: "engine_failed",
            "authentication_error": "unauthorized",
        }.get(kind, "bad_request")
    error = CODES[known]
    return Fault(known, text, error.whose, error.retryable)
