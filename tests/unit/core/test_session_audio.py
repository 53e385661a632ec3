"""Audio through a session: the hot path, torn frames, containers, overload, credit."""

import io
import wave

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ossicle.core.capabilities import PCM16K, Capabilities
from ossicle.core.commands import Audio, Configure, End, Finalize
from ossicle.core.errors import BadAudio
from ossicle.core.events import Configured, Ended, Flow, Notice, Transcript
from ossicle.core.formats import AudioFormat
from ossicle.core.session import SessionSettings
from ossicle.testing.house import HandHouse, HeldEngine

PIECE = 640
"""20 ms at 16 kHz."""


def piece(n: int, size: int = PIECE) -> bytes:
    return bytes([n % 255 + 1]) * size


def notices(peer) -> list[str]:
    return [event.code for event in peer.told if isinstance(event, Notice)]


def test_the_bytes_that_came_are_the_bytes_that_are_kept_and_fed(house):
    peer = house.peer()
    early = [piece(n) for n in range(3)]
    for data in early:
        peer.audio(data)
    house.serve()
    late = [piece(n) for n in range(3, 60)]
    for data in late:
        peer.audio(data)
    fed = house.engine.stream.fed
    kept = list(peer.session.journal._past)
    assert len(fed) == len(kept) == 60
    for came, stood, arrived in zip([*early, *late], kept, fed, strict=True):
        assert came is stood
        assert came is arrived


def test_the_hot_path_is_left_once_a_second(house):
    peer = house.peer()
    house.serve()
    session, slow = peer.session, []
    inner = session.feed._slow
    session.feed._slow = lambda data: (slow.append(session.journal.end), inner(data))
    for n in range(500):  # ten seconds
        peer.audio(piece(n))
    assert 9 <= len(slow) <= 11
    assert len(house.engine.stream.fed) == 500
    assert session.taken_bytes == 500 * PIECE


@settings(derandomize=True, max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 700), min_size=1, max_size=40), st.integers(0, 40), st.booleans())
def test_bytes_may_be_torn_anywhere(sizes, opened_after, plain):
    house = HandHouse(HeldEngine())
    peer = house.peer(plain=plain)
    whole = bytes(k % 256 for k in range(sum(sizes)))
    at = 0
    for n, size in enumerate(sizes):
        if n == opened_after:
            house.serve()
        peer.audio(whole[at : at + size])
        at += size
        assert peer.session.taken_bytes == at, "what was taken is what came, to the byte"
    house.serve()
    fed = house.engine.stream.fed
    assert b"".join(fed) == whole[: at - at % 2]
    assert all(data and len(data) % 2 == 0 for data in fed)
    peer.ask(End())
    assert peer.session.taken_bytes == at


@pytest.mark.parametrize("size", [1, 7, 640, 100_000])
def test_flow_never_says_more_than_came(house, size):
    """Also when it is told from inside a feed: the engine answers within `audio`."""
    house.engine.prepare = lambda stream: setattr(
        stream,
        "on_audio",
        lambda data: stream.sink.tell(
            Transcript(text="x", final=True, ends_turn=True, end_ms=len(stream.heard) // 32)
        ),
    )
    peer = house.peer(Configure(format=AudioFormat("wav")))
    sound = wav(3 if size > 10 else 0.1)
    came = 0
    for at in range(0, len(sound), size):
        came += len(sound[at : at + size])
        peer.audio(sound[at : at + size])
        house.serve()
        assert peer.session.taken_bytes == came
        assert peer.flow.taken_bytes <= came
    house.pass_time(1)
    house.pass_time(1)  # whose audio had it told in this second hears the rest in the next
    assert peer.flow.taken_bytes == len(sound)


def test_who_speaks_all_the_time_is_told_once_a_second(house):
    """Not by its audio and by the clock."""
    peer = house.peer()
    house.serve()
    told: list[int] = []
    for _ in range(10):
        for _ in range(50):
            peer.audio(bytes(640))
        house.pass_time(1)
        told.append(sum(isinstance(event, Flow) for event in peer.told))
    assert told[-1] - told[0] == 9
    house.pass_time(1)
    assert peer.flow.taken_bytes == 10 * 32_000


def wav(seconds: float, rate: int = 16_000) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(bytes(range(256)) * int(seconds * rate * 2 / 256))
    return file.getvalue()


def test_a_container_is_taken_apart_before_it_is_kept(house):
    peer = house.peer(Configure(format=AudioFormat("auto")))
    assert peer.session.source is None
    sound = wav(1)
    peer.audio(sound[:20])
    assert not peer.session.wants_engine, "not recognised yet"
    peer.audio(sound[20:])
    house.serve()
    assert [type(e) for e in peer.events] == [Configured]
    peer.ask(End())
    assert house.engine.stream.heard == sound[44:]
    assert peer.session.taken_bytes == len(sound)


def test_another_rate_is_converted_once(house):
    peer = house.peer(Configure(format=AudioFormat("mulaw", 8_000)))
    house.serve()
    for _ in range(100):
        peer.audio(b"\xff" * 160)
    peer.ask(End())
    heard = len(house.engine.stream.heard)
    assert abs(heard - 2 * 32_000) <= 64, "two seconds, at the engine's rate"
    assert house.engine.stream.asked == [End()]


def test_audio_that_is_not_what_was_declared_ends_the_session_with_the_clients_fault(house):
    peer = house.peer(Configure(format=AudioFormat("wav")))
    peer.audio(b"this is no wave file at all, whatever you may say" * 10)
    (ended,) = peer.ended
    assert ended.reason == "refused"
    assert ended.error.whose == "client"
    peer.audio(b"more")
    peer.ask(Finalize(ref="late"))
    assert isinstance(peer.told[-1], Ended), "the end is the last word"


def test_audio_after_the_end_is_told_and_not_heard(house):
    peer = house.peer()
    house.serve()
    peer.audio(piece(1))
    peer.ask(End())
    for _ in range(500):
        peer.audio(piece(2))
    assert house.engine.stream.heard == piece(1)
    assert peer.session.taken_bytes == PIECE
    assert 1 <= notices(peer).count("late_audio") <= 100
    house.engine.stream.sink.tell(Ended())
    said = len(peer.session.log._entries)
    peer.session.audio(piece(3))
    assert len(peer.session.log._entries) == said, "nothing is said after Ended"
    assert isinstance(peer.told[-1], Ended)


def test_a_notice_that_repeats_does_not_drown_another_one(house):
    peer = house.peer(Configure(format=PCM16K, patch={"overload": "drop_oldest"}))
    session = peer.session
    for _ in range(300):
        session._notice("info", "one", "again")
    session._notice("info", "other", "news")
    assert notices(peer).count("one") == 100
    assert notices(peer).count("other") == 1


# ── credit ──


def test_an_engine_hears_no_further_than_it_granted(house):
    house.engine.prepare = lambda stream: stream.sink.credit(100)
    peer = house.peer()
    house.serve()
    for n in range(50):
        peer.audio(piece(n))
    stream = house.engine.stream
    assert len(stream.heard) == 100 * 32
    stream.sink.credit(50)  # never shrinks
    stream.sink.credit(100)
    assert len(stream.heard) == 100 * 32
    stream.sink.credit(300)
    assert len(stream.heard) == 300 * 32
    stream.sink.credit(10_000)
    assert len(stream.heard) == 50 * PIECE
    peer.audio(piece(51))
    assert len(stream.heard) == 51 * PIECE


def test_a_client_is_told_how_far_it_may_send(house):
    house.engine.prepare = lambda stream: stream.sink.credit(1_000)
    peer = house.peer()
    window = house.settings.unsent_ms
    assert peer.flow.until_ms == window, "before any engine: a buffer full"
    house.serve()
    stream = house.engine.stream
    assert peer.flow.until_ms == 1_000 + window or peer.session.feed.credit.told
    for grant in (7_000, 20_000):
        stream.sink.credit(grant)
        assert peer.flow.until_ms == grant + window
    seen = [e.until_ms for e in peer.told if type(e).__name__ == "Flow"]
    assert seen == sorted(seen), "never taken back"


# ── overload ──


def overloaded(policy: str, **names) -> tuple[HandHouse, object]:
    house = HandHouse(HeldEngine(), SessionSettings(unsent_ms=1_000, **names))
    house.engine.prepare = lambda stream: stream.sink.credit(0)
    peer = house.peer(Configure(format=PCM16K, patch={"overload": policy}))
    return house, peer


@pytest.mark.parametrize("open_first", [True, False])
def test_pause_stops_reading_and_goes_on_when_half_is_gone(open_first):
    house, peer = overloaded("pause")
    if open_first:
        house.serve()
    for n in range(51):
        assert not peer.channel.paused
        peer.audio(piece(n))
    assert peer.channel.paused
    peer.audio(piece(51))  # was in a buffer already
    house.serve()
    stream = house.engine.stream
    stream.sink.credit(400)
    assert peer.channel.paused, "more than half a window waits still"
    stream.sink.credit(600)
    assert not peer.channel.paused
    stream.sink.credit(60_000)
    assert stream.heard == b"".join(piece(n) for n in range(52)), "nothing was lost"


def test_a_peer_that_does_not_pause_is_cut_off_at_a_bound():
    _, peer = overloaded("pause")
    for n in range(1_000):
        peer.audio(piece(n, 64_000))
        if peer.ended:
            break
    (ended,) = peer.ended
    assert ended.error.code == "overloaded"
    assert peer.session.taken_bytes <= 4 * 32_000 + (4 << 20) + 2 * 64_000


def test_refuse_ends_at_the_bound():
    house, peer = overloaded("refuse")
    house.serve()
    for n in range(60):
        peer.audio(piece(n))
    (ended,) = peer.ended
    assert (ended.reason, ended.error.code) == ("failed", "overloaded")
    assert "1000 ms" in ended.error.text
    assert house.engine.stream.aborts == 1


def test_drop_oldest_holds_a_window_and_its_times_are_right_after_the_jump():
    house, peer = overloaded("drop_oldest")
    house.serve()
    stream = house.engine.stream
    for n in range(200):  # four seconds
        peer.audio(piece(n))
        held = sum(len(i) for i in peer.session.journal._unsent if isinstance(i, bytes))
        assert held <= 32_000
    assert not peer.channel.paused
    assert notices(peer) == ["audio_dropped"], "told, and not at every piece"
    assert peer.flow.until_ms is None, "a live client need not hold back: it is dropped"
    stream.sink.credit(60_000)
    assert stream.heard == b"".join(piece(n) for n in range(150, 200))
    peer.audio(piece(200))
    stream.sink.tell(Transcript(text="x", start_ms=200, end_ms=600, final=True, ends_turn=True))
    (final,) = peer.finals
    assert (final.start_ms, final.end_ms) == (3_200, 3_600)


def test_an_engine_that_grants_in_steps_goes_on_after_a_jump():
    """Its credit counts what it was fed, so what was dropped must not use it up."""
    house, peer = overloaded("drop_oldest")
    house.serve()
    stream = house.engine.stream
    stream.sink.credit(200)
    for n in range(200):
        peer.audio(piece(n))
    assert len(stream.heard) == 200 * 32
    stream.sink.credit(400)
    assert len(stream.heard) == 400 * 32
    stream.sink.credit(600)
    assert len(stream.heard) == 600 * 32


def test_many_small_jumps_do_not_drift():
    """At a rate whose frames are no whole milliseconds, each jump is cut to one."""
    rate = AudioFormat("pcm_s16le", 22_050)
    house = HandHouse(
        HeldEngine(Capabilities(name="odd", hears=(rate,))), SessionSettings(unsent_ms=100)
    )
    house.engine.prepare = lambda stream: stream.sink.credit(0)
    peer = house.peer(Configure(format=rate, patch={"overload": "drop_oldest"}))
    house.serve()
    stream, size = house.engine.stream, 2 * 331  # 15.01 ms
    granted = 0
    for _ in range(300):
        for n in range(8):
            peer.audio(piece(n, size))
        granted += 50
        stream.sink.credit(granted)
    sent, fed = peer.session.journal.sent, len(stream.heard)
    assert fed < sent * 3 / 4
    told_at = rate.ms(fed)
    stream.sink.tell(Transcript(text="x", end_ms=told_at, final=True, ends_turn=True))
    assert abs(peer.finals[0].end_ms - rate.ms(sent)) <= 2


def test_commands_that_wait_are_bounded(house):
    peer = house.peer()
    for n in range(5_000):
        peer.ask(Finalize(ref=f"f{n}"))
    session = peer.session
    assert len(session.journal.queued) + len(session.feed.early) <= 2_000
    refused = [e for e in peer.told if isinstance(e, Notice) and e.code == "overloaded"]
    assert len(refused) + len(session.journal.queued) == 5_000
    assert refused[0].ref.startswith("f")


# ── audio with a place of its own ──


def test_placed_audio_finds_its_place_and_the_hot_path_goes_on(house):
    peer = house.peer(plain=False)
    house.serve()
    first, second, third = piece(1), piece(2), piece(3)
    peer.ask(Audio(data=first, at_ms=0), Audio(data=third, at_ms=40))
    assert house.engine.stream.heard == first
    peer.ask(Audio(data=second, at_ms=20))
    assert house.engine.stream.heard == first + second + third
    peer.audio(piece(4))
    assert house.engine.stream.heard.endswith(piece(4))
    assert peer.session.taken_bytes == 4 * PIECE


def test_what_was_held_back_leaves_with_the_end_and_is_counted_once(house):
    peer = house.peer(plain=False)
    house.serve()
    peer.ask(Audio(data=piece(1), at_ms=0), Audio(data=piece(3), at_ms=40))
    peer.ask(End())
    assert house.engine.stream.heard == piece(1) + bytes(PIECE) + piece(3)
    assert peer.session.taken_bytes == 2 * PIECE
    assert house.engine.stream.order[-1] == End()


def test_a_hold_is_a_jump_and_not_silence(house):
    peer = house.peer(plain=False)
    house.serve()
    peer.ask(Audio(data=piece(1), at_ms=0))
    peer.ask(Audio(data=piece(2), at_ms=300_000), Audio(data=piece(3), at_ms=300_020))
    stream = house.engine.stream
    assert stream.heard == piece(1) + piece(2) + piece(3)
    stream.sink.tell(Transcript(text="x", start_ms=20, end_ms=60, final=True, ends_turn=True))
    (final,) = peer.finals
    assert (final.start_ms, final.end_ms) == (300_000, 300_040)


def test_audio_to_an_engine_that_does_not_listen_is_refused():
    house = HandHouse(HeldEngine(Capabilities(name="voice", hears=(), speaks=(PCM16K,))))
    peer = house.peer()
    house.serve()
    peer.audio(piece(1))
    (ended,) = peer.ended
    assert ended.error.code == "unsupported_audio"
    assert house.engine.stream.fed == []


def test_a_packet_that_cannot_be_decoded_is_the_clients_fault(house):
    peer = house.peer()
    house.serve()

    def breaks(data: bytes) -> None:
        raise BadAudio("a packet cannot be decoded")

    house.engine.stream.on_audio = breaks
    peer.audio(piece(1))
    (ended,) = peer.ended
    assert ended.reason == "refused"
