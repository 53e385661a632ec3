"""Woken all at once, and gone when they are cancelled."""

import asyncio

from ossicle.client.waiters import Waiters


async def test_everybody_who_waits_is_woken_once():
    waiters = Waiters()
    waiters.wake()  # nobody is there, and it is not kept
    tasks = [asyncio.ensure_future(waiters.changed()) for _ in range(3)]
    await asyncio.sleep(0)
    assert not any(task.done() for task in tasks)
    waiters.wake()
    await asyncio.gather(*tasks)


async def test_who_is_cancelled_is_not_kept():
    waiters = Waiters()
    gone, there = (asyncio.ensure_future(waiters.changed()) for _ in range(2))
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.wait([gone])
    waiters.wake()
    await there
    assert gone.cancelled()
    assert waiters._waiting == []
