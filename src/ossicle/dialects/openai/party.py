"""One client of a realtime session: what it is, what it knows, and how it is spoken to.

    party.say(Cleared())            (Text('{"type":"input_audio_buffer.cleared",…}'),)
    party.error(Refused("no"))      the same for what went wrong

What a client asks is in `doing`, what a session tells in `telling`; both work on this. It holds no
rule of its own but how an event is numbered, worded and, for the beta, translated.
"""

from collections.abc import Iterable
from typing import Any, TypeAlias, cast

import msgspec

from ossicle.core.commands import Configure, Played
from ossicle.core.errors import OssicleError
from ossicle.core.events import Began
from ossicle.core.formats import AudioFormat
from ossicle.core.ports import Steps
from ossicle.core.wire import MESSAGES, Accept, Message, Opening, Text

from .beta import Beta
from .book import Book, Books
from .credentials import is_beta, subprotocol_of
from .errors import Rejected, closing, error_of, refusal, request_headers
from .idling import Idling
from .inlet import MOST_MESSAGE, Inlet
from .listening import Listening
from .messages import ErrorEvent, ServerEvent, SessionCreated, written
from .pacing import SOUND, Paced, Pacing
from .responding import Responding
from .settings import Settings, format_of, shown

__all__ = ["LIFE_S", "Party"]

Json: TypeAlias = dict[str, Any]

LIFE_S = 3_600
"""What `expires_at` promises where the gateway has no limit of its own: the service's hour. The
session does not end then."""
_MOST_ASKED = 1_000
"""Events of the client whose answer may be awaited."""


class Party:
    """One leg."""

    def __init__(self, books: Books) -> None:
        """`books`: of this gateway, so that all legs of a session share one."""
        self._books = books
        self.opening = Opening()
        self.settings = Settings()
        """What was asked for when there was no session yet; then the book has them."""
        self.beta: Beta | None = None
        self.book = Book()
        self.listening = Listening(self.book, "")
        self.responding = Responding(self.book)
        self.idling = Idling()
        self.inlet = Inlet()
        self.pacing: Pacing | None = None
        """None: its channel does not carry sound."""
        self.accepted = self.over = False
        self.joins = False
        """A sideband of a session that exists."""
        self.media = False
        self.muted_until = 0
        """What a sideband missed is entered and not told."""
        self.updates: dict[str, Settings] = {}
        """Updates under way, with the settings to go back to."""
        self.declaring = ""
        """The update that declared the sound, until it is answered."""
        self.sent = 0
        """Bytes of sound the client sent in all."""
        self._events = self._commands = 0
        self._awaited: dict[str, str] = {}
        """What the client called the event that a command of ours came from, by its ref."""

    # ── opening ──

    def meet(self, opening: Opening) -> None:
        """Somebody asks."""
        self.opening = opening
        self.media = opening.traits.media
        self.beta = Beta() if is_beta(opening) else None

    def begin(self, event: Began) -> tuple[Message, ...]:
        """The session is there."""
        self.accepted = True
        book, held = self._books.of(event.session)
        if not held:
            book.settings = self.settings
            book.expires_at = int(event.expires_at or self.opening.at + LIFE_S)
        # A session that another dialect opened has declared its sound long ago, and a track needs
        # no declaration by its client.
        book.declared = book.declared or self.joins or self.media
        self.book = book
        if self.media:
            book.paced, self.pacing = True, Pacing(book)
        self.listening = Listening(book, self.leg)
        # The sound of a call is on its track, for its sidebands, too.
        self.responding = Responding(book, sends_sound=not book.paced)
        if self.joins:
            self.muted_until = book.newest
        accept = Accept(
            request_headers(self.opening.id),
            subprotocol_of(self.opening),
            max_message=MOST_MESSAGE,
        )
        return (accept, *self.say(SessionCreated(session=self.session())))

    def session(self) -> Json:
        """As a client is shown it."""
        book = self.book
        return shown(book.settings, f"sess_{book.session}", book.expires_at)

    def declare(self) -> Steps:
        """The format is certain now; an engine is chosen for it."""
        book = self.book
        if book.declared:
            return ()
        book.declared = True
        audio = book.settings.audio
        return (
            Configure(
                format=format_of(audio.input.format),
                speaks=format_of(audio.output.format),
            ),
        )

    @property
    def hears(self) -> AudioFormat:
        """What the client's sound is."""
        if self.book.paced:
            return SOUND
        return format_of(self.book.settings.audio.input.format)

    @property
    def detects(self) -> bool:
        """Turns are found by us, not committed by the client."""
        return self.book.settings.audio.input.turn_detection is not None

    @property
    def answers(self) -> bool:
        """A turn that ends is answered unasked."""
        detection = self.book.settings.audio.input.turn_detection
        return detection is not None and detection.create_response

    def take(self, size: int) -> None:
        """So many bytes of sound came."""
        self.sent += size
        self.book.appended += size

    def number(self) -> int:
        """One of this leg's own, for an id."""
        self._commands += 1
        return self._commands

    # ── saying ──

    def say(self, event: ServerEvent) -> tuple[Message, ...]:
        """One event."""
        self._events += 1
        event = msgspec.structs.replace(event, event_id=f"event_{self.leg}{self._events}")
        if self.beta is None:
            return (Text(written(event)),)
        return tuple(Text(text) for text in self.beta.written(event))

    def all(self, events: Iterable[ServerEvent]) -> tuple[Message, ...]:
        """Several."""
        return tuple(message for event in events for message in self.say(event))

    def paced(self, steps: list[Paced]) -> Steps:
        """Those for the track and the session as they are, events as they are said."""
        out: Steps = ()
        for step in steps:
            if isinstance(step, Played) or type(step) in MESSAGES:
                out = (*out, cast("Message | Played", step))
            else:
                out = (*out, *self.say(cast("ServerEvent", step)))
        return out

    def error(self, error: OssicleError, event_id: str = "") -> tuple[Message, ...]:
        """What went wrong; the session goes on."""
        word = error.word if isinstance(error, Rejected) else ""
        param = error.param if isinstance(error, Rejected) else None
        body = error_of(error.fault(), word=word, param=param, event_id=event_id[:200])
        return self.say(ErrorEvent(error=body))

    def fatal(self, error: OssicleError) -> Steps:
        """Said on an open socket, whatever it is; a call that has not begun is refused."""
        self.stop()
        if self.media and not self.accepted:
            return (refusal(error.fault(), self.opening.id, error),)
        accept: tuple[Message, ...] = ()
        if not self.accepted:
            self.accepted = True
            accept = (Accept(request_headers(self.opening.id), subprotocol_of(self.opening)),)
        return (*accept, *self.error(error), closing(error.fault()))

    def stop(self) -> None:
        """Nothing more is said or heard."""
        self.over = True
        self.inlet.clear()

    @property
    def leg(self) -> str:
        """What ids of this leg begin with."""
        return self.opening.id.replace("-", "")

    def ref(self, kind: str, event_id: str) -> str:
        """A name for a command that an event of the client asks for."""
        ref = f"{kind}{self.leg}r{self.number()}"
        self.awaiting(ref, event_id)
        return ref

    def awaiting(self, ref: str, event_id: str) -> None:
        """What `ref` names was asked by that event."""
        self._awaited[ref] = event_id
        while len(self._awaited) > _MOST_ASKED:
            del self._awaited[next(iter(self._awaited))]

    def answered(self, ref: str) -> str:
        """The event that asked for `ref`, once; "" = none that named itself."""
        return self._awaited.pop(ref, "")
