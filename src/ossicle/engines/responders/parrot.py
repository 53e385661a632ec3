"""The built-in responder: it says again what was said, a word at a time. It needs nothing, so a
conversation works before anybody has chosen a model."""

from collections.abc import AsyncGenerator

from . import Piece, Question

__all__ = ["Parrot"]


class Parrot:
    """Implements `Responder`."""

    name = "parrot"

    async def respond(self, question: Question) -> AsyncGenerator[Piece, None]:
        """The last words said, or the last result of a tool."""
        last = question.entries[-1] if question.entries else None
        said = last.text if last is not None and last.role == "result" else question.said
        for place, word in enumerate(said.split()):
            yield f" {word}" if place else word
