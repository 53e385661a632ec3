"""The client half of `/v1/realtime`: a session of ours on one side, OpenAI (or anything that speaks
like it) on the other.

A session that wants answers (`answers.wanted`) opens a conversation, any other a transcription.
Sound is 16-bit PCM at 24 kHz, or G.711. The service has no word for the end: what is still in the
buffer is committed, and the connection is closed when the last item has its words.

Losses, besides options the service has no word for: word times, confidence, alternatives, a text
to be said as it is, and any ref but those of `Finalize` and `Speak`.
"""

import json
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
    Asked,
    AudioOut,
    Began,
    Ended,
    Event,
    Notice,
    SpeechEnded,
    SpeechStarted,
    Transcript,
    TurnReason,
    Usage,
)
from ossicle.core.formats import AudioFormat
from ossicle.core.intake import silence
from ossicle.core.ports import ClientSteps
from ossicle.core.wire import Accept, Close, Message, Opening, Ping, Text

from .errors import fault_of
from .messages import (
    AudioClear,
    AudioCommit,
    AudioDelta,
    Cleared,
    ClientEvent,
    Committed,
    ErrorEvent,
    FunctionArgumentsDone,
    ItemCreate,
    ItemTruncate,
    ResponseAsked,
    ResponseCancel,
    ResponseCreate,
    ResponseCreated,
    ResponseDone,
    SessionCreated,
    SessionUpdate,
    SpokenDelta,
    SpokenDone,
    Started,
    Stopped,
    TextDelta,
    TextDone,
    TranscriptionCompleted,
    TranscriptionDelta,
    TranscriptionFailed,
    append_of,
    head_of,
    parse_server,
    written,
)

__all__ = ["ConversationClient", "RealtimeClient"]

Json: TypeAlias = dict[str, Any]

_PING_S = 20.0
"""Proxies cut what is idle for a minute."""
_GOODBYE_S = 10.0
"""How long it may be silent after the end, with words untold."""
_LEAST_COMMIT_MS = 100
_PADDING_MS = 300
"""Sound in front of a turn that the service keeps with it; its own default."""
_PIECE = 1 << 20
_TYPES = {"pcm_s16le": "audio/pcm", "mulaw": "audio/pcmu", "alaw": "audio/pcma"}
_EMPTY = "input_audio_buffer_commit_empty"
_EAGER = ((0.85, "low"), (0.7, "medium"), (0.0, "high"))
_REASONS: dict[str, TurnReason] = {
    "completed": "done",
    "cancelled": "cancelled",
    "failed": "failed",
    "incomplete": "limit",
}


class _Item:
    """One item of the user's on its way."""

    def __init__(self, turn: int) -> None:
        self.turn = turn
        self.text = ""
        self.ref = ""
        self.start_ms: int | None = None
        self.end_ms: int | None = None
        self.ended = self.committed = False


class RealtimeClient:
    """Implements `core.ports.ClientDialect`."""

    def __init__(
        self, *, talks: bool = False, ping_s: float = _PING_S, goodbye_s: float = _GOODBYE_S
    ) -> None:
        """
        Args:
            talks: a conversation, whether the session says that it wants answers or not.
            ping_s: how often the service is pinged.
            goodbye_s: how long it may be silent after the end, with words untold.
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
        self._refs: dict[str, str] = {}
        """Refs of answers, by response."""
        self._asked: deque[str] = deque()
        self._spoken: dict[str, int] = {}
        """Bytes of sound, by response."""
        self._words: dict[str, str] = {}
        self._said_by: dict[str, str] = {}
        """The item a response says, for truncation."""

    # ── core.ports.ClientDialect ──

    def open(self, configure: Configure) -> Opening:
        """The request for a channel."""
        self._patch = dict(configure.patch)
        self._input = configure.format or self._input
        self._output = configure.speaks or self._input
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
                if self._gone_at != inf:
                    self._gone_at = now + self._goodbye_s
                steps = self._told(text)
                self._set_deadline()
                return steps
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
                commit = (*self._filled(), *self._finalize("")) if self._appended else ()
                return (*commit, *self._goodbye())
            case Configure():
                self._patch = _merged(self._patch, command.patch)
                session = self._session()
                return (self._say(SessionUpdate(session=session, event_id=command.ref or None)),)
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
            return self._too_late()
        self._ping_at = now + self._ping_s
        self._set_deadline()
        return (Ping(),)

    # ── to the service ──

    @property
    def _turn_options(self) -> Json:
        recognition = cast("Json", self._patch.get("recognition") or {})
        return cast("Json", recognition.get("turns") or {})

    @property
    def _detects(self) -> bool:
        return self._turn_options.get("detect") is not False

    def _filled(self) -> tuple[Message, ...]:
        """Silence behind what was appended last, up to the least that the service commits: less
        than that it would forget."""
        lacks = self._input.units(_LEAST_COMMIT_MS) - self._appended
        return self.pack(silence(self._input, lacks)) if lacks > 0 else ()

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
            lines = tuple(_line(line.role, line.text, line.call) for line in command.lines)
            asked = asked or ResponseAsked()
            asked = ResponseAsked(
                output_modalities=asked.output_modalities,
                instructions=asked.instructions,
                max_output_tokens=asked.max_output_tokens,
                conversation="none",
                input=lines,
            )
        self._asked.append(command.ref)
        return (self._say(ResponseCreate(response=asked, event_id=command.ref or None)),)

    def _hush(self, command: Cancel) -> ClientSteps:
        cancel = self._say(ResponseCancel(response_id=command.utterance or None))
        item = self._said_by.get(command.utterance or next(reversed(self._said_by), ""))
        if item is None or command.heard_ms is None:
            return (cancel,)
        heard = ItemTruncate(item_id=item, content_index=0, audio_end_ms=command.heard_ms)
        return (cancel, self._say(heard))

    def _tell(self, command: Tell) -> ClientSteps:
        role = "result" if command.kind == "result" else command.role
        item = _line(role, command.text, command.call)
        return (self._say(ItemCreate(item=item, event_id=command.ref or None)),)

    def _say(self, event: ClientEvent) -> Text:
        return Text(written(event))

    def _session(self) -> Json:
        """The session, whole, in the service's words."""
        recognition = cast("Json", self._patch.get("recognition") or {})
        heard: Json = {"format": _format(self._input), "turn_detection": self._detection()}
        words: Json = {}
        if not self._talks and recognition.get("model"):
            words["model"] = recognition["model"]
        if recognition.get("language"):
            words["language"] = str(recognition["language"]).partition("-")[0]
        hints = cast("list[Json]", recognition.get("hints") or [])
        if hints:
            words["keywords"] = [str(hint.get("text")) for hint in hints]
        heard["transcription"] = {"model": "gpt-4o-transcribe", **words}
        if not self._talks:
            return {"type": "transcription", "audio": {"input": heard}}
        answers = cast("Json", self._patch.get("answers") or {})
        voice = cast("Json", self._patch.get("synthesis") or {})
        spoken: Json = {"format": _format(self._output)}
        spoken |= {name: voice[name] for name in ("voice", "speed") if voice.get(name)}
        session: Json = {
            "type": "realtime",
            "output_modalities": ["text"] if answers.get("aloud") is False else ["audio"],
            "audio": {"input": heard, "output": spoken},
        }
        if "instructions" in answers:
            session["instructions"] = answers["instructions"]
        if answers.get("tools"):
            session["tools"] = [_tool(tool) for tool in cast("list[Json]", answers["tools"])]
        choice = answers.get("tool_choice")
        if choice:
            plain = choice in {"auto", "none", "required"}
            session["tool_choice"] = choice if plain else {"type": "function", "name": choice}
        if answers.get("max_tokens"):
            session["max_output_tokens"] = answers["max_tokens"]
        return session

    def _detection(self) -> Json | None:
        turns, answers = self._turn_options, cast("Json", self._patch.get("answers") or {})
        if not self._detects:
            return None
        sure = turns.get("confidence")
        detection: Json
        if isinstance(sure, int | float):
            eagerness = next(name for least, name in _EAGER if sure >= least)
            detection = {"type": "semantic_vad", "eagerness": eagerness}
        else:
            detection = {"type": "server_vad", "prefix_padding_ms": _PADDING_MS}
            if isinstance(turns.get("silence_ms"), int):
                detection["silence_duration_ms"] = turns["silence_ms"]
            if isinstance(turns.get("threshold"), int | float):
                detection["threshold"] = turns["threshold"]
        if self._talks:
            detection["create_response"] = answers.get("auto") is not False
            detection["interrupt_response"] = answers.get("interrupt") is not False
        return detection

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
                item = self._items.get(event.item_id)
                if item is None:  # forgotten by `input_audio_buffer.clear`
                    return (SpeechEnded(at_ms=event.audio_end_ms),)
                item.end_ms, item.ended = event.audio_end_ms, True
                return (SpeechEnded(at_ms=event.audio_end_ms, turn=item.turn),)
            case Cleared():
                for name in [n for n, item in self._items.items() if not item.committed]:
                    del self._items[name]
                return self._goodbye()
            case Committed(item_id=item_id):
                item = self._item(item_id)
                item.committed = True
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
            case _:
                return self._spoke(event)

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
        return (self._say(SessionUpdate(session=self._session())), began)

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
            0 if isinstance(self._turn_options.get("confidence"), int | float) else _PADDING_MS
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

    def _spoke(self, event: object) -> ClientSteps:
        """What is answered."""
        match event:
            case ResponseCreated(response=response):
                name = str(response.get("id", ""))
                ref = self._asked.popleft() if self._asked else ""
                self._refs[name] = ref
                return (SpeechStarted(side="out", at_ms=0, utterance=name, ref=ref),)
            case AudioDelta(response_id=name, delta=data):
                said = self._spoken.get(name, 0)
                self._spoken[name] = said + len(data)
                self._said_by[name] = event.item_id
                start = self._output.ms(said)
                return (AudioOut(utterance=name, data=data, start_ms=start, ref=self._ref(name)),)
            case (
                SpokenDelta(response_id=name, delta=delta)
                | TextDelta(response_id=name, delta=delta)
            ):
                self._words[name] = self._words.get(name, "") + delta
                return (self._out(name, self._words[name], final=False),)
            case (
                SpokenDone(response_id=name, transcript=text)
                | TextDone(response_id=name, text=text)
            ):
                self._words.pop(name, None)
                return (self._out(name, text, final=True),) if text else ()
            case FunctionArgumentsDone(response_id=name):
                asked = Asked(
                    call=event.call_id,
                    name=event.name,
                    arguments=event.arguments,
                    utterance=name,
                    ref=self._ref(name),
                )
                return (asked,)
            case ResponseDone(response=response):
                return self._done(response)
            case _:
                return ()

    def _ref(self, response: str) -> str:
        return self._refs.get(response, "")

    def _out(self, name: str, text: str, *, final: bool) -> Transcript:
        end = self._output.ms(self._spoken.get(name, 0))
        return Transcript(
            side="out",
            utterance=name,
            text=text,
            start_ms=0,
            end_ms=end,
            stable=len(text),
            final=final,
            ends_turn=final,
            ref=self._ref(name),
        )

    def _done(self, response: Json) -> ClientSteps:
        name = str(response.get("id", ""))
        ref = self._refs.pop(name, "")
        said = self._spoken.pop(name, 0)
        self._words.pop(name, None)
        while len(self._said_by) > 64:
            del self._said_by[next(iter(self._said_by))]
        counted = response.get("usage")
        usage = cast("Json", counted) if isinstance(counted, dict) else {}
        end = self._output.ms(said)
        ended = SpeechEnded(
            side="out",
            at_ms=end,
            reason=_REASONS.get(str(response.get("status")), "done"),
            utterance=name,
            usage=Usage(
                audio_ms=end,
                input_tokens=_count(usage.get("input_tokens")),
                output_tokens=_count(usage.get("output_tokens")),
            ),
            ref=ref,
        )
        return (ended, *self._goodbye())

    # ── the end ──

    def _goodbye(self) -> ClientSteps:
        """Closes when nothing is awaited any more."""
        if not self._ending or self._over or self._commits or self._items or self._refs:
            return ()
        return self._stop()

    def _too_late(self) -> ClientSteps:
        """Words may be lost, and whoever has the sound still can ask somebody else for them; an
        answer that is only not finished is cut."""
        awaited = len(self._commits) + len(self._items)
        steps = self._stop()
        if not awaited:
            return steps
        text = f"OpenAI said nothing for {self._goodbye_s:g} s after the end, with {awaited} items"
        fault = Fault("timed_out", f"{text} of speech untold", "upstream", retryable=True)
        return (steps[0], _failed(fault))

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
        if self._over:
            return
        self.deadline = min(self._ping_at, self._gone_at)


ConversationClient = partial(RealtimeClient, talks=True)
"""For an upstream that is to answer, whatever the session behind it asked for."""


def _failed(fault: Fault) -> Ended:
    return Ended(reason="refused" if fault.whose == "client" else "failed", error=fault)


def _count(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 0


def _format(fmt: AudioFormat) -> Json:
    kind = _TYPES.get(fmt.encoding, "audio/pcm")
    return {"type": kind, "rate": fmt.sample_rate} if kind == "audio/pcm" else {"type": kind}


def _tool(tool: Json) -> Json:
    try:
        parameters = json.loads(tool.get("parameters") or "{}")
    except ValueError:
        parameters = {}
    return {
        "type": "function",
        "name": tool.get("name"),
        "description": tool.get("description") or "",
        "parameters": parameters,
    }


def _line(role: str, text: str, call: str) -> Json:
    if role == "result":
        return {"type": "function_call_output", "call_id": call, "output": text}
    kind = "output_text" if role == "assistant" else "input_text"
    content = [{"type": kind, "text": text}]
    return {"type": "message", "role": role, "content": content}


def _merged(held: Json, patch: Json) -> Json:
    out = dict(held)
    for name, value in patch.items():
        inner = out.get(name)
        if isinstance(value, dict) and isinstance(inner, dict):
            out[name] = _merged(cast("Json", inner), cast("Json", value))
        else:
            out[name] = value
    return out
