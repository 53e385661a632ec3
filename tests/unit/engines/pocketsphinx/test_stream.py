"""The gateway's end, with a transport that keeps what it is given and a worker played by hand."""

import pytest

from ossicle.core.commands import Audio, Cancel, Configure, End, Finalize, Tell
from ossicle.core.errors import Overloaded, Refused
from ossicle.core.events import Ended, Transcript
from ossicle.core.options import Options, TimedOptions
from ossicle.engines.pocketsphinx.framing import Framer, Progress, Settled, audio_frame, frame
from ossicle.engines.pocketsphinx.stream import Link, PocketStream


class Transport:
    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.aborted = False

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def abort(self) -> None:
        self.aborted = True


class Sink:
    def __init__(self) -> None:
        self.told: list = []
        self.until: list[int] = []
        self.settled_ms: list[int] = []

    def tell(self, event) -> None:
        self.told.append(event)

    def credit(self, until_ms: int) -> None:
        self.until.append(until_ms)

    def settled(self, until_ms: int) -> None:
        self.settled_ms.append(until_ms)


class Scene:
    def __init__(self) -> None:
        self.gone: list[Link] = []
        self.released: list[Link] = []
        self.link = Link(7, self.gone.append)
        self.transport = Transport()
        self.link.connection_made(self.transport)
        self.sink = Sink()
        self.stream = PocketStream(self.link, Options(), self.sink, 4_000, self.released.append)

    def worker(self, *messages) -> None:
        self.link.data_received(b"".join(map(frame, messages)))

    def sent(self) -> list:
        return Framer().feed(b"".join(self.transport.written))


def test_it_begins_with_options_and_credit():
    scene = Scene()
    assert scene.sent() == [Options()]
    assert scene.sink.until == [4_000]


def test_audio_is_one_write_and_commands_keep_their_place():
    scene = Scene()
    scene.stream.audio(b"ab")
    assert scene.transport.written[1:] == [audio_frame(b"ab")]
    for command in (
        Finalize(ref="f"),
        Audio(data=b"cd"),
        Cancel(side="out"),
        Cancel(side="in", ref="c"),
        Configure(patch={"label": "x"}),
        Tell(text="not for an ear"),
        End(ref="e"),
    ):
        scene.stream.ask(command)
    assert scene.sent()[2:] == [
        Finalize(ref="f"),
        b"cd",
        Cancel(side="in", ref="c"),
        Options(label="x"),
        End(ref="e"),
    ]


def test_a_bad_patch_changes_nothing():
    scene = Scene()
    with pytest.raises(Refused):
        scene.stream.ask(Configure(patch={"nonsense": 1}))
    assert scene.sent() == [Options()]


def test_what_the_worker_says_reaches_the_sink():
    scene = Scene()
    scene.worker(Progress(16_000), Settled(500), Transcript(text="a"), Ended())
    assert scene.sink.until == [4_000, 5_000]
    assert scene.sink.settled_ms == [500]
    assert scene.sink.told == [Transcript(text="a"), Ended()]
    assert scene.released == [scene.link]
    scene.link.connection_lost(None)
    scene.stream.audio(b"ab")
    scene.stream.ask(End())
    assert len(scene.sink.told) == 2
    assert scene.released == [scene.link]
    assert scene.gone == [scene.link]


@pytest.mark.parametrize("fault", ["lost", "garbage", "wrong"])
def test_every_fault_is_told_once_as_retryable(fault):
    scene = Scene()
    match fault:
        case "lost":
            scene.link.connection_lost(ConnectionResetError())
        case "garbage":
            scene.link.data_received(b"\xff" * 40)
        case "wrong":
            scene.worker(End(), Transcript(text="late"))
    scene.link.connection_lost(None)
    (ended,) = scene.sink.told
    assert (ended.reason, ended.error.code) == ("failed", "engine_failed")
    assert ended.error.retryable
    assert scene.released == [scene.link]


def test_abort_is_deaf_and_idempotent():
    scene = Scene()
    scene.stream.abort()
    scene.stream.abort()
    scene.worker(Transcript(text="late"))
    scene.link.connection_lost(None)
    assert scene.sink.told == []
    assert scene.released == [scene.link]


def test_a_spare_that_is_lost_tells_nobody_but_its_nursery():
    gone: list[Link] = []
    link = Link(1, gone.append)
    link.connection_made(Transport())
    link.data_received(frame(Progress(1)))
    link.connection_lost(None)
    link.write(b"x")
    link.drop()
    assert gone == [link]
    assert link.transport is None


def test_audio_far_beyond_credit_is_refused_and_credit_is_absolute():
    scene = Scene()
    minute = bytes(60 * 32_000)
    scene.stream.audio(minute)
    scene.worker(Progress(16_000 * 10))
    assert scene.sink.until[-1] == 14_000
    scene.stream.audio(bytes(14 * 32_000))
    with pytest.raises(Overloaded, match="credit ends at 14000 ms, and no more than 60000 ms"):
        scene.stream.audio(bytes(32))


def test_a_client_that_waits_only_so_long_is_heard_as_any_other() -> None:
    """Its deadline is for whoever calls somebody else; a worker is told the options alone."""
    scene = Scene()
    link = Link(8, scene.gone.append)
    link.connection_made(transport := Transport())
    timed = TimedOptions.of(Options(label="x"), ends_at=1.0)
    PocketStream(link, timed, scene.sink, 4_000, scene.released.append)
    assert transport.written == [frame(Options(label="x"))]
