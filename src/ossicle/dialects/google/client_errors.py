"""What a status of the service means to whoever called it.

fault_of(Close(11, "Exceeded maximum allowed stream duration of 305 seconds."))
-> Fault("session_limit", ..., whose="upstream", retryable=True)
"""

from typing import NamedTuple

from ossicle.core.errors import Fault, Whose
from ossicle.core.wire import Close

__all__ = ["fault_of"]


class _Row(NamedTuple):
    code: str
    whose: Whose = "upstream"
    retryable: bool = True


_ROWS = {
    1: _Row("connection_lost"),
    2: _Row("engine_failed"),
    3: _Row("bad_request", "client", retryable=False),
    4: _Row("timed_out"),
    5: _Row("not_found", "client", retryable=False),
    7: _Row("forbidden", "client", retryable=False),
    8: _Row("rate_limited"),
    12: _Row("bad_request", "client", retryable=False),
    13: _Row("engine_failed"),
    14: _Row("engine_unavailable"),
    15: _Row("engine_failed"),
    16: _Row("unauthorized", "client", retryable=False),
}
_LIMIT, _IDLE = _Row("session_limit"), _Row("idle")


def fault_of(close: Close) -> Fault:
    """The error of a call that ended otherwise than OK."""
    number = close.code or 0
    row = _ROWS.get(number, _Row("engine_failed"))
    if number in {10, 11}:  # one status for both limits of time (wire note, §6)
        row = _LIMIT if "duration" in close.reason and "elapsed" not in close.reason else _IDLE
    text = f"status {number}: {close.reason or 'no details'}"
    return Fault(row.code, text[:500], row.whose, row.retryable)
