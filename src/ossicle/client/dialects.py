"""Every protocol the client side speaks: its client half, the wire it goes over, and what may be
expected of what stands behind it.

    PROVIDERS["deepgram"].make()        a fresh client half
    connect(url, dialect="deepgram")    the same, as a stream
    upstream:deepgram                   the same, as an engine of a gateway

Adding one is one line. Client halves are imported when they are asked for.
"""

import difflib
import importlib
import time
from collections.abc import Callable, Mapping
from typing import Any, cast
from urllib.parse import urlsplit

import msgspec

from ossicle.core.capabilities import Capabilities
from ossicle.core.errors import Refused
from ossicle.core.formats import MAX_CHANNELS, AudioFormat
from ossicle.core.ports import ClientDialect

from .address import Wire, address

__all__ = ["PROVIDERS", "Provider", "provider"]


class Provider(msgspec.Struct, frozen=True):
    """One protocol, seen from the client's end."""

    name: str
    half: str
    """`module:class` of its client half."""
    wire: Wire
    capabilities: Capabilities
    url: str = ""
    """Where the provider itself is; empty = only where the user says."""
    key: str = ""
    """The variable its own SDK reads its key from; several, joined by `:`, are its parts."""
    silent_s: float = 0.0
    """Whoever speaks this says something within this time while audio flows; 0 = it may be
    silent."""
    own_silent_s: float = 0.0
    """The same of the provider itself, at `url`: another server of its protocol may be silent."""
    limit_s: float = 0.0
    """How long one stream may live; 0 = no limit is known."""
    finalizes: bool = True
    """It has a word for `Finalize`. Otherwise its streams have to be ended to hear all it heard."""
    resumes: bool = False
    """A broken connection goes on by token, exactly once both ways."""
    signs: bool = False
    """Its client half signs what it asks: it is made with the host that is dialled and the time."""
    settings: tuple[tuple[str, str], ...] = ()
    """What its client half is made with besides."""

    def make(self, **settings: Any) -> ClientDialect:
        """A fresh client half, for one connection."""
        module, _, name = self.half.partition(":")
        made = getattr(importlib.import_module(module), name)(**dict(self.settings), **settings)
        return cast("ClientDialect", made)

    def halves(self, url: str) -> Callable[[], ClientDialect]:
        """Makes client halves for a place, one for each connection."""
        if not self.signs:
            return self.make
        host = urlsplit(address(url, self.wire)).netloc.rpartition("@")[2]
        return lambda: self.make(host=host, at=time.time())

    def key_from(self, environment: Mapping[str, str]) -> str | None:
        """Its key, where the variables are set that its own SDK reads. Parts at the end may be
        missing."""
        parts = [environment.get(name, "") for name in self.key.split(":")]
        return ":".join(parts).rstrip(":") or None


_RATES = (16_000, 8_000, 24_000, 44_100, 48_000)
_PCM = tuple(AudioFormat("pcm_s16le", rate) for rate in _RATES)
_TELEPHONE = (AudioFormat("mulaw", 8_000), AudioFormat("alaw", 8_000))


_AMAZON = "ossicle.dialects.amazon:AmazonClient"
_AWS_KEY = "AWS_ACCESS_KEY_ID:AWS_SECRET_ACCESS_KEY:AWS_SESSION_TOKEN"
_AWS_HOST = "transcribestreaming.us-east-1.amazonaws.com"


def _amazon(name: str, wire: Wire, url: str) -> Provider:
    return Provider(
        name,
        _AMAZON,
        wire,
        _hears(
            *_PCM, *_TELEPHONE, diarize=True, punctuate=True, note=f"Amazon Transcribe, {wire}."
        ),
        url=url,
        key=_AWS_KEY,
        limit_s=14_400.0,
        finalizes=False,
        signs=True,
        settings=(("wire", wire),),
    )


def _hears(*formats: AudioFormat, **able: Any) -> Capabilities:
    return Capabilities(name="", hears=formats, confidence=True, word_times=True, **able)


_ALL = (
    Provider(
        "native",
        "ossicle.dialects.native:NativeClient",
        "websocket",
        Capabilities(
            name="",
            hears=(*_PCM, *_TELEPHONE),
            speaks=(AudioFormat("pcm_s16le", 16_000),),
            channels=MAX_CHANNELS,
            word_times=True,
            confidence=True,
            hints=True,
            diarize=True,
            punctuate=True,
            profanity_filter=True,
            note="Another gateway, over its own protocol.",
        ),
        key="OSSICLE_UPSTREAM_KEY",
        silent_s=20.0,
        resumes=True,
    ),
    Provider(
        "deepgram",
        "ossicle.dialects.deepgram.listen_client:DeepgramClient",
        "websocket",
        _hears(
            *_PCM,
            *_TELEPHONE,
            channels=MAX_CHANNELS,
            hints=True,
            diarize=True,
            punctuate=True,
            profanity_filter=True,
            note="Deepgram, live /v1/listen.",
        ),
        url="wss://api.deepgram.com",
        key="DEEPGRAM_API_KEY",
        own_silent_s=30.0,  # it sends results for silence, too: empty ones, every few seconds
    ),
    Provider(
        "deepgram-flux",
        "ossicle.dialects.deepgram.flux_client:FluxClient",
        "websocket",
        _hears(
            *_PCM,
            *_TELEPHONE,
            hints=True,
            eager=True,
            punctuate=True,
            note="Deepgram Flux, /v2/listen: it judges the end of turn itself.",
        ),
        url="wss://api.deepgram.com",
        key="DEEPGRAM_API_KEY",
        silent_s=10.0,  # an Update every 0.25 s of audio
    ),
    Provider(
        "deepgram-speak",
        "ossicle.dialects.deepgram.speak_client:SpeakClient",
        "websocket",
        Capabilities(
            name="",
            hears=(),
            speaks=(AudioFormat("pcm_s16le", 24_000), AudioFormat("pcm_s16le", 16_000)),
            note="Deepgram's voice, /v1/speak.",
        ),
        url="wss://api.deepgram.com",
        key="DEEPGRAM_API_KEY",
    ),
    Provider(
        "assemblyai",
        "ossicle.dialects.assemblyai:AssemblyClient",
        "websocket",
        _hears(
            *(f for f in _PCM if f.sample_rate >= 8_000),
            AudioFormat("mulaw", 8_000),
            hints=True,
            punctuate=True,
            note="AssemblyAI, Universal-Streaming v3.",
        ),
        url="wss://streaming.assemblyai.com",
        key="ASSEMBLYAI_API_KEY",
        limit_s=10_800.0,
    ),
    Provider(
        "openai",
        "ossicle.dialects.openai:RealtimeClient",
        "websocket",
        Capabilities(
            name="",
            hears=(AudioFormat("pcm_s16le", 24_000), *_TELEPHONE),
            hints=True,
            punctuate=True,
            note="OpenAI Realtime, transcription.",
        ),
        url="wss://api.openai.com",
        key="OPENAI_API_KEY",
        limit_s=3_600.0,
    ),
    Provider(
        "openai-realtime",
        "ossicle.dialects.openai.client:ConversationClient",
        "websocket",
        Capabilities(
            name="",
            hears=(AudioFormat("pcm_s16le", 24_000), *_TELEPHONE),
            speaks=(AudioFormat("pcm_s16le", 24_000),),
            answers=True,
            punctuate=True,
            note="OpenAI Realtime, conversation: it hears, answers and speaks.",
        ),
        url="wss://api.openai.com",
        key="OPENAI_API_KEY",
        limit_s=3_600.0,
    ),
    Provider(
        "google",
        "ossicle.dialects.google:GoogleClient",
        "grpc",
        _hears(
            *_PCM,
            AudioFormat("mulaw", 8_000),
            hints=True,
            diarize=True,
            punctuate=True,
            profanity_filter=True,
            note="Google Cloud Speech v1.",
        ),
        url="grpcs://speech.googleapis.com:443",
        key="GOOGLE_API_KEY",
        limit_s=300.0,
        finalizes=False,
    ),
    _amazon("amazon", "websocket", f"wss://{_AWS_HOST}:8443"),
    _amazon("amazon-http2", "http2", f"https://{_AWS_HOST}"),
    Provider(
        "riva",
        "ossicle.dialects.riva:RivaClient",
        "grpc",
        _hears(
            *_PCM,
            *_TELEPHONE,
            hints=True,
            diarize=True,
            punctuate=True,
            profanity_filter=True,
            note="NVIDIA Riva, a server of your own.",
        ),
        key="NVIDIA_API_KEY",
        finalizes=False,
    ),
)

PROVIDERS: dict[str, Provider] = {each.name: each for each in _ALL}
"""By the name that configuration and `connect(dialect=...)` use."""


def provider(name: str) -> Provider:
    """The one of that name.

    Raises:
        Refused: there is none; the text suggests one.
    """
    found = PROVIDERS.get(name)
    if found is None:
        near = difflib.get_close_matches(name, PROVIDERS, 1)
        guess = f"did you mean {near[0]!r}? " if near else ""
        raise Refused(
            f"dialect {name[:40]!r} is not spoken here; {guess}there are {', '.join(PROVIDERS)}",
            code="bad_option",
        )
    return found
