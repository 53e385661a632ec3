"""The server half of `StreamingRecognize`.

    config ─ audio* ─ half close ─ the last finals ─ status OK

No limit of time or size is the service's; the session's own hold.
"""

from math import inf

import msgspec

from ossicle.core.commands import Configure, End
from ossicle.core.deadline import seconds_of
from ossicle.core.errors import Fault, OssicleError, TimedOut
from ossicle.core.events import Ended, Event, Notice, Transcript
from ossicle.core.ports import Steps
from ossicle.core.wire import Accept, Binary, Close, Fin, Message, Opening

from .asked import Asked, asked_of
from .asr_messages import (
    STREAMING_REQUEST,
    STREAMING_RESPONSE,
    RequestId,
    StreamingRecognitionConfig,
    StreamingRecognizeResponse,
    StreamingResult,
)
from .credentials import credential_of
from .errors import Unmet, closing, refusal
from .notices import trailing
from .sound import Sound
from .telling import Teller

__all__ = ["RivaServer"]

_START_S = 10.0
"""How long a call may be open before its configuration."""


class RivaServer:
    """Implements `core.ports.Dialect`."""

    name = "riva.asr"

    def __init__(self) -> None:
        self.deadline = inf
        self.plain = False  # audio stands inside a message
        self.resumable = False
        self._opening = Opening()
        self._asked: Asked | None = None
        self._sound: Sound | None = None
        self._teller: Teller | None = None
        self._id: RequestId | None = None
        self._warnings: list[str] = []
        self._over = False
        self._ending = False
        self._bytes = 0

    # ── from the client ──

    def open(self, opening: Opening, now: float) -> Steps:
        """A call."""
        self._opening = opening
        self.deadline = now + _START_S
        return (Accept(),)

    def receive(self, message: Message, now: float) -> Steps:
        """A request, or the client's half close."""
        if self._over:
            return ()
        match message:
            case Binary(data=data):
                try:
                    return self._request(data)
                except OssicleError as error:
                    return self._close(refusal(error))
            case Fin():
                return self._fin()
            case Close():
                self._over, self.deadline = True, inf
                return ()
            case _:
                return ()

    def _request(self, data: bytes) -> Steps:
        request = STREAMING_REQUEST.parse(data)
        if request.streaming_config is not None:
            self._id = request.id
            return self._configured(request.streaming_config)
        if self._sound is None:
            raise Unmet("Error: the first message has to be a streaming_config")
        audio = request.audio_content
        if audio is None:
            raise Unmet("Error: a message with neither streaming_config nor audio_content")
        if self._ending or not audio:
            return ()
        self._bytes += len(audio)
        return self._sound.feed(audio)

    def _configured(self, stream: StreamingRecognitionConfig) -> Steps:
        if self._asked is not None:
            raise Unmet("Error: streaming_config came twice; send it once, before audio")
        if stream.config is None:
            raise Unmet("Error: streaming_config without a config")
        self._asked = asked = asked_of(stream.config, interim=stream.interim_results)
        self._sound = Sound(asked)
        self._teller = Teller(asked)
        self._warnings += asked.warnings
        self.deadline = inf
        return (
            Configure(
                patch=asked.patch,
                format=self._sound.declared,
                credential=credential_of(self._opening),
                within_s=seconds_of(self._opening.header("grpc-timeout")),
            ),
        )

    def _fin(self) -> Steps:
        if self._sound is None or not self._bytes:
            return self._close(Close())  # nothing was said, so nothing is missing
        if self._ending:
            return ()
        self._ending = True
        try:
            return (*self._sound.finish(), End())
        except OssicleError as error:
            return self._close(refusal(error))

    # ── to the client ──

    def send(self, event: Event, now: float) -> Steps:
        """An event for the client."""
        if self._over:
            return ()
        match event:
            case Transcript(side="in"):
                return self._transcript(event)
            case Notice(level="warning" | "error"):
                self._warnings.append(f"{event.code}: {event.text}")
                return ()
            case Ended():
                return self._last(event)
            case _:
                return ()

    def _transcript(self, event: Transcript) -> Steps:
        teller, sound, asked = self._teller, self._sound, self._asked
        if teller is None or sound is None or asked is None:
            return ()
        processed = sound.seconds(event.end_ms or 0)
        if not event.final:
            results = teller.interim(event, processed) if asked.interim else ()
        else:
            readings = teller.alternatives(event)
            final = StreamingResult(
                readings,
                is_final=True,
                channel_tag=teller.tag(event),
                audio_processed=processed,
            )
            results = (final,) if readings else ()
        if not results:
            return ()
        response = StreamingRecognizeResponse(results, self._id)
        return (Binary(STREAMING_RESPONSE.write(response)),)

    def _last(self, event: Ended) -> Steps:
        if event.error is not None:
            return self._close(closing(event.error))
        if not self._ending:
            fault = Fault("draining", f"the session ended here: {event.reason}", "us", True)
            return self._close(closing(fault))
        return self._close(Close())

    def expire(self, now: float) -> Steps:
        """No configuration came."""
        if now < self.deadline or self._over:
            return ()
        text = f"no streaming_config came within {_START_S:g} s of the call"
        return self._close(refusal(TimedOut(text, code="handshake_timeout")))

    def _close(self, close: Close) -> Steps:
        self._over, self.deadline = True, inf
        return (msgspec.structs.replace(close, headers=trailing(self._warnings)),)
