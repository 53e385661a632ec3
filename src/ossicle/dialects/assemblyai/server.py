"""The server half of `/v3/ws`: an AssemblyAI SDK on one side, a session on the other.

The upgrade is taken at once, and everything that is wrong is said after it, as an `Error` message
and a close with the same code: that is what the SDKs read (wire notes, "Auth").

Where nothing must be counted, binary messages go straight to the session (`plain`). A session that
asked for `inactivity_timeout` or `session_heartbeat`, or a gateway that keeps the vendor's rules
for the size of audio messages, has each of them pass by here.
"""

from math import inf

from msgspec import UNSET

from ossicle.core.commands import Audio, Configure, End, Finalize
from ossicle.core.errors import OssicleError
from ossicle.core.events import Began, Ended, Event, Flow, Notice, SpeechStarted, Transcript
from ossicle.core.formats import AudioFormat
from ossicle.core.ports import Steps
from ossicle.core.wire import Accept, Binary, Close, Message, Opening, Text

from .credentials import credential_of, in_url
from .errors import IDLE, INPUT_DURATION, reason_of, v3_code
from .messages import (
    Begin,
    Configuration,
    Error,
    ForceEndpoint,
    Heartbeat,
    KeepAlive,
    Silence,
    Terminate,
    Termination,
    UpdateConfiguration,
    Warning_,
    decode_client,
    encode,
)
from .messages import SpeechStarted as SpeechStartedMessage
from .query import Parameters, changes_of, format_of, parameters_of, patch_of, undone_in
from .rules import AudioRules
from .turns import Ending, TurnBook

__all__ = ["AssemblyServer"]

API_VERSION = "2025-05-12"
_LONGEST_S = 10_800
"""What `Begin.expires_at` promises where the gateway has no limit: the vendor's three hours. The
session does not end then."""
_HEARTBEAT_S = 1.0
_SILENCE_MS = 1_000
"""A `Silence` message is at least this long."""
_WARNINGS = {"bad_option": 3006, "bad_message": 3006, "option_not_supported": 3006}
"""Codes of warnings; anything else is 3005, since there is something the server could not do."""


class AssemblyServer:
    """Implements `core.ports.Dialect`."""

    name = "assemblyai.v3"

    def __init__(self, *, strict_audio: bool = False) -> None:
        """
        Args:
            strict_audio: keep the vendor's rules for audio: 50-1000 ms a message, and not faster
                than real time. False: take what comes; the wire itself holds a fast client back.
        """
        self.deadline = inf
        self.plain = True
        self.resumable = False
        self._strict = strict_audio
        self._rules: AudioRules | None = None
        self._parameters = Parameters()
        self._format = AudioFormat()
        self._book = TurnBook()
        self._started = -1
        self._over = False
        self._parting: tuple[int, str] | None = None
        """What to say at the end instead of `Termination`."""
        self._idle_s = inf
        self._idle_at = inf
        self._beat_at = inf
        self._silences = False
        self._quiet_from = 0
        self._began_at = 0.0
        self._taken = 0

    def open(self, opening: Opening, now: float) -> Steps:
        """A client asks."""
        self._opening = opening
        try:
            self._parameters = parameters = parameters_of(opening.query)
            self._format = format_of(parameters)
            configure = Configure(
                patch=patch_of(parameters),
                format=self._format,
                credential=credential_of(opening),
                credential_in_url=in_url(opening),
            )
        except OssicleError as error:
            fault = error.fault()
            return (Accept(), *self._fail(v3_code(fault), fault.text))
        self._book = TurnBook(
            self._ending(parameters.format_turns is True),
            languages=parameters.language_detection is True,
        )
        if isinstance(parameters.inactivity_timeout, int):
            self._idle_s = float(parameters.inactivity_timeout)
        self._silences = parameters.acknowledge_silence is True
        if self._strict:
            self._rules = AudioRules(self._format, shortest_ms=50, longest_ms=1_000)
        self.plain = (
            not self._strict and self._idle_s == inf and parameters.session_heartbeat is not True
        )
        return (Accept(), configure)

    def receive(self, message: Message, now: float) -> Steps:
        """A message from the client."""
        if self._over:
            return ()
        match message:
            case Binary(data=data):
                return self._audio(data, now)
            case Text(data=text):
                return self._told(text, now)
            case _:
                return ()  # a client that just closes gets nothing more; the session ends with it

    def send(self, event: Event, now: float) -> Steps:
        """An event for the client."""
        if self._over:
            return ()
        if type(event) is Transcript:  # nearly every event
            return self._turns(event)
        match event:
            case SpeechStarted(side="in"):
                if event.turn == self._started:
                    return ()  # taken up again after a provisional end
                self._started = event.turn
                return (Text(encode(SpeechStartedMessage(event.at_ms or 0))),)
            case Began():
                return self._begin(event, now)
            case Notice(level="warning" | "error"):
                code = _WARNINGS.get(event.code, 3005)
                return (Text(encode(Warning_(code, event.text))),)
            case Flow() if self._silences:
                return self._silence(event.settled_ms)
            case Ended():
                return self._end(event)
            case _:
                return ()

    def expire(self, now: float) -> Steps:
        """A heartbeat is due, or nobody has been heard of for too long."""
        if now < self.deadline:
            return ()
        if now >= self._idle_at:
            quiet = f"neither audio nor KeepAlive for {self._idle_s:g} s (inactivity_timeout)"
            self._parting = (IDLE, f"Session idle: {quiet}")
            self._idle_at = self._beat_at = self.deadline = inf
            return (End(),)  # what was said is still told, then the error
        steps: Steps = ()
        if now >= self._beat_at:
            self._beat_at += _HEARTBEAT_S * (1 + int((now - self._beat_at) / _HEARTBEAT_S))
            beat = Heartbeat(
                total_audio_received_ms=self._taken_ms,
                total_duration_ms=round((now - self._began_at) * 1000),
                # How fast an engine works is not known here, and nothing is made up.
                realtime_factor=0.0,
            )
            steps = (Text(encode(beat)),)
        self._set_deadline()
        return steps

    # ── from the client ──

    def _audio(self, data: bytes, now: float) -> Steps:
        if not data:
            return ()
        if self._rules is not None and (broken := self._rules.broken(data, now)):
            return (*self._fail(INPUT_DURATION, f"Input Duration Error: {broken}"), End())
        self._taken += len(data)
        self._idle_at = now + self._idle_s
        return (Audio(data=data),)

    def _told(self, text: str, now: float) -> Steps:
        try:
            message = decode_client(text)
        except OssicleError as error:
            fault = error.fault()
            return (*self._fail(v3_code(fault), fault.text), End())
        match message:
            case KeepAlive():
                self._idle_at = now + self._idle_s
                return ()
            case ForceEndpoint():
                return (Finalize(),)
            case Terminate():
                self._idle_s = self._idle_at = inf
                self._set_deadline()
                return (End(),)
            case UpdateConfiguration():
                return self._update(message, now)

    def _update(self, message: UpdateConfiguration, now: float) -> Steps:
        if message.format_turns is not UNSET:
            self._book.ending = self._ending(message.format_turns is True)
        if message.acknowledge_silence is not UNSET:
            self._silences = message.acknowledge_silence is True
        if message.session_heartbeat is not UNSET:
            on = message.session_heartbeat is True
            self._beat_at = now + _HEARTBEAT_S if on else inf
            self._set_deadline()
        patch = changes_of(message)
        return (Configure(patch=patch),) if patch else ()

    def _ending(self, formatted: bool) -> Ending:
        if self._parameters.always_formats:
            return "formatted"
        return "twin" if formatted else "bare"

    # ── to the client ──

    def _begin(self, event: Began, now: float) -> Steps:
        self._began_at = now
        self._idle_at = now + self._idle_s
        if self._parameters.session_heartbeat is True:
            self._beat_at = now + _HEARTBEAT_S
        self._set_deadline()
        expires = event.expires_at or self._opening.at + _LONGEST_S
        begin = Begin(
            id=event.session,
            expires_at=int(expires),
            configuration=Configuration(
                model=self._parameters.speech_model or event.engine,
                mode=self._parameters.mode,
                api_version=API_VERSION,
            ),
        )
        undone = undone_in(self._opening.query)
        if not undone:
            return (Text(encode(begin)),)
        text = f"not done by this gateway: {', '.join(undone)}"
        return (Text(encode(begin)), Text(encode(Warning_(3006, text))))

    def _turns(self, event: Transcript) -> Steps:
        if event.side != "in":
            return ()
        if event.final and event.end_ms is not None:
            self._quiet_from = max(self._quiet_from, event.end_ms)
        return tuple(Text(encode(turn)) for turn in self._book.hear(event))

    def _silence(self, settled_ms: int) -> Steps:
        """What the engine has settled while no turn is open was silence."""
        start = self._quiet_from
        if self._book.open or settled_ms - start < _SILENCE_MS:
            return ()
        self._quiet_from = settled_ms
        return (Text(encode(Silence(start, settled_ms))),)

    def _end(self, event: Ended) -> Steps:
        if event.error is not None:
            return self._fail(v3_code(event.error), event.error.text)
        if self._parting is not None:
            return self._fail(*self._parting)
        self._stop()
        termination = Termination(
            audio_duration_seconds=round(event.audio_ms / 1000),
            session_duration_seconds=round(event.session_ms / 1000),
        )
        return (Text(encode(termination)), Close(1000))

    def _fail(self, code: int, text: str) -> tuple[Message, ...]:
        self._stop()
        return (Text(encode(Error(code, text))), Close(code, reason_of(text)))

    def _stop(self) -> None:
        self._over = True
        self._idle_at = self._beat_at = self.deadline = inf

    def _set_deadline(self) -> None:
        self.deadline = min(self._idle_at, self._beat_at)

    @property
    def _taken_ms(self) -> int:
        return self._format.ms(self._taken) if self._format.width else 0
