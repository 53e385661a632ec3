"""The recogniser's own tokens, and the words people read and give.

>>> spoken("tomato(2)"), spoken("<sil>"), tokens("Wait, no longer!")
('tomato', '', ('wait', 'no', 'longer'))
"""

import re
from typing import Final

__all__ = ["spoken", "tokens"]

_VARIANT: Final = re.compile(r"\(\d+\)$")
_SPLIT: Final = re.compile(r"[^\w'.-]+")


def spoken(token: str) -> str:
    """The word a token stands for; empty for fillers (`<s>`, `<sil>`, `[NOISE]`, `++UM++`)."""
    if token[:1] in "<[+(" or not token:
        return ""
    return _VARIANT.sub("", token)


def tokens(phrase: str) -> tuple[str, ...]:
    """A phrase as the dictionary spells words: lower case, no punctuation around them."""
    words = (word.strip("'.-_") for word in _SPLIT.split(phrase.lower()))
    return tuple(word for word in words if word)
