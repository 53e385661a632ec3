"""What converting sound costs: microseconds of CPU per 20 ms, for each kind of client.

python bench/audio.py [--seconds 20]
"""

import argparse
import io
import time
from collections.abc import Callable, Iterable

import av
import numpy as np
from rich.console import Console
from rich.table import Table

from ossicle.audio.codecs import AudioCodecs
from ossicle.core.formats import AudioFormat
from ossicle.core.ports import Packet

CODECS = AudioCodecs()
ENGINE = AudioFormat("pcm_s16le", 16_000)
ROUNDS = 5


def voice(rate: int, seconds: int, channels: int = 1) -> bytes:
    """Something that is not silence and not a pure tone, so that codecs have work."""
    time_axis = np.arange(rate * seconds) / rate
    sweep = np.sin(2 * np.pi * (200 + 150 * np.sin(time_axis)) * time_axis) * 8000
    noise = np.random.default_rng(1).standard_normal(len(time_axis)) * 500
    one = (sweep + noise).astype("<i2")
    return np.stack([one] * channels, axis=1).tobytes()


def file_of(container: str, codec: str, seconds: int) -> bytes:
    samples = np.frombuffer(voice(48_000, seconds), "<i2").reshape(1, -1)
    buffer = io.BytesIO()
    live = {"live": "1", "cluster_time_limit": "250"} if container == "webm" else {}
    with av.open(buffer, "w", format=container, options=live) as file:
        stream = file.add_stream(codec, rate=48_000, layout="mono")
        context = stream.codec_context
        context.format = "s16p" if codec == "libmp3lame" else "s16"
        context.open()
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.sample_rate, frame.pts = 48_000, 0
        cut = av.AudioResampler(context.format, "mono", 48_000, context.frame_size or None)
        for part in [*cut.resample(frame), *cut.resample(None)]:
            file.mux(stream.encode(part))
        file.mux(stream.encode(None))
    return buffer.getvalue()


def cpu_us(work: Callable[[], object], frames: float) -> float:
    """The best of a few rounds, in microseconds of this process's CPU per 20 ms of sound."""
    best = float("inf")
    for _ in range(ROUNDS):
        begin = time.process_time()
        work()
        best = min(best, time.process_time() - begin)
    return best * 1e6 / frames


def converting(source: AudioFormat, target: AudioFormat, items: Iterable[bytes | Packet]) -> None:
    converter = CODECS.converter(source, target)
    assert converter is not None
    for item in items:
        converter.convert(item)
    converter.flush()


def samples(source: AudioFormat, target: AudioFormat, seconds: int) -> float:
    size = source.bytes(20)
    raw = CODECS.converter(AudioFormat("pcm_s16le", source.sample_rate, source.channels), source)
    data = voice(source.sample_rate, seconds, source.channels)
    data = raw.convert(data) if raw else data
    frames = [data[at : at + size] for at in range(0, len(data), size)]
    return cpu_us(lambda: converting(source, target, frames), len(frames))


def container(data: bytes, seconds: int) -> tuple[float, float]:
    """Taking apart, and decoding to what an engine hears."""

    def take_apart() -> tuple[AudioFormat, list[bytes | Packet]]:
        demuxer = CODECS.demuxer(AudioFormat("auto"))
        assert demuxer is not None
        items: list[bytes | Packet] = []
        for at in range(0, len(data), 1000):
            items += demuxer.feed(data[at : at + 1000])
        items += demuxer.finish()
        assert demuxer.format is not None
        return demuxer.format, items

    form, items = take_apart()
    frames = seconds * 50
    return cpu_us(take_apart, frames), cpu_us(lambda: converting(form, ENGINE, items), frames)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=20, help="of sound in each case")
    seconds: int = parser.parse_args().seconds

    table = Table(title="Sound conversion, CPU per 20 ms frame (best of 5)")
    for name in ("from", "to", "take apart, us", "convert, us", "streams per core"):
        table.add_column(name, justify="right" if "us" in name or "core" in name else "left")

    def row(left: str, right: str, apart: float, convert: float) -> None:
        total = apart + convert
        table.add_row(
            left,
            right,
            f"{apart:.1f}" if apart else "-",
            f"{convert:.1f}",
            f"{20_000 / total:,.0f}",
        )

    for source, target in (
        (AudioFormat("mulaw", 8_000), AudioFormat("pcm_s16le", 8_000)),
        (AudioFormat("mulaw", 8_000), ENGINE),
        (AudioFormat("pcm_s16le", 48_000), ENGINE),
        (AudioFormat("pcm_s16le", 44_100), ENGINE),
        (AudioFormat("pcm_f32le", 16_000), ENGINE),
        (AudioFormat("pcm_s16le", 16_000, 2), ENGINE),
        (AudioFormat("pcm_f32le", 48_000, 2), ENGINE),
        (AudioFormat("pcm_s16le", 22_050), AudioFormat("mulaw", 8_000)),
    ):
        names = [f"{f.encoding} {f.sample_rate} x{f.channels}" for f in (source, target)]
        row(*names, 0.0, samples(source, target, seconds))
    for kind, codec in (
        ("webm", "libopus"), ("ogg", "libopus"), ("mp3", "libmp3lame"), ("flac", "flac"),
    ):  # fmt: skip
        row(
            f"{kind} ({codec})",
            "pcm_s16le 16000 x1",
            *container(file_of(kind, codec, seconds), seconds),
        )
    Console().print(table)


if __name__ == "__main__":
    main()
