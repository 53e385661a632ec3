"""Following a session: `GET /v1/sessions/{id}/events`, as WebSocket, SSE, JSON lines or words; and
`/whep/{id}`, where the words are captions on a data channel and the voice is a track.

The same events as on `/v1/stream`, for a session of any dialect. Nothing can be asked here, and
nobody waits for who reads here.
"""

from ossicle.core.commands import Configure, Join
from ossicle.core.errors import BadMessage, OssicleError, Refused
from ossicle.core.events import AudioOut, Began, Event, Flow, Notice
from ossicle.core.ports import Steps
from ossicle.core.wire import Binary, Mark, Message, Opening, Text

from .credentials import credential_of, in_url
from .errors import refusal
from .server import HEARTBEAT_S, NativeServer

__all__ = ["NativeObserver"]

_YES = {"true", "1", "yes", "on"}
_KNOWN = ("since", "wait_s", "audio", "token", "traceparent", "node")


class NativeObserver(NativeServer):
    """Implements `core.ports.Dialect`."""

    def __init__(self, *, heartbeat_s: float = HEARTBEAT_S) -> None:
        super().__init__(heartbeat_s=heartbeat_s)
        self.plain = False
        self.resumable = False
        self._audio = False
        self._scolded = False

    def open(self, opening: Opening, now: float) -> Steps:
        """A channel was asked for."""
        self._choose(opening)
        try:
            for name, _ in opening.query:
                if name not in _KNOWN:
                    raise Refused(
                        f"parameter {name[:60]!r} is not known; there are {', '.join(_KNOWN)}",
                        code="bad_option",
                    )
            self._audio = opening.traits.media or opening.param("audio") in _YES
            join = Join(
                session=_named(opening.path),
                since=_since(opening),
                role="observer",
                wait_s=_seconds(opening.param("wait_s") or "0"),
            )
        except OssicleError as error:
            return (refusal(error.fault()),)
        configure = Configure(
            credential=credential_of(opening), credential_in_url=in_url(opening), join=join
        )
        return (configure,)

    def receive(self, message: Message, now: float) -> Steps:
        """An end, or something that should not have been sent."""
        if isinstance(message, Mark) and self._track is not None:
            self._track.reached(message.name)  # to be forgotten: who only listens tells nothing
            return ()
        if not isinstance(message, Text | Binary) or self._scolded or not self._accepted:
            return ()
        self._scolded = True  # once is enough
        error = BadMessage("an observer only reads: nothing that is sent here is heard")
        return self._say(Notice(level="warning", code=error.code, text=str(error)), now)

    def send(self, event: Event, now: float) -> Steps:
        """An event for the observer."""
        if isinstance(event, Flow) or (isinstance(event, AudioOut) and not self._audio):
            return ()
        if isinstance(event, Began) and not self._accepted:  # there is nothing to wait for
            return (*self._accept(now), *self._say(event, now))
        return super().send(event, now)


def _named(path: str) -> str:
    """`/v1/sessions/{name}/events` or `/whep/{name}`, decoded by the transport already."""
    name = path.removeprefix("/v1/sessions/").removesuffix("/events").removeprefix("/whep/")
    if not 0 < len(name) <= 200:
        raise Refused(f"a session's name has 1 to 200 characters, not {len(name)}")
    return name


def _since(opening: Opening) -> int:
    """`since`, or where a browser's EventSource says it was (HTML Living Standard 9.2.4)."""
    text = opening.header("last-event-id") or opening.param("since") or "0"
    if not text.isascii() or not text.isdecimal() or len(text) > 15:
        raise Refused(f"since={text[:40]!r}: the last seq you have", code="bad_option")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 600:
        raise Refused(f"wait_s={text[:40]!r}: 0 to 600 seconds", code="bad_option")
    return seconds
