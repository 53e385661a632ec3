"""The client half of `/v3/ws`: a session of ours on one side, AssemblyAI (or anything that speaks
like it) on the other.

Losses, besides options the vendor has no word for (`query.LOST`): why a turn ended, alternatives,
the language of each word, channels. A turn is one segment here. References come back in the order
in which turns were forced to end; a question that the service had nothing to say to is answered
with the next one.
"""

from collections import deque
from collections.abc import Sequence
from math import inf
from typing import Any

import msgspec

from ossicle.core.commands import Audio, Command, Configure, End, Finalize
from ossicle.core.errors import Fault, OssicleError
from ossicle.core.events import (
    Began,
    Ended,
    Event,
    Notice,
    SpeechEnded,
    SpeechStarted,
    Transcript,
    Word,
)
from ossicle.core.formats import AudioFormat
from ossicle.core.ports import ClientSteps
from ossicle.core.wire import Accept, Binary, Close, Message, Opening, Ping, Text

from .errors import fault_of
from .messages import (
    Begin,
    Error,
    ForceEndpoint,
    Heartbeat,
    KeepAlive,
    Silence,
    SpeakerRevision,
    Terminate,
    Termination,
    Turn,
    UpdateConfiguration,
    Warning_,
    decode_server,
    encode,
)
from .messages import SpeechStarted as SpeechStartedMessage
from .pieces import Pieces
from .query import lost_in, query_of, update_of

__all__ = ["AssemblyClient", "answer"]

_HEARTBEAT_S = 20.0
"""Proxies cut connections that carry no data for 60-120 s."""


class AssemblyClient:
    """Implements `core.ports.ClientDialect`."""

    def __init__(self, *, heartbeat_s: float = _HEARTBEAT_S) -> None:
        self.deadline = inf
        self._heartbeat = heartbeat_s
        self._pieces = Pieces(AudioFormat())
        self._sent_then = 0
        """Bytes of sound at the last deadline."""
        self._lost: tuple[str, ...] = ()
        self._twin = False
        self._held: Turn | None = None
        """A bare end of turn whose formatted twin is due."""
        self._turn = -1
        """The turn that was told as started."""
        self._asked: deque[str] = deque()
        self._fault: Fault | None = None
        self._over = False

    def open(self, configure: Configure) -> Opening:
        """The request for a channel."""
        source = configure.format or AudioFormat()
        query = query_of(configure.patch, source)
        self._pieces = Pieces(source)
        self._lost = lost_in(configure.patch)
        said = dict(query)
        always = said.get("speech_model", "").startswith(("u3", "universal-3"))
        self._twin = said.get("format_turns") == "true" and not always
        headers = (("authorization", configure.credential),) if configure.credential else ()
        return Opening(method="GET", path="/v3/ws", query=query, headers=headers)

    def receive(self, message: Message, now: float) -> ClientSteps:
        """A message of the service."""
        match message:
            case Accept():
                self.deadline = now + self._heartbeat
                return ()
            case Text(data=text) if not self._over:
                return self._told(text)
            case Close():
                self.deadline = inf
                return () if self._over else (*self._twinless(), self._closed(message))
            case _:
                return ()

    def send(self, command: Command, now: float) -> ClientSteps:
        """What the session wants, as messages."""
        self.deadline = now + self._heartbeat
        match command:
            case Audio(data=data):
                return tuple(Binary(piece) for piece in self._pieces.feed(data))
            case Finalize():
                self._asked.append(command.ref)
                return (*self._rest(), Text(encode(ForceEndpoint())))
            case End():
                return (*self._rest(), Text(encode(Terminate())))
            case Configure():
                return self._update(command)
            case _:
                text = f"AssemblyAI has no word for {type(command).__name__}"
                return (Notice(level="error", code="bad_request", text=text, ref=command.ref),)

    def pack(self, data: bytes) -> Sequence[Message]:
        """See `core.ports.PackingClient`."""
        pieces = self._pieces.feed(data)
        return [Binary(piece) for piece in pieces] if pieces else ()

    def expire(self, now: float) -> ClientSteps:
        """Nothing was sent for a while, but perhaps sound."""
        if now < self.deadline:
            return ()
        self.deadline = now + self._heartbeat
        sent, self._sent_then = self._sent_then, self._pieces.sent
        if sent != self._sent_then:
            return ()
        return (Text(encode(KeepAlive())), Ping())

    # ── to the service ──

    def _rest(self) -> tuple[Message, ...]:
        return tuple(Binary(piece) for piece in self._pieces.flush())

    def _update(self, command: Configure) -> ClientSteps:
        said: dict[str, Any] = update_of(command.patch)
        if "format_turns" in said:
            self._twin = bool(said["format_turns"])
        notices = self._losses(lost_in(command.patch), command.ref)
        if not said:
            return notices
        update = msgspec.convert(said, UpdateConfiguration)
        return (Text(encode(update)), *notices)

    @staticmethod
    def _losses(lost: tuple[str, ...], ref: str = "") -> tuple[Event, ...]:
        if not lost:
            return ()
        text = f"AssemblyAI has no word for {', '.join(lost)}"
        return (Notice(level="warning", code="option_not_supported", text=text, ref=ref),)

    # ── from the service ──

    def _told(self, text: str) -> ClientSteps:
        try:
            message = decode_server(text)
        except OssicleError as error:
            # Newer servers may say what nobody here knows; only what claims to be a known type
            # and is broken ends the session.
            if _unknown(text):
                return ()
            self._over = True
            return (Close(1003, "not AssemblyAI v3"), _failed(error.fault()))
        match message:
            case Begin():
                expires = message.expires_at
                at = float(expires) if isinstance(expires, int) else None
                began = Began(session=message.id, expires_at=at, engine="assemblyai")
                return (began, *self._losses(self._lost))
            case SpeechStartedMessage():
                at_ms = self._pieces.real_ms(message.timestamp)
                twin = self._twinless()
                self._turn += 1
                return (*twin, SpeechStarted(at_ms=at_ms, turn=self._turn))
            case Turn():
                return self._heard(message)
            case Termination():
                self._over = True
                return (
                    *self._twinless(),
                    Ended(
                        audio_ms=message.audio_duration_seconds * 1000,
                        session_ms=message.session_duration_seconds * 1000,
                    ),
                )
            case Error():
                self._fault = fault_of(message.error_code, message.error)
                return ()  # the close behind it has the same code
            case Warning_():
                return (Notice(level="warning", code="upstream", text=message.warning[:300]),)
            case _:
                return ()

    def _heard(self, turn: Turn) -> tuple[Event, ...]:
        before: tuple[Event, ...] = ()
        if self._held is not None and turn.turn_order != self._held.turn_order:
            before = self._twinless()
        if not turn.end_of_turn:
            return (*before, *self._begun(turn), self._transcript(turn))
        if self._twin and not turn.turn_is_formatted:
            self._held = turn
            return before
        self._held = None
        return (*before, *self._begun(turn), *self._ended(turn))

    def _twinless(self) -> tuple[Event, ...]:
        """A formatted twin that did not come: the bare message has the same words."""
        held, self._held = self._held, None
        return () if held is None else (*self._begun(held), *self._ended(held))

    def _begun(self, turn: Turn) -> tuple[Event, ...]:
        """Older models say nothing when speech starts."""
        if turn.turn_order <= self._turn:
            return ()
        self._turn = turn.turn_order
        at_ms = self._pieces.real_ms(turn.words[0].start) if turn.words else None
        return (SpeechStarted(at_ms=at_ms, turn=self._turn),)

    def _ended(self, turn: Turn) -> tuple[Event, ...]:
        *others, ref = self._asked or ("",)
        self._asked.clear()
        final = msgspec.structs.replace(
            self._transcript(turn), final=True, ends_turn=True, stable=0, ref=ref
        )
        ended = SpeechEnded(
            at_ms=final.end_ms,
            turn=turn.turn_order,
            reason="asked" if ref else "model",
            confidence=turn.end_of_turn_confidence or None,
            ref=ref,
        )
        return (ended, final, *(answer(final, other) for other in others))

    def _transcript(self, turn: Turn) -> Transcript:
        real = self._pieces.real_ms
        words = tuple(
            Word(
                word.text,
                real(word.start),
                real(word.end),
                word.confidence or None,
                word.speaker or "",
            )
            for word in turn.words
        )
        tail = [word.text for word in turn.words if not word.word_is_final]
        return Transcript(
            text=" ".join(filter(None, (turn.transcript, *tail))),
            start_ms=words[0].start_ms if words else None,
            end_ms=words[-1].end_ms if words else None,
            turn=turn.turn_order,
            stable=len(turn.transcript),
            words=words,
            end_confidence=turn.end_of_turn_confidence or None,
            language=turn.language_code or "",
        )

    def _closed(self, close: Close) -> Ended:
        """Closed without a Termination."""
        self._over = True
        fault = self._fault
        if fault is None and close.code in {None, 1000, 1001, 1005, 1006}:
            text = "AssemblyAI closed without a Termination"
            fault = Fault("connection_lost", text, "upstream", True)
        if fault is None:
            code = {401: 4001, 403: 4001, 429: 3009}.get(close.code or 0, close.code)
            fault = fault_of(code, f"AssemblyAI closed with {close.code} {close.reason}".strip())
        return _failed(fault)


def answer(final: Transcript, ref: str) -> Transcript:
    """For a question that came when there was nothing to end: the service says nothing to it, and
    it is over with the turn that a later one ended."""
    at = final.end_ms
    return Transcript(
        start_ms=at, end_ms=at, turn=final.turn + 1, final=True, ends_turn=True, ref=ref
    )


def _failed(fault: Fault) -> Ended:
    return Ended(reason="refused" if fault.whose == "client" else "failed", error=fault)


_TAGS = frozenset(
    str(kind.__struct_config__.tag)
    for kind in (
        Begin,
        SpeechStartedMessage,
        Turn,
        Termination,
        Error,
        Warning_,
        Heartbeat,
        Silence,
        SpeakerRevision,
    )
)


class _Typed(msgspec.Struct):
    type: str


def _unknown(text: str) -> bool:
    """A JSON object of a type that is not known here."""
    try:
        return msgspec.json.decode(text, type=_Typed).type not in _TAGS
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        return False
