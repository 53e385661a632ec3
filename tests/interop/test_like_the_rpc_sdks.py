"""Our client halves for gRPC beside Google's and NVIDIA's own SDKs: both make the same call to a
server that records, and what it saw is compared message for message. What differs by nature (the
SDK's name, its versions, what gRPC says for itself) is masked."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any, NamedTuple

import grpc
import pytest

from ossicle.client.dial import dialer
from ossicle.core.commands import Audio, Configure, End
from ossicle.core.events import Began, Event
from ossicle.core.formats import AudioFormat
from ossicle.core.link import Link
from ossicle.core.ports import ClientDialect
from ossicle.dialects.google import GoogleClient
from ossicle.dialects.riva import RivaClient
from sdks import python

pytestmark = [pytest.mark.interop, pytest.mark.timeout(60)]

PIECES = [bytes([number]) * 3_200 for number in range(1, 4)]
MASKED = ("user-agent", "x-goog-api-client", "grpc-", "te", "content-type")


class Seen(NamedTuple):
    """What one client sent."""

    path: str
    metadata: list[tuple[str, str]]
    messages: list[bytes]


@contextlib.asynccontextmanager
async def recording() -> AsyncIterator[tuple[str, list[Seen]]]:
    """A server that takes every call to its half close, and answers nothing."""
    seen: list[Seen] = []

    class Every(grpc.GenericRpcHandler):
        def service(self, details: Any) -> Any:
            if details.method == "/grpc.health.v1.Health/Watch":
                return None  # unimplemented, which grpc takes for well
            metadata = sorted(
                (str(name), str(value))
                for name, value in details.invocation_metadata
                if not str(name).startswith(MASKED)
            )
            here = Seen(str(details.method), metadata, [])
            seen.append(here)

            async def take(requests: AsyncIterator[bytes], _context: Any) -> AsyncIterator[bytes]:
                async for request in requests:
                    here.messages.append(request)
                return
                yield b""

            return grpc.stream_stream_rpc_method_handler(take)

    server = grpc.aio.server()
    server.add_generic_rpc_handlers((Every(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}", seen
    finally:
        await server.stop(0)


class Ours:
    """Our client half on our wire."""

    def __init__(self, dialect: ClientDialect) -> None:
        self.link = Link(dialect, self)
        self.began = asyncio.Event()

    def told(self, link: Link, event: Event) -> None:
        if isinstance(event, Began):
            self.began.set()

    def flowing(self, link: Link) -> None: ...


async def both(
    sdk: Callable[[str], None],
    dialect: ClientDialect,
    recognition: dict[str, Any],
    credential: str | None = None,
) -> tuple[Seen, Seen]:
    """What the SDK sent, and what we sent."""
    async with recording() as (where, seen), asyncio.timeout(30):
        await asyncio.to_thread(sdk, where)
        our = Ours(dialect)
        configure = Configure(
            patch={"recognition": recognition}, format=AudioFormat(), credential=credential
        )
        await dialer(f"grpc://{where}", "grpc")(dialect.open(configure), our.link.attach)
        await our.began.wait()
        for piece in PIECES:
            our.link.ask(Audio(data=piece))
        our.link.ask(End())
        await our.link.over
    theirs, mine = [each for each in seen if each.messages]
    return theirs, mine


def check(theirs: Seen, mine: Seen, message: Any) -> None:
    """The same call: its method, its metadata, and each message as its own type reads it."""
    assert mine.path == theirs.path
    assert mine.metadata == theirs.metadata
    read = [[message.FromString(data) for data in each.messages] for each in (theirs, mine)]
    assert read[1] == read[0]


@pytest.mark.parametrize("version", ["v1", "v1p1beta1"])
async def test_google(version: str) -> None:
    python("google-cloud-speech")
    import importlib

    module = importlib.import_module(f"google.cloud.speech_{version}")
    types = module.types.cloud_speech

    def sdk(where: str) -> None:
        transport = module.SpeechClient.get_transport_class("grpc")
        client = module.SpeechClient(transport=transport(channel=grpc.insecure_channel(where)))
        config = types.StreamingRecognitionConfig(
            config=types.RecognitionConfig(
                encoding="LINEAR16", sample_rate_hertz=16_000, audio_channel_count=1,
                language_code="de-DE", max_alternatives=2, profanity_filter=True,
                enable_word_time_offsets=True, enable_word_confidence=True,
                enable_automatic_punctuation=True, model="latest_long",
                speech_contexts=[types.SpeechContext(phrases=["ossicle"], boost=2.5)],
            ),
            interim_results=True,
            enable_voice_activity_events=True,
        )  # fmt: skip
        requests = [types.StreamingRecognizeRequest(audio_content=piece) for piece in PIECES]
        # its key goes with credentials of the channel, which grpc sends over TLS alone
        list(client.streaming_recognize(config=config, requests=iter(requests)))

    patch = {
        "language": "de-DE", "alternatives": 2, "profanity_filter": True, "word_times": True,
        "punctuate": True, "model": "latest_long", "interim_results": True,
        "hints": [{"text": "ossicle", "boost": 2.5}],
    }  # fmt: skip
    theirs, mine = await both(sdk, GoogleClient(version), patch)
    check(theirs, mine, types.StreamingRecognizeRequest.pb())


async def test_google_v2() -> None:
    python("google-cloud-speech")
    from google.cloud import speech_v2 as module

    types = module.types.cloud_speech
    recognizer = "projects/-/locations/global/recognizers/_"

    def sdk(where: str) -> None:
        transport = module.SpeechClient.get_transport_class("grpc")
        client = module.SpeechClient(transport=transport(channel=grpc.insecure_channel(where)))
        config = types.RecognitionConfig(
            explicit_decoding_config=types.ExplicitDecodingConfig(
                encoding="LINEAR16", sample_rate_hertz=16_000, audio_channel_count=1
            ),
            language_codes=["de-DE"],
            model="long",
            features=types.RecognitionFeatures(
                enable_word_time_offsets=True, enable_word_confidence=True,
                enable_automatic_punctuation=True, profanity_filter=True,
            ),
        )  # fmt: skip
        streaming = types.StreamingRecognitionConfig(
            config=config,
            streaming_features=types.StreamingRecognitionFeatures(
                interim_results=True, enable_voice_activity_events=True
            ),
        )
        first = types.StreamingRecognizeRequest(recognizer=recognizer, streaming_config=streaming)
        audio = [types.StreamingRecognizeRequest(audio=piece) for piece in PIECES]
        list(client.streaming_recognize(requests=iter([first, *audio])))

    patch = {
        "language": "de-DE", "profanity_filter": True, "word_times": True, "punctuate": True,
        "model": "long", "interim_results": True,
    }  # fmt: skip
    theirs, mine = await both(sdk, GoogleClient("v2"), patch)
    check(theirs, mine, types.StreamingRecognizeRequest.pb())


async def test_riva() -> None:
    python("nvidia-riva-client")
    import riva.client
    from riva.client.proto import riva_asr_pb2 as messages

    def sdk(where: str) -> None:
        auth = riva.client.Auth(uri=where, metadata_args=[["authorization", "Bearer a-key"]])
        config = riva.client.RecognitionConfig(
            encoding=riva.client.AudioEncoding.LINEAR_PCM, sample_rate_hertz=16_000,
            audio_channel_count=1, language_code="de-DE", max_alternatives=2,
            profanity_filter=True, enable_word_time_offsets=True,
            enable_automatic_punctuation=True, model="conformer",
            speech_contexts=[messages.SpeechContext(phrases=["ossicle"], boost=2.5)],
        )  # fmt: skip
        streaming = riva.client.StreamingRecognitionConfig(config=config, interim_results=True)
        service = riva.client.ASRService(auth)
        list(service.streaming_response_generator(PIECES, streaming))

    patch = {
        "language": "de-DE", "alternatives": 2, "profanity_filter": True, "word_times": True,
        "punctuate": True, "model": "conformer", "interim_results": True,
        "hints": [{"text": "ossicle", "boost": 2.5}],
    }  # fmt: skip
    check(*await both(sdk, RivaClient(), patch, "a-key"), messages.StreamingRecognizeRequest)
