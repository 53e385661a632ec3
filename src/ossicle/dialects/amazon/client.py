"""The client half: an account at Amazon Transcribe, or another gateway, as an engine.

    AmazonClient(Credentials("AKIA…", b"secret"), host="localhost:8443", at=time.time())

Signs with the credentials it is given: over HTTP/2 the request and each event, over WebSocket the
URL. Where there is nothing to send for a while it sends silence, since the service ends a stream
after 15 s without audio, and takes that silence out of the times it is told.
"""

import re
import uuid
from math import inf
from typing import Literal

import msgspec

from ossicle.core.commands import Audio, Command, Configure, End, Finalize
from ossicle.core.errors import BadAudio, BadMessage, Fault, OssicleError, Refused
from ossicle.core.events import Began, Configured, Ended, Event, Notice, Transcript, Word
from ossicle.core.formats import AudioFormat
from ossicle.core.options import Options, merged
from ossicle.core.ports import ClientSteps
from ossicle.core.wire import Accept, Binary, ChannelTraits, Close, Fin, Message, Opening

from .eventstream import Frame, FrameReader, blob, encode, read_frames, stamp
from .messages import Item, Result, audio_frame, parse_event, parse_message
from .parameters import PREFIX
from .sigv4 import (
    ALGORITHM,
    EMPTY,
    Authorization,
    Scope,
    authorization,
    canonical,
    chunk_signature,
    signature,
    signing_key,
    written_at,
)

__all__ = ["AmazonClient", "Credentials"]

_QUIET_S = 5.0
"""Without audio for so long, silence is sent: the service ends a stream after 15 s."""
_SILENCE_MS = 100
_MOST_EVENT = 32 * 1024
"""Largest AudioEvent, of the service's older documents."""
_ENCODINGS = {
    "pcm_s16le": "pcm",
    "flac": "flac",
    "ogg": "ogg-opus",
    "alaw": "g711-alaw",
    "mulaw": "g711-ulaw",
}
_QUIET_BYTE = {"pcm_s16le": b"\0", "alaw": b"\xd5", "mulaw": b"\xff"}
_CODES: dict[str, tuple[str, Literal["client", "us", "upstream"], bool]] = {
    "BadRequestException": ("bad_request", "client", False),
    "LimitExceededException": ("rate_limited", "upstream", True),
    "InternalFailureException": ("engine_failed", "upstream", True),
    "ConflictException": ("replaced", "client", False),
    "ServiceUnavailableException": ("engine_unavailable", "upstream", True),
    "UnrecognizedClientException": ("unauthorized", "client", False),
    "InvalidSignatureException": ("unauthorized", "client", False),
    "AccessDeniedException": ("forbidden", "client", False),
}
_LOST: tuple[str, Literal["client", "us", "upstream"], bool] = ("connection_lost", "upstream", True)


class Credentials(msgspec.Struct, frozen=True):
    """What requests are signed with."""

    key_id: str
    secret: bytes
    token: str = ""
    """Of temporary credentials."""

    def __repr__(self) -> str:
        """Without the secret."""
        return f"Credentials({self.key_id!r})"

    @classmethod
    def of(cls, text: str) -> "Credentials":
        """From `ID:SECRET` or `ID:SECRET:TOKEN`; none of the three holds a colon.

        Raises:
            Refused: it is not of that form.
        """
        key_id, _, rest = text.partition(":")
        secret, _, token = rest.partition(":")
        if not key_id or not secret:
            raise Refused(
                "the key of Amazon is ID:SECRET or ID:SECRET:TOKEN "
                "(AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN)",
                code="unauthorized",
            )
        return cls(key_id, secret.encode(), token)


class AmazonClient:
    """Implements `core.ports.ClientDialect`."""

    def __init__(
        self,
        credentials: Credentials | None = None,
        *,
        at: float = 0.0,
        host: str = "localhost",
        region: str = "",
        wire: Literal["http2", "websocket"] = "http2",
        quiet_s: float = _QUIET_S,
    ) -> None:
        """
        Args:
            credentials: None = those of `Configure.credential`, and without that unsigned, for a
                gateway without keys.
            at: epoch seconds of the dialling, for signatures.
            host: as it is dialled, with a port that is not the scheme's own.
            region: of the signature; empty = that of Amazon's host, else us-east-1.
            wire: HTTP/2 or WebSocket.
            quiet_s: how long there may be no audio before silence is sent.
        """
        self.deadline = inf
        self._credentials, self._at, self._host = credentials, at, host
        self._region = region or _region_of(host)
        self._wire, self._quiet = wire, quiet_s
        self._began_at: float | None = None
        self._format = AudioFormat()
        self._options = Options()
        self._key = b""
        self._scope = Scope("", "", self._region)
        self._before = ""
        self._reader = FrameReader()
        self._over = self._ended = False
        self._sent_bytes = 0
        self._made: list[tuple[int, int]] = []
        """Silence of our own: where it begins on the wire, and how long it is, in milliseconds."""

    # ── to the service ──

    def open(self, configure: Configure) -> Opening:
        """The request, signed.

        Raises:
            BadAudio: the service takes no such audio.
            Refused: an option that cannot be, or a key that is none.
        """
        self._format = configure.format or AudioFormat()
        self._options = merged(Options(), configure.patch)
        if self._credentials is None and configure.credential:
            self._credentials = Credentials.of(configure.credential)
        given = _parameters(self._format, self._options, configure.names)
        if self._wire == "websocket":
            query = self._presigned("/stream-transcription-websocket", given)
            return Opening(at=self._at, path="/stream-transcription-websocket", query=tuple(query))
        headers = {PREFIX + name: value for name, value in given}
        headers["content-type"] = "application/vnd.amazon.eventstream"
        return Opening(
            at=self._at,
            method="POST",
            path="/stream-transcription",
            headers=tuple(self._signed("/stream-transcription", headers).items()),
            traits=ChannelTraits(framed=False),
        )

    def send(self, command: Command, now: float) -> ClientSteps:
        """The user wants this."""
        match command:
            case Audio(data=data) if not self._ended:
                self.deadline = now + self._quiet
                return self._audio(data, now)
            case End() if not self._ended:
                self._ended, self.deadline = True, inf
                end: ClientSteps = (self._event(b"", now),)
                return (*end, Fin()) if self._wire == "http2" else end
            case Finalize(ref=ref) | Configure(ref=ref):
                return (
                    Notice(
                        level="warning",
                        code="not_supported",
                        text="Amazon Transcribe can neither be hurried nor changed in a stream",
                        ref=ref,
                    ),
                )
            case _:
                return ()

    def expire(self, now: float) -> ClientSteps:
        """Nothing was sent for a while."""
        if now < self.deadline:
            return ()
        self.deadline = now + self._quiet
        quiet = _QUIET_BYTE.get(self._format.encoding)
        if quiet is None:
            return ()  # a container cannot be lengthened
        self._made.append((self._format.ms(self._sent_bytes), _SILENCE_MS))
        return self._audio(quiet * self._format.bytes(_SILENCE_MS), now)

    def _audio(self, data: bytes, now: float) -> ClientSteps:
        self._sent_bytes += len(data)
        return tuple(
            self._event(data[at : at + _MOST_EVENT], now) for at in range(0, len(data), _MOST_EVENT)
        )

    def _event(self, data: bytes, now: float) -> Message:
        """An AudioEvent; in its signed envelope where one is due."""
        signs = self._wire == "http2" and self._credentials is not None
        if not signs:
            return Binary(encode(audio_frame(data)))
        inner = encode(audio_frame(data)) if data else b""  # the end is an empty envelope
        since = now - (now if self._began_at is None else self._began_at)
        date_ms = int((self._at + since) * 1000)
        self._before = chunk_signature(self._key, self._scope, self._before, date_ms, inner)
        headers = (stamp(":date", date_ms), blob(":chunk-signature", bytes.fromhex(self._before)))
        return Binary(encode(Frame(headers, inner)))

    def _signed(self, path: str, headers: dict[str, str]) -> dict[str, str]:
        """The headers of a request with its signature among them."""
        credentials = self._credentials
        if credentials is None:
            return headers
        stamped = self._begin_signing(credentials)
        headers = {"host": self._host, "x-amz-date": stamped, **headers}
        if credentials.token:
            headers["x-amz-security-token"] = credentials.token
        names = tuple(sorted(headers))
        request = canonical("POST", path, (), headers, names, EMPTY)
        self._before = signature(self._key, stamped, self._scope, request)
        given = Authorization(self._scope, names, self._before)
        return {**headers, "authorization": authorization(given)}

    def _presigned(self, path: str, given: list[tuple[str, str]]) -> list[tuple[str, str]]:
        """The query of a URL with its signature behind it."""
        credentials = self._credentials
        if credentials is None:
            return given
        stamped = self._begin_signing(credentials)
        query = [
            *given,
            ("X-Amz-Algorithm", ALGORITHM),
            ("X-Amz-Credential", f"{credentials.key_id}/{self._scope.text}"),
            ("X-Amz-Date", stamped),
            ("X-Amz-Expires", "300"),
            ("X-Amz-SignedHeaders", "host"),
        ]
        if credentials.token:
            query.append(("X-Amz-Security-Token", credentials.token))
        request = canonical("GET", path, query, {"host": self._host}, ("host",), EMPTY)
        self._before = signature(self._key, stamped, self._scope, request)
        return [*query, ("X-Amz-Signature", self._before)]

    def _begin_signing(self, credentials: Credentials) -> str:
        stamped = written_at(self._at)
        self._scope = Scope(credentials.key_id, stamped[:8], self._region)
        self._key = signing_key(credentials.secret, self._scope)
        return stamped

    # ── from the service ──

    def receive(self, message: Message, now: float) -> ClientSteps:
        """A message from the service."""
        if self._over:
            return ()
        match message:
            case Accept(headers=headers):
                self._began_at = now
                self.deadline = now + self._quiet
                session = next((v for n, v in headers if n.lower() == PREFIX + "session-id"), "")
                return (Began(session=session), Configured(options=self._options))
            case Binary(data=data):
                try:
                    frames = self._reader.feed(data) if self._wire == "http2" else read_frames(data)
                    return tuple(event for frame in frames for event in self._told(frame))
                except OssicleError as error:
                    return self._fail(Fault("engine_failed", str(error), "upstream", True))
            case Close():
                return self._closed(message)
            case _:
                return ()

    def _told(self, frame: Frame) -> tuple[Event, ...]:
        if self._over:
            return ()
        if frame.text(":message-type") != "event":
            name = frame.text(":exception-type") or frame.text(":error-code")
            text = parse_message(frame.payload) or frame.text(":error-message")
            return self._fail(_fault(name, text))
        if frame.text(":event-type") != "TranscriptEvent":
            return ()  # one of tomorrow's
        results = parse_event(frame).transcript.results
        return tuple(self._heard(result) for result in results)

    def _heard(self, result: Result) -> Transcript:
        if result.alternatives is None:
            raise BadMessage("a result has no Alternatives")
        first, *others = result.alternatives or [None]
        items = first.items if first is not None else []
        text = first.transcript if first is not None else ""
        final = not result.is_partial
        channel = (result.channel_id or "").removeprefix("ch_")
        return Transcript(
            text=text,
            start_ms=self._ours(result.start_time),
            end_ms=self._ours(result.end_time),
            final=final,
            ends_turn=final,
            stable=_stable(text, items),
            words=tuple(self._words(items)) or None,
            language=result.language_code or "",
            channel=int(channel) if channel.isascii() and channel.isdigit() else 0,
            alternatives=tuple(each.transcript for each in others if each is not None),
        )

    def _words(self, items: list[Item]) -> list[Word]:
        words: list[Word] = []
        for item in items:
            if item.type == "punctuation" and words:
                last = words[-1]
                words[-1] = msgspec.structs.replace(last, text=last.text + item.content)
                continue
            start = self._ours(item.start_time) or 0
            words.append(
                Word(
                    item.content,
                    start,
                    max(start, self._ours(item.end_time) or 0),
                    item.confidence,
                    item.speaker or "",
                )
            )
        return words

    def _ours(self, seconds: float | None) -> int | None:
        """A time of the service's, without the silence that we put in before it."""
        if seconds is None:
            return None
        at = round(seconds * 1000)
        for begin, length in reversed(self._made):
            if at > begin:
                at -= min(length, at - begin)
        return at

    def _closed(self, close: Close) -> ClientSteps:
        if close.code in {None, 200, 1000}:
            self._over, self.deadline = True, inf
            return (Ended(reason="done"),)
        name = next((v for n, v in close.headers if n.lower() == "x-amzn-errortype"), "")
        text = parse_message(close.body) or f"the service closed with {close.code} {close.reason}"
        return self._fail(_fault(name.partition(":")[0], text, close.code))

    def _fail(self, fault: Fault) -> tuple[Event, ...]:
        self._over, self.deadline = True, inf
        refused = fault.whose == "client"
        return (Ended(reason="refused" if refused else "failed", error=fault),)


def _parameters(
    source: AudioFormat, options: Options, names: tuple[str, ...]
) -> list[tuple[str, str]]:
    if source.encoding not in _ENCODINGS:
        raise BadAudio(
            f"Amazon Transcribe takes no {source.encoding}; convert to {', '.join(_ENCODINGS)}",
            code="unsupported_audio",
        )
    recognition = options.recognition
    given = [
        ("language-code", recognition.language),
        ("media-encoding", _ENCODINGS[source.encoding]),
        ("sample-rate", str(source.sample_rate)),
    ]
    if names and _is_uuid(names[0]):
        given.append(("session-id", names[0]))
    if recognition.channels == "split" and source.channels == 2:
        given += [("enable-channel-identification", "true"), ("number-of-channels", "2")]
    elif recognition.diarize:
        given.append(("show-speaker-label", "true"))
    if recognition.interim_results:
        given.append(("enable-partial-results-stabilization", "true"))
    if recognition.model:
        given.append(("language-model-name", recognition.model))
    return given


def _region_of(host: str) -> str:
    """`transcribestreaming.REGION.amazonaws.com`, and the like."""
    found = re.fullmatch(r"transcribestreaming(?:-fips)?\.([a-z0-9-]+)\.amazonaws\.com.*", host)
    return found[1] if found else "us-east-1"


def _is_uuid(name: str) -> bool:
    try:
        uuid.UUID(name)
    except ValueError:
        return False
    return True


def _stable(text: str, items: list[Item]) -> int:
    """Leading characters that will not change."""
    at = 0
    for item in items:
        if not item.stable:
            return at
        found = text.find(item.content, at)
        if found < 0:
            return at
        at = found + len(item.content)
    return at


def _fault(name: str, text: str, status: int | None = None) -> Fault:
    code, whose, again = _CODES.get(name, _LOST)
    if name not in _CODES and status is not None and 400 <= status < 500:
        code, whose, again = "bad_request", "client", False
    return Fault(code, text or name or "the service ended the stream", whose, again)
