"""Mono tracks joined into frames."""

import doctest

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

import ossicle.core.tracks
from ossicle.core.errors import BadAudio
from ossicle.core.formats import AudioFormat
from ossicle.core.intake import Roll
from ossicle.core.tracks import Tracks

MULAW = AudioFormat("mulaw", 8000)
QUIET = b"\xff"


def woven(*tracks: bytes) -> bytes:
    return bytes(byte for frame in zip(*tracks, strict=True) for byte in frame)


def test_the_example_in_the_docstring():
    assert doctest.testmod(ossicle.core.tracks).failed == 0


def test_frames_leave_when_every_track_has_its_part():
    tracks = Tracks(AudioFormat("pcm_s16le", 8000), 2)
    assert tracks.format == AudioFormat("pcm_s16le", 8000, 2)
    assert tracks.follow(b"aAbB", 0) == ()
    assert tracks.follow(b"xXy", 1) == (b"aAxX",)
    assert tracks.follow(b"Y", 1) == (b"bByY",)


def test_a_silent_party_never_holds_the_other_up():
    tracks = Tracks(MULAW, 2, reorder_ms=60)
    said = b"a" * 160
    out = [tracks.place(said, n * 20, 0) for n in range(5)]
    assert out[:3] == [(), (), ()]
    assert out[3] == out[4] == (woven(said, QUIET * 160),)
    # Its own sound for that time is late; what comes for later is in time.
    assert tracks.place(b"b" * 160, 20, 1) == ()
    assert tracks.stats[1].late == 1
    assert tracks.place(b"b" * 160, 40, 1) == (woven(said, b"b" * 160),)


def test_a_hold_is_one_jump_for_all():
    tracks = Tracks(MULAW, 2, reorder_ms=60)
    a, b = b"a" * 160, b"b" * 160
    out = []
    for n in (0, 1):
        out += [*tracks.place(a, n * 20, 0), *tracks.place(b, n * 20, 1)]
    out += tracks.place(a, 40, 0)
    for n in (0, 1, 2):
        out += [*tracks.place(b, 300_000 + n * 20, 1), *tracks.place(a, 300_000 + n * 20, 0)]
    out += tracks.flush()
    rolls = [piece for piece in out if isinstance(piece, Roll)]
    assert rolls == [Roll(299_940, 299_940 * 8)]
    place = out.index(rolls[0])
    assert b"".join(out[:place]) == woven(a * 3, b * 2 + QUIET * 160)
    assert b"".join(out[place + 1 :]) == woven(a * 3, b * 3)


def test_a_jump_into_what_another_track_has_already_is_silence():
    tracks = Tracks(MULAW, 2, reorder_ms=40, fill_ms=200)
    a, b = b"a" * 160, b"b" * 160
    long = b"B" * 8_000
    out = [*tracks.place(a, 0, 0), *tracks.place(b, 0, 1)]
    out += tracks.place(long, 60, 1)
    out += [*tracks.place(a, 420, 0), *tracks.place(a, 440, 0)]
    out += tracks.flush()
    assert not any(isinstance(piece, Roll) for piece in out)
    quiet = QUIET * 160
    mine = a + quiet * 20 + a * 2
    theirs = b + quiet * 2 + long
    assert b"".join(out) == woven(mine + QUIET * (len(theirs) - len(mine)), theirs)


def test_flush_fills_the_shorter_track():
    tracks = Tracks(MULAW, 2)
    tracks.follow(b"aaa", 0)
    tracks.follow(b"b", 1)
    assert tracks.flush() == (woven(b"aa", QUIET * 2),)
    assert tracks.waiting == 0


@pytest.mark.parametrize("channel", [-1, 2])
def test_an_unknown_track_is_refused(channel):
    with pytest.raises(BadAudio, match=f"channel {channel}"):
        Tracks(MULAW, 2).follow(b"a", channel)


@pytest.mark.parametrize(
    ("track", "channels"),
    [(AudioFormat("opus", 48_000), 2), (AudioFormat("mulaw", 8000, 2), 2), (MULAW, 0), (MULAW, 9)],
)
def test_what_cannot_be_joined_is_refused(track, channels):
    with pytest.raises(BadAudio):
        Tracks(track, channels)


@settings(max_examples=100, derandomize=True, deadline=None)
@given(st.data())
def test_any_interleaving_gives_every_track_its_own_timeline(data):
    """Two or three tracks at their own pace, with losses and holds: all leave in one timeline,
    each piece is at its time or was told late, and what waits is bounded."""
    count = data.draw(st.integers(1, 3))
    tracks = Tracks(MULAW, count, reorder_ms=40, fill_ms=200)
    at = [0] * count
    placed: dict[tuple[int, int], int] = {}
    line: list[tuple[int, bytes]] = []
    place = 0

    def take(pieces):
        nonlocal place
        for piece in pieces:
            if isinstance(piece, Roll):
                assert piece.units > 0
                place += piece.units
            else:
                assert len(piece) % count == 0
                line.append((place, piece))
                place += len(piece) // count

    for n in range(data.draw(st.integers(1, 40))):
        channel = data.draw(st.integers(0, count - 1))
        at[channel] += data.draw(st.sampled_from([0, 0, 0, 0, 20, 100, 5_000]))
        placed[channel, at[channel] * 8] = 1 + n
        take(tracks.place(bytes([1 + n]) * 160, at[channel], channel))
        at[channel] += 20
        assert tracks.waiting <= count * 8 * (40 + 40 + 20 * 3)
    take(tracks.flush())
    heard: dict[tuple[int, int], int] = {}
    for start, frames in line:
        for channel in range(count):
            for offset, value in enumerate(frames[channel::count]):
                if value != QUIET[0]:
                    heard[channel, start + offset] = value
    for (channel, start), value in placed.items():
        whole = [heard.get((channel, start + unit)) for unit in range(160)]
        assert {v for v in whole if v is not None} <= {value}
    missing = sum(1 for key in placed if key not in heard)
    dropped = sum(
        stats.late + stats.overlapped + stats.doubled + stats.strayed for stats in tracks.stats
    )
    assert missing <= dropped
    assert len(heard) <= len(placed) * 160
