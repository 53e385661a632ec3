"""Every WebSocket of the gateway, and the messages on it: the table `asyncapi.json` is made from.

`tests/test_asyncapi.py` compares it with the bindings of the gateway, so a WebSocket that is
missing here fails there. A dialect adds one `Channel`; its messages are the types it parses with.
"""

from __future__ import annotations

import typing
from typing import Any, NamedTuple

import msgspec
import parameters
from parameters import Parameters

from ossicle.core import probing
from ossicle.dialects.assemblyai import legacy_messages
from ossicle.dialects.assemblyai import messages as assemblyai
from ossicle.dialects.deepgram import (
    flux_messages,
    flux_speak_messages,
    listen_messages,
    speak_messages,
)
from ossicle.dialects.native import messages as native
from ossicle.dialects.openai import messages as openai
from ossicle.dialects.twilio import messages as twilio
from ossicle.dialects.twilio import plivo, telnyx, vonage

__all__ = ["CHANNELS", "Channel", "message_name"]

Kinds = tuple[type[msgspec.Struct], ...]


class Channel(NamedTuple):
    """One address, and what goes both ways."""

    name: str
    address: str
    title: str
    text: str
    takes: Kinds
    """Text messages of the client."""
    gives: Kinds
    """Text messages of the gateway."""
    hears: str = ""
    """What a binary message of the client is; empty = there are none."""
    says: str = ""
    """The same of the gateway."""
    query: Parameters = parameters.NOTHING


UNTAGGED: dict[type[msgspec.Struct], str] = {
    legacy_messages.LegacyRequest: "request",
    legacy_messages.LegacyError: "error",
    twilio.FromTwilio: "event",
    telnyx.FromTelnyx: "event",
    plivo.FromPlivo: "event",
    vonage.FromVonage: "event",
}
"""Messages that no member names."""


def message_name(kind: type[msgspec.Struct]) -> str:
    """What a message is called on the wire."""
    tag: Any = kind.__struct_config__.tag
    return str(tag) if tag is not None else UNTAGGED[kind]


def _all(union: Any) -> Kinds:
    return typing.get_args(union)


AUDIO = "Sound, in the format that was declared."
CALLER = "JSON in text messages; the sound of a call is base64 inside them."

CHANNELS: tuple[Channel, ...] = (
    Channel(
        "native", "/v1/stream", "ossicle.v1",
        "Live speech, both ways. JSON in text messages, sound in binary ones.",
        _all(native.ClientMessage), _all(native.ServerMessage),
        hears=AUDIO, says="Sound: the data of the `audio_out` before it.",
        query=parameters.NATIVE,
    ),
    Channel(
        "mux", "/v1/mux", "ossicle.v1.mux",
        "Many sessions on one WebSocket: binary messages that begin with the number of a stream.",
        (), (),
        hears="A frame of a stream; the reference of ossicle.v1.mux says what is in it.",
        says="A frame of a stream.",
    ),
    Channel(
        "observer", "/v1/sessions/{name}/events", "Follow a session",
        "The events of a session of any dialect. Nothing that is sent here is heard.",
        (), tuple(kind for kind in _all(native.ServerMessage) if kind is not native.FlowMessage),
        says="Sound: the data of the `audio_out` before it; with `audio=true` only.",
        query=parameters.OBSERVER,
    ),
    Channel(
        "probe", "/v1/probe", "Measure the way here",
        "Echoes for `ossicle probe` and the playground: no speech.",
        _all(probing.ProbeRequest), _all(probing.ProbeAnswer),
        hears="Bytes that are counted.", says="Zeros, as many as `send` asked for.",
    ),
    Channel(
        "deepgram-listen", "/v1/listen", "Deepgram, live",
        "As Deepgram's SDKs speak it.",
        _all(listen_messages.Request), _all(listen_messages.Response),
        hears=f"{AUDIO} One of no bytes is the same as `CloseStream`.",
        query=parameters.LISTEN_LIVE,
    ),
    Channel(
        "deepgram-flux", "/v2/listen", "Deepgram Flux",
        "Transcription by turns, as Deepgram's SDKs speak it.",
        _all(flux_messages.ClientMessage), _all(flux_messages.ServerMessage),
        hears=f"{AUDIO} One of no bytes is the same as `CloseStream`.",
        query=parameters.FLUX,
    ),
    Channel(
        "deepgram-speak", "/v1/speak", "Deepgram, text to speech",
        "Text in, samples out, as Deepgram's SDKs speak it.",
        _all(speak_messages.ClientMessage), _all(speak_messages.ServerMessage),
        says="Samples, without a container.", query=parameters.SPEAK,
    ),
    Channel(
        "deepgram-flux-speak", "/v2/speak", "Deepgram Flux, text to speech",
        "Text in, samples out, by turns, as Deepgram's SDKs speak it.",
        _all(flux_speak_messages.ClientMessage), _all(flux_speak_messages.ServerMessage),
        says="Samples, without a container.", query=parameters.SPEAK_FLUX,
    ),
    Channel(
        "assemblyai", "/v3/ws", "AssemblyAI, universal streaming",
        "As AssemblyAI's SDKs speak it.",
        _all(assemblyai.ClientMessage),
        tuple(k for k in _all(assemblyai.ServerMessage) if k is not assemblyai.SpeakerRevision),
        hears=AUDIO, query=parameters.ASSEMBLYAI,
    ),
    Channel(
        "assemblyai-legacy", "/v2/realtime/ws", "AssemblyAI, the legacy real-time API",
        "Sound as binary messages, or as base64 in `audio_data`.",
        (legacy_messages.LegacyRequest,),
        (*_all(legacy_messages.LegacyServerMessage), legacy_messages.LegacyError),
        hears=AUDIO, query=parameters.ASSEMBLYAI_LEGACY,
    ),
    Channel(
        "openai", "/v1/realtime", "OpenAI Realtime",
        "Conversation and transcription, as OpenAI's SDKs speak it; sound is base64 in the events.",
        _all(openai.ClientEvent), _all(openai.ServerEvent), query=parameters.REALTIME,
    ),
    Channel(
        "amazon", "/stream-transcription-websocket", "Amazon Transcribe",
        "As Amazon's SDK for browsers speaks it: one event-stream frame in each binary message. "
        "The URL is signed.",
        (), (), hears="A frame: an `AudioEvent`. One of no bytes ends the audio.",
        says="A frame: a `TranscriptEvent`, or an exception, which is the last.",
        query=parameters.AMAZON,
    ),
    Channel(
        "twilio", "/twilio/media", "Twilio Media Streams", CALLER,
        (twilio.FromTwilio,), (twilio.MediaOut, twilio.MarkOut, twilio.ClearOut),
    ),
    Channel(
        "telnyx", "/telnyx/media", "Telnyx media streaming", CALLER,
        (telnyx.FromTelnyx,), (telnyx.TelnyxMedia, telnyx.TelnyxMark, telnyx.TelnyxClear),
    ),
    Channel(
        "vonage", "/vonage/media", "Vonage Voice WebSockets",
        "Sound in binary messages, a few of JSON beside them.",
        (vonage.FromVonage,), (vonage.VonageNotify, vonage.VonageClear),
        hears="20 ms of 16-bit samples.", says="20 ms of 16-bit samples.",
    ),
    Channel(
        "plivo", "/plivo/media", "Plivo audio streaming", CALLER,
        (plivo.FromPlivo,), (plivo.PlivoPlay, plivo.PlivoCheckpoint, plivo.PlivoClear),
    ),
)  # fmt: skip
