"""The client half of `/v1/realtime`: a session of ours on one side, OpenAI (or anything that speaks
like it) on the other.

A session that wants answers (`answers.wanted`) opens a conversation, any other a transcription.
Sound is 16-bit PCM at 24 kHz, or G.711. The service has no word for the end: what is still in the
buffer is committed, and the connection is closed when the last item has its words.

Losses, besides options the service has no word for: word times, confidence, alternatives, a text
to be said as it is, and any ref but those of `Finalize` and `Speak`.
"""

from collections import deque
from functools import partial
from math import inf
from typing import Any, TypeAlias, cast

from ossicle.core.commands import (
    Audio,
    Cancel,
    Command,
    Configure,
    End,
    Finalize,
    Played,
    Speak,
    Tell,
)
from ossicle.core.errors import Fault, OssicleError
from ossicle.core.events import (
    Began,
    Ended,
    Event,
    Notice,
    SpeechEnded,
    SpeechStarted,
    Transcript,
)
from ossicle.core.formats import AudioFormat
from ossicle.core.ports import ClientSteps
from ossicle.core.wire import Accept, Close, Message, Opening, Ping, Text

from .client_answers import Answers
from .errors import fault_of
from .messages import (
    AudioClear,
    AudioCommit,
    ClientEvent,
    Committed,
    ErrorEvent,
    ItemCreate,
    ItemTruncate,
    ResponseAsked,
    ResponseCancel,
    ResponseCreate,
    ResponseDone,
    SessionCreated,
    SessionUpdate,
    Started,
    Stopped,
    TranscriptionCompleted,
    TranscriptionDelta,
    TranscriptionFailed,
    append_of,
    head_of,
    parse_server,
    written,
)
from .session_words import PADDING_MS, line_of, merged, session_of, turns_of

__all__ = ["ConversationClient", "RealtimeClient"]

Json: TypeAlias = dict[str, Any]

_PING_S = 20.0
"""Proxies cut what is idle for a minute."""
_GOODBYE_S = 10.0
"""How long the last words may take after the end."""
_LEAST_COMMIT_MS = 100
_PIECE = 1 << 20
_EMPTY = "input_audio_buffer_commit_empty"


class _Item:
    """One item of the user's on its way."""

    def __init__(self, turn: int) -> None:
        self.turn = turn
        self.text = ""
        self.ref = ""
        self.start_ms: int | None = None
        self.end_ms: int | None = None
        self.ended = False


class RealtimeClient:
    """Implements `core.ports.ClientDialect`."""

    def __init__(
        self, *, talks: bool = False, ping_s: float = _PING_S, goodbye_s: float = _GOODBYE_S
    ) -> None:
        """
        Args:
            talks: a conversation, whether the session says that it wants answers or not.
            ping_s: how often the service is pinged.
            goodbye_s: how long its last words may take.
        """
        self.deadline = inf
        self._ping_s, self._goodbye_s = ping_s, goodbye_s
        self._ping_at = self._gone_at = inf
        self._patch: Json = {}
        self._input, self._output = AudioFormat("pcm_s16le", 24_000), AudioFormat()
        self._talks = talks
        self._over = self._began = False
        self._items: dict[str, _Item] = {}
        self._turns = 0
        self._commits: deque[str] = deque()
        """Refs of commits that the service has not confirmed."""
        self._appended = 0
        self._ending = False
        self._fault: Fault | None = None
        self._answers = Answers()

    # ── core.ports.ClientDialect ──

    def open(self, configure: Configure) -> Opening:
        """The request for a channel."""
        self._patch = dict(configure.patch)
        self._input = configure.format or self._input
        self._output = self._answers.format = configure.speaks or self._input
        answers = cast("Json", self._patch.get("answers") or {})
        self._talks = self._talks or bool(answers.get("wanted"))
        recognition = cast("Json", self._patch.get("recognition") or {})
        model = str(recognition.get("model") or "")
        query: tuple[tuple[str, str], ...] = (("intent", "transcription"),)
        if self._talks:
            query = (("model", model or "gpt-realtime"),)
        key = configure.credential
        headers = (("authorization", f"Bearer {key}"),) if key else ()
        return Opening(method="GET", path="/v1/realtime", query=query, headers=headers)

    def receive(self, message: Message, now: float) -> ClientSteps:
        """A message of the service."""
        match message:
            case Accept():
                self._ping_at = now + self._ping_s
                self._set_deadline()
                return ()
            case Text(data=text) if not self._over:
                return self._told(text)
            case Close() if not self._over:
                return (self._closed(message),)
            case _:
                return ()

    def send(self, command: Command, now: float) -> ClientSteps:
        """What the session wants, as events."""
        if self._over:
            return ()
        match command:
            case Audio(data=data):
                return self.pack(data)
            case Finalize():
                return self._finalize(command.ref)
            case End():
                self._ending = True
                self._gone_at = now + self._goodbye_s
                self._set_deadline()
                # Where the service detects turns, it may not have told of the last one yet; its
                # answer to this commit comes behind all of that.
                commit = self._finalize("") if self._enough else ()
                return (*commit, *self._goodbye())
            case Configure():
                self._patch = merged(self._patch, command.patch)
                return (self._update(command.ref),)
            case Cancel(side="in"):
                self._appended = 0
                return (self._say(AudioClear()),)
            case Speak(text=None) if self._talks:
                return self._answer(command)
            case Cancel() if self._talks:
                return self._hush(command)
            case Tell() if self._talks:
                return self._tell(command)
            case Played():
                return ()
            case _:
                text = f"OpenAI has no word for {type(command).__name__} in this session"
                return (Notice(level="error", code="bad_request", text=text, ref=command.ref),)

    def pack(self, data: bytes) -> tuple[Message, ...]:
        """See `core.ports.PackingClient`."""
        if self._over:
            return ()
        self._appended += len(data)
        if len(data) <= _PIECE:
            return (Text(append_of(data)),)
        pieces = (data[at : at + _PIECE] for at in range(0, len(data), _PIECE))
        return tuple(Text(append_of(piece)) for piece in pieces)

    def expire(self, now: float) -> ClientSteps:
        """A ping is due, or the last words did not come in time."""
        if now < self.deadline:
            return ()
        if now >= self._gone_at:
            return self._stop()
        self._ping_at = now + self._ping_s
        self._set_deadline()
        return (Ping(),)

    # ── to the service ──

    @property
    def _enough(self) -> bool:
        return self._input.ms(self._appended) >= _LEAST_COMMIT_MS

    def _finalize(self, ref: str) -> ClientSteps:
        self._appended = 0
        self._commits.append(ref)
        return (self._say(AudioCommit(event_id=ref or None)),)

    def _answer(self, command: Speak) -> ClientSteps:
        asked = None
        if command.answer is not None:
            answer = command.answer
            asked = ResponseAsked(
                output_modalities=("audio",) if answer.aloud else ("text",),
                instructions=answer.instructions or None,
                max_output_tokens=answer.max_tokens,
            )
        if command.lines is not None:
            lines = tuple(line_of(line.role, line.text, line.call) for line in command.lines)
            asked = asked or ResponseAsked()
            asked = ResponseAsked(
                output_modalities=asked.output_modalities,
                instructions=asked.instructions,
                max_output_tokens=asked.max_output_tokens,
                conversation="none",
                input=lines,
            )
        self._answers.expect(command.ref)
        return (self._say(ResponseCreate(response=asked, event_id=command.ref or None)),)

    def _hush(self, command: Cancel) -> ClientSteps:
        cancel = self._say(ResponseCancel(response_id=command.utterance or None))
        item = self._answers.item_of(command.utterance)
        if item is None or command.heard_ms is None:
            return (cancel,)
        heard = ItemTruncate(item_id=item, content_index=0, audio_end_ms=command.heard_ms)
        return (cancel, self._say(heard))

    def _tell(self, command: Tell) -> ClientSteps:
        role = "result" if command.kind == "result" else command.role
        item = line_of(role, command.text, command.call)
        return (self._say(ItemCreate(item=item, event_id=command.ref or None)),)

    def _update(self, ref: str = "") -> Text:
        session = session_of(self._patch, self._input, self._output, talks=self._talks)
        return self._say(SessionUpdate(session=session, event_id=ref or None))

    def _say(self, event: ClientEvent) -> Text:
        return Text(written(event))

    # ── from the service ──

    def _told(self, text: str) -> ClientSteps:
        try:
            event = parse_server(text)
        except OssicleError as error:
            # Newer servers say what nobody here knows; only what claims to be known and is broken
            # ends the session.
            kind, _ = head_of(text)
            if kind and "Unknown event type" in str(error):
                return ()
            self._over = True
            self._clear()
            return (Close(1002, "not OpenAI Realtime"), _failed(error.fault()))
        match event:
            case SessionCreated(session=session):
                return self._begin(session)
            case Started():
                return self._started(event)
            case Stopped():
                item = self._item(event.item_id)
                item.end_ms, item.ended = event.audio_end_ms, True
                return (SpeechEnded(at_ms=event.audio_end_ms, turn=item.turn),)
            case Committed(item_id=item_id):
                item = self._item(item_id)
                if not item.ended and self._commits:
                    item.ref = self._commits.popleft()
                return ()
            case TranscriptionDelta():
                return self._delta(event)
            case TranscriptionCompleted():
                return (*self._complete(event.item_id, event.transcript), *self._goodbye())
            case TranscriptionFailed():
                text = str(event.error.get("message", "an item could not be transcribed"))[:300]
                notice = Notice(level="warning", code="upstream", text=text)
                return (notice, *self._complete(event.item_id, ""), *self._goodbye())
            case ErrorEvent():
                return self._error(event)
            case ResponseDone():
                return (*self._answers.told(event), *self._goodbye())
            case _:
                return self._answers.told(event)

    def _begin(self, session: Json) -> ClientSteps:
        if self._began:
            return ()
        self._began = True
        expires = session.get("expires_at")
        began = Began(
            session=str(session.get("id", "")),
            expires_at=float(expires) if isinstance(expires, int) and expires else None,
            engine="openai",
        )
        return (
            self._say(
                SessionUpdate(
                    session=session_of(self._patch, self._input, self._output, talks=self._talks)
                )
            ),
            began,
        )

    def _item(self, item_id: str) -> _Item:
        item = self._items.get(item_id)
        if item is None:
            item = self._items[item_id] = _Item(self._turns)
            self._turns += 1
        return item

    def _started(self, event: Started) -> ClientSteps:
        item = self._item(event.item_id)
        # The service counts what it put in front of the speech.
        padding = (
            0 if isinstance(turns_of(self._patch).get("confidence"), int | float) else PADDING_MS
        )
        item.start_ms = event.audio_start_ms + padding
        return (SpeechStarted(at_ms=item.start_ms, turn=item.turn),)

    def _delta(self, event: TranscriptionDelta) -> ClientSteps:
        item = self._item(event.item_id)
        item.text += event.delta
        partial = Transcript(
            text=item.text,
            start_ms=item.start_ms,
            end_ms=item.end_ms,
            turn=item.turn,
            stable=len(item.text),
        )
        return (partial,)

    def _complete(self, item_id: str, text: str) -> tuple[Event, ...]:
        item = self._item(item_id)
        del self._items[item_id]
        final = Transcript(
            text=text or item.text,
            start_ms=item.start_ms,
            end_ms=item.end_ms,
            turn=item.turn,
            final=True,
            ends_turn=True,
            ref=item.ref,
        )
        return (final,)

    def _error(self, event: ErrorEvent) -> ClientSteps:
        error = event.error
        ref = error.event_id or ""
        if error.code == _EMPTY and self._commits:
            # Nothing was left: that is an answer, too.
            asked = self._commits.popleft()
            answer = Transcript(final=True, ends_turn=True, ref=asked)
            return (*((answer,) if asked else ()), *self._goodbye())
        if error.code == "response_cancel_not_active":
            return ()  # the service had stopped by itself
        fault = fault_of(error.code, error.type, error.message[:300])
        if fault.code in {"unauthorized", "session_limit"}:
            self._fault = fault
            return ()  # the close behind it says the rest
        self._fault = fault
        return (Notice(level="error", code=fault.code, text=fault.text, ref=ref),)

    # ── the end ──

    def _goodbye(self) -> ClientSteps:
        """Closes when nothing is awaited any more."""
        if (
            not self._ending
            or self._over
            or self._commits
            or self._items
            or self._answers.under_way
        ):
            return ()
        return self._stop()

    def _stop(self) -> ClientSteps:
        self._over = True
        self._clear()
        return (Close(1000), Ended())

    def _closed(self, close: Close) -> Ended:
        self._over = True
        self._clear()
        fault = self._fault
        if fault is None or close.code == 1000:
            text = f"OpenAI closed with {close.code} {close.reason[:60]}".strip()
            code = {401: "unauthorized", 403: "forbidden", 429: "rate_limited"}.get(
                close.code or 0, "connection_lost"
            )
            if "invalid_api_key" in close.reason or close.code == 3000:
                code = "unauthorized"
            fault = Fault(code, text, "upstream", code in {"connection_lost", "rate_limited"})
        return _failed(fault)

    def _clear(self) -> None:
        self.deadline = self._ping_at = self._gone_at = inf

    def _set_deadline(self) -> None:
        self.deadline = min(self._ping_at, self._gone_at)


ConversationClient = partial(RealtimeClient, talks=True)
"""For an upstream that is to answer, whatever the session behind it asked for."""


def _failed(fault: Fault) -> Ended:
    return Ended(reason="refused" if fault.whose == "client" else "failed", error=fault)
