"""Every stable code has a status, a body and a close."""

import json

import pytest

from ossicle.core.errors import CODES, Denied, Fault, Overloaded
from ossicle.core.wire import Close
from ossicle.dialects.deepgram.errors import closing, error_headers, refusal, status


@pytest.mark.parametrize("code", CODES)
def test_every_code(code: str) -> None:
    fault = CODES[code]("a sentence", code=code).fault()
    close = refusal(fault, "r")
    assert 400 <= (close.code or 0) < 600
    assert set(json.loads(close.body)) == {"err_code", "err_msg", "request_id"}
    newer = json.loads(refusal(fault, "r", newer=True).body)
    assert set(newer) == {"category", "message", "details", "request_id"}
    assert closing(fault).code in {1008, 1009, 1011}


@pytest.mark.parametrize(
    ("code", "number", "close"),
    [("unauthorized", 401, 1008), ("bad_option", 400, 1008), ("unsupported_audio", 400, 1008),
     ("forbidden", 403, 1008), ("at_capacity", 429, 1011), ("idle", 408, 1011),
     ("draining", 503, 1011), ("never heard of", 500, 1011)],
)  # fmt: skip
def test_the_ones_the_sdks_branch_on(code: str, number: int, close: int) -> None:
    fault = Fault(code, "a sentence")
    assert status(fault) == number
    assert closing(fault).code == close


def test_the_services_own_reasons() -> None:
    assert closing(Fault("bad_audio", "")) == Close(1008, "DATA-0000")
    assert closing(Fault("idle", "")) == Close(1011, "NET-0001")
    assert closing(Fault("engine_failed", "")) == Close(1011, "NET-0000")
    assert closing(None) == Close(1000)


def test_a_text_cannot_break_out_of_its_header() -> None:
    headers = dict(error_headers(Fault("bad_option", "x\r\nset-cookie: é\0"), "r"))
    assert headers["dg-error"].isascii()
    assert not set("\r\n\0") & set(headers["dg-error"])


def test_when_to_try_again():
    fault = Overloaded("x", code="rate_limited", retry_after_s=41.2).fault()
    for newer in (False, True):
        assert dict(refusal(fault, "id", newer=newer).headers)["retry-after"] == "42"
    assert dict(refusal(Overloaded("x").fault(), "id").headers)["retry-after"] == "1"
    assert "retry-after" not in dict(refusal(Denied("x").fault(), "id").headers)
