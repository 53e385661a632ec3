"""Which engine, fed and heard in which formats; and what it cannot do of what was asked, in words,
before it is opened."""

from collections.abc import Callable
from typing import NamedTuple

import msgspec

from .capabilities import Capabilities
from .errors import BadAudio, Refused
from .formats import AudioFormat
from .host import Host
from .options import Options
from .ports import Codecs, Converter, Engine

__all__ = ["Fit", "chosen_for", "fitted", "heard_as", "misfits", "splits", "spoken_as"]


class Fit(NamedTuple):
    """An engine for a session, and how the two go together."""

    engine: Engine
    options: Options
    """With the formats chosen."""
    channels: int
    """Channels whose words come apart."""
    way: Callable[[], Converter | None] | None
    """Makes what is between the engine's voice and the client's ear, one for each utterance; it
    makes None where they are the same."""
    unable: tuple[str, ...]
    """What the engine cannot honour."""


def fitted(host: Host, options: Options, source: AudioFormat, wanted: AudioFormat | None) -> Fit:
    """Choose the engine.

    Args:
        host: knows the engines.
        options: what is asked for.
        source: what the client sends.
        wanted: what it wants to hear; None = the engine's own.

    Raises:
        Refused: no engine has that name or takes that audio; or, under `strict`, it cannot do what
            was asked.
        BadAudio: nothing takes that audio.
    """
    engine = host.choose(options, source)
    able = engine.capabilities
    split = splits(options, source)
    unable = misfits(options, able)
    if unable and options.strict:
        raise Refused("; ".join(unable), code="bad_option")
    if able.hears:
        hears = heard_as(source, able, split)
    elif able.speaks:
        hears = None
    else:
        raise BadAudio(f"engine {able.name} neither hears nor speaks", code="unsupported_audio")
    speaks = spoken_as(wanted, able)
    return Fit(
        engine,
        msgspec.structs.replace(options, hears=hears, speaks=speaks),
        hears.channels if hears is not None and split else 1,
        _way(host.codecs, able.speaks[0], speaks) if speaks is not None else None,
        unable,
    )


def _way(codecs: Codecs, voice: AudioFormat, ear: AudioFormat) -> Callable[[], Converter | None]:
    """Checked at once, so that what cannot be converted is refused before anything is said.

    Raises:
        BadAudio: nothing converts between the two.
    """
    codecs.converter(voice, ear)
    return lambda: codecs.converter(voice, ear)


def chosen_for(options: Options) -> tuple[str, bool]:
    """What an engine is chosen for: its model, and whether ends of turns are judged. Where this
    changes it may have to be another one."""
    turns = options.recognition.turns
    judged = turns.confidence is not None or turns.eager is not None
    return options.recognition.model, judged


def splits(options: Options, source: AudioFormat) -> bool:
    """Each channel has words of its own."""
    return options.recognition.channels == "split" and source.channels > 1


def misfits(options: Options, able: Capabilities) -> tuple[str, ...]:
    """One sentence per option that the engine cannot honour. Under `strict` they are errors."""
    asked = options.recognition
    checks = (
        (asked.diarize and not able.diarize, "diarize: speakers are not told apart"),
        (asked.punctuate and not able.punctuate, "punctuate: the text has no punctuation"),
        (
            asked.profanity_filter and not able.profanity_filter,
            "profanity_filter: nothing is masked",
        ),
        (bool(asked.hints) and not able.hints, "hints: they are not used"),
        (asked.only_hints and not able.hints, "only_hints: any words may be heard"),
        (
            asked.final == "accurate" and not able.accurate,
            "final=accurate: there is no second pass",
        ),
        (
            bool(able.languages) and not _speaks(asked.language, able.languages),
            f"language {asked.language}: it knows {', '.join(able.languages)}",
        ),
    )
    return tuple(f"engine {able.name}: {text}" for fails, text in checks if fails)


def _speaks(language: str, known: tuple[str, ...]) -> bool:
    """Tags match when one is the other's beginning: `en` asks for any English."""
    wanted = language.lower().split("-")
    return any(
        all(a == b for a, b in zip(wanted, tag.lower().split("-"), strict=False)) for tag in known
    )


def heard_as(source: AudioFormat, able: Capabilities, split: bool) -> AudioFormat | None:
    """The format to feed an engine: the client's own if it takes it, else its best.

    Raises:
        BadAudio: the engine does not listen.
    """
    if not able.hears:
        raise BadAudio(f"engine {able.name} does not listen", code="unsupported_audio")
    channels = source.channels if split else 1
    same = [
        f
        for f in able.hears
        if f.encoding == source.encoding and f.sample_rate == source.sample_rate
    ]
    best = same[0] if same else able.hears[0]
    return AudioFormat(best.encoding, best.sample_rate, channels)


def spoken_as(wanted: AudioFormat | None, able: Capabilities) -> AudioFormat | None:
    """The format the client hears: what it wants, else the engine's best; None = silent engine.

    Raises:
        Refused: the client wants sound in a form nobody encodes.
    """
    if not able.speaks:
        return None
    if wanted is None:
        return able.speaks[0]
    if not wanted.width:
        raise Refused(
            f"speech cannot be sent as {wanted.encoding}; use PCM, mulaw or alaw",
            code="unsupported_audio",
        )
    return wanted
