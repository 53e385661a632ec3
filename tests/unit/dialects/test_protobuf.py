"""Messages in protobuf: the edge between structs and the runtime, and what was compiled."""

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from ossicle.core.errors import BadMessage, MissingExtra
from ossicle.dialects import protobuf
from ossicle.dialects.protobuf import Codec, Duration, FieldMask, Flag, descriptor_pool

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "scripts"))


class Word(msgspec.Struct, frozen=True):
    start_time: Duration | None = None
    word: str = ""
    confidence: float = 0.0
    speaker_tag: int = 0


class Reading(msgspec.Struct, frozen=True):
    transcript: str = ""
    words: tuple[Word, ...] = ()


class Request(msgspec.Struct, frozen=True):
    audio_content: bytes | None = None
    runtime_config: dict[str, str] = {}


V1 = "google.cloud.speech.v1."
READINGS = Codec(Reading, V1 + "SpeechRecognitionAlternative")
REQUESTS = Codec(Request, "nvidia.riva.asr.StreamingRecognizeRequest")


@pytest.mark.parametrize(
    ("name", "codec", "data", "value"),
    [
        ("empty", READINGS, b"", Reading()),
        ("text", READINGS, b"\x0a\x02hi", Reading("hi")),
        (
            "nested",
            READINGS,
            b"\x0a\x02hi\x1a\x0f\x0a\x07\x08\x01\x10\x80\xa5\xe4\x77\x1a\x02hi\x28\x02",
            Reading("hi", (Word(Duration(1, 251_204_224), "hi", 0.0, 2),)),
        ),
        ("present and empty", REQUESTS, b"\x12\x00", Request(audio_content=b"")),
        ("absent", REQUESTS, b"", Request(audio_content=None)),
        (
            "a map, in order of its keys",
            REQUESTS,
            b"\x1a\x06\x0a\x01a\x12\x01b\x1a\x06\x0a\x01c\x12\x01d",
            Request(runtime_config={"c": "d", "a": "b"}),
        ),
    ],
)
def test_bytes_and_structs(name: str, codec: Codec[Reading], data: bytes, value: Reading) -> None:
    assert codec.parse(data) == value
    assert codec.write(value) == data


def test_what_no_struct_names_is_skipped() -> None:
    # field 2 is the confidence, which Reading leaves out; field 15 is unknown to the .proto
    assert READINGS.parse(b"\x15\x00\x00\x80\x3f\x0a\x02hi\x7a\x01x") == Reading("hi")


@pytest.mark.parametrize("data", [b"\xff", b"\x0a\x05hi", b"\x0a\x02\xff\xfe", b"\x00\x00"])
def test_other_bytes_are_a_bad_message_that_quotes_nothing(data: bytes) -> None:
    with pytest.raises(BadMessage, match=rf"{len(data)} bytes are no SpeechRecognitionAlternative"):
        READINGS.parse(data)


def test_a_struct_that_does_not_fit_is_told_by_its_field() -> None:
    class Typo(msgspec.Struct, frozen=True):
        transcripts: str = ""

    class Kind(msgspec.Struct, frozen=True):
        transcript: bytes = b""

    class Single(msgspec.Struct, frozen=True):
        words: Word | None = None

    class Always(msgspec.Struct, frozen=True):
        start_time: Duration = Duration()

    class Truth(msgspec.Struct, frozen=True):
        speaker_tag: bool = False

    for kind, message, place in (
        (Typo, "SpeechRecognitionAlternative", "Typo.transcripts"),
        (Kind, "SpeechRecognitionAlternative", "Kind.transcript"),
        (Single, "SpeechRecognitionAlternative", "Single.words"),
        (Always, "WordInfo", "Always.start_time"),
        (Truth, "WordInfo", "Truth.speaker_tag"),
    ):
        with pytest.raises(TypeError, match=place):
            Codec(kind, V1 + message).check()


def test_durations() -> None:
    assert Duration.of_ms(1234) == Duration(1, 234_000_000)
    assert Duration(1, 234_999_999).ms == 1234
    codec = Codec(Duration, "google.protobuf.Duration")
    assert codec.parse(codec.write(Duration.of_ms(250))).ms == 250


def test_the_well_known_ones_fit_theirs() -> None:
    Codec(Flag, "google.protobuf.BoolValue").check()
    Codec(FieldMask, "google.protobuf.FieldMask").check()


def test_services_can_be_looked_up_for_reflection() -> None:
    service = descriptor_pool().FindServiceByName("google.cloud.speech.v1.Speech")
    assert [method.name for method in service.methods] == ["Recognize", "StreamingRecognize"]


def test_the_committed_descriptors_are_what_the_proto_files_say() -> None:
    pytest.importorskip("grpc_tools")
    from protos import FOLDER, compiled

    sets = compiled()
    assert {path.name for path in FOLDER.glob("*.binpb")} == set(sets)
    for name, data in sets.items():
        assert (FOLDER / name).read_bytes() == data, f"{name}: run scripts/protos.py"


@pytest.mark.parametrize("first", ["ours", "theirs"])
def test_a_vendors_package_with_the_same_names_is_no_conflict(first: str) -> None:
    pytest.importorskip("google.cloud.speech_v1")
    pytest.importorskip("riva.client.proto.riva_asr_pb2")
    ours = (
        "from ossicle.dialects.protobuf import message_class as m;"
        "a = m('google.cloud.speech.v1.WordInfo'); b = m('nvidia.riva.asr.WordInfo')"
    )
    theirs = (
        "from google.cloud.speech_v1 import WordInfo; import riva.client.proto.riva_asr_pb2 as r"
    )
    last = (
        "assert WordInfo.deserialize(a(word='x').SerializeToString()).word == 'x';"
        "assert r.WordInfo.FromString(b(word='y').SerializeToString()).word == 'y'"
    )
    lines = (ours, theirs) if first == "ours" else (theirs, ours)
    program = "\n".join((*lines, last))
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr


def test_without_the_runtime_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "google.protobuf.descriptor_pool", None)
    protobuf.descriptor_pool.cache_clear()
    try:
        with pytest.raises(MissingExtra, match=r"ossicle\[grpc\]"):
            descriptor_pool()
    finally:
        protobuf.descriptor_pool.cache_clear()
        protobuf.message_class.cache_clear()
