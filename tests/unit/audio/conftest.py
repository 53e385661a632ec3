"""Sound to test with: a tone, or real speech when OSSICLE_SPEECH names a folder of WAVs, in every
container, made by FFmpeg's own encoders."""

import io
import os
import wave
from pathlib import Path

import av
import numpy as np
import pytest


def _speech() -> tuple[int, np.ndarray] | None:
    folder = os.environ.get("OSSICLE_SPEECH")
    if not folder:
        return None
    path = min(Path(folder).glob("*.wav"))
    with wave.open(str(path)) as file:
        data = np.frombuffer(file.readframes(3 * file.getframerate()), "<i2")
        return file.getframerate(), data


@pytest.fixture(scope="session")
def sound():
    """`sound(rate, frames, channels)`: interleaved 16-bit samples."""

    def make(rate: int, frames: int, channels: int = 1) -> np.ndarray:
        speech = _speech()
        if speech is not None and speech[0] == rate and len(speech[1]) >= frames:
            one = speech[1][:frames]
        else:
            one = (np.sin(2 * np.pi * 440 * np.arange(frames) / rate) * 12000).astype("<i2")
        return np.stack([one] * channels, axis=1)

    return make


@pytest.fixture(scope="session")
def encoded():
    """`encoded(container, codec, rate, samples, **options)`: the file's bytes."""

    def make(container: str, codec: str, rate: int, samples: np.ndarray, **options: str) -> bytes:
        buffer = io.BytesIO()
        codec_options = options.pop("codec_options", {})
        layout = ("mono", "stereo")[samples.shape[1] - 1]
        with av.open(buffer, "w", format=container, options=options) as file:
            stream = file.add_stream(codec, rate=rate, layout=layout, options=codec_options)
            context = stream.codec_context
            kind = {"libmp3lame": "s16p", "aac": "fltp"}.get(codec, "s16")
            context.format = kind
            context.open()
            frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout=layout)
            frame.sample_rate, frame.pts = rate, 0
            cut = av.AudioResampler(kind, layout, rate, context.frame_size or None)
            for part in [*cut.resample(frame), *cut.resample(None)]:
                file.mux(stream.encode(part))
            file.mux(stream.encode(None))
        return buffer.getvalue()

    return make


@pytest.fixture(scope="session")
def opus_packets():
    """`opus_packets(samples, rate, **options)`: bare packets, as libopus makes them."""

    def make(samples: np.ndarray, rate: int = 48000, **options: str) -> list[bytes]:
        layout = ("mono", "stereo")[samples.shape[1] - 1]
        context = av.CodecContext.create("libopus", "w")
        context.sample_rate, context.layout, context.format = rate, layout, "s16"
        context.options = options
        context.open()
        size, out = context.frame_size, []
        for at in range(0, len(samples) - size + 1, size):
            part = np.ascontiguousarray(samples[at : at + size]).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(part, format="s16", layout=layout)
            frame.sample_rate, frame.pts = rate, at
            out += [bytes(packet) for packet in context.encode(frame)]
        return out

    return make


@pytest.fixture(scope="session")
def take_apart():
    """`take_apart(demuxer, data, step)`: everything a demuxer emits, fed in pieces."""

    def run(demuxer, data: bytes, step: int = 1000):
        items = []
        for at in range(0, len(data), step):
            items += demuxer.feed(data[at : at + step])
        return [*items, *demuxer.finish()]

    return run
