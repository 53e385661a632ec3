"""Engines are started before their first stream and closed after their last."""

import asyncio

import pytest

from ossicle.core.errors import EngineFailed
from ossicle.engines.echo import EchoEngine
from ossicle.engines.lifecycle import Children, is_warm, running


class Kept(EchoEngine):
    def __init__(self, fails=False):
        self.log, self.fails = [], fails

    @property
    def warm(self):
        return "start" in self.log

    async def start(self):
        self.log.append("start")
        if self.fails:
            raise EngineFailed("no model")

    async def aclose(self):
        self.log.append("aclose")


async def test_an_engine_with_nothing_to_start_is_warm():
    async with running(EchoEngine()) as engine:
        assert is_warm(engine)


async def test_start_and_close_whatever_happens():
    engine = Kept()
    assert not is_warm(engine)
    with pytest.raises(ZeroDivisionError):
        async with running(engine):
            assert is_warm(engine)
            raise ZeroDivisionError
    assert engine.log == ["start", "aclose"]
    broken = Kept(fails=True)
    with pytest.raises(EngineFailed, match="no model"):
        async with running(broken):
            pass
    assert broken.log == ["start", "aclose"]


async def test_children_end_with_their_parent():
    children, ends = Children(), []

    async def work():
        try:
            await asyncio.Event().wait()
        finally:
            ends.append(True)

    async def short():
        pass

    children.spawn(work(), "long")
    await children.spawn(short(), "short")
    await asyncio.sleep(0)
    assert len(children) == 1
    await children.aclose()
    await children.aclose()
    assert ends == [True]
    assert len(children) == 0
    with pytest.raises(EngineFailed, match="closed"):
        children.spawn(short(), "late")
