"""How sure an engine is of its words, as clients of OpenAI read it.

    logprobs_of((Word("go", 0, 200, 0.9), Word("on", 200, 400, 0.5)))
    [{"token": "go", "logprob": -0.105…, "bytes": [103, 111]}, {"token": " on", …}]

An entry is a word, since that is what engines here are sure of, and its logprob the logarithm of
the engine's confidence. Where an engine has none for some word there are no entries at all.
"""

import math
from collections.abc import Iterable
from typing import Any, TypeAlias

from ossicle.core.events import Word

__all__ = ["WANTED", "logprobs_of"]

Json: TypeAlias = dict[str, Any]

WANTED = "item.input_audio_transcription.logprobs"
"""What `session.include` says to have them."""
_LEAST = 1e-9
"""JSON has no number for the logarithm of 0."""


def logprobs_of(words: Iterable[Word]) -> list[Json] | None:
    """An entry for each word; None = not known."""
    out: list[Json] = []
    for word in words:
        if word.confidence is None:
            return None
        token = f" {word.text}" if out else word.text
        logprob = round(math.log(max(_LEAST, word.confidence)), 6)
        out.append({"token": token, "logprob": logprob, "bytes": list(token.encode())})
    return out or None
