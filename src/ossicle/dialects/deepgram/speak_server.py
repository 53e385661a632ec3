"""The server half of `/v1/speak` over a WebSocket: text in, bare samples out.

`Metadata` comes first, `Flushed` after the last sound of its flush, `Cleared` when no older sound
will come. Text is said as its sentences are complete; `Flush` says the rest.

Each `Flush` closes an utterance, whose end carries its ref; each `Clear` cancels what is said and
closes an empty utterance behind it, whose end proves that everything before is over. So both are
answered in the order of the log, however far the reader is behind.
"""

from collections import deque
from math import inf

from ossicle.core.commands import Cancel, End, Played
from ossicle.core.commands import Speak as SpeakCommand
from ossicle.core.errors import BadMessage, Fault, OssicleError, Refused
from ossicle.core.events import AudioOut, Began, Configured, Ended, Event, Notice, SpeechEnded
from ossicle.core.formats import AudioFormat
from ossicle.core.ports import Steps
from ossicle.core.wire import Accept, Binary, Message, Opening, Text
from ossicle.core.wire import Close as CloseChannel

from .credentials import subprotocol_of
from .errors import closing, refusal, request_headers
from .speak_messages import (
    Clear,
    Cleared,
    Close,
    Flush,
    Flushed,
    Metadata,
    Speak,
    Warn,
    decode_client,
    encode,
)
from .speak_query import Asked, asked_of, configure_of, raw_format

__all__ = ["IDLE_S", "MOST_TEXT", "NO_VOICE", "SpeakServer", "model_uuid", "played", "sound_of"]

MOST_TEXT = 2_000
"""Characters of one text, as at the service."""
IDLE_S = 3_600.0
"""The service's hour: this wire has no keep-alive, and a conversation may rest."""
_FLUSHES, _FLUSH_WINDOW_S = 20, 60.0
"""Flushes taken in a sliding window, as at the service."""
_PIECE = 1 << 19
"""Largest binary message, well below the 1 MiB that clients take."""

NO_VOICE = Fault(
    "bad_request", "no voice speaks here; start the gateway with an engine that has one", "client"
)


def model_uuid(request_id: str) -> str:
    """The service names a model's version by a UUID; ours is the session's."""
    return request_id


class SpeakServer:
    """Implements `core.ports.Dialect`."""

    name = "deepgram.speak"

    def __init__(self) -> None:
        self.deadline = inf
        self.plain = False
        self.resumable = False
        self._opening = Opening()
        self._asked = Asked("", "linear16", 24_000, 1.0)
        self._accepted = self._over = self._ending = False
        self._flushes: deque[float] = deque()
        self._count = 0
        """Flushes and clears so far: their refs, in order."""
        self._sequence = 0
        self._clearing = 0
        """Clears whose proof is still to come: no sound is sent meanwhile."""

    def open(self, opening: Opening, now: float) -> Steps:
        """A channel was asked for."""
        self._opening = opening
        try:
            self._asked = asked_of(opening)
            return (configure_of(opening, self._asked, raw_format(self._asked)),)
        except OssicleError as error:
            return self._refuse(error.fault())

    def receive(self, message: Message, now: float) -> Steps:
        """A message from the client."""
        if self._over:
            return ()
        if self._accepted:
            self.deadline = now + IDLE_S
        match message:
            case Text(data=text):
                return self._text(text, now)
            case Binary():
                return self._fatal(BadMessage("text messages are taken here, no sound"), 1003)
            case _:
                return ()

    def _text(self, text: str, now: float) -> Steps:
        try:
            message = decode_client(text)
        except BadMessage as error:
            return self._fatal(error, 1003)
        if self._ending:
            return ()
        match message:
            case Speak(text=said):
                if len(said) > MOST_TEXT:
                    error = Refused(
                        f"{len(said)} characters in one text; the limit is {MOST_TEXT}",
                        code="too_large",
                    )
                    return self._fatal(error, 1009)
                return (SpeakCommand(text=said, more=True),) if said else ()
            case Flush():
                return self._flush(now)
            case Clear():
                self._clearing += 1
                return (Cancel(side="out"), self._mark("clear"))
            case Close():
                self._ending = True
                return (End(),)

    def _flush(self, now: float) -> Steps:
        flushes = self._flushes
        while flushes and now - flushes[0] >= _FLUSH_WINDOW_S:
            flushes.popleft()
        if len(flushes) >= _FLUSHES:
            return self._warn(
                "EXCESSIVE_FLUSH",
                f"more than {_FLUSHES} flushes in {_FLUSH_WINDOW_S:g} s: this one is not done",
            )
        flushes.append(now)
        return (self._mark("flush"),)

    def _mark(self, kind: str) -> SpeakCommand:
        self._count += 1
        return SpeakCommand(text="", ref=f"{kind}-{self._count}")

    def send(self, event: Event, now: float) -> Steps:
        """An event for the client."""
        if self._over:
            return ()
        if not self._accepted:
            return self._answer(event, now)
        match event:
            case AudioOut():
                return self._sound(event)
            case SpeechEnded(side="out"):
                return self._spoken(event)
            case Notice(level="warning" | "error"):
                return self._warn(event.code.upper(), event.text)
            case Ended():
                self._over, self.deadline = True, inf
                return (closing(event.error),)
            case _:
                return ()

    def expire(self, now: float) -> Steps:
        """The client said nothing for an hour."""
        if now < self.deadline:
            return ()
        self._over, self.deadline = True, inf
        return (closing(Fault("idle", "no message came for an hour", "client", True)),)

    def _answer(self, event: Event, now: float) -> Steps:
        match event:
            case Configured():
                if event.options.speaks is None:
                    return self._refuse(NO_VOICE)
                return self._accept(now)
            case Ended():
                return self._refuse(
                    event.error or Fault("draining", "the gateway is stopping", "us", True)
                )
            case Began() | _:
                return ()

    def _accept(self, now: float) -> Steps:
        self._accepted = True
        self.deadline = now + IDLE_S
        accept = Accept(
            request_headers(self._opening.id), subprotocol_of(self._opening), flush=True
        )
        name = self._asked.model
        metadata = Metadata(self._opening.id, name, "1", model_uuid(self._opening.id))
        return (accept, Text(encode(metadata)))

    def _sound(self, event: AudioOut) -> Steps:
        return () if self._clearing else sound_of(event, raw_format(self._asked))

    def _spoken(self, event: SpeechEnded) -> Steps:
        kind = event.ref.partition("-")[0]
        if kind == "clear":
            self._clearing -= 1
            return (Text(encode(Cleared(self._number()))),)
        # What was cleared is answered by Cleared, not by Flushed.
        if kind == "flush" and event.reason != "cancelled":
            return (Text(encode(Flushed(self._number()))),)
        return ()

    def _number(self) -> int:
        number, self._sequence = self._sequence, self._sequence + 1
        return number

    def _warn(self, code: str, text: str) -> Steps:
        return (Text(encode(Warn(code, text))),)

    def _fatal(self, error: OssicleError, code: int) -> Steps:
        if not self._accepted:
            return ()
        self._over, self.deadline = True, inf
        reason = {1003: "MESSAGE-0000", 1009: "BIG-0000"}[code]
        return (*self._warn(reason, str(error)), CloseChannel(code, reason))

    def _refuse(self, fault: Fault) -> Steps:
        self._over, self.deadline = True, inf
        return (refusal(fault, self._opening.id),)


def sound_of(event: AudioOut, fmt: AudioFormat) -> Steps:
    """Sound in messages that clients take."""
    if not event.data:
        return ()
    pieces = [Binary(event.data[at : at + _PIECE]) for at in range(0, len(event.data), _PIECE)]
    return (*pieces, played(event, fmt))


def played(event: AudioOut, fmt: AudioFormat) -> Played:
    """The client takes sound as fast as it reads, so what was sent counts as heard: the voice
    runs ahead of nobody."""
    return Played(
        utterance=event.utterance,
        until_ms=event.start_ms + -(-len(event.data) * 1000 // fmt.units_per_second),
    )
