"""The client half of `/v2/realtime/ws`.

Losses, besides options the vendor has no word for: stable words, speech starts and ends (made up
from the transcripts' own times), why an utterance ended, every option that changes while it runs
but the silence that ends an utterance.
"""

from collections import deque
from datetime import UTC, datetime
from math import inf
from typing import Any

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
from ossicle.core.wire import Accept, Binary, Close, Message, Opening, Text

from .client import answer
from .errors import fault_of
from .legacy_messages import (
    FinalTranscript,
    LegacyError,
    LegacyRequest,
    PartialTranscript,
    SessionBegins,
    SessionInformation,
    decode_legacy_server,
    encode_legacy,
)
from .legacy_query import legacy_query

__all__ = ["LegacyClient"]


class LegacyClient:
    """Implements `core.ports.ClientDialect`."""

    def __init__(self, *, base64: bool = False) -> None:
        """
        Args:
            base64: send audio as text, as old clients did. Binary is the same to the service and
                a quarter smaller.
        """
        self.deadline = inf
        self._base64 = base64
        self._asked: deque[str] = deque()
        self._turn = 0
        self._speaking = False
        self._audio_ms = 0
        self._fault: Fault | None = None
        self._over = False

    def open(self, configure: Configure) -> Opening:
        """The request for a channel."""
        query = legacy_query(configure.patch, configure.format or AudioFormat())
        headers = (("authorization", configure.credential),) if configure.credential else ()
        return Opening(method="GET", path="/v2/realtime/ws", query=query, headers=headers)

    def receive(self, message: Message, now: float) -> ClientSteps:
        """A message of the service."""
        match message:
            case Accept():
                return ()
            case Text(data=text) if not self._over:
                return self._told(text)
            case Close() if not self._over:
                self._over = True
                return (self._closed(message),)
            case _:
                return ()

    def send(self, command: Command, now: float) -> ClientSteps:
        """What the session wants, as messages."""
        match command:
            case Audio(data=data):
                return (
                    self._say(LegacyRequest(audio_data=data)) if self._base64 else Binary(data),
                )
            case Finalize():
                self._asked.append(command.ref)
                return (self._say(LegacyRequest(force_end_utterance=True)),)
            case End():
                return (self._say(LegacyRequest(terminate_session=True)),)
            case Configure():
                recognition: dict[str, Any] = command.patch.get("recognition") or {}
                turns: dict[str, Any] = recognition.get("turns") or {}
                silence = turns.get("silence_ms")
                if isinstance(silence, int):
                    least = min(silence, 20_000)
                    return (self._say(LegacyRequest(end_utterance_silence_threshold=least)),)
                return self._no_word("these options", command.ref)
            case _:
                return self._no_word(type(command).__name__, command.ref)

    def expire(self, now: float) -> ClientSteps:
        """Never asked for."""
        return ()

    @staticmethod
    def _say(request: LegacyRequest) -> Text:
        return Text(encode_legacy(request))

    @staticmethod
    def _no_word(what: str, ref: str) -> ClientSteps:
        text = f"AssemblyAI's legacy API has no word for {what}"
        return (Notice(level="warning", code="option_not_supported", text=text, ref=ref),)

    def _told(self, text: str) -> ClientSteps:
        try:
            message = decode_legacy_server(text)
        except OssicleError as error:
            self._over = True
            return (Close(1003, "not AssemblyAI v2"), _failed(error.fault()))
        match message:
            case SessionBegins():
                return (Began(session=message.session_id, expires_at=_epoch(message.expires_at)),)
            case PartialTranscript():
                return self._partial(message)
            case FinalTranscript():
                return self._final(message)
            case SessionInformation():
                self._audio_ms = round(message.audio_duration_seconds * 1000)
                return ()
            case LegacyError():
                self._fault = fault_of(None, message.error)
                return ()  # the close behind it has the code
            case _:
                self._over = True
                return (Ended(audio_ms=self._audio_ms),)

    def _started(self, at_ms: int) -> tuple[Event, ...]:
        if self._speaking:
            return ()
        self._speaking = True
        return (SpeechStarted(at_ms=at_ms, turn=self._turn),)

    def _partial(self, message: PartialTranscript) -> tuple[Event, ...]:
        if not message.text and not self._speaking:
            return ()  # over silence
        return (*self._started(message.audio_start), self._transcript(message))

    def _final(self, message: FinalTranscript) -> tuple[Event, ...]:
        *others, ref = self._asked or ("",)
        self._asked.clear()
        started = self._started(message.audio_start)
        final = self._transcript(message, final=True, ref=ref)
        ended = SpeechEnded(
            at_ms=message.audio_end,
            turn=self._turn,
            reason="asked" if ref else "model",
            ref=ref,
        )
        self._speaking = False
        self._turn += 1
        return (*started, ended, final, *(answer(final, other) for other in others))

    def _transcript(
        self,
        message: PartialTranscript | FinalTranscript,
        *,
        final: bool = False,
        ref: str = "",
    ) -> Transcript:
        return Transcript(
            text=message.text,
            start_ms=message.audio_start,
            end_ms=message.audio_end,
            turn=self._turn,
            final=final,
            ends_turn=final,
            words=tuple(
                Word(word.text, word.start, word.end, word.confidence or None)
                for word in message.words
            ),
            confidence=message.confidence or None,
            ref=ref,
        )

    def _closed(self, close: Close) -> Ended:
        said = self._fault.text if self._fault is not None else ""
        if close.code in {None, 1000, 1001, 1005, 1006} and not said:
            text = "AssemblyAI closed without SessionTerminated"
            return _failed(Fault("connection_lost", text, "upstream", True))
        code = {401: 4001, 403: 4001, 429: 4102}.get(close.code or 0, close.code)
        return _failed(fault_of(code, said or f"closed with {close.code} {close.reason}".strip()))


def _failed(fault: Fault) -> Ended:
    return Ended(reason="refused" if fault.whose == "client" else "failed", error=fault)


def _epoch(date: str) -> float | None:
    """None = it is not a date that can be read, which is no reason to end."""
    try:
        read = datetime.fromisoformat(date)
    except ValueError:
        return None
    return (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()
