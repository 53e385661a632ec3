"""An upstream's patience, by a clock that the test moves: silence while audio flows, a wire that
takes nothing, an end that does not come, questions left open, and each provider's own rule about
silence met by keep-alives."""

import asyncio
from collections.abc import Callable

import pytest

from ossicle.client.dialects import PROVIDERS
from ossicle.core.capabilities import PCM16K, Capabilities
from ossicle.core.commands import Audio, Cancel, Command, Configure, End, Finalize
from ossicle.core.errors import ConnectionLost, Fault
from ossicle.core.events import Began, Ended, Event, Flow, Notice, Transcript
from ossicle.core.options import Options
from ossicle.core.ports import Channel, ClientDialect, Receiver
from ossicle.core.wire import Accept, Binary, Message, Opening, Ping, Text
from ossicle.dialects.amazon.client import AmazonClient
from ossicle.engines.upstream import Upstream, UpstreamSettings, UpstreamStream, of_upstream
from ossicle.testing.clock import ManualTimers
from ossicle.testing.house import HandChannel

OPTIONS = Options(hears=PCM16K)
SECOND = 32_000


class Said:
    """A sink that remembers."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.credits: list[int] = []

    def tell(self, event: Event) -> None:
        self.events.append(event)

    def credit(self, until_ms: int) -> None:
        self.credits.append(until_ms)

    def settled(self, until_ms: int) -> None: ...

    @property
    def ended(self) -> list[Ended]:
        return [event for event in self.events if isinstance(event, Ended)]


class Plain:
    """A protocol in which everything is said in one's own words: events come as they are put."""

    deadline = float("inf")
    plain = True

    def open(self, configure: Configure) -> Opening:
        return Opening()

    def receive(self, message: Message, now: float) -> tuple[Message | Event, ...]:
        return (Began(session="r1"),) if isinstance(message, Accept) else ()

    def send(self, command: Command, now: float) -> tuple[Message | Event, ...]:
        return (Binary(command.data),) if isinstance(command, Audio) else (Ping(),)

    def expire(self, now: float) -> tuple[Message | Event, ...]:
        return ()


async def opened(
    timers: ManualTimers,
    make: Callable[[], ClientDialect] = Plain,
    *,
    hello: tuple[Message, ...] = (Accept(),),
    **settings: float,
) -> tuple[UpstreamStream, HandChannel, Said]:
    channel, sink = HandChannel(), Said()

    async def dial(opening: Opening, receiver: Callable[[Channel], Receiver]) -> Channel:
        link = receiver(channel)
        for message in hello:
            link.received(message)
        return channel

    engine = Upstream(
        "it",
        make,
        dial,
        capabilities=Capabilities(name=""),
        settings=UpstreamSettings(**settings),  # type: ignore[arg-type]
        timers=timers,
    )
    return await engine.open(OPTIONS, sink), channel, sink


def talk(stream: UpstreamStream, timers: ManualTimers, seconds: int) -> None:
    """Audio in real time."""
    for _ in range(seconds * 10):
        stream.audio(bytes(SECOND // 10))
        timers.advance(0.1)


HEARING = [name for name, each in PROVIDERS.items() if each.capabilities.hears]
SAYS_CANCEL = {"native", "openai", "openai-realtime"}
"""Protocols with a word for forgetting what was heard."""


@pytest.mark.parametrize("name", HEARING)
async def test_what_was_heard_is_forgotten_or_said_to_stay(name: str) -> None:
    """`Cancel` goes out where the provider's protocol has a word for it, and whoever asked is told
    where it has none."""
    signed = {"host": "x", "at": 0.0} if PROVIDERS[name].signs else {}

    class Begun(Plain):
        """The provider's half, from where it listens."""

        def __init__(self) -> None:
            self._half = PROVIDERS[name].make(**signed)
            hears = PROVIDERS[name].capabilities.hears[0]
            self._half.open(Configure(format=hears, credential="a:b"))
            self._half.receive(Accept(), 0.0)

        def send(self, command: Command, now: float) -> tuple[Message | Event, ...]:
            return self._half.send(command, now)

    stream, channel, sink = await opened(ManualTimers(), Begun)
    before = len(channel.sent)
    stream.ask(Cancel(side="in", ref="c"))
    notices = [e for e in sink.events if isinstance(e, Notice) and e.ref == "c"]
    if name in SAYS_CANCEL:
        assert len(channel.sent) == before + 1
        assert not notices
    else:
        assert len(channel.sent) == before
        (notice,) = notices
        assert notice.level == "warning"
        assert "Cancel" in notice.text
    stream.abort()


async def test_silence_while_audio_flows() -> None:
    timers = ManualTimers()
    stream, channel, sink = await opened(timers, silent_s=5)
    talk(stream, timers, 4)
    assert not sink.ended
    stream.told(stream.link, Transcript(text="a", start_ms=0, end_ms=100))
    talk(stream, timers, 4)
    assert not sink.ended
    talk(stream, timers, 3)
    (ended,) = sink.ended
    assert ended.error is not None
    assert ended.error.retryable
    assert "s of audio (silent_s)" in ended.error.text
    assert channel.aborted


async def test_silence_while_nothing_is_sent_is_no_fault() -> None:
    timers = ManualTimers()
    stream, _, sink = await opened(timers, silent_s=5)
    talk(stream, timers, 3)
    timers.advance(60)
    talk(stream, timers, 3)
    assert not sink.ended


async def test_a_wire_that_takes_nothing() -> None:
    timers = ManualTimers()
    stream, channel, sink = await opened(timers, stuck_s=5)
    talk(stream, timers, 1)
    granted = sink.credits[-1]
    stream.link.writable(False)
    talk(stream, timers, 4)
    assert sink.credits[-1] == granted  # the session is held back
    stream.link.writable(True)
    assert sink.credits[-1] > granted
    stream.link.writable(False)
    timers.advance(4.5)
    assert not sink.ended
    timers.advance(3)
    assert "took nothing for" in str(sink.ended[0].error)
    assert channel.aborted


async def test_an_end_that_does_not_come() -> None:
    timers = ManualTimers()
    stream, _, sink = await opened(timers, finish_s=5)
    talk(stream, timers, 60)
    stream.ask(End())
    timers.advance(4)
    stream.told(stream.link, Transcript(text="late", start_ms=0, end_ms=100))  # it still works
    timers.advance(4)
    assert not sink.ended
    timers.advance(3)
    assert "did not finish within 5 s" in str(sink.ended[0].error)


async def test_a_question_that_it_leaves_open_is_answered_and_settles_nothing() -> None:
    timers = ManualTimers()
    stream, _, sink = await opened(timers, answer_s=3)
    talk(stream, timers, 2)
    one = Transcript(text="one", start_ms=0, end_ms=500, final=True, ends_turn=True, ref="q1")
    stream.ask(Finalize(ref="q1"))
    stream.told(stream.link, one)
    stream.ask(Finalize(ref="q2"))
    talk(stream, timers, 5)
    answers = [(e.ref, e.text, e.end_ms) for e in sink.events if isinstance(e, Transcript)]
    assert answers == [("q1", "one", 500), ("q2", "", 500)]


async def test_a_question_is_left_open_while_it_still_talks_or_its_wire_is_stuck() -> None:
    """Under load its answer is late, and stands behind what it says meanwhile. But some talk of
    silence without end."""
    timers = ManualTimers()
    stream, _, sink = await opened(timers, answer_s=3)

    def finals() -> list[tuple[str, str]]:
        return [(e.ref, e.text) for e in sink.events if isinstance(e, Transcript) and e.final]

    def three(ref: str = "") -> Transcript:
        return Transcript(
            text="three", start_ms=900, end_ms=1_200, final=True, ends_turn=True, ref=ref
        )

    stream.ask(Finalize(ref="late"))
    timers.advance(2.5)
    stream.told(stream.link, Transcript(text="one", start_ms=0, end_ms=500, final=True))
    timers.advance(2.5)
    assert finals() == [("", "one")]
    stream.told(stream.link, three("late"))
    assert finals()[1:] == [("late", "three")]
    stream.link.writable(False)
    stream.ask(Finalize(ref="stuck"))
    timers.advance(5)
    assert len(finals()) == 2
    stream.link.writable(True)
    timers.advance(6)
    assert finals()[2:] == [("stuck", "")]
    stream.ask(Finalize(ref="talks"))
    for _ in range(10):
        timers.advance(1)
        stream.told(stream.link, Transcript(start_ms=1_200, end_ms=1_200))
    assert finals()[3:] == [("talks", "")]


async def test_one_that_cannot_be_asked_answers_with_its_next_end() -> None:
    """Google ends turns by itself only: open words are waited for, however long."""
    timers = ManualTimers()
    stream, _, sink = await opened(timers, answer_s=3)
    stream.told(stream.link, Transcript(text="on", start_ms=0, end_ms=200))
    for ref in ("q1", "q2"):
        stream.ask(Finalize(ref=ref))
        notice = Notice(level="warning", code="not_supported", text="it decides", ref=ref)
        stream.told(stream.link, notice)
    talk(stream, timers, 10)
    assert not [e for e in sink.events if isinstance(e, Transcript) and e.final]
    last = Transcript(text="one", start_ms=0, end_ms=500, final=True, ends_turn=True)
    stream.told(stream.link, last)
    talk(stream, timers, 2)
    finals = [e for e in sink.events if isinstance(e, Transcript) and e.final]
    assert [(e.ref, e.text, e.end_ms) for e in finals] == [("q1", "one", 500), ("q2", "", 500)]
    assert [e.code for e in sink.events if isinstance(e, Notice)] == ["upstream", "not_supported"]


async def test_it_goes_away_right_after_it_began() -> None:
    timers = ManualTimers()
    stream, channel, sink = await opened(timers)
    stream.told(stream.link, Ended(error=ConnectionLost("gone").fault()))
    assert sink.ended[0].error is not None
    stream.abort()
    timers.advance(60)
    assert len(sink.ended) == 1
    assert channel.aborted


async def test_what_it_takes_bounds_what_is_granted() -> None:
    timers = ManualTimers()
    stream, _, sink = await opened(timers, ahead_ms=2_000)
    assert sink.credits[-1] == 2_000
    stream.told(stream.link, Flow(until_ms=500))
    assert sink.credits[-1] == 500


async def test_its_request_id_is_told() -> None:
    _, _, sink = await opened(ManualTimers())
    (notice,) = [event for event in sink.events if isinstance(event, Notice)]
    assert (notice.code, notice.text) == ("upstream", "it: r1")


# ── keep-alives ──

BEGUN: dict[str, tuple[Message, ...]] = {
    "native": (
        Accept(),
        Text(
            '{"type":"began","session":"s","token":"t","options":{},"expires_at":null,'
            '"taken_bytes":0,"taken_commands":0,"resumed":false,"engine":""}'
        ),
    ),
    "deepgram": (Accept(),),
    "deepgram-flux": (
        Accept(),
        Text('{"type":"Connected","request_id":"r","sequence_id":0}'),
    ),
    "assemblyai": (Accept(), Text('{"type":"Begin","id":"s","expires_at":1}')),
    "google": (Accept(),),
    "amazon": (Accept(),),
}
RULES = {
    "native": 60.0,
    "deepgram": 10.0,
    "deepgram-flux": 10.0,
    "assemblyai": 60.0,
    "google": 10.0,
    "amazon": 15.0,
}
"""Seconds without a message after which somebody hangs up: the provider itself, or a proxy."""


@pytest.mark.parametrize("name", BEGUN)
async def test_while_nobody_speaks_the_connection_is_kept(name: str) -> None:
    """Two minutes without audio: never as long without a message as the provider bears."""
    timers = ManualTimers()
    make = AmazonClient if name == "amazon" else PROVIDERS[name].make
    stream, channel, sink = await opened(timers, make, hello=BEGUN[name])
    talk(stream, timers, 1)
    sent, last = len(channel.sent), timers.now()
    for _ in range(1_200):
        timers.advance(0.1)
        if len(channel.sent) > sent:
            sent, last = len(channel.sent), timers.now()
        assert timers.now() - last < RULES[name]
    assert last > timers.now() - RULES[name]
    assert not sink.ended


# ── whose fault ──


@pytest.mark.parametrize(
    ("code", "seen"),
    [
        ("unauthorized", "engine_unavailable"),
        ("forbidden", "engine_unavailable"),
        ("connection_lost", "engine_failed"),
        ("bad_message", "engine_failed"),
        ("something of theirs", "engine_failed"),
        ("rate_limited", "rate_limited"),
        ("bad_option", "bad_option"),
    ],
)
def test_a_providers_fault_is_not_the_clients(code: str, seen: str) -> None:
    fault = of_upstream("it", Fault(code, "why", "client", retryable=False))
    assert (fault.code, fault.whose, fault.text) == (seen, "upstream", "it: why")


async def test_nothing_waits_once_it_is_over() -> None:
    timers = ManualTimers()
    stream, _, _ = await opened(timers, PROVIDERS["deepgram"].make)
    stream.link.closed(None)
    stream.abort()
    await asyncio.sleep(0)
    timers.advance(100)
    assert timers.pending == 0
