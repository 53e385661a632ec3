"""What a client of a realtime session asks for, done: its events become commands.

    do(AudioCommit(), "mine_3", now)     committed, item.added, item.done, Finalize(ref=…)

What cannot be done is an error that names the event. Knows no channel; what the session says to all
this is told by `telling`.
"""

from typing import Any, TypeAlias, cast

import msgspec

from ossicle.core.commands import Audio, Cancel, Configure, Finalize, Played
from ossicle.core.errors import Refused
from ossicle.core.ports import Steps

from .asking import speak_of
from .conversing import entered, item_of, tell_of
from .errors import Rejected
from .inlet import SLICE
from .messages import (
    AudioAppend,
    AudioClear,
    AudioCommit,
    Cleared,
    ClientEvent,
    ItemCreate,
    ItemDelete,
    ItemDeleted,
    ItemRetrieve,
    ItemRetrieved,
    ItemTruncate,
    ItemTruncated,
    OutputBufferClear,
    ResponseAsked,
    ResponseCancel,
    ResponseCreate,
    SessionUpdate,
)
from .party import Party
from .settings import patch_of
from .updating import update_of

__all__ = ["LEAST_COMMIT_MS", "MOST_AUDIO", "Doing"]

Json: TypeAlias = dict[str, Any]

MOST_AUDIO = 15 << 20
"""Bytes of sound in one event, as at the service."""
LEAST_COMMIT_MS = 100


class Doing:
    """For one leg."""

    def __init__(self, party: Party) -> None:
        self._party = party

    def do(self, message: ClientEvent, event_id: str, now: float) -> Steps:
        """One event; `event_id`: as the client calls it.

        Raises:
            OssicleError: it cannot be done.
        """
        party = self._party
        match message:
            case AudioAppend(audio=audio):
                return self._append(audio)
            case SessionUpdate(session=change):
                return self._update(change, event_id)
            case AudioCommit():
                return self._commit(event_id)
            case AudioClear():
                return self._clear()
            case ItemCreate():
                return self._create(message, event_id)
            case ItemRetrieve(item_id=item_id):
                return party.say(ItemRetrieved(item=party.book.find(item_id).shown))
            case ItemDelete(item_id=item_id):
                party.book.remove(item_id)
                return party.say(ItemDeleted(item_id=item_id))
            case ItemTruncate():
                return self._truncate(message)
            case ResponseCreate():
                return self.respond(message.response, event_id)
            case ResponseCancel(response_id=response_id):
                return self._cancel(response_id)
            case OutputBufferClear():
                return self._hush(now)

    def _append(self, audio: bytes) -> Steps:
        party = self._party
        if party.joins:
            raise Refused("A sideband sends no sound; its call does.", code="forbidden")
        if party.pacing is not None:
            raise Refused("The sound of a call comes on its track.", code="bad_request")
        if len(audio) > MOST_AUDIO:
            raise Refused(
                f"audio holds {len(audio)} bytes; the limit of one event is {MOST_AUDIO}.",
                code="too_large",
            )
        if not audio:
            return ()
        party.take(len(audio))
        declared = party.declare()
        if len(audio) <= SLICE:
            return (*declared, Audio(data=audio))
        party.inlet.sound(audio)
        return declared

    def _update(self, change: Json, event_id: str) -> Steps:
        party = self._party
        book = party.book
        before, after = book.settings, update_of(change, book, typed=party.beta is None)
        ref = party.ref("update", event_id)
        party.updates[ref] = before
        book.settings = after
        if not book.declared:
            party.declaring = ref
            declared = cast("Configure", party.declare()[0])
            return (msgspec.structs.replace(declared, patch=patch_of(after), ref=ref),)
        return (Configure(patch=patch_of(after), ref=ref),)

    def _commit(self, event_id: str) -> Steps:
        party = self._party
        book = party.book
        heard_ms = party.hears.ms(book.appended)
        if heard_ms < LEAST_COMMIT_MS and not party.joins:
            raise Rejected(
                f"Error committing input audio buffer: buffer too small. Expected at least "
                f"{LEAST_COMMIT_MS} ms of audio, but buffer only has {heard_ms} ms of audio.",
                "input_audio_buffer_commit_empty",
            )
        book.appended = 0
        ref, events = party.listening.commit()
        party.awaiting(ref, event_id)
        return (*party.all(events), Finalize(ref=ref))

    def _clear(self) -> Steps:
        party = self._party
        party.book.appended = 0
        party.listening.forget()
        return (Cancel(side="in"), *party.say(Cleared()))

    def _create(self, message: ItemCreate, event_id: str) -> Steps:
        party = self._party
        item = item_of(message.item, f"item_{party.leg}i{party.number()}")
        if item.id in party.book:
            raise Rejected(
                f"Item '{item.id[:60]}' exists already.", "item_create_duplicate", "item.id"
            )
        item = party.book.add(item, message.previous_item_id)
        tell = tell_of(item)
        party.awaiting(item.id, event_id)
        if tell is None:
            return party.all(entered(item.previous, item.shown))
        return (*party.declare(), msgspec.structs.replace(tell, ref=item.id))

    def _truncate(self, message: ItemTruncate) -> Steps:
        party = self._party
        item = party.book.find(message.item_id)
        if item.role != "assistant" or not any(
            part.get("type") == "output_audio" for part in item.content
        ):
            raise Rejected(
                "Only model output audio messages can be truncated.",
                "unsupported_content_type",
                "item_id",
            )
        # Which words were heard is not known to the letter, so none of them stay (section 3).
        item.content = [{"type": "output_audio", "transcript": ""}]
        told = party.say(
            ItemTruncated(
                item_id=item.id,
                content_index=message.content_index,
                audio_end_ms=message.audio_end_ms,
            )
        )
        utterance = party.responding.utterance_of(item.id)
        if not utterance:
            return told
        heard = Played(utterance=utterance, until_ms=message.audio_end_ms)
        return (heard, Cancel(utterance=utterance), *told)

    def respond(self, asked: ResponseAsked | None, event_id: str) -> Steps:
        """An answer is to be made."""
        party = self._party
        if party.book.settings.type == "transcription":
            raise Refused("A transcription session gives no responses.", code="bad_request")
        apart = asked is not None and asked.conversation == "none"
        if party.responding.busy and not apart:
            raise Rejected(
                "Conversation already has an active response in progress. Wait until the response "
                "is finished before creating a new one.",
                "conversation_already_has_active_response",
            )
        speak = speak_of(asked, party.book)
        ref = party.ref("resp_", event_id)
        party.idling.stop()
        events = party.responding.begin(ref, asked)
        speak = msgspec.structs.replace(speak, ref=ref)
        return (*party.declare(), *party.all(events), speak)

    def _cancel(self, response_id: str | None) -> Steps:
        active = self._party.responding.active
        found = active.get(response_id or "") or next(iter(active.values()), None)
        if found is None or (response_id and found.id != response_id):
            raise Rejected(
                "Cancellation failed: no active response found.", "response_cancel_not_active"
            )
        found.cancelled_by = "client_cancelled"
        return (Cancel(utterance=found.utterance),)

    def _hush(self, now: float) -> Steps:
        """Throw away sound that is on its way. Only a paced channel has some of ours."""
        party = self._party
        if not party.book.paced:
            return (Cancel(side="out"),) if party.joins else ()
        for response in party.responding.active.values():
            response.cancelled_by = "client_cancelled"
        cancel = Cancel(side="out")
        if party.pacing is None:
            return (cancel,)  # the leg with the track is told by the session
        party.idling.cut(now)
        utterance, heard_ms = party.pacing.heard
        steps = party.paced(party.pacing.silence())
        if party.responding.of(utterance) is None:  # made whole, so no end of it will tell
            steps = (
                *steps,
                *party.all(party.responding.truncated(utterance, heard_ms)),
            )
        return (*steps, cancel)
