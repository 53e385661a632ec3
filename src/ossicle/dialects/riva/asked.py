"""What a recognition configuration asks for.

>>> asked = asked_of(RecognitionConfig(encoding=1, sample_rate_hertz=16000,
...                                    language_code="en-US"), interim=True)
>>> asked.patch["recognition"]["interim_results"], asked.encoding
(True, 'pcm_s16le')
"""

import re
from typing import Any

import msgspec

from ossicle.core.formats import MAX_CHANNELS, MAX_RATE, MIN_RATE

from .asr_messages import Endpointing, RecognitionConfig
from .errors import Unmet

__all__ = ["ENCODINGS", "Asked", "asked_of"]

ENCODINGS = {0: "", 1: "pcm_s16le", 2: "flac", 3: "mulaw", 4: "ogg", 20: "alaw"}
"""By number; "" = by the file's header."""

_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(?:[-_][A-Za-z0-9]{1,8}){0,4}")
_ALTERNATIVES, _HINTS, _LONGEST = 10, 1_000, 200
_LONGEST_HISTORY_MS = 3_600_000


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """One stream's or one recording's configuration."""

    patch: dict[str, Any]
    """On `Options`."""
    encoding: str = ""
    sample_rate: int = 0
    channels: int = 0
    """Zero = left to the header."""
    language: str = "en-US"
    interim: bool = False
    words: bool = False
    speakers: bool = False
    alternatives: int = 1
    split: bool = False
    warnings: tuple[str, ...] = ()
    """What was understood and is not done."""


def asked_of(config: RecognitionConfig, *, interim: bool = False) -> Asked:
    """A configuration.

    Raises:
        Unmet: it cannot be served.
    """
    if config.encoding not in ENCODINGS:
        raise Unmet(f"Error: encoding {config.encoding} is not known")
    rate, channels = config.sample_rate_hertz, config.audio_channel_count
    if rate and not MIN_RATE <= rate <= MAX_RATE:
        raise Unmet(f"Error: sample rate {rate} is outside {MIN_RATE}-{MAX_RATE} Hz")
    if not 0 <= channels <= MAX_CHANNELS:
        raise Unmet(f"Error: {channels} channels are outside 1-{MAX_CHANNELS}")
    if not _LANGUAGE.fullmatch(config.language_code):
        raise Unmet(
            "Error: Unavailable model requested given these parameters: "
            f"language_code={config.language_code[:40]}; sample_rate={rate};"
        )
    if config.max_alternatives < 0:
        raise Unmet(f"Error: {config.max_alternatives} alternatives are less than none")
    warnings: list[str] = []
    diarization = config.diarization_config
    asked = Asked(
        patch={},
        encoding=ENCODINGS[config.encoding],
        sample_rate=rate,
        channels=channels,
        language=config.language_code.replace("_", "-"),
        interim=interim,
        words=config.enable_word_time_offsets,
        speakers=diarization is not None and diarization.enable_speaker_diarization,
        alternatives=max(1, min(config.max_alternatives, _ALTERNATIVES)),
        split=config.enable_separate_recognition_per_channel,
    )
    if config.max_alternatives > _ALTERNATIVES:
        warnings.append(f"max_alternatives: {_ALTERNATIVES} of {config.max_alternatives}")
    if config.custom_configuration:
        warnings.append("custom_configuration: no engine here knows it")
    recognition: dict[str, Any] = {
        "language": asked.language,
        "model": config.model,
        "interim_results": interim,
        "word_times": asked.words or asked.speakers,
        "alternatives": asked.alternatives,
        "hints": _hints(config, warnings),
        "diarize": asked.speakers,
        "punctuate": config.enable_automatic_punctuation,
        "profanity_filter": config.profanity_filter,
        "channels": "split" if asked.split else "mix",
    }
    if config.endpointing_config is not None:
        recognition["turns"] = _turns(config.endpointing_config, warnings)
    return msgspec.structs.replace(
        asked, patch={"recognition": recognition}, warnings=tuple(warnings)
    )


def _turns(endpointing: Endpointing, warnings: list[str]) -> dict[str, Any]:
    """The silence that ends a turn; the other figures belong to Riva's own detector."""
    other = {
        "start_history": endpointing.start_history,
        "start_threshold": endpointing.start_threshold,
        "stop_threshold": endpointing.stop_threshold,
        "stop_history_eou": endpointing.stop_history_eou,
        "stop_threshold_eou": endpointing.stop_threshold_eou,
    }
    unheeded = [name for name, value in other.items() if value is not None]
    if unheeded:
        warnings.append(f"endpointing_config: {', '.join(unheeded)} are the engine's own here")
    history = endpointing.stop_history
    if history is None:
        return {}
    if not 0 <= history <= _LONGEST_HISTORY_MS:
        raise Unmet(f"Error: stop_history {history} is outside 0-{_LONGEST_HISTORY_MS} ms")
    return {"silence_ms": history}


def _hints(config: RecognitionConfig, warnings: list[str]) -> list[dict[str, Any]]:
    phrases: dict[str, float] = {}
    for context in config.speech_contexts:
        for phrase in context.phrases:
            text = phrase.strip()
            if 0 < len(text) <= _LONGEST:
                phrases[text] = context.boost
            elif text:
                warnings.append(f"speech_contexts: a phrase over {_LONGEST} characters is left out")
    if len(phrases) > _HINTS:
        warnings.append(f"speech_contexts: {_HINTS} of {len(phrases)} phrases")
    return [
        {"text": text, "boost": boost} if boost > 0 else {"text": text}
        for text, boost in list(phrases.items())[:_HINTS]
    ]
