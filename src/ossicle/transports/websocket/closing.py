"""Close codes: which may be sent, which may come, and what an HTTP status means as one.

close_code(503)   -> 1013
http_status(1008) -> 403
"""

__all__ = ["close_code", "http_status", "reason_bytes", "valid_received", "valid_sent"]

MAX_REASON = 123
"""RFC 6455 5.5: a control frame carries 125 bytes, two of them are the code."""

_STANDARD = frozenset({1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014})
"""RFC 6455 7.4.1 and the IANA registry, without 1004-1006 and 1015, which never travel."""

_CODE_OF_STATUS = {
    408: 1013,
    413: 1009,
    415: 1003,
    426: 1002,
    429: 1013,
    502: 1014,
    503: 1013,
    504: 1014,
}
_STATUS_OF_CODE = {
    1002: 400,
    1003: 415,
    1007: 400,
    1008: 403,
    1009: 413,
    1011: 500,
    1012: 503,
    1013: 503,
    1014: 502,
}


def valid_sent(code: int) -> bool:
    """Whether an endpoint may put this code into a frame (RFC 6455 7.4)."""
    return code in _STANDARD or 3000 <= code <= 4999


valid_received = valid_sent


def close_code(code: int | None) -> int:
    """The code to send for `Close.code` after the handshake.

    None is the normal end. An HTTP status becomes the nearest code: what the peer can repeat
    later 1013, what it must change 1008, what is our fault 1011. A number that must not be sent
    is our fault as well.
    """
    if code is None:
        return 1000
    if code < 1000:
        if code in _CODE_OF_STATUS:
            return _CODE_OF_STATUS[code]
        return 1000 if code < 400 else 1008 if code < 500 else 1011
    return code if valid_sent(code) else 1011


def http_status(code: int | None) -> int:
    """The status that refuses an upgrade with `Close.code`.

    A status stays itself; a close code becomes the nearest one, private codes of the shape 44xx
    and 45xx by their last three digits; None and anything else refuses with 403 or 400.
    """
    if code is None:
        return 403
    if 300 <= code < 600:
        return code
    if code in _STATUS_OF_CODE:
        return _STATUS_OF_CODE[code]
    if 4400 <= code < 4600:
        return code - 4000
    return 400


def reason_bytes(reason: str) -> bytes:
    """At most 123 bytes of whole characters; lone surrogates become question marks."""
    data = reason.encode(errors="replace")
    return data[:MAX_REASON].decode(errors="ignore").encode() if len(data) > MAX_REASON else data
