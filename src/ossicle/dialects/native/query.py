"""The query string of `/v1/stream`: every option by a flat name, the same names everywhere.

/v1/stream?encoding=pcm_s16le&sample_rate=16000&language=en&hint=ossicle&silence_ms=500
"""

import difflib
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from ossicle.core.commands import Configure, Join, Report
from ossicle.core.deadline import LONGEST_S
from ossicle.core.errors import Refused
from ossicle.core.formats import AudioFormat, parse_format

__all__ = ["NAMES", "configure_of", "flat_of"]


def _flag(value: str) -> bool:
    if value.lower() in {"true", "1", "yes", "on", ""}:
        return True
    if value.lower() in {"false", "0", "no", "off"}:
        return False
    raise ValueError("say true or false")


def _tools(values: Iterable[str]) -> list[Any]:
    """`tool={"name": …}`, repeated; what does not fit is said where options are merged."""
    tools: list[Any] = []
    for value in values:
        try:
            tools.append(msgspec.json.decode(value))
        except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
            raise Refused("parameter tool is no JSON object", code="bad_option") from error
    return tools


def _hints(values: Iterable[str]) -> list[dict[str, Any]]:
    """`hint=word` or `hint=word:2.5`, repeated."""
    hints: list[dict[str, Any]] = []
    for value in values:
        text, colon, boost = value.rpartition(":")
        try:
            hints.append(
                {"text": text, "boost": float(boost)} if colon and text else {"text": value}
            )
        except ValueError:
            hints.append({"text": value})
    return hints


NAMES: dict[str, tuple[str, Callable[[str], Any]]] = {
    "language": ("recognition.language", str),
    "model": ("recognition.model", str),
    "interim_results": ("recognition.interim_results", _flag),
    "word_times": ("recognition.word_times", _flag),
    "alternatives": ("recognition.alternatives", int),
    "only_hints": ("recognition.only_hints", _flag),
    "diarize": ("recognition.diarize", _flag),
    "punctuate": ("recognition.punctuate", _flag),
    "profanity_filter": ("recognition.profanity_filter", _flag),
    "multichannel": ("recognition.channels", str),
    "final": ("recognition.final", str),
    "silence_ms": ("recognition.turns.silence_ms", int),
    "max_turn_ms": ("recognition.turns.max_ms", int),
    "threshold": ("recognition.turns.threshold", float),
    "eager": ("recognition.turns.eager", float),
    "confidence": ("recognition.turns.confidence", float),
    "least_ms": ("recognition.turns.least_ms", int),
    "detect_turns": ("recognition.turns.detect", _flag),
    "voice": ("synthesis.voice", str),
    "voice_language": ("synthesis.language", str),
    "speed": ("synthesis.speed", float),
    "answers": ("answers.wanted", _flag),
    "answer_turns": ("answers.auto", _flag),
    "interrupt": ("answers.interrupt", _flag),
    "answer_results": ("answers.resume", _flag),
    "answer_aloud": ("answers.aloud", _flag),
    "instructions": ("answers.instructions", str),
    "tool_choice": ("answers.tool_choice", str),
    "max_tokens": ("answers.max_tokens", int),
    "overload": ("overload", str),
    "label": ("label", str),
    "strict": ("strict", _flag),
}
"""Flat name → dotted name in `Options`, and how its text is read."""

_OTHERS = {
    "encoding", "sample_rate", "channels", "hint", "tool", "speaks", "speaks_rate",
    "token", "resume", "since", "settled_ms", "turn", "session", "role",
    "transcript_url", "audio_from", "within_s", "traceparent", "node",
}  # fmt: skip


def configure_of(
    query: Iterable[tuple[str, str]],
    content_type: str = "",
    credential: str | None = None,
    *,
    in_url: bool = False,
) -> Configure:
    """The first `Configure` of a connection.

    Args:
        query: names and values, in order.
        content_type: of the audio, where a header says it.
        credential: a key or token.
        in_url: that stood in the URL.

    Raises:
        Refused: an unknown name (with the nearest known one) or a value that cannot be read.
        BadAudio: a format that is not taken.
    """
    items = tuple(query)
    one: dict[str, str] = {}
    patch: dict[str, Any] = {}
    hints: list[str] = []
    tools: list[str] = []
    urls: list[str] = []
    for name, value in items:
        if name == "hint":
            hints.append(value)
        elif name == "tool":
            tools.append(value)
        elif name == "transcript_url":
            urls.append(value)
        elif name in _OTHERS:
            one[name] = value
        elif name in NAMES:
            path, read = NAMES[name]
            _set(patch, path, _read(name, value, read))
        else:
            near = difflib.get_close_matches(name, [*NAMES, *_OTHERS], 1)
            raise Refused(
                f"parameter {name[:60]!r} is not known"
                + (f"; did you mean {near[0]!r}?" if near else ""),
                code="bad_option",
            )
    if hints:
        _set(patch, "recognition.hints", _hints(hints))
    if tools:
        _set(patch, "answers.tools", _tools(tools))
    join = _join(one)
    if join is not None and one.get("audio_from"):
        raise Refused("audio_from opens a new session; it joins none", code="bad_option")
    return Configure(
        patch=patch,
        format=_format(one, content_type),
        speaks=_speaks(one),
        credential=credential,
        credential_in_url=in_url,
        join=join,
        report_to=tuple(Report(url) for url in urls),
        audio_from=one.get("audio_from", ""),
        within_s=_within(one),
    )


def flat_of(configure: Configure) -> list[tuple[str, str]]:
    """The query that says the same; the mirror of `configure_of`.

    Raises:
        Refused: an option that has no flat name.
    """
    query: list[tuple[str, str]] = []
    if (source := configure.format) is not None:
        query.append(("encoding", source.encoding))
        query.append(("sample_rate", str(source.sample_rate)))
        query.append(("channels", str(source.channels)))
    if (speaks := configure.speaks) is not None:
        query.append(("speaks", speaks.encoding))
        query.append(("speaks_rate", str(speaks.sample_rate)))
    paths = {path: name for name, (path, _) in NAMES.items()}
    for path, value in _leaves(configure.patch, ""):
        if path == "recognition.hints":
            for hint in value or ():
                boost = hint.get("boost")
                query.append(
                    ("hint", hint["text"] if boost is None else f"{hint['text']}:{boost:g}")
                )
        elif path == "answers.tools":
            query += [("tool", msgspec.json.encode(tool).decode()) for tool in value or ()]
        elif path not in paths:
            raise Refused(f"option {path!r} has no parameter", code="bad_option")
        elif value is not None:
            text = str(value).lower() if isinstance(value, bool) else str(value)
            query.append((paths[path], text))
    query += [("transcript_url", report.url) for report in configure.report_to]
    if configure.audio_from:
        query.append(("audio_from", configure.audio_from))
    if configure.within_s is not None:
        query.append(("within_s", f"{configure.within_s:.3f}"))
    if (join := configure.join) is not None:
        if join.token:
            query += [("resume", join.token), ("since", str(join.since)), ("turn", str(join.turn))]
            if join.settled_ms is not None:
                query.append(("settled_ms", str(join.settled_ms)))
        else:
            query += [("session", join.session), ("role", join.role), ("since", str(join.since))]
    return query


def _within(one: dict[str, str]) -> float | None:
    text = one.get("within_s")
    if text is None:
        return None
    within = _read("within_s", text, float)
    if not 0 < within <= LONGEST_S:
        raise Refused(
            f"parameter within_s={text[:60]!r} is not over 0 and at most {LONGEST_S:g} seconds",
            code="bad_option",
        )
    return within


def _leaves(patch: dict[str, Any], path: str) -> Iterable[tuple[str, Any]]:
    for name, value in patch.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{path}{name}.")  # pyright: ignore[reportUnknownArgumentType]
        else:
            yield f"{path}{name}", value


def _read(name: str, value: str, read: Callable[[str], Any]) -> Any:
    try:
        return read(value)
    except ValueError as error:
        raise Refused(f"parameter {name}={value[:60]!r}: {error}", code="bad_option") from error


def _set(patch: dict[str, Any], path: str, value: object) -> None:
    *parents, leaf = path.split(".")
    for parent in parents:
        patch = patch.setdefault(parent, {})
    patch[leaf] = value


def _number(one: dict[str, str], name: str, default: int) -> int:
    value = _read(name, one.get(name, str(default)), int)
    if not 0 <= value <= 2**53:
        raise Refused(f"parameter {name}={value} is out of range", code="bad_option")
    return value


_CONTENT_TYPES = {
    "audio/wav": "wav",
    "audio/x-wav": "wav",
    "audio/wave": "wav",
    "audio/vnd.wave": "wav",
    "audio/webm": "webm",
    "video/webm": "webm",
    "audio/ogg": "ogg",
    "application/ogg": "ogg",
    "audio/opus": "ogg",
    "audio/mpeg": "mp3",
    "audio/mp3": "mp3",
    "audio/aac": "aac",
    "audio/aacp": "aac",
    "audio/flac": "flac",
    "audio/x-flac": "flac",
    "audio/amr": "amr_nb",
    "audio/amr-wb": "amr_wb",
    "audio/speex": "ogg",
    "audio/g729": "g729",
    "audio/basic": "mulaw",
    "audio/pcmu": "mulaw",
    "audio/pcma": "alaw",
    "audio/l16": "pcm_s16be",
    "audio/pcm": "pcm_s16le",
}
"""RFC 2046, 3551, 4856, 4867, 5574 and common usage. Anything else: recognised by the first bytes
(curl sends application/x-www-form-urlencoded unless told otherwise)."""


def _format(one: dict[str, str], content_type: str) -> AudioFormat | None:
    kind, _, parameters = content_type.partition(";")
    encoding = _CONTENT_TYPES.get(kind.strip().lower(), "")
    given = {
        name.strip().lower(): value.strip().strip('"')
        for name, _, value in (part.partition("=") for part in parameters.split(";"))
    }
    rate = 8_000 if encoding in {"mulaw", "alaw"} else 16_000
    if encoding and "rate" in given:
        rate = _read("rate", given["rate"], int)
    channels = _read("channels", given.get("channels", "1"), int) if encoding else 1
    if not encoding and not {"encoding", "sample_rate", "channels"} & one.keys():
        return None
    return parse_format(
        one.get("encoding", encoding or "pcm_s16le"),
        _number(one, "sample_rate", rate),
        _number(one, "channels", channels),
    )


def _speaks(one: dict[str, str]) -> AudioFormat | None:
    if "speaks" not in one and "speaks_rate" not in one:
        return None
    return parse_format(one.get("speaks", "pcm_s16le"), _number(one, "speaks_rate", 16_000))


def _join(one: dict[str, str]) -> Join | None:
    if "resume" in one:
        settled = _number(one, "settled_ms", 0) if "settled_ms" in one else None
        return Join(
            token=one["resume"],
            since=_number(one, "since", 0),
            settled_ms=settled,
            turn=_number(one, "turn", 0),
        )
    if "session" not in one:
        return None
    role = one.get("role", "observer")
    if role not in {"observer", "controller"}:
        raise Refused(
            f"role={role[:40]!r}: join as observer or controller, or resume with a token",
            code="bad_option",
        )
    return Join(
        session=one["session"],
        since=_number(one, "since", 0),
        role="controller" if role == "controller" else "observer",
    )
