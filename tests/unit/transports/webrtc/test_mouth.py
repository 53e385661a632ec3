"""The paced sender: deadlines that do not drift, marks that come back, a hush that hushes."""

import itertools

import pytest

from ossicle.testing.clock import ManualTimers
from ossicle.transports.webrtc.mouth import Mouth
from ossicle.transports.webrtc.rate import SendRate


class Plain:
    """An encoder whose packets are the sound itself, shortened."""

    def __init__(self) -> None:
        self.told: list[tuple[int, int]] = []

    def adapt(self, bitrate: int, loss_percent: int) -> None:
        self.told.append((bitrate, loss_percent))

    def encode(self, frame: bytes) -> bytes:
        assert len(frame) == 640
        return frame[:4]


class Run:
    def __init__(self) -> None:
        self.timers = ManualTimers()
        self.out: list[tuple[float, bytes, int, bool]] = []
        self.marks: list[tuple[float, str]] = []
        self.encoder = Plain()
        self.mouth = Mouth(
            self.encoder,
            48_000,
            self.timers,
            lambda payload, stamp, marker: self.out.append(
                (round(self.timers.now(), 3), payload, stamp, marker)
            ),
            lambda name: self.marks.append((round(self.timers.now(), 3), name)),
            SendRate(24_000, 12_000),
        )

    @property
    def loud(self) -> list[tuple[float, bytes, int, bool]]:
        return [each for each in self.out if each[1] != bytes(4)]


def sound(ms: int) -> bytes:
    return b"\x01\x02" * (16 * ms)


def test_twenty_milliseconds_each() -> None:
    run = Run()
    run.mouth.begin()
    run.timers.advance(0.1)
    run.mouth.say(sound(100))
    run.timers.advance(1.0)
    times = [at for at, *_ in run.loud]
    assert times == pytest.approx([0.12, 0.14, 0.16, 0.18, 0.2])
    stamps = [stamp for _, _, stamp, _ in run.loud]
    assert [b - a for a, b in itertools.pairwise(stamps)] == [960] * 4
    assert [marker for *_, marker in run.loud] == [True, False, False, False, False]
    assert stamps[0] == pytest.approx(0.12 * 48_000)


def test_pieces_of_any_length_are_one_sound() -> None:
    run = Run()
    run.mouth.begin()
    for _ in range(10):
        run.mouth.say(sound(7))
    run.timers.advance(1.0)
    assert len(run.loud) == 4  # 70 ms, the last packet filled up
    assert not run.mouth.busy


def test_marks_come_back_when_their_sound_was_heard() -> None:
    run = Run()
    run.mouth.begin()
    run.timers.advance(0.1)
    run.mouth.say(sound(100))
    run.mouth.mark("one")
    run.mouth.say(sound(100))
    run.mouth.mark("two")
    run.timers.advance(2.0)
    (one, _), (two, _) = run.marks
    assert [name for _, name in run.marks] == ["one", "two"]
    assert one == pytest.approx(0.12 + 0.1 + 0.06, abs=0.025)
    assert two - one == pytest.approx(0.1, abs=0.021)


def test_a_mark_with_nothing_before_it_is_reached() -> None:
    run = Run()
    run.mouth.begin()
    run.mouth.mark("at once")
    assert [name for _, name in run.marks] == ["at once"]


def test_hush() -> None:
    run = Run()
    run.mouth.begin()
    run.mouth.say(sound(1_000))
    run.mouth.mark("never heard")
    run.timers.advance(0.2)
    before = len(run.loud)
    run.mouth.hush()
    assert [name for _, name in run.marks] == ["never heard"]
    run.timers.advance(2.0)
    assert len(run.loud) == before
    assert run.mouth.waiting_s == 0


def test_a_stall_is_caught_up_and_then_left_out() -> None:
    run = Run()
    run.mouth.begin()
    run.mouth.say(sound(5_000))
    run.timers.advance(0.1)
    before = len(run.loud)
    stall(run, 2.0)
    assert len(run.loud) - before <= 7
    after = run.loud[-1]
    run.timers.advance(0.1)
    assert len(run.loud) - before <= 13
    # Stamps follow the clock, and the packet behind the gap says so.
    assert after[2] == pytest.approx(after[0] * 48_000, abs=960 * 8)


def stall(run: Run, seconds: float) -> None:
    """The process stands still: the clock goes on and no timer runs in between."""
    timers = run.timers
    timers._now += seconds
    timers.advance(0.0)


def test_between_utterances_there_is_little() -> None:
    run = Run()
    run.mouth.begin()
    run.mouth.say(sound(100))
    run.timers.advance(0.5)
    run.out.clear()
    run.timers.advance(10.0)
    assert 10 <= len(run.out) <= 30


def test_the_encoder_is_told() -> None:
    run = Run()
    run.mouth.pace.report(0.3, 1.0)
    run.mouth.adapt()
    bitrate, loss = run.encoder.told[-1]
    assert bitrate < 24_000
    assert loss >= 20


def test_stop_is_final() -> None:
    run = Run()
    run.mouth.begin()
    run.mouth.say(sound(1_000))
    run.mouth.mark("m")
    run.mouth.stop()
    assert [name for _, name in run.marks] == ["m"]
    run.out.clear()
    run.timers.advance(5.0)
    assert run.out == []


def test_at_rest_it_sleeps_between_its_packets_of_silence() -> None:
    """And what it says then begins with the next packet's time, as if it had been awake."""
    run = Run()
    looks = 0
    tick = run.mouth._tick

    def counted() -> None:
        nonlocal looks
        looks += 1
        tick()

    run.mouth._tick = counted  # type: ignore[method-assign]
    run.mouth.begin()
    run.timers.advance(10.0)
    assert looks <= 30  # 25 packets of silence
    assert [at for at, *_ in run.out] == pytest.approx([0.28 + 0.4 * n for n in range(25)])
    run.timers.advance(0.013)
    run.mouth.say(sound(40))
    run.timers.advance(0.1)
    assert [(at, stamp, marker) for at, _, stamp, marker in run.loud] == [
        (10.02, 501 * 960, True), (10.04, 502 * 960, False)
    ]  # fmt: skip
    assert looks <= 40


def test_at_rest_one_packet_of_silence_serves_until_something_is_said() -> None:
    run = Run()
    encoded = 0
    encode = run.encoder.encode

    def counted(frame: bytes) -> bytes:
        nonlocal encoded
        encoded += 1
        return encode(frame)

    run.encoder.encode = counted
    run.mouth.begin()
    run.timers.advance(4.0)
    assert (len(run.out), encoded) == (10, 1)
    run.mouth.say(sound(20))
    run.timers.advance(4.0)
    # the sound, the silence behind it, and one packet for all of the rest
    assert encoded == 1 + 1 + 5 + 1
    assert len({payload for _, payload, *_ in run.out}) == 2


def test_what_a_real_decoder_makes_of_the_rest() -> None:
    """The same packet of silence, again and again, stays silence, and what is said behind it is not
    spoiled by it."""
    pytest.importorskip("av")
    from array import array

    from ossicle.audio.libopus import OpusDecoder, OpusEncoder
    from pitch import pitches

    voice = pitches([5, 9, 12, 20])
    heard: dict[bool, bytes] = {}
    for again in (False, True):
        encoder, decoder, out = OpusEncoder(), OpusDecoder(), bytearray()
        for at in range(0, len(voice), 640):
            decoder.decode(encoder.encode(voice[at : at + 640].ljust(640, b"\0")))
        for _ in range(6):
            silence = encoder.encode(bytes(640))
            decoder.decode(silence)
        for _ in range(200):
            out += decoder.decode(silence if again else encoder.encode(bytes(640)))
        assert max(map(abs, array("h", bytes(out)))) < 40
        said = bytearray()
        for at in range(0, len(voice), 640):
            said += decoder.decode(encoder.encode(voice[at : at + 640].ljust(640, b"\0")))
        heard[again] = bytes(said)
    fresh, after = array("h", heard[False]), array("h", heard[True])
    power = sum(a * a for a in fresh)
    assert sum((a - b) ** 2 for a, b in zip(fresh, after, strict=True)) < power / 100
