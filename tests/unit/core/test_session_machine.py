"""Anything a client, an engine and a network can do, in any order, and what holds all the same."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from ossicle.core.capabilities import PCM16K, Capabilities
from ossicle.core.commands import Cancel, Configure, End, Finalize
from ossicle.core.errors import EngineFailed, Refused
from ossicle.core.events import Ended, Notice, SpeechEnded, SpeechStarted, Transcript
from ossicle.core.session import SessionSettings
from ossicle.testing.house import HandHouse, HeldEngine
from ossicle.testing.law import TurnLaws

ABLE = Capabilities(name="held", live_changes=frozenset({"recognition.turns.silence_ms"}))
FAULT = EngineFailed("it broke").fault()


def lively(session) -> bool:
    return session.life.state not in {"draining", "ended"}


class SessionMachine(RuleBasedStateMachine):
    """The engine keeps its contract (it answers, it is deaf after abort) or breaks."""

    SOUND = bytes(range(256)) * 4_000

    @initialize(interim=st.booleans(), resumable=st.booleans(), failing=st.integers(0, 2))
    def begin(self, interim, resumable, failing):
        self.house = HandHouse(
            HeldEngine(ABLE),
            SessionSettings(replays=4, replay_wait_s=(0.0, 0.1), resume_window_s=20),
        )
        self.house.engine.fails = [EngineFailed("not yet")] * failing
        self.resumable = resumable
        patch = {"recognition": {"interim_results": interim}}
        self.configure = Configure(format=PCM16K, patch=patch)
        self.owner = self.house.peer(self.configure, resumable=resumable)
        self.session = self.house.sessions[0]
        self.session.log.most_events = 24  # soon too many for an owner that does not read
        self.observer = self.house.peer(join=self.session, role="observer")
        self.owners = [self.owner]
        self.given = self.asked = 0
        self.questions: list[str] = []
        self.dying = False

    # ── the client ──

    @property
    def here(self) -> bool:
        return self.session.owner is not None

    @precondition(lambda self: self.here and not self.owner.channel.closed)
    @rule(size=st.integers(0, 2_000))
    def audio(self, size):
        if lively(self.session):
            data = self.SOUND[self.given : self.given + size]
            self.given += len(data)
            self.owner.audio(data)
        else:
            self.owner.audio(b"late")

    @precondition(lambda self: self.here and not self.owner.channel.closed)
    @rule(named=st.booleans())
    def finalize(self, named):
        self.asked += 1
        ref = f"q{self.asked}" if named else ""
        if named and lively(self.session):
            self.questions.append(ref)
        self.owner.ask(Finalize(ref=ref))

    @precondition(lambda self: self.here and not self.owner.channel.closed)
    @rule()
    def configures(self):
        self.asked += 1
        for patch in (
            {"label": f"l{self.asked}"},
            {"recognition": {"turns": {"silence_ms": 100 + self.asked}}},
            {"recognition": {"language": f"en-{self.asked}"}},
            {"recognition": {"no_such": 1}},
        )[self.asked % 4 : self.asked % 4 + 1]:
            self.owner.ask(Configure(patch=patch))

    @precondition(lambda self: self.here and not self.owner.channel.closed and self.given > 20_000)
    @rule()
    def ends(self):
        self.owner.ask(End())

    @precondition(lambda self: self.here)
    @rule(politely=st.booleans())
    def leaves(self, politely):
        if politely and self.owner.channel.closed:
            self.owner.close()
        else:
            self.owner.drop()

    @precondition(lambda self: self.resumable and not self.session.over(self.house.timers.now()))
    @rule()
    def comes_back(self):
        since = max([e.seq for peer in self.owners for e in peer.events], default=0)
        self.owner = self.house.peer(join=self.session, since=since, resumable=True)
        self.owners.append(self.owner)
        assert self.owner.told[0].taken_bytes == self.given

    @precondition(lambda self: self.here)
    @rule(yes=st.booleans())
    def reads(self, yes):
        self.owner.leg.writable(yes)

    # ── the engine ──

    @property
    def stream(self):
        streams = self.house.engine.streams
        return streams[-1] if streams and not streams[-1].aborts else None

    @rule()
    def opens(self):
        self.house.serve()

    @precondition(lambda self: self.stream)
    @rule()
    def starts(self):
        self.stream.sink.tell(SpeechStarted(at_ms=self.fed_ms))

    @property
    def fed_ms(self) -> int:
        return len(self.stream.heard) // 32

    @precondition(lambda self: self.stream)
    @rule(kind=st.sampled_from(["partial", "frozen", "last"]), text=st.sampled_from(["", "a"]))
    def hears(self, kind, text):
        self.stream.sink.tell(
            Transcript(
                text=text,
                end_ms=self.fed_ms,
                final=kind != "partial",
                ends_turn=kind == "last",
            )
        )

    @precondition(lambda self: self.stream)
    @rule(provisional=st.booleans())
    def stops(self, provisional):
        self.stream.sink.tell(SpeechEnded(at_ms=self.fed_ms, provisional=provisional))

    @precondition(lambda self: self.stream)
    @rule()
    def answers(self):
        stream = self.stream
        done = {id(command) for command in getattr(stream, "done", [])}
        stream.done = getattr(stream, "done", [])
        for command in stream.asked:
            if id(command) in done or stream.aborts:
                continue
            stream.done.append(command)
            match command:
                case Finalize():
                    stream.sink.tell(Transcript(final=True, ends_turn=True, ref=command.ref))
                case End():
                    stream.sink.tell(Ended())
                case _:
                    pass

    @precondition(lambda self: self.stream)
    @rule(share=st.floats(0, 1))
    def settles(self, share):
        self.stream.sink.settled(int(self.fed_ms * share))

    @precondition(lambda self: self.stream)
    @rule(ahead=st.integers(0, 200))
    def grants(self, ahead):
        self.stream.sink.credit(self.fed_ms + ahead)

    @precondition(lambda self: self.stream)
    @rule(how=st.sampled_from(["tells", "audio", "ask", "refuses"]))
    def breaks(self, how):
        stream = self.stream

        def raises(_):
            raise (Refused("not this") if how == "refuses" else ZeroDivisionError)

        match how:
            case "tells":
                stream.sink.tell(Ended(reason="failed", error=FAULT))
            case "audio":
                stream.on_audio = raises
            case _:
                stream.on_ask = raises

    @rule(seconds=st.sampled_from([0.05, 1.0, 12.0]))
    def time_passes(self, seconds):
        self.house.pass_time(seconds, serve=False)

    # ── what holds ──

    @invariant()
    def nothing_is_counted_twice_or_lost(self):
        if lively(self.session) or not self.session.ended:
            assert self.session.taken_bytes == self.given
        for flow in (peer.flow for peer in self.owners if any(
            type(e).__name__ == "Flow" for e in peer.told)):  # fmt: skip
            assert flow.taken_bytes <= self.given

    @invariant()
    def every_stream_hears_what_was_said_from_its_place_on(self):
        for stream in self.house.engine.streams:
            start = stream.sink.start
            assert stream.heard == self.SOUND[start : start + len(stream.heard)]
            assert start + len(stream.heard) <= self.given

    @invariant()
    def the_session_ends_once_and_says_no_more(self):
        ends = [e for e in self.observer.events if isinstance(e, Ended)]
        assert len(ends) == (self.session.ended is not None)
        if ends:
            assert self.observer.told[-1] is ends[0]

    @invariant()
    def the_law_of_turns(self):
        laws = TurnLaws()
        laws.hear(self.observer.events)
        if self.session.ended:
            assert all(law.phase == "idle" for law in laws.of.values())

    @invariant()
    def events_come_in_order_and_once(self):
        # The end is said again to an owner that has it: its channel must be closed.
        told = [e for peer in self.owners for e in peer.events]
        seqs = [e.seq for e in told if not isinstance(e, Ended)]
        assert seqs == sorted(set(seqs))
        assert all(len(peer.ended) <= 1 for peer in self.owners)
        seqs = [e.seq for e in self.observer.events]
        assert seqs == sorted(set(seqs))

    @invariant()
    def questions_are_answered_at_most_once(self):
        for ref in self.questions:
            assert self.replies(ref) <= 1

    def replies(self, ref: str) -> int:
        return sum(
            e.ref == ref and (isinstance(e, Notice) or e.ends_turn)
            for e in self.observer.events
            if isinstance(e, Transcript | Notice)
        )

    def teardown(self):
        if not hasattr(self, "session"):
            return
        session = self.session
        self.house.serve()
        if session.owner is not None and not self.owner.channel.closed:
            self.owner.leg.writable(True)
            self.owner.ask(End())
        for _ in range(12):
            self.house.pass_time(1)
            if (stream := self.stream) is not None and not session.ended:
                stream.sink.credit(10**6)
                self.answers()
                if (stream := self.stream) is not None and stream.order:
                    self.house.pass_time(0.2)
        if session.ended is None:
            session.finish("shutdown")
        for ref in self.questions:
            assert self.replies(ref) == 1, f"{ref} had {self.replies(ref)} answers"
        if session.owner is not None:
            assert len(self.owner.ended) == 1
            self.owner.close()
        self.observer.close()
        assert session.over(self.house.timers.now() + 21)
        assert self.house.timers.pending == 0
        assert all(stream.aborts for stream in self.house.engine.streams)
        assert session.stream is None
        assert not session.wants_engine


@pytest.mark.timeout(120)
def test_a_session_in_any_weather():
    run_state_machine_as_test(
        SessionMachine,
        settings=settings(
            derandomize=True, max_examples=150, stateful_step_count=40, deadline=None
        ),
    )


def test_cancel_of_what_was_heard_in_any_place():
    """Beside the machine, for it cuts the audio: before, within and after what waits."""
    for taken in range(4):
        house = HandHouse(HeldEngine(), SessionSettings(replay_wait_s=(0.0,)))
        peer = house.peer()
        house.serve()
        house.engine.stream.sink.credit(20 * taken)
        for n in range(1, 4):
            peer.audio(bytes([n]) * 640)
        peer.ask(Cancel(side="in"))
        peer.audio(bytes([9]) * 640)
        house.engine.stream.sink.credit(10_000)
        heard = house.engine.stream.heard
        assert heard == b"".join(bytes([n]) * 640 for n in [*range(1, taken + 1), 9])
        house.engine.stream.sink.tell(
            Transcript(text="x", end_ms=20 * taken + 20, final=True, ends_turn=True)
        )
        assert peer.finals[0].end_ms == 80
