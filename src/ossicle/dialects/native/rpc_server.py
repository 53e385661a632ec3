"""The server half of `ossicle.v1` over gRPC: `Speech/Stream`, `Speech/Listen`, `Speech/Recognize`.

The first message says what a WebSocket says in its URL; then everything is as there, in protobuf.
A half close is `end`, unless the client said that it says so itself: HAProxy half-closes a call
that it cuts, right before it resets it, and a session must not be over by that. The call ends with
a status and, where something went wrong, the error in its trailing metadata.
"""

from math import inf

import msgspec

from ossicle.core.commands import Audio, Configure, End
from ossicle.core.deadline import seconds_of
from ossicle.core.errors import BadMessage, ConnectionLost, Fault, OssicleError, TimedOut
from ossicle.core.events import AudioOut, Began, Ended, Event, Flow, Notice, Transcript
from ossicle.core.ports import Steps
from ossicle.core.wire import Accept, Binary, Close, Fin, Message, Opening

from .byhand import audio_in, write_transcript
from .credentials import key_of
from .protobuf import (
    read_listen,
    read_question,
    read_request,
    read_start,
    write_answer,
    write_event,
)
from .rpc_errors import SAYS_END, end
from .server import HEARTBEAT_S, NativeServer

__all__ = ["RpcListener", "RpcRecognizer", "RpcServer"]

_START_S = 10.0
"""How long a call may be open before its first message."""
_PIECE = 32 * 1024
"""Of the audio of a unary call: a second at 16 kHz, so that no engine is fed minutes at once."""


class _Protobuf:
    """How events are written here. See `server.Wire`."""

    accepts_at_once = True
    flow = True
    headers: tuple[tuple[str, str], ...] = ()

    def say(self, event: Event) -> tuple[Message, ...]:
        return (Binary(write_event(event)),)

    def beat(self, flow: Flow | None) -> tuple[Message, ...]:
        return self.say(flow) if flow is not None else ()

    def close(self, fault: Fault | None) -> Close:
        return end(fault)

    def refuse(self, fault: Fault, session: str) -> Close:
        return end(fault, session)


class RpcServer(NativeServer):
    """`Speech/Stream`. Implements `core.ports.Dialect`."""

    unwrap = staticmethod(audio_in)
    """See `core.ports.Wrapped`."""

    def __init__(self, *, heartbeat_s: float = HEARTBEAT_S) -> None:
        super().__init__(heartbeat_s=heartbeat_s)
        self.plain = False
        self._wire = _Protobuf()
        self._credential: str | None = None
        self._within: float | None = None
        self._started = False
        self._over = False
        self._says_end = False
        """The client ends by a message, never by a half close alone."""
        self._end_said = False

    def open(self, opening: Opening, now: float) -> Steps:
        """A call. Its first message says what it is for."""
        self._opening = opening
        self._credential = key_of(opening)
        self._within = seconds_of(opening.header("grpc-timeout"))
        self._says_end = SAYS_END in opening.headers
        self.deadline = now + _START_S
        return ()

    def receive(self, message: Message, now: float) -> Steps:
        """A message from the client."""
        if not self._started:
            return self._start(message)
        match message:
            case Binary(data=data):
                if (sound := audio_in(data)) is not None:
                    return self._twice(now) if self._elsewhere else (Audio(data=sound),)
                return self._request(data, now)
            case Fin():
                return self._half_closed()
            case _:
                return ()

    def send(self, event: Event, now: float) -> Steps:
        """An event for the client."""
        if type(event) is Transcript and self._accepted:  # nearly every event
            self.deadline = now + self._heartbeat
            return (Binary(write_transcript(event) or write_event(event)),)
        return super().send(event, now)

    def _half_closed(self) -> Steps:
        if self._guest or self._elsewhere or self._end_said:
            return ()
        if self._says_end:
            text = "the call was half-closed before its `end`: something on the way cut it"
            return self._refused(ConnectionLost(text))
        return (End(),)

    def expire(self, now: float) -> Steps:
        """No first message came; or nothing was sent for a while."""
        if self._started or now < self.deadline:
            return super().expire(now)
        text = f"no message came within {_START_S:g} s of the call"
        return self._refused(TimedOut(text, code="handshake_timeout"))

    def _start(self, message: Message) -> Steps:
        if self._over:
            return ()
        try:
            if not isinstance(message, Binary):
                raise BadMessage("the call was half-closed before its first message")
            configure = msgspec.structs.replace(self._read(message.data), within_s=self._within)
        except OssicleError as error:
            return self._refused(error)
        self._started = True
        self._guest = configure.join is not None and configure.join.role != "owner"
        if configure.audio_from:
            self._elsewhere, self.resumable = True, False
            self.unwrap = _nothing
        self.deadline = inf
        return (configure,)

    def _read(self, data: bytes) -> Configure:
        return read_start(data, self._credential)

    def _refused(self, error: OssicleError) -> Steps:
        self._over = True
        self.deadline = inf
        return (end(error.fault()),)

    def _request(self, data: bytes, now: float) -> Steps:
        try:
            command = read_request(data)
        except OssicleError as error:
            return self._say(Notice(level="error", code=error.code, text=str(error)), now)
        self._end_said = self._end_said or isinstance(command, End)
        return (command,) if command is not None else ()


def _nothing(data: bytes) -> bytes | None:
    """No message is audio where the gateway reads it elsewhere."""
    return None


class RpcListener(RpcServer):
    """`Speech/Listen`: follows a session of any dialect. Nothing can be asked here."""

    def __init__(self, *, heartbeat_s: float = HEARTBEAT_S) -> None:
        super().__init__(heartbeat_s=heartbeat_s)
        self.resumable = False
        self._audio = False

    def _read(self, data: bytes) -> Configure:
        join, self._audio = read_listen(data)
        return Configure(credential=self._credential, join=join)

    def receive(self, message: Message, now: float) -> Steps:
        """The one request; its half close says nothing more."""
        return () if self._started else self._start(message)

    def send(self, event: Event, now: float) -> Steps:
        """An event for who follows."""
        if isinstance(event, Flow) or (isinstance(event, AudioOut) and not self._audio):
            return ()
        return super().send(event, now)


class RpcRecognizer:
    """`Speech/Recognize`: one recording, one answer. Implements `core.ports.Dialect`."""

    name = "ossicle.v1"

    def __init__(self) -> None:
        self.deadline = inf
        self.plain = False
        self.resumable = False
        self._credential: str | None = None
        self._within: float | None = None
        self._audio: bytes | None = None
        self._elsewhere = False
        """The gateway reads the audio by URL."""
        self._began = Began()
        self._said: list[Transcript] = []

    def open(self, opening: Opening, now: float) -> Steps:
        """A call."""
        self._credential = key_of(opening)
        self._within = seconds_of(opening.header("grpc-timeout"))
        self.deadline = now + _START_S
        return ()

    def receive(self, message: Message, now: float) -> Steps:
        """The question; a unary client sends no second one."""
        if self._audio is not None:
            return ()
        try:
            if not isinstance(message, Binary):
                raise BadMessage("a call without a request")
            asked, self._audio = read_question(message.data, self._credential)
            if asked.audio_from and self._audio:
                raise BadMessage("audio came beside audio_from; send the one or name the other")
            self._elsewhere = bool(asked.audio_from)
        except OssicleError as error:
            return self._end(error.fault())
        self.deadline = inf
        return (msgspec.structs.replace(asked, within_s=self._within),)

    def send(self, event: Event, now: float) -> Steps:
        """What the session tells; only finals count."""
        match event:
            case Began():
                self._began, audio = event, self._audio or b""
                self._audio = b""
                if self._elsewhere:
                    return ()
                starts = range(0, len(audio), _PIECE)
                return (*(Audio(data=audio[at : at + _PIECE]) for at in starts), End())
            case Transcript(side="in", final=True):
                if event.text:
                    self._said.append(event)
                return ()
            case Ended(error=error) if error is not None:
                return (end(error, self._began.session),)
            case Ended():
                answer = write_answer(
                    self._said, event.audio_ms, self._began.session, self._began.engine
                )
                return (Accept(), Binary(answer), Close())
            case _:
                return ()

    def expire(self, now: float) -> Steps:
        """No request came."""
        if now < self.deadline:
            return ()
        text = f"no message came within {_START_S:g} s of the call"
        return self._end(TimedOut(text, code="handshake_timeout").fault())

    def _end(self, fault: Fault) -> Steps:
        self.deadline = inf
        self._audio = b""
        return (end(fault),)
