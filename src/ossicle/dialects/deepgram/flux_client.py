"""The client half of Flux: how to use a Flux server as if it were an engine's events.

`EndOfTurn` becomes the last final, everything before it partials of one segment. After
`CloseStream` the last text is a final too, since the service ends no turn then. Losses: `Update`
says nothing between two, a `Finalize` outside a turn is answered by an empty final, and commands
that Flux has no message for are dropped.
"""

from collections import deque
from math import inf
from typing import Any, cast

import msgspec
from msgspec import UNSET

from ossicle.core.commands import Audio, Command, Configure, End, Finalize
from ossicle.core.errors import Fault, OssicleError
from ossicle.core.events import (
    Began,
    Configured,
    Ended,
    Event,
    Notice,
    SpeechEnded,
    SpeechStarted,
    Transcript,
    TurnReason,
)
from ossicle.core.events import Word as CoreWord
from ossicle.core.options import Options, merged
from ossicle.core.ports import ClientSteps
from ossicle.core.wire import Accept, Binary, Close, Message, Opening, Ping, Text

from .credentials import headers_with
from .flux_messages import (
    CloseStream,
    ConfigureFailure,
    ConfigureSuccess,
    Connected,
    Error,
    ForceEndTurn,
    Thresholds,
    TurnInfo,
    Warn,
    decode_server,
    encode,
)
from .flux_messages import Configure as ConfigureMessage
from .flux_query import query_of

__all__ = ["FluxClient"]

_PING_S = 5.0
"""The service closes after 10 s without audio, message or ping."""


class FluxClient:
    """Implements `core.ports.ClientDialect`."""

    name = "deepgram.flux"

    def __init__(self) -> None:
        self.deadline = inf
        self.plain = True
        self._options = Options()
        self._finalizes: deque[str] = deque()
        self._configures: deque[Configure] = deque()
        self._open = self._provisional = self._closing = self._over = False
        self._turn = 0
        self._last: Transcript | None = None

    def open(self, configure: Configure) -> Opening:
        """The request for a channel."""
        self._options = merged(Options(), configure.patch)
        headers = headers_with(configure.credential)
        return Opening(path="/v2/listen", query=tuple(query_of(configure)), headers=headers)

    def send(self, command: Command, now: float) -> ClientSteps:
        """What the user wants, as messages."""
        self.deadline = now + _PING_S
        match command:
            case Audio(data=data):
                return (Binary(data),) if data else ()
            case Finalize(ref=ref):
                self._finalizes.append(ref)
                return (Text(encode(ForceEndTurn())),)
            case End():
                self._closing = True
                return (Text(encode(CloseStream())),)
            case Configure():
                self._configures.append(command)
                return (Text(encode(message_of(command))),)
            case _:
                return ()

    def receive(self, message: Message, now: float) -> ClientSteps:
        """A message from the server."""
        match message:
            case Accept():
                self.deadline = now + _PING_S
                return ()
            case Text(data=text) if not self._over:
                return self._text(text)
            case Close():
                return self._closed(message)
            case _:
                return ()

    def expire(self, now: float) -> ClientSteps:
        """Nothing was sent for a while: a ping counts as activity."""
        if now < self.deadline:
            return ()
        self.deadline = now + _PING_S
        return (Ping(),)

    def _text(self, text: str) -> ClientSteps:
        try:
            message = decode_server(text)
        except OssicleError as error:
            return (Close(1003, "MESSAGE-0000"), *self._end(error.fault()))
        match message:
            case Connected(request_id=request_id):
                return (Began(session=request_id), Configured(options=self._options))
            case TurnInfo():
                return self._info(message)
            case ConfigureSuccess():
                ref = ""
                if self._configures:
                    command = self._configures.popleft()
                    self._options, ref = merged(self._options, command.patch), command.ref
                return (Configured(options=self._options, ref=ref),)
            case ConfigureFailure(code=code, description=description):
                ref = self._configures.popleft().ref if self._configures else ""
                return (Notice(level="error", code=code.lower(), text=description, ref=ref),)
            case Warn(code="NO_TURN_TO_END") if self._finalizes:
                return (Transcript(final=True, ends_turn=True, ref=self._finalizes.popleft()),)
            case Warn(code=code, description=description):
                return (Notice(level="warning", code=code.lower(), text=description),)
            case Error(code=code, description=description):
                return self._end(Fault(code.lower(), description, "upstream", False))

    def _info(self, message: TurnInfo) -> ClientSteps:
        said = _transcript(message)
        self._last = said
        match message.event:
            case "StartOfTurn":
                self._open = True
                return (self._started(message), said)
            case "Update":
                return (said,) if self._open and said.text else ()
            case "EagerEndOfTurn":
                self._provisional = True
                return (said, self._ended(message, "model", provisional=True))
            case "TurnResumed":
                self._provisional = False
                return (self._started(message),)
            case "EndOfTurn":
                self._open = self._provisional = False
                manual = message.trigger == "manual"
                reason: TurnReason = (
                    "asked" if manual else "timeout" if message.trigger == "timeout" else "model"
                )
                ref = self._finalizes.popleft() if manual and self._finalizes else ""
                final = msgspec.structs.replace(said, final=True, ends_turn=True, ref=ref)
                return (self._ended(message, reason), final)

    def _started(self, message: TurnInfo) -> SpeechStarted:
        at = message.words[-1 if self._provisional else 0].start if message.words else None
        return SpeechStarted(at_ms=None if at is None else _ms(at), turn=message.turn_index)

    def _ended(
        self, message: TurnInfo, reason: TurnReason, *, provisional: bool = False
    ) -> SpeechEnded:
        words = message.words
        return SpeechEnded(
            at_ms=_ms(words[-1].end if words else message.audio_window_end),
            turn=message.turn_index,
            reason=reason,
            provisional=provisional,
            confidence=message.end_of_turn_confidence or None,
        )

    def _closed(self, close: Close) -> ClientSteps:
        self.deadline = inf
        if self._over:
            return ()
        if close.body:
            return self._end(_refused(close))
        if self._closing and close.code in {None, 1000, 1005}:
            return self._end(None)
        return self._end(Fault("connection_lost", f"closed with {close.code}", "us", True))

    def _end(self, fault: Fault | None) -> ClientSteps:
        self._over, self.deadline = True, inf
        events: list[Event] = []
        if self._open and self._last is not None and fault is None:
            # The last Update is the text: the service ends no turn after CloseStream.
            events.append(SpeechEnded(at_ms=self._last.end_ms, turn=self._last.turn, reason="end"))
            events.append(msgspec.structs.replace(self._last, final=True, ends_turn=True))
        events.append(Ended(reason="done" if fault is None else "failed", error=fault))
        return tuple(events)


class _RefusalBody(msgspec.Struct):
    err_code: str = ""
    err_msg: str = ""
    message: str = ""


_CODES = {401: "unauthorized", 403: "forbidden", 404: "not_found", 429: "rate_limited"}


def _refused(close: Close) -> Fault:
    try:
        body = msgspec.json.decode(close.body, type=_RefusalBody)
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        body = _RefusalBody()
    code = close.code or 0
    kind = _CODES.get(code, "bad_request" if 400 <= code < 500 else "engine_unavailable")
    text = body.err_msg or body.message or f"refused with status {code}"
    return Fault(
        kind, text, "client" if code < 500 else "upstream", code in {408, 429} or code > 499
    )


def _transcript(message: TurnInfo) -> Transcript:
    words = message.words
    return Transcript(
        text=message.transcript,
        start_ms=_ms(words[0].start if words else message.audio_window_start),
        end_ms=_ms(words[-1].end if words else message.audio_window_end),
        turn=message.turn_index,
        words=tuple(
            CoreWord(word.word, _ms(word.start), _ms(word.end), word.confidence or None)
            for word in words
        ),
        end_confidence=message.end_of_turn_confidence or None,
    )


def message_of(command: Configure) -> ConfigureMessage:
    """A change of options in Flux's words; what it has none for is left out."""
    asked = cast("dict[str, Any]", command.patch.get("recognition") or {})
    patched = cast("dict[str, Any]", asked.get("turns") or {})
    after = merged(Options(), command.patch).recognition
    values = {
        name: getattr(after.turns, ours)
        for ours, name in (
            ("confidence", "eot_threshold"),
            ("eager", "eager_eot_threshold"),
            ("silence_ms", "eot_timeout_ms"),
        )
        if ours in patched
    }
    return ConfigureMessage(
        thresholds=msgspec.convert(values, Thresholds) if values else UNSET,
        keyterms=tuple(hint.text for hint in after.hints) if "hints" in asked else UNSET,
    )


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
