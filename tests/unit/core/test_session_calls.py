"""What telephone calls need of a session: tracks one by one, a peer that just goes, and a voice
that is converted to what a telephone plays."""

from ossicle.audio.g711 import decode_mulaw
from ossicle.core.capabilities import PCM16K, Capabilities
from ossicle.core.commands import Audio, Configure, End, Speak
from ossicle.core.events import AudioOut, Transcript
from ossicle.core.formats import AudioFormat
from ossicle.testing.house import HandHouse, HeldEngine

MULAW = AudioFormat("mulaw", 8_000)


def stereo() -> Configure:
    return Configure(
        format=AudioFormat("mulaw", 8_000, 2), patch={"recognition": {"channels": "split"}}
    )


def engine(*, speaks: tuple[AudioFormat, ...] = ()) -> HeldEngine:
    it = HeldEngine()
    it.capabilities = Capabilities(
        name="held", hears=(AudioFormat("pcm_s16le", 8_000, 2), PCM16K), channels=2, speaks=speaks
    )
    return it


def samples(data: bytes, channel: int) -> bytes:
    return b"".join(data[at : at + 2] for at in range(2 * channel, len(data), 4))


def heard(house: HandHouse[HeldEngine]) -> bytes:
    return b"".join(house.engine.streams[0].fed)


def test_tracks_that_come_one_by_one_are_joined():
    house = HandHouse(engine())
    peer = house.peer(stereo())
    house.serve()
    for at in range(0, 100, 20):
        peer.ask(Audio(data=b"\x10" * 160, at_ms=at, channel=0))
        peer.ask(Audio(data=b"\x20" * 160, at_ms=at, channel=1))
    assert samples(heard(house), 0) == decode_mulaw(b"\x10" * 800)
    assert samples(heard(house), 1) == decode_mulaw(b"\x20" * 800)
    assert house.sessions[0].ms(house.sessions[0].journal.end) == 100


def test_a_silent_track_holds_nobody_up_and_late_pieces_are_dropped():
    house = HandHouse(engine())
    peer = house.peer(stereo())
    house.serve()
    for at in range(0, 200, 20):
        peer.ask(Audio(data=b"\x10" * 160, at_ms=at, channel=0))
    assert len(heard(house)) // 4 == 8 * 140  # all but the 60 ms that may still come
    peer.ask(Audio(data=b"\x20" * 160, at_ms=0, channel=1), End())
    assert samples(heard(house), 0) == decode_mulaw(b"\x10" * 1_600)
    assert samples(heard(house), 1) == decode_mulaw(b"\xff" * 1_600)


def test_a_hold_of_both_tracks_is_no_silence():
    house = HandHouse(engine())
    peer = house.peer(stereo())
    house.serve()
    for at in (*range(0, 100, 20), *range(60_000, 60_100, 20)):
        for channel in (0, 1):
            peer.ask(Audio(data=b"\x10" * 160, at_ms=at, channel=channel))
    session = house.sessions[0]
    assert session.ms(session.journal.end) == 60_100
    assert len(heard(house)) == 2 * 2 * 8 * 200
    house.engine.streams[0].sink.tell(Transcript(text="x", final=True, start_ms=110, end_ms=190))
    assert (peer.finals[0].start_ms, peer.finals[0].end_ms) == (60_010, 60_090)


def test_a_peer_that_just_goes_may_still_ask_for_the_end():
    """A telephone's usual goodbye. Somebody who reads along gets the last words."""
    house = HandHouse(HeldEngine())
    peer = house.peer(resumable=False)
    house.serve()
    watcher = house.peer(join=house.sessions[0], role="observer")
    peer.audio(bytes(3_200))
    peer.dialect.next = [End()]
    peer.drop()
    stream = house.engine.streams[0]
    assert isinstance(stream.asked[-1], End)
    assert not watcher.ended
    stream.sink.tell(Transcript(text="the last words", final=True))
    assert [final.text for final in watcher.finals] == ["the last words"]


def test_a_voice_speaks_its_own_format_and_the_client_hears_the_one_it_asked_for():
    house = HandHouse(engine(speaks=(PCM16K,)))
    peer = house.peer(Configure(format=MULAW, speaks=MULAW))
    house.serve()
    stream = house.engine.streams[0]
    assert stream.options.speaks == PCM16K
    peer.ask(Speak(text="x"))
    stream.sink.tell(AudioOut(utterance="u", data=bytes(32_000)))
    (sound,) = [e for e in peer.events if isinstance(e, AudioOut)]
    assert abs(len(sound.data) - 8_000) <= 16
    assert set(sound.data) <= {0xFF, 0x7F}
