"""The server half of StartStreamTranscription, over HTTP/2 and over WebSocket.

    POST /stream-transcription            parameters in headers, events in signed envelopes
    GET  /stream-transcription-websocket  parameters in a signed URL, one frame in each message

    answer ─ empty event ─ (AudioEvent)* ─ end of audio ─ last results ─ end of stream

The two differ in how a stream is asked for and refused, and in where frames are cut; what is in
the frames is the same, and so is all the rest. Results restate one segment each; a segment has an
id of its own, and nothing piles up over segments.
"""

import uuid
from math import inf

from ossicle.core.commands import Audio, Configure, End, Join
from ossicle.core.errors import BadMessage, Fault, OssicleError, TimedOut
from ossicle.core.events import Began, Ended, Event, Transcript
from ossicle.core.ports import Steps
from ossicle.core.wire import Accept, Binary, Close, Fin, Message, Opening, Text

from .errors import AUTH, exception, refusal, request_headers
from .eventstream import BYTES, Frame, FrameReader, encode, read_frames
from .guard import Admitted, Guard, nobody_checks
from .items import Speller
from .messages import (
    AlternativeBody,
    LanguageScore,
    Result,
    TranscriptBody,
    TranscriptEvent,
    event_frame,
)
from .parameters import PREFIX, Asked, Lists, given_in, read_parameters
from .sessions import Held, SessionIds

__all__ = ["AmazonServer"]

_SILENCE_S = 15.0
"""No audio for so long ends a stream."""
_LAST_WORDS_S = 5.0
"""How long a stream that is ended for silence may still decide what it heard."""
_NOTHING = encode(event_frame(TranscriptEvent()))
"""An event without results: the JavaScript SDK waits for the first event, whatever it is."""


class AmazonServer:
    """Implements `core.ports.Dialect`."""

    name = "amazon.transcribe"

    def __init__(
        self,
        *,
        guard: Guard = nobody_checks,
        lists: Lists | None = None,
        sessions: SessionIds | None = None,
        silence_s: float = _SILENCE_S,
    ) -> None:
        """
        Args:
            guard: looks at signatures.
            lists: vocabularies and filters by name.
            sessions: the ids in use at this gateway; None = only this stream's.
            silence_s: how long there may be no audio.
        """
        self.deadline = inf
        self.plain = False  # audio comes in frames
        self.resumable = False
        self._guard, self._lists = guard, lists or Lists()
        alone = SessionIds(lambda _session: "gone")
        self._sessions = alone if sessions is None else sessions
        self._silence = silence_s
        self._opening = Opening()
        self._opened_at = 0.0
        self._streamed = False
        """Frames are cut anywhere: HTTP/2."""
        self._reader = FrameReader()
        self._admitted = Admitted()
        self._asked: Asked | None = None
        self._session = ""
        self._held: Held | None = None
        self._accepted = self._ending = self._over = False
        self._closing: Fault | None = None
        """What the stream is ended with, once its last words are said."""
        self._heard_at = 0.0
        self._open: dict[int, tuple[int, int, str]] = {}
        """By channel: turn, segment and id of the result that is told of."""
        self._results = 0
        self._speller = Speller()

    # ── from the client ──

    def open(self, opening: Opening, now: float) -> Steps:
        """A stream is asked for."""
        self._opening, self._opened_at, self._heard_at = opening, now, now
        self._streamed = opening.method == "POST"
        admitted = self._guard(opening)
        if isinstance(admitted, Fault):
            return self._break(admitted)
        self._admitted = admitted
        try:
            asked = read_parameters(given_in(opening), self._lists)
        except OssicleError as error:
            return self._break(error.fault())
        join = self._claim(asked, now)
        if isinstance(join, Fault):
            return self._break(join)
        self._asked = asked
        self._speller = Speller(stable=asked.stable, speakers=asked.speakers, filtered=asked.filter)
        if join is not None:
            return (Configure(join=join, credential=admitted.credential),)
        return (
            Configure(
                patch=asked.patch,
                format=asked.format,
                credential=admitted.credential,
                names=(self._session,),
            ),
        )

    def receive(self, message: Message, now: float) -> Steps:
        """A message from the client."""
        if self._over:
            return ()
        match message:
            case Binary(data=data):
                try:
                    return self._took(data, now)
                except OssicleError as error:
                    return self._break(error.fault())
            case Fin():
                if self._reader.torn and not self._ending:
                    return self._break(
                        BadMessage(
                            f"the stream ended within a frame: {self._reader.torn} bytes of it came"
                        ).fault()
                    )
                return self._end()
            case Text():
                return self._break(BadMessage("an event is a binary message, not text").fault())
            case Close(code=code):
                self._over, self.deadline = True, inf
                if code == 1006 and self.resumable:
                    return ()  # it may come back
                self._forget()
                return () if self._ending else (End(),)
            case _:
                return ()

    def expire(self, now: float) -> Steps:
        """The stream is silent, or its last words take too long."""
        if now < self.deadline or self._over:
            return ()
        if self._closing is not None:
            return self._break(self._closing)
        if now < self._heard_at + self._silence:
            self.deadline = self._heard_at + self._silence
            return ()
        self._closing = TimedOut(
            "Your request timed out because no new audio was received for "
            f"{self._silence:g} seconds.",
            code="idle",
        ).fault()
        steps = self._end()
        self.deadline = now + _LAST_WORDS_S
        return steps

    def _took(self, data: bytes, now: float) -> Steps:
        if not data and not self._streamed:
            return self._end()  # the JavaScript SDK's last event is a message of no bytes
        steps: Steps = ()
        for frame in self._reader.feed(data) if self._streamed else read_frames(data):
            steps += self._frame(frame, now)
        return steps

    def _frame(self, frame: Frame, now: float) -> Steps:
        if frame.header(":chunk-signature", BYTES) is not None:
            chain = self._admitted.chain
            if chain is not None:
                chain.check(frame, self._opening.at + now - self._opened_at)
            if not frame.payload:
                return self._end()
            inner = read_frames(frame.payload)
            if len(inner) != 1:
                raise BadMessage(f"an envelope holds one event, not {len(inner)}")
            frame = inner[0]
        elif self._admitted.signs_events:
            raise BadMessage("an event of this stream has to be signed")
        kind = frame.text(":event-type")
        if frame.text(":message-type") != "event" or kind not in {
            "AudioEvent",
            "ConfigurationEvent",
        }:
            raise BadMessage(f"{kind[:40] or 'a message without a type'!r} is no AudioEvent")
        if kind == "ConfigurationEvent" or self._ending:
            return ()  # of call analytics; and nothing is heard after the end
        if not frame.payload:
            return self._end()
        self._heard_at = now
        return (Audio(data=frame.payload),)

    def _end(self) -> Steps:
        if self._ending:
            return ()
        self._ending, self.deadline = True, inf
        return (End(),)

    def _claim(self, asked: Asked, now: float) -> Join | Fault | None:
        """The stream's id is taken; or it is in use; or it is that of a session to go on with."""
        ids, who = self._sessions, self._admitted.who
        self.resumable = bool(asked.resume_s and asked.session)
        self._session = asked.session or str(uuid.uuid5(uuid.NAMESPACE_OID, self._opening.id))
        if not asked.session:
            return None
        held, state = ids.find(who, asked.session, now)
        goes_on = held is not None and state != "gone"
        if held is not None and goes_on:
            if not (self.resumable and held.resumable and held.token):
                return Fault(
                    "conflict",
                    "A stream with this session ID is open already; use another ID, or ask for a "
                    "session-resume-window in both to go on with it.",
                    "client",
                )
            if held.format != asked.format:
                return BadMessage("a resumed session goes on with the audio it began with").fault()
        mine = ids.take(who, asked.session, now, asked.format, resumable=self.resumable)
        self._held = mine
        if held is None or not goes_on:
            return None
        mine.session, mine.token, mine.seq = held.session, held.token, held.seq
        return Join(token=held.token, since=held.seq)

    # ── to the client ──

    def send(self, event: Event, now: float) -> Steps:
        """An event for the client."""
        if self._over:
            return ()
        if self._held is not None and event.seq:
            self._held.seq = event.seq
        match event:
            case Transcript(side="in"):
                return self._transcript(event)
            case Began():
                return self._begin(event, now)
            case Ended():
                return self._last(event)
            case _:
                return ()

    def _begin(self, event: Began, now: float) -> Steps:
        self._accepted = True
        self._heard_at = now  # time spent on admission is ours
        if not self._ending:
            self.deadline = now + self._silence
        if self._held is not None:
            self._held.session, self._held.token = event.session, event.token
        return (Accept(self._headers(), flush=True), Binary(_NOTHING))

    def _headers(self) -> tuple[tuple[str, str], ...]:
        headers = [*request_headers(self._opening.id), (PREFIX + "session-id", self._session)]
        if self._streamed:
            headers.insert(0, ("content-type", "application/vnd.amazon.eventstream"))
        if self._asked is not None:
            headers += [(PREFIX + name, value) for name, value in self._asked.echo]
            if self._asked.ignored:
                headers.append(("x-ossicle-ignored", ",".join(self._asked.ignored)))
        return tuple(headers)

    def _transcript(self, event: Transcript) -> Steps:
        asked = self._asked
        known = self._open.get(event.channel)
        if known is None or known[:2] != (event.turn, event.segment):
            if not event.text:
                return ()
            self._results += 1
            name = uuid.uuid5(uuid.NAMESPACE_OID, f"{self._opening.id}/{self._results}")
            known = event.turn, event.segment, str(name)
            self._open[event.channel] = known
        if event.final:
            del self._open[event.channel]
        text, items = self._speller.items(event)
        language = event.language or (asked.language if asked is not None else "")
        result = Result(
            result_id=known[2],
            start_time=(event.start_ms or 0) / 1000,
            end_time=(event.end_ms or 0) / 1000,
            is_partial=not event.final,
            alternatives=[AlternativeBody(transcript=text, items=items)],
            channel_id=f"ch_{event.channel}" if asked is not None and asked.channels > 1 else None,
            language_code=language or None,
            language_identification=(
                [LanguageScore(language_code=event.language)]
                if asked is not None and asked.identifies and event.language
                else None
            ),
        )
        return (_said(event_frame(TranscriptEvent(TranscriptBody([result])))),)

    def _last(self, event: Ended) -> Steps:
        error = event.error or self._closing
        if error is None and not self._accepted:
            error = Fault("internal", f"the session ended: {event.reason}")
        if error is not None:
            return self._break(error)
        self._over, self.deadline = True, inf
        self._forget()
        return (Close(),)

    def _break(self, fault: Fault) -> Steps:
        """End a stream with an error, or do not begin it. A browser is not told why an upgrade was
        refused: a WebSocket is opened to say what the SDK can read, but for a wrong signature."""
        self._over, self.deadline = True, inf
        self._forget()
        if self._accepted:
            return (_said(exception(fault)), Close())
        if self._streamed or fault.code in AUTH:
            return (refusal(fault, self._opening.id),)
        return (Accept(self._headers()), _said(exception(fault)), Close())

    def _forget(self) -> None:
        if self._held is not None:
            self._sessions.forget(self._admitted.who, self._session, self._held)


def _said(frame: Frame) -> Binary:
    return Binary(encode(frame))
