"""The way of a reply from the engine's format to the client's: every sample, each in its own
utterance."""

import math

import numpy as np
import pytest

from ossicle.core.capabilities import PCM16K, Capabilities
from ossicle.core.commands import Cancel, Configure, Speak
from ossicle.core.events import AudioOut, SpeechEnded, SpeechStarted, Transcript
from ossicle.core.formats import AudioFormat
from ossicle.testing.house import HandHouse, HeldEngine

ESPEAK = AudioFormat("pcm_s16le", 22_050)


def tone(samples, hz, rate):
    """A loud one, so that whatever of it leaks is seen."""
    wave = np.sin(np.arange(samples) * 2 * math.pi * hz / rate) * 12_000
    return wave.astype("<i2").tobytes()


class Talking:
    """A client that hears in its own format what a held engine says."""

    def __init__(self, voice, ear):
        self.house = HandHouse(HeldEngine(Capabilities(name="held", speaks=(voice,))))
        self.voice = voice
        self.peer = self.house.peer(Configure(speaks=ear))
        self.peer.ask(Speak(text="x"))
        self.house.serve()
        self.sink = self.house.engine.stream.sink

    def say(self, name, data, piece=2_205, *, end="done"):
        """An utterance, in pieces."""
        self.sink.tell(SpeechStarted(side="out", utterance=name))
        for at in range(0, len(data), piece * 2):
            start = self.voice.ms(at)
            self.sink.tell(AudioOut(utterance=name, data=data[at : at + piece * 2], start_ms=start))
        if end:
            at_ms = self.voice.ms(len(data))
            self.sink.tell(SpeechEnded(side="out", utterance=name, reason=end, at_ms=at_ms))

    def pieces(self, name):
        return [e for e in self.peer.events if isinstance(e, AudioOut) and e.utterance == name]

    def heard(self, name):
        return b"".join(piece.data for piece in self.pieces(name))


@pytest.mark.parametrize("voice", [PCM16K, ESPEAK, AudioFormat("pcm_s16le", 8_000)])
@pytest.mark.parametrize(
    "ear",
    [
        AudioFormat("pcm_s16le", 24_000),
        AudioFormat("mulaw", 8_000),
        AudioFormat("pcm_s16le", 44_100),
        AudioFormat("pcm_s16le", 16_000),
        AudioFormat("pcm_f32le", 48_000),
    ],
)
@pytest.mark.parametrize("samples", [37, 300, 22_050, 33_333])
def test_every_utterance_is_whole_to_the_sample(voice, ear, samples):
    talk = Talking(voice, ear)
    for number in range(3):
        talk.say(f"u{number}", tone(samples, 440, voice.sample_rate))
    due = -(-samples * ear.sample_rate // voice.sample_rate) * ear.frame_bytes
    assert [len(talk.heard(f"u{number}")) for number in range(3)] == [due] * 3
    assert talk.heard("u0") == talk.heard("u1") == talk.heard("u2"), "none hears another"
    for number in range(3):
        at = 0
        for piece in talk.pieces(f"u{number}"):
            assert piece.start_ms == ear.ms(at), "pieces follow each other without a gap"
            at += len(piece.data)


def test_the_rest_comes_before_the_end_is_told():
    talk = Talking(ESPEAK, AudioFormat("pcm_s16le", 8_000))
    talk.say("u", tone(5_000, 440, 22_050))
    kinds = [type(e) for e in talk.peer.events if getattr(e, "utterance", "")]
    assert kinds[-2:] == [AudioOut, SpeechEnded]
    assert kinds.count(SpeechEnded) == 1


def test_nothing_of_a_cancelled_utterance_is_heard_afterwards():
    ear = AudioFormat("pcm_s16le", 8_000)
    fresh = Talking(ESPEAK, ear)
    fresh.say("v", bytes(20_000))
    talk = Talking(ESPEAK, ear)
    talk.say("u", tone(22_050, 440, 22_050), end="")
    before = talk.heard("u")
    talk.peer.ask(Cancel())
    talk.sink.tell(SpeechEnded(side="out", utterance="u", reason="cancelled"))
    talk.say("v", bytes(20_000))
    assert talk.heard("u") == before, "not even what the converter held"
    assert talk.heard("v") == fresh.heard("v") == bytes(len(fresh.heard("v")))


def test_what_is_played_adds_up():
    """Rounding does not add up to a lie about what was heard."""
    ear = AudioFormat("pcm_s16le", 8_000)
    talk = Talking(ESPEAK, ear)
    talk.say("u", tone(22_050 * 3, 440, 22_050), piece=441)
    assert talk.peer.session.speech.playback.ahead_ms(talk.house.timers.now()) == 3_000
    talk.house.timers.advance(3.0)
    assert talk.peer.session.speech.playback.heard("u", now=talk.house.timers.now())[0] == 3_000


def test_the_same_format_goes_through_untouched():
    talk = Talking(PCM16K, PCM16K)
    data = tone(16_000, 440, 16_000)
    talk.say("u", data)
    assert talk.heard("u") == data
    assert [type(e) for e in talk.peer.events][-1] is SpeechEnded


def test_an_engine_that_tells_only_words_interrupts_an_answer_too():
    able = Capabilities(name="held", speaks=(PCM16K,), answers=True)
    house = HandHouse(HeldEngine(able))
    peer = house.peer(Configure(format=PCM16K, speaks=PCM16K))
    peer.ask(Speak())
    house.serve()
    stream = house.engine.stream
    stream.sink.tell(SpeechStarted(side="out", utterance="u"))
    stream.sink.tell(AudioOut(utterance="u", data=tone(16_000, 440, 16_000)))
    assert not [c for c in stream.asked if isinstance(c, Cancel)]
    stream.sink.tell(Transcript(text="stop", start_ms=0, end_ms=300, final=True))
    assert [c.side for c in stream.asked if isinstance(c, Cancel)] == ["out"]
