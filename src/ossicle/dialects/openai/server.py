"""The server half of `/v1/realtime`: an OpenAI client on one side, a session on the other.

The upgrade is taken at once and what is wrong is said after it, as an `error` event and a close
whose reason names it: the service does so, and a browser shows no other reason (wire note,
section 9). One class for conversations, transcriptions and sidebands, since only `session.type`
tells them apart:

    /v1/realtime?model=M                 a conversation; its engine answers
    /v1/realtime?intent=transcription    words only
    /v1/realtime?call_id=rtc_…           a controller of a session that exists

The format of the sound is declared by the first `session.update`, or by the first sound, whichever
comes first: before that, no engine is chosen. What the client appends is given on in pieces, so a
message of 15 MiB waits here and not in the session.

On a channel that carries media (WebRTC) sound goes as `Media`, and `output_audio_buffer.*` tells
how far it was played; the names of such a session are `rtc_…`.
"""

from collections import deque
from math import inf
from typing import Any, TypeAlias, cast

import msgspec

from ossicle.core.commands import (
    Audio,
    Cancel,
    Command,
    Configure,
    End,
    Finalize,
    Join,
    Played,
    Speak,
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
from ossicle.core.ports import Steps
from ossicle.core.wire import Accept, Clear, Close, Mark, Media, Message, Opening, Text

from .beta import Beta
from .book import Book, Books
from .conversing import item_of, lines_of, tell_of
from .credentials import (
    credential_in,
    credential_of,
    is_beta,
    session_in,
    subprotocol_of,
)
from .errors import Rejected, closing, error_of, request_headers
from .listening import Listening
from .messages import (
    AudioAppend,
    AudioClear,
    AudioCommit,
    BufferCleared,
    BufferStarted,
    BufferStopped,
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
from .responding import Responding
from .settings import (
    Settings,
    answers_of,
    format_of,
    patch_of,
    shown,
    synthesis_of,
    updated,
)

__all__ = ["LIFE_S", "RealtimeServer", "call_name"]

Json: TypeAlias = dict[str, Any]

LIFE_S = 3_600
"""What `expires_at` promises where the gateway has no limit of its own: the service's hour. The
session does not end then."""
MOST_AUDIO = 15 << 20
"""Bytes of sound in one event, as at the service."""
_MOST_MESSAGE = 21 << 20
"""The same in base64, with the JSON around it."""
_SLICE = 64 << 10
"""Sound handed on at a time; what is left of an event waits here."""
_MOST_WAITING = 3 * _MOST_MESSAGE
"""Bytes that may wait. Reading is paused long before that, so only a peer that does not stop when
told gets here."""
_PAUSE_S = 0.001
_LEAST_COMMIT_MS = 100
_MOST_ASKED = 1_000
"""Events of the client whose answer may be awaited."""


def call_name(opening: Opening) -> str:
    """The name by which a sideband or a hang-up finds a session: the call id of its answer."""
    return "rtc_" + opening.id.replace("-", "")


class RealtimeServer:
    """Implements `core.ports.Dialect`."""

    name = "openai.realtime"

    def __init__(self, books: Books | None = None, *, session: Json | None = None) -> None:
        """
        Args:
            books: of this gateway, so that all legs of a session share one.
            session: what the opening asks for beside its URL, as a part of a multipart body does.
        """
        self.deadline = inf
        self.plain = False
        self.resumable = False
        self._books = books or Books()
        self._asked_session: Json = dict(session or {})
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
        self._waiting: deque[bytes | str] = deque()
        self._waiting_bytes = 0
        self._playing = ""
        self._marks = 0
        self._marked: dict[str, tuple[str, int, str]] = {}
        """Places in the sound on a track: utterance, ms, and the response that ends there."""

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
            self._settings = settings = self._wanted(opening)
            return (
                Configure(
                    patch=patch_of(settings),
                    credential=credential_of(opening),
                    names=(call_name(opening),),
                ),
            )
        except OssicleError as error:
            return self._fatal(error)

    def receive(self, message: Message, now: float) -> Steps:
        """A message from the client."""
        if self._over:
            return ()
        match message:
            case Text(data=text):
                steps = self._read(text)
                return (*steps, *self._drain(now)) if self._waiting else steps
            case Mark(name=name):
                return self._reached(name)
            case Media(data=data) if data and not self._joins:
                return (*self._declare(), Audio(data=data, at_ms=message.at_ms))
            case Close() if self._media:
                return (End(),)
            case _:
                return ()

    def spelled(self, text: str) -> bytes | None:
        """See `core.ports.Spelled`."""
        book = self._book
        if self._waiting or self._over or self._joins or self._beta is not None:
            return None
        audio = sound_in(text) if book.declared else None
        if not audio or len(audio) > _SLICE:
            return None
        book.appended += len(audio)
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
                steps = self._told(event)
        if event.seq:
            self._book.newest = max(self._book.newest, event.seq)
            if event.seq <= self._muted_until:
                return ()
        return steps

    def expire(self, now: float) -> Steps:
        """The next piece of what waits."""
        return self._drain(now) if now >= self.deadline else ()

    # ── opening ──

    def _wanted(self, opening: Opening) -> Settings:
        """What the URL, an ephemeral key and the body ask for, as a session."""
        given = session_in(credential_in(opening.headers)) | self._asked_session
        transcribes = opening.param("intent") == "transcription"
        kind = given.get("type") or ("transcription" if transcribes else "realtime")
        if kind not in {"realtime", "transcription"}:
            raise Rejected(
                "session.type is 'realtime' or 'transcription'.", "invalid_value", "session.type"
            )
        model = opening.param("model")
        if transcribes and model:
            raise Rejected(
                "A transcription session takes no model in its URL; set "
                "session.audio.input.transcription.model.",
                "invalid_model",
            )
        if kind == "transcription":
            settings = Settings(type="transcription")
        else:
            settings = Settings(model=(model or str(given.get("model") or ""))[:200])
        return updated(settings, {**given, "type": kind})

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
        self._listening = Listening(book, self._opening.id.replace("-", ""))
        self._responding = Responding(book, sends_sound=not self._media)
        if self._joins:
            self._muted_until = book.newest
        accept = Accept(
            request_headers(self._opening.id),
            subprotocol_of(self._opening),
            max_message=_MOST_MESSAGE,
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

    # ── from the client ──

    def _read(self, text: str) -> Steps:
        """One event, or behind what waits already."""
        if self._waiting:
            return self._wait(text)
        event_id = ""
        try:
            if self._beta is not None:
                _, event_id = head_of(text)
                text = self._beta.read(text, self._book.settings)
            message = parse_client(text)
            event_id = event_id or message.event_id or ""
            return self._do(message, event_id)
        except OssicleError as error:
            return self._error(error, event_id or head_of(text)[1])

    def _wait(self, item: bytes | str) -> Steps:
        self._waiting.append(item)
        self._waiting_bytes += len(item)
        if self._waiting_bytes > _MOST_WAITING:
            text = f"more than {_MOST_WAITING} bytes wait to be heard"
            return self._fatal(Refused(text, code="too_large"))
        return ()

    def _drain(self, now: float) -> Steps:
        """What waits, up to the next piece of sound; the rest in a moment, unless the session has
        its channel paused, for which this clock stands still."""
        steps: list[Message | Command] = []
        self.deadline = inf
        while self._waiting and not self._over:
            item = self._waiting.popleft()
            self._waiting_bytes -= len(item)
            if isinstance(item, bytes):
                steps.append(Audio(data=item))
                break
            # it goes to the front of what it finds there: sound of its own
            behind, self._waiting = self._waiting, deque()
            steps += self._read(item)
            self._waiting.extend(behind)
        if self._waiting and not self._over:
            self.deadline = now + _PAUSE_S
        return tuple(steps)

    def _do(self, message: ClientEvent, event_id: str) -> Steps:
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
                return self._hush()

    def _append(self, audio: bytes) -> Steps:
        if self._joins:
            raise Refused("A sideband sends no sound; its call does.", code="forbidden")
        if len(audio) > MOST_AUDIO:
            raise Refused(
                f"audio holds {len(audio)} bytes; the limit of one event is {MOST_AUDIO}.",
                code="too_large",
            )
        if not audio:
            return ()
        self._book.appended += len(audio)
        declared = self._declare()
        if len(audio) <= _SLICE:
            return (*declared, Audio(data=audio))
        self._waiting.extend(audio[at : at + _SLICE] for at in range(0, len(audio), _SLICE))
        self._waiting_bytes += len(audio)
        return declared

    def _update(self, change: Json, event_id: str) -> Steps:
        book = self._book
        before = book.settings
        if "type" not in change and self._beta is None:
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
        if book.declared and formats:
            raise Rejected(
                "Cannot change audio formats: the session's sound has been declared. Set them in "
                "the first session.update.",
                "invalid_value",
                "session.audio",
            )
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
        heard_ms = format_of(book.settings.audio.input.format).ms(book.appended)
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
        speak = self._speak(asked)
        ref = self._ref("resp_", event_id)
        events = self._responding.begin(ref, asked)
        speak = msgspec.structs.replace(speak, ref=ref)
        return (*self._declare(), *self._all(events), speak)

    def _speak(self, asked: ResponseAsked | None) -> Speak:
        """Answer yourself; with what this one shall be different in."""
        if asked is None:
            return Speak()
        settings = self._book.settings
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
        lines = None if asked.input is None else lines_of(asked.input, self._book)
        return Speak(
            options=synthesis_of(wanted),
            answer=answers_of(wanted),
            lines=lines if lines is not None or asked.conversation != "none" else (),
        )

    def _cancel(self, response_id: str | None) -> Steps:
        active = self._responding.active
        found = active.get(response_id or "") or next(iter(active.values()), None)
        if found is None or (response_id and found.id != response_id):
            raise Rejected(
                "Cancellation failed: no active response found.", "response_cancel_not_active"
            )
        found.cancelled_by = "client_cancelled"
        return (Cancel(utterance=found.utterance),)

    def _hush(self) -> Steps:
        """Throw away sound that is on its way. Only a paced channel has some of ours."""
        if not self._media:
            return (Cancel(side="out"),) if self._joins else ()
        return (*self._silence(), Cancel(side="out"))

    # ── to the client ──

    def _told(self, event: Event) -> Steps:
        match event:
            case AudioOut():
                events = self._responding.sound(event)
                return (*self._all(events), *self._track(event))
            case Transcript(side="out"):
                return self._all(self._responding.words(event))
            case Transcript():
                return self._all(self._listening.words(event))
            case SpeechStarted(side="in"):
                return self._all(self._listening.started(event))
            case SpeechStarted():
                return self._all(self._responding.started(event.utterance, event.ref))
            case SpeechEnded(side="in"):
                if self._detects:
                    self._book.appended = 0
                return self._all(self._listening.ended(event))
            case SpeechEnded():
                return self._spoken(event)
            case Asked():
                return self._all(self._responding.asks(event))
            case Told():
                return self._mirrored(event)
            case Configured():
                return self._configured(event)
            case Notice(level="error"):
                return self._noticed(event)
            case Marked(cleared=True, name="") if self._media:
                return self._silence()  # what the track still holds is not to be heard
            case _:
                return ()

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

    def _spoken(self, event: SpeechEnded) -> Steps:
        response_id = next(
            (r.id for r in self._responding.active.values() if r.utterance == event.utterance), ""
        )
        events = self._responding.ended(event)
        self._awaited.pop(event.ref, None)
        if not self._media:
            return self._all(events)
        if event.reason == "cancelled":
            return (*self._silence(response_id), *self._all(events))
        return (*self._all(events), *self._mark(event.utterance, event.at_ms or 0, response_id))

    def _end(self, event: Ended) -> Steps:
        if event.error is not None:
            return (*self._all(self._listening.failed("server_error", event.error.text)),
                    *self._fatal(OssicleError.of(event.error)))  # fmt: skip
        self._stop()
        return (closing(None),)

    # ── a channel that paces sound by itself ──

    def _track(self, event: AudioOut) -> Steps:
        """Sound on the track, with a mark behind it that says how far it was played."""
        if not self._media or not event.data:
            return ()
        response = next(
            (r for r in self._responding.active.values() if r.utterance == event.utterance), None
        )
        begun: Steps = ()
        if response is not None and self._playing != response.id:
            self._playing = response.id
            begun = self._say(BufferStarted(response_id=response.id))
        until = event.start_ms + format_of(self._book.settings.audio.output.format).ms(
            len(event.data)
        )
        media = Media(event.data, at_ms=event.start_ms)
        return (*begun, media, *self._mark(event.utterance, until, ""))

    def _mark(self, utterance: str, until_ms: int, response_id: str) -> Steps:
        self._marks += 1
        name = f"m{self._marks}"
        self._marked[name] = (utterance, until_ms, response_id)
        return (Mark(name),)

    def _reached(self, name: str) -> Steps:
        place = self._marked.pop(name, None)
        if place is None:
            return ()
        utterance, until_ms, response_id = place
        played = Played(utterance=utterance, until_ms=until_ms)
        if not response_id:
            return (played,)
        self._playing = ""
        return (played, *self._say(BufferStopped(response_id=response_id)))

    def _silence(self, response_id: str = "") -> Steps:
        playing, self._playing = self._playing or response_id, ""
        self._marked.clear()
        if not playing:
            return (Clear(),)
        return (Clear(), *self._say(BufferCleared(response_id=playing)))

    # ── saying ──

    def _say(self, event: ServerEvent) -> tuple[Message, ...]:
        self._events += 1
        event = msgspec.structs.replace(event, event_id=f"event_{self._leg}{self._events}")
        if self._beta is None:
            return (Text(written(event)),)
        return tuple(Text(text) for text in self._beta.written(event))

    def _all(self, events: list[ServerEvent]) -> tuple[Message, ...]:
        return tuple(message for event in events for message in self._say(event))

    def _error(self, error: OssicleError, event_id: str = "") -> tuple[Message, ...]:
        word = error.word if isinstance(error, Rejected) else ""
        param = error.param if isinstance(error, Rejected) else None
        body = error_of(error.fault(), word=word, param=param, event_id=event_id[:200])
        return self._say(ErrorEvent(error=body))

    def _fatal(self, error: OssicleError) -> Steps:
        """Said on an open socket, whatever it is."""
        self._stop()
        accept: tuple[Message, ...] = ()
        if not self._accepted:
            self._accepted = True
            accept = (Accept(request_headers(self._opening.id), subprotocol_of(self._opening)),)
        return (*accept, *self._error(error), closing(error.fault()))

    def _stop(self) -> None:
        self._over = True
        self.deadline = inf
        self._waiting.clear()
        self._marked.clear()

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
