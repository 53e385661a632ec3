"""The server half of `ossicle.v1`: what a client's messages mean, and how events are said.

The same class serves a framed channel (WebSocket: JSON text, binary audio), a byte stream (HTTP:
audio in, JSON lines, SSE or plain words out) and a call (WebRTC: sound on tracks, JSON text on a
data channel); what differs is in `Wire` objects.
"""

from math import inf
from typing import Protocol

import msgspec

from ossicle.core.commands import Audio, Cancel, End
from ossicle.core.errors import BadAudio, BadMessage, Fault, OssicleError
from ossicle.core.events import (
    AudioOut,
    Began,
    Ended,
    Event,
    Flow,
    Notice,
    Transcript,
)
from ossicle.core.ports import Steps
from ossicle.core.wire import Accept, Binary, Close, Fin, Mark, Media, Message, Opening, Ping, Text

from .credentials import SUBPROTOCOL, credential_of, in_url, offered
from .errors import close_code, refusal
from .messages import (
    AudioOutMessage,
    command_of,
    decode_client,
    encode,
    message_of,
    transcript_text,
)
from .query import configure_of
from .track import Track, over_media

__all__ = ["HEARTBEAT_S", "NativeServer", "Wire"]

HEARTBEAT_S = 20.0
"""A data message at least this often: proxies cut idle connections at 60-120 s, and some count
only data."""


class NativeServer:
    """Implements `core.ports.Dialect`."""

    name = "ossicle.v1"

    def __init__(self, *, heartbeat_s: float = HEARTBEAT_S) -> None:
        self.deadline = inf
        self.plain = True
        self.resumable = True
        self._heartbeat = heartbeat_s
        self._wire: Wire = _Socket()
        self._track: Track | None = None
        self._began: Began | None = None
        self._accepted = False
        self._flow: Flow | None = None
        self._elsewhere = False
        """The gateway reads the audio by URL."""
        self._guest = False
        """Beside somebody else's session: leaving does not end it."""

    def _choose(self, opening: Opening) -> None:
        """How this channel is written on."""
        if opening.traits.media:
            self._wire = self._track = Track()
            self.plain = False  # what is binary on a data channel is no audio
        else:
            self._wire = _Socket() if opening.traits.framed else _body(opening.header("accept"))
        self._opening = opening

    def open(self, opening: Opening, now: float) -> Steps:
        """A channel was asked for."""
        self._choose(opening)
        content_type = "" if opening.traits.framed else opening.header("content-type")
        try:
            configure = configure_of(
                opening.query, content_type, credential_of(opening), in_url=in_url(opening)
            )
            if not opening.traits.framed and configure.format is not None:
                _check_body(configure.format.encoding)
            if opening.traits.media:
                configure = over_media(configure)
        except OssicleError as error:
            return (refusal(error.fault()),)
        join = configure.join
        self._guest = join is not None and join.role != "owner"
        if configure.audio_from:
            # Who leaves a recording that is read for it has lost nothing, and may ask again.
            self._elsewhere, self.plain, self.resumable = True, False, False
        return (configure,)

    def receive(self, message: Message, now: float) -> Steps:
        """A message from the client."""
        if self._track is not None and not isinstance(message, Text):
            return self._from_track(message, self._track, now)
        match message:
            case Binary() if self._elsewhere:
                return self._twice(now)
            case Binary(data=data):
                return (Audio(data=data),)
            case Text(data=text):
                try:
                    command = command_of(decode_client(text))
                except OssicleError as error:
                    notice = Notice(level="error", code=error.code, text=str(error))
                    return self._say(notice, now)
                if (
                    self._track is not None
                    and isinstance(command, Cancel)
                    and command.side == "out"
                ):
                    return (*self._track.hush(command.utterance), command)
                return (command,) if command is not None else ()
            case Fin():
                return () if self._elsewhere or self._guest else (End(),)
            case Close(code=code):
                # 1000 and 1001 (a page that is left) are goodbyes; anything else is a drop
                goodbye = code in {None, 1000, 1001, 1005} and not self._guest
                return (End(),) if goodbye else ()
            case Ping():
                return ()
            case _:
                error = BadMessage(f"{type(message).__name__} is not part of ossicle.v1")
                return self._say(Notice(level="error", code=error.code, text=str(error)), now)

    def _from_track(self, message: Message, track: Track, now: float) -> Steps:
        """What a call brings besides words."""
        match message:
            case Media() if self._guest or self._elsewhere:
                return ()  # a microphone that nobody listens to
            case Media(data=data):
                return (Audio(data=data),)
            case Mark(name=name):
                played = track.reached(name)
                return (played,) if played is not None else ()
            case Close(code=code):
                return (End(),) if code in {None, 1000, 1001} and not self._guest else ()
            case Binary():
                error = BadMessage(
                    "audio comes on the track here; the data channel takes JSON text"
                )
                return self._say(Notice(level="error", code=error.code, text=str(error)), now)
            case _:
                return ()

    def _twice(self, now: float) -> Steps:
        """Audio came although the session reads its audio elsewhere."""
        error = BadMessage("audio came beside audio_from; send the one or name the other")
        if not self._opening.traits.framed and not self._accepted:
            return (refusal(error.fault()),)
        return self._say(Notice(level="error", code=error.code, text=str(error)), now)

    def send(self, event: Event, now: float) -> Steps:
        """An event for the client."""
        if not self._accepted:
            return self._answer(event, now)
        if type(event) is Transcript:  # nearly every event
            self.deadline = now + self._heartbeat
            return self._wire.say(event)
        match event:
            case Ended():
                self.deadline = inf
                return (*self._wire.say(event), self._wire.close(event.error))
            case Flow():
                self._flow = event
                return self._say(event, now) if self._wire.flow else ()
            case _:
                return self._say(event, now)

    def _answer(self, event: Event, now: float) -> Steps:
        """An event while the handshake is held: most of them end that."""
        match event:
            case Began():
                # A session that goes on is known to be good, and its client waits to hear where.
                if self._wire.accepts_at_once or event.resumed:
                    return (*self._accept(now), *self._say(event, now))
                self._began = event
                return ()
            case Ended():
                return self._refuse(event, now)
            case Flow():
                self._flow = event
                return ()
            case _:
                began, self._began = self._began, None
                first = self._wire.say(began) if began is not None else ()
                return (*self._accept(now), *first, *self._say(event, now))

    def expire(self, now: float) -> Steps:
        """Nothing was sent for a while: repeat the last flow, which is true for ever."""
        if now < self.deadline:
            return ()
        self.deadline = now + self._heartbeat
        return self._wire.beat(self._flow)

    def _say(self, event: Event, now: float) -> Steps:
        self.deadline = now + self._heartbeat
        return self._wire.say(event)

    def _accept(self, now: float) -> Steps:
        self._accepted = True
        self.deadline = now + self._heartbeat
        chosen = SUBPROTOCOL if SUBPROTOCOL in offered(self._opening) else ""
        return (Accept(self._wire.headers, chosen, flush=True),)

    def _refuse(self, event: Ended, now: float) -> Steps:
        if event.error is not None:
            session = self._began.session if self._began is not None else ""
            return (self._wire.refuse(event.error, session),)
        # nothing was ever sent: an empty session, politely ended
        began, self._began = self._began, None
        first = self._wire.say(began) if began is not None else ()
        return (*self._accept(now), *first, *self._wire.say(event), self._wire.close(None))


class Wire(Protocol):
    """How events are written on one kind of channel."""

    accepts_at_once: bool
    """False: the status is held until the audio is recognised, so that bad audio is a 4xx."""
    flow: bool
    headers: tuple[tuple[str, str], ...]

    def say(self, event: Event) -> Steps: ...
    def beat(self, flow: Flow | None) -> tuple[Message, ...]: ...
    def close(self, fault: Fault | None) -> Close: ...
    def refuse(self, fault: Fault, session: str) -> Close: ...


class _Socket:
    """JSON text and binary sound."""

    accepts_at_once = True
    flow = True
    headers: tuple[tuple[str, str], ...] = ()

    def say(self, event: Event) -> tuple[Message, ...]:
        if type(event) is Transcript:
            return (Text(transcript_text(event)),)
        text = Text(encode(message_of(event)))
        return (text, Binary(event.data)) if type(event) is AudioOut else (text,)

    def beat(self, flow: Flow | None) -> tuple[Message, ...]:
        return self.say(flow) if flow is not None else (Ping(),)

    def close(self, fault: Fault | None) -> Close:
        return Close(close_code(fault), fault.code if fault is not None else "")

    def refuse(self, fault: Fault, session: str) -> Close:
        return refusal(fault, session)


class _Body:
    """An HTTP response: its code has been sent when it ends."""

    def close(self, fault: Fault | None) -> Close:
        return Close(None, fault.code if fault is not None else "")

    def refuse(self, fault: Fault, session: str) -> Close:
        return refusal(fault, session)


class _Lines(_Body):
    """One JSON object a line; sound as base64."""

    accepts_at_once = False
    flow = True
    headers = (("content-type", "application/x-ndjson"), ("cache-control", "no-store"))

    def say(self, event: Event) -> tuple[Message, ...]:
        message = message_of(event)
        if isinstance(event, AudioOut) and isinstance(message, AudioOutMessage):
            message = msgspec.structs.replace(message, data=event.data)
        return (Text(self.frame(encode(message), event)),)

    def frame(self, text: str, event: Event) -> str:
        return text + "\n"

    def beat(self, flow: Flow | None) -> tuple[Message, ...]:
        """An observer has no flow. A space is part of the next line, where JSON allows it (RFC
        8259 section 2): readers that parse line by line never see it by itself."""
        return self.say(flow) if flow is not None else (Text(" "),)


class _EventStream(_Lines):
    """Server-sent events (HTML Living Standard, section 9.2)."""

    headers = (("content-type", "text/event-stream"), ("cache-control", "no-store"))

    def frame(self, text: str, event: Event) -> str:
        number = f"id: {event.seq}\n" if event.seq else ""
        return f"{number}event: {_name(event)}\ndata: {text}\n\n"

    def beat(self, flow: Flow | None) -> tuple[Message, ...]:
        return (Text(": still here\n\n"),)


class _Words(_Body):
    """The words of each turn on a line, and nothing else."""

    accepts_at_once = False
    flow = False
    headers = (("content-type", "text/plain; charset=utf-8"), ("cache-control", "no-store"))

    def __init__(self) -> None:
        self._turns: dict[int, list[str]] = {}

    def say(self, event: Event) -> tuple[Message, ...]:
        match event:
            case Transcript(side="in", final=True):
                words = self._turns.setdefault(event.channel, [])
                if event.text:
                    words.append(event.text)
                if not event.ends_turn or not words:
                    return ()
                line = " ".join(words)
                words.clear()
                return (Text(line + "\n"),)
            case Ended(error=error) if error is not None:
                return (Text(f"[{error.code}: {error.text}]\n"),)
            case _:
                return ()

    def beat(self, flow: Flow | None) -> tuple[Message, ...]:
        return ()


def _check_body(encoding: str) -> None:
    """Bare packets need a wire that keeps them apart.

    Raises:
        BadAudio: they were declared for a body, which has no packets.
    """
    if encoding in {"opus", "speex"}:
        raise BadAudio(
            f"bare {encoding} packets have no boundaries in a body: send ogg, or use a WebSocket",
            code="unsupported_audio",
        )


def _body(accept: str) -> Wire:
    """What an HTTP client wants to read: the first kind we have in its Accept header."""
    for item in accept.lower().split(","):
        match item.partition(";")[0].strip():
            case "text/event-stream":
                return _EventStream()
            case "text/plain":
                return _Words()
            case "application/x-ndjson" | "application/json" | "application/jsonl":
                return _Lines()
            case _:
                continue
    return _Lines()


def _name(event: Event) -> str:
    return str(type(message_of(event)).__struct_config__.tag)
