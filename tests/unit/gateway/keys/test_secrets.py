"""Secrets: the environment first, then a file that is ours alone."""

import subprocess
import sys
from pathlib import Path

import pytest

from ossicle.core.errors import Refused
from ossicle.gateway.keys.access import Access
from ossicle.gateway.keys.secrets import Secrets


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


MAKER = """
import sys, time
from pathlib import Path
from ossicle.gateway.keys.secrets import Secrets
held = Secrets(Path(sys.argv[1]), {})
print("ready", flush=True)
sys.stdin.readline()
names = [f"s{number}" for number in range(50)]
print(",".join(held.made(name).decode() for name in names))
"""


def test_gateways_that_start_in_the_same_instant_agree(tmp_path: Path):
    """Fifty secrets in a row: a reader that met a file before it was whole would have another."""
    made = [
        subprocess.Popen(
            [sys.executable, "-c", MAKER, str(tmp_path)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for _ in range(4)
    ]  # fmt: skip
    for each in made:
        assert each.stdout is not None
        assert each.stdout.readline() == "ready\n"
    for each in made:
        assert each.stdin is not None
        each.stdin.write("\n")
        each.stdin.flush()
    told = [each.communicate(timeout=30)[0].strip() for each in made]
    assert [each.returncode for each in made] == [0] * 4
    assert len(set(told)) == 1
    assert {len(secret) for secret in told[0].split(",")} == {64}
    files = list((tmp_path / "secrets").iterdir())
    assert len(files) == 50, "what was begun and not needed is gone"
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}


def test_a_secret_is_made_where_there_is_none_and_only_there(tmp_path: Path):
    held = Secrets(tmp_path, {"OSSICLE_GIVEN": "x"})
    assert held.made("given") == b"x"
    assert not (tmp_path / "secrets").exists()
    assert held.made("mine") == held("mine")
    assert held.made("other", "other.secret") == held("other", "other.secret")
    (tmp_path / "secrets" / "empty").touch(mode=0o600)
    with pytest.raises(Refused, match=r"empty in .* is empty; delete it, or set OSSICLE_EMPTY"):
        held.made("empty")


def test_a_file_system_without_links_says_what_to_do(tmp_path: Path, monkeypatch):
    def none(_path: Path, _target: Path) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", none)
    with pytest.raises(Refused, match=r"of mode 0600 there .* no hard links, or set OSSICLE_MINE"):
        Secrets(tmp_path, {}).made("mine")
    assert list((tmp_path / "secrets").iterdir()) == []
