"""The client half: plays Twilio's part, the one that dials out, streams a call and plays sound.

Made for tests and for whoever wants to hear what Twilio would. It cuts sound into numbered pieces
of 20 ms, plays what it is sent on a clock of its own, returns a mark when it is reached (or at once
after a clear), and complains of what Twilio complains of, as a `Notice` with Twilio's code.
"""

import re
from collections import deque
from collections.abc import Mapping
from math import inf

import msgspec

from ossicle.core.commands import Audio, Command, Configure, End, Played, Tell
from ossicle.core.errors import Fault
from ossicle.core.events import AudioOut, Ended, Notice, SpeechEnded
from ossicle.core.formats import AudioFormat
from ossicle.core.ports import ClientSteps
from ossicle.core.wire import Accept, Binary, Close, Message, Opening, Text

from .calls import encode
from .messages import (
    ClearOut,
    DtmfBody,
    FormatBody,
    FromTwilio,
    MarkBody,
    MarkOut,
    MediaOut,
    StartBody,
    StopBody,
)
from .signature import HEADER, signature

__all__ = ["TELEPHONE", "TwilioClient"]

TELEPHONE = AudioFormat("mulaw", 8_000)
"""What Twilio streams."""

_PIECE_MS = 20
_UTTERANCE = "call"
_out: msgspec.json.Decoder[MediaOut | MarkOut | ClearOut] = msgspec.json.Decoder(
    MediaOut | MarkOut | ClearOut
)
_NAME = re.compile(r"[^0-9a-f]")


class TwilioClient:
    """Implements `core.ports.ClientDialect`."""

    def __init__(
        self,
        *,
        path: str = "/twilio/media",
        parameters: Mapping[str, str] | None = None,
        tracks: tuple[str, ...] = ("inbound",),
        token: bytes | None = None,
        url: str = "",
        plays: bool = True,
    ) -> None:
        """
        Args:
            path: of the gateway.
            parameters: what the TwiML holds, beside what the configuration says.
            tracks: `inbound`, `outbound` or both.
            token: signs the handshake; None = unsigned.
            url: the stream's URL as the TwiML has it; what is signed.
            plays: returns marks by itself, when they would be heard; False: the user's `Played`
                does.
        """
        self.deadline = inf
        self._path = path
        self._parameters = dict(parameters or {})
        self._tracks = tracks
        self._token, self._url = token, url
        self._plays = plays
        self._call = self._stream = ""
        self._sequence = 0
        self._chunks = dict.fromkeys(tracks, 0)
        self._heard_ms = dict.fromkeys(tracks, 0)
        self._rest = dict.fromkeys(tracks, b"")
        self._made_ms = 0
        self._plays_until = 0.0
        self._marks: deque[tuple[float, str]] = deque()
        self._complained: set[str] = set()
        self._over = False

    def open(self, configure: Configure) -> Opening:
        """Dial out."""
        self._parameters = _parameters(configure) | self._parameters
        names = (*configure.names, "", "")
        self._call = names[0] or "CA" + "0" * 32
        self._stream = names[1] or "MZ" + _NAME.sub("", self._call.lower()).rjust(32, "0")[-32:]
        headers: tuple[tuple[str, str], ...] = ()
        if self._token is not None:
            headers = ((HEADER, signature(self._token, self._url)),)
        return Opening(path=self._path, headers=headers)

    def receive(self, message: Message, now: float) -> ClientSteps:
        """A message of the gateway's."""
        match message:
            case Accept():
                return self._start()
            case Text(data=text):
                return self._told(text, now)
            case Binary():
                return self._complain("31950")
            case Close():
                return self._closed(message)
            case _:
                return ()

    def send(self, command: Command, now: float) -> ClientSteps:
        """What happens in the call, as messages."""
        match command:
            case Audio(data=data, channel=channel):
                return self._media(data, self._tracks[channel or 0])
            case Tell(kind="digits", text=digits):
                return tuple(
                    self._say("dtmf", dtmf=DtmfBody(digit, "inbound_track")) for digit in digits
                )
            case Played(mark=mark) if mark and not self._plays:
                self._marks = deque(each for each in self._marks if each[1] != mark)
                return (self._say("mark", mark=MarkBody(mark)),)
            case End():
                rest = [
                    piece
                    for track, rest in self._rest.items()
                    if rest
                    for piece in self._media(b"\xff" * (_size() - len(rest)), track)
                ]
                return (*rest, self._say("stop", stop=StopBody(call_sid=self._call)))
            case _:
                return ()  # a telephone cannot ask for it

    def expire(self, now: float) -> ClientSteps:
        """A mark was reached."""
        return self._due(now)

    def _start(self) -> ClientSteps:
        # `connected` has neither a number nor a stream
        hello = Text(encode(FromTwilio("connected", protocol="Call", version="1.0.0")))
        body = StartBody(
            account_sid="AC" + "0" * 32,
            call_sid=self._call,
            stream_sid=self._stream,
            tracks=self._tracks,
            media_format=FormatBody(),
            custom_parameters=dict(self._parameters),
        )
        return (hello, self._say("start", start=body))

    def _say(
        self,
        event: str,
        *,
        start: StartBody | None = None,
        dtmf: DtmfBody | None = None,
        mark: MarkBody | None = None,
        stop: StopBody | None = None,
    ) -> Message:
        self._sequence += 1
        message = _Said(
            event, str(self._sequence), self._stream, start=start, dtmf=dtmf, mark=mark, stop=stop
        )
        return Text(encode(message))

    def _media(self, data: bytes, track: str) -> ClientSteps:
        data, size = self._rest[track] + data, _size()
        whole = len(data) - len(data) % size
        self._rest[track] = data[whole:]
        messages: list[Message] = []
        for at in range(0, whole, size):
            self._sequence += 1
            self._chunks[track] += 1
            body = _SaidMedia(
                track,
                str(self._chunks[track]),
                str(self._heard_ms[track]),
                data[at : at + size],
            )
            self._heard_ms[track] += _PIECE_MS
            said = _Said("media", str(self._sequence), self._stream, media=body)
            messages.append(Text(encode(said)))
        return tuple(messages)

    def _told(self, text: str, now: float) -> ClientSteps:
        try:
            message = _out.decode(text)
        except (msgspec.MsgspecError, RecursionError, UnicodeError):
            return self._complain("31951")
        if message.stream_sid != self._stream:
            return self._complain("31951")
        match message:
            case MediaOut():
                data = message.media.payload
                event = AudioOut(utterance=_UTTERANCE, data=data, start_ms=self._made_ms)
                self._made_ms += TELEPHONE.ms(len(data))
                length = len(data) / TELEPHONE.units_per_second
                self._plays_until = max(self._plays_until, now) + length
                return (event,)
            case MarkOut():
                name = message.mark.name
                self._marks.append((max(self._plays_until, now), name))
                event = AudioOut(utterance=_UTTERANCE, start_ms=self._made_ms, mark=name)
                return (event, *self._due(now))
            case ClearOut():
                marks = [self._say("mark", mark=MarkBody(name)) for _, name in self._marks]
                self._marks.clear()
                self._plays_until = now
                self.deadline = inf
                cleared = SpeechEnded(
                    side="out", reason="cancelled", at_ms=self._made_ms, utterance=_UTTERANCE
                )
                return (cleared, *marks)

    def _due(self, now: float) -> ClientSteps:
        """Marks whose sound was played by now."""
        if not self._plays:
            return ()
        messages: list[Message] = []
        while self._marks and self._marks[0][0] <= now:
            messages.append(self._say("mark", mark=MarkBody(self._marks.popleft()[1])))
        self.deadline = self._marks[0][0] if self._marks else inf
        return tuple(messages)

    def _complain(self, code: str) -> ClientSteps:
        """Once a stream, as Twilio does."""
        if code in self._complained:
            return ()
        self._complained.add(code)
        what = "a binary message" if code == "31950" else "a message that Twilio does not know"
        return (Notice(level="warning", code=code, text=f"Twilio would report {what}"),)

    def _closed(self, close: Close) -> ClientSteps:
        self.deadline = inf
        if self._over:
            return ()
        self._over = True
        if close.code in {None, 1000} and not close.reason:
            return (Ended(reason="done"),)
        code = close.reason.partition(":")[0] if close.code == 1000 else "connection_lost"
        if close.code is not None and 400 <= close.code < 500:
            code = "forbidden"  # Twilio: 31920
        fault = Fault(code, f"the gateway closed with {close.code} {close.reason}", "client")
        return (Ended(reason="refused", error=fault),)


class _SaidMedia(msgspec.Struct, frozen=True, gc=False):
    track: str
    chunk: str
    timestamp: str
    payload: bytes


class _Said(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """As Twilio writes it: numbers are strings."""

    event: str
    sequence_number: str
    stream_sid: str
    start: StartBody | None = None
    media: _SaidMedia | None = None
    dtmf: DtmfBody | None = None
    mark: MarkBody | None = None
    stop: StopBody | None = None


def _size() -> int:
    return TELEPHONE.bytes(_PIECE_MS)


def _parameters(configure: Configure) -> dict[str, str]:
    """What a configuration says, as `<Parameter>`s."""
    given: dict[str, str] = {}
    recognition = configure.patch.get("recognition", {})
    for name in ("language", "model", "punctuate", "diarize", "profanity_filter",
                 "interim_results"):  # fmt: skip
        if (value := recognition.get(name)) is not None:
            given[name] = str(value).lower() if isinstance(value, bool) else str(value)
    if hints := recognition.get("hints"):
        given["hints"] = ",".join(
            each["text"] + (f":{each['boost']:g}" if each.get("boost") is not None else "")
            for each in hints
        )
    silence_ms = recognition.get("turns", {}).get("silence_ms")
    if silence_ms is not None:
        given["silence_ms"] = str(silence_ms)
    given |= {n: str(configure.patch[n]) for n in ("overload", "label") if configure.patch.get(n)}
    if voice := configure.patch.get("synthesis", {}).get("voice"):
        given["voice"] = str(voice)
    if configure.credential:
        given["token"] = configure.credential
    if configure.report_to:
        given["transcript_url"] = configure.report_to[0].url
    if configure.speaks is not None:
        given["mode"] = "bidi"
    return given
