"""The query string of `/v1/listen`, live and pre-recorded: what was asked for.

    >>> asked = listen_query((("model", "nova-3"), ("encoding", "linear16"),
    ...                       ("sample_rate", "16000"), ("interim_results", "True")))
    >>> asked.format, asked.patch["recognition"]["interim_results"]
    (AudioFormat(encoding='pcm_s16le', sample_rate=16000, channels=1, header=b''), True)

Unknown names are ignored, as the service does; a known name with a value of another kind is
refused before the upgrade. What is understood and cannot be done is kept in `warnings`.
"""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import msgspec

from ossicle.core.commands import Report
from ossicle.core.errors import BadAudio, Refused
from ossicle.core.formats import AudioFormat, parse_format

from .callback import reports_of
from .listen_messages import Warned

__all__ = ["Asked", "hints_of", "listen_query"]

_Value = TypeVar("_Value")

_RAW = {
    "linear16": "pcm_s16le",
    "linear32": "pcm_f32le",  # 32-bit floating point, says the service's encoding page
    "mulaw": "mulaw",
    "alaw": "alaw",
    "opus": "opus",
    "speex": "speex",
}
_CONTAINERS = {"flac": "flac", "ogg-opus": "ogg", "mp3": "mp3", "wav": "wav", "webm": "webm"}
_NARROW = {"amr-nb": ("amr_nb", 8_000), "amr-wb": ("amr_wb", 16_000), "g729": ("g729", 8_000)}
"""Codecs of telephones, each with the one rate it has."""
_PACKETS = frozenset({"opus", "speex"})
"""One packet a message: nothing in a body says where the next begins."""
_TAKEN = ", ".join((*_RAW, *_NARROW, *_CONTAINERS))

_LEAST_SILENCE_MS = 100
"""Shortest `endpointing` taken: a closed lip is silent for that long inside a word, and an engine
that judges by silence would cut it. The service's default of 10 ms is judged by a model."""

_UNDONE = {
    "language_hint": "the engine hears the one language that `language` names",
    "numerals": "numbers are written as the engine says them",
    "dictation": "spoken punctuation is not turned into signs",
    "filler_words": "the engine decides about filler words",
    "measurements": "units are written as the engine says them",
    "detect_entities": "entities are not looked for",
    "detect_topics": "topics are not looked for",
    "topics": "topics are not looked for",
    "intents": "intents are not looked for",
    "sentiment": "sentiment is not judged",
    "summarize": "no summary is made",
    "redact": "nothing is redacted",
    "search": "no search is made",
    "replace": "nothing is replaced",
}
"""Understood, asked for, and not done by any engine here."""


class Asked(msgspec.Struct, frozen=True):
    """What a query asks for."""

    patch: dict[str, Any]
    """On `Options`."""
    format: AudioFormat | None
    """None = a container, recognised by its first bytes."""
    model: str = ""
    """To route by: the gateway knows which names are the service's own."""
    interim: bool = False
    vad_events: bool = False
    utterance_end_ms: int = 0
    """0 = off."""
    punctuated: bool = False
    diarize: bool = False
    multichannel: bool = False
    languages: bool = False
    """Say which language was heard: `language=multi`."""
    detect_language: bool = False
    paragraphs: bool = False
    utterances: bool = False
    utt_split_ms: int = 800
    report_to: tuple[Report, ...] = ()
    """Where `callback` wants the answer."""
    tags: tuple[str, ...] = ()
    extra: tuple[tuple[str, str], ...] = ()
    keyterms: tuple[str, ...] = ()
    warnings: tuple[Warned, ...] = ()


def listen_query(query: Iterable[tuple[str, str]], *, live: bool = True) -> Asked:
    """What a client asks for.

    Raises:
        Refused: a value of another kind, or out of range; names both.
        BadAudio: an encoding nobody decodes here, or one without its sample rate.
    """
    given = _Given(query)
    turns: dict[str, Any] = {}
    recognition: dict[str, Any] = {}
    interim = live and given.flag("interim_results")
    recognition["interim_results"] = interim
    if language := given.last("language"):
        recognition["language"] = language
    model = given.last("model")
    if model:
        recognition["model"] = model
    punctuated = given.flag("smart_format") or given.flag("punctuate")
    if punctuated:
        recognition["punctuate"] = True
    if given.flag("profanity_filter"):
        recognition["profanity_filter"] = True
    diarize = given.flag("diarize") or given.last("diarize_model") not in {"", "false"}
    if diarize:
        recognition["diarize"] = True
    if hints := hints_of(given.all("keyterm"), given.all("keywords")):
        recognition["hints"] = hints
    multichannel = given.flag("multichannel")
    if multichannel:
        recognition["channels"] = "split"
    if live and (endpointing := given.last("endpointing")):
        # "true" is the service's default, which is the gateway's default here
        if endpointing.lower() == "false":
            turns["detect"] = False
        elif endpointing.lower() != "true":
            silence = given.read("endpointing", int, "a number of milliseconds, or false")
            turns["silence_ms"] = max(_LEAST_SILENCE_MS, _in("endpointing", silence, 0, 3_600_000))
    if turns:
        recognition["turns"] = turns
    patch: dict[str, Any] = {"recognition": recognition}
    tags = given.all("tag")
    if tags:
        patch["label"] = ",".join(tags)[:200]
    report_to = reports_of(given.last("callback"), given.last("callback_method"))
    utterance_end = 0
    if live and given.last("utterance_end_ms").lower() not in {"", "false"}:
        utterance_end = _in(
            "utterance_end_ms",
            given.read("utterance_end_ms", int, "a number of milliseconds"),
            0,
            3_600_000,
        )
    split = (
        given.read("utt_split", float, "a number of seconds") if given.last("utt_split") else 0.8
    )
    return Asked(
        patch=patch,
        format=_format(given, live=live),
        model=model,
        interim=interim,
        vad_events=live and given.flag("vad_events"),
        utterance_end_ms=utterance_end if interim else 0,
        punctuated=punctuated,
        diarize=diarize,
        multichannel=multichannel,
        languages=language == "multi",
        detect_language=any(v.lower() != "false" for v in given.all("detect_language")),
        paragraphs=given.flag("paragraphs") or given.flag("smart_format"),
        utterances=given.flag("utterances"),
        utt_split_ms=round(1000 * _in("utt_split", split, 0.0, 3_600.0)),
        report_to=report_to,
        tags=tuple(tags),
        extra=tuple(
            (name, value) for name, _, value in (e.partition(":") for e in given.all("extra"))
        ),
        keyterms=tuple(given.all("keyterm")),
        warnings=tuple(_warnings(given, interim=interim)),
    )


def hints_of(keyterms: Iterable[str], keywords: Iterable[str] = ()) -> list[dict[str, Any]]:
    """Hints from `keyterm=phrase` and the older `keywords=word:boost`."""
    hints: list[dict[str, Any]] = [{"text": term} for term in keyterms if term]
    for keyword in keywords:
        word, colon, boost = keyword.rpartition(":")
        try:
            hints.append(
                {"text": word, "boost": float(boost)} if colon and word else {"text": keyword}
            )
        except ValueError:
            hints.append({"text": keyword})
    return [hint for hint in hints if hint["text"]]


def _format(given: "_Given", *, live: bool) -> AudioFormat | None:
    """The declared format; None = a container.

    Raises:
        BadAudio: nobody decodes it, or its rate is missing.
    """
    encoding = given.last("encoding").lower()
    rate = given.read("sample_rate", int, "a number of Hz") if given.last("sample_rate") else 0
    channels = given.read("channels", int, "a number") if given.last("channels") else 1
    if not encoding:
        return None
    if encoding in _CONTAINERS:
        return parse_format(_CONTAINERS[encoding])
    if encoding in _NARROW:
        name, only = _NARROW[encoding]
        if (rate or only, channels) != (only, 1):
            raise BadAudio(
                f"sample_rate={rate}, channels={channels}: {encoding} is {only} Hz and one channel",
                code="unsupported_audio",
            )
        return parse_format(name, only)
    if encoding not in _RAW:
        raise BadAudio(
            f"encoding={encoding[:40]!r} is not known; use {_TAKEN}", code="unsupported_audio"
        )
    if encoding in _PACKETS and not live:
        raise BadAudio(
            f"encoding={encoding}: bare packets have no boundaries in a recording; send Ogg, and"
            " leave encoding away",
            code="unsupported_audio",
        )
    if not rate:
        raise Refused(
            f"sample_rate is missing: encoding={encoding} is raw audio and needs it in Hz",
            code="bad_option",
        )
    return parse_format(_RAW[encoding], rate, channels)


def _warnings(given: "_Given", *, interim: bool) -> Iterable[Warned]:
    for name, text in _UNDONE.items():
        if any(value.lower() != "false" for value in given.all(name)):
            yield Warned(name, "unsupported_feature", text)
    if given.last("utterance_end_ms").lower() not in {"", "false"} and not interim:
        yield Warned(
            "utterance_end_ms", "unsupported_feature", "needs interim_results=true; it is off"
        )
    if given.last("endpointing") in {str(ms) for ms in range(_LEAST_SILENCE_MS)}:
        yield Warned(
            "endpointing", "adjusted_value", f"{_LEAST_SILENCE_MS} ms, the least taken here"
        )


class _Given:
    """The query, by name."""

    def __init__(self, query: Iterable[tuple[str, str]]) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in query:
            self._values.setdefault(name, []).append(value)

    def last(self, name: str) -> str:
        """The last value; empty = none."""
        return self._values[name][-1].strip() if name in self._values else ""

    def all(self, name: str) -> list[str]:
        """Every value that is not empty."""
        return [value for value in self._values.get(name, ()) if value]

    def flag(self, name: str) -> bool:
        """A boolean, in any case; false when absent."""
        match self.last(name).lower():
            case "true" | "1" | "yes":
                return True
            case "false" | "0" | "no" | "":
                return False
            case other:
                raise Refused(f"{name}={other[:40]!r}: say true or false", code="bad_option")

    def read(self, name: str, kind: Callable[[str], _Value], wanted: str) -> _Value:
        """A value of a kind."""
        value = self.last(name)
        try:
            return kind(value)
        except ValueError as error:
            raise Refused(f"{name}={value[:40]!r}: give {wanted}", code="bad_option") from error


_Number = TypeVar("_Number", int, float)


def _in(name: str, value: _Number, low: _Number, high: _Number) -> _Number:
    if not low <= value <= high:
        raise Refused(f"{name}={value} is outside {low}-{high}", code="bad_option")
    return value
