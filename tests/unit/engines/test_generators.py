"""The generator adapter keeps the laws for its generator."""

import asyncio
import importlib.util
from pathlib import Path

import pytest

from ossicle.core.capabilities import PCM16K, Capabilities
from ossicle.core.commands import End, Finalize, Speak
from ossicle.core.errors import EngineFailed, Overloaded
from ossicle.core.events import AudioOut, Ended, SpeechEnded, SpeechStarted, Transcript
from ossicle.core.options import Options
from ossicle.engines.adapt import from_generator
from ossicle.engines.lifecycle import is_warm, running
from ossicle.testing.engine import HeldSink, check_engine

ROOT = Path(__file__).parents[3]
SECOND = bytes(PCM16K.bytes(1000))


def example(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "examples" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


async def deaf(audio, options):
    """Takes everything, answers nothing."""
    async for _ in audio:
        pass
    if False:
        yield


async def settle():
    for _ in range(20):
        await asyncio.sleep(0)


async def test_the_example_keeps_the_contract():
    async with running(example("my_engine_async").engine()) as engine:
        assert is_warm(engine)
        await check_engine(engine)


async def test_an_unanswered_finalize_gets_an_empty_final():
    async with running(from_generator(deaf, Capabilities(name="deaf"))) as engine:
        await check_engine(engine)
        sink = HeldSink()
        stream = await engine.open(Options(), sink)
        stream.ask(Finalize(ref="f"))
        await settle()
        assert sink.events == [Transcript(final=True, ends_turn=True, ref="f")]
        stream.abort()


async def test_a_generator_that_returns_early_still_answers_and_ends():
    async def early(audio, options):
        async for _ in audio:
            return
        yield

    async with running(from_generator(early, Capabilities(name="early"))) as engine:
        sink = HeldSink()
        stream = await engine.open(Options(), sink)
        stream.audio(SECOND)
        stream.ask(Finalize(ref="f"))
        await settle()
        assert sink.events == [Transcript(final=True, ends_turn=True, ref="f"), Ended()]


async def test_credit_follows_what_the_generator_took():
    go = asyncio.Event()

    async def slow(audio, options):
        async for _ in audio:
            await go.wait()
        yield Transcript(final=True, ends_turn=True)

    async with running(from_generator(slow, Capabilities(name="slow"), window_ms=1000)) as engine:
        sink = HeldSink()
        stream = await engine.open(Options(), sink)
        assert sink.credit_ms == 1000
        for _ in range(3):
            stream.audio(SECOND)
        await settle()
        assert sink.credit_ms == 2000, "one second taken"
        with pytest.raises(Overloaded, match="its limit is 4000 ms"):
            for _ in range(10):
                stream.audio(SECOND)
        go.set()
        await settle()
        assert sink.credit_ms >= 4000


async def test_a_crash_is_an_end_without_the_words():
    async def crash(audio, options):
        async for _ in audio:
            raise ValueError("what the user said")
        yield

    async with running(from_generator(crash, Capabilities(name="crash"))) as engine:
        sink = HeldSink()
        stream = await engine.open(Options(), sink)
        stream.audio(SECOND)
        await settle()
        stream.audio(SECOND)
        (ended,) = sink.events
        assert ended.error.text == "engine crash raised ValueError"
        assert ended.error.retryable


async def test_closing_the_engine_ends_its_streams():
    closed = []

    async def kept(audio, options):
        try:
            async for _ in audio:
                pass
            yield
        finally:
            closed.append(True)

    engine = from_generator(kept, Capabilities(name="kept"))
    sink = HeldSink()
    async with running(engine):
        await engine.open(Options(), sink)
        await settle()
    assert closed == [True]
    assert sink.ended.error.code == "engine_unavailable"
    with pytest.raises(EngineFailed):
        await engine.open(Options(), HeldSink())


async def test_the_limit_of_streams_is_refused_at_once():
    engine = from_generator(deaf, Capabilities(name="deaf"), max_streams=1)
    async with running(engine):
        stream = await engine.open(Options(), HeldSink())
        with pytest.raises(Overloaded, match="runs 1 streams"):
            await engine.open(Options(), HeldSink())
        stream.abort()
        await settle()
        await engine.open(Options(), HeldSink())


async def test_a_speaking_generator_is_held_by_credit():
    async def talks(audio, options):
        async for item in audio:
            if isinstance(item, Speak):
                yield SpeechStarted(side="out", utterance="u", at_ms=0)
                for n in range(3):
                    yield AudioOut(utterance="u", data=SECOND, start_ms=n * 1000, mark=f"m{n}")
                yield SpeechEnded(side="out", utterance="u", ref=item.ref)

    capabilities = Capabilities(name="talks", speaks=(PCM16K,))
    async with running(from_generator(talks, capabilities)) as engine:
        sink = HeldSink()
        stream = await engine.open(Options(), sink)
        stream.credit(1500)
        stream.ask(Speak(text="x", ref="s"))
        await settle()

        def heard():
            return [
                (event.start_ms, PCM16K.ms(len(event.data)), event.mark)
                for event in sink.events
                if isinstance(event, AudioOut)
            ]

        assert heard() == [(0, 1000, "m0"), (1000, 500, "")]
        stream.credit(9000)
        stream.ask(End())
        await settle()
        assert heard()[2:] == [(1500, 500, "m1"), (2000, 1000, "m2")]
        assert [type(event).__name__ for event in sink.events[-2:]] == ["SpeechEnded", "Ended"]
