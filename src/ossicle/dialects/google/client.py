"""The client half of `StreamingRecognize`: Google's service, or another gateway, as an engine.

    GoogleClient("v2", recognizer="projects/P/locations/global/recognizers/_")

The configuration goes first; audio is split so that no message is over the service's limit; a half
close ends. What the wire does not say is not made up: there is no `Finalize`, and a stability or a
confidence of 0 means that none is known. The service ends a stream after five minutes, which is a
retryable `session_limit` here: a rollover opens the next. While its user says nothing it is sent
silence, since it ends a stream that gets none for ten seconds.
"""

from math import inf
from typing import Literal, Protocol

import msgspec

from ossicle.core.commands import Audio, Command, Configure, End, Finalize
from ossicle.core.deadline import header_of
from ossicle.core.errors import BadMessage
from ossicle.core.events import (
    Began,
    Configured,
    Ended,
    Event,
    Notice,
    SpeechEnded,
    SpeechStarted,
    Transcript,
)
from ossicle.core.formats import AudioFormat
from ossicle.core.options import Options, merged
from ossicle.core.ports import ClientSteps
from ossicle.core.wire import Accept, Binary, Close, Fin, Message, Opening

from .client_errors import fault_of
from .filler import Filler
from .told import Heard, Told
from .v1_client import ClientOne
from .v2_client import ClientTwo

__all__ = ["GoogleClient", "Speaks"]

_MOST_AUDIO = 25_600
"""Bytes of audio in one message (wire note, §7)."""
_QUIET_S = 5.0
"""Without audio for so long, silence is sent: half of what the service allows."""
_STABLE = 0.5
"""Stability from which text counts as stable: the service says about 0.9 or about 0.01."""


class Speaks(Protocol):
    """One version of the API, from this end. Holds no state of a call."""

    path: str

    def config(self, configure: Configure) -> bytes: ...
    def audio(self, data: bytes) -> bytes: ...
    def read(self, data: bytes) -> Told: ...


class GoogleClient:
    """Implements `core.ports.ClientDialect`."""

    def __init__(
        self,
        version: Literal["v1", "v1p1beta1", "v2"] = "v1",
        *,
        recognizer: str = "projects/-/locations/global/recognizers/_",
    ) -> None:
        """`recognizer`: of v2, whose project the service wants to know."""
        self.deadline = inf
        self._speaks: Speaks = ClientTwo(recognizer) if version == "v2" else ClientOne(version)
        self._config = b""
        self._options = Options()
        self._format = AudioFormat()
        self._filler = Filler(self._format)
        self._ending = False
        self._bytes = 0
        self._turns: dict[int, int] = {}
        self._over = False

    def open(self, configure: Configure) -> Opening:
        """The call.

        Raises:
            Refused: an option or a format that cannot be said here.
        """
        self._config = self._speaks.config(configure)
        self._options = merged(Options(), configure.patch)
        self._format = configure.format or AudioFormat()
        self._filler = Filler(self._format)
        headers: tuple[tuple[str, str], ...] = ()
        if key := configure.credential:
            # access tokens of Google's begin so; everything else is an API key
            token = key.startswith(("ya29.", "eyJ"))
            headers = (("authorization", f"Bearer {key}") if token else ("x-goog-api-key", key),)
        headers += header_of(configure.within_s)
        return Opening(transport="grpc", method="stream", path=self._speaks.path, headers=headers)

    def receive(self, message: Message, now: float) -> ClientSteps:
        """A message from the service."""
        match message:
            case Accept():
                # gRPC's first message does not wait for the server
                self.deadline = now + _QUIET_S
                return (Binary(self._config), Began(), Configured(options=self._options))
            case Binary(data=data) if not self._over:
                try:
                    return self._told(self._speaks.read(data))
                except BadMessage as error:
                    self._over, self.deadline = True, inf
                    return (Close(1), Ended(reason="failed", error=error.fault()))
            case Close():
                over, self._over, self.deadline = self._over, True, inf
                return () if over else (self._closed(message),)
            case _:
                return ()

    def send(self, command: Command, now: float) -> ClientSteps:
        """What the user wants, as messages."""
        if self._over:
            return ()
        match command:
            case Audio(data=data):
                self._bytes += len(data)
                self._filler.sent(len(data))
                if not self._ending:
                    self.deadline = now + _QUIET_S
                return tuple(
                    Binary(self._speaks.audio(data[at : at + _MOST_AUDIO]))
                    for at in range(0, len(data), _MOST_AUDIO)
                )
            case End():
                self._ending, self.deadline = True, inf
                return (Fin(),)
            case Finalize():
                return (
                    Notice(
                        level="warning",
                        code="not_supported",
                        text="this service decides by itself when a turn is over",
                        ref=command.ref,
                    ),
                )
            case _:
                return ()

    def expire(self, now: float) -> ClientSteps:
        """Nothing was sent for a while."""
        if now < self.deadline:
            return ()
        self.deadline = now + _QUIET_S
        silence = self._filler.silence()
        return (Binary(self._speaks.audio(silence)),) if silence else ()

    # ── inside ──

    def _told(self, told: Told) -> tuple[Event, ...]:
        events: list[Event] = []
        match told.activity:
            case "begin":
                events.append(SpeechStarted(at_ms=self._at(told.at_ms)))
            case "end":
                events.append(SpeechEnded(at_ms=self._at(told.at_ms)))
            case "":
                pass
        open_parts: dict[int, list[Heard]] = {}
        for result in told.results:
            if result.final:
                events.append(self._final(result))
            else:
                open_parts.setdefault(result.channel, []).append(result)
        events += [self._interim(parts) for parts in open_parts.values()]
        return tuple(events)

    def _final(self, result: Heard) -> Transcript:
        turn = self._turns.get(result.channel, 0)
        self._turns[result.channel] = turn + 1
        words = tuple(
            msgspec.structs.replace(
                word,
                start_ms=self._filler.real_ms(word.start_ms),
                end_ms=self._filler.real_ms(word.end_ms),
            )
            for word in result.words or ()
        )
        return Transcript(
            text=result.text.strip(),
            start_ms=words[0].start_ms if words else None,
            end_ms=self._at(result.end_ms),
            turn=turn,
            final=True,
            ends_turn=True,
            words=words or None,
            confidence=result.confidence,
            language=result.language,
            channel=result.channel,
            alternatives=tuple(text.strip() for text in result.alternatives),
        )

    def _interim(self, parts: list[Heard]) -> Transcript:
        """Consecutive parts as one text; what comes first and is sure will not change."""
        whole = "".join(part.text for part in parts)
        sure = ""
        for part in parts:
            if part.stability < _STABLE:
                break
            sure += part.text
        channel = parts[0].channel
        return Transcript(
            text=whole.strip(),
            end_ms=self._at(max(part.end_ms or 0 for part in parts) or None),
            turn=self._turns.get(channel, 0),
            stable=len(sure.strip()),
            language=parts[0].language,
            channel=channel,
        )

    def _at(self, service_ms: int | None) -> int | None:
        """A time of the service on our own clock."""
        return None if service_ms is None else self._filler.real_ms(service_ms)

    def _closed(self, close: Close) -> Ended:
        audio_ms = self._format.ms(self._bytes) if self._format.width else 0
        if not close.code:
            return Ended(audio_ms=audio_ms)
        fault = fault_of(close)
        reason = "refused" if fault.whose == "client" else "failed"
        return Ended(reason=reason, error=fault, audio_ms=audio_ms)
