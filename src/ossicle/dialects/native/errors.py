"""One table from error code to what the peer sees.

Before a connection is accepted: an HTTP status with a JSON body. After: a WebSocket close code of
the private range (RFC 6455 section 7.4.2), always 4000 + that status, so there is one table. Only a
message that is too large has a code of its own there (section 7.4.1), and transports send it too.
"""

from ossicle.core.errors import Fault
from ossicle.core.wire import Close

from .messages import ErrorBody, encode

__all__ = ["STATUS", "close_code", "refusal", "status"]

STATUS: dict[str, int] = {
    "bad_request": 400,
    "bad_option": 400,
    "bad_message": 400,
    "unauthorized": 401,
    "forbidden": 403,
    "resume_denied": 403,
    "not_found": 404,
    "resume_unknown": 404,
    "resume_expired": 410,
    "replaced": 409,
    "too_large": 413,
    "bad_audio": 400,
    "remote_content": 422,
    "unsupported_audio": 415,
    "idle": 408,
    "handshake_timeout": 408,
    "session_limit": 408,
    "timed_out": 504,
    "rate_limited": 429,
    "slow_reader": 429,
    "at_capacity": 503,
    "overloaded": 503,
    "draining": 503,
    "connection_lost": 502,
    "engine_failed": 502,
    "engine_unavailable": 503,
    "missing_extra": 501,
    "internal": 500,
}

_TOO_BIG = 1009


def status(fault: Fault) -> int:
    """HTTP status of an error; an unknown code is ours (500) or the client's (400)."""
    return STATUS.get(fault.code, 400 if fault.whose == "client" else 500)


def close_code(fault: Fault | None) -> int | None:
    """WebSocket close code; None = the normal one."""
    if fault is None:
        return None
    return _TOO_BIG if fault.code == "too_large" else 4000 + status(fault)


def refusal(fault: Fault, session: str = "") -> Close:
    """An HTTP refusal."""
    headers = [("content-type", "application/json")]
    if fault.code == "unauthorized":
        headers.append(("www-authenticate", 'Bearer realm="ossicle"'))
    if fault.retryable:
        headers.append(("retry-after", str(fault.wait_s)))
    return Close(
        status(fault),
        fault.code,
        headers=tuple(headers),
        body=(encode(ErrorBody(fault, session)) + "\n").encode(),
    )
