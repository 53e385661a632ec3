"""The messages of `ossicle.v1`, each a JSON object with `type`. These types are the specification:
the reference page and the JSON Schema are made from them.

Audio is binary and has no envelope; only a channel without binary messages (JSON lines, SSE)
carries it as base64 in `audio_out.data`. Absent optional fields have the default shown.
"""

from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

from ossicle.core import commands, events
from ossicle.core.errors import BadMessage, Fault
from ossicle.core.events import EndReason, Side, TurnReason, Usage, Word
from ossicle.core.formats import parse_format
from ossicle.core.ledger import LedgerReport
from ossicle.core.options import SynthesisOptions

__all__ = [
    "AskedMessage",
    "AudioOutMessage",
    "BeganMessage",
    "CancelMessage",
    "ClientMessage",
    "ConfiguredMessage",
    "EndMessage",
    "EndedMessage",
    "ErrorBody",
    "FinalizeMessage",
    "FlowMessage",
    "FormatFields",
    "KeepAliveMessage",
    "MarkedMessage",
    "NoticeMessage",
    "PlayedMessage",
    "ServerMessage",
    "SpeakMessage",
    "SpeechEndedMessage",
    "SpeechStartedMessage",
    "StartMessage",
    "TellMessage",
    "ToldMessage",
    "TranscriptMessage",
    "decode_client",
    "decode_server",
    "encode",
    "event_of",
    "message_of",
]

Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
Ref = Annotated[str, msgspec.Meta(max_length=200)]
Name = Annotated[str, msgspec.Meta(max_length=200)]


class FormatFields(msgspec.Struct, frozen=True):
    """An audio format in words."""

    encoding: Name = "pcm_s16le"
    sample_rate: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 16_000
    channels: Annotated[int, msgspec.Meta(ge=1, le=255)] = 1


class _Client(msgspec.Struct, frozen=True, tag_field="type", omit_defaults=True, kw_only=True):
    ref: Ref = ""
    """Your name for this request; what it causes carries it."""


class StartMessage(_Client, frozen=True, tag="start", kw_only=True):
    """Before the first audio: what will be sent, and options. Later: change options."""

    encoding: Name | None = None
    """`pcm_s16le mulaw opus wav webm …`; absent = recognise a container by its first bytes."""
    sample_rate: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] | None = None
    """Hz; 16000 where it is needed and absent."""
    channels: Annotated[int, msgspec.Meta(ge=1, le=255)] | None = None
    """Interleaved channels; 1 when absent."""
    speaks: FormatFields | None = None
    """What you want to hear; absent = the engine's own."""
    options: dict[str, Any] | UnsetType = UNSET
    """Merge patch (RFC 7396) on the options: absent = unchanged, null = default."""
    transcript_url: Annotated[str, msgspec.Meta(max_length=2_000)] | None = None
    """Post events there, too (webhook), if the gateway may reach its host."""


class FinalizeMessage(_Client, frozen=True, tag="finalize", kw_only=True):
    """Decide now: answered by one final transcript with `ends_turn` and this `ref`."""

    at_ms: Count | None = None
    channel: Count | None = None


class SpeakMessage(_Client, frozen=True, tag="speak", kw_only=True):
    """Say this; no text = answer yourself."""

    text: Annotated[str, msgspec.Meta(max_length=100_000)] | None = None
    more: bool = False
    """The same utterance goes on in the next `speak`."""
    options: SynthesisOptions | None = None


class TellMessage(_Client, frozen=True, tag="tell", kw_only=True):
    """Text, digits or a tool's result, for the engine to know."""

    kind: Literal["text", "digits", "result"] = "text"
    text: Annotated[str, msgspec.Meta(max_length=1_000_000)] = ""
    role: Name = "user"
    call: Name = ""


class PlayedMessage(_Client, frozen=True, tag="played", kw_only=True):
    """How far an utterance has been heard."""

    utterance: Name = ""
    until_ms: Count = 0
    mark: Name = ""
    estimated: bool = False


class CancelMessage(_Client, frozen=True, tag="cancel", kw_only=True):
    """Stop speaking (`out`), or forget what was heard since the last final (`in`)."""

    side: Side = "out"
    utterance: Name = ""


class KeepAliveMessage(_Client, frozen=True, tag="keep_alive", kw_only=True):
    """Nothing; keeps proxies from closing an idle connection. Not answered, not counted."""


class EndMessage(_Client, frozen=True, tag="end", kw_only=True):
    """No more audio: the last finals come, then `ended`, then the connection closes."""

    at_ms: Count | None = None
    to: Annotated[str, msgspec.Meta(max_length=2_000)] = ""


ClientMessage: TypeAlias = (
    StartMessage
    | FinalizeMessage
    | SpeakMessage
    | TellMessage
    | PlayedMessage
    | CancelMessage
    | KeepAliveMessage
    | EndMessage
)


class _Server(msgspec.Struct, frozen=True, tag_field="type", omit_defaults=True, kw_only=True):
    seq: Count = 0
    """Number of the event, rising, may skip. Give the last one when you resume."""
    ref: Ref = ""
    """The request that caused it."""


class BeganMessage(_Server, frozen=True, tag="began", kw_only=True):
    """The first message: the session exists."""

    session: str
    token: str = ""
    """To resume with: `?resume=TOKEN&since=SEQ`. As secret as a key."""
    resumed: bool
    """True: the session went on. False: it is new, and so is everything in it."""
    taken_bytes: Count
    """Send your audio on from exactly this byte."""
    taken_commands: Count
    """And your requests from exactly this one (`start` and `keep_alive` are not counted)."""
    engine: str = ""
    options: dict[str, Any]
    """All options in force."""
    expires_at: float | None = None


class ConfiguredMessage(_Server, frozen=True, tag="configured", kw_only=True):
    """The audio was recognised, or options changed: all options in force."""

    options: dict[str, Any]


class SpeechStartedMessage(_Server, frozen=True, tag="speech_started", kw_only=True):
    """Somebody speaks (`in`), or the voice begins (`out`)."""

    side: Side
    turn: Count
    at_ms: int | None
    channel: Count = 0
    utterance: str = ""


class TranscriptMessage(_Server, frozen=True, tag="transcript", kw_only=True):
    """Restates one segment of a turn; `final` freezes it, `ends_turn` closes the turn."""

    text: str
    side: Side = "in"
    turn: Count
    segment: Count
    final: bool
    ends_turn: bool = False
    start_ms: int | None
    end_ms: int | None
    stable: Count = 0
    """Leading characters that will not change."""
    words: tuple[Word, ...] | None = None
    confidence: float | None = None
    end_confidence: float | None = None
    language: str = ""
    channel: Count = 0
    alternatives: tuple[str, ...] = ()
    utterance: str = ""
    usage: Usage | None = None


class SpeechEndedMessage(_Server, frozen=True, tag="speech_ended", kw_only=True):
    """The speaker stopped, and why; the last final of the turn follows."""

    side: Side
    turn: Count
    at_ms: int | None
    reason: TurnReason
    provisional: bool = False
    """May be taken back by `speech_started` with the same turn."""
    confidence: float | None = None
    heard_ms: int | None = None
    channel: Count = 0
    utterance: str = ""
    usage: Usage | None = None


class AudioOutMessage(_Server, frozen=True, tag="audio_out", kw_only=True):
    """Sound: the next binary message is its data, in the format of `configured.options.speaks`."""

    utterance: str
    start_ms: int
    mark: str = ""
    data: bytes = b""
    """Base64, only where the channel has no binary messages."""


class AskedMessage(_Server, frozen=True, tag="asked", kw_only=True):
    """The engine wants a tool called; answer with `tell` of kind `result`."""

    call: str
    name: str
    arguments: str
    utterance: str = ""


class ToldMessage(_Server, frozen=True, tag="told", kw_only=True):
    """What somebody told the engine."""

    kind: Literal["text", "digits", "result"]
    text: str
    role: str = "user"
    call: str = ""


class MarkedMessage(_Server, frozen=True, tag="marked", kw_only=True):
    """A mark was heard, or cleared away unheard."""

    name: str
    """Empty: not a mark. The utterance was cancelled; do not play what you still have of it."""
    utterance: str
    heard_ms: int
    cleared: bool = False


class FlowMessage(_Server, frozen=True, tag="flow", kw_only=True):
    """How far we are. Repeated when nothing else was sent for a while."""

    taken_bytes: Count
    taken_commands: Count
    settled_ms: Count
    """Audio before this is not needed again: forget it."""
    until_ms: Count | None = None
    """You may send audio up to this stream time."""


class NoticeMessage(_Server, frozen=True, tag="notice", kw_only=True):
    """Something to know; the session goes on."""

    level: Literal["info", "warning", "error"]
    code: str
    text: str


class EndedMessage(_Server, frozen=True, tag="ended", kw_only=True):
    """The last message."""

    reason: EndReason
    audio_ms: Count
    session_ms: Count
    error: Fault | None = None
    to: str = ""
    usage: Usage | None = None
    ledger: LedgerReport | None = None


ServerMessage: TypeAlias = (
    BeganMessage
    | ConfiguredMessage
    | SpeechStartedMessage
    | TranscriptMessage
    | SpeechEndedMessage
    | AudioOutMessage
    | AskedMessage
    | ToldMessage
    | MarkedMessage
    | FlowMessage
    | NoticeMessage
    | EndedMessage
)


class ErrorBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """Body of a refusal before the connection is accepted."""

    error: Fault
    session: str = ""


_PAIRS: dict[type[msgspec.Struct], type[msgspec.Struct]] = {
    events.Began: BeganMessage,
    events.Configured: ConfiguredMessage,
    events.SpeechStarted: SpeechStartedMessage,
    events.Transcript: TranscriptMessage,
    events.SpeechEnded: SpeechEndedMessage,
    events.AudioOut: AudioOutMessage,
    events.Asked: AskedMessage,
    events.Told: ToldMessage,
    events.Marked: MarkedMessage,
    events.Flow: FlowMessage,
    events.Notice: NoticeMessage,
    events.Ended: EndedMessage,
}
_EVENTS = {message: event for event, message in _PAIRS.items()}
_FIELDS = {
    message: tuple(field.name for field in msgspec.structs.fields(message)) for message in _EVENTS
}

_encoder = msgspec.json.Encoder()
_client_decoder: msgspec.json.Decoder[ClientMessage] = msgspec.json.Decoder(ClientMessage)
_server_decoder: msgspec.json.Decoder[ServerMessage] = msgspec.json.Decoder(ServerMessage)


def encode(message: ClientMessage | ServerMessage | ErrorBody) -> str:
    """One JSON object, without a line end."""
    return _encoder.encode(message).decode()


def decode_client(text: str) -> ClientMessage:
    """A client's message.

    Raises:
        BadMessage: not JSON, an unknown type, or a field out of range; the text says which.
    """
    try:
        return _client_decoder.decode(text)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        raise BadMessage(f"not a message of ossicle.v1: {_reason(error)}") from error


def decode_server(text: str) -> ServerMessage:
    """A gateway's message.

    Raises:
        BadMessage: it is none.
    """
    try:
        return _server_decoder.decode(text)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        raise BadMessage(f"not a message of ossicle.v1: {_reason(error)}") from error


def _reason(error: BaseException) -> str:
    return "nested too deeply" if isinstance(error, RecursionError) else str(error)[:300]


def message_of(event: events.Event) -> ServerMessage:
    """The wire form of an event; sound is left out, it goes beside."""
    if type(event) is events.Transcript:
        return _transcript(event)
    if type(event) is events.Flow:  # one a second for each session
        return FlowMessage(
            seq=event.seq,
            ref=event.ref,
            taken_bytes=event.taken_bytes,
            taken_commands=event.taken_commands,
            settled_ms=event.settled_ms,
            until_ms=event.until_ms,
        )
    kind = _PAIRS[type(event)]
    values = {
        name: getattr(event, name) for name in _FIELDS[kind] if name not in {"data", "options"}
    }
    if isinstance(event, events.Began | events.Configured):
        values["options"] = msgspec.to_builtins(event.options)
    return kind(**values)  # type: ignore[return-value]


class _Plain(msgspec.Struct, frozen=True, gc=False, tag_field="type", tag="transcript",
             omit_defaults=True):  # fmt: skip
    """A `TranscriptMessage` with what most have, in its order: made in half the time, since its
    fields go by place and there are half as many."""

    seq: int
    text: str
    turn: int
    segment: int
    final: bool
    start_ms: int | None
    end_ms: int | None
    stable: int = 0
    language: str = ""
    channel: int = 0


def transcript_text(event: events.Transcript) -> str:
    """`encode(message_of(event))`, the short way: nearly every message is one."""
    if (
        event.words is None
        and event.confidence is None
        and event.end_confidence is None
        and not event.alternatives
        and not event.utterance
        and event.usage is None
        and event.side == "in"
        and event.seq
        and not event.ref
        and not event.ends_turn
    ):
        return _encoder.encode(
            _Plain(
                event.seq,
                event.text,
                event.turn,
                event.segment,
                event.final,
                event.start_ms,
                event.end_ms,
                event.stable,
                event.language,
                event.channel,
            )
        ).decode()
    return _encoder.encode(_transcript(event)).decode()


def _transcript(event: events.Transcript) -> TranscriptMessage:
    """Field by field: nearly every message is one, and this takes 1.0 us instead of 2.5; without
    what only few engines know, 0.6."""
    if (
        event.words is None
        and event.confidence is None
        and event.end_confidence is None
        and not event.alternatives
        and not event.utterance
        and event.usage is None
    ):
        return TranscriptMessage(
            seq=event.seq,
            ref=event.ref,
            text=event.text,
            side=event.side,
            turn=event.turn,
            segment=event.segment,
            final=event.final,
            ends_turn=event.ends_turn,
            start_ms=event.start_ms,
            end_ms=event.end_ms,
            stable=event.stable,
            language=event.language,
            channel=event.channel,
        )
    return TranscriptMessage(
        seq=event.seq,
        ref=event.ref,
        text=event.text,
        side=event.side,
        turn=event.turn,
        segment=event.segment,
        final=event.final,
        ends_turn=event.ends_turn,
        start_ms=event.start_ms,
        end_ms=event.end_ms,
        stable=event.stable,
        words=event.words,
        confidence=event.confidence,
        end_confidence=event.end_confidence,
        language=event.language,
        channel=event.channel,
        alternatives=event.alternatives,
        utterance=event.utterance,
        usage=event.usage,
    )


def _heard(message: TranscriptMessage) -> events.Transcript:
    """Field by field, as in `_transcript`: what was decoded needs no second look."""
    if (
        message.words is None
        and message.confidence is None
        and message.end_confidence is None
        and not message.alternatives
        and not message.utterance
        and message.usage is None
    ):
        return events.Transcript(
            message.text,
            seq=message.seq,
            ref=message.ref,
            side=message.side,
            turn=message.turn,
            segment=message.segment,
            final=message.final,
            ends_turn=message.ends_turn,
            start_ms=message.start_ms,
            end_ms=message.end_ms,
            stable=message.stable,
            language=message.language,
            channel=message.channel,
        )
    return events.Transcript(
        message.text,
        seq=message.seq,
        ref=message.ref,
        side=message.side,
        turn=message.turn,
        segment=message.segment,
        final=message.final,
        ends_turn=message.ends_turn,
        start_ms=message.start_ms,
        end_ms=message.end_ms,
        stable=message.stable,
        words=message.words,
        confidence=message.confidence,
        end_confidence=message.end_confidence,
        language=message.language,
        channel=message.channel,
        alternatives=message.alternatives,
        utterance=message.utterance,
        usage=message.usage,
    )


def event_of(message: ServerMessage) -> events.Event:
    """The event a gateway's message stands for.

    Raises:
        BadMessage: options that are none.
    """
    if type(message) is TranscriptMessage:
        return _heard(message)
    kind = _EVENTS[type(message)]
    values = {name: getattr(message, name) for name in _FIELDS[type(message)]}
    try:
        return msgspec.convert(values, kind)  # type: ignore[return-value]
    except (msgspec.ValidationError, RecursionError) as error:
        raise BadMessage(f"not a message of ossicle.v1: {_reason(error)}") from error


def command_of(message: ClientMessage) -> commands.Command | None:
    """The command a client's message stands for; None for one that asks nothing.

    Raises:
        BadAudio: a format out of range.
    """
    match message:
        case StartMessage():
            declared = None
            if message.encoding is not None or message.sample_rate or message.channels:
                declared = parse_format(
                    message.encoding or "pcm_s16le",
                    message.sample_rate or 16_000,
                    message.channels or 1,
                )
            speaks = message.speaks
            return commands.Configure(
                ref=message.ref,
                patch={} if message.options is UNSET else message.options,
                format=declared,
                speaks=None
                if speaks is None
                else parse_format(speaks.encoding, speaks.sample_rate, speaks.channels),
                report_to=(commands.Report(message.transcript_url),)
                if message.transcript_url
                else (),
            )
        case FinalizeMessage():
            return commands.Finalize(ref=message.ref, at_ms=message.at_ms, channel=message.channel)
        case SpeakMessage():
            return commands.Speak(
                ref=message.ref, text=message.text, more=message.more, options=message.options
            )
        case TellMessage():
            return commands.Tell(
                ref=message.ref,
                kind=message.kind,
                text=message.text,
                role=message.role,
                call=message.call,
            )
        case PlayedMessage():
            return commands.Played(
                ref=message.ref,
                utterance=message.utterance,
                until_ms=message.until_ms,
                mark=message.mark,
                estimated=message.estimated,
            )
        case CancelMessage():
            return commands.Cancel(ref=message.ref, side=message.side, utterance=message.utterance)
        case EndMessage():
            return commands.End(ref=message.ref, at_ms=message.at_ms, to=message.to)
        case KeepAliveMessage():
            return None


def request_of(command: commands.Command) -> ClientMessage:
    """The message that says a command; the mirror of `command_of`.

    Raises:
        BadMessage: audio, which has no envelope.
    """
    match command:
        case commands.Configure():
            declared, speaks = command.format, command.speaks
            return StartMessage(
                ref=command.ref,
                encoding=declared.encoding if declared else None,
                sample_rate=declared.sample_rate if declared else None,
                channels=declared.channels if declared else None,
                speaks=FormatFields(speaks.encoding, speaks.sample_rate, speaks.channels)
                if speaks
                else None,
                options=command.patch or UNSET,
                transcript_url=command.report_to[0].url if command.report_to else None,
            )
        case commands.Finalize():
            return FinalizeMessage(ref=command.ref, at_ms=command.at_ms, channel=command.channel)
        case commands.Speak():
            return SpeakMessage(
                ref=command.ref, text=command.text, more=command.more, options=command.options
            )
        case commands.Tell():
            return TellMessage(
                ref=command.ref,
                kind=command.kind,
                text=command.text,
                role=command.role,
                call=command.call,
            )
        case commands.Played():
            return PlayedMessage(
                ref=command.ref,
                utterance=command.utterance,
                until_ms=command.until_ms,
                mark=command.mark,
                estimated=command.estimated,
            )
        case commands.Cancel():
            return CancelMessage(ref=command.ref, side=command.side, utterance=command.utterance)
        case commands.End():
            return EndMessage(ref=command.ref, at_ms=command.at_ms, to=command.to)
        case commands.Audio():
            raise BadMessage("audio is a binary message of its own")
