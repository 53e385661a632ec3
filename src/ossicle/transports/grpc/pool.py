"""Connections to one place, shared by the calls that go there.

    shared = share(Target("dns:///localhost:50051"), settings)
    ...
    await shared.release()

One grpc.aio channel for each place and event loop, kept as long as somebody uses it. A name with
several addresses, or a list of them, is balanced: each call goes to the next one that is there and
says (`grpc.health.v1`) that it serves.
"""

import asyncio
import json
import weakref
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import grpc.aio

from ossicle.core.errors import Refused
from ossicle.transports.tunnel import Proxy

from .settings import GrpcSettings, client_options

__all__ = ["Shared", "Target", "share", "target_of"]

_PORTS = {"grpc": 50_051, "grpcs": 50_052}
_BALANCE = json.dumps(
    {
        "loadBalancingConfig": [{"round_robin": {}}],
        "healthCheckConfig": {"serviceName": ""},
    }
)
"""gRPC's service config. Health is watched for the server as a whole; one without the service
counts as well."""


class Target(NamedTuple):
    """A place to dial."""

    name: str
    """As grpc names it: `dns:///host:port`, `ipv4:a:p,b:p`."""
    secure: bool = False
    roots: bytes | None = None
    """PEM of the authorities to believe; None = grpc's own."""
    proxy: Proxy | None = None
    """What it is reached through."""

    @property
    def options(self) -> tuple[tuple[str, str | int], ...]:
        """grpc's own. It would read `https_proxy` and its like by rules of its own, for loopback
        and for connections without TLS as well."""
        if self.proxy is None:
            return (("grpc.enable_http_proxy", 0),)
        login = self.proxy.login
        return (("grpc.http_proxy", f"http://{login}{self.proxy.host}:{self.proxy.port}"),)


def target_of(url: str, roots: bytes | None = None, proxy: Proxy | None = None) -> Target:
    """From `grpc://host:port`, `grpcs://…`, or several of them separated by commas.

    Raises:
        Refused: it is no such URL, or the proxy does not go with it.
    """
    if proxy is not None and proxy.scheme != "http":
        raise Refused(f"gRPC goes through proxies of http:// alone, not {proxy}", code="bad_option")
    scheme, _, rest = url.partition("://")
    places = [place for place in rest.partition("/")[0].split(",") if place]
    if scheme not in _PORTS or not places:
        raise Refused("the URL of a gRPC service is grpc://host:port or grpcs://host:port")
    hosts: list[str] = []
    for place in places:
        try:
            parts = urlsplit(f"//{place}")
            host, port = parts.hostname, parts.port or _PORTS[scheme]
        except ValueError:
            host, port = None, 0
        if not host:
            raise Refused(f"{place[:100]!r} is no host:port")
        hosts.append(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
    name = f"dns:///{hosts[0]}" if len(hosts) == 1 else _listed(hosts)
    return Target(name, scheme == "grpcs", roots if scheme == "grpcs" else None, proxy)


def _listed(hosts: list[str]) -> str:
    kinds = {"ipv6" if host.startswith("[") else "ipv4" for host in hosts}
    if len(kinds) > 1 or not all(_numeric(host) for host in hosts):
        raise Refused("several places in one URL are addresses of one kind, IPv4 or IPv6")
    return f"{kinds.pop()}:{','.join(hosts)}"


def _numeric(host: str) -> bool:
    return host.startswith("[") or host.rpartition(":")[0].replace(".", "").isdecimal()


class Shared:
    """A channel, and who uses it."""

    def __init__(self, target: Target, settings: GrpcSettings, home: "dict[Any, Shared]") -> None:
        self.target = target
        self._key = (target, settings)
        self._home = home
        self._users = 0
        options = (
            *client_options(settings),
            *target.options,
            ("grpc.service_config", _BALANCE),
        )
        if target.secure:
            credentials = grpc.ssl_channel_credentials(target.roots)
            channel = grpc.aio.secure_channel(target.name, credentials, options)
        else:
            channel = grpc.aio.insecure_channel(target.name, options)
        self.channel: Any = channel

    def use(self) -> None:
        """One user more."""
        self._users += 1

    async def release(self) -> None:
        """One user less; the last one closes it."""
        self._users -= 1
        if self._users == 0:
            self._home.pop(self._key, None)
            await self.channel.close()


_homes: "weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Any, Shared]]" = (
    weakref.WeakKeyDictionary()
)


def share(target: Target, settings: GrpcSettings) -> Shared:
    """The channel to a place, made if there is none. To be released."""
    home = _homes.setdefault(asyncio.get_running_loop(), {})
    key = (target, settings)
    found = home.get(key)
    if found is None:
        found = home[key] = Shared(target, settings, home)
    found.use()
    return found
