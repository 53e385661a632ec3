import pytest

from ossicle.transports.websocket.closing import (
    close_code,
    http_status,
    reason_bytes,
    valid_received,
    valid_sent,
)


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        (None, 1000),
        (1000, 1000),
        (1008, 1008),
        (4401, 4401),
        (200, 1000),
        (400, 1008),
        (401, 1008),
        (404, 1008),
        (408, 1013),
        (413, 1009),
        (415, 1003),
        (429, 1013),
        (500, 1011),
        (502, 1014),
        (503, 1013),
        (504, 1014),
        (1005, 1011),
        (1006, 1011),
        (2000, 1011),
        (5000, 1011),
    ],
)
def test_close_code(given: int | None, sent: int) -> None:
    assert close_code(given) == sent


@pytest.mark.parametrize(
    ("given", "status"),
    [
        (None, 403),
        (401, 401),
        (503, 503),
        (302, 302),
        (101, 400),
        (200, 400),
        (1008, 403),
        (1009, 413),
        (1011, 500),
        (1013, 503),
        (4401, 401),
        (4503, 503),
        (4000, 400),
        (3000, 400),
    ],
)
def test_http_status(given: int | None, status: int) -> None:
    assert http_status(given) == status


def test_every_code_that_is_sent_may_be_sent() -> None:
    for code in range(6000):
        assert valid_sent(close_code(code))
        assert 300 <= http_status(code) < 600
    assert not any(valid_received(code) for code in (0, 999, 1004, 1005, 1006, 1015, 2999, 5000))


def test_a_reason_is_cut_at_a_whole_character() -> None:
    assert reason_bytes("short") == b"short"
    assert reason_bytes("é" * 100) == ("é" * 61).encode()
    assert len(reason_bytes("𝄞" * 100)) == 120
    assert reason_bytes("\ud800") == b"?"
