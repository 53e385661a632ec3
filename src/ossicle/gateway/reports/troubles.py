"""What is not as it should be while the gateway goes on with what it has.

    troubles.set("keys", "the keys file cannot be used; the keys read before stay in force")
    troubles.set("keys", "")            it is over

Told in `/readyz` (as notes: it *is* ready) and as the figure `ossicle_trouble`. The log says more,
said by whoever met it: here are no paths, as anybody may read these.
"""

from typing import Literal, TypeAlias

__all__ = ["KINDS", "Kind", "Troubles"]

Kind: TypeAlias = Literal["keys", "usage", "certificate"]

KINDS: tuple[Kind, ...] = ("keys", "usage", "certificate")
"""What there may be trouble with."""


class Troubles:
    """Of one gateway."""

    def __init__(self) -> None:
        self._held: dict[Kind, str] = {}

    def set(self, kind: Kind, text: str) -> None:
        """How it stands; "" = well."""
        if text:
            self._held[kind] = text
        else:
            self._held.pop(kind, None)

    def of(self, kind: Kind) -> str:
        """What is wrong there; "" = nothing."""
        return self._held.get(kind, "")

    @property
    def notes(self) -> list[str]:
        """All of it, a sentence each."""
        return [self._held[kind] for kind in KINDS if kind in self._held]
