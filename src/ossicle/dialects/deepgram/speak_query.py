"""The query of `/v1/speak`: voice, format and pace. Unknown parameters are ignored.

The vendor's model names (`aura-2-thalia-en`, `flux-haley-en`) name no voice here: their last part
chooses the language. Any other name is a voice of the engine.
"""

import re
from typing import Any

import msgspec

from ossicle.core.commands import Configure, Report
from ossicle.core.errors import Refused
from ossicle.core.formats import AudioFormat, parse_format
from ossicle.core.options import Options, merged
from ossicle.core.wire import Opening

from .callback import reports_of
from .credentials import credential_of

__all__ = [
    "Asked",
    "asked_of",
    "check_flux",
    "check_pace",
    "configure_of",
    "file_asked_of",
    "query_of",
    "raw_format",
]

_AURA = re.compile(r"(?:aura(?:-\d+)?|flux)-[a-z0-9]+-([a-z]{2})$")
_RAW = {"linear16": "pcm_s16le", "mulaw": "mulaw", "alaw": "alaw"}
_SPELLED = {encoding: name for name, encoding in _RAW.items()}
_DEFAULT_MODEL = "aura-asteria-en"
_RATES = {"linear16": 24_000, "flac": 24_000, "mp3": 22_050, "aac": 22_050, "opus": 48_000}


class Asked(msgspec.Struct, frozen=True):
    """What is to be spoken, and as what."""

    model: str
    encoding: str
    sample_rate: int
    speed: float
    container: str = ""
    bit_rate: int | None = None
    report_to: tuple[Report, ...] = ()
    """Where `callback` wants the file."""


def asked_of(opening: Opening) -> Asked:
    """What a WebSocket asks for: bare samples.

    Raises:
        Refused: an encoding that is not made of samples, or a value out of range.
    """
    encoding = (opening.param("encoding") or "linear16").lower()
    if encoding not in _RAW:
        raise Refused(
            f"encoding {encoding[:40]!r} is not streamed; use one of {', '.join(_RAW)}, or POST "
            "for a file",
            code="unsupported_audio",
        )
    return _asked(opening, encoding)


def file_asked_of(opening: Opening) -> Asked:
    """What a POST asks for; the encoder judges what it cannot write.

    Raises:
        Refused: a value out of range.
    """
    encoding = (opening.param("encoding") or "mp3").lower()
    asked = _asked(opening, encoding)
    bits = opening.param("bit_rate")
    return msgspec.structs.replace(
        asked,
        container=opening.param("container").lower(),
        bit_rate=_whole("bit_rate", bits) if bits else None,
        report_to=reports_of(opening.param("callback"), opening.param("callback_method")),
    )


def check_flux(opening: Opening) -> None:
    """What `/v2/speak` asks for besides.

    Raises:
        Refused: no model, or a value out of the range that the vendor publishes.
    """
    if not opening.param("model"):
        raise Refused("model is required on /v2/speak", code="bad_option")
    expressivity = opening.param("expressivity") or "0"
    if expressivity not in {"-2", "-1", "0", "1", "2"}:
        raise Refused(f"expressivity {expressivity[:20]!r} is not -2 to 2", code="bad_option")
    speed = opening.param("speed") or "1"
    try:
        code = check_pace(float(speed))
    except ValueError:
        code = "not a number"
    if code is not None:
        raise Refused(
            f"speed {speed[:20]!r}: 0.5 to 1.5, in steps of 0.05 ({code})", code="bad_option"
        )


def check_pace(speed: float) -> str | None:
    """The vendor's code for a pace it does not take on `/v2/speak`; None = it takes it."""
    if not 0.5 <= speed <= 1.5:
        return "SPEED_OUT_OF_RANGE"
    steps = speed / 0.05
    return None if abs(steps - round(steps)) < 1e-6 else "SPEED_INCREMENT_INVALID"


def _asked(opening: Opening, encoding: str) -> Asked:
    rate = opening.param("sample_rate")
    sample_rate = _whole("sample_rate", rate) if rate else _RATES.get(encoding, 8_000)
    parse_format("pcm_s16le", sample_rate)
    speed = opening.param("speed") or "1"
    try:
        pace = float(speed)
    except ValueError:
        pace = float("nan")
    if not 0.25 <= pace <= 4.0:
        raise Refused(f"speed {speed[:20]!r} is not a number in 0.25-4", code="bad_option")
    return Asked(opening.param("model") or _DEFAULT_MODEL, encoding, sample_rate, pace)


def _whole(name: str, value: str) -> int:
    if not (value.isascii() and value.isdecimal()) or len(value) > 9:
        raise Refused(f"{name} {value[:20]!r} is not a whole number", code="bad_option")
    return int(value)


def configure_of(opening: Opening, asked: Asked, speaks: AudioFormat) -> Configure:
    """The session that says it.

    Raises:
        Refused: a value out of range.
    """
    synthesis: dict[str, Any] = {"speed": asked.speed}
    aura = _AURA.match(asked.model.lower())
    if aura is not None:
        synthesis["language"] = aura[1]
    else:
        synthesis["voice"] = asked.model
    patch: dict[str, Any] = {"synthesis": synthesis}
    if tag := opening.param("tag"):
        patch["label"] = tag
    merged(Options(), patch)
    # It sends no sound; naming a format lets the engine open at once.
    return Configure(
        patch=patch,
        format=AudioFormat(),
        speaks=speaks,
        credential=credential_of(opening),
        report_to=asked.report_to,
    )


def raw_format(asked: Asked) -> AudioFormat:
    """Bare samples of an encoding."""
    return parse_format(_RAW[asked.encoding], asked.sample_rate)


def query_of(configure: Configure) -> list[tuple[str, str]]:
    """The query that asks for this."""
    synthesis = merged(Options(), configure.patch).synthesis
    speaks = configure.speaks or AudioFormat("pcm_s16le", 24_000)
    language = synthesis.language.split("-", maxsplit=1)[0].lower() or "en"
    query = [
        ("model", synthesis.voice or f"aura-asteria-{language}"),
        ("encoding", _SPELLED.get(speaks.encoding, "linear16")),
        ("sample_rate", str(speaks.sample_rate)),
    ]
    if synthesis.speed != 1.0:
        query.append(("speed", f"{synthesis.speed:g}"))
    return query
