"""Both directions of a call on a poor network, and back: a browser's encoder by our feedback, our
encoder by the browser's reports.

    python -m bench adaptation      measures for a minute; draws docs/images/webrtc-adaptation.svg

Chromium talks and listens; in this process the path takes 24 kbit/s of its packets for a while, and
32 kbit/s of ours, headers included, with a queue of 0.6 s before each.
"""

import asyncio
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from .progress import Progress
from .results import Section, Verdict, Written
from .webrtc_latency import ChirpEngine, chirps

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from chromium import chromium
from harness import gateway_with, until
from page import recording
from webrtc_page import CALLS, FLAGS, call

__all__ = ["Sample", "adaptation_svg", "measure"]

FIGURE = Path(__file__).resolve().parent.parent / "docs/images/webrtc-adaptation.svg"
SECONDS, FROM, TO = 70, 8, 32
UP, DOWN = 24_000, 32_000
_QUEUE_S, _HEADERS = 0.6, 28
STATS = (
    "calls[0].pc.getStats().then((s) => [...s.values()].find((x) => x.type === 'outbound-rtp'))"
    ".then((x) => [x.targetBitrate, x.packetsSent])"
)


class Sample(NamedTuple):
    """Half a second."""

    at: float
    target: float
    """Bits per second that the browser's encoder aims at."""
    packets: float
    """Packets that the browser sends in a second."""
    ours: int
    """Bits per second of our encoder."""
    redundancy: int
    """The share of loss in percent that it is told to expect."""


class Valve:
    """A path that takes so many bits a second; 0 = any."""

    def __init__(self) -> None:
        self.bits, self._free = 0.0, 0.0

    def through(self, data: bytes, go: Callable[[], None]) -> None:
        """A packet: it goes on at once, later, or never."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        if not self.bits or not 127 < data[0] < 192:
            go()
            return
        self._free = max(self._free, now)
        if self._free - now < _QUEUE_S:
            self._free += (len(data) + _HEADERS) * 8 / self.bits
            loop.call_at(self._free, go)


def _valves(port: Any) -> tuple[Valve, Valve]:
    """In front of one of our sockets, and behind it."""
    up, down = Valve(), Valve()
    take, send = port.datagram_received, port.transport.sendto
    port.datagram_received = lambda data, addr: up.through(data, lambda: take(data, addr))
    port.transport.sendto = lambda data, addr: down.through(data, lambda: send(data, addr))
    return up, down


async def _run(folder: Path) -> list[Sample]:
    sound = chirps(int(SECONDS * 4))
    wav = recording(folder / "chirps.wav", sound.astype("<i2").tobytes(), 48_000)
    engine = ChirpEngine(sound)
    samples: list[Sample] = []
    async with (
        gateway_with(folder, engine) as gateway,
        chromium(folder, *FLAGS, microphone=wav) as browser,
    ):
        page = await browser.open(gateway.url + "/healthz", script=CALLS)
        await page.run(call(adapt=True))
        await page.until("calls[0].channel.readyState === 'open'")
        await page.run("""calls[0].channel.send('{"type": "speak", "text": "chirps"}')""")
        await until(lambda: engine.speaking is not None)
        (held,) = gateway.webrtc.calls.calls
        valves = [_valves(port) for port in held.link.sockets]
        loop = asyncio.get_running_loop()
        begun, sent, then = loop.time(), 0, 0.0
        for number in range(SECONDS * 2):
            await asyncio.sleep(max(0.0, begun + number / 2 - loop.time()))
            at = loop.time() - begun
            poor = FROM <= at < TO
            for up, down in valves:
                up.bits, down.bits = (UP, DOWN) if poor else (0, 0)
            target, count = await page.run(STATS)
            pace = held._pace
            if number:
                rate = (count - sent) / (at - then)
                samples.append(Sample(at, target, rate, pace.bitrate, pace.loss_percent))
            sent, then = count, at
    return samples


def measure(progress: Progress, *, quick: bool = False) -> Section:
    """One run; it takes as long, quick or not, since reports come every five seconds."""
    progress.step("a path that gets narrow")
    with tempfile.TemporaryDirectory() as folder:
        samples = asyncio.run(_run(Path(folder)))
    if not quick:
        FIGURE.write_text(adaptation_svg(samples))
    during = [each for each in samples if FROM + 2 <= each.at < TO]
    after = [each for each in samples if each.at >= TO]
    table = Written(("", "before", "while it is narrow, at least", "after, at most"))
    verdicts: list[Verdict] = []
    for name, value, low, high in (
        ("the browser's encoder, kbit/s", lambda s: s.target / 1000, 15, 18),
        ("our encoder, kbit/s", lambda s: s.ours / 1000, 18, 22),
    ):
        least, most = min(map(value, during)), max(map(value, after))
        table.rows.append((name, f"{value(samples[5]):.0f}", f"{least:.0f}", f"{most:.0f}"))
        verdicts += [
            Verdict(f"{name}, on the narrow path", f"{least:.1f}", f"< {low}", least < low),
            Verdict(f"{name}, afterwards", f"{most:.1f}", f"> {high}", most > high),
        ]
    return Section(
        "adaptation",
        "WebRTC on a path that gets narrow",
        f"Chromium's packets find {UP // 1000} kbit/s and ours {DOWN // 1000} kbit/s for "
        f"{TO - FROM} s, headers included. The browser steps by our transport-wide feedback, our "
        "encoder by its receiver reports.",
        tables=[table],
        verdicts=verdicts,
    )


# ── the figure ──

_WIDE, _HIGH, _LEFT, _TALL = 860, 470, 64, 150
_STYLE = """
svg { font: 14px system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
.ground { fill: #fffefc; stroke: #e2ddd4; } .narrow { fill: #f3ead9; }
text { fill: #1d2523; } .soft { fill: #57605c; font-size: 12.5px; } .end { text-anchor: end; }
.middle { text-anchor: middle; } .grid { stroke: #e2ddd4; }
.line { fill: none; stroke-width: 2.2; stroke-linejoin: round; }
.rate { stroke: #0f6b61; } .other { stroke: #b0690f; stroke-dasharray: 5 4; }
.name-rate { fill: #0b524a; font-weight: 650; } .name-other { fill: #8a5109; font-weight: 650; }
@media (prefers-color-scheme: dark) {
  .ground { fill: #191f1e; stroke: #2b3432; } .narrow { fill: #2d2a20; }
  text { fill: #e9eeec; } .soft { fill: #a9b4b0; } .grid { stroke: #2b3432; }
  .rate { stroke: #62cdbd; } .other { stroke: #e6b566; }
  .name-rate { fill: #8fe3d6; } .name-other { fill: #f0c987; }
}
"""


def adaptation_svg(samples: list[Sample]) -> str:
    """Two panels over one time: what the browser sends, and what we send."""
    over = f"a path of {UP // 1000} kbit/s up and {DOWN // 1000} kbit/s down"
    parts = [
        _panel(58, samples, "Chromium's encoder, kbit/s", lambda s: s.target / 1000,
               "its packets a second", lambda s: s.packets, over),
        _panel(268, samples, "our encoder, kbit/s", lambda s: s.ours / 1000,
               "loss it is told to expect, percent", lambda s: s.redundancy, ""),
    ]  # fmt: skip
    parts += [
        f'<text class="soft middle" x="{_x(at):.1f}" y="{268 + _TALL + 22}">{at} s</text>'
        for at in range(0, SECONDS + 1, 10)
    ]
    about = (
        "Bitrate and packets of the browser's encoder, and bitrate and redundancy of ours, before, "
        "during and after a narrow path: both step down, and come back."
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDE} {_HIGH}" role="img" '
        'aria-labelledby="title about">\n'
        '<title id="title">A call on a path that gets narrow</title>\n'
        f'<desc id="about">{about}</desc>\n<style>{_STYLE}</style>\n'
        f'<rect class="ground" x="1" y="1" width="{_WIDE - 2}" height="{_HIGH - 2}" rx="14"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _x(at: float) -> float:
    return _LEFT + at / SECONDS * (_WIDE - _LEFT - 36)


def _panel(
    top: int, samples: list[Sample],
    name: str, rate: Callable[[Sample], float],
    second: str, other: Callable[[Sample], float], over: str,
) -> str:  # fmt: skip
    """One direction: 0 to 40 kbit/s, and the other value scaled to 0 to 80."""
    floor = top + _TALL

    def line(kind: str, value: Callable[[Sample], float], most: float) -> str:
        points = " ".join(
            f"{_x(each.at):.1f},{floor - min(most, value(each)) / most * _TALL:.1f}"
            for each in samples
        )
        return f'<polyline class="line {kind}" points="{points}"/>'

    wide = _x(TO) - _x(FROM)
    parts = [
        f'<rect class="narrow" x="{_x(FROM):.1f}" y="{top}" width="{wide:.1f}" height="{_TALL}"/>',
        f'<text x="{_LEFT}" y="{top - 12}"><tspan class="name-rate">{name}</tspan>',
        '<tspan class="soft" dx="14">(left)</tspan>',
        f'<tspan class="name-other" dx="18">{second}</tspan>',
        '<tspan class="soft" dx="14">(right)</tspan></text>',
    ]
    for value in range(0, 41, 10):
        y = floor - value / 40 * _TALL
        parts.append(
            f'<line class="grid" x1="{_LEFT}" x2="{_WIDE - 36}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text class="soft end" x="{_LEFT - 8}" y="{y + 4:.1f}">{value}</text>'
            f'<text class="soft" x="{_WIDE - 30}" y="{y + 4:.1f}">{value * 2}</text>'
        )
    if over:
        parts.append(f'<text class="soft" x="{_x(FROM) + 6:.1f}" y="{top + 16}">{over}</text>')
    return "\n".join([*parts, line("other", other, 80), line("rate", rate, 40)])
