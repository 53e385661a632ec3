"""The server half of `/v1/realtime`: an OpenAI client on one side, a session on the other.

The upgrade is taken at once and what is wrong is said after it, as an `error` event and a close
whose reason names it: the service does so, and a browser shows no other reason (wire note,
section 9). One class for conversations, transcriptions and sidebands, since only `session.type`
tells them apart:

    /v1/realtime?model=M                 a conversation; its engine answers
    /v1/realtime?intent=transcription    words only
    /v1/realtime?call_id=rtc_…           a controller of a session that exists

The format of the sound is declared by the first `session.update`, or by the first sound, whichever
comes first: before that, no engine is chosen.

On a channel that carries media (a call over WebRTC) sound goes as `Media` and its format is fixed;
`pacing` tells how far it was played. What is wrong with such a call before it begins is the answer
to its offer, a status and JSON.
"""

from collections.abc import Iterable
from math import inf
from typing import Any, TypeAlias, cast

import msgspec

from ossicle.core.commands import (
    Audio,
    Cancel,
    Configure,
    End,
    Finalize,
    Join,
    Played,
)
from ossicle.core.errors import Fault, OssicleError, Refused
from ossicle.core.events import (
    Asked,
    AudioOut,
    Began,
    Configured,
    Ended,
    Event,
    Marked,
    Notice,
    SpeechEnded,
    SpeechStarted,
    Told,
    Transcript,
)
from ossicle.core.formats import AudioFormat
from ossicle.core.ports import Steps
from ossicle.core.wire import MESSAGES, Accept, Close, Mark, Media, Message, Opening, Text

from .asking import speak_of
from .beta import Beta
from .book import Book, Books
from .calls import call_name
from .conversing import item_of, tell_of
from .credentials import credential_of, is_beta, subprotocol_of
from .errors import Rejected, closing, error_of, refusal, request_headers
from .idling import Idling
from .inlet import MOST_MESSAGE, SLICE, Inlet
from .listening import Listening
from .messages import (
    AudioAppend,
    AudioClear,
    AudioCommit,
    Cleared,
    ClientEvent,
    DigitsReceived,
    ErrorEvent,
    ItemAdded,
    ItemCreate,
    ItemDelete,
    ItemDeleted,
    ItemDone,
    ItemRetrieve,
    ItemRetrieved,
    ItemTruncate,
    ItemTruncated,
    OutputBufferClear,
    ResponseAsked,
    ResponseCancel,
    ResponseCreate,
    ServerEvent,
    SessionCreated,
    SessionUpdate,
    SessionUpdated,
    head_of,
    parse_client,
    sound_in,
    written,
)
from .pacing import SOUND, Paced, Pacing
from .responding import Responding
from .settings import ServerVad, Settings, format_of, patch_of, shown
from .updating import update_of
from .wanted import wanted

__all__ = ["LIFE_S", "RealtimeServer"]

Json: TypeAlias = dict[str, Any]

LIFE_S = 3_600
"""What `expires_at` promises where the gateway has no limit of its own: the service's hour. The
session does not end then."""
MOST_AUDIO = 15 << 20
"""Bytes of sound in one event, as at the service."""
_PAUSE_S = 0.001
_LEAST_COMMIT_MS = 100
_MOST_ASKED = 1_000
"""Events of the client whose answer may be awaited."""
_LOOK_S = 0.05
"""How often a sideband looks what became of sound on a track, while there is some: the only thing
that no event of the session tells it."""


class RealtimeServer:
    """Implements `core.ports.Dialect`."""

    name = "openai.realtime"

    def __init__(self, books: Books | None = None) -> None:
        """`books`: of this gateway, so that all legs of a session share one."""
        self.deadline = inf
        self.plain = False
        self.resumable = False
        self._books = books or Books()
        self._opening = Opening()
        self._settings = Settings()
        self._beta: Beta | None = None
        self._book = Book()
        self._listening = Listening(self._book, "")
        self._responding = Responding(self._book)
        self._accepted = self._over = False
        self._joins = False
        self._media = False
        self._muted_until = 0
        """What a sideband missed is entered and not told."""
        self._events = self._commands = 0
        self._awaited: dict[str, str] = {}
        """What the client called the event that a command of ours came from, by its ref."""
        self._updates: dict[str, Settings] = {}
        """Updates under way, with the settings to go back to."""
        self._declaring = ""
        self._inlet = Inlet()
        self._drain_at = inf
        self._pacing: Pacing | None = None
        """None: its channel does not carry sound."""
        self._idling = Idling()
        self._looked = 0
        """How many of the book's notes were told."""

    # ── core.ports.Dialect ──

    def open(self, opening: Opening, now: float) -> Steps:
        """A client asks."""
        self._opening = opening
        self._media = opening.traits.media
        self._beta = Beta() if is_beta(opening) else None
        try:
            call = opening.param("call_id")
            if call:
                self._joins = True
                join = Join(session=call.removeprefix("sess_")[:200], role="controller")
                return (Configure(join=join, credential=credential_of(opening)),)
            self._settings = settings = wanted(opening)
        except OssicleError as error:
            return self._fatal(error)
        patch, sound = patch_of(settings), None
        if self._media:
            # A microphone cannot be stopped: what an engine does not take in time is old.
            patch, sound = patch | {"overload": "drop_oldest"}, SOUND
        return (
            Configure(
                patch=patch,
                format=sound,
                speaks=sound,
                credential=credential_of(opening),
                names=(call_name(opening),),
            ),
        )

    def receive(self, message: Message, now: float) -> Steps:
        """A message from the client."""
        if self._over:
            return ()
        match message:
            case Media(data=data):
                if self._pacing is None or not data:
                    return ()
                self._take(len(data))
                return (Audio(data=data),)  # nothing else changes by it, no deadline either
            case Text(data=text):
                steps = self._read(text, now)
            case Mark(name=name) if self._pacing is not None:
                steps = self._paced(self._pacing.reached(name))
            case Close() if self._media:
                # The call is over. A transcript is finished; an answer has nobody to hear it.
                if self._settings.type == "transcription":
                    return (End(),)
                self._stop()
                return (closing(None),)
            case _:
                return ()
        return self._and_more(steps, now)

    def spelled(self, text: str) -> bytes | None:
        """See `core.ports.Spelled`."""
        book = self._book
        if self._inlet or self._over or self._joins or self._pacing or self._beta is not None:
            return None
        audio = sound_in(text) if book.declared else None
        if not audio or len(audio) > SLICE:
            return None
        self._take(len(audio))
        return audio

    def send(self, event: Event, now: float) -> Steps:
        """An event for the client."""
        if self._over:
            return ()
        match event:
            case Began():
                return self._begin(event)
            case Ended():
                return self._end(event)
            case _:
                steps = self._told(event, now)
        if event.seq:
            self._book.newest = max(self._book.newest, event.seq)
            if event.seq <= self._muted_until:
                return ()
        return self._and_more(steps, now)

    def expire(self, now: float) -> Steps:
        """The next piece of what waits, or nobody has said anything for long."""
        if self._over or now < self.deadline:
            return ()
        steps = self._drain(now) if now >= self._drain_at else ()
        return self._and_more((*steps, *self._idle(now)), now)

    def _and_more(self, steps: Steps, now: float) -> Steps:
        """Those, what is due anyway, and when to look again."""
        if self._over:
            return steps
        if self._inlet and self._drain_at == inf:
            steps = (*steps, *self._drain(now))
            if self._over:
                return steps
        if not self._inlet:
            self._drain_at = inf
        elif self._drain_at <= now or self._drain_at == inf:
            self._drain_at = now + _PAUSE_S
        look_at = inf
        if self._joins and self._book.paced:
            steps = (*steps, *self._all(self._book.notes(self._looked)))
            self._looked = self._book.noted
            look_at = now + _LOOK_S if self._book.playing else inf
        self.deadline = min(self._drain_at, self._idling.deadline, look_at)
        return steps

    # ── opening ──

    def _begin(self, event: Began) -> Steps:
        self._accepted = True
        book, held = self._books.of(event.session)
        if not held:
            book.settings = self._settings
            book.expires_at = int(event.expires_at or self._opening.at + LIFE_S)
        # A session that another dialect opened has declared its sound long ago, and a track needs
        # no declaration by its client.
        book.declared = book.declared or self._joins or self._media
        self._book = book
        if self._media:
            book.paced, self._pacing = True, Pacing(book)
        self._listening = Listening(book, self._leg)
        # The sound of a call is on its track, for its sidebands, too.
        self._responding = Responding(book, sends_sound=not book.paced)
        if self._joins:
            self._muted_until, self._looked = book.newest, book.noted
        accept = Accept(
            request_headers(self._opening.id),
            subprotocol_of(self._opening),
            max_message=MOST_MESSAGE,
        )
        return (accept, *self._say(SessionCreated(session=self._session())))

    def _session(self) -> Json:
        book = self._book
        return shown(book.settings, f"sess_{book.session}", book.expires_at)

    def _declare(self) -> Steps:
        """The format is certain now; an engine is chosen for it."""
        book = self._book
        if book.declared:
            return ()
        book.declared = True
        audio = book.settings.audio
        return (
            Configure(
                format=format_of(audio.input.format),
                speaks=format_of(audio.output.format),
            ),
        )

    @property
    def _hears(self) -> AudioFormat:
        """What the client's sound is."""
        if self._book.paced:
            return SOUND
        return format_of(self._book.settings.audio.input.format)

    # ── from the client ──

    def _read(self, text: str, now: float) -> Steps:
        """One event, or behind what waits already."""
        if not self._inlet:
            return self._event(text, now)
        try:
            self._inlet.text(text)
        except OssicleError as error:
            return self._fatal(error)
        return ()

    def _event(self, text: str, now: float) -> Steps:
        event_id = ""
        try:
            if self._beta is not None:
                _, event_id = head_of(text)
                text = self._beta.read(text, self._book.settings)
            message = parse_client(text)
            event_id = event_id or message.event_id or ""
            return self._do(message, event_id, now)
        except OssicleError as error:
            return self._error(error, event_id or head_of(text)[1])

    def _drain(self, now: float) -> Steps:
        """What waits, up to the next piece of sound; the rest in a moment, unless the session has
        its channel paused, for which this clock stands still."""
        steps: Steps = ()
        while self._inlet and not self._over:
            item = self._inlet.next()
            if isinstance(item, bytes):
                return (*steps, Audio(data=item))
            steps = (*steps, *self._event(item, now))
        return steps

    def _idle(self, now: float) -> Steps:
        """Nobody has said anything since the last answer was heard: that is an item, and a reason
        to answer."""
        silence = self._idling.expire(self._hears.ms(self._book.sent), _LEAST_COMMIT_MS, now)
        if silence is None or self._responding.busy or self._listening.speaking:
            return ()
        self._book.appended = 0
        steps = self._all(self._listening.silent(*silence))
        return (*steps, *self._respond(None, "")) if self._answers else steps

    @property
    def _answers(self) -> bool:
        detection = self._book.settings.audio.input.turn_detection
        return detection is not None and detection.create_response

    def _take(self, size: int) -> None:
        """So many bytes of sound came."""
        self._book.sent += size
        self._book.appended += size

    def _do(self, message: ClientEvent, event_id: str, now: float) -> Steps:
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
                return self._say(ItemRetrieved(item=self._book.find(item_id).shown))
            case ItemDelete(item_id=item_id):
                self._book.remove(item_id)
                return self._say(ItemDeleted(item_id=item_id))
            case ItemTruncate():
                return self._truncate(message)
            case ResponseCreate():
                return self._respond(message.response, event_id)
            case ResponseCancel(response_id=response_id):
                return self._cancel(response_id)
            case OutputBufferClear():
                return self._hush(now)

    def _append(self, audio: bytes) -> Steps:
        if self._joins:
            raise Refused("A sideband sends no sound; its call does.", code="forbidden")
        if self._pacing is not None:
            raise Refused("The sound of a call comes on its track.", code="bad_request")
        if len(audio) > MOST_AUDIO:
            raise Refused(
                f"audio holds {len(audio)} bytes; the limit of one event is {MOST_AUDIO}.",
                code="too_large",
            )
        if not audio:
            return ()
        self._take(len(audio))
        declared = self._declare()
        if len(audio) <= SLICE:
            return (*declared, Audio(data=audio))
        self._inlet.sound(audio)
        return declared

    def _update(self, change: Json, event_id: str) -> Steps:
        book = self._book
        before, after = book.settings, update_of(change, book, typed=self._beta is None)
        ref = self._ref("update", event_id)
        self._updates[ref] = before
        book.settings = after
        if not book.declared:
            self._declaring = ref
            declared = cast("Configure", self._declare()[0])
            return (msgspec.structs.replace(declared, patch=patch_of(after), ref=ref),)
        return (Configure(patch=patch_of(after), ref=ref),)

    def _commit(self, event_id: str) -> Steps:
        book = self._book
        heard_ms = self._hears.ms(book.appended)
        if heard_ms < _LEAST_COMMIT_MS and not self._joins:
            raise Rejected(
                f"Error committing input audio buffer: buffer too small. Expected at least "
                f"{_LEAST_COMMIT_MS} ms of audio, but buffer only has {heard_ms} ms of audio.",
                "input_audio_buffer_commit_empty",
            )
        book.appended = 0
        ref, events = self._listening.commit()
        self._await(ref, event_id)
        return (*self._all(events), Finalize(ref=ref))

    def _clear(self) -> Steps:
        self._book.appended = 0
        self._listening.forget()
        return (Cancel(side="in"), *self._say(Cleared()))

    def _create(self, message: ItemCreate, event_id: str) -> Steps:
        self._commands += 1
        item = item_of(message.item, f"item_{self._leg}i{self._commands}")
        if item.id in self._book:
            raise Rejected(
                f"Item '{item.id[:60]}' exists already.", "item_create_duplicate", "item.id"
            )
        item = self._book.add(item, message.previous_item_id)
        tell = tell_of(item)
        self._await(item.id, event_id)
        if tell is None:
            return self._all(_entered(item.previous, item.shown))
        return (*self._declare(), msgspec.structs.replace(tell, ref=item.id))

    def _truncate(self, message: ItemTruncate) -> Steps:
        item = self._book.find(message.item_id)
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
        told = self._say(
            ItemTruncated(
                item_id=item.id,
                content_index=message.content_index,
                audio_end_ms=message.audio_end_ms,
            )
        )
        utterance = self._responding.utterance_of(item.id)
        if not utterance:
            return told
        heard = Played(utterance=utterance, until_ms=message.audio_end_ms)
        return (heard, Cancel(utterance=utterance), *told)

    def _respond(self, asked: ResponseAsked | None, event_id: str) -> Steps:
        if self._book.settings.type == "transcription":
            raise Refused("A transcription session gives no responses.", code="bad_request")
        apart = asked is not None and asked.conversation == "none"
        if self._responding.busy and not apart:
            raise Rejected(
                "Conversation already has an active response in progress. Wait until the response "
                "is finished before creating a new one.",
                "conversation_already_has_active_response",
            )
        speak = speak_of(asked, self._book)
        ref = self._ref("resp_", event_id)
        self._idling.stop()
        events = self._responding.begin(ref, asked)
        speak = msgspec.structs.replace(speak, ref=ref)
        return (*self._declare(), *self._all(events), speak)

    def _cancel(self, response_id: str | None) -> Steps:
        active = self._responding.active
        found = active.get(response_id or "") or next(iter(active.values()), None)
        if found is None or (response_id and found.id != response_id):
            raise Rejected(
                "Cancellation failed: no active response found.", "response_cancel_not_active"
            )
        found.cancelled_by = "client_cancelled"
        return (Cancel(utterance=found.utterance),)

    def _hush(self, now: float) -> Steps:
        """Throw away sound that is on its way. Only a paced channel has some of ours."""
        if not self._book.paced:
            return (Cancel(side="out"),) if self._joins else ()
        for response in self._responding.active.values():
            response.cancelled_by = "client_cancelled"
        cancel = Cancel(side="out")
        if self._pacing is None:
            return (cancel,)  # the leg with the track is told by the session
        self._idling.cut(now)
        utterance, heard_ms = self._pacing.heard
        steps = self._paced(self._pacing.silence())
        if self._responding.of(utterance) is None:  # made whole, so no end of it will tell
            steps = (*steps, *self._all(self._responding.truncated(utterance, heard_ms)))
        return (*steps, cancel)

    # ── to the client ──

    def _told(self, event: Event, now: float) -> Steps:
        match event:
            case AudioOut():
                return self._sounds(event, now)
            case Transcript(side="out"):
                return self._all(self._responding.words(event))
            case Transcript():
                return self._all(self._listening.words(event))
            case SpeechStarted(side="in"):
                self._idling.stop()
                return self._all(self._listening.started(event))
            case SpeechStarted():
                self._idling.stop()
                return self._all(self._responding.started(event.utterance, event.ref))
            case SpeechEnded(side="in"):
                self._detected(event)
                return self._all(self._listening.ended(event))
            case SpeechEnded():
                return self._spoken(event, now)
            case Asked():
                return self._all(self._responding.asks(event))
            case Told():
                return self._mirrored(event)
            case Configured():
                return self._configured(event)
            case Notice(level="error"):
                return self._noticed(event)
            case Marked(cleared=True, name="") if self._book.paced:
                return self._unheard(event, now)
            case _:
                return ()

    def _detected(self, event: SpeechEnded) -> None:
        """A turn takes its sound out of the buffer. What came behind it stays there to be
        committed: the engine may be seconds behind the client, and there may be words in it."""
        if not self._detects or event.provisional:
            return
        book = self._book
        behind = book.sent - self._hears.units(event.at_ms or 0)
        book.appended = max(0, min(book.appended, behind))

    @property
    def _detects(self) -> bool:
        return self._book.settings.audio.input.turn_detection is not None

    def _mirrored(self, event: Told) -> Steps:
        """Something is in the conversation that was not spoken."""
        if event.kind == "digits":
            received = int(self._opening.at)
            return tuple(
                step
                for digit in event.text
                for step in self._say(DigitsReceived(event=digit, received_at=received))
            )
        if event.ref not in self._book:
            return ()  # said by a leg of another dialect
        self._awaited.pop(event.ref, None)
        item = self._book.find(event.ref)
        return self._all(_entered(item.previous, item.shown))

    def _configured(self, event: Configured) -> Steps:
        ref = event.ref
        if not ref and self._declaring:
            ref, self._declaring = self._declaring, ""
        self._updates.pop(ref, None)
        self._awaited.pop(ref, None)
        if not ref.startswith("update"):
            return ()
        return self._say(SessionUpdated(session=self._session()))

    def _noticed(self, event: Notice) -> Steps:
        """Something that was asked could not be done."""
        if event.ref in self._responding.active:
            self._awaited.pop(event.ref, None)
            return self._all(self._responding.failed(event.ref, event.code, event.text))
        if (before := self._updates.pop(event.ref, None)) is not None:
            self._book.settings = before
            if self._declaring == event.ref:
                self._declaring = ""
        fault = Fault(event.code, event.text, "client")
        return self._error(OssicleError.of(fault), self._awaited.pop(event.ref, ""))

    def _sounds(self, event: AudioOut, now: float) -> Steps:
        told = self._all(self._responding.sound(event))
        spoken = SOUND if self._book.paced else format_of(self._book.settings.audio.output.format)
        self._idling.sound(spoken.ms(len(event.data)), now)
        if self._pacing is None:
            return told
        response = self._responding.of(event.utterance)
        sound = self._pacing.sound(event, response.id if response is not None else "")
        return (*told, *self._paced(sound))

    def _spoken(self, event: SpeechEnded, now: float) -> Steps:
        response = self._responding.of(event.utterance)
        events = self._responding.ended(event)
        self._awaited.pop(event.ref, None)
        cut = event.reason == "cancelled"
        if cut:
            self._idling.cut(now)
        self._wait_for_words(now)
        steps: Steps = ()
        if self._pacing is not None and cut:
            steps = self._paced(
                self._pacing.silence(event.utterance, response.id if response else "")
            )
        steps = (*steps, *self._all(events))
        if cut and self._book.paced:
            # Who hears of a track knows what was heard, and need not say so (section 5).
            heard_ms = event.heard_ms or 0
            steps = (*steps, *self._all(self._responding.truncated(event.utterance, heard_ms)))
        elif self._pacing is not None and response is not None:
            end = self._pacing.end(event.utterance, event.at_ms or 0, response.id)
            steps = (*steps, *self._paced(end))
        return steps

    def _wait_for_words(self, now: float) -> None:
        """An answer is made; somebody says something to it, or is spoken to again."""
        detection = self._book.settings.audio.input.turn_detection
        if not isinstance(detection, ServerVad) or not detection.idle_timeout_ms:
            return
        if not self._joins and not self._listening.speaking:
            self._idling.over(detection.idle_timeout_ms, self._hears.ms(self._book.sent), now)

    def _unheard(self, event: Marked, now: float) -> Steps:
        """What the track still holds is not to be heard."""
        self._idling.cut(now)
        pacing = self._pacing
        steps = self._paced(pacing.silence(event.utterance)) if pacing is not None else ()
        if self._responding.of(event.utterance) is not None:
            return steps  # the end of it will tell
        cut = self._responding.truncated(event.utterance, event.heard_ms)
        return (*steps, *self._all(cut))

    def _end(self, event: Ended) -> Steps:
        if event.error is not None:
            return (*self._all(self._listening.failed("server_error", event.error.text)),
                    *self._fatal(OssicleError.of(event.error)))  # fmt: skip
        silence = self._paced(self._pacing.silence()) if self._pacing is not None else ()
        self._stop()
        return (*silence, closing(None))

    # ── saying ──

    def _say(self, event: ServerEvent) -> tuple[Message, ...]:
        self._events += 1
        event = msgspec.structs.replace(event, event_id=f"event_{self._leg}{self._events}")
        if self._beta is None:
            return (Text(written(event)),)
        return tuple(Text(text) for text in self._beta.written(event))

    def _all(self, events: Iterable[ServerEvent]) -> tuple[Message, ...]:
        return tuple(message for event in events for message in self._say(event))

    def _paced(self, steps: list[Paced]) -> Steps:
        """Those for the track and the session as they are, events as they are said."""
        out: Steps = ()
        for step in steps:
            if isinstance(step, Played) or type(step) in MESSAGES:
                out = (*out, cast("Message | Played", step))
            else:
                out = (*out, *self._say(cast("ServerEvent", step)))
        return out

    def _error(self, error: OssicleError, event_id: str = "") -> tuple[Message, ...]:
        word = error.word if isinstance(error, Rejected) else ""
        param = error.param if isinstance(error, Rejected) else None
        body = error_of(error.fault(), word=word, param=param, event_id=event_id[:200])
        return self._say(ErrorEvent(error=body))

    def _fatal(self, error: OssicleError) -> Steps:
        """Said on an open socket, whatever it is; a call that has not begun is refused."""
        self._stop()
        if self._media and not self._accepted:
            return (refusal(error.fault(), self._opening.id, error),)
        accept: tuple[Message, ...] = ()
        if not self._accepted:
            self._accepted = True
            accept = (Accept(request_headers(self._opening.id), subprotocol_of(self._opening)),)
        return (*accept, *self._error(error), closing(error.fault()))

    def _stop(self) -> None:
        self._over = True
        self.deadline = inf
        self._inlet.clear()

    @property
    def _leg(self) -> str:
        return self._opening.id.replace("-", "")

    def _ref(self, kind: str, event_id: str) -> str:
        self._commands += 1
        ref = f"{kind}{self._leg}r{self._commands}"
        self._await(ref, event_id)
        return ref

    def _await(self, ref: str, event_id: str) -> None:
        self._awaited[ref] = event_id
        while len(self._awaited) > _MOST_ASKED:
            del self._awaited[next(iter(self._awaited))]


def _entered(previous: str | None, item: Json) -> list[ServerEvent]:
    return [
        ItemAdded(previous_item_id=previous, item=item),
        ItemDone(previous_item_id=previous, item=item),
    ]
