"""The configuration of v1 and v1p1beta1: what it asks for."""

from typing import Any

from ossicle.dialects.protobuf import Duration

from .asked import Asked, Hearing, checked_format, language_tag
from .errors import Unmet
from .hints import Hints
from .v1_messages import RecognitionConfig, StreamingRecognitionConfig

__all__ = ["asked_of"]

_ENCODINGS = {
    0: "",
    1: "pcm_s16le",
    2: "flac",
    3: "mulaw",
    4: "amr_nb",
    5: "amr_wb",
    6: "ogg",
    7: "speex",  # each packet behind a byte with its length
    8: "mp3",
    9: "webm",
    10: "alaw",  # of v1p1beta1; v1 has no such number
}
_SPEEX, _SPEEX_RATE = 7, 16_000
"""The service takes its wide band alone."""
_MOST_ALTERNATIVES, _ALTERNATIVES = 30, 10
"""What the service takes, and what engines here are asked for."""


def asked_of(
    config: RecognitionConfig, stream: StreamingRecognitionConfig | None = None, *, alaw: bool
) -> Asked:
    """A configuration, of a stream or of a recording.

    Raises:
        Unmet: it cannot be served; the text is the service's where that is known.
    """
    hints = _hints(config)
    warnings = [*_undone(config), *hints.warnings]
    wanted = config.max_alternatives
    if not 0 <= wanted <= _MOST_ALTERNATIVES:
        raise Unmet(
            "Invalid recognition 'config': bad max alternatives. "
            f"{wanted} is outside 0-{_MOST_ALTERNATIVES}."
        )
    if wanted > _ALTERNATIVES:
        warnings.append(f"max_alternatives: {_ALTERNATIVES} of {wanted}")
    speakers = config.diarization_config
    timeout = stream.voice_activity_timeout if stream is not None else None
    activity = stream is not None and stream.enable_voice_activity_events
    asked = Asked(
        patch={},
        hearing=_hearing(config, alaw=alaw),
        language=language_tag(config.language_code),
        interim=stream is not None and stream.interim_results,
        single_utterance=stream is not None and stream.single_utterance,
        activity=activity,
        # the service heeds the time-outs only beside the events
        start_timeout_ms=_ms(timeout.speech_start_timeout) if timeout and activity else None,
        end_timeout_ms=_ms(timeout.speech_end_timeout) if timeout and activity else None,
        word_times=config.enable_word_time_offsets,
        word_confidence=config.enable_word_confidence,
        speakers=speakers is not None and speakers.enable_speaker_diarization,
        alternatives=max(1, min(wanted, _ALTERNATIVES)),
        split=config.enable_separate_recognition_per_channel,
        warnings=tuple(warnings),
    )
    return _patched(asked, config, hints)


def _patched(asked: Asked, config: RecognitionConfig, hints: Hints) -> Asked:
    recognition: dict[str, Any] = {
        "language": asked.language,
        "model": config.model,
        "interim_results": asked.interim,
        "word_times": asked.word_times or asked.word_confidence or asked.speakers,
        "alternatives": asked.alternatives,
        "hints": hints.hints(),
        "diarize": asked.speakers,
        "punctuate": config.enable_automatic_punctuation,
        "profanity_filter": config.profanity_filter,
        "channels": "split" if asked.split else "mix",
    }
    asked.patch["recognition"] = recognition
    return asked


def _hearing(config: RecognitionConfig, *, alaw: bool) -> Hearing:
    number = config.encoding
    if number == _SPEEX and config.sample_rate_hertz != _SPEEX_RATE:
        raise Unmet(
            "Invalid recognition 'config': bad sample rate hertz. SPEEX_WITH_HEADER_BYTE is "
            f"{_SPEEX_RATE} Hz."
        )
    if number not in _ENCODINGS or (number == 10 and not alaw):
        raise Unmet(f"Invalid recognition 'config': bad encoding. {number} is not known.")
    return checked_format(_ENCODINGS[number], config.sample_rate_hertz, config.audio_channel_count)


def _hints(config: RecognitionConfig) -> Hints:
    hints = Hints()
    adaptation = config.adaptation
    if adaptation is not None:
        for each in adaptation.custom_classes:
            hints.add_class(each.custom_class_id or each.name, (item.value for item in each.items))
        for phrases in adaptation.phrase_sets:
            for phrase in phrases.phrases:
                hints.add(phrase.value, phrase.boost or phrases.boost)
        if adaptation.phrase_set_references:
            hints.warn("adaptation: phrase sets stored at the service are not known here")
        if adaptation.abnf_grammar is not None:
            hints.warn("adaptation: no engine here takes a grammar")
    for context in config.speech_contexts:
        for phrase in context.phrases:
            hints.add(phrase, context.boost)
    return hints


def _undone(config: RecognitionConfig) -> list[str]:
    """Understood, asked for, and not done by any engine here."""
    found: list[str] = []
    if config.alternative_language_codes:
        found.append("alternative_language_codes: one language is heard, language_code")
    if config.enable_spoken_punctuation is not None and config.enable_spoken_punctuation.value:
        found.append("enable_spoken_punctuation: spoken signs are written as words")
    if config.enable_spoken_emojis is not None and config.enable_spoken_emojis.value:
        found.append("enable_spoken_emojis: spoken emojis are written as words")
    if config.transcript_normalization is not None and config.transcript_normalization.entries:
        found.append("transcript_normalization: nothing is replaced")
    return found


def _ms(duration: Duration | None) -> int | None:
    if duration is None:
        return None
    if duration.ms < 0:
        raise Unmet("Invalid 'voice_activity_timeout': a duration is negative.")
    return duration.ms
