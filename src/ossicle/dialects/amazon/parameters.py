"""What a request asks for: `x-amzn-transcribe-*` headers over HTTP/2, the same names without that
prefix in the query of a WebSocket.

    asked = read_parameters({"language-code": "en-US", "media-encoding": "pcm",
                             "sample-rate": "16000"}, Lists())
    asked.format, asked.patch

Unknown names are ignored, as the service does. What is known and cannot be done here is ignored
too and named in `Asked.ignored`, but for one: who asks for speech to be redacted is refused, for
nothing here would redact it.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from ossicle.core.errors import Refused
from ossicle.core.formats import AudioFormat
from ossicle.core.wire import Opening

from .items import Filter

__all__ = ["PREFIX", "Asked", "Lists", "given_in", "read_parameters"]

PREFIX = "x-amzn-transcribe-"

_ENCODINGS = {
    "pcm": "pcm_s16le",
    "flac": "flac",
    "ogg-opus": "ogg",
    "g711-alaw": "alaw",
    "g711-ulaw": "mulaw",
    "g729": "g729",
}
_G729_RATE = 8_000
"""There is no other."""
_RATES = (8_000, 48_000)
_TRUE, _FALSE = frozenset({"true", "1", "yes"}), frozenset({"false", "0", "no", ""})
_SESSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,199}")
_MOST_HINTS = 1_000
_ECHOED = (
    "language-code", "sample-rate", "media-encoding", "vocabulary-name", "vocabulary-names",
    "vocabulary-filter-name", "vocabulary-filter-names", "vocabulary-filter-method",
    "show-speaker-label", "enable-channel-identification", "number-of-channels",
    "enable-partial-results-stabilization", "partial-results-stability", "language-model-name",
    "identify-language", "identify-multiple-languages", "language-options", "preferred-language",
    "content-identification-type", "pii-entity-types", "session-resume-window",
    "transcript-format",
)  # fmt: skip
"""The SDKs show them as fields of the response."""
_VALUE = re.compile(r"[\x20-\x7e]{1,1000}")

WordList = Callable[[str], tuple[str, ...] | None]


def _none(_name: str) -> tuple[str, ...] | None:
    return None


class Lists(msgspec.Struct, frozen=True):
    """Lists of words that this gateway knows by name; None = it knows no list of that name."""

    vocabulary: WordList = _none
    words_filtered: WordList = _none


class Asked(msgspec.Struct, frozen=True):
    """A request, read."""

    format: AudioFormat
    patch: dict[str, Any]
    language: str
    """What results are said to be in where the engine does not tell."""
    session: str = ""
    """The client's own name for the session; empty = one is made."""
    resume_s: float = 0.0
    """How long the session shall wait for its client to come back; 0 = not."""
    channels: int = 1
    """Told apart; 1 = no result names a channel."""
    stable: bool = False
    speakers: bool = False
    identifies: bool = False
    """The language is to be found out."""
    filter: Filter = Filter()
    echo: tuple[tuple[str, str], ...] = ()
    """Parameters for the answer, without prefix."""
    ignored: tuple[str, ...] = ()
    """Parameters that are known and without effect here."""


def given_in(opening: Opening) -> dict[str, str]:
    """The parameters of a request, without their prefix. The last of a name counts."""
    given = {name.lower(): value for name, value in opening.query}
    given |= {
        name.removeprefix(PREFIX): value
        for name, value in opening.headers
        if name.startswith(PREFIX)
    }
    return given


def read_parameters(given: Mapping[str, str], lists: Lists) -> Asked:
    """Read a request.

    Raises:
        Refused: a parameter is missing, is not what it should be, or does not go with another;
            the text names it.
    """
    reader = _Reader(given)
    language, options = _language(reader)
    speakers = reader.flag("show-speaker-label")
    channels = _channels(reader)
    if channels > 1 and speakers:
        raise _bad("show-speaker-label and enable-channel-identification do not go together")
    source = _format(reader, channels)
    stable = reader.flag("enable-partial-results-stabilization")
    reader.choice("partial-results-stability", ("low", "medium", "high"))
    reader.choice("transcript-format", ("written", "spoken"))
    if reader.get("content-redaction-type"):
        raise _bad(
            "content-redaction-type: this gateway redacts nothing; leave it out, and redact what "
            "you keep"
        )
    ignored = [
        name for name in ("content-identification-type", "pii-entity-types") if reader.get(name)
    ]
    hints = _hints(reader, lists, ignored)
    recognition: dict[str, Any] = {"language": language, "punctuate": True}
    if hints:
        recognition["hints"] = [{"text": each} for each in hints]
    if speakers:
        recognition["diarize"] = True
    if channels > 1:
        recognition["channels"] = "split"
    if model := reader.get("language-model-name"):
        recognition["model"] = model
    return Asked(
        format=source,
        patch={"recognition": recognition},
        language=language,
        session=_session(reader),
        resume_s=reader.whole("session-resume-window", 1, 300, 0) * 60.0,
        channels=channels,
        stable=stable,
        speakers=speakers,
        identifies=options,
        filter=_filter(reader, lists, ignored),
        echo=tuple(
            (name, value)
            for name in _ECHOED
            if name not in ignored and _VALUE.fullmatch(value := reader.get(name))
        ),
        ignored=tuple(ignored),
    )


class _Reader:
    """Values by name, with errors that name them."""

    def __init__(self, given: Mapping[str, str]) -> None:
        self._given = given

    def get(self, name: str) -> str:
        """A value; empty = none."""
        return self._given.get(name, "").strip()

    def flag(self, name: str) -> bool:
        """A boolean, in any case: the Python SDK writes `True`."""
        value = self.get(name).lower()
        if value in _TRUE:
            return True
        if value in _FALSE:
            return False
        raise _bad(f"{name}={value[:40]!r}: say true or false")

    def whole(self, name: str, low: int, high: int, default: int | None = None) -> int:
        """A whole number within bounds."""
        value = self.get(name)
        if not value and default is not None:
            return default
        digits = value.isascii() and value.isdigit() and len(value) <= 9
        if not digits or not low <= int(value) <= high:
            raise _bad(f"{name}={value[:40]!r}: give a whole number from {low} to {high}")
        return int(value)

    def choice(self, name: str, choices: tuple[str, ...], default: str = "") -> str:
        """One of these."""
        value = self.get(name).lower() or default
        if value and value not in choices:
            raise _bad(f"{name}={value[:40]!r}: use one of {', '.join(choices)}")
        return value

    def items(self, *names: str) -> list[str]:
        """The items of lists divided by commas."""
        values = ",".join(self.get(name) for name in names)
        return [each.strip() for each in values.split(",") if each.strip()]


def _language(reader: _Reader) -> tuple[str, bool]:
    """The language to hear in, and whether it was to be found out."""
    code = reader.get("language-code")
    one, many = reader.flag("identify-language"), reader.flag("identify-multiple-languages")
    if bool(code) + one + many != 1:
        raise _bad(
            "give exactly one of language-code, identify-language and identify-multiple-languages"
        )
    if code:
        if len(code) > 64:
            raise _bad(f"language-code has {len(code)} characters; the limit is 64")
        return code, False
    options = reader.items("language-options")
    if one and len(options) < 2:
        raise _bad("identify-language needs language-options: two or more, divided by commas")
    preferred = reader.get("preferred-language")
    if preferred and options and preferred not in options:
        raise _bad(f"preferred-language={preferred[:40]!r} is not one of language-options")
    return (preferred or (options[0] if options else "en-US"))[:64], True


def _channels(reader: _Reader) -> int:
    told_apart = reader.flag("enable-channel-identification")
    count = reader.get("number-of-channels")
    if told_apart != bool(count):
        raise _bad("enable-channel-identification and number-of-channels go together")
    return reader.whole("number-of-channels", 2, 2) if told_apart else 1


def _format(reader: _Reader, channels: int) -> AudioFormat:
    encoding = reader.get("media-encoding").lower()
    if encoding not in _ENCODINGS:
        raise _bad(f"media-encoding={encoding[:40]!r}: use one of {', '.join(_ENCODINGS)}")
    rate = reader.whole("sample-rate", *_RATES)
    if encoding == "g729" and (rate, channels) != (_G729_RATE, 1):
        raise _bad(f"media-encoding=g729: the sample-rate is {_G729_RATE}, with one channel")
    return msgspec.convert(
        {"encoding": _ENCODINGS[encoding], "sample_rate": rate, "channels": channels}, AudioFormat
    )


def _session(reader: _Reader) -> str:
    session = reader.get("session-id")
    if session and not _SESSION.fullmatch(session):
        raise _bad("session-id: give 1 to 200 letters, digits and hyphens (a UUID)")
    return session


def _hints(reader: _Reader, lists: Lists, ignored: list[str]) -> list[str]:
    hints: list[str] = []
    for parameter in ("vocabulary-name", "vocabulary-names"):
        for name in reader.items(parameter):
            found = lists.vocabulary(name)
            if found is None and parameter not in ignored:
                ignored.append(parameter)
            hints += found or ()
    return list(dict.fromkeys(hints))[:_MOST_HINTS]


def _filter(reader: _Reader, lists: Lists, ignored: list[str]) -> Filter:
    method = reader.choice("vocabulary-filter-method", ("remove", "mask", "tag"), "mask")
    words: set[str] = set()
    for parameter in ("vocabulary-filter-name", "vocabulary-filter-names"):
        for name in reader.items(parameter):
            found = lists.words_filtered(name)
            if found is None and parameter not in ignored:
                ignored.append(parameter)
            words |= {each.casefold() for each in found or ()}
    return msgspec.convert({"words": frozenset(words), "method": method}, Filter)


def _bad(text: str) -> Refused:
    return Refused(text, code="bad_option")
