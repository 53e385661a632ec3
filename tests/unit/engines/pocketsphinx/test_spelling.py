import pytest

from ossicle.engines.pocketsphinx.spelling import spoken, tokens


@pytest.mark.parametrize(
    ("token", "word"),
    [
        ("tomato(2)", "tomato"),
        ("the", "the"),
        ("a(12)", "a"),
        ("it's", "it's"),
        ("<s>", ""),
        ("</s>", ""),
        ("<sil>", ""),
        ("[NOISE]", ""),
        ("++UM++", ""),
        ("(NULL)", ""),
        ("", ""),
    ],
)
def test_spoken(token, word):
    assert spoken(token) == word


@pytest.mark.parametrize(
    ("phrase", "words"),
    [
        ("Wait, no longer!", ("wait", "no", "longer")),
        ("It's  O'Brien's", ("it's", "o'brien's")),
        ("'quoted' mr.", ("quoted", "mr")),
        ("; | <sil> ( ) { } * /", ("sil",)),  # nothing that a grammar would read as its own
        ("", ()),
        ("–—", ()),
    ],
)
def test_tokens(phrase, words):
    assert tokens(phrase) == words
