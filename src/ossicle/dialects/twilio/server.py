"""The server half of every carrier's media stream: what a call's messages mean to a session.

    upgrade ─ (signature) ─▶ Accept   connected, start ─▶ Configure   media… ─▶ Audio   stop ─▶ End

No transcript can be sent here: a carrier takes sound, marks and clears, and complains of anything
else. Words leave by observers and webhooks. A socket that says nothing valid for five seconds is
closed; one that falls silent for ten is taken for dead, since carriers send silence, too.
Always closed with 1000: Twilio reports anything else as an error of ours (31921).
"""

from collections.abc import Callable, Mapping
from math import inf

import msgspec

from ossicle.core.commands import Cancel, End, Speak, Tell
from ossicle.core.errors import BadMessage, Fault, OssicleError
from ossicle.core.events import AudioOut, Ended, Event, Marked, SpeechEnded, SpeechStarted
from ossicle.core.ports import Steps
from ossicle.core.wire import Accept, Binary, Close, Message, Opening, Text

from .calls import Carrier, Digits, Failed, Heard, Reached, Sound, Start, Stop, decode
from .guard import Guard, Refusal, Vouched, nobody_checks
from .messages import Twilio
from .mouth import Mouth
from .parameters import Wishes, configure_of, wishes_of
from .placing import Placing
from .plivo import Plivo
from .telnyx import Telnyx
from .vonage import Vonage

__all__ = ["CARRIERS", "CallServer"]

_START_S = 5.0
_SILENCE_S = 10.0
_MOST_BEFORE_START = 16
"""Messages taken before a start; a carrier sends one."""


class _First(msgspec.Struct, frozen=True):
    """What tells the carriers apart."""

    event: str
    streamSid: str | None = None  # noqa: N815  spelled as on the wire
    stream_id: str | None = None
    streamId: str | None = None  # noqa: N815


_first = msgspec.json.Decoder(_First)

CARRIERS: dict[str, Callable[[], Carrier]] = {
    "plivo": Plivo,
    "telnyx": Telnyx,
    "twilio": Twilio,
    "vonage": Vonage,
}


class CallServer:
    """Implements `core.ports.Dialect`."""

    def __init__(
        self,
        *carriers: str,
        guard: Guard = nobody_checks,
        start_s: float = _START_S,
        silence_s: float = _SILENCE_S,
    ) -> None:
        """
        Args:
            carriers: whose streams are taken; none = everybody's. The first message tells.
            guard: checks the handshake.
            start_s: how long a socket may go without a valid start.
            silence_s: how long a stream may be silent.
        """
        self.deadline = inf
        self.plain = False
        self.resumable = False
        self.name = carriers[0] if len(carriers) == 1 else "call"
        self._taken: Mapping[str, Callable[[], Carrier]] = {
            name: CARRIERS[name] for name in (carriers or CARRIERS)
        }
        self._guard = guard
        self._start_s = start_s
        self._silence_s = silence_s
        self._credential: str | None = None
        self._carrier: Carrier | None = None
        self._start: Start | None = None
        self._placing: Placing | None = None
        self._mouth: Mouth | None = None
        self._wishes = Wishes()
        self._alive_until = inf
        self._before = 0
        self._frames = self._heard_frames = False
        self._over = False
        self._why = ""

    def open(self, opening: Opening, now: float) -> Steps:
        """A carrier dials in. What it wants is said later, in its own messages."""
        match self._guard(opening):
            case Refusal(status=status, text=text):
                self._over = True
                headers = (("content-type", "text/plain; charset=utf-8"),)
                return (Close(status, "refused", headers, (text + "\n").encode()),)
            case Vouched(credential=credential):
                self._credential = credential
        self._alive_until = self.deadline = now + self._start_s
        return (Accept(),)

    def receive(self, message: Message, now: float) -> Steps:
        """A message of the carrier's."""
        if type(message) is Text and not self._over:  # nearly every one
            return self._text(message.data, now)
        match message:
            case Close():
                return self._stop()  # 1000 or simply gone: the same to a carrier
            case _ if self._over:
                return ()
            case Binary(data=data):
                return self._binary(data, now)
            case _:
                return ()

    def tap(self, data: bytes) -> bool:
        """See `core.ports.Tapped`: frames of sound go past us to the session."""
        if not self._frames or self._over:
            return False
        self._heard_frames = True
        return True

    def send(self, event: Event, now: float) -> Steps:
        """An event: only sound and its control can be said."""
        mouth = self._mouth
        match event:
            case Ended():
                self._over = True
                self.deadline = self._alive_until = inf
                return (Close(1000, self._why or _reason(event.error)),)
            case AudioOut() if mouth is not None:
                return self._timed(mouth.say(event, now))
            case SpeechStarted(side="in") if mouth is not None:
                if not (self._wishes.barge_in and mouth.busy):
                    return ()
                return (*self._timed(mouth.hush()), Cancel(side="out"))
            case Marked(name="", cleared=True) if mouth is not None:
                # Somebody else cancelled; the engine may have been done with it long ago.
                return self._timed(mouth.hush() if mouth.busy_with(event.utterance) else ())
            case SpeechEnded(side="out", reason="cancelled") if mouth is not None:
                return self._timed(mouth.hush() if mouth.busy_with(event.utterance) else ())
            case SpeechEnded(side="out") if mouth is not None:
                return self._timed(mouth.finish(event.utterance, now))
            case _:
                return ()

    def expire(self, now: float) -> Steps:
        """The next piece of sound is due, or nothing was heard of the carrier for too long."""
        if now < self.deadline:
            return ()
        if now >= self._alive_until and self._heard_frames and not self._over:
            self._heard_frames = False
            self._alive_until = now + self._silence_s
        if now >= self._alive_until:
            self._alive_until = inf
            if self._start is None:
                return self._reject(f"no start message came within {self._start_s:g} s")
            self._why = "idle"
            return self._timed(self._stop())
        return self._timed(self._mouth.expire(now) if self._mouth is not None else ())

    def _binary(self, data: bytes, now: float) -> Steps:
        if self._frames:
            self._alive(now)
            return self._heard(Sound(data), now)
        return self._broken(BadMessage("binary messages are not part of this stream"))

    def _text(self, text: str, now: float) -> Steps:
        try:
            if self._carrier is None:
                self._carrier = self._sniffed(text)
                if self._carrier is None:
                    return ()
            heard = self._carrier.read(text)
            if self._start is not None:
                self._alive(now)
            return self._heard(heard, now) if heard is not None else ()
        except OssicleError as error:
            return self._broken(error)

    def _sniffed(self, text: str) -> Carrier | None:
        """Whose stream this is; None = the message does not tell, the next one will.

        Raises:
            BadMessage: nobody's, or somebody's that is not taken here.
        """
        self._before += 1
        first = decode(_first, text)
        match first:
            case _First(event="connected") if self._before <= _MOST_BEFORE_START:
                return None  # Telnyx and Twilio begin alike
            case _First(event="websocket:connected"):
                name = "vonage"
            case _First(event="start", streamSid=str()):
                name = "twilio"
            case _First(event="start", stream_id=str()):
                name = "telnyx"
            case _First(event="start"):
                name = "plivo"
            case _:
                raise BadMessage("the stream does not begin with a start message")
        make = self._taken.get(name)
        if make is None:
            raise BadMessage(f"this is a stream of {name}; here {', '.join(self._taken)} is taken")
        return make()

    def _heard(self, heard: Heard, now: float) -> Steps:
        if isinstance(heard, Sound):  # nearly every one
            audio = self._placing.place(heard) if self._placing is not None else None
            return (audio,) if audio is not None else ()
        match heard:
            case Start():
                return self._started(heard, now)
            case Digits(text=digits):
                return (Tell(kind="digits", text=digits),) if self._start is not None else ()
            case Reached(mark=mark):
                played = self._mouth.reached(mark) if self._mouth is not None else None
                return (played,) if played is not None else ()
            case Failed(code=code):
                self._why = f"carrier_error {code}"[:60]
                return self._stop()
            case Stop():
                return self._stop()

    def _started(self, start: Start, now: float) -> Steps:
        if self._start is not None:
            raise BadMessage("a second start message on one socket")
        if len(set(start.tracks)) != len(start.tracks) or not start.tracks:
            raise BadMessage("a start message without tracks, or with one of them twice")
        wishes = wishes_of(start)
        configure = configure_of(start, wishes, self._credential)
        self._start, self._wishes = start, wishes
        self.name = self._carrier.name if self._carrier is not None else self.name
        self._placing = Placing(start.source, start.tracks)
        self._frames = isinstance(self._carrier, Vonage)
        if wishes.speaks and self._carrier is not None:
            self._mouth = Mouth(self._carrier, start.source, wishes.lead_ms)
        self._alive(now)
        if wishes.say and self._mouth is not None:
            return (configure, Speak(text=wishes.say))
        return (configure,)

    def _stop(self) -> Steps:
        """No more sound: what was heard is finished, and its end closes the socket."""
        if self._over:
            return ()
        self._over = True
        self._alive_until = inf
        self._timed(())
        return (End(),) if self._start is not None else (Close(1000),)

    def _broken(self, error: OssicleError) -> Steps:
        """The peer is not what it should be. What it said before is still finished."""
        self._why = error.code
        if self._start is not None:
            return self._stop()
        return self._reject(str(error))

    def _reject(self, text: str) -> Steps:
        self._over = True
        self.deadline = self._alive_until = inf
        return (Close(1000, text[:120]),)

    def _alive(self, now: float) -> None:
        self._alive_until = now + self._silence_s
        mouth = self._mouth
        if mouth is None or mouth.deadline > self._alive_until:
            self.deadline = self._alive_until

    def _timed(self, steps: Steps) -> Steps:
        mouth = self._mouth
        self.deadline = self._alive_until
        if mouth is not None and mouth.deadline < self.deadline:
            self.deadline = mouth.deadline
        return steps


def _reason(error: Fault | None) -> str:
    return "" if error is None else f"{error.code}: {error.text}"[:120]
