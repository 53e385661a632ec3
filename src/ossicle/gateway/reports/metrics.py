"""Figures for Prometheus at `/metrics`: counts and times, never words or keys. A key is
named by its id, and by the owner's name that `ossicle keys add` was given."""

import asyncio
from collections.abc import Iterator, Mapping
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from ossicle.core.events import Ended
from ossicle.core.session import Session
from ossicle.transports.webrtc.figures import CallFigures

from ..keys.usage import Side
from .troubles import KINDS, Troubles

__all__ = ["Metrics"]

_MS = (1, 2, 5, 10, 20, 50, 100, 200, 300, 500, 800, 1_200, 2_000, 5_000, 10_000)


class Counted(Protocol):
    """Whose sessions are counted."""

    @property
    def sessions(self) -> Mapping[str, Session]: ...

    @property
    def troubles(self) -> Troubles: ...


class Metrics:
    """One registry per gateway, so that two in one process do not mix."""

    def __init__(self, house: Counted, registry: CollectorRegistry | None = None) -> None:
        self._registry = registry or CollectorRegistry()
        self._opened = Counter(
            "ossicle_sessions_opened", "Sessions opened", ["transport"], registry=self._registry
        )
        self._ended = Counter(
            "ossicle_sessions_ended", "Sessions ended", ["engine", "reason"],
            registry=self._registry,
        )  # fmt: skip
        self._refused = Counter(
            "ossicle_refused", "Connections refused, by error code", ["code"],
            registry=self._registry,
        )  # fmt: skip
        self._posts = Counter(
            "ossicle_webhook_posts", "Webhook posts, by what became of them", ["outcome"],
            registry=self._registry,
        )  # fmt: skip
        self._recordings = Counter(
            "ossicle_recordings", "Recordings read by URL, by what became of them", ["outcome"],
            registry=self._registry,
        )  # fmt: skip
        self._recorded = Counter(
            "ossicle_recordings_bytes", "Bytes of recordings read by URL", registry=self._registry
        )
        self._probes = Counter(
            "ossicle_probes", "Connections that measured the way here", ["transport"],
            registry=self._registry,
        )  # fmt: skip
        self._probed = Counter(
            "ossicle_probe_bytes", "Bytes of measurements, both ways", registry=self._registry
        )
        self._means: dict[str, tuple[int, float]] = {}
        self._audio = Counter(
            "ossicle_audio_seconds", "Audio heard", ["engine"], registry=self._registry
        )
        self._used = Counter(
            "ossicle_key_audio_seconds", "Audio heard for each key", ["key", "owner", "engine"],
            registry=self._registry,
        )  # fmt: skip
        self._said = Counter(
            "ossicle_key_spoken_seconds", "Audio spoken for each key", ["key", "owner", "engine"],
            registry=self._registry,
        )  # fmt: skip
        self._ledger = Histogram(
            "ossicle_latency_ms",
            "Where the time of a session went: median over its turns, per part of the ledger",
            ["part"],
            buckets=_MS,
            registry=self._registry,
        )
        self._lag = Histogram(
            "ossicle_loop_lag_ms", "How late the event loop runs", buckets=_MS,
            registry=self._registry,
        )  # fmt: skip
        self._packets = Counter(
            "ossicle_webrtc_packets",
            "RTP packets of calls that are over, by what became of them",
            ["what"],
            registry=self._registry,
        )
        trouble = Gauge(
            "ossicle_trouble", "1 while something is wrong that the gateway copes with", ["with"],
            registry=self._registry,
        )  # fmt: skip
        for kind in KINDS:
            trouble.labels(kind).set_function(
                lambda kind=kind: 1.0 if house.troubles.of(kind) else 0.0
            )
        sessions = Gauge("ossicle_sessions", "Sessions open", registry=self._registry)
        sessions.set_function(lambda: len(house.sessions))
        detached = Gauge(
            "ossicle_sessions_detached", "Sessions waiting for their client to come back",
            registry=self._registry,
        )  # fmt: skip
        detached.set_function(
            lambda: sum(1 for s in house.sessions.values() if s.detached_until is not None)
        )

    def opened(self, transport: str) -> None:
        """A session was opened."""
        self._opened.labels(transport).inc()

    def refused(self, code: str) -> None:
        """A connection was refused."""
        self._refused.labels(code).inc()

    def posted(self, outcome: str, count: int = 1) -> None:
        """What became of webhook posts: `delivered retried rejected given_up`."""
        self._posts.labels(outcome).inc(count)

    def fetched(self, outcome: str, size: int) -> None:
        """What became of a recording: `read failed stopped`; and its bytes."""
        self._recordings.labels(outcome).inc()
        self._recorded.inc(size)

    def used(self, key: str, owner: str, engine: str, side: Side, ms: int) -> None:
        """So much more was heard or spoken for a key."""
        if ms:
            counter = self._used if side == "in" else self._said
            counter.labels(key, owner, engine).inc(ms / 1000)

    def ended(self, session: Session, ended: Ended) -> None:
        """A session is over: its audio and its ledger."""
        engine = session.engine_name or "none"
        self._ended.labels(engine, ended.reason).inc()
        self._audio.labels(engine).inc(ended.audio_ms / 1000)
        for part, value in _parts(ended):
            self._ledger.labels(part).observe(value)
            count, sum_ms = self._means.get(part, (0, 0.0))
            self._means[part] = count + 1, sum_ms + value

    def means(self) -> dict[str, float]:
        """Mean milliseconds of each part of the ledger, over all sessions so far."""
        return {part: round(sum_ms / count, 3) for part, (count, sum_ms) in self._means.items()}

    def probe(self, transport: str) -> None:
        """Somebody measures."""
        self._probes.labels(transport).inc()

    def probed(self, size: int) -> None:
        """With so many bytes."""
        self._probed.inc(size)

    def called(self, figures: CallFigures) -> None:
        """A WebRTC call is over."""
        for what in (
            "received", "recovered", "concealed", "late", "damaged", "forged", "sent",
        ):  # fmt: skip
            self._packets.labels(what).inc(getattr(figures, what))

    async def watch_loop(self, every_s: float = 0.5) -> None:
        """Measure the loop's lag until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + every_s
            await asyncio.sleep(every_s)
            self._lag.observe(max(0.0, (loop.time() - due) * 1000))

    def page(self) -> bytes:
        """The text that Prometheus reads."""
        return generate_latest(self._registry)


def _parts(ended: Ended) -> Iterator[tuple[str, float]]:
    if ended.ledger is None:
        return
    for name in ended.ledger.__struct_fields__:
        value = getattr(ended.ledger, name)
        if name.endswith("_ms") and value is not None:
            yield name.removesuffix("_ms"), value
