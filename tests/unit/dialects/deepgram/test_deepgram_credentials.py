"""Where a key stands, and which subprotocol is selected."""

import pytest

from ossicle.core.wire import Opening
from ossicle.dialects.deepgram.credentials import credential_of, offered, subprotocol_of


def opening(**headers: str) -> Opening:
    return Opening(headers=tuple((name.replace("_", "-"), text) for name, text in headers.items()))


@pytest.mark.parametrize(
    ("value", "key"),
    [("Token k", "k"), ("token k", "k"), ("Bearer j.w.t", "j.w.t"), ("bearer j", "j"),
     ("TOKEN  k ", "k"), ("k", "k"), ("Basic abc", None), ("Token", None), ("Token ", None),
     ("", None)],
)  # fmt: skip
def test_the_header(value: str, key: str | None) -> None:
    assert credential_of(opening(authorization=value)) == key


@pytest.mark.parametrize(
    ("offer", "key", "chosen"),
    [("token, k", "k", "token"), ("bearer,j", "j", "bearer"), ("Token, k", "k", "Token"),
     ("mine, token, k, x-deepgram-session-id, 6f", "k", "token"), ("mine", None, "mine"),
     ("token", None, "token"), ("", None, "")],
)  # fmt: skip
def test_the_subprotocols(offer: str, key: str | None, chosen: str) -> None:
    asked = opening(sec_websocket_protocol=offer)
    assert credential_of(asked) == key
    assert subprotocol_of(asked) == chosen
    assert chosen != "k"


def test_the_header_comes_first() -> None:
    asked = opening(authorization="Token one", sec_websocket_protocol="token, two")
    assert credential_of(asked) == "one"
    assert offered(asked) == ("token", "two")
