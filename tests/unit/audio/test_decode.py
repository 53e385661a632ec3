"""Every packet gives the samples it stands for, whole or damaged."""

import numpy as np
import pytest

from ossicle.audio.decode import PATIENCE, Decoder
from ossicle.core.errors import BadAudio
from ossicle.core.formats import AudioFormat
from ossicle.core.ports import Packet

OPUS = AudioFormat("opus", 48000)


@pytest.mark.parametrize(
    ("rate", "options", "units"),
    [
        (48000, {}, 960),
        (48000, {"frame_duration": "10"}, 480),
        (16000, {"application": "voip", "frame_duration": "60"}, 2880),
        (8000, {"application": "voip"}, 960),
    ],
)
def test_raw_opus_packets_of_every_mode(sound, opus_packets, rate, options, units):
    packets = opus_packets(sound(rate, rate), rate, **options)
    decoder = Decoder(OPUS)
    assert {len(decoder.decode(packet)) for packet in packets} == {units * 2}
    assert decoder.damaged == 0


def test_it_sounds_like_what_was_encoded(sound, opus_packets):
    decoder = Decoder(OPUS)
    out = b"".join(map(decoder.decode, opus_packets(sound(48000, 48_000))))
    heard = np.frombuffer(out, "<i2")[312 + 4800 :].astype(float)
    said = sound(48000, 48_000)[4800 : 4800 + len(heard), 0].astype(float)
    heard = heard[: len(said)]
    assert np.corrcoef(heard, said)[0, 1] > 0.98


def test_stereo_packets_in_a_mono_stream(sound, opus_packets):
    packets = opus_packets(sound(48000, 48_000, 2))
    decoder = Decoder(OPUS)
    assert len(decoder.decode(packets[0])) == 1920


def test_a_damaged_packet_is_silence_and_counted(sound, opus_packets):
    packets = opus_packets(sound(48000, 48_000))
    decoder = Decoder(OPUS)
    decoder.decode(packets[0])
    assert decoder.decode(Packet(b"\xff\xff\xff\0", 960)) == bytes(1920)
    assert decoder.decode(Packet(b"", 480)) == bytes(960)
    assert decoder.damaged == 2
    assert any(decoder.decode(packets[1]))


def test_damage_after_success_is_never_fatal(sound, opus_packets):
    decoder = Decoder(OPUS)
    decoder.decode(opus_packets(sound(48000, 4800))[0])
    for _ in range(3 * PATIENCE):
        decoder.decode(Packet(b"\xff\xff\xff\0", 960))
    assert decoder.damaged == 3 * PATIENCE


def test_never_a_good_packet_is_fatal():
    decoder = Decoder(OPUS)
    for _ in range(PATIENCE - 1):
        decoder.decode(Packet(b"\xff\xff\xff\0", 960))
    with pytest.raises(BadAudio, match="none of the first 25 packets is opus"):
        decoder.decode(Packet(b"\xff\xff\xff\0", 960))


def test_short_packets_lose_their_front_first_and_their_tail_last(opus_packets, sound):
    packets = opus_packets(sound(48000, 48_000))
    whole = Decoder(OPUS)
    full = [whole.decode(Packet(packet, 960)) for packet in packets[:5]]
    units = [0, 648, 960, 400, 300]
    cut = Decoder(OPUS)
    out = [cut.decode(Packet(p, n)) for p, n in zip(packets, units, strict=False)]
    assert out[0] == b""
    assert out[1] == full[1][-648 * 2 :]
    assert out[2] == full[2]
    assert out[3] == full[3][: 400 * 2]
    # After an end comes the front of the next link of a chain.
    assert out[4] == full[4][-300 * 2 :]


def test_pre_skip_in_the_header_is_not_applied_twice(sound, opus_packets):
    head = b"OpusHead\x01\x01\x38\x01\x80\xbb\x00\x00\x00\x00\x00"
    packets = opus_packets(sound(48000, 48_000))
    with_head, without = Decoder(AudioFormat("opus", 48000, 1, head)), Decoder(OPUS)
    for packet in packets[:5]:
        assert with_head.decode(packet) == without.decode(packet)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (AudioFormat("opus", 48000, 6), "needs an OpusHead"),
        (AudioFormat("wav"), "no decoder for wav"),
        (AudioFormat("flac", 16000, 1, b"short"), "header of 5 bytes"),
    ],
)
def test_refused_at_once(source, words):
    with pytest.raises(BadAudio, match=words):
        Decoder(source)


def test_flac_of_24_bits(take_apart):
    import io

    import av

    from ossicle.audio.flac import FlacDemuxer

    wide = (np.arange(-8000, 8000) * 4 << 16).astype("<i4").reshape(1, -1)
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="flac") as file:
        stream = file.add_stream("flac", rate=16000, layout="mono")
        stream.codec_context.format = "s32"
        frame = av.AudioFrame.from_ndarray(wide, format="s32", layout="mono")
        frame.sample_rate = 16000
        file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    demuxer = FlacDemuxer()
    items = take_apart(demuxer, buffer.getvalue())
    decoder = Decoder(demuxer.format)
    out = np.frombuffer(b"".join(map(decoder.decode, items)), "<i2")
    assert out.tolist() == (np.arange(-8000, 8000) * 4).tolist()


def test_a_change_of_channels_is_refused(sound, encoded, take_apart):
    from ossicle.audio.mpeg import Mp3Demuxer

    demuxer = Mp3Demuxer()
    items = take_apart(demuxer, encoded("mp3", "libmp3lame", 44100, sound(44100, 8000, 2)))
    decoder = Decoder(AudioFormat("mp3", 44100, 1))
    with pytest.raises(BadAudio, match="changed to 2 channels"):
        for item in items:
            decoder.decode(item)
