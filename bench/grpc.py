"""What a message of audio costs over gRPC, beside a bare grpc.aio server and our own WebSocket."""

import time

from ossicle.dialects.native.byhand import audio_out
from ossicle.gateway.doors.rpc import CORE

from .machine import Load, Process, calls, gateway, load, rival
from .progress import Progress
from .results import Section, Spread, Verdict, Written, spread

__all__ = ["measure"]

TARGET = 1.15
STREAM = "/ossicle.v1.Speech/Stream"
BARE = "/bench.v1.Bench/Talk"
RATES = ((50, 640, 60), (10, 3_200, 120))
"""Messages a second, their bytes, sessions."""
FRAMES = 9 + 5
"""HTTP/2's frame header (RFC 9113 section 4.1) and gRPC's message prefix."""
FILLING_S = 17.0
"""Until each session's copy for a replay (15 s) is full: before that every message takes fresh
memory of the kernel's, later that of the message that falls off."""
SWITCH = "GRPC_EXPERIMENTS"
NOTES = [
    (
        "More than half of what grpc.aio takes is system time: its poller thread wakes the loop "
        "through a socket for every message. Larger messages are the way to more sessions."
    ),
    (
        f"The gateway tells grpc's core to read connections on that thread ({SWITCH}="
        f"{CORE[SWITCH]}) instead of on one more; a bare server that is told so too stands beside."
    ),
]
WEBSOCKET = 4 + 4
"""Header and mask of a client's frame from 126 to 65,535 bytes (RFC 6455 section 5.2)."""


def measure(progress: Progress, *, quick: bool) -> Section:
    rounds, seconds = (4, 3.0) if quick else (8, 5.0)
    table = Written(("server", "messages/s of each", "CPU per message, us", "ossicle's gRPC is",
                     "sessions on a core"))  # fmt: skip
    verdicts: list[Verdict] = []
    figures: dict[str, object] = {}
    for rate, body, sessions in RATES:
        windows = _beside(progress, rate, body, sessions, rounds, seconds)
        ours, bare, told, socket = (spread(costs) for costs in zip(*windows, strict=True))
        to_bare, to_told, to_socket = (
            spread(window[0] / window[lane] for window in windows) for lane in (1, 2, 3)
        )
        for name, cost, ratio in (
            ("ossicle, gRPC", ours, ""),
            ("bare grpc.aio", bare, to_bare.text(2) + "x"),
            ("bare grpc.aio, its core told as ours", told, to_told.text(2) + "x"),
            ("ossicle, WebSocket", socket, to_socket.text(2) + "x"),
        ):
            table.rows.append((name, str(rate), cost.text(), ratio, _sessions(cost, rate)))
        verdicts.append(
            Verdict(f"gRPC at {rate}/s, CPU per message against bare grpc.aio",
                    f"{to_bare.text(2)}x", f"at most {TARGET}x", to_bare.median <= TARGET)
        )  # fmt: skip
        figures[str(rate)] = windows
    bytes_ = Written(("one message of audio", "640 bytes", "3,200 bytes"))
    bytes_.rows += [
        ("protobuf adds", *(str(len(audio_out(bytes(size))) - size) for size in (640, 3_200))),
        ("gRPC and HTTP/2 add", str(FRAMES), str(FRAMES)),
        ("a WebSocket frame adds, without protobuf", str(WEBSOCKET), str(WEBSOCKET)),
    ]
    return Section(
        name="grpc",
        title="Audio over gRPC",
        text="Sessions on connections of their own, into an engine that does nothing but answer "
        "every fifth message; the bare server is a grpc.aio handler with the same options that "
        "reads bytes and writes 200 for every five. All servers ran at once on one core, their "
        f"generators on another; CPU is each process's own with its threads, of {rounds} windows "
        f"of {seconds:g} s; ratios were taken window by window.",
        tables=[table, bytes_],
        verdicts=verdicts,
        notes=NOTES,
        figures=figures,
    )


def _sessions(cost: Spread, rate: int) -> str:
    return f"{1e6 / cost.median / rate:,.0f}"


def _beside(
    progress: Progress, rate: int, body: int, sessions: int, rounds: int, seconds: float
) -> list[tuple[float, ...]]:
    """Microseconds per message of each server, window by window."""
    windows: list[tuple[float, ...]] = []
    interval = 1000 / rate
    engine = "python:bench.null_engine:NullEngine"
    with (
        gateway(engine, "--grpc") as ours,
        rival("grpc") as bare,
        rival("grpc", **{SWITCH: CORE[SWITCH]}) as told,
        gateway(engine) as socket,
        calls(ours, sessions, body, interval, STREAM, native=True) as to_ours,
        calls(bare, sessions, body, interval, BARE) as to_bare,
        calls(told, sessions, body, interval, BARE) as to_told,
        load("ws", socket, connections=sessions, body=body, interval_ms=interval) as to_socket,
    ):
        lanes = ((ours, to_ours), (bare, to_bare), (told, to_told), (socket, to_socket))
        time.sleep(FILLING_S)
        for turn in range(rounds):
            progress.step(f"{rate} messages/s, round {turn + 1} of {rounds}")
            before = [_mark(*lane) for lane in lanes]
            time.sleep(seconds)
            after = [_mark(*lane) for lane in lanes]
            windows.append(
                tuple(
                    (now[0] - then[0]) / 1000 / (now[1] - then[1])
                    for now, then in zip(after, before, strict=True)
                )
            )
    return windows


def _mark(server: Process, loaded: Load) -> tuple[int, int]:
    return server.cpu_ns(), loaded.mark().frames
