"""Blocking recognisers in worker processes: laws, bounds, and death."""

import asyncio
import importlib.util
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from ossicle.core.capabilities import PCM16K, Capabilities
from ossicle.core.errors import EngineFailed, Overloaded, Refused
from ossicle.core.options import Options
from ossicle.engines.lifecycle import is_warm, running
from ossicle.engines.processes import from_blocking
from ossicle.testing.engine import HeldSink, check_engine

ROOT = Path(__file__).parents[3]


@pytest.fixture
def example(monkeypatch):
    """The example as a process finds it: by its module's name."""
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    module = importlib.import_module("my_engine_blocking")
    yield module
    sys.modules.pop("my_engine_blocking")


@pytest.fixture
def recognisers(monkeypatch, tmp_path):
    """Recognisers that misbehave, in a module a process can import."""
    (tmp_path / "misbehaving.py").write_text(
        textwrap.dedent(
            """
            import os
            from ossicle.core.errors import Refused

            class Quiet:
                def __init__(self, options): pass
                def accept(self, data): return []
                def finalize(self): return []
                def finish(self): return []

            class Dies(Quiet):
                def accept(self, data): os._exit(3)

            class Raises(Quiet):
                def accept(self, data): raise ValueError("what the user said")

            class Unwilling(Quiet):
                def __init__(self, options): raise Refused("no such model", code="bad_option")
            """
        )
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    yield importlib.import_module("misbehaving")
    sys.modules.pop("misbehaving")


class Waiting(HeldSink):
    """A sink whose end can be awaited."""

    def __init__(self):
        super().__init__(lambda event: self.over.set() if self.ended else None)
        self.over = asyncio.Event()


async def test_the_example_keeps_the_contract(example):
    async with running(example.engine()) as engine:
        assert is_warm(engine)
        await check_engine(engine)


async def test_missing_answers_are_supplied(recognisers):
    engine = from_blocking(recognisers.Quiet, Capabilities(name="quiet"))
    async with running(engine):
        await check_engine(engine, streams=1)
        sink = HeldSink()
        await engine.open(Options(), sink)
        assert sink.credit_ms == 2000
        with pytest.raises(Overloaded, match="runs 1 streams"):
            await engine.open(Options(), HeldSink())
    assert sink.ended.error.code == "engine_unavailable", "closed under its stream"
    with pytest.raises(EngineFailed):
        await engine.open(Options(), HeldSink())


async def test_a_dead_process_ends_its_stream_and_is_replaced(recognisers):
    engine = from_blocking(recognisers.Dies, Capabilities(name="dies"))
    async with running(engine):
        for _ in range(2):
            sink = Waiting()
            stream = await engine.open(Options(), sink)
            stream.audio(bytes(640))
            await asyncio.wait_for(sink.over.wait(), 20)
            (ended,) = sink.events
            assert ended.error.code == "engine_failed"
            assert ended.error.retryable
            assert "dies worker 1 died" in ended.error.text


async def test_a_killed_process_is_replaced(recognisers):
    engine = from_blocking(recognisers.Quiet, Capabilities(name="quiet"))
    async with running(engine):
        (before,) = engine.pids
        sink = Waiting()
        stream = await engine.open(Options(), sink)
        os.kill(before, signal.SIGKILL)
        while not sink.over.is_set():
            stream.audio(bytes(640))
            await asyncio.sleep(0.01)
        assert sink.ended.error.retryable
        await engine.open(Options(), HeldSink())
        assert engine.pids != (before,)


async def test_an_exception_ends_the_stream_without_the_words(recognisers):
    engine = from_blocking(recognisers.Raises, Capabilities(name="raises"))
    async with running(engine):
        (pid,) = engine.pids
        sink = Waiting()
        stream = await engine.open(Options(), sink)
        stream.audio(bytes(640))
        await asyncio.wait_for(sink.over.wait(), 20)
        assert sink.ended.error.text == "engine raises worker 1 raised ValueError"
        assert engine.pids == (pid,), "the process lives on"


async def test_a_factory_may_refuse(recognisers):
    engine = from_blocking(recognisers.Unwilling, Capabilities(name="unwilling"))
    async with running(engine):
        for _ in range(2):
            while True:
                try:
                    with pytest.raises(Refused, match="no such model"):
                        await engine.open(Options(), HeldSink())
                except Overloaded:
                    await asyncio.sleep(0)
                else:
                    break


def test_it_claims_no_voice(recognisers):
    with pytest.raises(ValueError, match="no voice"):
        from_blocking(recognisers.Quiet, Capabilities(name="q", speaks=(PCM16K,)))


@pytest.mark.skipif(sys.platform != "linux", reason="looks at processes through /proc")
def test_processes_ignore_ctrl_c_and_die_with_the_parent(recognisers, tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(
        textwrap.dedent(
            """
            import asyncio, os, sys, time
            sys.path.insert(0, sys.argv[1])
            import misbehaving
            from ossicle.core.capabilities import Capabilities
            from ossicle.engines.processes import from_blocking

            async def main():
                engine = from_blocking(misbehaving.Quiet, Capabilities(name="quiet"))
                await engine.start()
                print(engine.pids[0], flush=True)
                await asyncio.sleep(60)

            if __name__ == "__main__":
                asyncio.run(main())
            """
        )
    )
    with subprocess.Popen(
        [sys.executable, str(script), str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as parent:
        child = int(parent.stdout.readline())
        os.kill(child, signal.SIGINT)
        os.kill(child, 0)
        with pytest.raises(subprocess.TimeoutExpired):
            parent.wait(0.1)
        assert Path(f"/proc/{child}").exists(), "it survived SIGINT"
        parent.kill()
        parent.wait()
    until = time.monotonic() + 10
    while _runs(child):
        assert time.monotonic() < until, "the worker outlived its parent"
        time.sleep(0.02)


def _runs(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
