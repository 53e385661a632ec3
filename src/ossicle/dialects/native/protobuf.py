"""`ossicle.v1` in protobuf: the same messages as in JSON, spelt as `proto/ossicle/v1/speech.proto`
says. A message goes through the types of `messages`, so bounds and meanings stand once.

    write_event(Notice(code="x", text="y"))     # bytes of a StreamResponse
    read_event(data)                            # and back

Descriptors say how a value is written: a text is an enum where the field is one, a list that may
be absent is a message with `items`, and in options what is absent is left alone.
"""

import base64
from functools import cache
from typing import Any, cast

import msgspec

from ossicle.core import events
from ossicle.core.commands import Command, Configure, Join, Report
from ossicle.core.errors import BadMessage, Fault, Refused
from ossicle.dialects.protobuf import decode_error, message_class

from .byhand import write_flow, write_transcript
from .messages import (
    ClientMessage,
    ServerMessage,
    StartMessage,
    TranscriptMessage,
    command_of,
    event_of,
    message_of,
    request_of,
)

__all__ = [
    "KEEP_ALIVE",
    "read_answer",
    "read_event",
    "read_fault",
    "read_listen",
    "read_question",
    "read_request",
    "read_start",
    "write_answer",
    "write_event",
    "write_fault",
    "write_listen",
    "write_question",
    "write_request",
    "write_start",
]

_PACKAGE = "ossicle.v1."
_MOST = 2**53
KEEP_ALIVE = b"\x4a\x00"
"""A StreamRequest with an empty `keep_alive`, field 9."""
_AS_THEY_ARE = (bytes,)

# ── requests ──


def read_request(data: bytes) -> Command | None:
    """What a later StreamRequest asks; None = nothing. Sound is `audio_in`'s.

    Raises:
        BadMessage: it is none, or out of range.
        BadAudio: a format that is not taken.
    """
    request = _parse("StreamRequest", data)
    name = cast("str | None", request.WhichOneof("request"))
    match name:
        case None:
            raise BadMessage("a StreamRequest with nothing in it")
        case "start":
            raise BadMessage("the session was started; options change by `configure`")
        case "audio":
            raise BadMessage("audio stands alone in its message")
        case "configure":
            asked = request.configure
            patch = _options_in(asked.options, tuple(asked.reset))
            return _configure(asked, patch, request.ref)
        case _:
            values = _values(getattr(request, name))
            values["ref"] = request.ref
            return command_of(
                cast("ClientMessage", _convert(values | {"type": name}, ClientMessage))
            )


def write_request(command: Command) -> bytes:
    """The StreamRequest that says a command.

    Raises:
        Refused: options without a name.
    """
    if isinstance(command, Configure):
        fields = _configured(command)
        options, reset = _options_out(command.patch)
        inside = fields | {"options": options, "reset": reset}
        return _write("StreamRequest", {"ref": command.ref, "configure": inside})
    message = request_of(command)
    values = _plain(message)
    name = values.pop("type")
    ref = values.pop("ref", "")
    return _write("StreamRequest", {"ref": ref, name: values})


def read_start(data: bytes, credential: str | None) -> Configure:
    """The Configure of the first StreamRequest.

    Raises:
        BadMessage: it is not a start.
        BadAudio: a format that is not taken.
    """
    request = _parse("StreamRequest", data)
    if request.WhichOneof("request") != "start":
        raise BadMessage("the first message of a call is `start`; audio and requests follow it")
    return _started(request.start, credential, request.ref)


def write_start(configure: Configure) -> bytes:
    """The first StreamRequest; its mirror."""
    return _write("StreamRequest", {"ref": configure.ref, "start": _start(configure)})


def _started(start: Any, credential: str | None, ref: str = "") -> Configure:
    configure = _configure(start, _options_in(start.options, ()), ref)
    join = _joined(start.join) if start.HasField("join") else None
    if join is not None and start.audio_from:
        raise BadMessage("audio_from opens a new session; it joins none")
    if len(start.audio_from) > 2_000:
        raise BadMessage("audio_from has 2000 characters at most")
    return msgspec.structs.replace(
        configure, credential=credential, join=join, audio_from=start.audio_from
    )


def _start(configure: Configure) -> dict[str, Any]:
    options, _ = _options_out(configure.patch)  # at the start defaults are in force already
    values = _configured(configure) | {"options": options, "audio_from": configure.audio_from}
    if (join := configure.join) is not None:
        if join.token:
            values["join"] = {
                "token": join.token,
                "since": join.since,
                "settled_ms": join.settled_ms,
                "turn": join.turn,
            }
        else:
            values["join"] = {"session": join.session, "since": join.since, "role": join.role}
    return values


def _configured(configure: Configure) -> dict[str, Any]:
    source, speaks = configure.format, configure.speaks
    return {
        "encoding": source.encoding if source else None,
        "sample_rate": source.sample_rate if source else None,
        "channels": source.channels if source else None,
        "speaks": msgspec.to_builtins(speaks) if speaks else None,
        "transcript_urls": [report.url for report in configure.report_to],
    }


def _configure(message: Any, patch: dict[str, Any], ref: str) -> Configure:
    """From a Start or a Configure: both have these fields."""
    values = {
        name: getattr(message, name)
        for name in ("encoding", "sample_rate", "channels")
        if message.HasField(name)
    }
    if message.HasField("speaks"):
        values["speaks"] = _values(message.speaks)
    if patch:
        values["options"] = patch
    start = cast("StartMessage", _convert(values | {"ref": ref}, StartMessage))
    command = cast("Configure", command_of(start))
    urls = tuple(message.transcript_urls)
    if any(len(url) > 2_000 for url in urls):
        raise BadMessage("a transcript URL has 2000 characters at most")
    return msgspec.structs.replace(command, report_to=tuple(Report(url) for url in urls))


def _joined(join: Any) -> Join:
    counts = {name: getattr(join, name) for name in ("since", "turn", "settled_ms")}
    for name, value in counts.items():
        if not 0 <= value <= _MOST:
            raise BadMessage(f"join.{name}={value} is out of range")
    if join.token:
        settled = counts["settled_ms"] if join.HasField("settled_ms") else None
        return Join(token=join.token, since=join.since, settled_ms=settled, turn=counts["turn"])
    if not 0 < len(join.session) <= 200:
        raise BadMessage("join: give the token of your session, or the name of another one")
    role = _values(join).get("role", "observer")
    return Join(session=join.session, since=join.since, role=role)


# ── events ──


def read_event(data: bytes) -> events.Event:
    """The event in a StreamResponse or a ListenResponse, which are alike.

    Raises:
        BadMessage: there is none.
    """
    event = _parse("StreamResponse", data).event
    name = cast("str | None", event.WhichOneof("event"))
    if name is None:
        raise BadMessage("a response without an event that is known here")
    values = _values(getattr(event, name)) | {"type": name, "seq": event.seq, "ref": event.ref}
    return event_of(cast("ServerMessage", _convert(values, ServerMessage)))


def write_event(event: events.Event) -> bytes:
    """The StreamResponse (and ListenResponse) that tells an event."""
    if type(event) is events.Transcript and (written := write_transcript(event)) is not None:
        return written
    if type(event) is events.Flow and (written := write_flow(event)) is not None:
        return written
    return _write("StreamResponse", {"event": _event(event)})


def _event(event: events.Event) -> dict[str, Any]:
    values = _plain(message_of(event))
    if isinstance(event, events.AudioOut):
        values["data"] = event.data
    if isinstance(event, events.Transcript):
        values["side"] = event.side  # JSON leaves the default out; an enum should say it
    name = values.pop("type")
    return {"seq": values.pop("seq", 0), "ref": values.pop("ref", ""), name: values}


def read_fault(data: bytes) -> Fault:
    """The error of a call, from its trailing metadata.

    Raises:
        BadMessage: it is none.
    """
    return cast("Fault", _convert(_values(_parse("Fault", data)), Fault))


def write_fault(fault: Fault) -> bytes:
    """For `ossicle-fault-bin`."""
    return _write("Fault", msgspec.to_builtins(fault))


# ── following, and asking once ──


def read_listen(data: bytes) -> tuple[Join, bool]:
    """Whom to follow, and whether with sound.

    Raises:
        BadMessage: nobody, or numbers out of range.
    """
    asked = _parse("ListenRequest", data)
    if not 0 < len(asked.session) <= 200:
        raise BadMessage(f"a session's name has 1 to 200 characters, not {len(asked.session)}")
    if not 0 <= asked.since <= _MOST:
        raise BadMessage(f"since={asked.since}: the last seq you have")
    if not 0 <= asked.wait_s <= 600:
        raise BadMessage(f"wait_s={asked.wait_s}: 0 to 600 seconds")
    join = Join(session=asked.session, since=asked.since, role="observer", wait_s=asked.wait_s)
    return join, bool(asked.audio)


def write_listen(join: Join, audio: bool) -> bytes:
    """Its mirror."""
    values = {"session": join.session, "since": join.since, "wait_s": join.wait_s, "audio": audio}
    return _write("ListenRequest", values)


def read_question(data: bytes, credential: str | None) -> tuple[Configure, bytes]:
    """What a RecognizeRequest asks for, and its audio.

    Raises:
        BadMessage: it is none.
        BadAudio: a format that is not taken.
    """
    asked = _parse("RecognizeRequest", data)
    return _started(asked.start, credential), cast("bytes", asked.audio)


def write_question(configure: Configure, audio: bytes) -> bytes:
    """Its mirror."""
    return _write("RecognizeRequest", {"start": _start(configure), "audio": audio})


def write_answer(
    transcripts: list[events.Transcript], audio_ms: int, session: str, engine: str
) -> bytes:
    """A RecognizeResponse."""
    said = [_plain(message_of(each)) for each in transcripts]
    for each in said:
        del each["type"]
        each.pop("seq", None)
        each.pop("ref", None)
    values = {"transcripts": said, "audio_ms": audio_ms, "session": session, "engine": engine}
    return _write("RecognizeResponse", values)


def read_answer(data: bytes) -> tuple[list[events.Transcript], int, str, str]:
    """Its mirror.

    Raises:
        BadMessage: it is none.
    """
    answer = _parse("RecognizeResponse", data)
    said = [
        event_of(cast("TranscriptMessage", _convert(_values(each), TranscriptMessage)))
        for each in answer.transcripts
    ]
    return cast("list[events.Transcript]", said), answer.audio_ms, answer.session, answer.engine


# ── options: a merge patch (RFC 7396) as fields that may be absent ──


def _options_in(message: Any, reset: tuple[str, ...]) -> dict[str, Any]:
    patch = _values(message)
    for path in reset:
        *parents, leaf = path.split(".")
        place = patch
        for name in parents:
            inner = place.setdefault(name, {})
            if not isinstance(inner, dict):
                raise BadMessage(f"reset: {path[:80]!r} is no option")
            place = cast("dict[str, Any]", inner)
        place[leaf] = None
    return patch


def _options_out(patch: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Values, and the names of those that get their default again.

    Raises:
        Refused: a name that the messages do not have.
    """
    reset: list[str] = []

    def walk(given: dict[str, Any], plan: "_Plan", path: str) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for name, value in given.items():
            if name not in plan:
                raise Refused(f"option {path + name[:40]!r} is not known", code="bad_option")
            if value is None:
                reset.append(path + name)
            elif isinstance(value, dict) and (inner := plan[name].inner) is not None:
                values[name] = walk(cast("dict[str, Any]", value), inner, f"{path}{name}.")
            else:
                values[name] = value
        return values

    return walk(patch, _plan(message_class(_PACKAGE + "Options").DESCRIPTOR), ""), reset


# ── values and runtime messages ──


class _Field(msgspec.Struct, frozen=True):
    """How one field is written."""

    number: dict[str, int]
    """Of an enum: its texts."""
    text: dict[int, str]
    inner: "_Plan | None"
    """Of a message."""
    listed: bool
    """`repeated`, or a message with `items`."""
    wrapped: bool
    binary: bool
    presence: bool


_Plan = dict[str, _Field]


@cache
def _plan(descriptor: Any) -> _Plan:
    return {field.name: _field(field) for field in descriptor.fields}


def _field(field: Any) -> _Field:
    kind, items = field.message_type, None
    if kind is not None and [each.name for each in kind.fields] == ["items"]:
        items = kind.fields[0]
        kind = items.message_type
    number: dict[str, int] = {}
    if field.enum_type is not None:
        names = {each.number: each.name for each in field.enum_type.values}
        prefix = len(names[0].removesuffix("UNSPECIFIED"))
        number = {name[prefix:].lower(): value for value, name in names.items() if value}
    return _Field(
        number,
        {value: name for name, value in number.items()},
        _plan(kind) if kind is not None else None,
        field.is_repeated or items is not None,
        items is not None,
        field.type == field.TYPE_BYTES,
        field.has_presence,
    )


def _fill(values: dict[str, Any], plan: _Plan) -> dict[str, Any]:
    """What the runtime's constructor takes. Names it does not know are an error there."""
    filled: dict[str, Any] = {}
    for name, value in values.items():
        if value is None:
            continue
        field = plan[name]
        if field.number:
            filled[name] = _enum(field, value, name)
        elif field.inner is not None and field.listed:
            inner = field.inner
            items = [_fill(each, inner) for each in value]
            filled[name] = {"items": items} if field.wrapped else items
        elif field.inner is not None:
            filled[name] = _fill(value, field.inner)
        elif field.binary and isinstance(value, str):
            filled[name] = base64.b64decode(value)  # as JSON spells it
        else:
            filled[name] = value
    return filled


def _enum(field: _Field, value: object, name: str) -> int:
    number = field.number.get(value) if isinstance(value, str) else None
    if number is None:
        known = ", ".join(field.number)
        raise Refused(f"{name}={str(value)[:40]!r}: one of {known}", code="bad_option")
    return number


def _values(message: Any) -> dict[str, Any]:
    """A runtime message as plain values. Of options and faults, what is absent is left out;
    elsewhere it is None where it is a number or a text."""
    patch = message.DESCRIPTOR.name.endswith(("Options", "Fault"))
    values: dict[str, Any] = {}
    for name, field in _plan(message.DESCRIPTOR).items():
        if field.presence and not message.HasField(name):
            if not patch and field.inner is None:
                values[name] = None
            continue
        value = getattr(message, name)
        if field.text:
            text = field.text.get(value)
            if text is not None:  # unspecified, or of a later version: the default
                values[name] = text
        elif field.listed:
            held = value.items if field.wrapped else value
            values[name] = list(held) if field.inner is None else [_values(each) for each in held]
        else:
            values[name] = value if field.inner is None else _values(value)
    return values


def _plain(message: ClientMessage | ServerMessage) -> dict[str, Any]:
    return cast("dict[str, Any]", msgspec.to_builtins(message, builtin_types=_AS_THEY_ARE))


def _convert(values: dict[str, Any], kind: Any) -> Any:
    try:
        return msgspec.convert(values, kind, builtin_types=_AS_THEY_ARE)
    except (msgspec.ValidationError, RecursionError) as error:
        raise BadMessage(f"not a message of ossicle.v1: {str(error)[:300]}") from error


def _parse(name: str, data: bytes) -> Any:
    wire, broken = _runtime(name)
    try:
        return wire.FromString(data)
    except broken as error:
        raise BadMessage(f"{len(data)} bytes are no {name} of ossicle.v1") from error


def _write(name: str, values: dict[str, Any]) -> bytes:
    wire, _ = _runtime(name)
    filled = _fill(values, _plan(wire.DESCRIPTOR))
    return cast("bytes", wire(**filled).SerializeToString(deterministic=True))


@cache
def _runtime(name: str) -> tuple[Any, type[Exception]]:
    wire = message_class(_PACKAGE + name)
    return wire, decode_error()
