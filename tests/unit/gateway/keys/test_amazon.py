"""Access keys stand for keys of the gateway; lists by name; who is connected."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ossicle.core.errors import Denied
from ossicle.dialects.amazon.guard import Admitted
from ossicle.gateway.configuration.settings import AmazonSettings
from ossicle.gateway.keys.access import Access
from ossicle.gateway.keys.amazon import AmazonDoor
from ossicle.gateway.keys.keyfile import KeyFile


def access(tmp_path: Path, *keys: tuple[str, str]) -> Access:
    return Access(keys, file=KeyFile(tmp_path / "keys.json"))


def test_a_stand_in_counts_as_its_key(tmp_path: Path):
    it = access(tmp_path, ("team", "the-key"), ("other", "another-key"))
    real = it.verdict("the-key")
    for name in ("team", real.key):
        credential = it.stand_in(name)
        assert credential is not None
        assert credential not in {"team", "the-key"}
        assert it.verdict(credential) == real
    assert it.stand_in("nobody") is None
    assert it.stand_in("") is None
    assert it.ids == {real.key, it.verdict("another-key").key}  # it adds no key


def test_an_id_comes_before_an_owner_of_the_same_name(tmp_path: Path):
    first = access(tmp_path, ("team", "the-key"))
    it = access(tmp_path, (first.verdict("the-key").key, "odd"), ("team", "the-key"))
    credential = it.stand_in(first.verdict("the-key").key)
    assert it.verdict(credential).owner == "team"


def test_a_stand_in_ends_with_its_key(tmp_path: Path):
    it = access(tmp_path, ("team", "the-key"), ("other", "another-key"))
    credential = it.stand_in("team")
    it._given = tuple(held for held in it._given if held.owner != "team")
    assert it.stand_in("team") is None
    with pytest.raises(Denied):
        it.verdict(credential)


def door(tmp_path: Path, sessions: Any = None, **settings: Any) -> AmazonDoor:
    return AmazonDoor(
        AmazonSettings(**settings), access(tmp_path, ("team", "the-key")), lambda _name: None,
        sessions or {},
    )  # fmt: skip


def test_an_access_key_is_mapped_or_looked_for_itself(tmp_path: Path):
    it = door(tmp_path, access_keys=(("AKTEAM", "team"),))
    assert it._stands_for("AKTEAM") == it._stands_for("team") is not None
    assert it._stands_for("AKOTHER") is None


def test_words_of_lists(tmp_path: Path):
    it = door(
        tmp_path,
        vocabularies=(("animals", " grey seal ,puffin,, "),),
        filters=(("rude", "darn"),),
    )
    assert it._lists.vocabulary("animals") == ("grey seal", "puffin")
    assert it._lists.vocabulary("rude") is None
    assert it._lists.words_filtered("rude") == ("darn",)


@pytest.mark.parametrize(
    ("state", "owner", "detached", "expected"),
    [
        ("live", object(), None, "here"),
        ("opening", None, None, "here"),  # its handshake is held
        ("live", None, 5.0, "waiting"),
        ("ended", None, 5.0, "gone"),
    ],
)
def test_who_is_connected(
    tmp_path: Path, state: str, owner: Any, detached: float | None, expected: str
):
    session = SimpleNamespace(
        life=SimpleNamespace(state=state), owner=owner, detached_until=detached
    )
    it = door(tmp_path, {"s": session})
    assert it._ids._state("s") == expected
    assert it._ids._state("nobody") == "gone"


def test_while_keys_are_off_every_signature_passes():
    it = AmazonDoor(AmazonSettings(), Access(()), lambda _name: None, {})
    assert it._guard(SimpleNamespace()) == Admitted()  # type: ignore[arg-type]
    assert it.server()._silence == 15.0
