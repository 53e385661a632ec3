"""Wherever the wire cuts, the same comes out; and random bytes are refused, never a crash."""

import itertools
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ossicle.audio import ogg
from ossicle.audio.codecs import AudioCodecs
from ossicle.audio.wav import wav_header
from ossicle.core.errors import BadAudio
from ossicle.core.formats import WIDTHS, AudioFormat
from ossicle.core.ports import Packet

pytestmark = pytest.mark.fuzz
CODECS = AudioCodecs()
bounded = settings(derandomize=True, max_examples=60, deadline=None)

HEAD = b"OpusHead\x01\x01\x38\x01\x80\xbb\x00\x00\x00\x00\x00"
opus_packet = st.binary(min_size=0, max_size=600).map(lambda body: b"\x78" + body)


@st.composite
def ogg_streams(draw):
    """Pages that end anywhere, packets over several of them, now and then a second link."""
    out = b""
    for serial in range(draw(st.integers(1, 2))):
        out += ogg_page(2, 0, serial, 0, bytes([19]), HEAD)
        out += ogg_page(0, 0, serial, 1, bytes([16]), b"OpusTags" + bytes(8))
        pieces: list[tuple[int, bytes, bool]] = []
        for packet in draw(st.lists(opus_packet, min_size=1, max_size=8)):
            cuts = [packet[at : at + 255] for at in range(0, len(packet), 255)]
            if len(cuts[-1]) == 255:
                cuts.append(b"")
            pieces += [(len(cut), cut, at > 0) for at, cut in enumerate(cuts)]
        sequence, at = 2, 0
        while at < len(pieces):
            count = draw(st.integers(1, 6))
            part = pieces[at : at + count]
            at += count
            out += ogg_page(
                int(part[0][2]) | (4 if at >= len(pieces) else 0),
                draw(st.integers(-1, 20_000)),
                serial,
                sequence,
                bytes(size for size, _, _ in part),
                b"".join(body for _, body, _ in part),
            )
            sequence += 1
    return out


def ogg_page(flags, granule, serial, sequence, lacing, body):
    head = struct.pack("<4sBBqII", b"OggS", 0, flags, granule, serial, sequence)
    rest = bytes([len(lacing)]) + lacing + body
    return head + struct.pack("<I", ogg.checksum(head + bytes(4) + rest)) + rest


def element(name, body):
    return bytes.fromhex(name) + (len(body) | 1 << 28).to_bytes(4, "big") + body


UNKNOWN = b"\x01" + b"\xff" * 7
TRACK = element("ae", element("d7", b"\1") + element("83", b"\2") + element("86", b"A_OPUS")
                + element("63a2", HEAD))  # fmt: skip


@st.composite
def webm_streams(draw):
    """Clusters of known and unknown size, blocks of both kinds, other elements between."""
    out = element("1a45dfa3", element("4282", b"webm"))
    out += bytes.fromhex("18538067") + UNKNOWN + element("1654ae6b", TRACK)
    for _ in range(draw(st.integers(1, 4))):
        body = element("e7", b"\0")
        for packet in draw(st.lists(opus_packet, max_size=5)):
            track = b"\x81" if draw(st.booleans()) else b"\x82"
            block = track + b"\0\0\0" + packet
            simple = draw(st.booleans())
            body += element("a3", block) if simple else element("a0", element("a1", block))
            body += element("ec", bytes(draw(st.integers(0, 300))))
        known = draw(st.booleans())
        out += element("1f43b675", body) if known else bytes.fromhex("1f43b675") + UNKNOWN + body
    return out


@st.composite
def wav_streams(draw):
    form = AudioFormat(
        draw(st.sampled_from(["pcm_u8", "pcm_s16le", "pcm_s24le", "pcm_f64le", "alaw"])),
        16000,
        draw(st.integers(1, 3)),
    )
    body = draw(st.binary(max_size=300))
    size = draw(st.sampled_from([None, 0, len(body), len(body) // 2, 10_000]))
    junk = draw(st.binary(max_size=41))
    chunk = b"JUNK" + struct.pack("<I", len(junk)) + junk + bytes(len(junk) % 2)
    header = wav_header(form, size)
    return header[:12] + chunk + header[12:] + body


def pieces(data, cuts):
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(edges)]


def outcome(data, cuts, declared="auto"):
    """What comes out: packets, or all samples in one; and how it ended."""
    demuxer = CODECS.demuxer(AudioFormat(declared))
    items, error = [], ""
    try:
        for piece in pieces(data, cuts):
            items += demuxer.feed(piece)
        items += demuxer.finish()
    except BadAudio as bad:
        error = str(bad)
    packets = [item for item in items if isinstance(item, Packet)]
    samples = b"".join(item for item in items if isinstance(item, bytes))
    return packets, samples, error, demuxer.format


any_cuts = st.lists(st.integers(0, 1 << 16), max_size=40)


@bounded
@given(ogg_streams(), any_cuts)
def test_ogg(data, cuts):
    whole = outcome(data, [])
    assert whole[2] == ""
    assert whole[0]
    assert outcome(data, cuts) == whole


@bounded
@given(webm_streams(), any_cuts)
def test_webm(data, cuts):
    whole = outcome(data, [])
    assert whole[2] == ""
    assert outcome(data, cuts) == whole


@bounded
@given(wav_streams(), any_cuts)
def test_wav(data, cuts):
    whole = outcome(data, [])
    assert whole[2] == ""
    assert outcome(data, cuts) == whole


@bounded
@given(st.one_of(ogg_streams(), webm_streams(), wav_streams()), st.data())
def test_damage_is_refused_or_survived(data, choose):
    """A flipped byte, a lost piece or a cut end: BadAudio or sound, and bounded memory."""
    broken = bytearray(data)
    for _ in range(choose.draw(st.integers(1, 4))):
        at = choose.draw(st.integers(0, len(broken) - 1))
        broken[at] = choose.draw(st.integers(0, 255))
    lost = choose.draw(st.integers(0, len(broken)))
    del broken[lost : lost + choose.draw(st.integers(0, 50))]
    packets, _, _, form = outcome(bytes(broken), choose.draw(any_cuts))
    if form is None or form.encoding != "opus":
        return
    converter = CODECS.converter(form, AudioFormat("pcm_s16le", 48000))
    for packet in packets:
        try:
            assert len(converter.convert(packet)) == packet.units * 2
        except BadAudio:
            return


@bounded
@given(
    st.sampled_from(["auto", "wav", "ogg", "webm", "mp3", "flac", "amr_nb", "amr_wb", "speex",
                     "g729"]),
    st.sampled_from([b"", b"RIFF\0\0\0\0WAVE", b"OggS\0\2", b"\x1aE\xdf\xa3", b"fLaC\0\0\0\x22",
                     b"#!AMR\n\x3c", b"#!AMR-WB\n\x44", b"Speex   ", b"\x1e\x9d",
                     b"\xff\xfb\x90\x64", b"ID3\4\0\0\0\0\0\1"]),
    st.binary(max_size=4000),
    any_cuts,
)  # fmt: skip
def test_random_bytes(declared, front, data, cuts):
    outcome(front + data, cuts, declared)


@bounded
@given(
    st.sampled_from(sorted(WIDTHS)),
    st.sampled_from(["pcm_s16le", "mulaw", "pcm_f32le"]),
    st.sampled_from([(8000, 16000), (48000, 16000), (44100, 16000), (16000, 16000)]),
    st.sampled_from([(1, 1), (2, 1), (1, 2), (2, 2)]),
    st.integers(0, 700),
    any_cuts,
)
def test_converters(source, target, rates, channels, frames, cuts):
    a, b = AudioFormat(source, rates[0], channels[0]), AudioFormat(target, rates[1], channels[1])
    noise = np.random.default_rng(frames).integers(0, 256, frames * a.frame_bytes, np.uint8)
    data = noise.tobytes()
    whole, cut = CODECS.converter(a, b), CODECS.converter(a, b)
    if whole is None:
        return
    expected = whole.convert(data) + whole.flush()
    edges = [edge % (frames + 1) * a.frame_bytes for edge in cuts]
    out = b"".join(cut.convert(piece) for piece in pieces(data, edges)) + cut.flush()
    assert out == expected
    assert abs(len(out) / b.frame_bytes - frames * rates[1] / rates[0]) <= 1
