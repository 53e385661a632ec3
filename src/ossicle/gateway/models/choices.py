"""Engines by what configuration says: one, or several in the order they are asked.

    pocketsphinx                                   one
    upstream:deepgram | upstream:assemblyai        the second where the first fails
    3*upstream:a + 1*upstream:b | pocketsphinx     three of four streams to a, one to b; else it

A text that a `scripted` engine says may not hold ` | `: put it into a file.
"""

import re
from collections.abc import Callable

from ossicle.core.errors import Refused
from ossicle.core.ports import Engine
from ossicle.engines.wrap.failover import Failover, Member

__all__ = ["Choice", "choices", "open_choice"]

_WEIGHED = re.compile(r"(\d+(?:\.\d+)?)\*(.+)")

Choice = tuple[int, float, str]
"""Tier, weight and `NAME[:ARG]`."""


def choices(spec: str) -> tuple[Choice, ...]:
    """What a text asks for, the first choice first.

    Raises:
        Refused: an empty place, or a weight of nothing.
    """
    found: list[Choice] = []
    for tier, place in enumerate(spec.split(" | ")):
        parts = [part.strip() for part in place.split(" + ")]
        shares = [_WEIGHED.fullmatch(part) for part in parts]
        if not all(shares):  # a `+` that belongs to a text
            parts, shares = [place.strip()], [_WEIGHED.fullmatch(place.strip())]
        for part, share in zip(parts, shares, strict=True):
            weight, name = (float(share[1]), share[2].strip()) if share else (1.0, part)
            if not name or not weight:
                raise Refused(f"{spec[:80]!r} leaves a place empty", code="bad_option")
            found.append((tier, weight, name))
    return tuple(found)


def open_choice(spec: str, make: Callable[[str], Engine]) -> Engine:
    """The engine for a text; not started.

    Args:
        spec: as above.
        make: opens one by `NAME[:ARG]`.

    Raises:
        Refused: as `choices`, as `make`, or engines that hear nothing in common.
    """
    found = choices(spec)
    if len(found) == 1:
        return make(found[0][2])
    return Failover([Member(make(name), tier=tier, weight=weight) for tier, weight, name in found])
