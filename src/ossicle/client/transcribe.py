"""Everything at once: audio in, the whole transcript out.

>>> ossicle.transcribe("talk.wav").text                                     # doctest: +SKIP
'ask not what your country can do for you'
"""

import asyncio
from collections.abc import Callable
from pathlib import Path

import msgspec

from ossicle.core.errors import ConnectionLost, Refused
from ossicle.core.events import Event, Transcript, Word
from ossicle.core.formats import AudioFormat
from ossicle.core.ledger import LedgerReport

from .address import DEFAULT_URL, Choice
from .backoff import Reconnect
from .connect import AnyOptions, connect
from .dial import Dial
from .proxies import Through
from .race import Pace
from .source import Source, format_of, pieces
from .stream import SpeechStream

__all__ = ["Collected", "Segment", "Transcription", "atranscribe", "feed", "transcribe"]


class Segment(msgspec.Struct, frozen=True):
    """A stretch of speech that the gateway took as one."""

    text: str
    start_ms: int
    end_ms: int
    words: tuple[Word, ...] = ()
    """Empty where the engine does not time words."""
    confidence: float | None = None
    turn: int = 0
    channel: int = 0
    language: str = ""


class Transcription(msgspec.Struct, frozen=True):
    """What was said."""

    text: str
    """All segments, in the order they were spoken."""
    segments: tuple[Segment, ...]
    duration_ms: int
    """Audio heard."""
    session: str = ""
    engine: str = ""
    ledger: LedgerReport | None = None
    """Where the time went."""

    @property
    def words(self) -> tuple[Word, ...]:
        """The words of all segments; empty where the engine does not time them."""
        return tuple(word for segment in self.segments for word in segment.words)


class Collected:
    """Finals, as they come, until they are a `Transcription`."""

    def __init__(self) -> None:
        self._segments: list[Segment] = []

    def add(self, event: Event) -> None:
        """One more event; only finals with words in them count."""
        if isinstance(event, Transcript) and event.side == "in" and event.final and event.text:
            self._segments.append(
                Segment(
                    text=event.text,
                    start_ms=event.start_ms or 0,
                    end_ms=event.end_ms or 0,
                    words=event.words or (),
                    confidence=event.confidence,
                    turn=event.turn,
                    channel=event.channel,
                    language=event.language,
                )
            )

    def of(self, stream: SpeechStream) -> Transcription:
        """Everything so far, with what the stream knows about itself."""
        segments = sorted(self._segments, key=lambda segment: (segment.start_ms, segment.channel))
        ended = stream.ended
        return Transcription(
            text=" ".join(segment.text for segment in segments),
            segments=tuple(segments),
            duration_ms=ended.audio_ms if ended is not None else 0,
            session=stream.session,
            engine=stream.engine,
            ledger=stream.ledger,
        )


def transcribe(
    source: Source,
    url: str | None = None,
    *,
    options: AnyOptions = None,
    format: AudioFormat | None = None,  # noqa: A002  the natural name, and keyword-only
    key: str | None = None,
    ca: str | Path | None = None,
    proxy: Through = None,
    transport: Choice | Pace | Dial = "websocket",
    reconnect: Reconnect | bool = True,
    on_event: Callable[[Event], None] | None = None,
) -> Transcription:
    """Transcribe a file, bytes, or an iterator of bytes. Runs an event loop of its own.

    Args:
        source: a path, the audio itself, or an iterable (plain or asynchronous) of pieces.
        url: the gateway; None = the one on this machine, port 8080.
        options: how to hear.
        format: what the audio is; None = a container recognised by its first bytes, and for an
            iterable 16 kHz, 16 bit, mono.
        key: API key, where the gateway wants one.
        ca: PEM file of a CA to believe.
        proxy: see `connect`.
        transport: see `connect`.
        reconnect: see `connect`.
        on_event: called with every event, for captions and progress.

    Raises:
        Refused: inside a running event loop; use `await atranscribe(...)` there.
        OssicleError: no gateway, not let in, audio that is none, or an engine that failed.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        pass
    else:
        raise Refused("an event loop runs here already: use `await ossicle.atranscribe(...)`")
    return asyncio.run(
        atranscribe(
            source,
            url,
            options=options,
            format=format,
            key=key,
            ca=ca,
            proxy=proxy,
            transport=transport,
            reconnect=reconnect,
            on_event=on_event,
        )
    )


async def atranscribe(
    source: Source,
    url: str | None = None,
    *,
    options: AnyOptions = None,
    format: AudioFormat | None = None,  # noqa: A002  the natural name, and keyword-only
    key: str | None = None,
    ca: str | Path | None = None,
    proxy: Through = None,
    transport: Choice | Pace | Dial = "websocket",
    reconnect: Reconnect | bool = True,
    on_event: Callable[[Event], None] | None = None,
) -> Transcription:
    """The same as `transcribe`, inside an event loop."""
    stream = connect(
        DEFAULT_URL if url is None else url,
        options=options,
        format=format or format_of(source),
        key=key,
        ca=ca,
        proxy=proxy,
        transport=transport,
        reconnect=reconnect,
    )
    collected = Collected()
    try:
        async with stream:
            await feed(stream, source, lambda event: _both(collected, on_event, event))
    except ConnectionLost as error:
        if url is not None or stream.session:
            raise
        raise ConnectionLost(
            f"no gateway answers at {DEFAULT_URL}: start one with `ossicle serve`, or say where "
            f"it is (url=...). {error}"
        ) from error
    return collected.of(stream)


async def feed(stream: SpeechStream, source: Source, told: Callable[[Event], None]) -> None:
    """Send a source to its end and read events to theirs, both at once.

    Raises:
        OssicleError: the source or the stream failed, whichever came first.
    """

    async def send() -> None:
        async for piece in pieces(source):
            await stream.send(piece)
        await stream.end()

    async def read() -> None:
        async for event in stream:
            told(event)

    tasks = [asyncio.create_task(send()), asyncio.create_task(read())]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        if stream.over:  # what came before it ended is still to be read
            await asyncio.wait(tasks[1:])
    finally:
        for task in tasks:
            task.cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    raise_first(outcomes)


def raise_first(outcomes: list[BaseException | None]) -> None:
    """Raise what explains the others: an error of ours first, then any, then a cancel."""
    errors = [outcome for outcome in outcomes if outcome is not None]
    errors.sort(
        key=lambda error: (isinstance(error, asyncio.CancelledError), error.__class__ is Refused)
    )
    if errors:
        raise errors[0]


def _both(collected: Collected, on_event: Callable[[Event], None] | None, event: Event) -> None:
    collected.add(event)
    if on_event is not None:
        on_event(event)
