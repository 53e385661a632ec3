"""The client half of live `/v1/listen`: a Deepgram account, or another gateway, as an engine.

What the wire does not say is not made up: there is no end of speech, no reason, and a confidence of
0.0 means that none is known.
"""

from collections import deque
from math import inf
from typing import Any, cast

import msgspec

from ossicle.core.commands import Audio, Command, Configure, End, Finalize
from ossicle.core.errors import CODES, BadMessage, Fault, OssicleError
from ossicle.core.events import (
    Began,
    Configured,
    Ended,
    Event,
    Notice,
    SpeechStarted,
    Transcript,
    Word,
)
from ossicle.core.formats import AudioFormat
from ossicle.core.options import Options
from ossicle.core.ports import ClientSteps
from ossicle.core.wire import Accept, Binary, Close, Message, Opening, Text

from .credentials import headers_with
from .listen_messages import (
    RESPONSE_TYPES,
    CloseStreamMessage,
    ConfigureFailure,
    ConfigureMessage,
    ConfigureSuccess,
    ErrorMessage,
    FinalizeMessage,
    KeepAliveMessage,
    Metadata,
    Results,
    SpeechStartedMessage,
    UtteranceEnd,
    parse_response,
    written,
)

__all__ = ["DeepgramClient"]

_KEEP_ALIVE_S = 5.0
"""The server closes after 10 s without audio or text."""

_MOST_BROKEN = 5

_ENCODINGS = {
    "pcm_s16le": "linear16",
    "pcm_f32le": "linear32",
    "mulaw": "mulaw",
    "alaw": "alaw",
    "opus": "opus",
}
_STATUS = {
    400: "bad_request",
    401: "unauthorized",
    402: "forbidden",
    403: "forbidden",
    404: "not_found",
    408: "timed_out",
    413: "too_large",
    429: "rate_limited",
    503: "engine_unavailable",
    504: "timed_out",
}
_CLOSES = {"DATA-0000": "bad_audio", "NET-0001": "idle", "NET-0000": "engine_failed"}


class DeepgramClient:
    """Implements `core.ports.ClientDialect`."""

    def __init__(self, *, model: str = "nova-3", keep_alive_s: float = _KEEP_ALIVE_S) -> None:
        """`model`: what is asked for when the session asks for none; the service demands one."""
        self.deadline = inf
        self.plain = True
        self._model = model
        self._keep_alive = keep_alive_s
        self._over = False
        self._broken = 0
        """Messages in a row that could not be read."""
        self._audio_ms = 0
        self._turns: dict[int, _Turn] = {}
        self._finalizing: deque[str] = deque()
        self._configuring: deque[str] = deque()
        self._options = Options()

    def open(self, configure: Configure) -> Opening:
        """The upgrade request."""
        headers = headers_with(configure.credential)
        return Opening(
            method="GET",
            path="/v1/listen",
            query=tuple(self._query(configure)),
            headers=headers,
        )

    def receive(self, message: Message, now: float) -> ClientSteps:
        """A message from the server."""
        match message:
            case Accept(headers=headers):
                self.deadline = now + self._keep_alive
                session = next((v for n, v in headers if n.lower() == "dg-request-id"), "")
                return (Began(session=session), Configured(options=self._options))
            case Text(data=text) if not self._over:
                return self._said(text)
            case Close():
                self.deadline = inf
                over, self._over = self._over, True
                return () if over else (self._closed(message),)
            case _:
                return ()

    def send(self, command: Command, now: float) -> ClientSteps:
        """What the user wants, as messages."""
        message: Message | None = None
        match command:
            case Audio(data=data) if data:  # an empty one would mean CloseStream
                message = Binary(data)
            case Finalize(channel=channel):
                self._finalizing.append(command.ref)
                message = Text(written(FinalizeMessage(channel)))
            case End():
                message = Text(written(CloseStreamMessage()))
            case Configure(patch=patch):
                hints = cast("dict[str, Any]", patch.get("recognition") or {}).get("hints")
                if hints is not None:
                    self._configuring.append(command.ref)
                    terms = [str(hint["text"]) for hint in hints]
                    message = Text(written(ConfigureMessage(keyterms=terms)))
            case _:
                pass
        if message is None:
            return ()
        self.deadline = now + self._keep_alive
        return (message,)

    def expire(self, now: float) -> ClientSteps:
        """Nothing was sent for a while."""
        if now < self.deadline:
            return ()
        self.deadline = now + self._keep_alive
        return (Text(written(KeepAliveMessage())),)

    # ── inside ──

    def _query(self, configure: Configure) -> list[tuple[str, str]]:
        patch = cast("dict[str, Any]", configure.patch.get("recognition") or {})
        turns = cast("dict[str, Any]", patch.get("turns") or {})
        source = configure.format or AudioFormat()
        query = [("model", str(patch.get("model") or self._model))]
        if (encoding := _ENCODINGS.get(source.encoding)) is not None:
            query.append(("encoding", encoding))
            query.append(("sample_rate", str(source.sample_rate)))
            query.append(("channels", str(source.channels)))
        elif source.width:
            raise OssicleError.of(
                Fault(
                    "unsupported_audio",
                    f"{source.encoding} has no name in this dialect; use {', '.join(_ENCODINGS)}",
                    "client",
                )
            )
        if language := patch.get("language"):
            query.append(("language", str(language)))
        interim = patch.get("interim_results", True)
        query.append(("interim_results", "false" if interim is False else "true"))
        for name, option in (
            ("punctuate", "punctuate"),
            ("profanity_filter", "profanity_filter"),
            ("diarize", "diarize"),
        ):
            if patch.get(option):
                query.append((name, "true"))
        if patch.get("channels") == "split":
            query.append(("multichannel", "true"))
        if turns.get("detect") is False:
            query.append(("endpointing", "false"))
        elif (silence := turns.get("silence_ms")) is not None:
            query.append(("endpointing", str(silence)))
        query += _hints(cast("list[dict[str, Any]]", patch.get("hints") or []))
        query.append(("vad_events", "true"))
        if label := configure.patch.get("label"):
            query.append(("tag", str(label)))
        return query

    def _said(self, text: str) -> ClientSteps:
        try:
            message = parse_response(text)
        except BadMessage as error:
            return self._garbled(text, error)
        self._broken = 0
        match message:
            case Results():
                return (self._results(message),)
            case SpeechStartedMessage(channel=channel, timestamp=at):
                return (SpeechStarted(at_ms=_ms(at), channel=channel[0]),)
            case UtteranceEnd(channel=channel, last_word_end=end):
                return self._utterance_end(channel[0], _ms(end))
            case Metadata(duration=duration):
                self._audio_ms = _ms(duration)
                return ()
            case ErrorMessage(variant=variant, description=description):
                return (Notice(level="error", code=variant, text=description),)
            case ConfigureSuccess():
                ref = self._configuring.popleft() if self._configuring else ""
                return (Configured(options=self._options, ref=ref),)
            case ConfigureFailure(code=code, description=description):
                ref = self._configuring.popleft() if self._configuring else ""
                return (Notice(level="error", code=code, text=description, ref=ref),)

    def _garbled(self, text: str, error: BadMessage) -> ClientSteps:
        """Newer kinds of messages are not for us. One that is broken is told; a server that says
        nothing else is none of ours."""
        if _newer(text):
            return ()
        self._broken += 1
        what = f"bad message from the server: {error}"
        if self._broken == 1:
            return (Notice(level="warning", code="bad_message", text=what),)
        if self._broken < _MOST_BROKEN:
            return ()
        self._over, self.deadline = True, inf
        fault = BadMessage(f"{_MOST_BROKEN} in a row: {what}").fault()
        return (Close(1003, "not Deepgram"), Ended(reason="failed", error=fault))

    def _results(self, message: Results) -> Transcript:
        channel = message.channel_index[0]
        turn = self._turns.setdefault(channel, _Turn())
        readings = message.channel.alternatives
        best = readings[0] if readings else None
        ref = ""
        if message.from_finalize and self._finalizing:
            ref = self._finalizing.popleft()
        words = tuple(
            Word(
                word.punctuated_word or word.word,
                _ms(word.start),
                _ms(word.end),
                word.confidence or None,
                "" if word.speaker is None else str(word.speaker),
                word.language or "",
            )
            for word in (best.words if best else ())
        )
        ends = message.is_final and (message.speech_final or message.from_finalize)
        heard = Transcript(
            text=best.transcript if best else "",
            start_ms=_ms(message.start),
            end_ms=_ms(message.start + message.duration),
            turn=turn.number,
            segment=turn.segment,
            final=message.is_final,
            ends_turn=ends,
            words=words or None,
            confidence=(best.confidence or None) if best else None,
            language=best.languages[0] if best and best.languages else "",
            channel=channel,
            alternatives=tuple(reading.transcript for reading in readings[1:]),
            ref=ref,
        )
        turn.after(heard)
        return heard

    def _utterance_end(self, channel: int, end_ms: int) -> tuple[Event, ...]:
        """Words were frozen and no end of speech followed, in noise: the turn is over now."""
        turn = self._turns.setdefault(channel, _Turn())
        if not turn.segment or turn.restating:
            return ()
        at = max(end_ms, turn.until)
        last = Transcript(
            start_ms=at,
            end_ms=at,
            turn=turn.number,
            segment=turn.segment,
            final=True,
            ends_turn=True,
            channel=channel,
        )
        turn.after(last)
        return (last,)

    def _closed(self, close: Close) -> Ended:
        if close.body or 300 <= (close.code or 0) < 600:
            return Ended(reason="refused", error=_refused(close))
        if close.code in {None, 1000}:
            return Ended(audio_ms=self._audio_ms)
        known = close.reason.split(" ")[0] if close.reason else ""
        code = _CLOSES.get(known, "connection_lost")
        error = CODES[code](f"the server closed with {close.code} {close.reason}".strip())
        error.code = code
        return Ended(reason="failed", error=error.fault())


class _Typed(msgspec.Struct):
    type: str


def _newer(text: str) -> bool:
    """A JSON object of a type that is not known here."""
    try:
        return msgspec.json.decode(text, type=_Typed).type not in RESPONSE_TYPES
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        return False


class _Turn:
    """Numbers of one channel's turns and segments."""

    __slots__ = ("number", "restating", "segment", "until")

    def __init__(self) -> None:
        self.number = 0
        self.segment = 0
        self.restating = False
        """The open segment has words."""
        self.until = 0
        """End of what was frozen last."""

    def after(self, heard: Transcript) -> None:
        if heard.final:
            self.until = heard.end_ms or 0
        if heard.ends_turn:
            self.number += 1
            self.segment = 0
        elif heard.final:
            self.segment += 1
        self.restating = not heard.final and bool(heard.text)


class _Refusal(msgspec.Struct):
    err_msg: str = ""
    message: str = ""


def _refused(close: Close) -> Fault:
    """What the status and its JSON say."""
    try:
        said = msgspec.json.decode(close.body, type=_Refusal) if close.body else _Refusal()
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        said = _Refusal()
    status = close.code or 0
    code = _STATUS.get(status, "bad_request" if status < 500 else "engine_failed")
    text = said.err_msg or said.message or close.reason
    return Fault(
        code,
        f"the server answered {status} {text}".strip()[:500],
        "client" if 400 <= status < 500 and status not in {408, 429} else "upstream",
        status in {408, 429} or status >= 500,
    )


def _hints(hints: list[dict[str, Any]]) -> list[tuple[str, str]]:
    query: list[tuple[str, str]] = []
    for hint in hints:
        boost = hint.get("boost")
        if boost is None:
            query.append(("keyterm", str(hint["text"])))
        else:
            query.append(("keywords", f"{hint['text']}:{float(boost):g}"))
    return query


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
