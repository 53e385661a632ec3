"""The server half of `/v1/realtime`: an OpenAI client on one side, a session on the other.

The upgrade is taken at once and what is wrong is said after it, as an `error` event and a close
whose reason names it: the service does so, and a browser shows no other reason (wire note,
section 9). One class for conversations, transcriptions and sidebands, since only `session.type`
tells them apart:

    /v1/realtime?model=M                 a conversation; its engine answers
    /v1/realtime?intent=transcription    words only
    /v1/realtime?call_id=rtc_…           a controller of a session that exists

The format of the sound is declared by the first `session.update`, or by the first sound, whichever
comes first: before that, no engine is chosen.

On a channel that carries media (a call over WebRTC) sound goes as `Media` and its format is fixed;
`pacing` tells how far it was played. What is wrong with such a call before it begins is the answer
to its offer, a status and JSON.
"""

from math import inf

from ossicle.core.commands import Audio, Configure, End, Join
from ossicle.core.errors import OssicleError
from ossicle.core.events import Began, Ended, Event
from ossicle.core.ports import Steps
from ossicle.core.wire import Close, Mark, Media, Message, Opening, Text

from .book import Books
from .calls import call_name
from .credentials import credential_of
from .doing import LEAST_COMMIT_MS, Doing
from .errors import closing
from .inlet import SLICE
from .messages import head_of, parse_client, sound_in
from .pacing import SOUND
from .party import Party
from .settings import patch_of
from .telling import Telling
from .wanted import wanted

__all__ = ["RealtimeServer"]

_PAUSE_S = 0.001
_LOOK_S = 0.05
"""How often a sideband looks what became of sound on a track, while there is some: the only thing
that no event of the session tells it."""


class RealtimeServer:
    """Implements `core.ports.Dialect`."""

    name = "openai.realtime"

    def __init__(self, books: Books | None = None) -> None:
        """`books`: of this gateway, so that all legs of a session share one."""
        self.deadline = inf
        self.plain = False
        self.resumable = False
        self._party = party = Party(books or Books())
        self._doing, self._telling = Doing(party), Telling(party)
        self._drain_at = inf
        self._looked = 0
        """How many of the book's notes were told."""

    # ── core.ports.Dialect ──

    def open(self, opening: Opening, now: float) -> Steps:
        """A client asks."""
        party = self._party
        party.meet(opening)
        try:
            call = opening.param("call_id")
            if call:
                party.joins = True
                join = Join(session=call.removeprefix("sess_")[:200], role="controller")
                return (Configure(join=join, credential=credential_of(opening)),)
            party.settings = settings = wanted(opening)
        except OssicleError as error:
            return self._fatal(error)
        patch, sound = patch_of(settings), None
        if party.media:
            # A microphone cannot be stopped: what an engine does not take in time is old.
            patch, sound = patch | {"overload": "drop_oldest"}, SOUND
        return (
            Configure(
                patch=patch,
                format=sound,
                speaks=sound,
                credential=credential_of(opening),
                names=(call_name(opening),),
            ),
        )

    def receive(self, message: Message, now: float) -> Steps:
        """A message from the client."""
        party = self._party
        if party.over:
            return ()
        match message:
            case Media(data=data):
                if party.pacing is None or not data:
                    return ()
                party.take(len(data))
                return (Audio(data=data),)  # nothing else changes by it, no deadline either
            case Text(data=text):
                steps = self._read(text, now)
            case Mark(name=name) if party.pacing is not None:
                steps = party.paced(party.pacing.reached(name))
            case Close() if party.media:
                # The call is over. A transcript is finished; an answer has nobody to hear it.
                if party.settings.type == "transcription":
                    return (End(),)
                self._stop()
                return (closing(None),)
            case _:
                return ()
        return self._and_more(steps, now)

    def spelled(self, text: str) -> bytes | None:
        """See `core.ports.Spelled`."""
        party = self._party
        book = party.book
        if party.inlet or party.over or party.joins or party.pacing or party.beta is not None:
            return None
        audio = sound_in(text) if book.declared else None
        if not audio or len(audio) > SLICE:
            return None
        party.take(len(audio))
        return audio

    def send(self, event: Event, now: float) -> Steps:
        """An event for the client."""
        party = self._party
        if party.over:
            return ()
        match event:
            case Began():
                return self._begin(event)
            case Ended():
                return self._end(event)
            case _:
                steps = self._telling.told(event, now)
        if event.seq:
            party.book.newest = max(party.book.newest, event.seq)
            if event.seq <= party.muted_until:
                return ()
        return self._and_more(steps, now)

    def expire(self, now: float) -> Steps:
        """The next piece of what waits, or nobody has said anything for long."""
        if self._party.over or now < self.deadline:
            return ()
        steps = self._drain(now) if now >= self._drain_at else ()
        return self._and_more((*steps, *self._idle(now)), now)

    def _and_more(self, steps: Steps, now: float) -> Steps:
        """Those, what is due anyway, and when to look again."""
        party = self._party
        if party.over:
            return steps
        if party.inlet and self._drain_at == inf:
            steps = (*steps, *self._drain(now))
            if party.over:
                return steps
        if not party.inlet:
            self._drain_at = inf
        elif self._drain_at <= now or self._drain_at == inf:
            self._drain_at = now + _PAUSE_S
        look_at = inf
        if party.joins and party.book.paced:
            steps = (*steps, *party.all(party.book.notes(self._looked)))
            self._looked = party.book.noted
            look_at = now + _LOOK_S if party.book.playing else inf
        self.deadline = min(self._drain_at, party.idling.deadline, look_at)
        return steps

    # ── inside ──

    def _begin(self, event: Began) -> Steps:
        party = self._party
        messages = party.begin(event)
        if party.joins:
            self._looked = party.book.noted
        return messages

    def _read(self, text: str, now: float) -> Steps:
        """One event, or behind what waits already."""
        party = self._party
        if not party.inlet:
            return self._event(text, now)
        try:
            party.inlet.text(text)
        except OssicleError as error:
            return self._fatal(error)
        return ()

    def _event(self, text: str, now: float) -> Steps:
        party = self._party
        event_id = ""
        try:
            if party.beta is not None:
                _, event_id = head_of(text)
                text = party.beta.read(text, party.book.settings)
            message = parse_client(text)
            event_id = event_id or message.event_id or ""
            return self._doing.do(message, event_id, now)
        except OssicleError as error:
            return party.error(error, event_id or head_of(text)[1])

    def _drain(self, now: float) -> Steps:
        """What waits, up to the next piece of sound; the rest in a moment, unless the session has
        its channel paused, for which this clock stands still."""
        party = self._party
        steps: Steps = ()
        while party.inlet and not party.over:
            item = party.inlet.next()
            if isinstance(item, bytes):
                return (*steps, Audio(data=item))
            steps = (*steps, *self._event(item, now))
        return steps

    def _idle(self, now: float) -> Steps:
        """Nobody has said anything since the last answer was heard: that is an item, and a reason
        to answer."""
        party = self._party
        silence = party.idling.expire(party.hears.ms(party.sent), LEAST_COMMIT_MS, now)
        if silence is None or party.responding.busy or party.listening.speaking:
            return ()
        party.book.appended = 0
        steps = party.all(party.listening.silent(*silence))
        return (*steps, *self._doing.respond(None, "")) if party.answers else steps

    def _end(self, event: Ended) -> Steps:
        party = self._party
        if event.error is not None:
            said = party.all(party.listening.failed("server_error", event.error.text))
            return (*said, *self._fatal(OssicleError.of(event.error)))
        silence = party.paced(party.pacing.silence()) if party.pacing is not None else ()
        self._stop()
        return (*silence, closing(None))

    def _fatal(self, error: OssicleError) -> Steps:
        self.deadline = inf
        return self._party.fatal(error)

    def _stop(self) -> None:
        self.deadline = inf
        self._party.stop()
