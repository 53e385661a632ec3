"""What the gateway sends out."""

import io
import wave

import numpy as np

from ossicle.audio import g711
from ossicle.audio.encode import Encoder
from ossicle.core.formats import AudioFormat


def test_nothing_to_do_is_the_same_object():
    data = bytes(640)
    assert Encoder(AudioFormat(), AudioFormat()).encode(data) is data


def test_a_voice_for_the_telephone():
    voice = (np.sin(np.arange(22_050) / 20) * 9000).astype("<i2").tobytes()
    encoder = Encoder(AudioFormat("pcm_s16le", 22_050), AudioFormat("mulaw", 8000))
    out = b"".join(encoder.encode(voice[at : at + 882]) for at in range(0, len(voice), 882))
    out += encoder.finish()
    assert len(out) == 8000
    assert max(g711.decode_mulaw(out)) > 0


def test_a_wav_has_one_header():
    encoder = Encoder(AudioFormat("pcm_s16le", 8000), AudioFormat("wav", 16000))
    out = encoder.encode(bytes(320)) + encoder.encode(bytes(320)) + encoder.finish()
    assert out.count(b"RIFF") == 1
    with wave.open(io.BytesIO(out)) as file:
        assert (file.getframerate(), file.getsampwidth()) == (16000, 2)
    assert len(out) - 44 == 1280


def test_a_wav_without_sound_is_its_header():
    encoder = Encoder(AudioFormat(), AudioFormat("wav"))
    assert encoder.finish()[:4] == b"RIFF"
    assert encoder.finish() == b""
