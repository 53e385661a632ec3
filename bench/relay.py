"""What it costs to stand between a client and a provider, beside relays that only pass bytes on.

One provider behind all of them, which answers every 100 ms of audio and does nothing else; one
generator per lane. All servers are alive at once on one core. The lanes take turns at full pace,
while the others go on at a hundredth of it, so that nobody's connections fall idle.
"""

import time
from collections.abc import Generator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

from . import share
from .machine import AUDIO, Counters, Load, Process, gateway, load, null_provider, rival
from .null_provider import append
from .progress import Progress
from .relays import LITELLM, LITELLM_KEY, LITELLM_MODEL, haproxy, litellm, nginx, versions
from .results import Section, Spread, Verdict, Written, spread

__all__ = ["LANES", "Lane", "lanes", "measure"]

SESSIONS, REALTIME_SESSIONS = 200, 40
FRAME_MS, IDLE_MS = 20.0, 2_000.0
EVERY = 5
"""Frames to a reply."""
NATIVE_TARGET, DEEPGRAM_TARGET, ASSEMBLYAI_TARGET, REALTIME_TARGET = 1.2, 1.25, 1.1, 0.25
PIECE_MS = 50
"""What AssemblyAI takes at least: the client half sends no shorter pieces."""

_LISTEN = "/v1/listen?encoding=linear16&sample_rate=16000&interim_results=true"
_REALTIME = (
    '{"type":"session.update","session":{"type":"transcription","audio":{"input":'
    '{"format":{"type":"audio/pcm","rate":24000},"transcription":{"model":"null"}}}}}\n'
    + append(bytes(range(240)) * 4)
)


class Lane(NamedTuple):
    """One relay and how its clients speak."""

    name: str
    relay: str
    """`haproxy`, `nginx`, `websockets`, `litellm`, nothing, or the dialect that ossicle speaks
    with the provider."""
    path: str
    sessions: int = SESSIONS
    text: str | None = None
    header: str = ""


LANES = (
    Lane("no relay", "", AUDIO),
    Lane("HAProxy", "haproxy", AUDIO),
    Lane("nginx", "nginx", AUDIO),
    Lane("relay on `websockets`", "websockets", AUDIO),
    Lane("ossicle, ossicle.v1 to ossicle.v1", "native", AUDIO),
    Lane("HAProxy, Deepgram's messages", "haproxy", _LISTEN),
    Lane("ossicle, Deepgram to Deepgram", "deepgram", _LISTEN),
    Lane("ossicle, Deepgram to AssemblyAI", "assemblyai", _LISTEN),
    Lane("no relay, OpenAI's messages", "", "/v1/realtime", REALTIME_SESSIONS, _REALTIME),
    Lane("LiteLLM, OpenAI to OpenAI", "litellm",
         f"/v1/realtime?model={LITELLM_MODEL}&intent=transcription", REALTIME_SESSIONS, _REALTIME,
         f"Authorization: Bearer {LITELLM_KEY}"),
    Lane("ossicle, OpenAI to OpenAI", "openai", "/v1/realtime?intent=transcription",
         REALTIME_SESSIONS, _REALTIME),
)  # fmt: skip
DIRECT, HAPROXY, NGINX, LIBRARY, NATIVE, DG_HAPROXY, DG_DG, DG_AAI, RT_DIRECT, RT_LITELLM, RT = (
    lane.name for lane in LANES
)


@dataclass
class Window:
    """One turn of a lane."""

    us_per_frame: float
    median_ms: float
    p99_ms: float
    share: float
    """Of the core."""


@dataclass
class Running:
    """A lane, with what has been measured of it."""

    lane: Lane
    server: Process
    clients: Load
    session_bytes: float
    """Of an open session, before any sound."""
    before: int = 0
    windows: list[Window] = field(default_factory=list[Window])

    def turn(self, settle_s: float, seconds: float) -> None:
        """At full pace for one window, then back to idling."""
        self.clients.pace(FRAME_MS)
        time.sleep(settle_s)
        self.clients.pace(FRAME_MS)  # forgets the round trips of the beginning
        cpu, begun = self.server.cpu_ns(), self.clients.mark()
        time.sleep(seconds)
        spent, now = self.server.cpu_ns() - cpu, self.clients.mark()
        trips = self.clients.trips()
        self.clients.pace(IDLE_MS)
        if now.closed:
            raise SystemExit(f"{self.lane.name}: {now.closed} connections were closed")
        self.windows.append(_window(spent, begun, now, trips.median, trips.p99))

    @property
    def talking_bytes(self) -> float:
        """Of a session that has talked: what is kept for a replay is in it."""
        return (self.server.memory()["uss"] - self.before) / self.lane.sessions


def _window(spent: int, begun: Counters, now: Counters, median: float, p99: float) -> Window:
    frames, span = max(1, now.frames - begun.frames), now.now_ns - begun.now_ns
    return Window(spent / 1_000 / frames, median, p99, spent / span)


def _relay(
    lane: Lane, provider: Process, progress: Progress
) -> AbstractContextManager[Process] | None:
    """The lane's own process; None = its clients go straight to the provider."""
    match lane.relay:
        case "":
            return None
        case "haproxy":
            return haproxy(provider.url)
        case "nginx":
            return nginx(provider.url)
        case "websockets":
            return rival("relay", provider.url)
        case "litellm":
            return litellm(provider.url, progress)
        case dialect:
            return gateway(f"upstream:{dialect}@{provider.url}")


@contextmanager
def lanes(
    progress: Progress, wanted: tuple[Lane, ...] = LANES, *, sessions: int | None = None
) -> Generator[dict[str, Running], None, None]:
    """All of them, alive and idling. `sessions`: of each, in place of its own."""
    with ExitStack() as stack:
        provider = stack.enter_context(null_provider())
        running: dict[str, Running] = {}
        for lane in wanted:
            progress.step(f"starting {lane.name}")
            own = lane if sessions is None else lane._replace(sessions=sessions)
            made = _relay(own, provider, progress)
            server = provider if made is None else stack.enter_context(made)
            running[lane.name] = stack.enter_context(_opened(own, server))
        yield running


@contextmanager
def _opened(lane: Lane, server: Process) -> Generator[Running, None, None]:
    kind = "text" if lane.text is not None else "ws"
    more = {"path": lane.path, "text": lane.text, "every": EVERY, "header": lane.header}
    with load(kind, server, connections=1, interval_ms=FRAME_MS, **more):
        time.sleep(0.3)  # what is made for the first session is nobody's
    before = server.memory()["uss"]
    with load(kind, server, connections=lane.sessions, interval_ms=0.0, **more) as clients:
        time.sleep(0.5)
        opened = (server.memory()["uss"] - before) / lane.sessions
        clients.pace(IDLE_MS)
        yield Running(lane, server, clients, opened, before)


def measure(progress: Progress, *, quick: bool) -> Section:
    rounds, settle, seconds = (6, 0.3, 0.7) if quick else (8, 0.5, 2.0)
    with lanes(progress) as running:
        for turn in range(rounds):
            for lane in running.values():
                progress.step(f"round {turn + 1} of {rounds}, {lane.lane.name}")
                lane.turn(settle, seconds)
        talking = {name: lane.talking_bytes for name, lane in running.items()}
    shares = share.measure(progress, quick=quick)
    return _section(running, talking, shares, rounds, seconds)


def _ratio(running: dict[str, Running], one: str, other: str) -> Spread:
    """CPU of a frame, round by round."""
    pairs = zip(running[one].windows, running[other].windows, strict=True)
    return spread(a.us_per_frame / b.us_per_frame for a, b in pairs)


def _added(running: dict[str, Running], name: str, direct: str) -> tuple[Spread, Spread]:
    """Median and 99th hundredth of the round trip, less that without a relay."""
    pairs = list(zip(running[name].windows, running[direct].windows, strict=True))
    return (
        spread(w.median_ms - d.median_ms for w, d in pairs),
        spread(w.p99_ms - d.p99_ms for w, d in pairs),
    )


_BESIDE = {NATIVE: HAPROXY, NGINX: HAPROXY, LIBRARY: HAPROXY, DG_DG: DG_HAPROXY,
           DG_AAI: DG_HAPROXY, RT: RT_LITELLM}  # fmt: skip
"""What each is compared with."""


def _rows(
    running: dict[str, Running], talking: dict[str, float], names: tuple[str, ...]
) -> Written:
    table = Written(
        ("relay", "CPU per frame, us", "compared", "sessions on a core", "added p50, ms",
         "added p99, ms", "KB of a session, open / talking")
    )  # fmt: skip
    for name in names:
        lane = running[name]
        cost = spread(window.us_per_frame for window in lane.windows)
        beside = _BESIDE.get(name)
        direct = RT_DIRECT if lane.lane.text is not None else DIRECT
        median, p99 = _added(running, name, direct)
        table.rows.append(
            (
                name,
                cost.text(),
                "" if beside is None else _ratio(running, name, beside).text(2) + "x " + beside,
                f"{1_000_000 / cost.median / (1_000 / FRAME_MS):,.0f}",
                median.text(2),
                p99.text(2),
                f"{lane.session_bytes / 1024:.0f} / {max(0.0, talking[name]) / 1024:.0f}",
            )
        )
    return table


def _section(
    running: dict[str, Running],
    talking: dict[str, float],
    shares: share.Shares,
    rounds: int,
    seconds: float,
) -> Section:
    of_binary = (HAPROXY, NGINX, LIBRARY, NATIVE, DG_HAPROXY, DG_DG, DG_AAI)
    alone = [running[DIRECT].windows, running[RT_DIRECT].windows]
    direct = [spread(w.median_ms for w in windows).text(2) for windows in alone]
    pieces = (
        f"Towards AssemblyAI pieces of at least {PIECE_MS} ms are put together, as the service "
        "demands: three frames of 20 ms. What is added there holds the wait for a piece to fill."
    )
    kept = (
        "A session that talks keeps up to 15 s of sound for a replay; a relay that passes bytes on "
        f"keeps none. OpenAI's lanes have {REALTIME_SESSIONS} sessions each, all others {SESSIONS}."
    )
    busier = (
        "Sessions on a core follow from the CPU of a frame at this pace; a busier core takes more "
        "frames at a time, and each costs less."
    )
    taken_off = (
        f"Without a relay a round trip took {direct[0]} ms, with OpenAI's messages {direct[1]} ms "
        "at the median; both are taken off."
    )
    programs = f"Programs: {versions()}, as in bench/relays.py."
    return Section(
        name="relay",
        title="As a relay in front of a provider",
        text=f"{SESSIONS} sessions of 640-byte frames at 50/s, each to a connection of its own to "
        "one provider, which answers every 100 ms of audio with about 200 bytes. All relays ran at "
        f"once on one core, the provider and the generators on another; the lanes took turns at "
        f"full pace, {rounds} windows of {seconds:g} s each, while the others idled; ratios were "
        "taken round by round. HAProxy and nginx pass bytes on; ossicle reads every message, keeps "
        "the audio, and writes what the provider says anew. A round trip is from the frame that a "
        "reply is due for to that reply.",
        tables=[
            _rows(running, talking, of_binary),
            _rows(running, talking, (RT_LITELLM, RT)),
            shares.table,
        ],
        verdicts=_verdicts(running),
        notes=[programs, taken_off, pieces, kept, busier, shares.note],
        figures={
            "lanes": {name: [vars(w) for w in lane.windows] for name, lane in running.items()},
            "open_bytes": {name: lane.session_bytes for name, lane in running.items()},
            "talking_bytes": talking,
            "piece_ms": PIECE_MS,
            "litellm": LITELLM,
            "shares": shares.figures,
        },
    )


def _verdicts(running: dict[str, Running]) -> list[Verdict]:
    found: list[Verdict] = []
    for what, name, beside, target in (
        ("relay, ossicle.v1 to itself, CPU per frame against HAProxy", NATIVE, HAPROXY,
         NATIVE_TARGET),
        ("relay, Deepgram to Deepgram, CPU per frame against HAProxy", DG_DG, DG_HAPROXY,
         DEEPGRAM_TARGET),
        (f"relay, Deepgram to AssemblyAI ({PIECE_MS} ms pieces), CPU per frame against HAProxy",
         DG_AAI, DG_HAPROXY, ASSEMBLYAI_TARGET),
        ("relay, OpenAI to OpenAI, CPU per frame against LiteLLM", RT, RT_LITELLM,
         REALTIME_TARGET),
    ):  # fmt: skip
        ratio = _ratio(running, name, beside)
        found.append(
            Verdict(what, f"{ratio.text(2)}x", f"at most {target}x", ratio.median <= target)
        )
    for what, name, beside in (
        ("relay, ossicle.v1 to itself, added p99", NATIVE, HAPROXY),
        ("relay, Deepgram to Deepgram, added p99", DG_DG, DG_HAPROXY),
    ):
        ours, theirs = _added(running, name, DIRECT)[1], _added(running, beside, DIRECT)[1]
        found.append(
            Verdict(what, f"{ours.text(2)} ms", f"at most HAProxy's, {theirs.text(2)} ms",
                    ours.median <= theirs.median)
        )  # fmt: skip
    return found
