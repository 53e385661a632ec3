"""Secrets: the environment first, then a file that is ours alone."""

from pathlib import Path

import pytest

from ossicle.core.errors import Refused
from ossicle.gateway.access import Access
from ossicle.gateway.secrets import Secrets


def test_the_environment_comes_before_the_file(tmp_path: Path):
    held = Secrets(tmp_path, {"OSSICLE_A_SECRET": " x "})
    assert held("a_secret") == b"x"
    assert held("another") is None


def test_a_file_is_read_afresh_and_must_be_0600(tmp_path: Path):
    held = Secrets(tmp_path, {})
    (tmp_path / "secrets").mkdir()
    file = tmp_path / "secrets" / "a_secret"
    assert held("a_secret") is None
    file.touch(mode=0o600)
    file.chmod(0o600)
    assert held("a_secret") is None
    file.write_text("one\n")
    assert held("a_secret") == b"one"
    file.write_text("two\n")
    assert held("a_secret") == b"two"
    file.chmod(0o640)
    with pytest.raises(Refused, match="0600"):
        held("a_secret")
    file.chmod(0o600)
    file.write_text("x" * 5_000)
    with pytest.raises(Refused, match="4096"):
        held("a_secret")


def test_who_was_vouched_for_has_a_key_of_this_process_only():
    access, other = Access([("me", "k")]), Access([("me", "k")])
    key = access.vouch("twilio")
    assert access.vouch("twilio") == key
    assert access.owner(key) == "twilio"
    assert other.vouch("twilio") != key


def test_vouching_turns_no_keys_on():
    access = Access([])
    access.vouch("twilio")
    assert not access.on
    assert access.owner(None) == ""
