"""Tokens for one session: used once, whoever asks."""

import pytest

from ossicle.core.errors import Denied, Overloaded
from ossicle.gateway.keys.spent import Spent


def test_a_token_is_taken_once_and_a_restart_remembers(tmp_path):
    clock = [1_000.0]
    one, other = (Spent(tmp_path / "spent", lambda: clock[0]) for _ in range(2))
    one.take("a", 2_000)
    one.take("b", 1_500)
    for each in (one, other):
        with pytest.raises(Denied, match="has been used; ask for a new one"):
            each.take("a", 2_000)
    assert (tmp_path / "spent").stat().st_mode & 0o777 == 0o700


def test_notes_go_when_their_tokens_have_ended(tmp_path):
    clock = [1_000.0]
    spent = Spent(tmp_path, lambda: clock[0])
    for name, ends in (("a", 1_010), ("b", 1_100), ("c", 3_000)):
        spent.take(name, ends)
    (tmp_path / "not-ours").touch()
    clock[0] = 1_050
    spent.take("d", 3_000)  # swept a moment ago
    assert len(list(tmp_path.iterdir())) == 5
    clock[0] = 1_070
    spent.take("e", 3_000)
    kept = {path.name for path in tmp_path.iterdir()}
    assert kept == {"1100-b", "3000-c", "3000-d", "3000-e", "not-ours"}


def test_what_cannot_be_noted_is_not_taken(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(Overloaded, match=r"cannot be noted .* make room in the state directory"):
        Spent(tmp_path / "file").take("a", 2_000)
