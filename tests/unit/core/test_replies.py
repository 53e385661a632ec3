"""A voice that dies in the middle: the next one goes on where it was, no word twice, none left out.

The voice here is exact: 10 ms of sound for each character, of the character's own value, so what
was said can be read off the sound.
"""

import pytest

from ossicle.core.capabilities import PCM16K, Capabilities
from ossicle.core.commands import Cancel, Configure, End, Finalize, Speak
from ossicle.core.errors import EngineFailed, Refused
from ossicle.core.events import AudioOut, Ended, Notice, SpeechEnded, SpeechStarted, Transcript
from ossicle.core.formats import AudioFormat
from ossicle.core.session import SessionSettings
from ossicle.engines.speaking import Speaking
from ossicle.testing.house import HandHouse, HeldEngine

_CHARACTER = 320
"""Bytes of 10 ms."""


class Exact:
    """A voice that says each character as itself; it stops after `most` characters in all."""

    def __init__(self, most=None):
        self.most, self.waiting = most, []

    def begin(self, piece, rendering):
        for character in piece.text:
            if self.most is not None and self.most <= 0:
                return
            self.most = None if self.most is None else self.most - 1
            rendering.sound(character.encode() * _CHARACTER)
        rendering.done()

    def stop(self, rendering):
        pass


class Place:
    """A session whose voices live as long as they are told to."""

    def __init__(self, *lives, ear=PCM16K):
        self.lives = list(lives)
        settings = SessionSettings(replays=20, replay_wait_s=(0.0,))
        able = Capabilities(name="held", hears=(), speaks=(PCM16K,))
        self.house = HandHouse(HeldEngine(able), settings)
        self.house.engine.prepare = self._prepare
        self.peer = self.house.peer(Configure(speaks=ear))
        self.spoken = []
        """Commands of every stream."""

    def _prepare(self, stream):
        speaking = Speaking(stream.sink, Exact(self.lives.pop(0) if self.lives else None), PCM16K)
        self.spoken.append(stream.asked)

        def on_ask(command):
            match command:
                case Speak():
                    speaking.speak(command)
                case Finalize():
                    speaking.finalize(command)
                case Cancel(side="out"):
                    speaking.cancel(command)
                case End():
                    speaking.end()
                    stream.sink.tell(Ended())
                case _:
                    pass

        stream.on_ask = on_ask

    def ask(self, *commands):
        self.peer.ask(*commands)
        self.house.serve()

    def dies(self):
        self.house.engine.stream.sink.tell(Ended(error=EngineFailed("gone").fault()))
        self.house.serve()

    def of(self, kind, **fields):
        return [
            e
            for e in self.peer.events
            if isinstance(e, kind) and all(getattr(e, n) == v for n, v in fields.items())
        ]

    @property
    def names(self):
        return list(dict.fromkeys(e.utterance for e in self.of(AudioOut)))

    def heard(self, name=None):
        """What the sound says."""
        sound = b"".join(e.data for e in self.of(AudioOut) if name in {None, e.utterance})
        assert len(sound) % _CHARACTER == 0
        return "".join(chr(sound[at]) for at in range(0, len(sound), _CHARACTER))

    def check(self):
        """Each utterance is one: begun once, ended once, its sound without a gap or a double."""
        for name in self.names:
            assert len(self.of(SpeechStarted, utterance=name)) == 1, name
            assert len(self.of(SpeechEnded, utterance=name)) == 1, name
            at = 0
            for piece in self.of(AudioOut, utterance=name):
                assert piece.start_ms == at
                at += PCM16K.ms(len(piece.data))
            (ended,) = self.of(SpeechEnded, utterance=name)
            assert ended.at_ms == at
            ends = [e.end_ms for e in self.of(Transcript, utterance=name)]
            assert ends == sorted(ends)
            assert not ends or ends[-1] <= at


TEXT = "One two. Three four five. Six."
SAID = "One two.Three four five.Six."


@pytest.mark.parametrize(
    "lives",
    [(), *((n,) for n in range(len(SAID) + 1)), (0, 3, 9, 1, 0, 12), (8, 8, 8), (12, 12, 2, 2, 2)],
)
def test_wherever_it_dies_every_word_is_said_once(lives):
    place = Place(*lives)
    place.ask(Speak(text=TEXT, ref="r"))
    for _ in lives:
        place.dies()
    assert place.heard() == SAID
    assert [e.text for e in place.of(Transcript)] == ["One two.", "Three four five.", "Six."]
    assert place.of(SpeechEnded)[0].ref == "r"
    assert place.of(SpeechEnded)[0].reason == "done"
    place.check()


def test_only_what_was_not_said_is_asked_again():
    place = Place(12)
    place.ask(Speak(text=TEXT, ref="r"))
    assert place.heard() == "One two.Thre"
    place.dies()
    assert place.spoken[1] == [Speak(text=" Three four five. Six.", ref="r")]
    assert place.heard() == SAID


def test_several_replies_and_text_that_goes_on():
    place = Place(9, 7)
    place.ask(
        Speak(text="One two. Thr", more=True),
        Speak(text="ee four.", ref="a"),
        Speak(text="Next one. ", ref="b"),
        Speak(text="Open ", more=True, ref="c"),
    )
    place.dies()
    place.dies()
    place.ask(Speak(text="end.", ref="c"))
    assert place.heard() == "One two.Three four.Next one.Open end."
    assert [e.ref for e in place.of(SpeechEnded)] == ["a", "b", "c"]
    assert len(place.names) == 3
    place.check()


def test_names_of_a_new_stream_are_new():
    """Every stream counts its utterances from one; what was told of the first `u1` stays true."""
    place = Place()
    place.ask(Speak(text="One."))
    place.dies()
    place.ask(Speak(text="Two."))
    assert place.names == ["u1", "u1.2"]
    assert place.heard("u1.2") == "Two."
    place.ask(Cancel())
    place.dies()
    place.ask(Speak(text="Three."))
    assert place.heard() == "One.Two.Three."
    place.check()


def test_a_question_is_answered_once():
    place = Place(4)
    place.ask(Speak(text="One two.", more=True), Finalize(ref="f"), Speak(text="More.", ref="g"))
    place.dies()
    place.ask(Finalize(ref="h"))
    place.dies()
    assert place.heard() == "One two.More."
    refs = [e.ref for e in place.of(SpeechEnded) if e.ref]
    assert sorted(refs) == ["f", "g", "h"]


def test_what_was_cancelled_is_not_said_again():
    place = Place(5)
    place.ask(Speak(text="One two three.", ref="a"), Speak(text="Four."))
    assert place.heard() == "One t"
    place.ask(Cancel(ref="c"))
    place.dies()
    assert place.heard() == "One t"
    assert [e.reason for e in place.of(SpeechEnded)][:1] == ["cancelled"]
    place.ask(Speak(text="Five."))
    assert place.heard() == "One tFive."
    place.check()


@pytest.mark.parametrize("named", [True, False])
def test_a_cancel_while_no_voice_is_there(named):
    place = Place(5)
    place.ask(Speak(text="One two three.", ref="a"), Speak(text="Four.", ref="b"))
    place.house.engine.stream.sink.tell(Ended(error=EngineFailed("gone").fault()))
    place.ask(Cancel(utterance="u1" if named else ""))
    assert place.heard() == ("One tFour." if named else "One t")
    reasons = {e.ref: e.reason for e in place.of(SpeechEnded)}
    assert reasons.get("b") == ("done" if named else "cancelled")
    assert "cancelled" in reasons.values()
    assert len(place.of(SpeechEnded, utterance="u1")) == 1


def test_what_the_voice_refused_is_not_asked_again():
    place = Place()
    place.ask(Speak(text=None, ref="x"), Speak(text="One.", ref="y"))
    assert [(e.code, e.ref) for e in place.of(Notice)] == [("bad_request", "x")]
    place.dies()
    place.ask(Speak(text="Two.", ref="z"))
    assert place.heard() == "One.Two."
    assert len(place.of(Notice)) == 1
    assert [e.ref for e in place.of(SpeechEnded)] == ["y", "z"]


def test_a_voice_that_never_opens_again_is_asked_once_more_only_when_one_does():
    place = Place(5)
    place.ask(Speak(text="One two three."))
    failures = [EngineFailed("no", code="engine_unavailable")] * 3
    opening = place.house.engine.open

    async def refuse(options, sink):
        if failures:
            raise failures.pop()
        return await opening(options, sink)

    place.house.engine.open = refuse
    place.dies()
    place.house.serve()
    assert not failures
    assert place.heard() == "One two three."
    assert [len(asked) for asked in place.spoken] == [1, 1]
    place.check()


def test_the_new_voice_may_speak_as_far_as_the_old_one_might():
    place = Place(5)
    place.ask(Speak(text="One two three."))
    lead = place.house.settings.speak_ahead_ms
    place.house.timers.advance(0.03)
    place.dies()
    assert place.house.engine.stream.credits[0] == lead - 20 + 50, "20 unheard, 50 not to be sent"
    assert place.heard() == "One two three."


def test_an_engine_that_spoke_by_itself_is_not_asked_to():
    place = Place()
    place.ask(Speak(text="One."))
    sink = place.house.engine.stream.sink
    sink.tell(SpeechStarted(side="out", utterance="own"))
    sink.tell(AudioOut(utterance="own", data=b"x" * _CHARACTER))
    place.dies()
    assert place.spoken[1] == []
    (ended,) = place.of(SpeechEnded, utterance="own")
    assert (ended.reason, ended.at_ms) == ("failed", 10)


def test_words_that_are_not_those_asked_for_are_skipped_by_their_sound():
    """A voice that writes numbers out: its sentences are not found in the text."""
    place = Place()
    place.ask(Speak(text="1 two. Three.", ref="r"))
    place.peer.events.clear()
    house = Place()
    house.house.engine.prepare = lambda stream: None
    house.ask(Speak(text="1 two. Three.", ref="r"))

    def says(stream, parts):
        sink, at = stream.sink, 0
        sink.tell(SpeechStarted(side="out", utterance="u1"))
        for sound, text in parts:
            data = b"".join(c.encode() * _CHARACTER for c in sound)
            sink.tell(AudioOut(utterance="u1", data=data, start_ms=at))
            at += PCM16K.ms(len(data))
            if text:
                sink.tell(Transcript(side="out", utterance="u1", text=text, end_ms=at, final=True))

    says(house.house.engine.stream, [("one two.", "one two."), ("Thr", "")])
    house.dies()
    again = house.house.engine.stream
    assert again.asked == [Speak(text="1 two. Three.", ref="r")]
    says(again, [("one two.", "one two."), ("Three.", "Three.")])
    again.sink.tell(SpeechEnded(side="out", utterance="u1", reason="done", at_ms=140))
    assert house.heard() == "one two.Three."
    assert [e.text for e in house.of(Transcript)] == ["one two.", "Three."]
    house.check()


def test_in_another_format_too():
    """The converter goes on with the utterance: as long as if nothing had happened."""
    ear = AudioFormat("pcm_s16le", 8_000)
    sizes = []
    for lives in ((), (11,), (3, 3, 3)):
        place = Place(*lives, ear=ear)
        place.ask(Speak(text=TEXT))
        for _ in lives:
            place.dies()
        sizes.append(sum(len(e.data) for e in place.of(AudioOut)))
    assert sizes == [len(SAID) * _CHARACTER // 2] * 3


def test_a_change_of_options_in_mid_speech_goes_on_speaking():
    place = Place(6)
    place.ask(Speak(text="One two three."))
    place.ask(Configure(patch={"recognition": {"language": "de"}}))
    assert place.heard() == "One two three."
    place.check()


def test_refused_is_documented():
    with pytest.raises(Refused):
        Speaking(None, Exact(), PCM16K).speak(Speak())
