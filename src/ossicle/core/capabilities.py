"""What an engine can do, as a frozen value rather than as methods that raise."""

import msgspec

from .formats import AudioFormat

__all__ = ["PCM16K", "Capabilities"]

PCM16K = AudioFormat("pcm_s16le", 16_000, 1)
"""What nearly every recogniser takes."""


class Capabilities(msgspec.Struct, frozen=True):
    """What one engine can do. The session reads it once, before it opens the engine."""

    name: str
    """The engine's name in lists, metrics and records."""
    hears: tuple[AudioFormat, ...] = (PCM16K,)
    """Formats it takes, best first; empty = it does not listen. The session converts to one."""
    speaks: tuple[AudioFormat, ...] = ()
    """Formats it makes, best first; empty = it has no voice."""
    channels: int = 1
    """Most channels in one stream; more are mixed, or split into several streams."""
    languages: tuple[str, ...] = ()
    """BCP-47 tags; empty = any, or not known."""
    eager: bool = False
    """It judges the end of a turn by more than silence, and gives provisional ends."""
    turns: bool = True
    """It ends turns itself. False: every final is a turn of its own."""
    interim_results: bool = True
    """It sends partials."""
    word_times: bool = False
    """It times words."""
    confidence: bool = False
    """Its confidence means something."""
    hints: bool = False
    """It can use phrase hints."""
    diarize: bool = False
    """It can tell speakers apart."""
    punctuate: bool = False
    """It writes punctuation and case."""
    profanity_filter: bool = False
    """It can mask rude words."""
    accurate: bool = False
    """It has a second, slower pass for finals."""
    answers: bool = False
    """It replies by itself (an agent)."""
    live_changes: frozenset[str] = frozenset()
    """Dotted names of options that can change without opening a new stream."""
    note: str = ""
    """One sentence for people: what it is good for, and what not."""
