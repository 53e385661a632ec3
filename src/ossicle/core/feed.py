"""The way of the audio from the client to the engine: journal, credit, conversion, stream.

`audio` is the hot path: an addition, one comparison with a limit, a deque append and a call. The
limit is the least of the next tick (about a second of audio: flow report, trimming, ledger) and
the engine's credit, and below every position while anything is not plain: no stream yet, audio
waiting, a container, a torn frame. Everything rare lives behind it.

Knows nothing of clients, turns or events.
"""

import logging
from collections.abc import Callable
from typing import cast

from .commands import Command, End, Finalize
from .credit import Credit
from .errors import Overloaded, Refused
from .formats import AudioFormat
from .intake import Gap
from .journal import Journal, Sound
from .ports import Converter, Packet, Stream
from .sink import Listener, StreamSink

__all__ = ["Feed", "abort"]

log = logging.getLogger("ossicle.core")

_SHUT = -1

_MOST_EARLY = 1_000
"""Commands kept for a stream that is not open yet; a client that asks more is refused in words."""
_MOST_EARLY_TEXT = 1 << 20
"""Characters in them."""


class Feed:
    """Feeds one engine stream after another from one journal."""

    __slots__ = (
        "_broke",
        "_convert_cost",
        "_draining",
        "_frame",
        "_give",
        "_given",
        "_limit",
        "_now",
        "_refused",
        "_slow",
        "converter",
        "credit",
        "early",
        "held",
        "journal",
        "next_tick",
        "sink",
        "source",
        "stream",
    )

    def __init__(
        self,
        *,
        slow: Callable[[bytes], None],
        broke: Callable[[BaseException], None],
        refused: Callable[[Command, Refused], None],
        converted: Callable[[float], None],
        now: Callable[[], float],
        given: Callable[[Command], None],
    ) -> None:
        """
        Args:
            slow: takes every piece the hot path does not.
            broke: the stream raised, or a piece could not be decoded.
            refused: the stream refused one command; it goes on.
            converted: seconds spent converting one piece.
            now: the clock `converted` is measured with.
            given: a command is handed to the stream.
        """
        self._slow = slow
        self._broke = broke
        self._refused = refused
        self._convert_cost = converted
        self._now = now
        self._given = given
        self.journal = Journal(replay=0)
        self.credit = Credit(0)
        self.source: AudioFormat | None = None
        self.stream: Stream | None = None
        self.sink: StreamSink | None = None
        self.converter: Converter | None = None
        self.early: list[Command] = []
        """Commands that do not wait behind audio, but for a stream."""
        self.held = False
        """Nothing is fed for now: the client does not read what was said already."""
        self.next_tick = 0
        self._give: Callable[[Sound], None] = _nowhere
        self._limit = _SHUT
        self._frame = 1
        self._draining = False

    def audio(self, data: bytes) -> None:
        """Sound from the client, as it was sent."""
        journal = self.journal
        end = journal.end + len(data)
        if end > self._limit or end % self._frame or not data:
            self._slow(data)
            return
        journal.end = end
        keep, give = journal.keep, self._give  # a call through a slot looks its name up each time
        keep(data)
        try:
            give(data)
        except Exception as error:  # noqa: BLE001  an engine's exception is Ended(error)
            self._broke(error)

    # ── set up ──

    def shape(self, source: AudioFormat, *, replay_ms: int, window_ms: int) -> None:
        """The client's format is known."""
        self.source = source
        self._frame = source.frame_bytes if source.width else 1
        self.journal = Journal(frame=self._frame, replay=source.units(replay_ms))
        self.credit = Credit(source.units(window_ms))

    def new_sink(self, listener: Listener, origin_ms: int) -> StreamSink:
        """The sink for the next stream, which will be fed from where the journal stands."""
        if self.sink is not None:
            self.sink.deaf = True
        start = self.journal.sent
        start_ms = origin_ms + (self.source.ms(start) if self.source else 0)
        self.sink = StreamSink(listener, start=start, start_ms=start_ms)
        return self.sink

    def connect(
        self, stream: Stream, converter: Converter | None, speak_until_ms: int | None = None
    ) -> None:
        """A stream is there; `drain` feeds it. It is told how far it may speak before it is asked
        to, since until then it may speak without end."""
        self.stream = stream
        self.converter = converter
        self._give = self._way(stream, converter)
        if speak_until_ms is not None:
            self.speak_until(speak_until_ms)
        early, self.early = self.early, []
        for command in early:
            self.ask(command)

    def disconnect(self) -> None:
        """No stream any more: abort it, and be deaf to what it may still say."""
        stream, self.stream = self.stream, None
        self._give = _nowhere
        self._limit = _SHUT
        self.converter = None
        if self.sink is not None:
            self.sink.deaf = True
        if stream is not None:
            abort(stream)

    def rewind(self) -> int:
        """Everything not settled is to be fed again. Returns the wanted units that are gone."""
        self._limit = _SHUT
        self.credit.renew()
        _, lost = self.journal.rewind()
        return lost

    # ── in order ──

    def push(self, command: Command) -> None:
        """Behind everything that waits; given out at once if nothing does."""
        self.journal.push(command)
        self.drain()

    def drain(self) -> None:
        """Give the stream what waits, as far as its credit goes. Safe to call from inside."""
        if self._draining:
            return
        self._draining = True
        journal = self.journal
        try:
            while self.stream is not None and not journal.idle and not self.held:
                if isinstance(journal.first, bytes | Packet | Gap):
                    if not self.credit.feedable(journal.sent):
                        break
                    at = journal.sent
                    self._feed(cast("Sound", journal.take()), at)
                else:
                    command = cast("Command", journal.take())
                    self.ask(command)
                    if not isinstance(command, Finalize | End):
                        journal.answered(command)  # another stream opens with what it changed
        finally:
            self._draining = False

    def ask(self, command: Command) -> None:
        """Straight to the stream, now or as soon as there is one.

        Raises:
            Overloaded: there is none, and too much waits for it.
        """
        stream = self.stream
        if stream is None:
            self._wait(command)
            return
        try:
            if isinstance(command, End) and self.converter is not None:
                rest = self.converter.flush()
                if rest:
                    stream.audio(rest)
                if self.stream is not stream:
                    return  # it broke on the rest: another one is asked
            self._given(command)
            stream.ask(command)
        except Refused as error:
            if isinstance(command, End):
                self._broke(error)  # it would never end
                return
            self.journal.answered(command)
            self._refused(command, error)
        except Exception as error:  # noqa: BLE001  an engine's exception is Ended(error)
            self._broke(error)

    def speak_until(self, until_ms: int) -> None:
        """The stream may speak up to here."""
        if self.stream is not None:
            try:
                self.stream.credit(until_ms)
            except Exception as error:  # noqa: BLE001  an engine's exception is Ended(error)
                self._broke(error)

    def _wait(self, command: Command) -> None:
        text = sum(len(getattr(each, "text", None) or "") for each in (*self.early, command))
        if len(self.early) >= _MOST_EARLY or text > _MOST_EARLY_TEXT:
            raise Overloaded(
                f"{len(self.early)} commands with {text} characters wait for the engine to open; "
                f"the limits are {_MOST_EARLY} and {_MOST_EARLY_TEXT}",
                code="overloaded",
            )
        self.early.append(command)

    def grant(self, until_ms: int) -> bool:
        """The stream takes audio up to `until_ms` of its own clock. True when that is news."""
        source, sink = self.source, self.sink
        if source is None or sink is None:
            return False
        if not self.credit.grant(sink.start + sink.skipped + source.units(until_ms)):
            return False
        self.drain()
        return True

    def relimit(self, *, plain: bool) -> None:
        """Set the one number the hot path compares with. `plain`: the bytes that come are whole
        frames that may go straight through."""
        if not plain or self.stream is None or self.held or not self.journal.idle:
            self._limit = _SHUT
        elif self.credit.granted is None:
            self._limit = self.next_tick
        else:
            self._limit = min(self.next_tick, self.credit.granted)

    def shut(self) -> None:
        """Every piece takes the slow path from here."""
        self._limit = _SHUT

    # ── inside ──

    def _feed(self, item: Sound, at: int) -> None:
        if isinstance(item, Gap):
            sink, source = cast("StreamSink", self.sink), cast("AudioFormat", self.source)
            fed = at - sink.start - sink.skipped
            # The difference of two sums, so that many small jumps do not drift.
            before, sink.skipped = sink.skipped, sink.skipped + item.units
            sink.rebase.jump(source.ms(fed), source.ms(sink.skipped) - source.ms(before))
            self.credit.skip(item.units)
            return
        try:
            self._give(item)
        except Exception as error:  # noqa: BLE001  an engine's exception is Ended(error)
            self._broke(error)

    def _way(self, stream: Stream, converter: Converter | None) -> Callable[[Sound], None]:
        """From a piece of the journal to `stream.audio`, with nothing in between that is not
        needed: where formats match it is `stream.audio` itself."""
        if converter is None:
            if self.source is None or self.source.width:
                return cast("Callable[[Sound], None]", stream.audio)
            return lambda packet: stream.audio(cast("Packet", packet).data)
        convert, audio, now, spent = converter.convert, stream.audio, self._now, self._convert_cost

        def give(item: Sound) -> None:
            began = now()
            data = convert(cast("bytes | Packet", item))
            spent(now() - began)
            if data:
                audio(data)

        return give


def abort(stream: Stream) -> None:
    """Stop a stream; one that cannot even do that is said so, and is nobody's stream any more."""
    try:
        stream.abort()
    except Exception as error:  # noqa: BLE001  nothing is left to be told of it but the log
        log.error("an engine stream raised %s when it was aborted", type(error).__name__)  # noqa: TRY400  its text may hold speech


def _nowhere(_item: Sound) -> None:
    raise RuntimeError("audio was fed while no stream is open")
