"""The server half of `Recognize`, for each version: one recording, one answer (contracts M24).

The recording comes as one message and is handed on in pieces, one for each turn of the leg's
clock: that stands still while the session has enough, so a long recording fills no buffer.
"""

from math import inf

from ossicle.core.commands import Configure, End
from ossicle.core.deadline import seconds_of
from ossicle.core.errors import Fault, OssicleError
from ossicle.core.events import Ended, Event, Notice, Transcript
from ossicle.core.ports import Steps
from ossicle.core.wire import Accept, Binary, Close, Fin, Message, Opening

from .credentials import credential_of
from .errors import Unmet, closing
from .notices import Notices
from .rules import GoogleRules
from .sound import Sound
from .telling import Teller
from .version import Version

__all__ = ["UnaryServer"]

_MOST = 10 << 20
"""Bytes of one recording, as at the service (wire note, §7)."""
_PIECE = 64 * 1024
_SOON_S = 0.001


class UnaryServer:
    """Implements `core.ports.Dialect`."""

    def __init__(self, version: Version, rules: GoogleRules | None = None) -> None:
        self.name = f"{version.name}.unary"
        self.deadline = inf
        self.plain = False
        self.resumable = False
        self._version = version
        self._opening = Opening()
        self._body = b""
        self._place = 0
        self._sound: Sound | None = None
        self._teller: Teller | None = None
        self._notices = Notices()
        self._finals: list[Transcript] = []
        self._asked = False
        self._over = False

    def open(self, opening: Opening, now: float) -> Steps:
        """A call; what it asks comes as its message."""
        self._opening = opening
        return ()

    def receive(self, message: Message, now: float) -> Steps:
        """The request."""
        if self._over:
            return ()
        match message:
            case Binary(data=data) if not self._asked:
                return self._request(data, now)
            case Fin() if not self._asked:
                return self._refused(Unmet("Invalid request: it is empty."))
            case Close():
                self._over, self.deadline = True, inf
                return ()
            case _:
                return ()

    def _request(self, data: bytes, now: float) -> Steps:
        self._asked = True
        try:
            asked, body = self._version.recording(data)
            if len(body) > _MOST:
                raise Unmet(f"Request payload size exceeds the limit: {_MOST} bytes.")
        except OssicleError as error:
            return self._refused(error)
        self._sound = Sound(asked.hearing)
        self._teller = Teller(asked, leading_blank=self._version.leading_blank)
        self._notices.add(asked.warnings)
        self._body = body
        self.deadline = now + _SOON_S
        return (
            Configure(
                patch=asked.patch,
                format=self._sound.declared,
                credential=credential_of(self._opening),
                within_s=seconds_of(self._opening.header("grpc-timeout")),
            ),
        )

    def send(self, event: Event, now: float) -> Steps:
        """What the session heard is kept until the end."""
        match event:
            case Transcript(side="in", final=True) if event.text:
                self._finals.append(event)
            case Notice(level="warning" | "error"):
                self._notices.add((f"{event.code}: {event.text}",))
            case Ended() if not self._over:
                return self._last(event)
            case _:
                pass
        return ()

    def expire(self, now: float) -> Steps:
        """The next piece."""
        sound = self._sound
        if now < self.deadline or self._over or sound is None:
            return ()
        piece = self._body[self._place : self._place + _PIECE]
        self._place += len(piece)
        try:
            if piece:
                self.deadline = now + _SOON_S
                return sound.feed(piece)
            self.deadline, self._body = inf, b""
            return (*sound.finish(), End())
        except OssicleError as error:
            return self._refused(error)

    def _last(self, event: Ended) -> Steps:
        if event.error is not None:
            # the request is whole, so that a client may well send it again
            generation = self._version.generation
            return self._close(closing(event.error, self._opening, generation, answered=True))
        if self._teller is None or self.deadline != inf:
            fault = Fault("draining", f"the session ended here: {event.reason}", "us", True)
            return self._close(closing(fault, self._opening, self._version.generation))
        readings = [self._teller.reading(final) for final in self._finals]
        answer = self._version.answer(
            [reading for reading in readings if reading is not None], event.audio_ms, self._opening
        )
        return (Accept(), Binary(answer), *self._close(Close()))

    def _refused(self, error: OssicleError) -> Steps:
        if isinstance(error, Unmet):
            return self._close(Close(int(error.status), str(error)))
        return self._close(closing(error.fault(), self._opening, self._version.generation))

    def _close(self, close: Close) -> Steps:
        self._over, self.deadline = True, inf
        self._body = b""
        return (Close(close.code, close.reason, self._notices.trailing()),)
