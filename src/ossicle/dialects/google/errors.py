"""One table from error code to the gRPC status a Google client sees, and the service's own texts.

    closing(fault, opening)      -> Close(8, "…")

Two statuses are never the first answer: a client of v1 repeats a call after UNAVAILABLE and
DEADLINE_EXCEEDED with its half-used audio, and its user sees another error (wire note, §9). So
what is full or cannot be reached now is RESOURCE_EXHAUSTED, before the first answer and after.
"""

from enum import IntEnum
from typing import Literal, TypeAlias

from ossicle.core.errors import Fault, Refused
from ossicle.core.wire import Close, Opening

from .credentials import by_key

__all__ = [
    "MALORDERED",
    "Generation",
    "Status",
    "Unmet",
    "closing",
    "no_audio",
    "status",
    "too_large",
    "too_long",
]

Generation: TypeAlias = Literal["v1", "v2"]
"""v1p1beta1 answers as v1."""


class Status(IntEnum):
    """Statuses of gRPC."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    UNAUTHENTICATED = 16


class Unmet(Refused):
    """A request that breaks a rule of the service, which has a status and a text of its own."""

    def __init__(self, text: str, status: Status = Status.INVALID_ARGUMENT) -> None:
        super().__init__(text)
        self.status = status


MALORDERED = "Malordered Data Received. Send exactly one config, followed by audio data."

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
    "draining": Status.RESOURCE_EXHAUSTED,
    "slow_reader": Status.RESOURCE_EXHAUSTED,
    "engine_unavailable": Status.RESOURCE_EXHAUSTED,
    "timed_out": Status.ABORTED,
    "handshake_timeout": Status.ABORTED,
    "missing_extra": Status.UNIMPLEMENTED,
    "engine_failed": Status.INTERNAL,
    "connection_lost": Status.INTERNAL,
    "internal": Status.INTERNAL,
}

_ENDED: dict[Generation, Status] = {"v1": Status.OUT_OF_RANGE, "v2": Status.ABORTED}
"""A limit of time ended the stream."""
_BAD_KEY = "API key not valid. Please pass a valid API key."
_LONGEST = 1_000
"""Characters of a status text."""


def status(
    fault: Fault, opening: Opening, generation: Generation = "v1", *, answered: bool = False
) -> tuple[Status, str]:
    """Status and text of an error. An unknown code is the client's (INVALID_ARGUMENT) or ours.
    `answered`: the client has a first response, and repeats nothing any more."""
    if fault.code == "timed_out" and (answered or generation == "v2"):
        return Status.DEADLINE_EXCEEDED, fault.text
    if fault.code in {"idle", "session_limit"}:
        return _ENDED[generation], fault.text
    if fault.code == "unauthorized" and by_key(opening):
        return Status.INVALID_ARGUMENT, _BAD_KEY
    unknown = Status.INVALID_ARGUMENT if fault.whose == "client" else Status.INTERNAL
    return _STATUS.get(fault.code, unknown), fault.text


def closing(
    fault: Fault, opening: Opening, generation: Generation = "v1", *, answered: bool = False
) -> Close:
    """How a call ends that went wrong."""
    code, text = status(fault, opening, generation, answered=answered)
    return Close(int(code), text[:_LONGEST])


def too_large(size: int, limit: int) -> Unmet:
    """An audio message over the limit."""
    return Unmet(
        f"Audio chunk can be of a maximum of {limit} bytes. Received audio of {size} bytes instead."
    )


def no_audio(generation: Generation) -> Close:
    """Nothing was sent for too long."""
    text = (
        "Audio Timeout Error: Long duration elapsed without audio. "
        "Audio should be sent close to real time."
        if generation == "v1"
        else "Stream timed out after receiving no more client requests."
    )
    return Close(int(_ENDED[generation]), text)


def too_long(generation: Generation, limit_s: float) -> Close:
    """The stream reached its limit."""
    text = (
        f"Exceeded maximum allowed stream duration of {limit_s:g} seconds."
        if generation == "v1"
        # 305 s are "5 minutes" in the text that people search for
        else f"Max duration of {limit_s // 60 or limit_s / 60:g} minutes reached for stream."
    )
    return Close(int(_ENDED[generation]), text)
