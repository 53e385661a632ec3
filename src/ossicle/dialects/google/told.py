"""What a response of the service says, whichever version it came in: for the client halves."""

from typing import Literal, NamedTuple, TypeAlias

from ossicle.core.events import Word

__all__ = ["Heard", "Told"]

Activity: TypeAlias = Literal["", "begin", "end"]


class Heard(NamedTuple):
    """One result."""

    text: str
    final: bool
    stability: float = 0.0
    end_ms: int | None = None
    channel: int = 0
    """From 0."""
    language: str = ""
    confidence: float | None = None
    words: tuple[Word, ...] | None = None
    alternatives: tuple[str, ...] = ()


class Told(NamedTuple):
    """One message of the service."""

    results: tuple[Heard, ...] = ()
    activity: Activity = ""
    at_ms: int | None = None
    billed_ms: int | None = None
    request_id: str = ""
