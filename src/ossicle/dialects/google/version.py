"""What the life of a call needs of a version of the API: reading its requests and writing its
answers. v1 (with v1p1beta1) and v2 implement it with mappers of their own, since names, numbers
and rules differ (wire note, §9).
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol, TypeAlias

from ossicle.core.wire import Opening

from .asked import Asked, Piece, Reading
from .errors import Generation

__all__ = ["Activity", "Said", "Version", "billed_s"]

Activity: TypeAlias = Literal["begin", "end", "timeout", "utterance"]
"""Speech began, ended, did not come for too long; the single utterance is over."""


class Said(NamedTuple):
    """One request of a stream, as far as it concerns us."""

    asked: Asked | None = None
    """A configuration."""
    audio: bytes | None = None


class Version(Protocol):
    """One version of the API. Holds no state of a call."""

    generation: Generation
    name: str
    """For lists, metrics and records."""
    leading_blank: bool
    """Every text but a channel's first begins with a blank, so that joining them gives it all."""

    def read(self, data: bytes, *, first: bool) -> Said:
        """A request of a stream.

        Raises:
            BadMessage: not protobuf.
            Unmet: a configuration that cannot be served.
        """
        ...

    def recording(self, data: bytes) -> tuple[Asked, bytes]:
        """A unary request.

        Raises:
            BadMessage, Unmet: as `read`.
        """
        ...

    def interim(self, pieces: Sequence[Piece], opening: Opening) -> bytes:
        """What is heard and not yet certain, in consecutive pieces."""
        ...

    def final(self, reading: Reading, opening: Opening) -> bytes:
        """What was heard."""
        ...

    def activity(self, kind: Activity, at_ms: int, opening: Opening) -> bytes:
        """An event; empty = the version has none of that kind."""
        ...

    def billed(self, audio_ms: int, opening: Opening) -> bytes:
        """The last message of a stream."""
        ...

    def answer(self, readings: Sequence[Reading], audio_ms: int, opening: Opening) -> bytes:
        """The answer to a unary request."""
        ...


def billed_s(audio_ms: int) -> int:
    """Seconds begun, as the service bills them."""
    return -(-audio_ms // 1000)
