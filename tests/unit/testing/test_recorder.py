import asyncio

import pytest

from ossicle.core.wire import Accept, Text
from ossicle.testing.recorder import Recorder


def test_breaches_are_written_down() -> None:
    leg = Recorder(None)
    leg.binary(bytearray(b"x"))
    leg.writable(True)
    leg.writable(False)
    leg.writable(False)
    leg.closed(None)
    leg.received(Text("late"))
    leg.writable(True)
    leg.closed(None)
    assert leg.broken == [
        "binary was told bytearray, not bytes",
        "writable(True) twice",
        "writable(False) twice",
        "Text after closed",
        "writable after closed",
        "closed twice",
    ]


async def test_until_waits_and_says_what_it_saw() -> None:
    leg = Recorder(None)
    leg.received(Accept())
    asyncio.get_running_loop().call_soon(leg.binary, b"x")
    await leg.until(lambda: leg.size == 1)
    with pytest.raises(AssertionError, match="told 2 messages"):
        await leg.until(lambda: leg.over, within=0.001)
