"""Workers and zygotes killed in mid-word; nothing left behind."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from ossicle.core.commands import End
from ossicle.core.errors import OssicleError
from ossicle.core.events import Ended, Transcript
from ossicle.core.options import Options
from ossicle.engines.pocketsphinx import PocketsphinxEngine

pytestmark = [
    pytest.mark.reliability,
    pytest.mark.skipif(sys.platform != "linux", reason="counts processes in /proc"),
]

TONE = b"".join(  # loud enough to keep a worker at work
    int(9000 * ((n // 40) % 2 * 2 - 1)).to_bytes(2, "little", signed=True) for n in range(16_000)
)


class Ear:
    def __init__(self) -> None:
        self.told: list = []
        self.over = asyncio.Event()
        self.credited = asyncio.Event()

    def tell(self, event) -> None:
        assert not self.over.is_set(), f"{event} after Ended"
        self.told.append(event)
        if isinstance(event, Ended):
            self.over.set()

    def credit(self, until_ms: int) -> None:
        if until_ms > 4_000:
            self.credited.set()

    def settled(self, until_ms: int) -> None: ...

    async def ended(self) -> Ended:
        async with asyncio.timeout(20):
            await self.over.wait()
        return self.told[-1]


def alive(pid: int) -> bool:
    """It runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def open_files(pid: int | str) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


async def until(true, seconds: float = 10.0) -> None:
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.01)


def pids(engine: PocketsphinxEngine) -> list[int]:
    return list(engine._nursery.workers.values())


async def at_work(engine: PocketsphinxEngine):
    """A stream whose worker is in the middle of something, and that worker's pid."""
    ear = Ear()
    stream = await engine.open(Options(), ear)
    stream.audio(TONE)
    async with asyncio.timeout(20):
        await ear.credited.wait()
    await until(lambda: stream._link.pid)
    return stream, ear, stream._link.pid


async def test_a_worker_killed_in_mid_word_ends_its_stream_once():
    async with PocketsphinxEngine(pool=2, spares=1) as engine:
        _, ear, pid = await at_work(engine)
        _, other, _ = await at_work(engine)
        os.kill(pid, signal.SIGKILL)
        ended = await ear.ended()
        assert ended.reason == "failed"
        assert ended.error.retryable
        assert ended.error.code == "engine_failed"
        assert OssicleError.of(ended.error).retryable
        assert engine.busy == 1
        assert not other.over.is_set()
        stream, ear, _ = await at_work(engine)  # what the session does next
        stream.ask(End())
        assert (await ear.ended()).error is None
        assert engine.restarts == 0


async def test_a_killed_zygote_is_replaced():
    async with PocketsphinxEngine(pool=2, spares=1) as engine:
        _, ear, pid = await at_work(engine)
        zygote = engine._nursery.zygote_pid
        os.kill(zygote, signal.SIGKILL)
        ended = await ear.ended()
        assert ended.error.retryable
        await until(lambda: not alive(pid))
        stream, again, _ = await at_work(engine)  # waits for the new one
        stream.ask(End())
        assert (await again.ended()).error is None
        assert engine.restarts == 1
        assert engine.warm
        assert engine._nursery.zygote_pid not in (0, zygote)
        assert [type(event) for event in ear.told].count(Ended) == 1


async def test_a_zygote_that_cannot_start_is_told_at_once(monkeypatch, tmp_path):
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\nexit 3\n")
    broken.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(broken))
    engine = PocketsphinxEngine(pool=1, spares=1)
    with pytest.raises(OssicleError, match="cannot start: the zygote ended while it loaded"):
        await engine.open(Options(), Ear())
    assert engine.busy == 0
    assert not engine.warm
    await engine.aclose()


async def test_twenty_sessions_leave_nothing_behind():
    async with PocketsphinxEngine(pool=3, spares=1) as engine:
        stream, _, pid = await at_work(engine)
        stream.abort()
        await until(lambda: len(pids(engine)) == 1 and all(pids(engine)) and not alive(pid))
        zygote = engine._nursery.zygote_pid
        descriptors, its = open_files("self"), open_files(zygote)
        seen: set[int] = set()
        for number in range(20):
            ear = Ear()
            stream = await engine.open(Options(), ear)
            stream.audio(TONE[:6400])
            await until(lambda stream=stream: stream._link.pid)
            seen.add(stream._link.pid)
            if number % 3 == 0:
                stream.abort()
            elif number % 3 == 1:
                stream.ask(End())
                assert (await ear.ended()).error is None
            else:
                os.kill(stream._link.pid, signal.SIGKILL)
                assert (await ear.ended()).error.retryable
        assert len(seen) == 20
        assert engine.busy == 0
        await until(lambda: len(pids(engine)) == 1 and all(pids(engine)))
        await until(lambda: not any(map(alive, seen)))
        assert open_files("self") <= descriptors
        assert open_files(zygote) == its
        (spare,) = pids(engine)
    await until(lambda: not alive(zygote) and not alive(spare))


async def test_spares_that_die_are_replaced():
    async with PocketsphinxEngine(pool=2, spares=1) as engine:
        await until(lambda: any(pids(engine)))
        (spare,) = pids(engine)
        os.kill(spare, signal.SIGKILL)
        await until(lambda: pids(engine) not in ([spare], [], [0]))
        _, ear, _ = await at_work(engine)
        assert not ear.over.is_set()


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGINT])
def test_no_process_outlives_its_gateway(sign):
    """SIGKILL gives nobody a chance to tidy up; Ctrl-C reaches the gateway alone."""
    program = textwrap.dedent(
        """
        import asyncio, signal
        from ossicle.core.options import Options
        from ossicle.engines.pocketsphinx import PocketsphinxEngine

        # a shell that runs the tests in its background hands down an ignored SIGINT
        signal.signal(signal.SIGINT, signal.default_int_handler)

        class Deaf:
            def tell(self, event): print(event, flush=True)
            def credit(self, until_ms): pass
            def settled(self, until_ms): pass

        async def main():
            async with PocketsphinxEngine(pool=2, spares=1) as engine:
                await engine.open(Options(), Deaf())
                while len(pids := engine._nursery.workers) < 2 or not all(pids.values()):
                    await asyncio.sleep(0.01)
                print(engine._nursery.zygote_pid, *pids.values(), flush=True)
                await asyncio.sleep(60)

        try:
            asyncio.run(main())
        except KeyboardInterrupt:
            pass
        """
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True
    ) as gateway:
        line = gateway.stdout.readline()
        family = [int(pid) for pid in line.split()]
        assert len(family) == 3, line
        assert all(map(alive, family))
        for pid in family:  # not in the terminal's process group, and deaf to it anyway
            assert os.getpgid(pid) != os.getpgid(gateway.pid)
            os.kill(pid, signal.SIGINT)
            os.kill(pid, signal.SIGTERM)
        time.sleep(0.2)  # what must not happen needs a moment in which it could
        assert all(map(alive, family))
        os.kill(gateway.pid, sign)
        gateway.wait(timeout=20)
    deadline = time.monotonic() + 10
    while any(map(alive, family)):
        assert time.monotonic() < deadline, "a worker outlived its gateway"
        time.sleep(0.02)


async def test_a_worker_is_nice_and_leaves_a_core_free():
    async with PocketsphinxEngine(pool=1, spares=1) as engine:
        _, _, pid = await at_work(engine)
        assert os.getpriority(os.PRIO_PROCESS, pid) >= os.getpriority(os.PRIO_PROCESS, 0) + 10
        mine, its = os.sched_getaffinity(0), os.sched_getaffinity(pid)
        assert len(its) == max(1, len(mine) - 1)


async def test_ten_minutes_of_silence_cost_no_decoding_and_settle():
    async with PocketsphinxEngine(pool=1, spares=1) as engine:
        ear = Quiet()
        stream = await engine.open(Options(), ear)
        ear.fed = 0
        second = bytes(32_000)
        async with asyncio.timeout(60):
            while ear.fed < 600_000:
                if ear.fed + 1000 <= ear.until_ms:
                    stream.audio(second)
                    ear.fed += 1000
                else:
                    await asyncio.sleep(0.001)
        stream.ask(End())
        assert (await ear.ended()).error is None
        assert ear.settled_ms > 598_000
        assert not [event for event in ear.told if isinstance(event, Transcript)]


class Quiet(Ear):
    until_ms = settled_ms = fed = 0

    def credit(self, until_ms: int) -> None:
        self.until_ms = until_ms

    def settled(self, until_ms: int) -> None:
        self.settled_ms = until_ms
