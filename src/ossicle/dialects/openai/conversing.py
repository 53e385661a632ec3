"""Items that a client writes: what one of them is, and what an engine is told of it.

A function's result and anything in words is told; what is only sound cannot be, since a session's
sound comes by the buffer. Knows no session.
"""

from typing import Any, TypeAlias, cast

from ossicle.core.commands import Line, Tell

from .book import Book, Item
from .errors import Rejected
from .messages import ItemAdded, ItemDone, ServerEvent

__all__ = ["entered", "item_of", "lines_of", "tell_of"]

Json: TypeAlias = dict[str, Any]

_PARTS = {
    "system": ("input_text",),
    "user": ("input_text", "input_audio"),
    "assistant": ("output_text", "output_audio", "text", "audio"),
}
"""Content by role; `text` and `audio` are the beta's names."""
_SPOKEN = {"text": "output_text", "audio": "output_audio"}


def item_of(given: Json, name: str, where: str = "item") -> Item:
    """An item as the book holds it.

    Args:
        given: what the client wrote.
        name: its id, where the client gave none.
        where: the member it stands in, for errors.

    Raises:
        Rejected: a type, role or content that is not taken here.
    """
    item_id = _text(given, "id", where, optional=True) or name
    kind = given.get("type", "message")
    match kind:
        case "message":
            return _message(given, item_id, where)
        case "function_call":
            return Item(
                item_id,
                type="function_call",
                call_id=_text(given, "call_id", where, optional=True) or f"call_{item_id}",
                name=_text(given, "name", where),
                arguments=_text(given, "arguments", where),
            )
        case "function_call_output":
            return Item(
                item_id,
                type="function_call_output",
                call_id=_text(given, "call_id", where),
                output=_text(given, "output", where),
            )
        case _:
            shown = kind if isinstance(kind, str) else "?"
            raise Rejected(
                f"Invalid value: '{shown[:60]}' is no item that is taken here; there are message, "
                "function_call and function_call_output.",
                "invalid_value",
                f"{where}.type",
            )


def tell_of(item: Item) -> Tell | None:
    """What the engine is told of it; None = nothing."""
    match item.type:
        case "function_call_output":
            return Tell(kind="result", text=item.output, call=item.call_id)
        case "message" if item.text:
            return Tell(kind="text", text=item.text, role=item.role)
        case _:
            return None


def lines_of(given: tuple[Json, ...], book: Book) -> tuple[Line, ...]:
    """What a response is to answer instead of the conversation.

    Raises:
        Rejected: as `item_of`.
        Refused: a reference to an item that is not there.
    """
    lines: list[Line] = []
    for place, each in enumerate(given):
        where = f"response.input[{place}]"
        if each.get("type") == "item_reference":
            item = book.find(_text(each, "id", where))
        else:
            item = item_of(each, "", where)
        if item.type == "function_call_output":
            lines.append(Line(item.output, "result", item.call_id))
        elif item.text:
            lines.append(Line(item.text, item.role))
    return tuple(lines)


def _message(given: Json, item_id: str, where: str) -> Item:
    role = given.get("role")
    if not isinstance(role, str) or role not in _PARTS:
        raise Rejected(
            "Invalid value: a message has the role system, user or assistant.",
            "invalid_value",
            f"{where}.role",
        )
    content = given.get("content")
    if not isinstance(content, list):
        raise Rejected(
            f"Missing required parameter: '{where}.content'.",
            "missing_required_parameter",
            f"{where}.content",
        )
    parts = [
        _part(part, role, f"{where}.content[{place}]")
        for place, part in enumerate(cast("list[object]", content))
    ]
    status = given.get("status")
    whole = status if status in {"completed", "incomplete"} else "completed"
    return Item(item_id, role=role, status=str(whole), content=parts)


def _part(given: object, role: str, where: str) -> Json:
    part = cast("Json", given) if isinstance(given, dict) else {}
    kind = part.get("type")
    if not isinstance(kind, str) or kind not in _PARTS[role]:
        raise Rejected(
            f"Invalid value: content of the role {role} is {' or '.join(_PARTS[role][:2])}.",
            "unsupported_content_type",
            f"{where}.type",
        )
    kind = _SPOKEN.get(kind, kind)
    if kind.endswith("_text"):
        return {"type": kind, "text": _text(part, "text", where)}
    words = part.get("transcript")
    if not isinstance(words, str) and role == "user":
        raise Rejected(
            "Sound inside an item is not heard here: append it to the input audio buffer, or give "
            "its transcript.",
            "unsupported_content_type",
            where,
        )
    return {"type": kind, "transcript": words if isinstance(words, str) else ""}


def _text(given: Json, name: str, where: str, *, optional: bool = False) -> str:
    value = given.get(name)
    if isinstance(value, str):
        return value
    if value is None and optional:
        return ""
    raise Rejected(
        f"Missing required parameter: '{where}.{name}'.",
        "missing_required_parameter",
        f"{where}.{name}",
    )


def entered(previous: str | None, item: Json) -> list[ServerEvent]:
    """What is told of an item that is in the conversation now."""
    return [
        ItemAdded(previous_item_id=previous, item=item),
        ItemDone(previous_item_id=previous, item=item),
    ]
