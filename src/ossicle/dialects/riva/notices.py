"""What was understood and not done, for people: trailing metadata `ossicle-notice`."""

from collections.abc import Iterable

__all__ = ["NAME", "trailing"]

NAME = "ossicle-notice"
_MOST, _LONGEST = 10, 200


def trailing(texts: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """For `Close.headers`: each once, as metadata may hold it."""
    plain = dict.fromkeys(
        "".join(c if " " <= c <= "~" else "?" for c in text)[:_LONGEST] for text in texts
    )
    return tuple((NAME, text) for text in list(plain)[:_MOST])
