"""NVIDIA's own Riva client, unmodified, against a gateway process: recognition, synthesis and the
lists of models, plaintext and over TLS; and one recording through three dialects."""

import json
import urllib.request
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness import missing
from interop.rpc_doors import Doors, doors
from ossicle.testing.marked import marked_audio
from sdks import Client, python, ran

pytestmark = [pytest.mark.interop, pytest.mark.timeout(90)]

AUDIO = marked_audio([1, 2, 3, 0, 0, 0, 0, 0, 4, 5])
FINALS = ["w1 w2 w3 ", "w4 w5 "]


def sdk() -> Client:
    return python("nvidia-riva-client")


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    sdk()
    folder = tmp_path_factory.mktemp("riva")
    flags = ("--engine", "scripted:heard", "--voice", "tone")
    with doors(folder, *flags, OSSICLE_KEYS="me:KEY") as it:
        yield it


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "speech.wav"
    with wave.open(str(path), "wb") as out:
        out.setparams((1, 2, 16_000, 0, "NONE", ""))
        out.writeframes(AUDIO)
    return path


def auth(at: Doors, door: str, key: str = "KEY") -> Any:
    import riva.client

    metadata = [["authorization", f"Bearer {key}"]]
    if door == "grpc":
        return riva.client.Auth(uri=at.grpc, metadata_args=metadata)
    return riva.client.Auth(
        ssl_root_cert=str(at.ca), use_ssl=True, uri=at.grpcs, metadata_args=metadata
    )


def config(**asked: Any) -> Any:
    import riva.client

    values = {
        "encoding": riva.client.AudioEncoding.LINEAR_PCM,
        "sample_rate_hertz": 16_000,
        "language_code": "en-US",
        "max_alternatives": 1,
        "enable_word_time_offsets": True,
        **asked,
    }
    return riva.client.RecognitionConfig(**values)


@pytest.mark.parametrize("door", ["grpc", "grpcs"])
def test_streaming(gateway: Doors, file: Path, door: str) -> None:
    import riva.client

    service = riva.client.ASRService(auth(gateway, door))
    # another rate than the file's, which begins with its header and counts for more
    settings = riva.client.StreamingRecognitionConfig(
        config=config(sample_rate_hertz=8_000), interim_results=True
    )
    with riva.client.AudioChunkFileIterator(file, 1_600) as chunks:
        responses = list(
            service.streaming_response_generator(audio_chunks=chunks, streaming_config=settings)
        )
    results = [result for response in responses for result in response.results]
    assert all(result.alternatives for result in results)
    finals = [result for result in results if result.is_final]
    assert [result.alternatives[0].transcript for result in finals] == FINALS
    words = [(w.word, w.start_time) for r in finals for w in r.alternatives[0].words]
    assert words[:2] == [("w1", 0), ("w2", 220)]
    assert any(not result.is_final and result.stability > 0 for result in results)
    assert results[-1].audio_processed == pytest.approx(len(AUDIO) / 32_000, abs=0.2)
    ran(sdk(), "Riva ASR", door=door, use="StreamingRecognize of a WAV file")


def test_offline_and_models(gateway: Doors, file: Path) -> None:
    import riva.client
    import riva.client.proto.riva_asr_pb2 as messages

    service = riva.client.ASRService(auth(gateway, "grpc"))
    answer = service.offline_recognize(file.read_bytes(), config())
    assert [result.alternatives[0].transcript for result in answer.results] == FINALS
    request = messages.RivaSpeechRecognitionConfigRequest()
    listed = service.stub.GetRivaSpeechRecognitionConfig(
        request, metadata=service.auth.get_auth_metadata()
    )
    kinds = [model.parameters["type"] for model in listed.model_config]
    assert kinds == ["online", "offline"]
    ran(sdk(), "Riva ASR", door="grpc", use="Recognize, models")


@pytest.mark.parametrize("door", ["grpc", "grpcs"])
def test_synthesis(gateway: Doors, door: str) -> None:
    import riva.client
    import riva.client.proto.riva_tts_pb2 as messages

    service = riva.client.SpeechSynthesisService(auth(gateway, door))
    whole = service.synthesize("Hello there.", sample_rate_hz=16_000)
    assert len(whole.audio) > 3_200
    assert whole.meta.text == "Hello there."
    texts = ["Hello there.", "And you?"]
    pieces = list(service.synthesize_online(texts, sample_rate_hz=16_000))
    assert len(pieces) > 1
    assert sum(len(piece.audio) for piece in pieces) > len(whole.audio)
    opus = service.synthesize(
        "Hello.", sample_rate_hz=24_000, encoding=riva.client.AudioEncoding.OGGOPUS
    )
    assert opus.audio.startswith(b"OggS")
    listed = service.stub.GetRivaSynthesisConfig(
        messages.RivaSynthesisConfigRequest(), metadata=service.auth.get_auth_metadata()
    )
    assert listed.model_config[0].parameters["voice_name"]
    ran(sdk(), "Riva TTS", door=door, use="Synthesize, SynthesizeOnline, voices")


def test_health_as_the_sdk_asks_for_it(gateway: Doors) -> None:
    import grpc
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    with grpc.insecure_channel(gateway.grpc) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        service = "nvidia.riva.asr.RivaSpeechRecognition"
        answer = stub.Check(health_pb2.HealthCheckRequest(service=service))
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_what_goes_wrong_is_told(gateway: Doors, file: Path) -> None:
    import grpc
    import riva.client

    def refused(call: Any) -> Any:
        with pytest.raises(grpc.RpcError) as told:
            call()
        return told.value

    nobody = riva.client.ASRService(auth(gateway, "grpc", "WRONG"))
    error = refused(lambda: nobody.offline_recognize(file.read_bytes(), config()))
    assert error.code() is grpc.StatusCode.UNAUTHENTICATED
    service = riva.client.ASRService(auth(gateway, "grpc"))
    error = refused(lambda: service.offline_recognize(b"", config()))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "no audio" in error.details()
    wrong = config(encoding=riva.client.AudioEncoding.MULAW)
    error = refused(lambda: service.offline_recognize(file.read_bytes(), wrong))
    assert error.details() == "Error: config format doesn't match with header format"
    settings = riva.client.StreamingRecognitionConfig(config=config(language_code=""))
    error = refused(
        lambda: list(
            service.streaming_response_generator(audio_chunks=[b"xx"], streaming_config=settings)
        )
    )
    assert "Unavailable model requested" in error.details()
    speaker = riva.client.SpeechSynthesisService(auth(gateway, "grpc"))
    error = refused(lambda: speaker.synthesize(""))
    assert "the text is empty" in error.details()


# ── real speech ──


def spoken() -> tuple[Path, str]:
    """A recording of a person, and what is known to be said."""
    import os

    folder = os.environ.get("OSSICLE_CLIPS", "")
    path = Path(folder).expanduser() / "sense-0880.wav"
    if not folder or not path.exists():
        missing("OSSICLE_CLIPS has to name the folder that scripts/clips.py fills")
    return path, "he was not an ill disposed young man"


def test_one_recording_is_the_same_words_in_every_dialect(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    import grpc
    import riva.client

    speech = pytest.importorskip("google.cloud.speech_v1")
    path, said = spoken()
    with doors(tmp_path_factory.mktemp("person"), "--engine", "pocketsphinx") as at:
        request = urllib.request.Request(
            f"{at.http}/v1/stream", path.read_bytes(), {"accept": "application/x-ndjson"}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            lines = [json.loads(line) for line in answer.read().splitlines()]
        native = [
            line["text"] for line in lines if line["type"] == "transcript" and line.get("final")
        ]
        words = " ".join(text for text in native if text).split()
        assert len(set(words) & set(said.split())) >= 4, words

        transport = speech.SpeechClient.get_transport_class("grpc")
        client = speech.SpeechClient(transport=transport(channel=grpc.insecure_channel(at.grpc)))
        with wave.open(str(path)) as sound:
            samples = sound.readframes(sound.getnframes())
        with client:
            responses = client.streaming_recognize(
                speech.StreamingRecognitionConfig(
                    config=speech.RecognitionConfig(
                        encoding="LINEAR16", sample_rate_hertz=16_000, language_code="en-US"
                    )
                ),
                (
                    speech.StreamingRecognizeRequest(audio_content=samples[place : place + 6_400])
                    for place in range(0, len(samples), 6_400)
                ),
            )
            google = [r.alternatives[0].transcript for each in responses for r in each.results]
        assert "".join(google).split() == words

        service = riva.client.ASRService(riva.client.Auth(uri=at.grpc))
        settings = riva.client.StreamingRecognitionConfig(config=config())
        with riva.client.AudioChunkFileIterator(path, 1_600) as chunks:
            responses = service.streaming_response_generator(
                audio_chunks=chunks, streaming_config=settings
            )
            nvidia = [r.alternatives[0].transcript for each in responses for r in each.results]
        assert "".join(nvidia).split() == words
    ran(
        python("google-cloud-speech"),
        "Google Speech v1",
        door="grpc",
        use="a person's speech, the same words as natively",
    )
    ran(sdk(), "Riva ASR", door="grpc", use="a person's speech, the same words as natively")
