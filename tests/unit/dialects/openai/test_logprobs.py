"""How sure an engine is."""

import math

from ossicle.core.events import Word
from ossicle.dialects.openai.logprobs import logprobs_of


def test_one_for_each_word_and_joined_they_are_the_text():
    found = logprobs_of([Word("gō", 0, 1, 0.5), Word("on", 1, 2, 1.0)])
    assert found is not None
    assert "".join(each["token"] for each in found) == "gō on"
    assert math.isclose(found[0]["logprob"], math.log(0.5), abs_tol=1e-6)
    assert bytes(found[0]["bytes"]).decode() == "gō"


def test_none_is_made_up():
    assert logprobs_of([]) is None
    assert logprobs_of([Word("a", 0, 1, 0.5), Word("b", 1, 2)]) is None
    (zero,) = logprobs_of([Word("a", 0, 1, 0.0)]) or ()
    assert math.isfinite(zero["logprob"])
