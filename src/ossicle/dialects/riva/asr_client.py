"""The client half of `StreamingRecognize`: a Riva server, or another gateway, as an engine.

What the wire does not say is not made up: there is no start or end of speech and no `Finalize`.
"""

from math import inf
from typing import NamedTuple

from ossicle.core.commands import Audio, Command, Configure, End, Finalize
from ossicle.core.deadline import header_of
from ossicle.core.errors import BadAudio, BadMessage, Fault, Whose
from ossicle.core.events import Began, Configured, Ended, Event, Notice, Transcript, Word
from ossicle.core.formats import AudioFormat
from ossicle.core.options import Options, merged
from ossicle.core.ports import ClientSteps
from ossicle.core.wire import Accept, Binary, Close, Fin, Message, Opening

from .asked import ENCODINGS
from .asr_messages import (
    STREAMING_REQUEST,
    STREAMING_RESPONSE,
    Alternative,
    Diarization,
    Endpointing,
    RecognitionConfig,
    SpeechContext,
    StreamingRecognitionConfig,
    StreamingRecognizeRequest,
    StreamingResult,
)

__all__ = ["RivaClient"]

_PIECE = 64 * 1024
"""Of one message; the wire takes more, flow control works better with less."""
_STABLE = 0.5
_NUMBERS = {name: number for number, name in ENCODINGS.items() if name} | {"auto": 0, "wav": 0}


class RivaClient:
    """Implements `core.ports.ClientDialect`."""

    def __init__(self) -> None:
        self.deadline = inf
        self._config = b""
        self._options = Options()
        self._format = AudioFormat()
        self._bytes = 0
        self._turns: dict[int, int] = {}
        self._over = False

    def open(self, configure: Configure) -> Opening:
        """The call.

        Raises:
            Refused: an option or a format that cannot be said here.
        """
        self._options = merged(Options(), configure.patch)
        self._format = configure.format or AudioFormat()
        self._config = STREAMING_REQUEST.write(
            StreamingRecognizeRequest(streaming_config=self._asks())
        )
        key = configure.credential
        return Opening(
            transport="grpc",
            method="stream",
            path="/nvidia.riva.asr.RivaSpeechRecognition/StreamingRecognize",
            headers=(
                *((("authorization", f"Bearer {key}"),) if key else ()),
                *header_of(configure.within_s),
            ),
        )

    def _asks(self) -> StreamingRecognitionConfig:
        options, source = self._options.recognition, self._format
        number = _NUMBERS.get(source.encoding)
        if number is None:
            raise BadAudio(
                f"{source.encoding} has no name in this dialect; use {', '.join(_NUMBERS)}",
                code="unsupported_audio",
            )
        usual = options.turns.silence_ms == Options().recognition.turns.silence_ms
        return StreamingRecognitionConfig(
            RecognitionConfig(
                encoding=number,
                sample_rate_hertz=source.sample_rate if source.width else 0,
                language_code=options.language,
                max_alternatives=options.alternatives,
                profanity_filter=options.profanity_filter,
                speech_contexts=tuple(
                    SpeechContext((hint.text,), hint.boost or 0.0) for hint in options.hints
                ),
                audio_channel_count=source.channels if source.width else 0,
                enable_word_time_offsets=options.word_times,
                enable_automatic_punctuation=options.punctuate,
                enable_separate_recognition_per_channel=options.channels == "split",
                model=options.model,
                diarization_config=Diarization(enable_speaker_diarization=True)
                if options.diarize
                else None,
                endpointing_config=None
                if usual
                else Endpointing(stop_history=options.turns.silence_ms),
            ),
            interim_results=options.interim_results,
        )

    def receive(self, message: Message, now: float) -> ClientSteps:
        """A message from the server."""
        match message:
            case Accept():
                # gRPC's first message does not wait for the server
                return (Binary(self._config), Began(), Configured(options=self._options))
            case Binary(data=data) if not self._over:
                try:
                    results = STREAMING_RESPONSE.parse(data).results
                except BadMessage as error:
                    self._over = True
                    return (Close(1), Ended(reason="failed", error=error.fault()))
                return self._told(results)
            case Close():
                over, self._over = self._over, True
                return () if over else (self._closed(message),)
            case _:
                return ()

    def send(self, command: Command, now: float) -> ClientSteps:
        """What the user wants, as messages."""
        if self._over:
            return ()
        match command:
            case Audio(data=data):
                self._bytes += len(data)
                return tuple(
                    Binary(
                        STREAMING_REQUEST.write(
                            StreamingRecognizeRequest(audio_content=data[at : at + _PIECE])
                        )
                    )
                    for at in range(0, len(data), _PIECE)
                )
            case End():
                return (Fin(),)
            case Finalize():
                text = "this service decides by itself when a turn is over"
                return (Notice(level="warning", code="not_supported", text=text, ref=command.ref),)
            case _:
                return ()

    def expire(self, now: float) -> ClientSteps:
        """Never asked for."""
        return ()

    # ── inside ──

    def _told(self, results: tuple[StreamingResult, ...]) -> tuple[Event, ...]:
        events: list[Event] = []
        open_parts: dict[int, list[StreamingResult]] = {}
        for result in results:
            channel = max(0, result.channel_tag - 1)
            if result.is_final:
                events.append(self._final(result, channel))
            elif result.alternatives:
                open_parts.setdefault(channel, []).append(result)
        events += [self._interim(parts, channel) for channel, parts in open_parts.items()]
        return tuple(events)

    def _final(self, result: StreamingResult, channel: int) -> Transcript:
        best, *others = result.alternatives or (Alternative(),)
        turn = self._turns.get(channel, 0)
        self._turns[channel] = turn + 1
        words = tuple(
            Word(
                word.word,
                word.start_time,
                word.end_time,
                word.confidence or None,
                str(word.speaker_tag) if word.speaker_tag else "",
                word.language_code,
            )
            for word in best.words
        )
        return Transcript(
            text=best.transcript.strip(),
            start_ms=words[0].start_ms if words else None,
            end_ms=words[-1].end_ms if words else _ms(result),
            turn=turn,
            final=True,
            ends_turn=True,
            words=words or None,
            confidence=best.confidence or None,
            language=best.language_code[0] if best.language_code else "",
            channel=channel,
            alternatives=tuple(other.transcript.strip() for other in others),
        )

    def _interim(self, parts: list[StreamingResult], channel: int) -> Transcript:
        whole = "".join(part.alternatives[0].transcript for part in parts)
        sure = ""
        for part in parts:
            if part.stability < _STABLE:
                break
            sure += part.alternatives[0].transcript
        return Transcript(
            text=whole.strip(),
            end_ms=_ms(parts[-1]),
            turn=self._turns.get(channel, 0),
            stable=len(sure.strip()),
            channel=channel,
        )

    def _closed(self, close: Close) -> Ended:
        audio_ms = self._format.ms(self._bytes) if self._format.width else 0
        if not close.code:
            return Ended(audio_ms=audio_ms)
        row = _ROWS.get(close.code, _Row("engine_failed"))
        text = f"status {close.code}: {close.reason or 'no details'}"[:500]
        fault = Fault(row.code, text, row.whose, row.retryable)
        reason = "refused" if row.whose == "client" else "failed"
        return Ended(reason=reason, error=fault, audio_ms=audio_ms)


class _Row(NamedTuple):
    code: str
    whose: Whose = "upstream"
    retryable: bool = True


_ROWS = {
    1: _Row("connection_lost"),
    3: _Row("bad_request", "client", retryable=False),
    4: _Row("timed_out"),
    5: _Row("not_found", "client", retryable=False),
    7: _Row("forbidden", "client", retryable=False),
    8: _Row("rate_limited"),
    12: _Row("bad_request", "client", retryable=False),
    14: _Row("engine_unavailable"),
    16: _Row("unauthorized", "client", retryable=False),
}


def _ms(result: StreamingResult) -> int | None:
    """Where the audio was when this was said; 0 = not told."""
    return round(result.audio_processed * 1000) or None
