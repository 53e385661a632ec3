"""One table from error code to the gRPC status a Riva client sees.

closing(fault)      -> Close(3, "Error: …")
"""

from enum import IntEnum

from ossicle.core.errors import Fault, OssicleError, Refused
from ossicle.core.wire import Close

__all__ = ["Status", "Unmet", "closing", "refusal"]


class Status(IntEnum):
    """Statuses of gRPC that are used here."""

    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    ABORTED = 10
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    UNAUTHENTICATED = 16


class Unmet(Refused):
    """A request that cannot be served; the text is the service's where that is known."""


_STATUS = {
    "bad_request": Status.INVALID_ARGUMENT,
    "bad_option": Status.INVALID_ARGUMENT,
    "bad_message": Status.INVALID_ARGUMENT,
    "bad_audio": Status.INVALID_ARGUMENT,
    "unsupported_audio": Status.INVALID_ARGUMENT,
    "too_large": Status.INVALID_ARGUMENT,
    "not_found": Status.NOT_FOUND,
    "resume_unknown": Status.NOT_FOUND,
    "resume_expired": Status.NOT_FOUND,
    "replaced": Status.ABORTED,
    "unauthorized": Status.UNAUTHENTICATED,
    "forbidden": Status.PERMISSION_DENIED,
    "resume_denied": Status.PERMISSION_DENIED,
    "at_capacity": Status.RESOURCE_EXHAUSTED,
    "rate_limited": Status.RESOURCE_EXHAUSTED,
    "overloaded": Status.RESOURCE_EXHAUSTED,
    "slow_reader": Status.RESOURCE_EXHAUSTED,
    "draining": Status.UNAVAILABLE,
    "engine_unavailable": Status.UNAVAILABLE,
    "engine_failed": Status.UNAVAILABLE,
    "connection_lost": Status.UNAVAILABLE,
    "idle": Status.DEADLINE_EXCEEDED,
    "session_limit": Status.DEADLINE_EXCEEDED,
    "timed_out": Status.DEADLINE_EXCEEDED,
    "handshake_timeout": Status.DEADLINE_EXCEEDED,
    "missing_extra": Status.UNIMPLEMENTED,
    "internal": Status.INTERNAL,
}
_LONGEST = 1_000


def closing(fault: Fault) -> Close:
    """How a call ends that went wrong. An unknown code is the client's or ours."""
    unknown = Status.INVALID_ARGUMENT if fault.whose == "client" else Status.INTERNAL
    text = fault.text if fault.text.startswith("Error: ") else f"Error: {fault.text}"
    return Close(int(_STATUS.get(fault.code, unknown)), text[:_LONGEST])


def refusal(error: OssicleError) -> Close:
    """The same for an error that was raised here."""
    return closing(error.fault())
