"""The server half of `Recognize`: one recording, one answer (contracts M24).

The recording comes as one message and is handed on in pieces, one for each turn of the leg's
clock: that stands still while the session has enough, so a long recording fills no buffer.
"""

from math import inf

import msgspec

from ossicle.core.commands import Configure, End
from ossicle.core.deadline import seconds_of
from ossicle.core.errors import Fault, OssicleError
from ossicle.core.events import Ended, Event, Notice, Transcript
from ossicle.core.ports import Steps
from ossicle.core.wire import Accept, Binary, Close, Fin, Message, Opening

from .asked import asked_of
from .asr_messages import REQUEST, RESPONSE, RecognizeRequest, RecognizeResponse, Result
from .credentials import credential_of
from .errors import Unmet, closing, refusal
from .notices import trailing
from .sound import Sound
from .telling import Teller

__all__ = ["RivaRecognizer"]

_PIECE = 64 * 1024
_SOON_S = 0.001


class RivaRecognizer:
    """Implements `core.ports.Dialect`."""

    name = "riva.asr.unary"

    def __init__(self) -> None:
        self.deadline = inf
        self.plain = False
        self.resumable = False
        self._opening = Opening()
        self._request: RecognizeRequest | None = None
        self._place = 0
        self._sound: Sound | None = None
        self._teller: Teller | None = None
        self._warnings: list[str] = []
        self._finals: list[Transcript] = []
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
            case Binary(data=data) if self._request is None:
                try:
                    return self._asked(REQUEST.parse(data), now)
                except OssicleError as error:
                    return self._close(refusal(error))
            case Fin() if self._request is None:
                return self._close(refusal(Unmet("Error: the request is empty")))
            case Close():
                self._over, self.deadline = True, inf
                return ()
            case _:
                return ()

    def _asked(self, request: RecognizeRequest, now: float) -> Steps:
        if request.config is None:
            raise Unmet("Error: the request has no config")
        if not request.audio:
            raise Unmet("Error: the request has no audio")
        asked = asked_of(request.config)
        self._request = request
        self._sound, self._teller = Sound(asked), Teller(asked)
        self._warnings += asked.warnings
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
                self._warnings.append(f"{event.code}: {event.text}")
            case Ended() if not self._over:
                return self._last(event)
            case _:
                pass
        return ()

    def expire(self, now: float) -> Steps:
        """The next piece."""
        request, sound = self._request, self._sound
        if now < self.deadline or self._over or request is None or sound is None:
            return ()
        piece = request.audio[self._place : self._place + _PIECE]
        self._place += len(piece)
        try:
            if piece:
                self.deadline = now + _SOON_S
                return sound.feed(piece)
            self.deadline = inf
            self._request = msgspec.structs.replace(request, audio=b"")
            return (*sound.finish(), End())
        except OssicleError as error:
            return self._close(refusal(error))

    def _last(self, event: Ended) -> Steps:
        if event.error is not None:
            return self._close(closing(event.error))
        teller, request = self._teller, self._request
        if teller is None or request is None or self.deadline != inf:
            fault = Fault("draining", f"the session ended here: {event.reason}", "us", True)
            return self._close(closing(fault))
        results = tuple(
            Result(teller.alternatives(final), teller.tag(final), event.audio_ms / 1000)
            for final in self._finals
        )
        answer = RESPONSE.write(RecognizeResponse(results, request.id))
        return (Accept(), Binary(answer), *self._close(Close()))

    def _close(self, close: Close) -> Steps:
        self._over, self.deadline = True, inf
        return (msgspec.structs.replace(close, headers=trailing(self._warnings)),)
