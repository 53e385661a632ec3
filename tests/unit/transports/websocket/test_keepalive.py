import asyncio

from ossicle.transports.websocket import keepalive
from ossicle.transports.websocket.keepalive import Pulse


class Member:
    def __init__(self, beats: int) -> None:
        self.left = beats
        self.done = asyncio.Event()

    def beat(self, now: float) -> None:
        self.left -= 1
        if self.left == 0:
            self.done.set()


async def test_one_timer_for_all_and_none_for_nobody(monkeypatch) -> None:
    monkeypatch.setattr(keepalive, "BEAT_S", 0.001)
    loop = asyncio.get_running_loop()
    pulse = Pulse.of(loop)
    assert Pulse.of(loop) is pulse
    first, second = Member(2), Member(3)
    pulse.add(first)
    pulse.add(second)
    assert len(pulse) == 2
    await first.done.wait()
    pulse.discard(first)
    pulse.discard(first)
    await second.done.wait()
    pulse.discard(second)
    assert len(pulse) == 0
    assert pulse._timer is None
    third = Member(1)
    pulse.add(third)
    await third.done.wait()
    pulse.discard(third)


async def test_a_member_may_leave_while_it_is_called(monkeypatch) -> None:
    monkeypatch.setattr(keepalive, "BEAT_S", 0.001)
    pulse = Pulse.of(asyncio.get_running_loop())
    done = asyncio.Event()

    class Leaving:
        def beat(self, now: float) -> None:
            pulse.discard(self)
            done.set()

    pulse.add(Leaving())
    await done.wait()
    assert len(pulse) == 0
    assert pulse._timer is None
