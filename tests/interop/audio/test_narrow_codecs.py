"""AMR-WB, G.729 and Speex as other people's encoders make them, heard by ours.

The encoders are libraries and a program of Debian, none of which is FFmpeg's: what decodes here
was not written by who encodes. AMR-NB is in tests/unit/audio/test_amr.py: PyAV brings its encoder.
At the end, one of them as a client of Deepgram's sends it, to a gateway that listens.
"""

import asyncio
import ctypes
import json
import os
import shutil
import subprocess
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from websockets.asyncio.client import connect

from harness import ask, gateway_with, missing
from ossicle.audio.codecs import AudioCodecs
from ossicle.core.formats import AudioFormat
from ossicle.core.ports import Packet
from ossicle.engines.open import open_engine

pytestmark = pytest.mark.interop
CODECS = AudioCodecs()
PACKAGES = {
    "libvo-amrwbenc.so.0": "libvo-amrwbenc0",
    "libbcg729.so.0": "libbcg729-0",
    "speexenc": "speex",
}


def absent(name: str) -> None:
    missing(f"{name} is not installed: apt-get install {PACKAGES[name]}")


def library(name: str) -> Any:
    try:
        return ctypes.CDLL(name)
    except OSError:
        return absent(name)


@pytest.fixture(scope="module")
def speech() -> Callable[[int], np.ndarray]:
    """Somebody speaking, where there is a recording; else what a throat makes, louder and softer.
    These codecs were made for voices, and a plain tone comes out poorly."""

    def make(rate: int) -> np.ndarray:
        folder = os.environ.get("OSSICLE_SPEECH")
        if folder:
            with wave.open(str(min(Path(folder).glob("*.wav")))) as file:
                samples = np.frombuffer(file.readframes(24_000), "<i2")
            convert = CODECS.converter(AudioFormat(), AudioFormat("pcm_s16le", rate))
            if convert is None:
                return samples
            return np.frombuffer(convert.convert(samples.tobytes()) + convert.flush(), "<i2")
        time = np.arange(rate * 3 // 2) / rate
        voice = sum(np.sin(2 * np.pi * 130 * k * time) / k**1.5 for k in range(1, 20))
        return (voice * (1 + np.sin(2 * np.pi * 3 * time)) * 4000).astype("<i2")

    return make


def heard(source: AudioFormat, messages: list[bytes], rate: int) -> np.ndarray:
    demuxer = CODECS.demuxer(source)
    assert demuxer is not None
    items = [item for message in messages for item in demuxer.feed(message)]
    items += demuxer.finish()
    assert demuxer.format is not None
    assert demuxer.format.sample_rate == rate
    converter = CODECS.converter(demuxer.format, AudioFormat("pcm_s16le", rate))
    assert converter is not None
    out = np.frombuffer(b"".join([converter.convert(item) for item in items]), "<i2")
    assert len(out) == sum(item.units for item in items if isinstance(item, Packet))
    return out


def alike(said: np.ndarray, got: np.ndarray, rate: int) -> float:
    """How like the two spectra are, 40 ms by 40 ms: as strong, in the same places, at the same
    time. The waves themselves differ: an encoder may turn phases, which nobody hears."""
    span = min(len(said), len(got)) // (rate // 25)
    one, other = (
        np.abs(np.fft.rfft(part[: span * (rate // 25)].reshape(span, -1).astype(float)))
        for part in (said, got)
    )
    assert 0.7 < np.linalg.norm(other) / np.linalg.norm(one) < 1.4
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


def pieces(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def amr_wb(samples: np.ndarray, *, pauses: bool = False) -> list[bytes]:
    """Frames of 23.85 kbit/s, or of comfort noise and nothing in `pauses`."""
    encoder = library("libvo-amrwbenc.so.0")
    encoder.E_IF_init.restype = ctypes.c_void_p
    state, room = ctypes.c_void_p(encoder.E_IF_init()), ctypes.create_string_buffer(100)
    frames: list[bytes] = []
    for at in range(0, len(samples) - 319, 320):
        part = samples[at : at + 320].tobytes()
        size = encoder.E_IF_encode(state, ctypes.c_short(8), part, room, ctypes.c_short(pauses))
        frames.append(room.raw[:size])
    encoder.E_IF_exit(state)
    return frames


@pytest.mark.parametrize("pauses", [False, True], ids=["always", "comfort noise"])
def test_amr_wb(speech: Callable[[int], np.ndarray], *, pauses: bool) -> None:
    said = speech(16_000)
    whole = np.concatenate([said, np.zeros(32_000 if pauses else 0, "<i2")])
    frames = amr_wb(whole, pauses=pauses)
    assert {frame[0] >> 3 for frame in frames} == ({8, 9, 15} if pauses else {8})
    data = b"".join(frames)
    got = heard(AudioFormat("auto"), pieces(b"#!AMR-WB\n" + data, 100), 16_000)
    assert len(got) == len(whole) // 320 * 320
    assert alike(said, got, 16_000) > 0.95
    assert (heard(AudioFormat("amr_wb", 16_000), [data], 16_000) == got).all()


def test_g729(speech: Callable[[int], np.ndarray]) -> None:
    encoder = library("libbcg729.so.0")
    encoder.initBcg729EncoderChannel.restype = ctypes.c_void_p
    channel = ctypes.c_void_p(encoder.initBcg729EncoderChannel(ctypes.c_uint8(0)))
    room, size = ctypes.create_string_buffer(10), ctypes.c_uint8()
    said, data = speech(8_000), b""
    for at in range(0, len(said) - 79, 80):
        encoder.bcg729Encoder(channel, said[at : at + 80].tobytes(), room, ctypes.byref(size))
        data += room.raw[: size.value]
    encoder.closeBcg729EncoderChannel(channel)
    got = heard(AudioFormat("g729", 8_000), pieces(data, 33), 8_000)
    assert len(got) == len(said) // 80 * 80
    assert alike(said, got, 8_000) > 0.9


@pytest.mark.parametrize(
    ("rate", "band", "how"),
    [
        (8_000, "--narrowband", "--quality=8"),
        (16_000, "--wideband", "--nframes=3"),
        (32_000, "--ultra-wideband", "--vbr"),
    ],
)
def test_speex(
    speech: Callable[[int], np.ndarray], tmp_path: Path, rate: int, band: str, how: str
) -> None:
    """A file, as long as what was said; and its packets as a wire has them that keeps them."""
    if shutil.which("speexenc") is None:
        absent("speexenc")
    said = np.tile(speech(rate), 4)  # several pages: the first tells the encoder's delay
    with wave.open(str(tmp_path / "said.wav"), "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        file.writeframes(said.tobytes())
    command = ["speexenc", band, how, "said.wav", "said.spx"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    data = (tmp_path / "said.spx").read_bytes()
    got = heard(AudioFormat("auto"), pieces(data, 100), rate)
    assert len(got) == len(said)
    assert alike(said, got, rate) > 0.95
    demuxer = CODECS.demuxer(AudioFormat("ogg"))
    assert demuxer is not None
    packets = [item.data for item in demuxer.feed(data) if isinstance(item, Packet)]
    bare = heard(AudioFormat("speex", rate), packets, rate)
    assert got.tobytes() in bare.tobytes()  # the same, with the encoder's delay before it


async def test_somebody_is_understood(tmp_path: Path) -> None:
    clip = Path(os.environ.get("OSSICLE_CLIPS", ""), "go-forward.wav")
    if not clip.is_file():
        missing("go-forward.wav is needed in the folder that OSSICLE_CLIPS names")
    with wave.open(str(clip)) as file:
        said = np.frombuffer(file.readframes(file.getnframes()) + bytes(32_000), "<i2")
    frames = amr_wb(said)
    finals: list[str] = []
    async with gateway_with(tmp_path, open_engine("pocketsphinx")) as gateway:
        await gateway.ready()
        answer = await ask(gateway.url, b"".join(frames), path="/v1/listen?encoding=amr-wb")
        where = gateway.url.replace("http", "ws") + "/v1/listen?encoding=amr-wb&sample_rate=16000"
        async with asyncio.timeout(30), connect(where, proxy=None, compression=None) as socket:
            for frame in frames:
                await socket.send(frame)
            await socket.send('{"type":"CloseStream"}')
            async for text in socket:
                message = json.loads(text)
                if message["type"] == "Results":
                    finals += message["channel"]["alternatives"][0]["transcript"].split()
    wanted = ["go", "forward", "ten", "meters"]
    assert [word.lower() for word in finals] == wanted
    reading = answer.json["results"]["channels"][0]["alternatives"][0]
    assert reading["transcript"].lower().rstrip(".").split() == wanted
    assert answer.json["metadata"]["duration"] == pytest.approx(len(frames) * 0.02)


async def test_speex_as_google_has_it(tmp_path: Path) -> None:
    """Each packet behind a byte with its length, through Google's own client."""
    grpc = pytest.importorskip("grpc")
    speech_v1 = pytest.importorskip("google.cloud.speech_v1")
    clip = Path(os.environ.get("OSSICLE_CLIPS", ""), "go-forward.wav")
    if not clip.is_file():
        missing("go-forward.wav is needed in the folder that OSSICLE_CLIPS names")
    if shutil.which("speexenc") is None:
        absent("speexenc")
    command = ["speexenc", "--wideband", "--quality=10", str(clip), "said.spx"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    demuxer = CODECS.demuxer(AudioFormat("ogg"))
    assert demuxer is not None
    found = demuxer.feed((tmp_path / "said.spx").read_bytes())
    packets = [item.data for item in found if isinstance(item, Packet)]
    data = b"".join(bytes([len(packet)]) + packet for packet in packets)
    async with gateway_with(tmp_path, open_engine("pocketsphinx"), grpc_port=0) as gateway:
        await gateway.ready()
        where = gateway.house.address.grpc.removeprefix("grpc://")
        async with grpc.aio.insecure_channel(where) as channel:
            transport = speech_v1.SpeechAsyncClient.get_transport_class("grpc_asyncio")
            client = speech_v1.SpeechAsyncClient(transport=transport(channel=channel))
            answer = await client.recognize(
                config=speech_v1.RecognitionConfig(
                    encoding="SPEEX_WITH_HEADER_BYTE", sample_rate_hertz=16_000,
                    language_code="en-US",
                ),
                audio=speech_v1.RecognitionAudio(content=data),
            )  # fmt: skip
    said = " ".join(result.alternatives[0].transcript for result in answer.results)
    assert said.lower().split() == ["go", "forward", "ten", "meters"]
