"""What a configuration asks for, whichever version it was written in, and what is answered.

The mappers of v1 and v2 make an `Asked` each; the stream and unary servers know no other form.
"""

import re
from typing import Any, NamedTuple

import msgspec

from ossicle.core.formats import MAX_CHANNELS, MAX_RATE, MIN_RATE, AudioFormat

from .errors import Unmet

__all__ = ["Asked", "Hearing", "Piece", "Reading", "Spoken", "checked_format", "language_tag"]


class Hearing(msgspec.Struct, frozen=True, kw_only=True):
    """The format as far as it was said. Zero = left to the file's header."""

    encoding: str = ""
    """Of `AudioFormat`; "" = by the header."""
    sample_rate: int = 0
    channels: int = 0

    @property
    def format(self) -> AudioFormat:
        """For the session."""
        if not self.encoding:
            return AudioFormat("auto")
        return msgspec.convert(
            {
                "encoding": self.encoding,
                "sample_rate": self.sample_rate or 16_000,
                "channels": self.channels or 1,
            },
            AudioFormat,
        )


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """One stream's or one recording's configuration."""

    patch: dict[str, Any]
    """On `Options`."""
    hearing: Hearing = Hearing()
    language: str = "en-US"
    """Said back with each result where the engine names none."""
    interim: bool = False
    single_utterance: bool = False
    activity: bool = False
    """Voice activity events are wanted."""
    start_timeout_ms: int | None = None
    """Nobody speaks from the beginning on for so long: the stream ends."""
    end_timeout_ms: int | None = None
    """Nobody speaks after an end of speech for so long."""
    word_times: bool = False
    word_confidence: bool = False
    speakers: bool = False
    alternatives: int = 1
    split: bool = False
    """A result for each channel."""
    warnings: tuple[str, ...] = ()
    """What was understood and is not done."""


class Piece(NamedTuple):
    """One of several results that follow one another: a final, or a part of an interim."""

    text: str
    end_ms: int
    language: str
    channel_tag: int = 0
    """1..N where channels are heard apart, else 0."""
    stability: float = 0.0


class Reading(NamedTuple):
    """A final."""

    texts: tuple[str, ...]
    """The best first."""
    end_ms: int
    language: str
    channel_tag: int = 0
    confidence: float = 0.0
    """0 = not known."""
    words: tuple["Spoken", ...] = ()


class Spoken(NamedTuple):
    """One word of a final, as far as it was asked for."""

    text: str
    start_ms: int | None = None
    end_ms: int | None = None
    """None = times were not asked for."""
    confidence: float = 0.0
    """0 = not known, or not asked for."""
    speaker: int = 0
    """1..N; 0 = not told apart."""


_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(?:[-_][A-Za-z0-9]{1,8}){0,4}")


def language_tag(given: str) -> str:
    """A language as it was given.

    Raises:
        Unmet: none, or none that could be one.
    """
    tag = given.strip()
    if not _LANGUAGE.fullmatch(tag):
        raise Unmet("Invalid recognition 'config': bad language code.")
    return tag.replace("_", "-")


def checked_format(encoding: str, sample_rate: int, channels: int) -> Hearing:
    """The declared format.

    Raises:
        Unmet: a rate or a number of channels out of range, or missing where no header has it.
    """
    if sample_rate and not MIN_RATE <= sample_rate <= MAX_RATE:
        raise Unmet(
            f"Invalid recognition 'config': bad sample rate hertz. {sample_rate} is outside "
            f"{MIN_RATE}-{MAX_RATE}."
        )
    if not 0 <= channels <= MAX_CHANNELS:
        raise Unmet(
            f"Invalid recognition 'config': bad audio channel count. {channels} is outside "
            f"1-{MAX_CHANNELS}."
        )
    return Hearing(encoding=encoding, sample_rate=sample_rate, channels=channels)
