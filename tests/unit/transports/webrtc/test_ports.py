"""Port ranges, addresses and what is announced."""

import asyncio

import pytest

from ossicle.core.errors import Overloaded, Refused
from ossicle.transports.webrtc.ports import Doorway, port_range


def test_ranges() -> None:
    assert port_range("") is None
    assert port_range("40000-40100") == (40_000, 40_100)
    for wrong in ("1", "a-b", "40100-40000", "80-90", "40000-70000", "-"):
        with pytest.raises(Refused, match="ice_ports"):
            port_range(wrong)


def test_what_is_told_is_of_the_same_family() -> None:
    way = Doorway(("10.0.0.2", "fd00::2"), announce=("203.0.113.9",))
    assert way.told("10.0.0.2") == ("203.0.113.9",)
    assert way.told("fd00::2") == ("fd00::2",)


async def test_a_full_range_is_said_to_be_full() -> None:
    way = Doorway(("127.0.0.1",), (47_310, 47_311))
    opened = [await way.bind("127.0.0.1", asyncio.DatagramProtocol) for _ in range(2)]
    try:
        ports = {transport.get_extra_info("sockname")[1] for transport, _ in opened}
        assert ports == {47_310, 47_311}
        with pytest.raises(Overloaded, match="47310-47311"):
            await way.bind("127.0.0.1", asyncio.DatagramProtocol)
    finally:
        for transport, _ in opened:
            transport.close()
