"""The keys file: made, read, replaced whole, refused in words."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ossicle.core.errors import Refused
from ossicle.gateway.keys.keyfile import KeyFile, KeyLimits, digest_of, parse


@pytest.fixture
def book(tmp_path):
    return KeyFile(tmp_path / "state" / "keys.json")


def test_a_key_is_told_once_and_kept_as_a_digest(book):
    new = book.add("web", KeyLimits(sessions=3, audio_s_per_day=60.5))
    (entry,) = book.read()
    assert (entry.id, entry.owner, entry.limits.sessions) == (new.id, "web", 3)
    assert entry.digest == digest_of(new.key)
    assert new.key.startswith(f"osk_{new.id}_")
    assert len(new.key) >= 55
    text = book.path.read_text()
    assert new.key not in text
    assert new.key.rpartition("_")[2] not in text
    assert book.path.stat().st_mode & 0o777 == 0o600
    legal = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")
    assert set(new.key) <= legal, "a subprotocol holds nothing else"


def test_no_file_is_no_keys_and_an_emptied_one_is_a_file(book):
    assert book.read() is None
    assert not book.changed()
    new = book.add("web")
    assert [each.id for each in book.revoke(new.id)] == [new.id]
    assert book.read() == ()


def test_an_owner_is_revoked_with_all_keys(book):
    book.add("web")
    kept = book.add("batch")
    book.add("web")
    assert len(book.revoke("web")) == 2
    assert [each.id for each in book.read()] == [kept.id]
    with pytest.raises(Refused, match="no key has the id or the owner 'web'"):
        book.revoke("web")


@pytest.mark.parametrize("owner", ["", "x" * 201, "two\nlines"])
def test_names_that_are_none(book, owner):
    with pytest.raises(Refused, match="1 to 200 characters"):
        book.add(owner)
    assert book.read() is None


def test_a_change_is_seen_once(book):
    book.add("web")
    assert book.read() is not None
    assert not book.changed()
    KeyFile(book.path).add("batch")
    assert book.changed()
    book.read()
    assert not book.changed()
    book.path.unlink()
    assert not book.changed(), "a file that is gone revokes nobody"


def test_writers_take_turns(book):
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda n: KeyFile(book.path).add(f"o{n}"), range(24)))
    assert {each.id for each in book.read()} == {each.id for each in made}


def test_others_may_not_read_it(book):
    book.add("web")
    book.path.chmod(0o640)
    with pytest.raises(Refused, match="mode 0640; make it 0600"):
        book.read()


def test_a_write_that_fails_leaves_the_old_one(book, monkeypatch):
    kept = book.add("web")

    def full(_number: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        book.add("batch")
    assert [each.id for each in book.read()] == [kept.id]
    assert {each.name for each in book.path.parent.iterdir()} == {"keys.json", "keys.json.lock"}


def test_every_half_of_a_file_is_refused_in_words(book):
    book.add("web", KeyLimits(sessions=3))
    data = book.path.read_bytes()
    for cut in range(len(data.rstrip())):
        with pytest.raises(Refused, match="cut off or edited wrongly") as caught:
            parse(data[:cut], "keys.json")
        assert "keys.json" in str(caught.value)


ENTRY = {"id": "0" * 12, "owner": "web", "sha256": "0" * 64}


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ([], "cut off or edited"),
        ({"version": 2, "keys": []}, "version"),
        ({"version": 1, "keys": [ENTRY | {"sha256": "zz"}]}, "sha256"),
        ({"version": 1, "keys": [ENTRY | {"owner": ""}]}, "owner"),
        ({"version": 1, "keys": [ENTRY | {"limits": {"session": 1}}]}, "session"),
        ({"version": 1, "keys": [ENTRY | {"limits": {"sessions": -1}}]}, "sessions"),
        ({"version": 1, "keys": [ENTRY, ENTRY]}, "two keys of one id"),
    ],
)
def test_documents_that_are_no_keys_files(document, says):
    with pytest.raises(Refused, match=says):
        parse(json.dumps(document).encode(), "keys.json")


def test_what_is_no_file(tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(Refused, match="cannot be read"):
        KeyFile(Path(tmp_path / "folder")).read()
