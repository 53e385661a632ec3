"""The latency ledger: where the time of a session went, in parts that add up.

    speech ends ─┬─ end of turn wait ─┬─ queue ─┬─ engine ─┬─ send ─▶ final at the client
                 │ silence asked for  │ behind  │ deciding │ + network (measured by the client)

Wall time is used here and nowhere else in the core. The hot path reads no clock: arrivals are
sampled when the session leaves it anyway (about once a second of audio) and read between.
"""

from bisect import bisect_left
from collections import deque

import msgspec

__all__ = ["Ledger", "LedgerReport"]

_SAMPLES = 256
"""Measurements kept of each part; a list, since an empty deque has room for 64."""
_ANCHORS = 64
"""Arrival samples kept: a minute of audio, far more than a turn waits for its final."""


class LedgerReport(msgspec.Struct, frozen=True, gc=False):
    """Milliseconds; medians over the turns of the session. None = did not happen."""

    setup_ms: float | None = None
    """Opening of the channel to the engine being ready."""
    first_partial_ms: float | None = None
    """A word's end in the audio to the partial that first held it."""
    end_of_turn_ms: float | None = None
    """Silence waited through before the turn was taken as over. Asked for, not spent."""
    queue_ms: float | None = None
    """Audio waiting for the engine to take it, looked at about once a second of audio."""
    convert_ms: float | None = None
    """Decoding and resampling, per second of audio."""
    engine_ms: float | None = None
    """The audio that decided the turn came, to the turn's final told by the engine."""
    send_ms: float | None = None
    """Final told to handed to the wire."""
    network_ms: float | None = None
    """Round trip to the client, where the wire measures it."""
    playback_ms: float | None = None
    """First sound made to first sound heard."""
    turns: int = 0
    """How many turns the medians are over."""


class Ledger:
    """Collects samples; bounded. All times in seconds (monotonic) and ms of stream time."""

    def __init__(self, opened_at: float) -> None:
        self._opened_at = opened_at
        self._anchors: deque[tuple[int, float]] = deque(maxlen=_ANCHORS)
        self._samples: dict[str, list[float]] = {}
        self._ended: dict[int, float] = {}
        self._heard: dict[int, int] = {}
        self._converting = 0.0
        self._turns = 0
        self.ready_at: float | None = None
        """When an engine could be fed for the first time."""
        self.decisions: deque[tuple[float, float]] = deque(maxlen=256)
        """The newest turns: the audio that decided one came, its final was told. For traces."""

    def ready(self, now: float) -> None:
        """The engine can be fed."""
        if self.ready_at is None:
            self.ready_at = now
            self._add("setup", (now - self._opened_at) * 1000)

    def arrived(self, until_ms: int, now: float) -> None:
        """Audio up to `until_ms` has come by `now`."""
        anchors = self._anchors
        if not anchors or until_ms > anchors[-1][0]:
            anchors.append((until_ms, now))

    def arrival(self, at_ms: int, now: float) -> float | None:
        """When the audio of `at_ms` came: read between two samples, or beyond the newest, at the
        pace of speech; never later than `now`."""
        anchors = self._anchors
        if not anchors:
            return None
        newest_ms, newest = anchors[-1]
        if at_ms > newest_ms:
            return min(now, newest + (at_ms - newest_ms) / 1000)
        place = bisect_left(anchors, (at_ms, float("-inf")))
        ms, when = anchors[place]
        guess = when - (ms - at_ms) / 1000
        earliest = anchors[place - 1][1] if place else self._opened_at
        return max(guess, earliest)  # a file comes faster than it was spoken

    def partial(self, channel: int, end_ms: int | None, now: float) -> None:
        """A partial reached the session, its last word ending at `end_ms`. Counted when the word
        is new, not when it is said again."""
        if end_ms is None or end_ms <= self._heard.get(channel, -1):
            return
        self._heard[channel] = end_ms
        if (came := self.arrival(end_ms, now)) is not None:
            self._add("first_partial", (now - came) * 1000)

    def converted(self, seconds: float) -> None:
        """Decoding and resampling took this long."""
        self._converting += seconds

    def turn_over(
        self, channel: int, at_ms: int | None, fed_ms: int, wait_ms: int, now: float
    ) -> None:
        """The engine said the speaker stopped at `at_ms`, having been fed up to `fed_ms`.

        `wait_ms` of silence were asked for before a turn may be called over: that much is the
        wait, whatever comes on top is the engine's.
        """
        if at_ms is None:
            self._ended[channel] = now
            return
        wait = min(max(0, fed_ms - at_ms), wait_ms)
        self._add("end_of_turn", wait)
        came = self.arrival(at_ms + wait, now)
        self._ended[channel] = now if came is None else came

    def final(self, channel: int, now: float) -> None:
        """The turn's last final was told."""
        self._turns += 1
        if (since := self._ended.pop(channel, None)) is not None:
            self._add("engine", (now - since) * 1000)
            self.decisions.append((since, now))

    def add(self, part: str, ms: float) -> None:
        """One more measurement of a part: queue, send, network, playback."""
        self._add(part, ms)

    def _add(self, part: str, ms: float) -> None:
        samples = self._samples.get(part)
        if samples is None:
            samples = self._samples[part] = []
        samples.append(ms)
        if len(samples) > _SAMPLES:
            del samples[0]

    def _median(self, part: str) -> float | None:
        samples = sorted(self._samples.get(part, ()))
        return round(samples[len(samples) // 2], 3) if samples else None

    def _conversion(self) -> float | None:
        audio_ms = self._anchors[-1][0] if self._anchors else 0
        if not self._converting or not audio_ms:
            return None
        return round(self._converting * 1_000_000 / audio_ms, 3)

    def report(self) -> LedgerReport:
        """The medians so far."""
        return LedgerReport(
            setup_ms=self._median("setup"),
            first_partial_ms=self._median("first_partial"),
            end_of_turn_ms=self._median("end_of_turn"),
            queue_ms=self._median("queue"),
            convert_ms=self._conversion(),
            engine_ms=self._median("engine"),
            send_ms=self._median("send"),
            network_ms=self._median("network"),
            playback_ms=self._median("playback"),
            turns=self._turns,
        )
