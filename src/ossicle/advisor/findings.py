"""What was measured, as findings: figures, what is wrong and what to do about it, and what it means
for the choice of a protocol.

    found = findings(seen)
    found.problems[0].code, found.exit_code
    decide(asked(found, Inputs(client="browser")))

Pure: the same samples give the same words.
"""

import itertools
import statistics
from collections.abc import Iterable, Sequence
from typing import Literal, TypeAlias, get_args

import msgspec

from .inputs import Inputs
from .line import Certificate
from .measured import WIRES, Flow, Measured, Relayed, Silence, State, Tried

__all__ = [
    "BUDGET_MS",
    "Findings",
    "Idle",
    "Problem",
    "Rate",
    "Share",
    "Spread",
    "Weight",
    "Wire",
    "asked",
    "findings",
]

BUDGET_MS = 300
"""What feels like talk."""

Weight: TypeAlias = Literal["fatal", "problem", "note"]
"""`fatal`: no way to the gateway. `problem`: speech suffers. `note`: good to know."""

_SPEECH_KBIT = 256
"""16 kHz, 16 bit, one channel: what our client sends by default."""
_HEARTBEAT_S = 20.0
"""How often the gateway sends something by itself (`heartbeat_s`)."""
_FAR_MS, _UNEVEN_MS, _LOSSY = 150.0, 30.0, 0.02
_SKEW_MS = 2_000.0
_SOON_DAYS = 14.0
_FEW = 10
"""Round trips below which figures say little."""


class Spread(msgspec.Struct, frozen=True):
    """Many round trips, in milliseconds."""

    least_ms: float
    median_ms: float
    p95_ms: float
    jitter_ms: float
    """Mean difference between one and the next (as RFC 3550 section 6.4.1 has it, not smoothed)."""
    count: int


class Wire(msgspec.Struct, frozen=True):
    """One wire, tried."""

    name: str
    title: str
    state: State
    why: str
    cold_ms: float | None
    resumed_ms: float | None


class Rate(msgspec.Struct, frozen=True):
    """Bytes in one direction."""

    kbit_s: float | None
    """None = not measured; `why` says it."""
    bytes: int
    why: str


class Idle(msgspec.Struct, frozen=True):
    """How long nobody may speak."""

    searched_s: float
    """0 = it was not looked for."""
    lasts_s: float | None
    """The longest silence that a connection outlived; None = none did."""
    cut_s: float | None
    """When silent ones are cut; None = none was."""
    kept_by: Literal["nothing needed", "pings", "data", "neither", "unknown"]
    """The least that keeps one open."""
    over: str
    """On which wire."""


class Share(msgspec.Struct, frozen=True):
    """A part of the 300 ms."""

    name: str
    title: str
    ms: float
    how: Literal["measured", "told", "assumed"]
    """`told`: a mean of the gateway's own sessions."""


class Problem(msgspec.Struct, frozen=True):
    """Something is wrong, and what to do."""

    code: str
    weight: Weight
    text: str
    way_out: str = ""


class Findings(msgspec.Struct, frozen=True):
    """Everything that `ossicle probe --json` prints besides the advice."""

    url: str
    host: str
    port: int
    secure: bool
    peer: str
    took_s: float
    wires: tuple[Wire, ...]
    certificate: Certificate | None
    rtt: Spread | None
    rtt_over: str
    datagrams: Spread | None
    loss: float | None
    """Of datagrams, 0 to 1; None = none passed."""
    calls: Spread | None
    """Round trips on the data channel of a WebRTC call, direct."""
    relays: tuple[Relayed, ...]
    """Each relay that the gateway names."""
    down: Rate
    up: Rate
    buffers_down: bool | None
    """Something holds answers back; None = not seen."""
    buffers_up: bool | None
    idle: Idle
    skew_ms: float | None
    """The gateway's clock less ours."""
    problems: tuple[Problem, ...]
    budget: tuple[Share, ...]

    @property
    def exit_code(self) -> int:
        """0 all is well, 1 no way there, 3 a way with problems."""
        weights = {each.weight for each in self.problems}
        return 1 if "fatal" in weights else 3 if "problem" in weights else 0

    @property
    def together_ms(self) -> float:
        """Of the budget."""
        return sum(each.ms for each in self.budget)

    def wire(self, name: str) -> Wire:
        """That one."""
        return next(each for each in self.wires if each.name == name)


def findings(seen: Measured) -> Findings:
    """Make sense of it."""
    rtt, datagrams = _spread(seen.rtt_ms), _spread(seen.datagram_rtt_ms)
    loss = None
    if seen.datagrams:
        loss = max(0.0, 1 - len(seen.datagram_rtt_ms) / seen.datagrams)
    skew = min(seen.skews_ms, key=lambda each: each[1])[0] if seen.skews_ms else None
    idle = _idle(seen.silences, seen.idle_s)
    down, up = _rate(seen.down), _rate(seen.up)
    held_down, held_up = _held(seen.down_pieces), _held(seen.up_pieces)
    wires = tuple(
        Wire(name, WIRES[name], tried.state, tried.why, tried.cold_ms, tried.resumed_ms)
        for name, tried in ((name, seen.wires.get(name, Tried())) for name in WIRES)
    )
    udp_blocked = seen.wires.get("udp", Tried()).state in {"blocked", "broken"}
    problems = (
        *_on_the_way(seen),
        *_of_wires(seen, loss),
        *_of_calls(seen, udp_blocked or (loss is not None and loss >= 1.0)),
        *_of_buffers(seen, held_down, held_up),
        *_of_idle(idle),
        *_of_figures(seen, rtt, loss, skew, down, up),
    )
    order = get_args(Weight)
    problems = tuple(sorted(problems, key=lambda each: order.index(each.weight)))
    return Findings(
        seen.url, seen.host, seen.port, seen.secure, seen.peer, round(seen.took_s, 2), wires,
        seen.certificate, rtt, seen.rtt_over if rtt else "", datagrams, loss,
        _spread(seen.ice_rtt_ms), tuple(seen.relays), down, up,
        held_down, held_up, idle, round(skew, 1) if skew is not None else None, problems,
        _budget(seen, rtt),
    )  # fmt: skip


def asked(found: Findings, inputs: Inputs) -> Inputs:
    """The same question, on this network. What was not offered says nothing about the network."""
    states = {each.name: each.state for each in found.wires}
    blocked: set[State] = {"blocked", "broken"}
    without = set(inputs.without)
    if states["grpc"] in blocked:
        without.add("grpc")
    if states["grpcweb"] in blocked:
        without.add("grpcweb")
    if states["http2"] in blocked:
        without.add("http2")
    if states["quic"] in blocked:
        without |= {"webtransport", "moq"}
    if states["ice"] in blocked and states["turn"] != "passes":
        without.add("webrtc")
    if found.buffers_down or found.buffers_up:
        without.add("http")
    cut = found.idle.kept_by == "neither"
    return msgspec.structs.replace(
        inputs,
        udp_blocked=inputs.udp_blocked or states["udp"] in blocked,
        upgrades_blocked=inputs.upgrades_blocked or states["websocket"] in blocked or cut,
        without=tuple(sorted(without)),
    )


# ── figures ──


def _spread(samples: Sequence[float]) -> Spread | None:
    if not samples:
        return None
    ordered = sorted(samples)
    steps = [abs(after - before) for before, after in itertools.pairwise(samples)]
    return Spread(
        round(ordered[0], 3),
        round(statistics.median(ordered), 3),
        round(ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))], 3),
        round(statistics.fmean(steps), 3) if steps else 0.0,
        len(ordered),
    )


def _rate(flow: Flow) -> Rate:
    if flow.why or flow.bytes <= 0 or flow.ms <= 0:
        return Rate(None, flow.bytes, flow.why or "too little came to be measured")
    return Rate(round(flow.bytes * 8 / flow.ms, 1), flow.bytes, "")


def _held(pieces: Sequence[tuple[float, float]]) -> bool | None:
    """Whether pieces that left apart came together. Half of their span may be lost to a hiccup."""
    if len(pieces) < 2:
        return None
    left = pieces[-1][0] - pieces[0][0]
    came = pieces[-1][1] - pieces[0][1]
    return came < left / 2 if left > 100 else None


def _idle(silences: Sequence[Silence], searched_s: float) -> Idle:
    silent = [each for each in silences if each.kept_by == "nothing"]
    if not silent:
        return Idle(searched_s, None, None, "unknown", "")
    lived = [each.s for each in silent if each.lived]
    died = [each for each in silent if not each.lived]
    over = silent[0].over
    if not died:
        return Idle(searched_s, max(lived), None, "nothing needed", over)
    # Those that were seen to be cut say when; one that was forgotten says only "by then".
    cuts = [each.cut_s for each in died if each.cut_s is not None]
    cut = min(cuts) if cuts else min(each.s for each in died)
    lasts = max((s for s in lived if s <= cut + 0.5), default=None)
    busy = {each.kept_by: each.lived for each in silences if each.kept_by != "nothing"}
    if not busy:
        kept: Literal["pings", "data", "neither", "unknown"] = "unknown"
    elif busy.get("pings"):
        kept = "pings"
    elif "pings" not in busy and busy.get("data"):
        kept = "unknown"  # a page can send no pings, so whether they count was not seen
    else:
        kept = "data" if busy.get("data") else "neither"
    return Idle(searched_s, lasts, round(cut, 2), kept, over)


def _budget(seen: Measured, rtt: Spread | None) -> tuple[Share, ...]:
    """From a spoken word to its text, or to the voice that answers."""
    parts = [Share("piece", "a piece of sound is filled", 20.0, "assumed")]
    if rtt is not None:
        below = min(seen.tcp_ms, default=rtt.least_ms)
        network = min(rtt.median_ms, below)
        parts += [
            Share("network", "there and back", round(network, 2), "measured"),
            Share("protocol", "the wire", round(rtt.median_ms - network, 2), "measured"),
        ]
    uneven = round(rtt.p95_ms - rtt.median_ms, 2) if rtt is not None else 0.0
    waiting = seen.ledger.get("queue")
    parts.append(
        Share("queue", "waiting: the network's unevenness, and the engine's queue",
             round(uneven + (waiting or 0.0), 2), "told" if waiting is not None else "measured")
    )  # fmt: skip
    for name, title, usual in (
        ("engine", "the engine decides", 55.0), ("playback", "a voice begins to be heard", 40.0)
    ):  # fmt: skip
        told = seen.ledger.get(name)
        how: Literal["told", "assumed"] = "assumed" if told is None else "told"
        parts.append(Share(name, title, round(usual if told is None else told, 2), how))
    return tuple(parts)


# ── what is wrong ──


def _on_the_way(seen: Measured) -> Iterable[Problem]:
    """Before anything could be measured."""
    tcp, tls, http = (seen.wires.get(name, Tried()) for name in ("tcp", "tls", "http"))
    if tcp.state in {"blocked", "broken"}:
        yield Problem(
            "unreachable", "fatal", f"No connection: {tcp.why}.",
            "Is the gateway running, does it listen on that address (`--host`), and does every "
            "firewall on the way let this port through?",
        )  # fmt: skip
    elif seen.untrusted:
        issuer = f" It was issued by {seen.certificate.issuer}." if seen.certificate else ""
        yield Problem(
            "untrusted", "fatal", f"The certificate {seen.untrusted}.{issuer}",
            "Is that issuer neither yours nor the gateway's? Then something on the way opens TLS.",
        )  # fmt: skip
    elif tls.state in {"blocked", "broken"}:
        yield Problem(
            "no_tls", "fatal", f"TLS: {tls.why}.",
            "Is it a TLS port? http:// and ws:// are plain, https:// and wss:// are not.",
        )  # fmt: skip
    elif http.state in {"blocked", "broken"}:
        yield Problem(
            "no_http",
            "fatal",
            f"HTTP: {http.why}.",
            "Something listens there; whether it is the gateway is the question.",
        )
    elif seen.refused:
        code = "refused" if seen.is_ossicle else "not_ossicle"
        way_out = "Give your key with --key." if "key" in seen.refused else ""
        yield Problem(code, "fatal", f"Not measured: {seen.refused}.", way_out)
    elif not seen.is_ossicle:
        yield Problem("no_answer", "fatal", "The time was over before anything answered.")
    if seen.out_of_time:
        yield Problem(
            "out_of_time", "note",
            f"Ended after {seen.out_of_time:g} s; what is missing was not come to.",
            "Give it longer with --limit.",
        )  # fmt: skip
    for lie in seen.lies:
        yield Problem("lie", "problem", f"The other end tells what cannot be: {lie}.")
    certificate = seen.certificate
    if certificate is not None and not seen.untrusted and certificate.days_left < _SOON_DAYS:
        yield Problem(
            "expires_soon", "note",
            f"The certificate ends in {certificate.days_left:.0f} days, at {certificate.ends}.",
            "Renew it; a gateway takes the new file while it runs.",
        )  # fmt: skip


def _of_wires(seen: Measured, loss: float | None) -> Iterable[Problem]:
    websocket, udp, grpc = (seen.wires.get(n, Tried()) for n in ("websocket", "udp", "grpc"))
    if websocket.state in {"blocked", "broken"}:
        yield Problem(
            "upgrade_blocked", "problem",
            f"WebSocket does not pass: {websocket.why}.",
            "A proxy has to hand on `Upgrade` and `Connection` over HTTP/1.1; until then stream by "
            "chunked HTTP, or gRPC.",
        )  # fmt: skip
    if udp.state in {"blocked", "broken"} or (loss is not None and loss >= 1.0):
        yield Problem(
            "udp_blocked", "problem",
            f"UDP does not pass: {udp.why or 'every datagram was lost'}.",
            "WebRTC needs a TURN relay over TLS here, and QUIC falls back to TCP; a proxy in "
            "front that forwards TCP alone looks the same.",
        )  # fmt: skip
    if grpc.state in {"blocked", "broken"}:
        yield Problem(
            "grpc_blocked",
            "problem",
            f"gRPC does not pass: {grpc.why}.",
            "Open its port, or have the proxy forward HTTP/2 with trailers.",
        )


def _of_calls(seen: Measured, udp_blocked: bool) -> Iterable[Problem]:
    """HTTP/2, QUIC and WebRTC. Where UDP is blocked that is said once, and not of each of them."""
    http2, quic, ice, turn = (
        seen.wires.get(each, Tried()) for each in ("http2", "quic", "ice", "turn")
    )
    if http2.state in {"blocked", "broken"}:
        yield Problem(
            "http2_blocked", "note",
            f"HTTP/2 does not pass: {http2.why}.",
            "Amazon's SDKs for Python and Node need it: the proxy has to offer h2 by ALPN, or hand "
            "TLS through.",
        )  # fmt: skip
    if quic.state in {"blocked", "broken"} and not udp_blocked:
        yield Problem(
            "quic_blocked", "problem",
            f"QUIC does not pass: {quic.why}.",
            "WebTransport and Media over QUIC need it; WebRTC and WebSocket do not.",
        )  # fmt: skip
    failed = [each for each in seen.relays if not each.passes]
    if ice.state in {"blocked", "broken"} and turn.state == "passes":
        yield Problem(
            "ice_by_relay", "note",
            f"WebRTC passes by a relay only: {ice.why}.",
            "Calls work, with a relay's distance on top; --announce and --ice-ports at the gateway "
            "may make them direct (`ossicle doctor webrtc` there).",
        )  # fmt: skip
    elif ice.state in {"blocked", "broken"} and not udp_blocked:
        yield Problem(
            "ice_blocked", "problem",
            f"WebRTC does not pass: {ice.why}.",
            "Run `ossicle doctor webrtc` at the gateway: it needs --announce and --ice-ports that "
            "the firewall lets through, or a TURN relay.",
        )  # fmt: skip
    for each in failed:
        yield Problem(
            "relay_fails", "problem",
            f"The relay {each.url} {each.why}.",
            "`ossicle doctor webrtc` asks it from the gateway: does it work from there?",
        )  # fmt: skip


def _of_buffers(seen: Measured, down: bool | None, up: bool | None) -> Iterable[Problem]:
    if down:
        yield Problem(
            "buffers_down", "problem",
            "Something on the way collects answers: pieces that left one by one came together.",
            "Words would come at the end. Switch response buffering off (nginx: proxy_buffering "
            "off), or use WebSocket.",
        )  # fmt: skip
    if up:
        yield Problem(
            "buffers_up", "problem",
            "Something on the way collects request bodies: sound reaches the gateway at the end.",
            "Switch request buffering off (nginx: proxy_request_buffering off; HAProxy: no option "
            "http-buffer-request), or use WebSocket.",
        )  # fmt: skip
    for way, name in (("down", "An answer"), ("up", "A body")):
        why = seen.pieces_why.get(way)
        if why:
            yield Problem(
                f"no_stream_{way}", "problem", f"{name} in pieces does not pass over HTTP: {why}.",
                "Use WebSocket.",
            )  # fmt: skip


def _of_idle(idle: Idle) -> Iterable[Problem]:
    if idle.cut_s is None:
        return
    title = WIRES.get(idle.over, idle.over)
    text = f"{title}: a connection in which nobody speaks is cut after {idle.cut_s:g} s."
    third = max(0.1, round(idle.cut_s / 3, 1))
    lower = (
        f"Set the gateway's `heartbeat_s` and `websocket.keepalive_s` to {third:g}, or raise the "
        "proxy's idle timer."
    )
    match idle.kept_by:
        case "pings" if idle.cut_s > _HEARTBEAT_S:
            yield Problem("idle_cut", "note", text, "Pings keep it open; the gateway sends one "
                          "every 20 s.")  # fmt: skip
        case "pings":
            yield Problem("idle_cut", "problem", f"{text} Pings keep it open.", lower)
        case "data":
            yield Problem(
                "pings_do_not_count", "problem", f"{text} Pings do not count, data does.",
                "Use ossicle.v1, which sends a few bytes of data (`heartbeat_s`). " + lower,
            )  # fmt: skip
        case "neither":
            yield Problem(
                "cut_anyway", "problem",
                f"{text} Neither pings nor data keep one open: connections have a limit of time.",
                "Our client resumes and loses nothing; others need the limit raised.",
            )  # fmt: skip
        case _:
            yield Problem("idle_cut", "problem", text, lower)


def _of_figures(
    seen: Measured, rtt: Spread | None, loss: float | None, skew: float | None, down: Rate, up: Rate
) -> Iterable[Problem]:
    if seen.rtt_why:
        made = rtt.count if rtt is not None else 0
        text = f"The round trips ended after {made}: {seen.rtt_why}."
        yield Problem("no_rounds", "problem", text, "Does the connection live that long at all?")
    elif rtt is not None and rtt.count < _FEW and not seen.out_of_time:
        yield Problem("few_rounds", "note", f"Only {rtt.count} round trips were made in time.")
    if rtt is not None and rtt.median_ms > _FAR_MS:
        yield Problem(
            "far", "problem", f"A round trip takes {rtt.median_ms:.0f} ms: half of the "
            f"{BUDGET_MS} ms, or more, goes to distance.",
            "No protocol shortens it; a gateway that is nearer does.",
        )  # fmt: skip
    if rtt is not None and rtt.jitter_ms > _UNEVEN_MS:
        yield Problem(
            "uneven", "problem", f"Round trips differ by {rtt.jitter_ms:.0f} ms from one to the "
            "next.", "A busy radio or a full line: a cable, or less beside it.",
        )  # fmt: skip
    if loss is not None and _LOSSY < loss < 1.0:
        yield Problem(
            "lossy", "problem", f"{loss:.0%} of the datagrams are lost.",
            "Over TCP each loss holds up all that follows; WebRTC with Opus hides a few per cent.",
        )  # fmt: skip
    for way, rate in (("down", down), ("up", up)):
        if rate.kbit_s is not None and rate.kbit_s < 2 * _SPEECH_KBIT:
            yield Problem(
                f"slow_{way}", "problem",
                f"Only {rate.kbit_s:.0f} kbit/s {way}, and speech takes {_SPEECH_KBIT}.",
                "Send Opus: 24 kbit/s is enough for speech.",
            )  # fmt: skip
        elif rate.why and not seen.refused and seen.is_ossicle and not seen.out_of_time:
            yield Problem(f"no_rate_{way}", "note", f"Bandwidth {way} is not known: {rate.why}.")
    if skew is not None and abs(skew) > _SKEW_MS:
        ahead = "ahead of" if skew > 0 else "behind"
        yield Problem(
            "clock_skew", "note",
            f"The gateway's clock is {abs(skew) / 1000:.1f} s {ahead} this one's.",
            "Tokens and certificates end by the clock; let both follow a time server.",
        )  # fmt: skip
