"""One table from error code to gRPC status; the whole error travels in the trailing metadata.

>>> end(Fault("at_capacity", "2000 sessions are open", "us", True)).code
8
"""

import base64

from ossicle.core.errors import CODES, BadMessage, Fault
from ossicle.core.wire import Close

from .protobuf import read_fault, write_fault

__all__ = ["SAYS_END", "STATUS", "end", "fault_of", "status"]

SAYS_END = ("ossicle-end", "said")
"""Metadata of a client that says `end` before it half-closes: without one, a half close is a call
that broke."""

_FAULT = "ossicle-fault-bin"

STATUS: dict[str, int] = {
    "bad_request": 3,
    "bad_option": 3,
    "bad_message": 3,
    "bad_audio": 3,
    "unsupported_audio": 3,
    "idle": 4,
    "handshake_timeout": 4,
    "session_limit": 4,
    "timed_out": 4,
    "not_found": 5,
    "resume_unknown": 5,
    "resume_expired": 5,
    "forbidden": 7,
    "resume_denied": 7,
    "too_large": 8,
    "rate_limited": 8,
    "slow_reader": 8,
    "at_capacity": 8,
    "overloaded": 8,
    "replaced": 10,
    "missing_extra": 12,
    "internal": 13,
    # UNAVAILABLE: the same call may do well on another connection, which is what balancers and
    # retries of gRPC take it for
    "draining": 14,
    "connection_lost": 14,
    "engine_failed": 14,
    "engine_unavailable": 14,
    "unauthorized": 16,
}
"""INVALID_ARGUMENT 3, DEADLINE_EXCEEDED 4, NOT_FOUND 5, PERMISSION_DENIED 7, RESOURCE_EXHAUSTED 8,
ABORTED 10, UNIMPLEMENTED 12, INTERNAL 13, UNAVAILABLE 14, UNAUTHENTICATED 16."""

_RETRYABLE = frozenset({1, 2, 4, 8, 10, 13, 14})
"""Statuses after which the same may succeed, where nobody says more."""


def status(fault: Fault) -> int:
    """The status of an error; an unknown code is ours (INTERNAL) or the client's."""
    return STATUS.get(fault.code, 3 if fault.whose == "client" else 13)


def end(fault: Fault | None, session: str = "") -> Close:
    """How a call ends; None = OK."""
    if fault is None:
        return Close()
    headers = [(_FAULT, base64.b64encode(write_fault(fault)).decode().rstrip("="))]
    if session:
        headers.append(("ossicle-session", session))
    return Close(status(fault), fault.text, tuple(headers))


def fault_of(close: Close) -> Fault:
    """The error of a call that ended otherwise than OK, whoever ended it."""
    told = next((value for name, value in close.headers if name == _FAULT), "")
    if told:
        try:
            return read_fault(base64.b64decode(told + "=" * (-len(told) % 4)))
        except (BadMessage, ValueError):
            pass  # a proxy may have touched it: the status says enough
    number = close.code or 0
    code = next((code for code, each in STATUS.items() if each == number), "connection_lost")
    retryable = number in _RETRYABLE
    whose = CODES[code].whose if code in CODES else "us"
    return Fault(code, f"status {number}: {close.reason or 'no details'}", whose, retryable)
