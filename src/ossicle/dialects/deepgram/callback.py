"""`callback` and `callback_method`: the answer is posted to a URL instead.

    >>> reports_of("https://example.org/done", "put")
    (Report(url='https://example.org/done', method='PUT', own=True),)
    >>> queued("6f0c")
    b'{"request_id":"6f0c"}'

Whether the URL may be reached is the gateway's verdict.
"""

import msgspec

from ossicle.core.commands import Report
from ossicle.core.errors import Refused

__all__ = ["queued", "reports_of"]


def reports_of(url: str, method: str) -> tuple[Report, ...]:
    """Where the answer goes; empty = to whoever asked.

    Raises:
        Refused: a method nobody posts with.
    """
    method = method.upper() or "POST"
    if method not in {"POST", "PUT"}:
        raise Refused(f"callback_method={method[:20]!r}: use POST or PUT", code="bad_option")
    return (Report(url, method, own=True),) if url else ()


def queued(request_id: str) -> bytes:
    """What whoever asked is told meanwhile."""
    return msgspec.json.encode({"request_id": request_id})
