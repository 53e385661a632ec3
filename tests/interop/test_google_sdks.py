"""Google's own SDKs, unmodified, against a gateway process: Python (v1, v1p1beta1, v2; sync and
async) and Node, plaintext and over TLS with the local authority. No word lost, none twice; and the
pitfalls of the wire note's §9, each as a test."""

import asyncio
import contextlib
import importlib
import json
import os
import subprocess
import sys
import threading
import time
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from interop.rpc_doors import Doors, doors
from ossicle.testing.marked import marked_audio
from sdks import Client, javascript, python, ran

pytestmark = [pytest.mark.interop, pytest.mark.timeout(90)]

SCRIPTS = Path(__file__).parent / "google_sdk"
AUDIO = marked_audio([1, 2, 3, 0, 0, 0, 0, 0, 4, 5, 0, 0, 0, 0, 0, 6])
FINALS = ["w1 w2 w3", "w4 w5", "w6"]
PIECE = 6_400
RECOGNIZER = "projects/p/locations/global/recognizers/_"


def sdk() -> Client:
    return python("google-cloud-speech")


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    """Keys off."""
    sdk()
    folder = tmp_path_factory.mktemp("google")
    with doors(folder, "--engine", "scripted:heard") as it:
        yield it


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    """Keys on, room for one, and one second of patience."""
    sdk()
    folder = tmp_path_factory.mktemp("strict")
    flags = ("--engine", "scripted:heard", "--set", "google.silence_s=1", "--set", "sessions=1")
    with doors(folder, *flags, OSSICLE_KEYS="me:KEY") as it:
        yield it


def speech(version: str) -> Any:
    """`google.cloud.speech_v1` and the like."""
    return importlib.import_module(f"google.cloud.speech_{version}")


def channel(at: Doors, door: str, key: str = "") -> Any:
    import grpc

    if door == "grpc":
        return grpc.insecure_channel(at.grpc)
    credentials = grpc.ssl_channel_credentials(at.ca.read_bytes())
    if key:
        given = grpc.metadata_call_credentials(
            lambda _context, done: done((("x-goog-api-key", key),), None)
        )
        credentials = grpc.composite_channel_credentials(credentials, given)
    return grpc.secure_channel(at.grpcs, credentials)


def client_of(version: str, at: Doors, door: str = "grpc", key: str = "") -> Any:
    module = speech(version)
    transport = module.SpeechClient.get_transport_class("grpc")
    return module.SpeechClient(transport=transport(channel=channel(at, door, key)))


def pieces(data: bytes = AUDIO) -> Iterator[bytes]:
    for at in range(0, len(data), PIECE):
        yield data[at : at + PIECE]


def config_of(version: str, **asked: Any) -> Any:
    types = speech(version).types.cloud_speech
    if version == "v2":
        features = types.RecognitionFeatures(enable_word_time_offsets=True)
        return types.RecognitionConfig(
            **{
                "explicit_decoding_config": types.ExplicitDecodingConfig(
                    encoding="LINEAR16", sample_rate_hertz=16_000, audio_channel_count=1
                ),
                "language_codes": ["en-US"],
                "features": features,
                "model": "long",
                **asked,
            }
        )
    return types.RecognitionConfig(
        **{
            "encoding": "LINEAR16",
            "sample_rate_hertz": 16_000,
            "language_code": "en-US",
            "enable_word_time_offsets": True,
            "model": "latest_long",
            **asked,
        }
    )


def stream_of(
    client: Any,
    version: str,
    audio: Iterator[bytes],
    *,
    asked: dict[str, Any] | None = None,
    recognizer: str = RECOGNIZER,
    **streaming: Any,
) -> Any:
    """A stream, as the version's documents show it."""
    types = speech(version).types.cloud_speech
    config = config_of(version, **(asked or {}))
    if version == "v2":
        features = types.StreamingRecognitionFeatures(**streaming)

        def requests() -> Iterator[Any]:
            yield types.StreamingRecognizeRequest(
                recognizer=recognizer,
                streaming_config=types.StreamingRecognitionConfig(
                    config=config, streaming_features=features
                ),
            )
            for piece in audio:
                yield types.StreamingRecognizeRequest(audio=piece)

        return client.streaming_recognize(requests=requests())
    settings = types.StreamingRecognitionConfig(config=config, **streaming)
    return client.streaming_recognize(
        settings, (types.StreamingRecognizeRequest(audio_content=piece) for piece in audio)
    )


def check(version: str, responses: list[Any]) -> None:
    """What every client has to have seen."""
    results = [result for response in responses for result in response.results]
    finals = [result for result in results if result.is_final]
    texts = [result.alternatives[0].transcript for result in finals]
    assert [text.strip() for text in texts] == FINALS
    joined = "".join(texts) if version != "v2" else " ".join(texts)
    assert joined == " ".join(FINALS)
    words = [word.word for result in finals for word in result.alternatives[0].words]
    assert words == " ".join(FINALS).split()
    interims = [result for result in results if not result.is_final]
    assert interims
    assert all(0 < result.stability < 1 for result in interims)
    last = responses[-1]
    assert not last.results
    billed = last.metadata.total_billed_duration if version == "v2" else last.total_billed_time
    assert billed.total_seconds() == -(-len(AUDIO) // 32_000)
    if version != "v2":  # a set one, whatever it holds, is a stream error to the Node SDK
        assert not any(type(each).pb(each).HasField("error") for each in responses)


@pytest.mark.parametrize("version", ["v1", "v1p1beta1", "v2"])
@pytest.mark.parametrize("door", ["grpc", "grpcs"])
def test_python_streams(gateway: Doors, version: str, door: str) -> None:
    with client_of(version, gateway, door) as client:
        interim = {"interim_results": True}
        check(version, list(stream_of(client, version, pieces(), **interim)))
    ran(sdk(), f"Google Speech {version}", door=door, use="StreamingRecognize, sync")


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_two_channels_are_heard_apart(gateway: Doors, version: str) -> None:
    types = speech(version).types.cloud_speech
    left, right = marked_audio([1, 2, 0, 0]), marked_audio([0, 7, 8, 0])
    both = b"".join(
        left[at : at + 2] + right[at : at + 2] for at in range(0, min(len(left), len(right)), 2)
    )
    if version == "v2":
        asked: dict[str, Any] = {
            "explicit_decoding_config": types.ExplicitDecodingConfig(
                encoding="LINEAR16", sample_rate_hertz=16_000, audio_channel_count=2
            ),
            "features": types.RecognitionFeatures(
                multi_channel_mode="SEPARATE_RECOGNITION_PER_CHANNEL"
            ),
        }
    else:
        asked = {"audio_channel_count": 2, "enable_separate_recognition_per_channel": True}
    with client_of(version, gateway) as client:
        responses = list(stream_of(client, version, pieces(both), asked=asked))
    finals = {
        (result.channel_tag, result.alternatives[0].transcript)
        for response in responses
        for result in response.results
    }
    assert finals == {(1, "w1 w2"), (2, "w7 w8")}


@pytest.mark.parametrize("version", ["v1", "v1p1beta1", "v2"])
@pytest.mark.parametrize("door", ["grpc", "grpcs"])
def test_python_streams_async(gateway: Doors, version: str, door: str) -> None:
    import grpc

    async def run() -> list[Any]:
        module = speech(version)
        types = module.types.cloud_speech
        transport = module.SpeechAsyncClient.get_transport_class("grpc_asyncio")
        if door == "grpc":
            wire = grpc.aio.insecure_channel(gateway.grpc)
        else:
            credentials = grpc.ssl_channel_credentials(gateway.ca.read_bytes())
            wire = grpc.aio.secure_channel(gateway.grpcs, credentials)
        client = module.SpeechAsyncClient(transport=transport(channel=wire))
        config = config_of(version)

        async def requests() -> Any:
            if version == "v2":
                yield types.StreamingRecognizeRequest(
                    recognizer=RECOGNIZER,
                    streaming_config=types.StreamingRecognitionConfig(
                        config=config,
                        streaming_features=types.StreamingRecognitionFeatures(interim_results=True),
                    ),
                )
            else:
                yield types.StreamingRecognizeRequest(
                    streaming_config=types.StreamingRecognitionConfig(
                        config=config, interim_results=True
                    )
                )
            for piece in pieces():
                if version == "v2":
                    yield types.StreamingRecognizeRequest(audio=piece)
                else:
                    yield types.StreamingRecognizeRequest(audio_content=piece)

        stream = await client.streaming_recognize(requests=requests())
        responses = [response async for response in stream]
        await wire.close()
        return responses

    check(version, asyncio.run(run()))
    ran(sdk(), f"Google Speech {version}", door=door, use="StreamingRecognize, async")


@pytest.mark.parametrize("version", ["v1", "v1p1beta1", "v2"])
def test_python_recognizes_a_recording(gateway: Doors, version: str) -> None:
    types = speech(version).types.cloud_speech
    with client_of(version, gateway) as client:
        if version == "v2":
            request = types.RecognizeRequest(
                recognizer=RECOGNIZER, config=config_of(version), content=AUDIO
            )
            answer = client.recognize(request=request)
        else:
            audio = types.RecognitionAudio(content=AUDIO)
            answer = client.recognize(config=config_of(version), audio=audio)
    texts = [result.alternatives[0].transcript.strip() for result in answer.results]
    assert texts == FINALS
    ran(sdk(), f"Google Speech {version}", door="grpc", use="Recognize")


def test_python_with_an_api_key_over_tls(strict: Doors, tmp_path: Path) -> None:
    file = tmp_path / "speech.wav"
    with wave.open(str(file), "wb") as out:
        out.setparams((1, 2, 16_000, 0, "NONE", ""))
        out.writeframes(AUDIO)

    def run(key: str) -> list[str]:
        done = subprocess.run(
            [sys.executable, SCRIPTS / "key.py", strict.grpcs, key, file],
            env={**os.environ, "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": str(strict.ca)},
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-2000:]
        return json.loads(done.stdout)

    assert [text.strip() for text in run("KEY")] == FINALS
    name, message = run("WRONG")
    assert name == "InvalidArgument"
    assert "API key not valid" in message
    assert "WRONG" not in message
    ran(sdk(), "Google Speech v1", door="grpcs", use="Recognize with an API key")


@pytest.mark.parametrize(
    ("how", "door"),
    [
        ("v1", "grpc"),
        ("v1p1beta1", "grpc"),
        ("v2", "grpc"),
        ("unary", "grpc"),
        ("v1", "grpcs"),
        ("v2", "grpcs"),
    ],
)
def test_node(gateway: Doors, strict: Doors, tmp_path: Path, how: str, door: str) -> None:
    client = javascript("@google-cloud/speech")
    file = tmp_path / "speech.wav"
    with wave.open(str(file), "wb") as out:
        out.setparams((1, 2, 16_000, 0, "NONE", ""))
        out.writeframes(AUDIO)
    at = gateway if door == "grpc" else strict
    host, port = (at.grpc if door == "grpc" else at.grpcs).split(":")
    # a require looks for packages beside the file, then along NODE_PATH
    key = ["KEY"] if door == "grpcs" else []
    done = subprocess.run(
        [*client.command(SCRIPTS / "stream.cjs"), how, host, port, file, *key],
        env={
            **os.environ,
            **client.variables,
            "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": str(at.ca),
        },
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    said = [json.loads(line) for line in done.stdout.splitlines()]
    assert not [message for message in said if "failed" in message], said
    finals = [
        result["alternatives"][0]["transcript"].strip()
        for message in said
        for result in message.get("results") or []
        if how == "unary" or result["isFinal"]
    ]
    assert finals == FINALS
    assert how == "unary" or said[-1] == {"end": True}
    dialect = "v1" if how == "unary" else how
    use = "recognize" if how == "unary" else "streamingRecognize"
    ran(client, f"Google Speech {dialect}", door=door, use=use)


# ── what goes wrong, as the SDK tells it ──


def failure(call: Callable[[], Any]) -> Any:
    from google.api_core.exceptions import GoogleAPICallError

    with pytest.raises(GoogleAPICallError) as told:
        call()
    return told.value


MALORDERED = "Malordered Data Received."
TOO_LARGE = "Audio chunk can be of a maximum of 25600 bytes. Received audio of 25601 bytes instead."


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_python_is_told_what_it_did_wrong(gateway: Doors, version: str) -> None:
    types = speech(version).types.cloud_speech
    field = "audio" if version == "v2" else "audio_content"
    with client_of(version, gateway) as client:

        def stream(*requests: Any) -> Any:
            # below the helper of v1, which puts the configuration in front by itself
            below = client.transport.streaming_recognize
            return failure(lambda: list(_wrapped(below)(iter(requests))))

        first = types.StreamingRecognizeRequest(
            streaming_config=types.StreamingRecognitionConfig(config=config_of(version)),
            **({"recognizer": RECOGNIZER} if version == "v2" else {}),
        )
        sound = types.StreamingRecognizeRequest(**{field: b"xx"})
        large = types.StreamingRecognizeRequest(**{field: bytes(25_601)})
        for requests, words in (
            ((sound,), MALORDERED),
            ((first, first), MALORDERED),
            ((first, sound, types.StreamingRecognizeRequest()), MALORDERED),
            (
                (first, large),
                TOO_LARGE,
            ),
        ):
            error = stream(*requests)
            assert type(error).__name__ == "InvalidArgument"
            assert words in error.message
        bad = {"language_codes": ["x"]} if version == "v2" else {"language_code": "x"}
        error = failure(lambda: list(stream_of(client, version, pieces(), asked=bad)))
        assert type(error).__name__ == "InvalidArgument"
        assert "bad language code" in error.message


def _wrapped(call: Any) -> Any:
    from google.api_core import grpc_helpers

    return grpc_helpers.wrap_errors(call)


def test_a_recognizer_nobody_knows(gateway: Doors) -> None:
    with client_of("v2", gateway) as client:
        name = "projects/p/locations/eu/recognizers/mine"
        error = failure(lambda: list(stream_of(client, "v2", pieces(), recognizer=name)))
        assert type(error).__name__ == "NotFound"
        assert name in error.message


def test_what_is_not_built_says_so(gateway: Doors) -> None:
    one, two = speech("v1").types.cloud_speech, speech("v2").types.cloud_speech
    with client_of("v1", gateway) as client:
        error = failure(
            lambda: client.long_running_recognize(
                config=config_of("v1"), audio=one.RecognitionAudio(content=AUDIO)
            )
        )
        assert type(error).__name__ == "MethodNotImplemented"
        assert "LongRunningRecognize is not built" in error.message
    with client_of("v2", gateway) as client:
        error = failure(lambda: client.batch_recognize(request=two.BatchRecognizeRequest()))
        assert "BatchRecognize is not built" in error.message
        error = failure(lambda: client.get_recognizer(name=RECOGNIZER))
        assert type(error).__name__ == "MethodNotImplemented"
        assert "google.recognizers" in error.message


def test_a_single_utterance_ends_while_the_client_still_speaks(gateway: Doors) -> None:
    over = threading.Event()

    def endless() -> Iterator[bytes]:
        yield from pieces()
        while not over.wait(0.05):
            yield bytes(1_600)

    with client_of("v1", gateway) as client:
        try:
            responses = list(stream_of(client, "v1", endless(), single_utterance=True))
        finally:
            over.set()
    kinds = [int(response.speech_event_type) for response in responses]
    finals = [r.alternatives[0].transcript for response in responses for r in response.results]
    assert kinds[0] == 1
    assert finals == [FINALS[0]]


def test_a_call_that_is_never_answered_before_its_end_waits_for_nothing(gateway: Doors) -> None:
    """The SDK's call returns with the first response only: nothing may depend on what comes
    after it."""
    with client_of("v1", gateway) as client:
        began = time.monotonic()
        stream = stream_of(client, "v1", pieces(bytes(3_200)))
        assert list(stream) == []
        assert time.monotonic() - began < 10


def test_a_cancelled_call_gives_its_place_back(strict: Doors) -> None:
    """Room for one: the next call comes in once the first is cancelled, not before."""
    from google.api_core.exceptions import ResourceExhausted

    hold = threading.Event()

    def held() -> Iterator[bytes]:
        yield from pieces()
        hold.wait(20)

    with client_of("v1", strict, "grpcs", "KEY") as client:
        first = stream_of(client, "v1", held(), interim_results=True)
        next(iter(first))
        # RESOURCE_EXHAUSTED: after UNAVAILABLE this client would repeat with half its audio and
        # tell its user of malordered data
        error = failure(lambda: list(stream_of(client, "v1", pieces())))
        assert type(error).__name__ == "ResourceExhausted", error
        first.cancel()
        hold.set()
        deadline = time.monotonic() + 10
        responses = None
        while responses is None:
            assert time.monotonic() < deadline, "the place of a cancelled call is not free"
            with contextlib.suppress(ResourceExhausted):
                responses = list(stream_of(client, "v1", pieces(), interim_results=True))
        check("v1", responses)


@pytest.mark.parametrize(
    ("version", "name", "words"),
    [
        ("v1", "OutOfRange", "Audio Timeout Error: Long duration elapsed without audio."),
        ("v2", "Aborted", "Stream timed out after receiving no more client requests."),
    ],
)
def test_silence_is_told_as_the_version_does(
    strict: Doors, version: str, name: str, words: str
) -> None:
    hold = threading.Event()

    def stalled() -> Iterator[bytes]:
        yield from pieces()
        hold.wait(30)

    with client_of(version, strict, "grpcs", "KEY") as client:
        said: list[Any] = []
        try:
            error = failure(lambda: said.extend(stream_of(client, version, stalled())))
        finally:
            hold.set()
    assert type(error).__name__ == name
    assert words in error.message


def test_a_deadline_of_the_client_ends_with_what_was_heard(gateway: Doors) -> None:
    types = speech("v1").types.cloud_speech
    hold = threading.Event()

    def requests() -> Iterator[Any]:
        yield types.StreamingRecognizeRequest(
            streaming_config=types.StreamingRecognitionConfig(config=config_of("v1"))
        )
        for piece in pieces():
            yield types.StreamingRecognizeRequest(audio_content=piece)
        hold.wait(30)

    texts: list[str] = []
    with client_of("v1", gateway) as client:
        call = _wrapped(client.transport.streaming_recognize)(requests(), timeout=3.0)

        def read() -> None:
            for response in call:
                texts.extend(r.alternatives[0].transcript for r in response.results)

        try:
            error = failure(read)
        finally:
            hold.set()
    assert type(error).__name__ == "DeadlineExceeded"
    assert [text.strip() for text in texts] == FINALS
