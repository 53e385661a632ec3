"""Any OpenAI-compatible `/v1/audio/transcriptions` as an engine:
`openai_http:URL?model=NAME&key_env=VARIABLE`.

    openai_http:http://localhost:8000/v1?model=Systran/faster-whisper-small
    openai_http:https://api.openai.com/v1?model=whisper-1&key_env=OPENAI_API_KEY

Such a server takes recordings and knows no stream, so speech is cut here, where it pauses, and
each turn is sent as a WAV file. There are no partials, and a turn's words come after its end plus
the time of one request.
"""

import os
import secrets
import struct
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from urllib.parse import parse_qsl, urlsplit, urlunsplit

import msgspec

from ..audio.endpoint import Endpointer, Started, Stopped
from ..audio.vad import Vad, load_vad
from ..core.capabilities import PCM16K, Capabilities
from ..core.commands import Cancel, Finalize
from ..core.errors import EngineFailed, Refused
from ..core.events import Event, SpeechEnded, SpeechStarted, Transcript, TurnReason, Word
from ..core.options import Options
from .generators import GeneratorEngine, Item, from_generator
from .request import Limits, Way, directly, posted

__all__ = ["TranscriptionServer", "open_transcription_server"]

_RATE = PCM16K.sample_rate
_MOST_MS = 30_000
"""Longest piece sent at once: whisper models hear no more than that."""
_WINDOW_MS = 15_000
"""Audio that may wait while a request is answered."""


class _Word(msgspec.Struct):
    word: str
    start: float
    end: float


class _Heard(msgspec.Struct):
    text: str = ""
    language: str = ""
    words: list[_Word] | None = None


class TranscriptionServer:
    """One server, as the generator of an engine."""

    def __init__(
        self,
        url: str,
        *,
        model: str = "whisper-1",
        key_env: str = "",
        words: bool = False,
        environment: Mapping[str, str] = os.environ,
        limits: Limits | None = None,
        way: Way = directly,
        vad: Callable[[], Vad] | None = None,
    ) -> None:
        """
        Args:
            url: up to and with `/v1`.
            model: what to ask for.
            key_env: the variable its key is in, read for each request; empty = it wants none.
            words: ask for the times of words; not every server has them.
            environment: where keys are looked for.
            limits: patience.
            way: to the server.
            vad: tells speech from the rest.
        """
        self._url = url.rstrip("/") + "/audio/transcriptions"
        self._model = model
        self._key_env = key_env
        self._words = words
        self._environment = environment
        self._limits = limits or Limits()
        self._way = way
        self._vad = vad

    def engine(self) -> GeneratorEngine:
        """As an engine."""
        host = urlsplit(self._url).hostname or ""
        able = Capabilities(
            name="openai_http",
            interim_results=False,
            word_times=self._words,
            punctuate=True,
            note=f"Sends each turn to {host}; no partials.",
        )
        return from_generator(self.recognize, able, window_ms=_WINDOW_MS)

    async def recognize(
        self, audio: AsyncIterator[Item], options: Options
    ) -> AsyncGenerator[Event, None]:
        """See `engines.generators`."""
        make = self._vad = self._vad or load_vad()
        turns = _Turns(make(), options)
        async for item in audio:
            match item:
                case bytes():
                    for what, piece in turns.feed(item):
                        yield what
                        if piece is not None:
                            yield await self._final(piece, options)
                case Finalize():
                    piece = turns.cut()
                    if piece is not None:
                        yield SpeechEnded(at_ms=piece.end_ms, reason="asked")
                        yield await self._final(piece, options)
                case Cancel():
                    turns.forget()
                case _:
                    pass
        if (piece := turns.cut()) is not None:
            yield SpeechEnded(at_ms=piece.end_ms, reason="end")
            yield await self._final(piece, options)

    async def _final(self, piece: "_Piece", options: Options) -> Transcript:
        """The words of one piece."""
        heard = await self._ask(piece, options)
        words = tuple(
            Word(
                each.word.strip(),
                piece.start_ms + round(each.start * 1000),
                piece.start_ms + round(each.end * 1000),
            )
            for each in heard.words or ()
        )
        return Transcript(
            text=heard.text.strip(),
            start_ms=piece.start_ms,
            end_ms=piece.end_ms,
            final=True,
            ends_turn=True,
            words=words or None,
            language=heard.language,
        )

    async def _ask(self, piece: "_Piece", options: Options) -> _Heard:
        boundary = secrets.token_hex(16)
        fields = {"model": self._model, "response_format": "json"}
        if self._words:
            fields |= {"response_format": "verbose_json", "timestamp_granularities[]": "word"}
        if options.recognition.language:
            fields["language"] = options.recognition.language.partition("-")[0].lower()
        hints = ", ".join(hint.text for hint in options.recognition.hints)
        if hints:
            fields["prompt"] = hints[:1_000]
        headers = {"content-type": f"multipart/form-data; boundary={boundary}"}
        if self._key_env:
            key = self._environment.get(self._key_env)
            if not key:
                raise EngineFailed(
                    f"{self._key_env} holds no key for openai_http", code="engine_unavailable"
                )
            headers["authorization"] = f"Bearer {key}"
        body = _form(boundary, fields, _wav(piece.data))
        async with posted(self._url, headers, body, self._limits, way=self._way) as answer:
            data = await answer.whole()
        try:
            return msgspec.json.decode(data, type=_Heard)
        except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
            raise EngineFailed("the server answered with what is no transcription") from error


class _Piece(msgspec.Struct, frozen=True):
    """Speech between two pauses."""

    data: bytes
    start_ms: int
    end_ms: int


class _Turns:
    """Cuts a stream where somebody stops speaking."""

    def __init__(self, vad: Vad, options: Options) -> None:
        turns = options.recognition.turns
        longest = turns.max_ms or _MOST_MS
        turns = msgspec.structs.replace(turns, max_ms=min(longest, _MOST_MS), eager=None)
        self._vad = vad
        self._step = 2 * vad.frame_samples
        self._ends = Endpointer(turns, frame_samples=vad.frame_samples)
        self._kept = bytearray()
        """Samples that a turn may still want."""
        self._from = 0
        """Which sample `_kept` begins with."""
        self._judged = 0
        """Bytes of `_kept` that were judged."""
        self._since = 0

    def feed(self, data: bytes) -> list[tuple[Event, _Piece | None]]:
        """The next samples; what they decide, and the speech that is over."""
        self._kept += data
        told: list[tuple[Event, _Piece | None]] = []
        while len(self._kept) - self._judged >= self._step:
            frame = bytes(self._kept[self._judged : self._judged + self._step])
            self._judged += self._step
            for decision in self._ends.push(self._vad.probability(frame)):
                match decision:
                    case Started(at=at, since=since):
                        self._since = since
                        told.append((SpeechStarted(at_ms=_ms(at)), None))
                    case Stopped(at=at, reason=reason):
                        why: TurnReason = reason
                        ended = SpeechEnded(at_ms=_ms(at), reason=why)
                        told.append((ended, self._taken(at)))
                    case _:
                        pass
        if not self._ends.speaking:
            self._drop(self._ends.needed)
        return told

    def cut(self) -> _Piece | None:
        """Close the turn now."""
        rest = (len(self._kept) - self._judged) // 2
        self._ends.skip(rest)
        self._judged += 2 * rest
        closed = self._ends.cut()
        if closed is None:
            return None
        start, at = closed
        if start is not None:
            self._since = start.since
        return self._taken(at)

    def forget(self) -> None:
        """What was heard is nothing any more."""
        self._ends.forget()
        self._drop(self._ends.position)

    def _taken(self, at: int) -> _Piece:
        # A little of the silence behind it, for soft ends of words.
        end = min(at + _RATE // 5, self._from + len(self._kept) // 2)
        data = bytes(self._kept[2 * (self._since - self._from) : 2 * (end - self._from)])
        return _Piece(data, _ms(self._since), _ms(at))

    def _drop(self, until: int) -> None:
        count = 2 * (until - self._from)
        if count > 0:
            del self._kept[:count]
            self._judged -= count
            self._from = until


def open_transcription_server(argument: str, way: Way = directly) -> GeneratorEngine:
    """The engine of `URL?model=…&key_env=…&words=1`.

    Raises:
        Refused: no address, or a word that is not known.
    """
    parts = urlsplit(argument)
    words = dict(parse_qsl(parts.query))
    unknown = words.keys() - {"model", "key_env", "words"}
    if parts.scheme not in {"http", "https"} or not parts.hostname or unknown:
        what = f"{min(unknown)!r} is not known" if unknown else "an http(s) address is needed"
        raise Refused(
            f"openai_http: {what}; as in openai_http:http://localhost:8000/v1?model=whisper-1"
            "&key_env=NAME&words=1",
            code="bad_option",
        )
    url = urlunsplit((parts.scheme, parts.netloc, parts.path, "", ""))
    return TranscriptionServer(
        url,
        model=words.get("model", "whisper-1"),
        key_env=words.get("key_env", ""),
        words=words.get("words", "") in {"1", "true"},
        way=way,
    ).engine()


def _ms(samples: int) -> int:
    return samples * 1000 // _RATE


def _wav(data: bytes) -> bytes:
    """A file whose length is known, which some servers insist on."""
    return (
        struct.pack("<4sI4s", b"RIFF", len(data) + 36, b"WAVE")
        + struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, _RATE, 2 * _RATE, 2, 16)
        + struct.pack("<4sI", b"data", len(data))
        + data
    )


def _form(boundary: str, fields: Mapping[str, str], file: bytes) -> bytes:
    """A multipart body, the file last."""
    parts = [
        f'--{boundary}\r\ncontent-disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    head = (
        f'--{boundary}\r\ncontent-disposition: form-data; name="file"; filename="turn.wav"\r\n'
        "content-type: audio/wav\r\n\r\n"
    )
    return b"".join((*parts, head.encode(), file, f"\r\n--{boundary}--\r\n".encode()))
