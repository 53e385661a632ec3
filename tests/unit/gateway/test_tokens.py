"""Resume tokens."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ossicle.core.errors import ResumeFailed
from ossicle.gateway.tokens import mint, parse, same


@pytest.mark.parametrize("node", ["n", "eu-west-1.example.org"])
def test_a_token_names_its_node_and_session(node):
    token = parse(mint(node, "abc"))
    assert (token.node, token.session) == (node, "abc")
    assert len(token.secret) >= 24


def test_no_two_are_alike():
    assert len({mint("n", "s") for _ in range(100)}) == 100


@given(st.text())
def test_anything_else_is_refused_in_words(text):
    try:
        token = parse(text)
    except ResumeFailed:
        return  # the only error there is
    else:
        assert ".".join(token) == text
        assert all(token)


@pytest.mark.parametrize("text", ["", "a", "a.b", "..", "a..c", "a.b.", "a.b." + "c" * 300])
def test_what_has_not_the_form_of_one(text):
    with pytest.raises(ResumeFailed, match="not a resume token"):
        parse(text)


@given(st.text(st.characters(), max_size=20), st.text(st.characters(), max_size=20))
def test_comparing_never_raises(one, other):
    assert same(one, other) == (one == other)
    assert not same(one + "\ud800", one)
