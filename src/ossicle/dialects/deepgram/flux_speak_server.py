"""The server half of `/v2/speak` over a WebSocket: speech in turns.

    Connected ─ (SpeechStarted ─ sound ─ Flushed ─ SpeechMetadata)* ─ SessionMetadata ─ 1000

A turn is what is between two flushes; turns wait for each other, and all sound between
`SpeechStarted` and `SpeechMetadata` belongs to the turn. `Interrupt` takes back the turn that is
spoken and those that wait: an utterance of nothing behind the cancelled ones proves that all of
them are over, however far the reader is behind, and is answered by `SpeechInterrupted`.

Loss: which words were heard is not told (`text_spoken`), since voices tell no times of words.
"""

from collections import deque
from math import inf
from uuid import uuid4

import msgspec

from ossicle.core.commands import Cancel, End
from ossicle.core.commands import Speak as SpeakCommand
from ossicle.core.errors import BadMessage, Fault, OssicleError, Refused
from ossicle.core.events import AudioOut, Configured, Ended, Event, Notice, SpeechEnded
from ossicle.core.options import SynthesisOptions
from ossicle.core.ports import Steps
from ossicle.core.wire import Accept, Binary, Message, Opening, Text
from ossicle.core.wire import Close as CloseChannel

from .credentials import subprotocol_of
from .errors import closing, refusal, request_headers
from .flux_speak_messages import (
    Applied,
    Close,
    Configure,
    ConfigureFailure,
    ConfigureSuccess,
    Connected,
    Error,
    Flush,
    Flushed,
    Interrupt,
    ServerMessage,
    SessionMetadata,
    Speak,
    SpeechInterrupted,
    SpeechMetadata,
    SpeechStarted,
    Turn,
    Warn,
    decode_client,
    encode,
)
from .speak_query import Asked, asked_of, check_flux, check_pace, configure_of, raw_format
from .speak_server import IDLE_S, MOST_TEXT, NO_VOICE, model_uuid, sound_of

__all__ = ["FluxSpeakServer"]

_MOST_TURNS = 100
"""Turns that wait to be spoken. The service names no limit; a queue has one."""


class _Turn:
    """A turn that is not over."""

    __slots__ = ("audio_ms", "characters", "id", "ref")

    def __init__(self) -> None:
        self.id = f"dg_sp_{uuid4().hex[:12]}"
        self.characters = 0
        self.audio_ms = 0
        self.ref = ""
        """Of its flush; empty = its text goes on."""

    def told(self) -> Turn:
        return Turn(self.id, self.audio_ms, self.characters, self.characters)


class FluxSpeakServer:
    """Implements `core.ports.Dialect`."""

    name = "deepgram.flux-speak"

    def __init__(self) -> None:
        self.deadline = inf
        self.plain = False
        self.resumable = False
        self._opening = Opening()
        self._asked = Asked("", "linear16", 24_000, 1.0)
        self._voice = SynthesisOptions()
        self._changed = False
        """The pace was set since; else a turn has the session's own options."""
        self._accepted = self._over = self._ending = False
        self._turns: deque[_Turn] = deque()
        """In order; the first is spoken, the others wait."""
        self._interrupted: tuple[Turn, int] | None = None
        """What `SpeechInterrupted` will say, once all older sound is over."""
        self._count = 0
        self._offset = -1
        """The last place that an interrupt named."""
        self._sound_ms = self._characters = 0

    def open(self, opening: Opening, now: float) -> Steps:
        """A channel was asked for."""
        self._opening = opening
        try:
            check_flux(opening)
            self._asked = asked_of(opening)
            return (configure_of(opening, self._asked, raw_format(self._asked)),)
        except OssicleError as error:
            return self._refuse(error.fault())

    # ── from the client ──

    def receive(self, message: Message, now: float) -> Steps:
        """A message from the client."""
        if self._over:
            return ()
        if self._accepted:
            self.deadline = now + IDLE_S
        match message:
            case Text(data=text):
                return self._text(text)
            case Binary():
                return self._fatal(BadMessage("text messages are taken here, no sound"), 1003)
            case _:
                return ()

    def _text(self, text: str) -> Steps:
        try:
            message = decode_client(text)
        except BadMessage as error:
            return self._fatal(error, 1003)
        if self._ending or not self._accepted:
            return ()
        match message:
            case Speak(text=said):
                return self._speak(said)
            case Flush():
                return self._flush()
            case Interrupt():
                return self._interrupt(message)
            case Configure():
                return self._configure(message)
            case Close():
                self._ending = True
                return (End(),)

    def _speak(self, text: str) -> Steps:
        if len(text) > MOST_TEXT:
            error = Refused(
                f"{len(text)} characters in one text; the limit is {MOST_TEXT}", code="too_large"
            )
            return self._fatal(error, 1009)
        if not text:
            return ()
        started: Steps = ()
        if not self._turns or self._turns[-1].ref:
            if len(self._turns) >= _MOST_TURNS:
                return self._warn("TOO_MANY_TURNS", f"{_MOST_TURNS} turns wait to be spoken")
            self._turns.append(_Turn())
            started = self._start() if len(self._turns) == 1 else ()
        self._turns[-1].characters += len(text)
        self._characters += len(text)
        options = self._voice if self._changed else None
        return (*started, SpeakCommand(text=text, more=True, options=options))

    def _start(self) -> Steps:
        """Say that the first turn begins, unless an older one is still being taken back."""
        if not self._turns or self._interrupted is not None:
            return ()
        return self._say(SpeechStarted(self._turns[0].id))

    def _flush(self) -> Steps:
        turn = self._turns[-1] if self._turns else None
        if turn is None or turn.ref:
            return self._warn("NO_ACTIVE_SPEECH", "there is no text to flush")
        turn.ref = self._ref("flush")
        return (SpeakCommand(text="", ref=turn.ref),)

    def _interrupt(self, message: Interrupt) -> Steps:
        offset = message.playback_offset
        if self._interrupted is not None:
            return self._warn("INTERRUPT_IN_PROGRESS", "an interrupt is being done")
        if not self._sound_ms:
            return self._warn("NO_AUDIO_GENERATED", "no sound was made yet")
        if not self._turns:
            return self._warn("NO_ACTIVE_SPEECH", "nothing is being spoken")
        if offset is not None and offset.value <= self._offset:
            text = f"playback_offset {offset.value} is not after {self._offset}, the last one"
            return self._warn("INVALID_INTERRUPT_OFFSET", text)
        turn = self._turns[0]
        self._turns.clear()
        if offset is not None:  # the session's sound is now what was played of it
            self._offset = self._sound_ms = offset.value
        self._interrupted = (turn.told(), self._sound_ms)
        return (Cancel(side="out"), SpeakCommand(text="", ref=self._ref("interrupt")))

    def _configure(self, message: Configure) -> Steps:
        speed = message.speed
        if isinstance(speed, float):
            if (code := check_pace(speed)) is not None:
                text = "speed is 0.5 to 1.5, in steps of 0.05"
                return self._say(ConfigureFailure(code, text, "speed", speed))
            self._changed = True
            self._voice = msgspec.structs.replace(self._voice, speed=speed)
        applied = Applied(self._voice.speed) if self._changed else Applied()
        return self._say(ConfigureSuccess(applied))

    def _ref(self, kind: str) -> str:
        self._count += 1
        return f"{kind}-{self._count}"

    # ── to the client ──

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
                return self._last(event)
            case _:
                return ()

    def expire(self, now: float) -> Steps:
        """The client said nothing for an hour."""
        if now < self.deadline:
            return ()
        return self._broken(Fault("idle", "no message came for an hour", "client", True))

    def _answer(self, event: Event, now: float) -> Steps:
        match event:
            case Configured():
                if event.options.speaks is None:
                    return self._refuse(NO_VOICE)
                self._voice = event.options.synthesis
                self._accepted = True
                self.deadline = now + IDLE_S
                accept = Accept(
                    request_headers(self._opening.id), subprotocol_of(self._opening), flush=True
                )
                name, uuid = self._asked.model, model_uuid(self._opening.id)
                return (accept, *self._say(Connected(self._opening.id, name, "1", [uuid])))
            case Ended():
                return self._refuse(
                    event.error or Fault("draining", "the gateway is stopping", "us", True)
                )
            case _:
                return ()

    def _sound(self, event: AudioOut) -> Steps:
        if self._interrupted is not None or not self._turns:
            return ()
        fmt = raw_format(self._asked)
        length = fmt.ms(len(event.data))
        self._turns[0].audio_ms += length
        self._sound_ms += length
        return sound_of(event, fmt)

    def _spoken(self, event: SpeechEnded) -> Steps:
        if self._interrupted is not None:
            if not event.ref.startswith("interrupt"):
                return ()  # of what was cut off
            (turn, played_ms), self._interrupted = self._interrupted, None
            return (*self._say(SpeechInterrupted(played_ms, turn)), *self._start())
        turn = self._turns[0] if self._turns else None
        if turn is None or event.ref != turn.ref:
            return ()
        self._turns.popleft()
        flushed = self._say(Flushed(turn.id)) if turn.ref else ()
        silent: Steps = ()
        if not turn.audio_ms:
            silent = self._warn("NO_SYNTHESIZABLE_TEXT", "the turn's text made no sound")
        return (
            *silent,
            *flushed,
            Text(encode(SpeechMetadata(**msgspec.structs.asdict(turn.told())))),
            *self._start(),
        )

    def _last(self, event: Ended) -> Steps:
        if event.error is not None:
            return self._broken(event.error)
        self._over, self.deadline = True, inf
        total = SessionMetadata(self._sound_ms, self._characters, self._characters)
        return (*self._say(total), closing(None))

    def _broken(self, fault: Fault) -> Steps:
        self._over, self.deadline = True, inf
        close = closing(fault)
        return (*self._say(Error(close.reason, fault.text)), close)

    def _say(self, message: ServerMessage) -> Steps:
        return (Text(encode(message)),)

    def _warn(self, code: str, text: str) -> Steps:
        return self._say(Warn(code, text))

    def _fatal(self, error: OssicleError, code: int) -> Steps:
        if not self._accepted:
            return ()
        self._over, self.deadline = True, inf
        reason = {1003: "MESSAGE-0000", 1009: "BIG-0000"}[code]
        return (*self._say(Error(reason, str(error))), CloseChannel(code, reason))

    def _refuse(self, fault: Fault) -> Steps:
        self._over, self.deadline = True, inf
        return (refusal(fault, self._opening.id, newer=True),)
