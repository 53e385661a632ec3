"""One small tree of errors, each saying whose fault it is and whether a retry can help.

    OssicleError
    ├── Refused          the request cannot be served as it is: change it
    │   ├── BadAudio     the audio is not what was declared, or not supported
    │   ├── BadMessage   a message breaks the dialect
    │   └── Denied       the credential does not open this door
    ├── ResumeFailed     the session a token names cannot be joined; a new one can be opened
    ├── Overloaded       no room now: retry later or elsewhere
    ├── ConnectionLost   the wire broke: reconnect
    ├── EngineFailed     an engine or a provider broke: replay or fail over
    ├── TimedOut         a limit of time passed
    └── MissingExtra     a part of Ossicle is not installed

An error never carries speech or a credential. Between processes and inside events an error
travels as a `Fault` value; `OssicleError.of` makes the exception again.
"""

import math
from typing import Literal, TypeAlias

import msgspec

__all__ = [
    "CODES",
    "BadAudio",
    "BadMessage",
    "ConnectionLost",
    "Denied",
    "EngineFailed",
    "Fault",
    "MissingExtra",
    "OssicleError",
    "Overloaded",
    "Refused",
    "ResumeFailed",
    "TimedOut",
    "Whose",
]

Whose: TypeAlias = Literal["client", "us", "upstream"]


class Fault(msgspec.Struct, frozen=True):
    """An error as a value: what events carry and dialects map to their own closes."""

    code: str
    """A stable name from `CODES`."""
    text: str
    """One sentence for a person, with the value and the limit."""
    whose: Whose = "us"
    """Who has to change something."""
    retryable: bool = False
    """The same request may succeed later, unchanged."""
    retry_after_s: float | msgspec.UnsetType = msgspec.UNSET
    """Seconds after which it may; absent = not known."""

    @property
    def wait_s(self) -> int:
        """Whole seconds to wait before a retry, as HTTP's Retry-After counts them (RFC 9110 section
        10.2.3): at least 1; 0 = a retry does not help."""
        return max(1, math.ceil(self.retry_after_s or 0)) if self.retryable else 0


class OssicleError(Exception):
    """The root. `str(error)` is the sentence; the attributes say what to do next."""

    code: str = "internal"
    whose: Whose = "us"
    retryable: bool = False
    retry_after_s: float | None = None
    """Seconds after which a retry may succeed; None = not known."""

    def __init__(self, text: str, *, code: str = "", retry_after_s: float | None = None) -> None:
        super().__init__(text)
        if code:
            self.code = code
        self.retry_after_s = retry_after_s

    def fault(self) -> Fault:
        """This error as a value."""
        after = msgspec.UNSET if self.retry_after_s is None else self.retry_after_s
        return Fault(self.code, str(self), self.whose, self.retryable, after)

    @staticmethod
    def of(fault: Fault) -> "OssicleError":
        """The exception a fault stands for; an unknown code gives the root class."""
        error = CODES.get(fault.code, OssicleError)(fault.text, code=fault.code)
        error.whose, error.retryable = fault.whose, fault.retryable
        after = fault.retry_after_s
        error.retry_after_s = None if isinstance(after, msgspec.UnsetType) else after
        return error

    @staticmethod
    def wrap(error: BaseException) -> "OssicleError":
        """Any exception as one of ours; a foreign one is our fault and named by its type only,
        since its text may quote what a user said."""
        if isinstance(error, OssicleError):
            return error
        if isinstance(error, TimeoutError):
            return TimedOut("a time limit passed")
        return OssicleError(f"unexpected {type(error).__name__}")


class Refused(OssicleError):
    """The request cannot be served as it is."""

    code, whose, retryable = "bad_request", "client", False


class BadAudio(Refused):
    """The audio is not what was declared, is damaged, or is not supported."""

    code = "bad_audio"


class BadMessage(Refused):
    """A message breaks the dialect."""

    code = "bad_message"


class Denied(Refused):
    """The credential is missing, wrong or not enough."""

    code = "unauthorized"


class ResumeFailed(OssicleError):
    """The session that a token names cannot be joined. A new session can be opened."""

    code, whose, retryable = "resume_unknown", "client", False


class Overloaded(OssicleError):
    """No room at this moment."""

    code, whose, retryable = "at_capacity", "us", True


class ConnectionLost(OssicleError):
    """The wire broke. Reconnect; nothing that was settled is lost."""

    code, whose, retryable = "connection_lost", "us", True


class EngineFailed(OssicleError):
    """An engine or a provider broke."""

    code, whose, retryable = "engine_failed", "upstream", True


class TimedOut(OssicleError):
    """A limit of time passed."""

    code, whose, retryable = "timed_out", "us", True


class MissingExtra(OssicleError):
    """A part that is not installed; the text names the extra."""

    code, whose, retryable = "missing_extra", "us", False


CODES: dict[str, type[OssicleError]] = {
    "bad_request": Refused,
    "bad_option": Refused,
    "not_found": Refused,
    "too_large": Refused,
    "remote_content": Refused,
    "replaced": Refused,
    "bad_message": BadMessage,
    "bad_audio": BadAudio,
    "unsupported_audio": BadAudio,
    "unauthorized": Denied,
    "forbidden": Denied,
    "resume_unknown": ResumeFailed,
    "resume_expired": ResumeFailed,
    "resume_denied": Denied,
    "at_capacity": Overloaded,
    "rate_limited": Overloaded,
    "overloaded": Overloaded,
    "draining": Overloaded,
    "slow_reader": Overloaded,
    "connection_lost": ConnectionLost,
    "engine_failed": EngineFailed,
    "engine_unavailable": EngineFailed,
    "timed_out": TimedOut,
    "idle": TimedOut,
    "handshake_timeout": TimedOut,
    "session_limit": TimedOut,
    "missing_extra": MissingExtra,
    "internal": OssicleError,
}
"""Every stable code and the class it makes. Dialects keep their own table from code to close."""
