"""The real libespeak-ng in its helper process."""

import array
import asyncio
import itertools
import os
import signal

import pytest

from ossicle.core.commands import Cancel, End, Speak
from ossicle.core.events import AudioOut, Notice, SpeechEnded, Transcript
from ossicle.core.options import Options, SynthesisOptions
from ossicle.engines.espeak.engine import EspeakEngine
from ossicle.engines.espeak.library import available
from ossicle.engines.lifecycle import running
from ossicle.testing.engine import HeldSink, check_engine

pytestmark = pytest.mark.interop


@pytest.fixture(autouse=True)
def installed():
    if not available():
        text = "libespeak-ng is not installed: pip install ossicle[voice]"
        pytest.fail(text) if os.environ.get("CI") == "true" else pytest.skip(text)


class Waiting(HeldSink):
    def __init__(self):
        super().__init__(lambda _: self.changed.set())
        self.changed = asyncio.Event()

    async def until(self, met):
        async with asyncio.timeout(20):
            while not met():
                self.changed.clear()
                await self.changed.wait()


def sound(sink, utterance="u1"):
    return b"".join(
        event.data
        for event in sink.events
        if isinstance(event, AudioOut) and event.utterance == utterance
    )


async def test_it_keeps_the_contract():
    async with running(EspeakEngine()) as engine:
        await check_engine(engine)


async def test_words_are_heard_and_timed():
    async with running(EspeakEngine()) as engine:
        sink = Waiting()
        stream = await engine.open(Options(), sink)
        stream.ask(Speak(text="Hello big wörld. Fine, thank you."))
        stream.ask(End())
        await sink.until(lambda: sink.ended)
        words = [
            word for event in sink.events if isinstance(event, Transcript) for word in event.words
        ]
        assert [word.text for word in words] == [
            "Hello",
            "big",
            "wörld",
            "Fine",
            "thank",
            "you",
        ]
        assert all(a.end_ms <= b.start_ms + 1 for a, b in itertools.pairwise(words))
        samples = array.array("h", sound(sink))
        assert 1.5 < len(samples) / 22050 < 5
        assert max(samples) > 3000


async def test_a_killed_helper_is_not_heard():
    async with running(EspeakEngine()) as engine:
        sink = Waiting()
        stream = await engine.open(Options(), sink)
        stream.ask(Speak(text="First."))
        await sink.until(lambda: any(isinstance(event, SpeechEnded) for event in sink.events))
        os.kill(engine.pid, signal.SIGKILL)
        stream.ask(Speak(text="First."))
        stream.ask(End())
        await sink.until(lambda: sink.ended)
        assert sink.ended.error is None
        assert sound(sink, "u2") == sound(sink, "u1")


async def test_an_unknown_voice_is_a_notice_and_the_next_utterance_is_said():
    async with running(EspeakEngine()) as engine:
        sink = Waiting()
        stream = await engine.open(Options(), sink)
        stream.ask(Speak(text="x", ref="v", options=SynthesisOptions(voice="nobody")))
        stream.ask(Speak(text="Yes."))
        stream.ask(End())
        await sink.until(lambda: sink.ended)
        notice = next(event for event in sink.events if isinstance(event, Notice))
        assert (notice.code, notice.ref) == ("bad_option", "v")
        assert "'nobody'" in notice.text
        reasons = [event.reason for event in sink.events if isinstance(event, SpeechEnded)]
        assert reasons == ["failed", "done"]


async def test_a_cancel_stops_the_helper_and_the_next_is_said():
    async with running(EspeakEngine()) as engine:
        sink = Waiting()
        stream = await engine.open(Options(), sink)
        stream.ask(Speak(text="This is a rather long sentence that nobody will hear to its end."))
        await sink.until(lambda: sound(sink))
        stream.ask(Cancel())
        cut = len(sound(sink))
        stream.ask(Speak(text="Next."))
        stream.ask(End())
        await sink.until(lambda: sink.ended)
        assert len(sound(sink)) == cut
        assert sound(sink, "u2")
