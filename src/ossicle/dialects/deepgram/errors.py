"""One table from error code to what a Deepgram client sees.

Before the upgrade, and on plain HTTP: a status and a JSON body. On an open WebSocket: a close code
with the service's own reason. Version 1 endpoints say `err_code` and `err_msg`; the newer ones
`category`, `message` and `details`.

    refusal(fault, request_id)                  -> Close(401, headers, body)
    refusal(fault, request_id, newer=True)      -> the same with `category`
    closing(fault)                              -> Close(1011, "NET-0001")
"""

from typing import NamedTuple

import msgspec

from ossicle.core.errors import Fault
from ossicle.core.wire import Close

__all__ = ["closing", "error_body", "error_headers", "refusal", "request_headers", "status"]


class _Row(NamedTuple):
    status: int
    err_code: str
    close: tuple[int, str] = (1011, "NET-0000")


_DATA = (1008, "DATA-0000")
_BUSY = _Row(429, "TOO_MANY_REQUESTS")
_DOWN = _Row(503, "SERVICE_UNAVAILABLE")
_BAD = _Row(400, "Bad Request", (1008, "MESSAGE-0000"))
_BAD_AUDIO = _Row(400, "Bad Request", _DATA)
_AUTH = _Row(401, "INVALID_AUTH", (1008, "INVALID_AUTH"))
_FORBIDDEN = _Row(403, "INSUFFICIENT_PERMISSIONS", (1008, "INSUFFICIENT_PERMISSIONS"))

_ROWS: dict[str, _Row] = {
    "bad_request": _BAD,
    "bad_option": _BAD,
    "bad_message": _BAD,
    "bad_audio": _BAD_AUDIO,
    "unsupported_audio": _BAD_AUDIO,
    "remote_content": _Row(400, "REMOTE_CONTENT_ERROR", _DATA),
    "unauthorized": _AUTH,
    "forbidden": _FORBIDDEN,
    "resume_denied": _FORBIDDEN,
    "not_found": _Row(404, "NOT_FOUND", (1008, "MESSAGE-0000")),
    "resume_unknown": _Row(404, "NOT_FOUND", (1008, "MESSAGE-0000")),
    "resume_expired": _Row(404, "NOT_FOUND", (1008, "MESSAGE-0000")),
    "replaced": _Row(409, "CONFLICT", (1008, "MESSAGE-0000")),
    "too_large": _Row(413, "PAYLOAD_TOO_LARGE", (1009, "BIG-0000")),
    "at_capacity": _BUSY,
    "rate_limited": _BUSY,
    "slow_reader": _BUSY,
    "overloaded": _DOWN,
    "draining": _DOWN,
    "engine_unavailable": _DOWN,
    "idle": _Row(408, "REQUEST_TIMEOUT", (1011, "NET-0001")),
    "handshake_timeout": _Row(408, "REQUEST_TIMEOUT"),
    "session_limit": _Row(408, "REQUEST_TIMEOUT"),
    "timed_out": _Row(504, "GATEWAY_TIMEOUT"),
    "connection_lost": _Row(502, "BAD_GATEWAY"),
    "engine_failed": _Row(502, "BAD_GATEWAY"),
    "missing_extra": _Row(501, "NOT_IMPLEMENTED"),
    "internal": _Row(500, "INTERNAL_SERVER_ERROR"),
}


def _row(fault: Fault) -> _Row:
    """An unknown code is the client's (400) or ours (500)."""
    return _ROWS.get(fault.code, _BAD if fault.whose == "client" else _ROWS["internal"])


def status(fault: Fault) -> int:
    """HTTP status of an error."""
    return _row(fault).status


def error_body(fault: Fault, request_id: str, *, newer: bool = False) -> bytes:
    """The JSON that says it. `newer`: the form with `category`."""
    row = _row(fault)
    if newer:
        category = row.err_code.upper().replace(" ", "_")
        return msgspec.json.encode(
            {
                "category": category,
                "message": fault.text,
                "details": fault.code,
                "request_id": request_id,
            }
        )
    text = "Invalid credentials." if row.status == 401 else fault.text
    return msgspec.json.encode(
        {"err_code": row.err_code, "err_msg": text, "request_id": request_id}
    )


def request_headers(request_id: str) -> tuple[tuple[str, str], ...]:
    """What every answer carries, the 101 too."""
    return (("dg-request-id", request_id),)


def error_headers(fault: Fault, request_id: str) -> tuple[tuple[str, str], ...]:
    """Headers of a refusal. The SDKs repeat after 408, 429 and 5xx when they are told when."""
    text = fault.text.encode("ascii", "replace").decode().replace("\r", " ").replace("\n", " ")
    headers = [
        ("content-type", "application/json"),
        *request_headers(request_id),
        ("dg-error", "".join(c if c.isprintable() else "?" for c in text)[:200]),
    ]
    if status(fault) in {408, 429, 503}:
        headers.append(("retry-after", str(max(1, fault.wait_s))))
    return tuple(headers)


def refusal(fault: Fault, request_id: str, *, newer: bool = False) -> Close:
    """The whole answer of a request that is refused, and of a handshake."""
    return Close(
        status(fault),
        _row(fault).err_code,
        headers=error_headers(fault, request_id),
        body=error_body(fault, request_id, newer=newer),
    )


def closing(fault: Fault | None) -> Close:
    """How an open WebSocket is closed. Without a fault with exactly 1000: the JavaScript SDK
    connects again after every other code, and opens an empty session."""
    if fault is None:
        return Close(1000)
    code, reason = _row(fault).close
    return Close(code, reason)
