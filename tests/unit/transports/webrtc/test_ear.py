"""From packets to sound: nothing is missing, and each loss is recovered or made up."""

import random

import pytest

pytest.importorskip("av")

from ossicle.audio.libopus import OpusEncoder
from ossicle.audio.mediacodecs import MediaCodecs
from ossicle.audio.opus import redundant
from ossicle.transports.webrtc.ear import Ear
from pitch import heard_in, pitches

CODERS = MediaCodecs()
STEP = 960
WORDS = [4, 8, 15, 16, 23, 30, 1, 0]


def packets(loss_percent: int = 20) -> list[bytes]:
    encoder = OpusEncoder()
    encoder.adapt(24_000, loss_percent)
    sound = pitches(WORDS)
    return [
        encoder.encode(sound[at : at + 640].ljust(640, b"\0")) for at in range(0, len(sound), 640)
    ]


class Run:
    def __init__(self, name: str = "opus", rate: int = 48_000) -> None:
        self.sound: list[bytes] = []
        self.ear = Ear(name, rate, CODERS, self.sound.append)

    def feed(self, all_: list[bytes], lost: set[int], step: int = STEP) -> bytes:
        for number, packet in enumerate(all_):
            now = number * 0.02
            if self.ear.deadline <= now:
                self.ear.expire(now)
            if number not in lost:
                self.ear.packet(number, number * step, packet, now)
        self.ear.flush()
        return b"".join(self.sound)


def test_nothing_lost() -> None:
    run = Run()
    all_ = packets()
    sound = run.feed(all_, set())
    assert len(sound) == len(all_) * 640
    assert heard_in(sound) == WORDS
    assert run.ear.stats.decoded == len(all_)
    assert run.ear.stats.concealed == run.ear.stats.recovered == 0


@pytest.mark.parametrize("seed", range(3))
def test_one_in_ten_lost(seed: int) -> None:
    run = Run()
    all_ = packets()
    chance = random.Random(seed)
    lost = {number for number in range(1, len(all_) - 1) if chance.random() < 0.1}
    sound = run.feed(all_, lost)
    assert len(sound) == len(all_) * 640  # nothing is missing, nothing is longer
    stats = run.ear.stats
    assert stats.recovered + stats.concealed == len(lost) == run.ear.network.lost
    # Recovered is what its follower carried, and only that.
    carried = {n for n in lost if n + 1 not in lost and redundant(all_[n + 1])}
    assert stats.recovered == len(carried)


def test_a_recovered_packet_sounds_like_the_lost_one() -> None:
    """Redundancy is used, and better than a guess."""
    import numpy as np

    all_ = packets()
    clean = np.frombuffer(Run().feed(all_, set()), "<i2").astype(float)
    number = next(n for n in range(20, len(all_) - 1) if redundant(all_[n + 1]))
    run = Run()
    patched = np.frombuffer(run.feed(all_, {number}), "<i2").astype(float)
    assert run.ear.stats.recovered == 1
    piece = slice((number + 1) * 320, (number + 8) * 320)
    assert np.corrcoef(clean[piece], patched[piece])[0, 1] > 0.5


def test_padding_is_not_heard() -> None:
    """Neither when it comes nor when it is lost."""
    clean, run = Run(), Run()
    all_ = packets()
    wanted = clean.feed(all_, set())
    number = 0
    for place, packet in enumerate(all_):
        now = place * 0.02
        while run.ear.deadline <= now:
            run.ear.expire(run.ear.deadline)
        for padding in (b"", b"") if place % 30 == 10 else ():
            if place != 70:
                run.ear.packet(number, (place - 1) * STEP, padding, now)
            number += 1
        run.ear.packet(number, place * STEP, packet, now)
        number += 1
    run.ear.flush()
    assert b"".join(run.sound) == wanted
    assert run.ear.network.lost == 2
    assert run.ear.stats.damaged == run.ear.stats.recovered == run.ear.stats.concealed == 0


def test_a_microphone_that_was_muted_for_long() -> None:
    """Two seconds of silence stand for five minutes."""
    run = Run()
    all_ = packets()
    for number, packet in enumerate(all_[:50]):
        run.ear.packet(number, number * STEP, packet, number * 0.02)
    before = sum(map(len, run.sound))
    run.ear.packet(50, 50 * STEP + 300 * 48_000, all_[50], 301.0)
    assert sum(map(len, run.sound)) - before == 2 * 32_000 + 640


def test_what_cannot_be_decoded_is_made_up() -> None:
    run = Run()
    all_ = packets()
    all_[10] = b"\xff\xff\xff"
    sound = run.feed(all_, set())
    assert run.ear.stats.damaged == 1
    assert abs(len(sound) - len(all_) * 640) <= 640


@pytest.mark.parametrize("name", ["pcmu", "pcma"])
def test_telephone_codecs(name: str) -> None:
    encoder = CODERS.encoder(name, bitrate=0, complexity=0, fec=False, dtx=False)
    sound = pitches(WORDS)
    all_ = [
        encoder.encode(sound[at : at + 640].ljust(640, b"\0")) for at in range(0, len(sound), 640)
    ]
    assert {len(packet) for packet in all_} == {160}
    run = Run(name, 8_000)
    heard = run.feed(all_, {12, 40, 41}, step=160)
    assert run.ear.stats.concealed == 3
    assert abs(len(heard) - len(all_) * 640) <= 128  # what the resampler holds back
    assert heard_in(heard) == WORDS
