"""A house without sockets or tasks: real sessions and legs on a clock that a test moves.

Everything is the real thing (session, leg, journal, codecs, any engine whose `open` does not
wait) except what a test must hold in its hand: the clock, the channel, the moment an engine opens.

    house = HandHouse(HeldEngine())
    peer = house.peer()                   # a leg whose session is open
    peer.audio(bytes(3200))               # 100 ms
    house.serve()                         # open engine streams that are wanted and due
    house.engine.streams[0].sink.tell(Transcript(text="hello", final=True))
    peer.events                           # what the client was told
"""

from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

from ossicle.audio.codecs import AudioCodecs
from ossicle.core.capabilities import PCM16K, Capabilities
from ossicle.core.commands import Audio, Command, Configure, Join
from ossicle.core.errors import ConnectionLost, OssicleError
from ossicle.core.events import Ended, Event, Flow, Transcript
from ossicle.core.formats import AudioFormat
from ossicle.core.host import Hosted
from ossicle.core.legs import Leg, Role
from ossicle.core.options import Options
from ossicle.core.ports import Codecs, Engine, Sink, Steps
from ossicle.core.session import Session, SessionSettings
from ossicle.core.wire import Accept, Binary, ChannelTraits, Close, Message, Opening, Ping

from .clock import ManualTimers

__all__ = ["HandChannel", "HandHouse", "HeldEngine", "HeldStream", "Peer", "PeerDialect"]

_Engine = TypeVar("_Engine", bound=Engine)


class HandChannel:
    """A channel that keeps what it is sent."""

    def __init__(self) -> None:
        self.traits = ChannelTraits()
        self.sent: list[Message] = []
        self.paused = False
        self.aborted = False

    def send(self, message: Message) -> None:
        """Kept; nothing after a Close."""
        if not self.closed:
            self.sent.append(message)

    def pause(self) -> None:
        """The peer is not read from."""
        self.paused = True

    def resume(self) -> None:
        """The peer is read from again."""
        self.paused = False

    def abort(self) -> None:
        """Dropped."""
        self.aborted = True

    @property
    def closed(self) -> bool:
        """A Close was sent, or it was aborted."""
        return self.aborted or any(isinstance(message, Close) for message in self.sent)


class PeerDialect:
    """Commands in, events out, nothing in between. `reply` may answer an event with commands."""

    name = "peer"
    deadline = float("inf")

    def __init__(self, configure: Configure, *, plain: bool, resumable: bool) -> None:
        self.plain = plain
        self.resumable = resumable
        self.events: list[Event] = []
        self.next: list[Command] = []
        self.reply: Callable[[Event], Steps] = lambda event: ()
        self._configure = configure

    def open(self, opening: Opening, now: float) -> Steps:
        """Ask for a session."""
        return (self._configure,)

    def receive(self, message: Message, now: float) -> Steps:
        """Sound, or what `Peer.ask` wants."""
        if isinstance(message, Binary):
            return (Audio(data=message.data),)
        steps, self.next = tuple(self.next), []
        return steps

    def send(self, event: Event, now: float) -> Steps:
        """Keep the event; a first one accepts, the last one closes."""
        first: Steps = () if self.events else (Accept(),)
        self.events.append(event)
        return (*first, *self.reply(event), *((Close(),) if isinstance(event, Ended) else ()))

    def expire(self, now: float) -> Steps:
        """Never asked for."""
        return ()


class Peer:
    """A client as its transport sees it: a leg, its channel and what it was told."""

    def __init__(self, house: "HandHouse[Any]", dialect: PeerDialect) -> None:
        self.dialect = dialect
        self.channel = HandChannel()
        self.leg = Leg(dialect, self.channel, house)
        self.refused: OssicleError | None = None

    @property
    def session(self) -> Session:
        """The session it belongs to.

        Raises:
            AssertionError: it belongs to none.
        """
        session = self.leg.session
        assert isinstance(session, Session), "the leg has no session"
        return session

    @property
    def told(self) -> list[Event]:
        """Every event, in order, Flow and Began included."""
        return self.dialect.events

    @property
    def events(self) -> list[Event]:
        """Logged events: those with a number."""
        return [event for event in self.told if event.seq]

    @property
    def flow(self) -> Flow:
        """The newest flow report."""
        return [event for event in self.told if isinstance(event, Flow)][-1]

    @property
    def finals(self) -> list[Transcript]:
        """Finals heard."""
        return [
            event
            for event in self.events
            if isinstance(event, Transcript) and event.final and event.side == "in"
        ]

    @property
    def ended(self) -> list[Ended]:
        """Every end it was told; one, in a good world."""
        return [event for event in self.told if isinstance(event, Ended)]

    def audio(self, data: bytes) -> None:
        """Reliable binary came."""
        self.leg.binary(data)

    def ask(self, *commands: Command) -> None:
        """A message came that means these."""
        self.dialect.next.extend(commands)
        self.leg.received(Ping())

    def drop(self) -> None:
        """The connection broke."""
        self.leg.closed(ConnectionLost("the test cut it"))

    def close(self) -> None:
        """Both ends closed politely."""
        self.leg.closed(None)


class HandHouse(Generic[_Engine]):
    """`core.legs.Admission` and `core.session.Host`, moved by hand."""

    def __init__(self, engine: _Engine, settings: SessionSettings | None = None) -> None:
        self.engine = engine
        self.settings = settings or SessionSettings()
        self.timers = ManualTimers(100.0)
        self.codecs: Codecs = AudioCodecs()
        self.sessions: list[Session] = []
        self.wakes = 0
        self.extended: list[Configure] = []
        self.joining: tuple[Session, Role, int | None] | None = None

    # ── core.session.Host ──

    def choose(self, options: Options, source: AudioFormat) -> Engine:
        """There is one engine."""
        return self.engine

    def wake(self, session: Hosted) -> None:
        """Counted."""
        self.wakes += 1

    def extend(self, session: Hosted, leg: object, configure: Configure) -> None:
        """Kept: there is nobody to post and nobody to look a name up."""
        self.extended.append(configure)

    # ── core.legs.Admission ──

    def admit(self, leg: Leg, configure: Configure) -> None:
        """At once: joins what `peer(join=…)` names, or a new session."""
        if self.joining is not None:
            session, role, since = self.joining
            session.attach(leg, role, since=since, resumed=role == "owner")
            return
        session = Session(
            f"s{len(self.sessions)}",
            f"node.s{len(self.sessions)}.secret",
            self,
            settings=self.settings,
            continues=configure.join,
        )
        try:
            session.configure(configure)
        except OssicleError as error:
            leg.refuse(error)
            return
        self.sessions.append(session)
        session.attach(leg)

    # ── for tests ──

    def peer(
        self,
        configure: Configure | None = None,
        *,
        join: Session | None = None,
        role: Role = "owner",
        since: int | None = None,
        plain: bool = True,
        resumable: bool = True,
        continues: Join | None = None,
        reply: Callable[[Event], Steps] | None = None,
    ) -> Peer:
        """A client that connects: to a new session (16 kHz PCM unless it configures otherwise),
        or to one that exists."""
        if configure is None:
            configure = Configure(format=PCM16K, join=continues)
        peer = Peer(self, PeerDialect(configure, plain=plain, resumable=resumable))
        if reply is not None:
            peer.dialect.reply = reply
        self.joining = None if join is None else (join, role, since)
        peer.leg.start(Opening(id=f"o{len(self.sessions)}"))
        self.joining = None
        return peer

    def serve(self, *, until_quiet: int = 50) -> int:
        """Open every stream that is wanted and due, as the supervisor would; how many were.

        Raises:
            AssertionError: streams were wanted without end.
        """
        opened = 0
        for _ in range(until_quiet):
            due = [s for s in self.sessions if s.wants_engine and s.retry_at <= self.timers.now()]
            if not due:
                return opened
            for session in due:
                self.open_stream(session)
                opened += 1
        raise AssertionError(f"engine streams are wanted without end: {opened} were opened")

    def open_stream(self, session: Session) -> None:
        """Open one stream for a session, or tell it why not."""
        engine, sink = session.engine, session.new_sink()
        assert engine is not None
        try:
            stream = _finished(engine.open(session.engine_options, sink))
        except Exception as error:  # noqa: BLE001  handed on, as the supervisor does
            session.unopened(sink, error)
        else:
            session.opened(sink, stream)

    def pass_time(self, seconds: float, *, serve: bool = True) -> None:
        """Move the clock, ticking every second as the gateway does, and open what is due."""
        until = self.timers.now() + seconds
        while self.timers.now() < until:
            self.timers.advance(min(1.0, until - self.timers.now()))
            for session in self.sessions:
                session.tick(self.timers.now())
            if serve:
                self.serve()


class HeldStream:
    """An engine stream that does what the test says and keeps what it was given."""

    def __init__(self, options: Options, sink: Sink) -> None:
        self.options = options
        self.sink = sink
        self.fed: list[bytes] = []
        self.asked: list[Command] = []
        self.order: list[bytes | Command] = []
        """Both, in the order they came."""
        self.credits: list[int] = []
        self.aborts = 0
        self.on_audio: Callable[[bytes], None] = lambda data: None
        self.on_ask: Callable[[Command], None] = lambda command: None

    def audio(self, data: bytes) -> None:
        """Kept."""
        assert not self.aborts, "fed after abort"
        self.fed.append(data)
        self.order.append(data)
        self.on_audio(data)

    def ask(self, command: Command) -> None:
        """Kept."""
        assert not self.aborts, "asked after abort"
        self.asked.append(command)
        self.order.append(command)
        self.on_ask(command)

    def credit(self, until_ms: int) -> None:
        """Kept."""
        self.credits.append(until_ms)

    def abort(self) -> None:
        """Counted."""
        self.aborts += 1

    @property
    def heard(self) -> bytes:
        """All sound, joined."""
        return b"".join(self.fed)


class HeldEngine:
    """Opens held streams; `fails` makes the next opens raise, one error each."""

    def __init__(self, capabilities: Capabilities | None = None) -> None:
        self.capabilities = capabilities or Capabilities(name="held")
        self.streams: list[HeldStream] = []
        self.fails: list[Exception] = []
        self.prepare: Callable[[HeldStream], None] = lambda stream: None
        """Called with each new stream before `open` returns."""

    async def open(self, options: Options, sink: Sink) -> HeldStream:
        """At once."""
        if self.fails:
            raise self.fails.pop(0)
        stream = HeldStream(options, sink)
        self.streams.append(stream)
        self.prepare(stream)
        return stream

    @property
    def stream(self) -> HeldStream:
        """The newest."""
        return self.streams[-1]


_Result = TypeVar("_Result")


def _finished(work: Coroutine[Any, Any, _Result]) -> _Result:
    """The result of a coroutine that waits for nothing.

    Raises:
        RuntimeError: it does wait.
    """
    try:
        work.send(None)
    except StopIteration as done:
        return done.value
    work.close()
    raise RuntimeError("this engine waits while it opens; use a running gateway to test it")
