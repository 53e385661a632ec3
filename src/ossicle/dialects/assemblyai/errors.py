"""One table from error code to what an AssemblyAI client sees: the `Error` message and the close
code, which are the same number (wire notes, "Errors and close codes").

A refusal comes after the upgrade, too: the JavaScript SDK sees only a socket error in an HTTP
refusal and tries twice more, while it gives up at once on 4000-4003 and 4101.
"""

from ossicle.core.errors import Fault

__all__ = [
    "DENIED",
    "IDLE",
    "INPUT_DURATION",
    "INVALID",
    "LEGACY_CODES",
    "V3_CODES",
    "fault_of",
    "legacy_code",
    "reason_of",
    "v3_code",
]

INVALID, INPUT_DURATION = 3006, 3007
BAD_RATE, DENIED, IDLE = 4000, 4001, 4031

V3_CODES: dict[str, int] = {
    "bad_request": INVALID,
    "bad_option": INVALID,
    "bad_message": INVALID,
    "bad_audio": INVALID,
    "not_found": INVALID,
    "too_large": INPUT_DURATION,
    "unsupported_audio": BAD_RATE,
    "unauthorized": DENIED,
    "forbidden": DENIED,
    "resume_denied": DENIED,
    "at_capacity": 3009,
    "rate_limited": 3009,
    "session_limit": 3008,
    "idle": IDLE,
    "handshake_timeout": IDLE,
}
"""Codes of `/v3/ws`; anything else is 3005, the service's own failure."""

LEGACY_CODES: dict[str, int] = {
    "bad_request": 4101,
    "bad_option": 4101,
    "bad_message": 4101,
    "bad_audio": 4101,
    "not_found": 4004,
    "too_large": 4033,
    "unsupported_audio": BAD_RATE,
    "unauthorized": DENIED,
    "forbidden": DENIED,
    "resume_denied": DENIED,
    "at_capacity": 4102,
    "rate_limited": 4102,
    "session_limit": 4008,
    "idle": IDLE,
    "handshake_timeout": IDLE,
}
"""Codes of `/v2/realtime/ws`; anything else is 1011 (RFC 6455, section 7.4.1)."""


def v3_code(fault: Fault) -> int:
    """The `error_code` and close code of `/v3/ws`."""
    return V3_CODES.get(fault.code, 3005)


def legacy_code(fault: Fault) -> int:
    """The close code of `/v2/realtime/ws`."""
    return LEGACY_CODES.get(fault.code, 1011)


def reason_of(text: str) -> str:
    """A close reason: at most 123 bytes of UTF-8 (RFC 6455, section 5.5)."""
    return text.encode()[:123].decode(errors="ignore")


_MEANINGS: dict[int, tuple[str, bool]] = {
    1008: ("unauthorized", False),
    3006: ("bad_message", False),
    3007: ("bad_audio", False),
    3008: ("session_limit", True),
    3009: ("at_capacity", True),
    4000: ("unsupported_audio", False),
    4001: ("unauthorized", False),
    4002: ("forbidden", False),
    4003: ("forbidden", False),
    4004: ("not_found", False),
    4008: ("session_limit", True),
    4010: ("session_limit", True),
    4029: ("rate_limited", True),
    4030: ("bad_message", False),
    4031: ("idle", True),
    4032: ("bad_audio", False),
    4033: ("bad_audio", False),
    4034: ("bad_audio", False),
    4100: ("bad_message", False),
    4101: ("bad_message", False),
    4102: ("at_capacity", True),
    4103: ("connection_lost", True),
    4104: ("connection_lost", True),
}
"""What a code of theirs means to a client of ours, and whether the same may succeed later."""


def fault_of(code: int | None, text: str) -> Fault:
    """An error message or a close of the service as a value."""
    name, again = _MEANINGS.get(code or 0, ("engine_failed", True))
    whose = "upstream" if name in {"engine_failed", "at_capacity"} else "client"
    return Fault(name, text[:300], whose, again)
