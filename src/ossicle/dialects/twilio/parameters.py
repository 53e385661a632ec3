"""The customer's parameters of a stream (`<Parameter>`, custom headers) as a session's options.

They are the only thing a customer can pass along: a stream's URL loses its query on the way.
Names we do not know are the customer's own and are left alone.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from ossicle.core.commands import Configure, Report
from ossicle.core.errors import Refused
from ossicle.core.formats import AudioFormat

from .calls import Start

__all__ = ["NAMES", "Wishes", "configure_of", "wishes_of"]

NAMES = {
    "language": "BCP-47 tag; `lang` is the same.",
    "model": "Name of a model, which routes to an engine.",
    "hints": "Likely words and phrases, separated by commas; `text:2.5` gives a boost.",
    "interim_results": "Partial transcripts for observers and webhooks: true (default) or false.",
    "punctuate": "true or false (default).",
    "diarize": "true or false (default).",
    "profanity_filter": "true or false (default).",
    "silence_ms": "Silence that ends a turn.",
    "overload": "`pause` (default), `drop_oldest` or `refuse`.",
    "voice": "Name of the voice that speaks.",
    "label": "Your own name for the session, shown in lists.",
    "token": "A key or a short-lived token of this gateway.",
    "transcript_url": "Where transcripts are posted to; its host must be allowed.",
    "mode": "`bidi`: the stream is bidirectional and we may speak. Otherwise nothing is ever sent.",
    "say": "Said to the caller at the beginning; needs `mode=bidi`.",
    "barge_in": "A caller who speaks silences us: true (default) or false.",
    "lead_ms": "Send at most so much sound ahead of its time; empty = as soon as it is made.",
}
"""Every parameter, and what it does: the reference page is held to this table."""

_FLAGS = ("interim_results", "punctuate", "diarize", "profanity_filter")
_TEXTS = ("language", "model")
_YES, _NO = frozenset({"true", "1", "yes", "on"}), frozenset({"false", "0", "no", "off"})


class Wishes(msgspec.Struct, frozen=True):
    """What the parameters want of the dialect itself."""

    speaks: bool = False
    """The other end takes sound."""
    say: str = ""
    barge_in: bool = True
    lead_ms: int | None = None


def wishes_of(start: Start) -> Wishes:
    """What is for us.

    Raises:
        Refused: a value that cannot be read; the text names the parameter.
    """
    given = start.parameters
    mode = given.get("mode", "")
    if mode not in {"", "bidi", "uni"}:
        raise _unreadable("mode", "bidi or uni")
    return Wishes(
        speaks=(start.two_way and mode != "uni") or mode == "bidi",
        say=given.get("say", ""),
        barge_in=_flag(given, "barge_in", default=True),
        lead_ms=_number(given, "lead_ms"),
    )


def configure_of(start: Start, wishes: Wishes, credential: str | None) -> Configure:
    """What is for the session.

    Args:
        start: the beginning of the stream.
        wishes: what it asks of the dialect.
        credential: what vouches for the peer if no `token` is given.

    Raises:
        Refused: a value that cannot be read; the text names the parameter.
    """
    given = start.parameters
    recognition: dict[str, Any] = {
        name: _flag(given, name, default=False) for name in _FLAGS if given.get(name)
    }
    recognition |= {name: given[name] for name in _TEXTS if given.get(name)}
    if given.get("lang") and "language" not in recognition:
        recognition["language"] = given["lang"]
    if hints := _hints(given.get("hints", "")):
        recognition["hints"] = hints
    silence_ms = _number(given, "silence_ms")
    if silence_ms is not None:
        recognition["turns"] = {"silence_ms": silence_ms}
    if len(start.tracks) > 1:
        recognition["channels"] = "split"
    patch: dict[str, Any] = {name: given[name] for name in ("overload", "label") if given.get(name)}
    if recognition:
        patch["recognition"] = recognition
    if given.get("voice"):
        patch["synthesis"] = {"voice": given["voice"]}
    if not wishes.barge_in:
        # A telephone sends the gateway's own voice back: an agent is not to be cut off by itself.
        patch["answers"] = {"interrupt": False}
    url = given.get("transcript_url", "")
    return Configure(
        patch=patch,
        format=AudioFormat(start.source.encoding, start.source.sample_rate, len(start.tracks)),
        speaks=start.source if wishes.speaks else None,
        credential=given.get("token") or credential,
        names=tuple(name for name in (start.call, start.stream) if name),
        report_to=(Report(url),) if url else (),
    )


def _hints(value: str) -> list[dict[str, Any]]:
    hints: list[dict[str, Any]] = []
    for item in value.split(","):
        text, _, boost = item.strip().rpartition(":")
        try:
            hint = {"text": text, "boost": float(boost)} if text else {"text": item.strip()}
        except ValueError:
            hint = {"text": item.strip()}
        if hint["text"]:
            hints.append(hint)
    return hints


def _flag(given: Mapping[str, str], name: str, *, default: bool) -> bool:
    value = given.get(name, "").lower()
    if not value:
        return default
    if value in _YES | _NO:
        return value in _YES
    raise _unreadable(name, "true or false")


def _number(given: Mapping[str, str], name: str) -> int | None:
    value = given.get(name, "")
    if not value:
        return None
    if value.isascii() and value.isdigit() and len(value) <= 7:
        return int(value)
    raise _unreadable(name, "whole milliseconds, at most 7 digits")


def _unreadable(name: str, wanted: str) -> Refused:
    return Refused(f"parameter {name} must be {wanted}", code="bad_option")
