"""The server half of Flux, `/v2/listen`: turn-based live transcription.

`Connected` opens the stream; `TurnInfo` messages follow the turn (`flux_turn`). `Update` comes
every 0.25 s of audio, changed or not; for audio whose bytes are no measure of time (containers,
Opus) every 0.25 s while it arrives. `sequence_id` counts every message. What ends a turn is the
engine's, or `engines.wrap.endpointed`'s, business: this file only says it.

`CloseStream` gives what is left as an `Update` and closes with 1000: no EndOfTurn, no Metadata.
"""

from collections.abc import Callable
from math import inf

from msgspec import UNSET, UnsetType

from ossicle.core.commands import Audio, Configure, End, Finalize
from ossicle.core.errors import BadMessage, Fault, OssicleError
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
from ossicle.core.formats import AudioFormat
from ossicle.core.options import Options
from ossicle.core.ports import Steps
from ossicle.core.wire import Accept, Binary, Close, Message, Opening, Text

from .credentials import subprotocol_of
from .errors import closing, refusal, request_headers
from .flux_messages import (
    CloseStream,
    ConfigureFailure,
    ConfigureSuccess,
    Connected,
    Error,
    FluxEvent,
    ForceEndTurn,
    InForce,
    KeepAlive,
    ServerMessage,
    Trigger,
    TurnInfo,
    Warn,
    decode_client,
    encode,
)
from .flux_messages import Configure as ConfigureMessage
from .flux_query import EOT, configure_of, patch_of, undone_in
from .flux_turn import Turn

__all__ = ["FluxServer"]

_UPDATE_MS = 250
_IDLE_S = 10.0
"""No audio, message or ping for so long closes the stream, from its opening on."""
_LONGEST_ASKED = 1_000
"""Configure messages that may wait for their answer; a session takes no more either."""

_TRIGGERS: dict[TurnReason, Trigger] = {
    "asked": "manual",
    "timeout": "timeout",
    "limit": "timeout",
}


class FluxServer:
    """Implements `core.ports.Dialect`."""

    name = "deepgram.flux"

    def __init__(self) -> None:
        self.deadline = inf
        self.plain = False
        self.resumable = False
        self._opening = Opening()
        self._format = AudioFormat("auto")
        self._accepted = self._closing = self._over = False
        self._sequence = 0
        self._turn = Turn()
        self._reason: TurnReason = "model"
        self._eager = False
        self._bytes: int = 0
        self._counted: int = 0
        """Bytes when the idle rule was looked at last."""
        self._updated = 0.0
        """Where the last Update was, in ms of audio, or in seconds of the clock."""
        self._heard_ms = 0
        self._window_ms = 0
        """Where the turn's audio begins: the end of the one before."""
        self._forced = 0
        self._asked: dict[str, ConfigureMessage] = {}
        self._configures = 0

    def open(self, opening: Opening, now: float) -> Steps:
        """A channel was asked for."""
        self._opening = opening
        try:
            configure = configure_of(opening)
        except OssicleError as error:
            return (refusal(error.fault(), opening.id),)
        if configure.format is not None:
            self._format = configure.format
        return (configure,)

    def receive(self, message: Message, now: float) -> Steps:
        """A message from the client."""
        if self._over:
            return ()
        if self._accepted:
            self.deadline = now + _IDLE_S
        match message:
            case Binary(data=data):
                return self._audio(data, now)
            case Text(data=text):
                return self._text(text)
            case _:
                return ()  # a ping is activity; a close is the transport's to report

    def tap(self, data: bytes) -> bool:
        """Most audio only has to be counted: see `core.ports.Tapped`."""
        if not data or not self._format.width or self._closing or self._over:
            return False
        if self._format.ms(self._bytes) - self._updated >= _UPDATE_MS:
            return False
        self._bytes += len(data)
        return True

    def _audio(self, data: bytes, now: float) -> Steps:
        if not data:
            return self._close_stream()  # the older API's way to say so
        # Before the audio goes on: it may end the turn, and nothing of a turn comes after its end.
        update = self._update(now) if self._accepted and not self._closing else ()
        self._bytes += len(data)
        return (*update, Audio(data=data))

    def _update(self, now: float) -> Steps:
        if self._format.width:
            at = float(self._format.ms(self._bytes))
            due = at - self._updated >= _UPDATE_MS
            self._heard_ms = max(self._heard_ms, int(at))
        else:
            at = now
            due = at - self._updated >= _UPDATE_MS / 1000
        if not due:
            return ()
        self._updated = at
        return (self._info("Update"),)

    def _text(self, text: str) -> Steps:
        try:
            message = decode_client(text)
        except BadMessage as error:
            return self._bad(text, str(error))
        match message:
            case KeepAlive():
                return ()
            case CloseStream():
                return self._close_stream()
            case ForceEndTurn():
                self._forced += 1
                return (Finalize(ref=f"force-{self._forced}"),)
            case ConfigureMessage():
                return self._configure(message)

    def _bad(self, text: str, why: str) -> Steps:
        if '"Configure"' in text[:200] and self._accepted:
            return (self._failed("INVALID_CONFIGURATION", why),)
        return self._warn("UNPARSABLE_CLIENT_MESSAGE", why)

    def _configure(self, message: ConfigureMessage) -> Steps:
        if len(self._asked) >= _LONGEST_ASKED:
            return (self._failed("TOO_MANY_REQUESTS", f"{_LONGEST_ASKED} changes wait already"),)
        self._configures += 1
        ref = f"configure-{self._configures}"
        self._asked[ref] = message
        return (Configure(patch=patch_of(message), ref=ref),)

    def _close_stream(self) -> Steps:
        if self._closing:
            return ()
        self._closing = True
        return (End(),)

    def send(self, event: Event, now: float) -> Steps:
        """An event for the client."""
        if not self._accepted:
            match event:
                case Began():
                    return self._connected(event, now)
                case Ended():
                    return (self._refusal(event),)
                case _:
                    return ()
        if self._over:
            return ()
        match event:
            case Transcript(side="in"):
                return self._transcript(event)
            case SpeechStarted(side="in"):
                return self._resume()
            case SpeechEnded(side="in"):
                return self._ended(event)
            case Configured():
                return self._configured(event)
            case Notice():
                return self._notice(event)
            case Ended():
                return self._end(event)
            case _:
                return ()

    def expire(self, now: float) -> Steps:
        """The client was silent for too long."""
        if now < self.deadline:
            return ()
        if self._bytes != self._counted:
            # What was tapped moved no deadline: ten more seconds from here, at most twenty in all.
            self._counted = self._bytes
            self.deadline = now + _IDLE_S
            return ()
        fault = Fault("idle", f"no audio and no message came for {_IDLE_S:g} s", "client", True)
        return self._fatal(fault)

    # ── the turn ──

    def _transcript(self, event: Transcript) -> Steps:
        turn = self._turn
        self._heard_ms = max(self._heard_ms, event.end_ms or 0)
        waiting = turn.place == "waiting"
        changed = turn.hear(event)
        before: Steps = self._resume() if waiting and changed else ()
        if event.ends_turn:
            return (*before, *self._end_of_turn(event))
        if turn.place == "idle" and turn.text:
            turn.place = "speaking"
            return (*before, self._info("StartOfTurn"))
        return before

    def _resume(self) -> Steps:
        if self._turn.place != "waiting":
            return ()
        self._turn.place = "speaking"
        self._turn.confidence = 0.0
        return (self._info("TurnResumed"),)

    def _ended(self, event: SpeechEnded) -> Steps:
        turn = self._turn
        if not event.provisional:
            self._reason = event.reason
            return ()
        if not self._eager or turn.place != "speaking":
            return ()
        turn.place = "waiting"
        turn.confidence = event.confidence or 0.0
        return (self._info("EagerEndOfTurn"),)

    def _end_of_turn(self, event: Transcript) -> Steps:
        turn = self._turn
        reason, self._reason = self._reason, "model"
        if not turn.text and turn.place == "idle":
            turn.forget()
            if event.ref.startswith("force-"):
                return self._warn("NO_TURN_TO_END", "nothing was said since the last turn ended")
            return ()
        first = (self._info("StartOfTurn"),) if turn.place == "idle" else ()
        if reason in {"end", "failed"}:
            update = self._info("Update")
            turn.forget()
            return (*first, update)
        if event.ref.startswith("force-"):
            reason = "asked"
        last = self._info("EndOfTurn", _TRIGGERS.get(reason, "model"))
        turn.over()
        self._window_ms = self._heard_ms
        return (*first, last)

    def _info(self, event: FluxEvent, trigger: Trigger | UnsetType = UNSET) -> Text:
        turn = self._turn
        until = max(self._heard_ms, turn.until_ms)
        return self._say(
            lambda request_id, number: TurnInfo(
                request_id,
                number,
                event,
                turn.index,
                self._window_ms / 1000,
                until / 1000,
                turn.text,
                turn.words,
                round(turn.confidence, 4),
                trigger,
            )
        )

    # ── everything else ──

    def _connected(self, event: Began, now: float) -> Steps:
        self._accepted = True
        self.deadline = now + _IDLE_S
        self._updated = 0.0 if self._format.width else now
        self._eager = event.options.recognition.turns.eager is not None
        accept = Accept(
            request_headers(self._opening.id), subprotocol_of(self._opening), flush=True
        )
        connected = self._say(Connected)
        missing = undone_in(self._opening)
        told: Steps = ()
        if missing:
            told = self._warn("UNSUPPORTED_FEATURE", f"not done by this gateway: {missing}")
        return (accept, connected, *told)

    def _configured(self, event: Configured) -> Steps:
        self._eager = event.options.recognition.turns.eager is not None
        message = self._asked.pop(event.ref, None)
        if message is None:
            return ()
        force = in_force(event.options)
        return (
            self._say(
                lambda request_id, number: ConfigureSuccess(
                    request_id, number, force, message.keyterms, message.language_hints
                )
            ),
        )

    def _notice(self, event: Notice) -> Steps:
        if self._asked.pop(event.ref, None) is not None and event.level == "error":
            return (self._failed(event.code.upper(), event.text),)
        # Punctuation is Flux's habit, not the client's wish: it is no news that it is missing.
        habit = event.code == "option_not_supported" and ": punctuate:" in event.text
        if event.level == "info" or habit:
            return ()
        return self._warn(event.code.upper(), event.text)

    def _warn(self, code: str, text: str) -> Steps:
        if not self._accepted:
            return ()
        return (self._say(lambda request_id, number: Warn(request_id, number, code, text)),)

    def _failed(self, code: str, text: str) -> Text:
        return self._say(
            lambda request_id, number: ConfigureFailure(request_id, number, code, text)
        )

    def _end(self, event: Ended) -> Steps:
        if event.error is not None:
            return self._fatal(event.error)
        self._over, self.deadline = True, inf
        return (closing(None),)

    def _fatal(self, fault: Fault) -> Steps:
        name = fault.code.upper() if fault.whose == "client" else "INTERNAL_SERVER_ERROR"
        last = self._say(
            lambda request_id, number: Error(number, name, fault.text, request_id=request_id)
        )
        self._over, self.deadline = True, inf
        return (last, closing(fault))

    def _refusal(self, event: Ended) -> Close:
        self._over, self.deadline = True, inf
        fault = event.error or Fault("draining", "the gateway is stopping", "us", True)
        return refusal(fault, self._opening.id)

    def _say(self, make: Callable[[str, int], ServerMessage]) -> Text:
        number, self._sequence = self._sequence, self._sequence + 1
        return Text(encode(make(self._opening.id, number)))


def in_force(options: Options) -> InForce:
    """The thresholds that a session has, in Flux's words."""
    turns = options.recognition.turns
    return InForce(
        EOT if turns.confidence is None else turns.confidence,
        turns.silence_ms,
        UNSET if turns.eager is None else turns.eager,
    )
