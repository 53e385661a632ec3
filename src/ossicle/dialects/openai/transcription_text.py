"""The words of a recording in the forms of `/v1/audio/transcriptions`: JSON, text, subtitles.

    Recording(finals, duration_ms=2000, language="en").written("srt")

Knows the finals of a session and nothing of HTTP.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Any, TypeAlias

import msgspec

from ossicle.core.events import Transcript, Word

from .logprobs import logprobs_of

__all__ = ["FORMATS", "Recording", "runs", "segment_of"]

Json: TypeAlias = dict[str, Any]

FORMATS: dict[str, str] = {
    "json": "application/json",
    "text": "text/plain; charset=utf-8",
    "srt": "text/plain; charset=utf-8",
    "vtt": "text/vtt; charset=utf-8",
    "verbose_json": "application/json",
    "diarized_json": "application/json",
}
"""What `response_format` may say, and the type of the answer."""


class Recording:
    """What was heard of one."""

    def __init__(
        self,
        finals: Sequence[Transcript],
        *,
        duration_ms: int,
        language: str = "",
        words: bool = False,
        segments: bool = True,
        logprobs: bool = False,
    ) -> None:
        """
        Args:
            finals: in order.
            duration_ms: of the sound.
            language: that was heard.
            words: `timestamp_granularities` names them.
            segments: likewise.
            logprobs: `include` names them; for `json` and events only.
        """
        self._finals = [final for final in finals if final.text]
        self._seconds = duration_ms / 1000
        self._language = language
        self._words, self._segments, self._logprobs = words, segments, logprobs

    @property
    def text(self) -> str:
        """All of it."""
        return " ".join(final.text for final in self._finals)

    @property
    def usage(self) -> Json:
        """What it is charged by."""
        return {"type": "duration", "seconds": self._seconds}

    @property
    def logprobs(self) -> Json:
        """How sure the engine is of each word, as a member; empty = not asked for, or not known."""
        words = (word for final in self._finals for word in final.words or ())
        known = logprobs_of(words) if self._logprobs else None
        return {} if known is None else {"logprobs": known}

    def written(self, form: str) -> bytes:
        """The body of an answer, in one of `FORMATS`."""
        match form:
            case "text":
                return f"{self.text}\n".encode()
            case "srt":
                return self._cues(_srt_time, numbered=True).encode()
            case "vtt":
                return f"WEBVTT\n\n{self._cues(_vtt_time, numbered=False)}".encode()
            case "verbose_json":
                return msgspec.json.encode(self._verbose())
            case "diarized_json":
                return msgspec.json.encode(self._diarized())
            case _:
                said = {"text": self.text, **self.logprobs, "usage": self.usage}
                return msgspec.json.encode(said)

    def _cues(self, time: Callable[[int], str], *, numbered: bool) -> str:
        cues: list[str] = []
        for number, final in enumerate(self._finals, 1):
            start, end = final.start_ms or 0, final.end_ms or 0
            head = f"{number}\n" if numbered else ""
            cues.append(f"{head}{time(start)} --> {time(end)}\n{final.text}\n\n")
        return "".join(cues)

    def _verbose(self) -> Json:
        out: Json = {
            "task": "transcribe",
            "language": self._language,
            "duration": self._seconds,
            "text": self.text,
        }
        if self._segments:
            out["segments"] = [
                {
                    "id": number,
                    "seek": 0,
                    "start": (final.start_ms or 0) / 1000,
                    "end": (final.end_ms or 0) / 1000,
                    "text": final.text,
                    # Numbers of one model's decoder, which no other has; the schema wants them.
                    "tokens": [],
                    "temperature": 0.0,
                    "avg_logprob": 0.0,
                    "compression_ratio": 0.0,
                    "no_speech_prob": 0.0,
                }
                for number, final in enumerate(self._finals)
            ]
        if self._words:
            out["words"] = [
                {"word": word.text, "start": word.start_ms / 1000, "end": word.end_ms / 1000}
                for final in self._finals
                for word in final.words or ()
            ]
        return {**out, "usage": self.usage}

    def _diarized(self) -> Json:
        return {
            "task": "transcribe",
            "duration": self._seconds,
            "text": self.text,
            "segments": [
                segment
                for final in self._finals
                for segment in segment_of(final, final.turn, final.segment)
            ],
            "usage": self.usage,
        }


def segment_of(final: Transcript, *name: int) -> list[Json]:
    """A final as segments of one speaker each."""
    base = "_".join(map(str, name))
    words = final.words or ()
    if not any(word.speaker for word in words):
        start, end = final.start_ms or 0, final.end_ms or 0
        return [_segment(f"seg_{base}", "A", start, end, final.text)]
    return [
        _segment(
            f"seg_{base}_{number}",
            run[0].speaker or "A",
            run[0].start_ms,
            run[-1].end_ms,
            " ".join(word.text for word in run),
        )
        for number, run in enumerate(runs(words))
    ]


def runs(words: Sequence[Word]) -> Iterable[Sequence[Word]]:
    """Neighbours that one speaker said."""
    cuts = [
        place
        for place, (one, other) in enumerate(pairwise(words), 1)
        if one.speaker != other.speaker
    ]
    for start, end in pairwise((0, *cuts, len(words))):
        yield words[start:end]


def _segment(name: str, speaker: str, start_ms: int, end_ms: int, text: str) -> Json:
    return {
        "id": name,
        "type": "transcript.text.segment",
        "speaker": speaker,
        "start": start_ms / 1000,
        "end": end_ms / 1000,
        "text": text,
    }


def _srt_time(ms: int) -> str:
    return _vtt_time(ms).replace(".", ",")


def _vtt_time(ms: int) -> str:
    seconds, rest = divmod(ms, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{rest:03}"
