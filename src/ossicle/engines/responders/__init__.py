"""What answers: words heard in, words to say out, a piece at a time.

    class Mine:
        name = "mine"
        async def respond(self, question):
            yield "You said: "
            yield question.said

A responder keeps nothing between two questions; the conversation comes with each. Cancelling it
(the generator is closed) means that nobody wants the rest.
"""

from collections.abc import AsyncGenerator
from typing import Literal, Protocol, TypeAlias

import msgspec

from ...core.events import Usage
from ...core.options import AnswerOptions

__all__ = ["Entry", "Piece", "Question", "Responder", "ToolCall"]


class Entry(msgspec.Struct, frozen=True):
    """One thing that was said, asked or answered."""

    role: Literal["system", "user", "assistant", "call", "result"]
    """`call`: the answerer asked for a tool; `result`: what came back."""
    text: str = ""
    """Words; of a call its arguments as JSON."""
    call: str = ""
    name: str = ""
    """The tool."""


class Question(msgspec.Struct, frozen=True):
    """What is to be answered."""

    entries: tuple[Entry, ...]
    """The conversation, oldest first."""
    options: AnswerOptions = AnswerOptions()
    """Instructions, tools, limits."""
    language: str = ""
    """BCP-47 tag of what was heard."""

    @property
    def said(self) -> str:
        """The last words of the other side."""
        said = (entry.text for entry in reversed(self.entries) if entry.role == "user")
        return next(said, "")


class ToolCall(msgspec.Struct, frozen=True):
    """The answer needs a tool of the client's."""

    call: str
    name: str
    arguments: str
    """JSON."""


Piece: TypeAlias = str | ToolCall | Usage
"""Words, a tool to be called, or what it cost."""


class Responder(Protocol):
    """Answers. Called on the event loop; must not block it."""

    @property
    def name(self) -> str:
        """In lists and records."""
        ...

    def respond(self, question: Question) -> AsyncGenerator[Piece, None]:
        """The answer, as it comes into being.

        Raises:
            OssicleError: there is none; the client is told the sentence.
        """
        ...
