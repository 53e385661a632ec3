"""A Python function as a responder: `python:MODULE:NAME`.

    def answer(question):                  # returns text
    async def answer(question):            # the same, where it waits
    async def answer(question):            # or yields pieces as they come
        yield "One moment. "
        yield ToolCall("1", "weather", "{}")

A plain function runs in a thread, so it may block; it cannot be stopped there, only ignored.
"""

import asyncio
import importlib
import inspect
import os
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from typing import Any, cast

from ...core.errors import EngineFailed, Refused
from . import Piece, Question

__all__ = ["Function", "function"]


class Function:
    """Implements `Responder`."""

    def __init__(self, answer: Callable[[Question], Any], name: str = "") -> None:
        """
        Args:
            answer: as in the module's text.
            name: in lists; empty = the function's own.
        """
        self.name = name or getattr(answer, "__name__", "function")
        self._answer = answer

    async def respond(self, question: Question) -> AsyncGenerator[Piece, None]:
        """Whatever the function makes of it."""
        answer = self._answer
        if inspect.iscoroutinefunction(answer) or inspect.isasyncgenfunction(answer):
            made = answer(question)
        else:
            made = await asyncio.to_thread(answer, question)
        if inspect.isawaitable(made):
            made = await made
        if made is None:
            return
        if isinstance(made, str):
            yield made
            return
        if isinstance(made, AsyncIterator):
            async for piece in cast("AsyncIterator[Piece]", made):
                yield piece
            return
        if isinstance(made, Iterable):
            for piece in cast("Iterable[Piece]", made):
                yield piece
            return
        raise EngineFailed(f"{self.name} answered with a {type(made).__name__}, not with text")


def function(argument: str) -> Function:
    """The responder of `MODULE:NAME`. The working directory is searched too.

    Raises:
        Refused: there is none; the text says what was looked for.
    """
    module, _, name = argument.partition(":")
    if not module or not name:
        raise Refused(
            f"python:{argument} must be python:MODULE:NAME, as in python:my_bot:answer",
            code="bad_option",
        )
    here = os.getcwd()  # noqa: PTH109  what sys.path holds
    if here not in sys.path and "" not in sys.path:
        sys.path.insert(0, here)
    try:
        found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise Refused(f"python:{argument} cannot be found: {error}", code="bad_option") from error
    if not callable(found):
        raise Refused(
            f"python:{argument} is a {type(found).__name__}, not a function", code="bad_option"
        )
    return Function(found, argument)
