"""The server half of live `/v1/listen`.

    upgrade ─ (audio | KeepAlive | Finalize | Configure)* ─ CloseStream ─ finals ─ Metadata ─ 1000

A segment is the audio `[start, start + duration)`: interim results restate it with the same start
and a growing duration, `is_final` freezes it, and the next one begins where it ended. The session
keeps the order of turns; this keeps the seconds.
"""

import hashlib
from math import inf

from ossicle.core.commands import Audio, Configure, End, Finalize
from ossicle.core.errors import BadMessage, Fault, OssicleError
from ossicle.core.events import (
    Began,
    Configured,
    Ended,
    Event,
    Flow,
    Notice,
    SpeechEnded,
    SpeechStarted,
    Transcript,
)
from ossicle.core.formats import AudioFormat
from ossicle.core.ports import Steps
from ossicle.core.wire import Accept, Binary, Close, Fin, Message, Opening, Text

from .credentials import credential_of, subprotocol_of
from .errors import closing, refusal, request_headers
from .listen_gaps import Gap
from .listen_messages import (
    ChannelResult,
    CloseStreamMessage,
    ConfigureFailure,
    ConfigureMessage,
    ConfigureSuccess,
    ErrorMessage,
    FinalizeMessage,
    Metadata,
    Response,
    Results,
    ResultsMetadata,
    SpeechStartedMessage,
    UtteranceEnd,
    Warned,
    parse_request,
    written,
)
from .listen_model import created_at, model_of_engine
from .listen_query import Asked, hints_of, listen_query
from .listen_words import Speller

__all__ = ["ListenServer"]

_SILENCE_S = 10.0
"""No audio and no text for so long closes the stream, from the opening on."""
_LAST_WORDS_S = 5.0
"""How long a stream that is closed for silence may still decide what it heard."""
_LOOK_S = 1.0
"""How often it is seen whether audio came; so silence is noticed after 10 to 11 s."""
_FINALIZE, _CONFIGURE = "finalize-", "configure-"
_QUOTED = 200
"""Characters of an offending message that are said back."""


class _Segment:
    """Where one channel is."""

    __slots__ = ("gap", "start", "until")

    def __init__(self, gap_ms: int) -> None:
        self.start = 0
        self.until = 0
        """Largest end told; durations only grow."""
        self.gap = Gap(gap_ms)


class ListenServer:
    """Implements `core.ports.Dialect`."""

    name = "deepgram.v1"

    def __init__(self, *, silence_s: float = _SILENCE_S) -> None:
        self.deadline = inf
        self.plain = False  # the sum of `Metadata.sha256` needs every byte
        self.resumable = False
        self._silence = silence_s
        self._asked = Asked({}, None)
        self._opening = Opening()
        self._accepted = False
        self._over = False
        self._ending = False
        """The client said that no more comes."""
        self._closing: Fault | None = None
        """Why the stream is being closed by us, once its last words are said."""
        self._heard_at = 0.0
        self._sum = hashlib.sha256()
        self._bytes: int = 0
        self._units = 0
        """Bytes of audio a second; 0 = a container, whose time is inside."""
        self._looked_at: int = 0
        """`_bytes` when the clock was last looked at."""
        self._tap_limit: float = inf
        """Audio count from which a gap may be over, or past which nothing is audio."""
        self._heard_ms = 0
        """Stream time up to which the engine is known to have heard everything."""
        self._channels = 1
        self._source_channels = 1
        self._segments: dict[int, _Segment] = {}
        self._counter = 0
        self._finalizing: set[str] = set()
        self._configuring: dict[str, list[str]] = {}
        self._configured = False
        self._keyterms: list[str] = []
        self._metadata: ResultsMetadata | None = None
        self._warnings: list[Warned] = []

    # ── from the client ──

    def open(self, opening: Opening, now: float) -> Steps:
        """An upgrade is asked for."""
        self._opening = opening
        self._heard_at = now
        try:
            asked = listen_query(opening.query)
        except OssicleError as error:
            self._over = True
            return (refusal(error.fault(), opening.id),)
        self._asked = asked
        self._keyterms = list(asked.keyterms)
        self._warnings = list(asked.warnings)
        self._speller = Speller(
            punctuated=asked.punctuated, diarize=asked.diarize, languages=asked.languages
        )
        if (source := asked.format) is not None:
            self._declared(source)
        return (
            Configure(
                patch=asked.patch,
                format=asked.format or AudioFormat("auto"),
                credential=credential_of(opening),
                report_to=asked.report_to,
            ),
        )

    def receive(self, message: Message, now: float) -> Steps:
        """A message from the client."""
        match message:
            case Binary(data=data):
                if not data:
                    return self._end()
                if self._ending:
                    return ()
                self._heard_at = now
                self._sum.update(data)
                self._bytes += len(data)
                return (Audio(data=data), *self._gaps(now))
            case Text(data=text):
                self._heard_at = now
                return self._said(text)
            case Fin():
                return self._end()
            case Close():
                # a client that closes by itself wants nothing more; its slot is free at once
                self._over, self.deadline = True, inf
                return ()
            case _:
                return ()

    def tap(self, data: bytes) -> bool:
        """See `core.ports.Tapped`. What is not just audio goes through `receive`: an empty frame,
        anything after the end, and the frame with which a gap may be over."""
        count = self._bytes + len(data)
        if count >= self._tap_limit or not data:
            return False
        self._bytes = count
        self._sum.update(data)
        return True

    def _said(self, text: str) -> Steps:
        if self._over or self._ending:
            return ()
        try:
            message = parse_request(text)
        except BadMessage as error:
            shown = text if len(text) <= _QUOTED else text[:_QUOTED] + "…"
            return self._say(ErrorMessage("SchemaError", str(error), shown))
        match message:
            case FinalizeMessage(channel=channel):
                if channel is not None and not 0 <= channel < self._channels:
                    return self._say(
                        ErrorMessage(
                            "SchemaError",
                            f"channel {channel} is outside 0-{self._channels - 1}",
                            text[:_QUOTED],
                        )
                    )
                ref = self._ref(_FINALIZE)
                self._finalizing.add(ref)
                return (Finalize(channel=channel, ref=ref),)
            case CloseStreamMessage():
                return self._end()
            case ConfigureMessage():
                return self._change(message)
            case _:
                return ()

    def _end(self) -> Steps:
        if self._over or self._ending:
            return ()
        self._ending = True
        self._tap_limit = 0
        self.deadline = inf  # nothing is expected of the client any more
        return (End(),)

    def _change(self, message: ConfigureMessage) -> Steps:
        if not self._accepted:
            return ()
        ref = self._ref(_CONFIGURE)
        keyterms = self._keyterms if message.keyterms is None else message.keyterms
        self._configuring[ref] = keyterms
        patch: dict[str, object] = {}
        if message.keyterms is not None:
            patch["recognition"] = {"hints": hints_of(keyterms)}
        features = message.features or {}
        self._warnings += [
            Warned(str(name)[:60], "unsupported_feature", "cannot be changed by an engine here")
            for name in list(features)[:20]
        ]
        return (Configure(patch=patch, ref=ref),)

    def _ref(self, kind: str) -> str:
        self._counter += 1
        return f"{kind}{self._counter}"

    # ── to the client ──

    def send(self, event: Event, now: float) -> Steps:
        """An event for the client."""
        if self._over:
            return ()
        if type(event) is Transcript:
            return self._transcript(event, now)
        match event:
            case Began(engine=engine):
                self._model(engine)
                self._accepted = True
                self._heard_at = now  # time spent on admission is ours
                self.deadline = inf if self._ending else self._next_look(now)
                headers = request_headers(self._opening.id)
                return (Accept(headers, subprotocol_of(self._opening)),)
            case Configured():
                return self._knows(event)
            case SpeechStarted(side="in") if self._asked.vad_events:
                return self._say(
                    SpeechStartedMessage((event.channel, self._channels), (event.at_ms or 0) / 1000)
                )
            case SpeechEnded(side="in", provisional=False):
                return ()
            case Flow(settled_ms=settled):
                self._heard_ms = max(self._heard_ms, settled)
                return self._gaps(now)
            case Notice():
                return self._notice(event)
            case Ended():
                return self._last(event)
            case _:
                return ()

    def _transcript(self, event: Transcript, now: float) -> Steps:
        if event.side != "in":
            return ()
        channel = event.channel
        segment = self._segment(channel)
        start = segment.start
        until = max(segment.until, event.end_ms or 0, start)
        if event.final and event.words:
            until = max(until, event.words[-1].end_ms)
        asked = event.ref in self._finalizing
        if asked:
            self._finalizing.discard(event.ref)
        results = Results(
            channel_index=(channel, self._channels),
            duration=(until - start) / 1000,
            start=start / 1000,
            is_final=event.final,
            speech_final=event.final and event.ends_turn,
            channel=ChannelResult([self._speller.alternative(event, start, until)]),
            metadata=self._metadata,
            from_finalize=asked,
        )
        segment.until = until
        if event.final:
            segment.start = until
            self._heard_ms = max(self._heard_ms, event.end_ms or 0)
        messages = self._say(results)
        if self._asked.utterance_end_ms and event.text:
            start_ms, end_ms = _last_word(event, until)
            segment.gap.word(start_ms, end_ms, now)
            return (*messages, *self._gaps(now))
        return messages

    def _segment(self, channel: int) -> _Segment:
        segment = self._segments.get(channel)
        if segment is None:
            segment = self._segments[channel] = _Segment(self._asked.utterance_end_ms)
        return segment

    def _gaps(self, now: float) -> Steps:
        """Tell every gap that is over, and set when to look again."""
        if not self._asked.utterance_end_ms or self._ending:
            return ()
        units = self._units
        audio_ms = self._bytes * 1000 // units if units else inf
        messages: Steps = ()
        due_at, due_ms = inf, inf
        for channel, segment in self._segments.items():
            gap = segment.gap
            if gap.open and gap.over(audio_ms, self._heard_ms, now):
                messages += self._say(UtteranceEnd((channel, self._channels), gap.last_ms / 1000))
            elif gap.open and audio_ms < gap.due_ms:
                due_ms = min(due_ms, gap.due_ms)  # the clock alone cannot bring it
            elif gap.open:
                due_at = min(due_at, gap.due_at)
        self._tap_limit = due_ms * units / 1000 if units else inf
        if self._accepted:
            self.deadline = min(self._next_look(now), due_at)
        return messages

    def _knows(self, event: Configured) -> Steps:
        """Options are in force; the first time, the format is known."""
        hears = event.options.hears
        if not self._configured and hears is not None:
            self._configured = True
            if self._asked.multichannel:
                self._channels = self._source_channels = hears.channels
        if not event.ref and not self._configuring:
            return ()
        done = [event.ref] if event.ref in self._configuring else []
        if not event.ref:  # what was asked before the format was known is told of only here
            done = list(self._configuring)
        messages: Steps = ()
        for ref in done:
            self._keyterms = self._configuring.pop(ref)
            messages += self._say(ConfigureSuccess(self._opening.id, self._keyterms))
        return messages

    def _notice(self, event: Notice) -> Steps:
        if event.ref in self._configuring:
            del self._configuring[event.ref]
            return self._say(
                ConfigureFailure(self._opening.id, f"CONFIGURE_{event.code.upper()}", event.text)
            )
        if event.ref in self._finalizing:
            self._finalizing.discard(event.ref)
        if event.level == "error":
            return self._say(ErrorMessage(event.code, event.text))
        if event.level == "warning" and len(self._warnings) < 100:
            self._warnings.append(Warned("", event.code, event.text))
        return ()

    def _last(self, event: Ended) -> Steps:
        self._over = True
        self.deadline = inf
        if not self._accepted:
            error = event.error or Fault("internal", f"the session ended: {event.reason}")
            return (refusal(error, self._opening.id),)
        if event.error is not None:
            return (closing(event.error),)
        if self._closing is not None:
            return (closing(self._closing),)
        return (*self._say(self._summary(event)), closing(None))

    def _summary(self, event: Ended) -> Metadata:
        assert self._metadata is not None, "told who listens by Began"
        uuid, info = self._metadata.model_uuid, self._metadata.model_info
        return Metadata(
            transaction_key="deprecated",
            request_id=self._opening.id,
            # a twin that writes for `callback` sees no audio
            sha256=self._sum.hexdigest() if self._bytes or not event.audio_ms else "",
            created=created_at(self._opening.at),
            duration=event.audio_ms / 1000,
            channels=self._source_channels,
            models=[uuid],
            model_info={uuid: info},
            tags=list(self._asked.tags) or None,
            extra=dict(self._asked.extra) or None,
            warnings=self._warnings or None,
        )

    def _say(self, message: Response) -> tuple[Message, ...]:
        return (Text(written(message)),) if self._accepted else ()

    # ── time ──

    def expire(self, now: float) -> Steps:
        """A gap may be over, or the client was silent for too long."""
        if now < self.deadline or self._over:
            return ()
        if self._closing is not None:  # its last words take too long
            self._over, self.deadline = True, inf
            return (closing(self._closing),)
        if self._bytes != self._looked_at:  # `tap` has no clock
            self._looked_at, self._heard_at = self._bytes, now
        if now - self._heard_at >= self._silence:
            self._ending = True
            self._tap_limit = 0
            self._closing = Fault(
                "idle", f"no audio and no message came for {self._silence:g} s", "client"
            )
            self.deadline = now + _LAST_WORDS_S
            return (End(),)
        self.deadline = self._next_look(now)
        return self._gaps(now)

    def _next_look(self, now: float) -> float:
        """When silence has to be judged again: every second while audio comes."""
        return min(self._heard_at + self._silence, now + _LOOK_S)

    # ── inside ──

    def _declared(self, source: AudioFormat) -> None:
        self._source_channels = source.channels
        if self._asked.multichannel:
            self._channels = source.channels
        if source.width:
            self._units = source.units_per_second

    def _model(self, engine: str) -> None:
        uuid, info = model_of_engine(engine, self._asked.model)
        self._metadata = ResultsMetadata(self._opening.id, uuid, info)


def _last_word(event: Transcript, until: int) -> tuple[int, int]:
    """Start and end of the last word; the whole segment where words carry no times."""
    if event.words:
        return event.words[-1].start_ms, event.words[-1].end_ms
    return (event.end_ms or until, event.end_ms or until)
