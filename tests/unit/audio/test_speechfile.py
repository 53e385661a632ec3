"""What is written while it is spoken can be read by others, and lasts as long as it should."""

import io
import wave

import av
import numpy as np
import pytest

from ossicle.audio.speechfile import speech_file
from ossicle.core.errors import BadAudio
from ossicle.core.formats import AudioFormat

RATE = 24_000
TONE = (np.sin(np.arange(RATE) * 2 * np.pi * 440 / RATE) * 8000).astype("<i2").tobytes()


def written(encoding, rate=RATE, step=4800, tone=TONE, **how):
    made = speech_file(AudioFormat("pcm_s16le", rate), encoding, **how)
    pieces = [made.encode(tone[at : at + step]) for at in range(0, len(tone), step)]
    pieces.append(made.finish())
    assert made.finish() == b""
    return made, pieces


@pytest.mark.parametrize(
    ("encoding", "kind"),
    [
        ("mp3", "audio/mpeg"),
        ("opus", "audio/ogg;codecs=opus"),
        ("flac", "audio/flac"),
        ("aac", "audio/aac"),
    ],
)
def test_others_can_read_it(encoding, kind):
    made, pieces = written(encoding)
    assert made.content_type == kind
    data = b"".join(pieces)
    with av.open(io.BytesIO(data)) as file:
        samples = np.concatenate([f.to_ndarray().reshape(-1) for f in file.decode(audio=0)])
        rate = file.streams.audio[0].rate
    assert abs(len(samples) / rate - 1.0) < 0.12
    loud = samples[len(samples) // 3 : 2 * len(samples) // 3].astype(float)
    spectrum = np.abs(np.fft.rfft(loud))
    assert abs(np.argmax(spectrum) * rate / len(loud) - 440) < 5


@pytest.mark.parametrize("encoding", ["mp3", "opus", "flac", "aac"])
def test_it_leaves_while_it_is_spoken(encoding):
    _, pieces = written(encoding)
    half = b"".join(pieces[: len(pieces) // 2])
    assert len(half) > len(b"".join(pieces)) // 4


def test_wav_and_raw():
    made, pieces = written("linear16")
    data = b"".join(pieces)
    assert made.content_type == "audio/wav"
    assert data[44:] == TONE
    with wave.open(io.BytesIO(data)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (RATE, 1, 2)
    made, pieces = written("linear16", container="none")
    assert (made.content_type, b"".join(pieces)) == ("audio/l16;rate=24000", TONE)


@pytest.mark.parametrize("encoding", ["mulaw", "alaw"])
def test_g711(encoding):
    _, raw = written(encoding, container="none")
    made, pieces = written(encoding)
    data = b"".join(pieces)
    assert made.content_type == "audio/wav"
    assert data.endswith(b"".join(raw))
    assert len(b"".join(raw)) == len(TONE) // 2
    with av.open(io.BytesIO(data)) as file:
        assert file.streams.audio[0].codec_context.name == f"pcm_{encoding}"


@pytest.mark.parametrize(
    ("encoding", "rate", "how", "says"),
    [
        ("speex", RATE, {}, "'speex'"),
        ("mp3", RATE, {"container": "wav"}, "'wav'"),
        ("opus", RATE, {"container": "none"}, "'none'"),
        ("linear16", RATE, {"container": "ogg"}, "'ogg'"),
        ("opus", 22_050, {}, "22050 Hz"),
        ("mp3", RATE, {"bit_rate": 1}, "bit rate 1"),
    ],
)
def test_what_is_not_written_is_refused(encoding, rate, how, says):
    with pytest.raises(BadAudio, match=says):
        speech_file(AudioFormat("pcm_s16le", rate), encoding, **how)


def test_a_bit_rate_is_kept():
    small, large = (sum(map(len, written("mp3", bit_rate=b)[1])) for b in (32_000, 128_000))
    assert small < large / 2


def test_nothing_said_is_an_empty_file():
    for encoding in ("mp3", "opus", "flac", "aac", "linear16"):
        made = speech_file(AudioFormat("pcm_s16le", RATE), encoding)
        assert isinstance(made.finish(), bytes)
