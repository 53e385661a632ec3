"""A transcription as a document: text, JSON, SRT, WebVTT.

Cues hold at most two lines of 42 characters and seven seconds, as subtitle guides ask; where the
engine timed no words, a segment's time is shared out by length.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import msgspec

from ossicle.client import Segment, Transcription
from ossicle.core.events import Word

__all__ = ["WRITERS", "Cue", "cues", "json", "srt", "text", "vtt"]

LINE = 42
"""Characters of a line."""
CUE_MS = 7_000
"""Longest cue."""


class Cue(NamedTuple):
    """What stands on the screen, and when."""

    start_ms: int
    end_ms: int
    lines: tuple[str, ...]


def text(said: Transcription) -> str:
    """One segment a line."""
    return "".join(f"{segment.text}\n" for segment in said.segments)


def json(said: Transcription) -> str:
    """Everything, as one JSON object."""
    return msgspec.json.format(msgspec.json.encode(said), indent=2).decode() + "\n"


def srt(said: Transcription) -> str:
    """SubRip: numbered cues, comma before the milliseconds."""
    blocks = [
        f"{number}\n{_clock(cue.start_ms, ',')} --> {_clock(cue.end_ms, ',')}\n"
        + "\n".join(cue.lines)
        + "\n"
        for number, cue in enumerate(cues(said.segments), 1)
    ]
    return "\n".join(blocks)


def vtt(said: Transcription) -> str:
    """WebVTT (W3C): a header, and `&` and `<` and `>` written as references."""
    blocks = ["WEBVTT\n"]
    for cue in cues(said.segments):
        lines = (
            line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
            for line in cue.lines
        )
        blocks.append(
            f"{_clock(cue.start_ms, '.')} --> {_clock(cue.end_ms, '.')}\n" + "\n".join(lines) + "\n"
        )
    return "\n".join(blocks)


WRITERS: dict[str, Callable[[Transcription], str]] = {
    "text": text,
    "json": json,
    "srt": srt,
    "vtt": vtt,
}
"""By the name of `--output`."""


def cues(segments: Iterable[Segment]) -> Iterator[Cue]:
    """Segments cut to what fits on a screen, in order of time."""
    for segment in segments:
        held: list[Word] = []
        for word in segment.words or _timed(segment):
            if held and not _fits([*held, word]):
                yield _cue(held)
                held = []
            held.append(word)
        if held:
            yield _cue(held)


def _timed(segment: Segment) -> list[Word]:
    """Words of a segment whose engine gave none, with time shared out by length."""
    words = segment.text.split()
    total = sum(len(word) + 1 for word in words)
    span = segment.end_ms - segment.start_ms
    timed: list[Word] = []
    passed = 0
    for word in words:
        start = segment.start_ms + span * passed // total
        passed += len(word) + 1
        timed.append(Word(word, start, segment.start_ms + span * passed // total))
    return timed


def _fits(words: list[Word]) -> bool:
    lines = _lines(word.text for word in words)
    return len(lines) <= 2 and words[-1].end_ms - words[0].start_ms <= CUE_MS


def _lines(words: Iterable[str]) -> tuple[str, ...]:
    lines: list[str] = []
    for word in words:
        # A blank line would end the cue.
        word = " ".join(word.split())  # noqa: PLW2901
        if lines and len(lines[-1]) + 1 + len(word) <= LINE:
            lines[-1] += " " + word
        else:
            lines.append(word)
    return tuple(lines)


def _cue(words: list[Word]) -> Cue:
    start, end = words[0].start_ms, words[-1].end_ms
    return Cue(start, max(end, start + 1), _lines(word.text for word in words))


def _clock(ms: int, point: str) -> str:
    seconds, ms = divmod(ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{point}{ms:03}"
