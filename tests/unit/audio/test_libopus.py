"""libopus, by ctypes: sound survives, losses are recovered, and errors are ours."""

import ctypes

import numpy as np
import pytest

from ossicle.audio.libopus import FRAME, OpusDecoder, OpusEncoder, library
from ossicle.audio.mediacodecs import MediaCodecs, media_decoder, media_encoder
from ossicle.audio.opus import redundant, samples_of
from ossicle.core.errors import BadAudio


def voice(seconds: float = 2.0) -> bytes:
    """Something like a voice: a changing pitch with overtones, some noise."""
    time = np.arange(int(16_000 * seconds)) / 16_000
    pitch = 2 * np.pi * (140 * time + 6 * np.sin(5 * time))
    tone = sum(np.sin(n * pitch) / n for n in range(1, 9))
    noise = np.random.default_rng(1).normal(0, 0.02, len(time))
    return ((tone * 0.3 + noise) * 9_000).astype("<i2").tobytes()


def packets(encoder: OpusEncoder, sound: bytes) -> list[bytes]:
    return [encoder.encode(sound[at : at + 640]) for at in range(0, len(sound), 640)]


def test_there_and_back() -> None:
    sound = voice()
    decoder = OpusDecoder()
    heard = b"".join(decoder.decode(packet) for packet in packets(OpusEncoder(), sound))
    assert len(heard) == len(sound)
    was, now = (np.frombuffer(x, "<i2").astype(float) for x in (sound, heard))
    delay = max(range(400), key=lambda d: float(np.dot(was[:16_000], now[d : d + 16_000])))
    assert np.corrcoef(was[:16_000], now[delay : delay + 16_000])[0, 1] > 0.8


def test_the_rate_is_kept_and_can_change() -> None:
    encoder = OpusEncoder(bitrate=32_000)
    fast = sum(map(len, packets(encoder, voice()))) * 8 / 2
    encoder.adapt(12_000, 0)
    slow = sum(map(len, packets(encoder, voice()))) * 8 / 2
    assert 22_000 < fast < 40_000
    assert 8_000 < slow < 15_000


def test_redundancy_comes_with_expected_loss() -> None:
    encoder = OpusEncoder()
    assert not any(map(redundant, packets(encoder, voice())))
    encoder.adapt(24_000, 15)
    made = packets(encoder, voice())
    assert sum(map(redundant, made)) > len(made) / 2
    decoder = OpusDecoder()
    for packet in made[:30]:
        decoder.decode(packet)
    assert len(decoder.recover(FRAME, made[31])) == 640
    assert len(decoder.conceal(FRAME)) == 640
    assert len(decoder.conceal(10 * 16_000)) == 320_000


def test_redundant_agrees_with_the_library() -> None:
    lib = library()
    if not hasattr(lib, "opus_packet_has_lbrr"):
        pytest.skip("this libopus is older than 1.5")
    lib.opus_packet_has_lbrr.argtypes = [ctypes.c_char_p, ctypes.c_int32]
    encoder = OpusEncoder()
    encoder.adapt(20_000, 10)
    for packet in packets(encoder, voice(4.0)):
        assert redundant(packet) == bool(lib.opus_packet_has_lbrr(packet, len(packet)))


def test_silence_need_not_be_sent_with_dtx() -> None:
    encoder = OpusEncoder(dtx=True)
    sizes = [len(packet) for packet in packets(encoder, bytes(64_000))]
    assert sum(1 for size in sizes if size <= 2) > len(sizes) / 2


@pytest.mark.parametrize("packet", [b"\xff" * 3, b"\x03", b"\x4b\x3f"])
def test_damaged_packets_are_said_to_be_damaged(packet: bytes) -> None:
    with pytest.raises(BadAudio, match="Opus"):
        OpusDecoder().decode(packet)


def test_what_opus_does_not_take() -> None:
    with pytest.raises(BadAudio, match="11"):
        OpusEncoder(complexity=11)
    with pytest.raises(BadAudio):
        OpusEncoder().encode(bytes(100))


def test_codecs_by_name() -> None:
    codecs = MediaCodecs()
    assert codecs.ticks("opus")(OpusEncoder().encode(bytes(640))) == 960
    assert codecs.ticks("pcmu")(bytes(160)) == 160
    assert not codecs.redundant("pcmu", bytes(160))
    for make in (media_decoder, media_encoder):
        with pytest.raises(BadAudio, match="g729"):
            make("g729")
    assert samples_of(b"") == 0
