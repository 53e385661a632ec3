"""Which addresses calls are offered."""

import sys
from types import SimpleNamespace

import pytest

from ossicle.core.errors import Refused
from ossicle.gateway.configuration.settings import GatewaySettings
from ossicle.gateway.doors.webrtc import doorway
from ossicle.transports.webrtc.settings import WebRtcSettings


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loopback, one address of each family, and a link-local one."""
    found = ["127.0.0.1", ("::1", 0, 0), "10.0.0.2", ("2001:db8::2", 0, 0), ("fe80::1", 0, 2)]
    adapters = [SimpleNamespace(ips=[SimpleNamespace(ip=each) for each in found])]
    monkeypatch.setitem(sys.modules, "ifaddr", SimpleNamespace(get_adapters=lambda: adapters))


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize("host", ["0.0.0.0", "::", "*"])
def test_a_wildcard_is_every_address_that_others_reach(host: str) -> None:
    assert doorway(GatewaySettings(host=host)).addresses == ("10.0.0.2", "2001:db8::2")
    without = GatewaySettings(host=host, webrtc=WebRtcSettings(ipv6=False))
    assert doorway(without).addresses == ("10.0.0.2",)


@pytest.mark.parametrize(
    ("host", "addresses"),
    [("127.0.0.1",) * 2, ("localhost", "127.0.0.1"), ("::1",) * 2, ("fd00::2",) * 2],
)
def test_an_address_is_itself(host: str, addresses: str) -> None:
    assert doorway(GatewaySettings(host=host)).addresses == (addresses,)


def test_what_is_announced_is_numbers_one_for_each_family() -> None:
    way = doorway(GatewaySettings(announce="203.0.113.7, 2001:db8::7", ice_ports="40000-40009"))
    assert (way.told("10.0.0.2"), way.told("fd00::2")) == (("203.0.113.7",), ("2001:db8::7",))
    assert way.ports == (40_000, 40_009)
    with pytest.raises(Refused, match=r"turn\.example\.org"):
        doorway(GatewaySettings(announce="turn.example.org"))
