"""What every Deepgram path shares before it opens: who asks, and how a refusal looks.

A credential comes as `Authorization: Token KEY`, `Authorization: Bearer JWT` (schemes in any case:
the Python SDK sends a lower-case one), or from browsers as the subprotocol item after `token` or
`bearer`, of which the answer must select the scheme and never echo the key. Reading it is ours,
the verdict the gateway's. Refusals come before the upgrade, with a status and JSON.
"""

from collections.abc import Callable

import msgspec

from ossicle.core.errors import Fault
from ossicle.core.wire import Close, Opening

__all__ = [
    "REQUEST_ID",
    "accept_headers",
    "chosen_subprotocol",
    "credential_in",
    "credential_of",
    "refusal",
    "refusal_body",
    "status",
]

REQUEST_ID = "dg-request-id"

_SCHEMES = frozenset({"token", "bearer"})

_STATUS: dict[str, tuple[int, str]] = {
    "unauthorized": (401, "INVALID_AUTH"),
    "forbidden": (403, "INSUFFICIENT_PERMISSIONS"),
    "resume_denied": (403, "INSUFFICIENT_PERMISSIONS"),
    "not_found": (404, "NOT_FOUND"),
    "too_large": (413, "PAYLOAD_TOO_LARGE"),
    "rate_limited": (429, "TOO_MANY_REQUESTS"),
    "slow_reader": (429, "TOO_MANY_REQUESTS"),
    "idle": (408, "REQUEST_TIMEOUT"),
    "handshake_timeout": (408, "REQUEST_TIMEOUT"),
    "at_capacity": (503, "SERVICE_UNAVAILABLE"),
    "overloaded": (503, "SERVICE_UNAVAILABLE"),
    "draining": (503, "SERVICE_UNAVAILABLE"),
    "engine_unavailable": (503, "SERVICE_UNAVAILABLE"),
    "engine_failed": (502, "BAD_GATEWAY"),
    "timed_out": (504, "GATEWAY_TIMEOUT"),
}


class _Refusal(msgspec.Struct):
    err_code: str
    err_msg: str
    request_id: str


def credential_of(opening: Opening) -> str | None:
    """The key or token of an opening; None = none."""
    found = credential_in(opening.header)
    if found is not None:
        return found
    items = _offered(opening)
    for place, item in enumerate(items[:-1]):
        if item.lower() in _SCHEMES:
            return items[place + 1]
    return None


def credential_in(header: Callable[[str], str]) -> str | None:
    """The same of a request's headers alone."""
    scheme, _, value = header("authorization").strip().partition(" ")
    return (value.strip() or None) if scheme.lower() in _SCHEMES else None


def chosen_subprotocol(opening: Opening) -> str:
    """What a browser needs to see selected: the scheme it offered, never the key."""
    return next((item for item in _offered(opening) if item.lower() in _SCHEMES), "")


def accept_headers(opening: Opening) -> tuple[tuple[str, str], ...]:
    """Headers of a 101 or a 200."""
    return ((REQUEST_ID, opening.id),)


def status(fault: Fault) -> int:
    """HTTP status of an error; what is not in the table is the client's (400) or ours (500)."""
    return _STATUS.get(fault.code, (400 if fault.whose == "client" else 500, ""))[0]


def refusal(fault: Fault, request_id: str) -> Close:
    """The handshake or request is refused."""
    code, headers, body = refusal_body(fault, request_id)
    return Close(code, fault.code, headers=headers, body=body)


def refusal_body(
    fault: Fault, request_id: str
) -> tuple[int, tuple[tuple[str, str], ...], bytes]:
    """Status, headers and body of a refusal."""
    code, name = _STATUS.get(
        fault.code,
        (400, "Bad Request") if fault.whose == "client" else (500, "INTERNAL_SERVER_ERROR"),
    )
    text = "Invalid credentials." if code == 401 else fault.text
    headers = [
        ("content-type", "application/json"),
        (REQUEST_ID, request_id),
        ("dg-error", "".join(c if " " <= c <= "~" else "?" for c in text)[:500]),
    ]
    if fault.retryable:
        headers.append(("retry-after", "1"))
    body = msgspec.json.encode(_Refusal(name, text, request_id))
    return code, tuple(headers), body


def _offered(opening: Opening) -> tuple[str, ...]:
    values = (value for name, value in opening.headers if name == "sec-websocket-protocol")
    return tuple(item.strip() for value in values for item in value.split(",") if item.strip())
