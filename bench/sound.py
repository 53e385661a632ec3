"""What converting a client's sound costs: the figures of `bench/audio.py`, for the page."""

from ossicle.core.formats import AudioFormat

from . import audio
from .progress import Progress
from .results import Section, Written

__all__ = ["measure"]

SAMPLES = (
    (AudioFormat("mulaw", 8_000), audio.ENGINE),
    (AudioFormat("pcm_s16le", 48_000), audio.ENGINE),
    (AudioFormat("pcm_s16le", 44_100), audio.ENGINE),
    (AudioFormat("pcm_f32le", 48_000, 2), audio.ENGINE),
)
CONTAINERS = (("webm", "libopus"), ("ogg", "libopus"), ("mp3", "libmp3lame"), ("flac", "flac"))


def measure(progress: Progress, *, quick: bool) -> Section:
    seconds = 5 if quick else 20
    costs: dict[str, float] = {}
    for source, target in SAMPLES:
        name = f"{source.encoding} {source.sample_rate} Hz, {source.channels} channels"
        progress.step(name)
        costs[name] = audio.samples(source, target, seconds)
    for kind, codec in CONTAINERS:
        progress.step(kind)
        costs[f"{kind} ({codec})"] = sum(
            audio.container(audio.file_of(kind, codec, seconds), seconds)
        )
    table = Written(("from", "CPU per 20 ms, us", "streams per core"))
    table.rows += [(name, f"{us:.0f}", f"{20_000 / us:,.0f}") for name, us in costs.items()]
    return Section(
        name="sound",
        title="Converting sound",
        text="To 16 kHz mono 16-bit samples, best of five. Clients that send that already cost "
        "nothing here.",
        tables=[table],
        figures=costs,
    )
