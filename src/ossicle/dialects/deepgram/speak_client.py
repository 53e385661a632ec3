"""The client half of `/v1/speak`: somebody else's voice as events.

An utterance is what is between two flushes: `Speak` without `more` is a `Speak` and a `Flush`, and
`Flushed` ends it. Losses: words of the speech are not told by this wire, and ears have no place.
"""

from collections import deque
from math import inf

from ossicle.core.commands import Cancel, Command, Configure, End
from ossicle.core.commands import Speak as SpeakCommand
from ossicle.core.errors import Fault, OssicleError
from ossicle.core.events import (
    AudioOut,
    Began,
    Configured,
    Ended,
    Event,
    Notice,
    SpeechEnded,
    SpeechStarted,
)
from ossicle.core.formats import AudioFormat
from ossicle.core.options import Options, merged
from ossicle.core.ports import ClientSteps
from ossicle.core.wire import Binary, Message, Opening, Ping, Text
from ossicle.core.wire import Close as CloseChannel

from .credentials import headers_with
from .speak_messages import (
    Clear,
    Cleared,
    Close,
    Flush,
    Flushed,
    Metadata,
    Speak,
    Warn,
    decode_server,
    encode,
)
from .speak_query import query_of

__all__ = ["SpeakClient"]

_PING_S = 20.0


class SpeakClient:
    """Implements `core.ports.ClientDialect`."""

    name = "deepgram.speak"

    def __init__(self) -> None:
        self.deadline = inf
        self._options = Options()
        self._format = AudioFormat("pcm_s16le", 24_000)
        self._refs: deque[str] = deque()
        """Of flushes that are not answered."""
        self._count = self._bytes = 0
        self._speaking = self._closing = self._over = self._begun = False

    def open(self, configure: Configure) -> Opening:
        """The request for a channel."""
        self._options = merged(Options(), configure.patch)
        self._format = configure.speaks or self._format
        headers = headers_with(configure.credential)
        return Opening(path="/v1/speak", query=tuple(query_of(configure)), headers=headers)

    def send(self, command: Command, now: float) -> ClientSteps:
        """What the user wants, as messages."""
        self.deadline = now + _PING_S
        match command:
            case SpeakCommand(text=str(text), more=more):
                said = (Text(encode(Speak(text))),) if text else ()
                if more:
                    return said
                self._refs.append(command.ref)
                return (*said, Text(encode(Flush())))
            case Cancel(side="out"):
                return (Text(encode(Clear())),)
            case End():
                self._closing = True
                return (Text(encode(Close())),)
            case _:
                return ()

    def receive(self, message: Message, now: float) -> ClientSteps:
        """A message from the server."""
        if self._over:
            return ()
        match message:
            case Text(data=text):
                return self._text(text, now)
            case Binary(data=data):
                return self._sound(data)
            case CloseChannel():
                return self._closed(message)
            case _:
                return ()

    def expire(self, now: float) -> ClientSteps:
        """Nothing was sent for a while."""
        if now < self.deadline:
            return ()
        self.deadline = now + _PING_S
        return (Ping(),)

    def _text(self, text: str, now: float) -> ClientSteps:
        try:
            message = decode_server(text)
        except OssicleError as error:
            return (CloseChannel(1003, "MESSAGE-0000"), *self._end(error.fault()))
        match message:
            case Metadata(request_id=request_id):
                if self._begun:
                    return ()
                self._begun = True
                self.deadline = now + _PING_S
                return (Began(session=request_id), Configured(options=self._options))
            case Flushed():
                return self._spoken("done", self._refs.popleft() if self._refs else "")
            case Cleared():
                cut = tuple(self._refs)
                self._refs.clear()
                first = self._spoken("cancelled", cut[0] if cut else "", always=bool(cut))
                rest = (self._spoken("cancelled", ref) for ref in cut[1:])
                return (*first, *(event for events in rest for event in events))
            case Warn(code=code, description=description):
                return (Notice(level="warning", code=code.lower(), text=description),)

    def _sound(self, data: bytes) -> ClientSteps:
        if not data:
            return ()
        before: tuple[Event, ...] = ()
        if not self._speaking:
            self._speaking = True
            before = (SpeechStarted(side="out", utterance=self._name, at_ms=0),)
        start = self._format.ms(self._bytes)
        self._bytes += len(data)
        return (*before, AudioOut(utterance=self._name, data=data, start_ms=start))

    def _spoken(self, reason: str, ref: str, *, always: bool = True) -> tuple[SpeechEnded, ...]:
        if not self._speaking and not always:
            return ()
        end = SpeechEnded(
            side="out",
            utterance=self._name,
            at_ms=self._format.ms(self._bytes),
            reason="cancelled" if reason == "cancelled" else "done",
            ref=ref,
        )
        self._speaking = False
        self._count += 1
        self._bytes = 0
        return (end,)

    @property
    def _name(self) -> str:
        return f"u{self._count + 1}"

    def _closed(self, close: CloseChannel) -> ClientSteps:
        if self._closing and close.code in {None, 1000, 1005}:
            return self._end(None)
        if not self._begun:
            code = close.code or 0
            kind = {401: "unauthorized", 403: "forbidden", 429: "rate_limited"}.get(
                code, "bad_request" if 400 <= code < 500 else "engine_unavailable"
            )
            whose = "client" if 400 <= code < 500 else "upstream"
            return self._end(Fault(kind, f"refused with status {code}", whose, code >= 500))
        return self._end(Fault("connection_lost", f"closed with {close.code}", "us", True))

    def _end(self, fault: Fault | None) -> ClientSteps:
        self._over, self.deadline = True, inf
        last = self._spoken("done", "", always=False) if fault is None else ()
        return (*last, Ended(reason="done" if fault is None else "failed", error=fault))
