import logging

import pytest

from ossicle.transports.faults import report_fault


def test_the_log_names_the_place_and_not_the_words(caplog: pytest.LogCaptureFixture) -> None:
    try:
        raise ValueError("what somebody said")
    except ValueError as fault:
        report_fault(logging.getLogger("test"), "receiver.binary", fault)
    assert "receiver.binary raised ValueError at" in caplog.text
    assert "test_faults.py:" in caplog.text
    assert "somebody" not in caplog.text


def test_an_exception_that_was_never_raised(caplog: pytest.LogCaptureFixture) -> None:
    report_fault(logging.getLogger("test"), "call", ValueError())
    assert "at nowhere" in caplog.text
