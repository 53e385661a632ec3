"""The example engine keeps every law and fits on a screen."""

import inspect

from ossicle.core.capabilities import PCM16K
from ossicle.core.commands import Cancel, End, Finalize, Speak
from ossicle.core.events import AudioOut, SpeechEnded
from ossicle.core.options import Options
from ossicle.engines import echo
from ossicle.engines.echo import EchoEngine
from ossicle.testing.engine import HeldSink, check_engine


async def test_it_keeps_the_contract():
    await check_engine(EchoEngine())


async def test_it_says_how_much_it_heard_and_plays_it_back():
    sink = HeldSink()
    stream = await EchoEngine().open(Options(), sink)
    sound = bytes(range(250)) * 64
    stream.audio(sound)
    stream.ask(Finalize(ref="f"))
    assert [final.text for final in sink.finals] == ["0.5 s heard"]
    stream.ask(Speak(ref="s"))
    out = [event for event in sink.events if isinstance(event, AudioOut)]
    assert b"".join(event.data for event in out) == sound
    assert [event.start_ms for event in out] == [0, 100, 200, 300, 400]
    stream.audio(bytes(PCM16K.bytes(2500)))
    stream.ask(End())
    assert [final.text for final in sink.finals][1:] == [
        "1.0 s heard",
        "1.0 s heard",
        "0.5 s heard",
    ]
    reasons = [event.reason for event in sink.events if isinstance(event, SpeechEnded)]
    assert reasons == ["asked", "done", "limit", "limit", "end"]


async def test_what_was_heard_is_forgotten_and_its_turn_closed():
    sink = HeldSink()
    stream = await EchoEngine().open(Options(), sink)
    stream.audio(bytes(PCM16K.bytes(500)))
    stream.ask(Cancel(side="in", ref="x"))
    stream.ask(Cancel(side="in", ref="again"))
    stream.ask(End())
    assert [(final.text, final.start_ms, final.ref) for final in sink.finals] == [("", 500, "x")]


def test_it_fits_on_a_screen():
    assert len(inspect.getsource(echo).splitlines()) <= 140
