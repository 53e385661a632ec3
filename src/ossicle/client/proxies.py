"""Which proxy leads to a host: the variables that other programs read, and what they mean here.

    Proxies.of(os.environ).to("https", "speech.example", 443)

`HTTPS_PROXY` is for https, wss and grpcs, `HTTP_PROXY` for http, ws and grpc, `ALL_PROXY` for both
where the first is not set; `NO_PROXY` lists who is reached directly. Each in lower case too, which
wins, as in curl. Proxies get CONNECT for everything: a request in the absolute form is buffered by
some, and speech has to come up while words go down. Pure.

This machine is never reached by a proxy of the environment, only by one that is named (`proxy=`).
"""

import ipaddress
import re
from collections.abc import Mapping
from typing import TypeAlias

import msgspec

from ossicle.transports.tunnel import Proxy

__all__ = ["Proxies", "Through", "through"]

Through: TypeAlias = str | bool | None
"""A proxy's URL; False = directly; None or True = as the environment says."""

_SECURE = frozenset({"https", "wss", "grpcs"})
_Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network


class Proxies(msgspec.Struct, frozen=True):
    """What the environment says about proxies."""

    secure: str = ""
    plain: str = ""
    direct: tuple[str, ...] = ()
    """Items of NO_PROXY, in lower case."""

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> "Proxies":
        """From variables. `HTTP_PROXY` in capitals is not read where a CGI server could have made
        it of a request's header (httpoxy, CVE-2016-5385)."""

        def read(name: str) -> str:
            lower = environment.get(name.lower(), "").strip()
            return lower or environment.get(name, "").strip()

        plain = environment.get("http_proxy", "").strip()
        if not plain and "REQUEST_METHOD" not in environment:
            plain = environment.get("HTTP_PROXY", "").strip()
        every = read("ALL_PROXY")
        items = tuple(item for item in re.split(r"[\s,]+", read("NO_PROXY").lower()) if item)
        return cls(read("HTTPS_PROXY") or every, plain or every, items)

    def to(self, scheme: str, host: str, port: int) -> Proxy | None:
        """The proxy to a place; None = directly.

        Raises:
            Refused: a variable holds no URL of a proxy; the text does not repeat it.
        """
        url = self.secure if scheme in _SECURE else self.plain
        if not url or _here(host) or any(_matches(item, host, port) for item in self.direct):
            return None
        return Proxy.of(url)


def through(
    asked: Through, scheme: str, host: str, port: int, environment: Mapping[str, str]
) -> Proxy | None:
    """The proxy to a place, where a user may have named one.

    Raises:
        Refused: it is no URL of a proxy.
    """
    if isinstance(asked, str):
        return Proxy.of(asked) if asked else None
    return None if asked is False else Proxies.of(environment).to(scheme, host, port)


def _here(host: str) -> bool:
    name = host.lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):  # RFC 6761 section 6.3
        return True
    address = _address(name)
    return address is not None and address.is_loopback


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(name.strip("[]").partition("%")[0])
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped or address


def _matches(item: str, host: str, port: int) -> bool:
    """One item of NO_PROXY: `*`, a name with all names under it, an address, a network; each but
    the first perhaps with a port."""
    if item == "*":
        return True
    name = host.lower().rstrip(".")
    address = _address(name)
    network = _network(item)
    if network is not None:
        return address is not None and address.version == network.version and address in network
    found = re.fullmatch(r"(\[[^\]]+\]|[^:]+)(?::(\d+))?", item)
    if found is None or (found[2] is not None and int(found[2]) != port):
        return False
    wanted = found[1]
    network = _network(wanted.strip("[]"))
    if network is not None:
        return address is not None and address.version == network.version and address in network
    wanted = wanted.removeprefix("*").strip(".")
    return bool(wanted) and (name == wanted or name.endswith("." + wanted))


def _network(text: str) -> _Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
