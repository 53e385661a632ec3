"""Who asks a plain route, and how much of a body is read."""

import itertools
from collections.abc import Iterable
from typing import Any

import pytest
from starlette.requests import Request

from ossicle.core.errors import Refused
from ossicle.transports.requested import body_of, opening_of


def asked(pieces: Iterable[bytes | None] = (), **more: Any) -> Request:
    """A POST whose body comes in those pieces; None = the client leaves."""
    left = iter(pieces)

    async def receive() -> Any:
        piece = next(left, b"")
        if piece is None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": piece, "more_body": bool(piece)}

    scope: dict[str, Any] = {
        "type": "http", "method": "POST", "path": "/whip", "query_string": b"", "headers": [],
        "scheme": "http", "server": ("gateway", 80),
    }  # fmt: skip
    return Request(scope | more, receive)


def test_who_asks() -> None:
    opening = opening_of(
        asked(
            query_string=b"model=a&model=b%20c", scheme="https", client=("::1", 5),
            headers=[(b"Authorization", b"Bearer k"), (b"x-n", b"1"), (b"x-n", b"2")],
        ),
        "webrtc",
    )  # fmt: skip
    assert (opening.transport, opening.method, opening.path) == ("webrtc", "POST", "/whip")
    assert opening.query == (("model", "a"), ("model", "b c"))
    assert opening.headers == (("authorization", "Bearer k"), ("x-n", "1"), ("x-n", "2"))
    assert (opening.peer, opening.secure) == ("::1:5", True)
    again = opening_of(asked(), "webrtc")
    assert (again.peer, again.secure) == ("", False)
    assert again.id != opening.id


async def test_a_body_up_to_its_bound() -> None:
    assert await body_of(asked([b"ab", b"cd"]), 4) == b"abcd"
    assert await body_of(asked(), 0) == b""


async def test_one_without_an_end_is_not_kept() -> None:
    read = itertools.count()
    endless = (bytes(1_000) for _ in iter(lambda: next(read), -1))
    with pytest.raises(Refused, match="10000 bytes") as refused:
        await body_of(asked(endless), 10_000)
    assert refused.value.code == "too_large"
    assert next(read) == 11


async def test_a_client_that_leaves() -> None:
    with pytest.raises(Refused, match="left"):
        await body_of(asked([b"ab", None]), 4)
