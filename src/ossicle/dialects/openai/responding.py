"""The output side of a conversation: an utterance of the engine becomes a response with its items
and parts, in the service's order (wire note, section 5).

    response.created  output_item.added  conversation.item.added  content_part.added
    deltas…  the done of each  content_part.done  conversation.item.done  output_item.done
    response.done

A response that a client asked for begins at once and carries its id as the ref of the `Speak`; one
that the engine begins by itself is named after its utterance, so every leg names it alike.
"""

from typing import Any, TypeAlias

from ossicle.core.events import Asked, AudioOut, SpeechEnded, Transcript, Usage

from .book import Book, Item
from .growth import Growth
from .messages import (
    AudioDelta,
    AudioDone,
    FunctionArgumentsDelta,
    FunctionArgumentsDone,
    ItemAdded,
    ItemDone,
    ItemTruncated,
    OutputItemAdded,
    OutputItemDone,
    PartAdded,
    PartDone,
    RateLimits,
    ResponseAsked,
    ResponseCreated,
    ResponseDone,
    ServerEvent,
    SpokenDelta,
    SpokenDone,
    TextDelta,
    TextDone,
)

__all__ = ["Responding", "Response"]

Json: TypeAlias = dict[str, Any]

_REMEMBERED = 256
"""Utterances whose item can still be truncated."""


class Response:
    """One answer, from `response.created` to `response.done`."""

    def __init__(self, response_id: str, *, aloud: bool, asked: ResponseAsked | None) -> None:
        self.id = response_id
        self.aloud = aloud
        self.asked = asked or ResponseAsked()
        self.utterance = ""
        self.items: list[Item] = []
        self.message: Item | None = None
        """The message being said."""
        self.growth = Growth()
        self.cancelled_by = ""
        """`client_cancelled` where somebody asked."""

    @property
    def apart(self) -> bool:
        """Not in the default conversation."""
        return self.asked.conversation == "none"


class Responding:
    """Of one leg."""

    def __init__(self, book: Book, *, sends_sound: bool = True) -> None:
        """`sends_sound` False: sound goes over a track, and is not told as events."""
        self._book = book
        self._sends_sound = sends_sound
        self.active: dict[str, Response] = {}
        """By id, the oldest first."""
        self._by_utterance: dict[str, str] = {}
        self._items: dict[str, str] = {}
        """Utterance of an item, for truncation."""
        self._cut: dict[str, None] = {}
        """Utterances whose item was truncated by us."""
        self._finished: dict[str, None] = {}
        """Responses and utterances that are over: what still comes of them is not told."""

    # ── asked by the client ──

    @property
    def busy(self) -> bool:
        """An answer in the default conversation is being given."""
        return any(not response.apart for response in self.active.values())

    def begin(self, response_id: str, asked: ResponseAsked | None) -> list[ServerEvent]:
        """An answer was asked for, or began by itself."""
        aloud = self._book.settings.output_modalities == ("audio",)
        if asked is not None and asked.output_modalities:
            aloud = "audio" in asked.output_modalities
        response = self.active[response_id] = Response(response_id, aloud=aloud, asked=asked)
        return [ResponseCreated(response=self._shown(response, "in_progress"))]

    def utterance_of(self, item_id: str) -> str | None:
        """Which utterance an item is; None = it is none, or too old."""
        return self._items.get(item_id)

    def of(self, utterance: str) -> Response | None:
        """The answer that an utterance is of, while it is being made."""
        found = (each for each in self.active.values() if each.utterance == utterance)
        return next(found, None) if utterance else None

    def truncated(self, utterance: str, heard_ms: int) -> list[ServerEvent]:
        """An answer that was cut off on a track, where the server knows how much of it was heard:
        its item, once. Which words those were is not known to the letter, so none of them stay."""
        found = (name for name, said in reversed(self._items.items()) if said == utterance)
        name = next(found, None) if utterance else None
        if name is None or utterance in self._cut or name not in self._book:
            return []
        item = self._book.find(name)
        if not any(part.get("type") == "output_audio" for part in item.content):
            return []
        self._cut[utterance] = None
        while len(self._cut) > _REMEMBERED:
            del self._cut[next(iter(self._cut))]
        item.content = [{"type": "output_audio", "transcript": ""}]
        return [ItemTruncated(item_id=name, content_index=0, audio_end_ms=heard_ms)]

    # ── told by the session ──

    def started(self, utterance: str, ref: str) -> list[ServerEvent]:
        """An utterance begins."""
        return [] if self._is_over(utterance, ref) else self._find(utterance, ref)[1]

    def sound(self, event: AudioOut) -> list[ServerEvent]:
        """Sound of it."""
        if self._is_over(event.utterance, event.ref):
            return []
        response, events = self._find(event.utterance, event.ref)
        message, opened = self._message(response)
        self._book.voiced = True
        events += opened
        if self._sends_sound and event.data:
            where = self._where(response, message)
            events.append(AudioDelta(**where, delta=event.data))
        return events

    def words(self, event: Transcript) -> list[ServerEvent]:
        """Words of it."""
        if self._is_over(event.utterance, event.ref):
            return []
        response, events = self._find(event.utterance, event.ref)
        delta = response.growth.hear(event)
        if not delta:
            return events
        message, opened = self._message(response)
        _fill(message, response)
        where = self._where(response, message)
        said = SpokenDelta(**where, delta=delta) if response.aloud else None
        return [*events, *opened, said or TextDelta(**where, delta=delta)]

    def asks(self, event: Asked) -> list[ServerEvent]:
        """It wants a tool called."""
        if self._is_over(event.utterance, event.ref):
            return []
        response, events = self._find(event.utterance, event.ref)
        events += self._close_message(response, "completed")
        item = Item(
            f"item_{self._book.session}f{event.call}",
            type="function_call",
            call_id=event.call,
            name=event.name,
            arguments=event.arguments,
        )
        place = len(response.items)
        response.items.append(item)
        begun = {**item.shown, "status": "in_progress", "arguments": ""}
        call: Json = {
            "response_id": response.id,
            "item_id": item.id,
            "output_index": place,
            "call_id": event.call,
        }
        events.append(OutputItemAdded(response_id=response.id, output_index=place, item=begun))
        if not response.apart:
            item = self._book.add(item)
            events.append(ItemAdded(previous_item_id=item.previous, item=begun))
        events += [
            FunctionArgumentsDelta(**call, delta=event.arguments),
            FunctionArgumentsDone(**call, name=event.name, arguments=event.arguments),
        ]
        if not response.apart:
            events.append(ItemDone(previous_item_id=item.previous, item=item.shown))
        events.append(OutputItemDone(response_id=response.id, output_index=place, item=item.shown))
        return events

    def ended(self, event: SpeechEnded) -> list[ServerEvent]:
        """It is complete, or was cut off."""
        if not event.utterance and event.ref not in self.active:
            return []
        if self._is_over(event.utterance, event.ref):
            return []
        response, events = self._find(event.utterance, event.ref)
        match event.reason:
            case "cancelled":
                reason = response.cancelled_by or "turn_detected"
                details: Json | None = {"type": "cancelled", "reason": reason}
                status = "cancelled"
            case "failed":
                error = {
                    "type": "server_error",
                    "code": "engine_failed",
                    "message": "The answer could not be given.",
                }
                status, details = "failed", {"type": "failed", "error": error}
            case "limit":
                status = "incomplete"
                details = {"type": "incomplete", "reason": "max_output_tokens"}
            case _:
                status, details = "completed", None
        return [*events, *self._done(response, status, details, event.usage)]

    def failed(self, response_id: str, code: str, text: str) -> list[ServerEvent]:
        """It could not be given."""
        response = self.active.get(response_id)
        if response is None:
            return []
        error = {"type": "invalid_request_error", "code": code, "message": text}
        return self._done(response, "failed", {"type": "failed", "error": error}, None)

    # ── inside ──

    def _is_over(self, utterance: str, ref: str) -> bool:
        return utterance in self._finished or (ref in self._finished and ref not in self.active)

    def _finish(self, *names: str) -> None:
        for name in names:
            if name:
                self._finished[name] = None
        while len(self._finished) > _REMEMBERED:
            del self._finished[next(iter(self._finished))]

    def _find(self, utterance: str, ref: str) -> tuple[Response, list[ServerEvent]]:
        """The response of an utterance, which may be news."""
        response_id = self._by_utterance.get(utterance) if utterance else None
        if response_id is None and ref in self.active:
            response_id = ref
        if response_id is None and ref.startswith("resp_"):
            response_id = ref  # another leg asked for it
        if response_id is None:
            response_id = f"resp_{self._book.session}{utterance}"
        events: list[ServerEvent] = []
        if response_id not in self.active:
            events = self.begin(response_id, None)
        response = self.active[response_id]
        if utterance:
            response.utterance = utterance
            self._by_utterance[utterance] = response_id
        return response, events

    def _message(self, response: Response) -> tuple[Item, list[ServerEvent]]:
        """The message being said; opened at its first sound or word."""
        message = response.message
        if message is not None:
            return message, []
        place = len(response.items)
        name = response.utterance or response.id.removeprefix("resp_")
        message = Item(
            f"item_{self._book.session}a{name}n{place}", role="assistant", status="in_progress"
        )
        message.content = []
        events: list[ServerEvent] = [
            OutputItemAdded(response_id=response.id, output_index=place, item=message.shown)
        ]
        if not response.apart:
            message = self._book.add(message)
            events.append(
                ItemAdded(
                    previous_item_id=message.previous,
                    item={**message.shown, "status": "in_progress", "content": []},
                )
            )
        response.message = message
        response.items.append(message)
        self._items[message.id] = response.utterance
        while len(self._items) > _REMEMBERED:
            del self._items[next(iter(self._items))]
        part = {"type": "audio", "transcript": ""} if response.aloud else _text_part("")
        events.append(PartAdded(**self._where(response, message), part=part))
        return message, events

    @staticmethod
    def _where(response: Response, message: Item) -> Json:
        return {
            "response_id": response.id,
            "item_id": message.id,
            "output_index": response.items.index(message),
            "content_index": 0,
        }

    def _close_message(self, response: Response, status: str) -> list[ServerEvent]:
        message = response.message
        if message is None:
            return []
        where = self._where(response, message)
        _fill(message, response)
        message.status = status
        text = response.growth.text
        events: list[ServerEvent]
        if response.aloud:
            events = [
                AudioDone(**where),
                SpokenDone(**where, transcript=text),
                PartDone(**where, part={"type": "audio", "transcript": text}),
            ]
        else:
            events = [TextDone(**where, text=text), PartDone(**where, part=_text_part(text))]
        if not response.apart:
            events.append(ItemDone(previous_item_id=message.previous, item=message.shown))
        events.append(
            OutputItemDone(
                response_id=response.id,
                output_index=where["output_index"],
                item=message.shown,
            )
        )
        response.message = None
        response.growth = Growth()
        return events

    def _done(
        self, response: Response, status: str, details: Json | None, usage: Usage | None
    ) -> list[ServerEvent]:
        complete = "completed" if status == "completed" else "incomplete"
        events = self._close_message(response, complete)
        self.active.pop(response.id, None)
        self._by_utterance.pop(response.utterance, None)
        self._finish(response.id, response.utterance)
        shown = self._shown(response, status, details, usage)
        # Named are requests and tokens only, and the gateway limits neither.
        return [*events, ResponseDone(response=shown), RateLimits(rate_limits=[])]

    def _shown(
        self,
        response: Response,
        status: str,
        details: Json | None = None,
        usage: Usage | None = None,
    ) -> Json:
        settings, asked = self._book.settings, response.asked
        voice = settings.audio.output.voice
        fmt = settings.audio.output.format
        most = asked.max_output_tokens
        shown: Json = {
            "id": response.id,
            "object": "realtime.response",
            "status": status,
            "status_details": details,
            "output": [item.shown for item in response.items],
            "output_modalities": ["audio" if response.aloud else "text"],
            "max_output_tokens": settings.max_output_tokens if most is None else most,
            "audio": {
                "output": {
                    "format": {"type": fmt.type, **({"rate": fmt.rate} if fmt.rate else {})},
                    "voice": voice if isinstance(voice, str) else str(voice.get("id", "")),
                }
            },
            "metadata": asked.metadata,
            "usage": _usage(usage),
        }
        if not response.apart:
            shown["conversation_id"] = f"conv_{self._book.session}"
        return shown


def _text_part(text: str) -> Json:
    return {"type": "text", "text": text}


def _fill(message: Item, response: Response) -> None:
    """Items say `output_audio` and `output_text` where parts say `audio` and `text`."""
    text = response.growth.text
    if response.aloud:
        message.content = [{"type": "output_audio", "transcript": text}]
    else:
        message.content = [{"type": "output_text", "text": text}]


def _usage(usage: Usage | None) -> Json | None:
    """What an engine counted; nobody's tokens are made up."""
    if usage is None or not (usage.input_tokens or usage.output_tokens):
        return None
    return {
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "input_token_details": {
            "text_tokens": usage.input_tokens,
            "audio_tokens": 0,
            "image_tokens": 0,
            "cached_tokens": 0,
        },
        "output_token_details": {"text_tokens": usage.output_tokens, "audio_tokens": 0},
    }
