"""What a machine trusts is read once, and again when it changed."""

import os
import ssl
from pathlib import Path

import pytest

from ossicle.transports.trust import platform_trust


def test_it_is_read_once() -> None:
    assert platform_trust() is platform_trust()
    assert platform_trust().verify_mode is ssl.CERT_REQUIRED


def test_what_offers_a_protocol_is_apart() -> None:
    assert platform_trust("h2") is platform_trust("h2")
    assert platform_trust("h2") is not platform_trust()


def test_another_file_or_a_file_that_changed_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = platform_trust()
    file = tmp_path / "ca.pem"
    file.write_bytes(b"")
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    first = platform_trust()
    assert first is not before
    os.utime(file, ns=(1, 1))
    assert platform_trust() is not first
