"""Who a request really comes from, when your own proxies stand in between.

    forwarding = Forwarding(["10.0.0.0/8"], "x-forwarded-for")
    opening = forwarding.seen(opening)      # its peer is now the client, not the proxy

One header is read, the one your proxies write (RFC 7239, or X-Forwarded-For). To believe both
would be to believe everybody: nginx appends to X-Forwarded-For and hands `Forwarded` on as the
client sent it. Knows no sockets; the PROXY protocol is `proxied`'s.
"""

import ipaddress
import re
from collections.abc import Iterable, Iterator
from typing import Literal, TypeAlias

import msgspec

from ossicle.core.errors import Refused
from ossicle.core.wire import Opening

__all__ = ["Forwarding", "Network", "address_of", "networks", "within"]

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

_MOST_FORWARDS = 32

_PAIR = re.compile(
    r"""\s*(?P<name>[!#$%&'*+\-.^_`|~0-9A-Za-z]+)=
        (?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>[!#$%&'*+\-.^_`|~0-9A-Za-z:\[\]]*))
        \s*(?P<after>[;,]|$)""",
    re.VERBOSE,
)
"""A forwarded-pair and what ends it (RFC 7239 section 4). Colons and brackets without quotes are
no token; some proxies write them all the same."""


class Forwarding:
    """What the proxies say."""

    def __init__(
        self,
        trusted: Iterable[str],
        header: Literal["x-forwarded-for", "forwarded"] = "x-forwarded-for",
    ) -> None:
        """
        Args:
            trusted: addresses or networks of your own proxies.
            header: the one that they write.

        Raises:
            Refused: one is no address.
        """
        self.trusted = networks(trusted)
        self._header = header

    def seen(self, opening: Opening) -> Opening:
        """The same request, as from who sent it first. Believed only as far as each address that
        vouches for the next one is a trusted proxy: the rest anybody can write."""
        if not self.trusted or not within(address_of(opening.peer), self.trusted):
            return opening
        address = found = address_of(opening.peer)
        values = (value for name, value in opening.headers if name == self._header)
        read = _of_forwarded if self._header == "forwarded" else _of_x_forwarded_for
        chain = [item for value in values for item in read(value)]
        for item in reversed(chain[-_MOST_FORWARDS:]):
            if not within(found, self.trusted):
                break
            given = address_of(item)
            if not given:  # "unknown", or a name that its proxy made up (RFC 7239 section 6.3)
                break
            found = given
        if found == address:
            return opening
        peer = f"[{found}]:0" if ":" in found else f"{found}:0"
        return msgspec.structs.replace(opening, peer=peer)


def networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Addresses and CIDR networks.

    Raises:
        Refused: one is neither.
    """
    found: list[Network] = []
    for text in texts:
        try:
            found.append(ipaddress.ip_network(text.strip(), strict=False))
        except ValueError as error:
            raise Refused(
                f"access.trust_proxies: {text[:60]!r} is no address or network; "
                "write 10.0.0.0/8 or 127.0.0.1",
                code="bad_option",
            ) from error
    return tuple(found)


def address_of(text: str) -> str:
    """The address alone, of `a`, `a:port` or `[a]:port`; "" = none."""
    for candidate in (text, text.rpartition(":")[0]):
        try:
            return str(ipaddress.ip_address(candidate.strip("[]").partition("%")[0]))
        except ValueError:
            continue
    return ""


def within(address: str, trusted: tuple[Network, ...]) -> bool:
    """Whether an address is in one of the networks."""
    try:
        number = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(number, ipaddress.IPv6Address) and number.ipv4_mapped is not None:
        number = number.ipv4_mapped
    return any(number in network for network in trusted)


def _of_x_forwarded_for(value: str) -> list[str]:
    return [item.strip() for item in value.split(",")]


def _of_forwarded(value: str) -> list[str]:
    """The `for` of each element, "" where it has none. What cannot be read vouches for nobody: an
    "" is put last, so that nothing left of it is believed."""
    found: list[str] = []
    whose = ""
    for name, given, after in _pairs(value):
        if not name:
            return [*found, ""]
        if name == "for":
            whose = given
        if after != ";":
            found.append(whose)
            whose = ""
    return found


def _pairs(value: str) -> Iterator[tuple[str, str, str]]:
    """Name, value and what follows; a name of "" = this is not the form of the header."""
    at = 0
    while at < len(value):
        pair = _PAIR.match(value, at)
        if pair is None:
            yield "", "", ""
            return
        quoted = pair["quoted"]
        text = pair["plain"] if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
        yield pair["name"].lower(), text or "", pair["after"]
        at = pair.end()
