"""`session.update`: what may change, and until when.

The type and the model are fixed when the session begins, the formats by the first update or the
first sound, the voice once it was heard (wire note, section 2). On a track formats do not matter,
so they may say what they like.
"""

from typing import Any, TypeAlias

from .book import Book
from .errors import Rejected
from .settings import Settings, updated

__all__ = ["update_of"]

Json: TypeAlias = dict[str, Any]


def update_of(change: Json, book: Book, *, typed: bool) -> Settings:
    """The session after an update.

    Args:
        change: what the client wants.
        book: of the session as it is.
        typed: the update has to name the type; the beta's does not.

    Raises:
        Rejected: it cannot be changed, any more or at all; nothing of the update happens.
    """
    before = book.settings
    if typed and "type" not in change:
        raise Rejected(
            "Missing required parameter: 'session.type'.",
            "missing_required_parameter",
            "session.type",
        )
    after = updated(before, change)
    now, then = after.audio, before.audio
    if book.voiced and now.output.voice != then.output.voice:
        raise Rejected(
            "Cannot update a session's voice once it was heard.",
            "cannot_update_voice",
            "session.audio.output.voice",
        )
    formats = (now.input.format, now.output.format) != (then.input.format, then.output.format)
    if book.declared and formats and not book.paced:
        raise Rejected(
            "Cannot change audio formats: the session's sound has been declared. Set them in the "
            "first session.update.",
            "invalid_value",
            "session.audio",
        )
    return after
