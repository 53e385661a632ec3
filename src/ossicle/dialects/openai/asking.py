"""`response.create` as a `Speak`: what one answer shall be, where it differs from the session.

speak_of(None, settings, book)                              Speak(): as the session says
speak_of(ResponseAsked(instructions="Be short."), …)        Speak(answer=…) for this one only
"""

from typing import Any, TypeAlias, cast

from ossicle.core.commands import Speak

from .book import Book
from .conversing import lines_of
from .messages import ResponseAsked
from .settings import answers_of, synthesis_of, updated

__all__ = ["speak_of"]

Json: TypeAlias = dict[str, Any]


def speak_of(asked: ResponseAsked | None, book: Book) -> Speak:
    """Answer yourself.

    Args:
        asked: what this answer shall be different in.
        book: of the session, with its settings and its items.

    Raises:
        Rejected: as `settings.updated` and `conversing.lines_of`.
    """
    if asked is None:
        return Speak()
    settings = book.settings
    change: Json = {"type": "realtime"}
    for name in ("instructions", "tools", "tool_choice", "max_output_tokens"):
        value = getattr(asked, name)
        if value is not None:
            change[name] = value
    if asked.output_modalities is not None:
        change["output_modalities"] = asked.output_modalities
    output = (asked.audio or {}).get("output")
    voice = cast("Json", output).get("voice") if isinstance(output, dict) else None
    if isinstance(voice, str | dict):
        change["audio"] = {"output": {"voice": voice}}
    wanted = updated(settings, change)
    if wanted == settings and asked.input is None and asked.conversation != "none":
        return Speak()
    lines = None if asked.input is None else lines_of(asked.input, book)
    return Speak(
        options=synthesis_of(wanted),
        answer=answers_of(wanted),
        lines=lines if lines is not None or asked.conversation != "none" else (),
    )
