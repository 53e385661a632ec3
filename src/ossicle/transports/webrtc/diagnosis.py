"""Why a browser could not connect, in words: what is wrong with how we can be reached.

Pure: facts in, sentences out. `gateway.reachable` finds the facts, `ossicle doctor webrtc` shows
the sentences.
"""

import ipaddress
from typing import Literal, TypeAlias

import msgspec

__all__ = ["Facts", "Finding", "diagnose"]

Level: TypeAlias = Literal["ok", "note", "wrong"]


class Facts(msgspec.Struct, frozen=True):
    """What is known of how a gateway can be reached."""

    bound: tuple[str, ...] = ()
    """Addresses to which a socket could be bound..."""
    failed: tuple[str, ...] = ()
    """...and those to which it could not, with the reason."""
    announce: tuple[str, ...] = ()
    own: tuple[str, ...] = ()
    """Every address of this machine."""
    ports: tuple[int, int] | None = None
    free: int = 0
    """Ports of the range that are free at every address."""
    calls: int = 500
    """Calls that are allowed at once."""
    mapped: str = ""
    """Our address as a STUN server sees it; empty = not asked, or no answer."""
    stun: str = ""
    """Which one was asked."""
    stun_error: str = ""
    turn: tuple[tuple[str, str], ...] = ()
    """Relays, and what asking them came to; "" = they gave an address."""
    secret: bool = False
    """There is a secret to make credentials from."""
    secure: bool = True
    """Pages reach the gateway over https or loopback: a browser gives no microphone elsewhere."""
    container: bool = False
    """It runs in a container."""


class Finding(msgspec.Struct, frozen=True):
    """One sentence."""

    level: Level
    text: str


def diagnose(facts: Facts) -> list[Finding]:
    """Everything there is to say, the worst first."""
    found = [*_addresses(facts), *_ports(facts), *_stun(facts), *_relays(facts)]
    if not facts.secure:
        found.append(
            Finding(
                "wrong",
                "pages come over plain http from another machine: a browser gives them no "
                "microphone; use the TLS door (docs/howto/tls-and-certificates.md)",
            )
        )
    order = {"wrong": 0, "note": 1, "ok": 2}
    return sorted(found, key=lambda each: order[each.level])


def _addresses(facts: Facts) -> list[Finding]:
    found = [Finding("wrong", f"no UDP socket on {each}") for each in facts.failed]
    told = _told(facts)
    if not told:
        found.append(Finding("wrong", "no address is offered: no browser can connect"))
        return found
    kinds = [ipaddress.ip_address(each) for each in told]
    if all(each.is_loopback for each in kinds):
        found.append(
            Finding(
                "note",
                f"only {', '.join(told)} is offered: browsers on this machine connect, and no "
                "others; start with --host 0.0.0.0 (and keys) for those",
            )
        )
    elif all(each.is_private for each in kinds):
        text = (
            f"only private addresses are offered ({', '.join(told)}): browsers in the same network"
        )
        if facts.container:
            text += (
                "; in a container they are its own, which nobody outside reaches: give the host's "
                "address with --announce, and publish --ice-ports over UDP"
            )
        else:
            text += " connect; behind NAT give the public address with --announce"
        found.append(Finding("wrong" if facts.container else "note", text))
    else:
        found.append(Finding("ok", f"offered: {', '.join(told)}"))
    found += [
        Finding("note", f"--announce {each} is an address of this machine anyway")
        for each in facts.announce
        if each in facts.own
    ]
    return found


def _told(facts: Facts) -> tuple[str, ...]:
    """What browsers are told: what is announced, and addresses of a family for which nothing is."""
    families = {ipaddress.ip_address(each).version for each in facts.announce}
    others = (e for e in facts.bound if ipaddress.ip_address(e).version not in families)
    return (*facts.announce, *others)


def _ports(facts: Facts) -> list[Finding]:
    if facts.ports is None:
        return [
            Finding(
                "note",
                "UDP ports are any free ones (usually 32768-60999): a firewall needs a range, give "
                "one with --ice-ports",
            )
        ]
    low, high = facts.ports
    count = high - low + 1
    if not facts.free:
        return [Finding("wrong", f"every UDP port of {low}-{high} is taken: no call can begin")]
    found = [Finding("ok", f"UDP ports {low}-{high}: {facts.free} of {count} are free")]
    if count < facts.calls:
        found.append(
            Finding(
                "note",
                f"{count} ports carry {count} calls at once for each address; webrtc.calls allows "
                f"{facts.calls}",
            )
        )
    return found


def _stun(facts: Facts) -> list[Finding]:
    if not facts.stun:
        return []
    if facts.stun_error:
        return [
            Finding(
                "wrong",
                f"{facts.stun} does not answer ({facts.stun_error}): UDP to the outside may be "
                "blocked here",
            )
        ]
    if facts.mapped in facts.own:
        return [Finding("ok", f"{facts.stun} sees us as {facts.mapped}: no NAT before us")]
    if facts.mapped in facts.announce:
        return [Finding("ok", f"{facts.stun} sees us as {facts.mapped}, which is announced")]
    return [
        Finding(
            "wrong" if facts.announce else "note",
            f"{facts.stun} sees us as {facts.mapped}, behind NAT: --announce {facts.mapped} if UDP "
            "is forwarded from there; else browsers need a TURN relay",
        )
    ]


def _relays(facts: Facts) -> list[Finding]:
    if not facts.turn:
        return [
            Finding(
                "note",
                "no TURN relay is configured: browsers whose network blocks UDP cannot connect "
                "(webrtc.turn; docs/howto/webrtc.md)",
            )
        ]
    found: list[Finding] = []
    if not facts.secret:
        found.append(
            Finding(
                "wrong",
                "there is no OSSICLE_TURN_SECRET: browsers get relays without a password, and "
                "relays refuse those",
            )
        )
    for url, trouble in facts.turn:
        if trouble:
            found.append(Finding("wrong", f"{url}: {trouble}"))
        else:
            found.append(Finding("ok", f"{url} relays with our credentials"))
    return found
