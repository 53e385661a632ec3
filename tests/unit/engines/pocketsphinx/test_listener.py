"""The ear with a scripted detector and a decoder that hears one word per 0.1 s of sound."""

import msgspec
import pytest

from ossicle.core.commands import Cancel, End, Finalize
from ossicle.core.events import Ended, Notice, SpeechEnded, SpeechStarted, Transcript
from ossicle.core.options import Hint, Options, RecognitionOptions, TurnOptions
from ossicle.engines.pocketsphinx.decoder import Heard
from ossicle.engines.pocketsphinx.framing import Settled
from ossicle.engines.pocketsphinx.listener import Listener

FRAME = 512
SPEECH, SILENCE = b"\x01\x00" * FRAME, bytes(2 * FRAME)


class Vad:
    """The first byte of a frame says whether it is speech."""

    frame_samples = FRAME

    def probability(self, frame: bytes) -> float:
        assert len(frame) == 2 * FRAME
        return 0.9 if frame[0] else 0.0


class Decoder:
    """Hears `w0 w1 w2`, one word per 1,600 samples of speech it was fed."""

    def __init__(self) -> None:
        self.pcm = b""
        self.open = False
        self.utterances: list[bytes] = []
        self.phrases: tuple[str, ...] = ()

    def begin(self) -> None:
        assert not self.open
        self.open, self.pcm = True, b""

    def feed(self, pcm: bytes) -> None:
        assert self.open
        self.pcm += pcm

    def words(self) -> list[Heard]:
        first = self.pcm.find(b"\x01") // 2
        spoken = self.pcm.count(b"\x01") // 1600
        return [Heard(f"w{n}", first + 1600 * n, first + 1600 * (n + 1)) for n in range(spoken)]

    def finish(self) -> list[Heard]:
        assert self.open
        self.open = False
        self.utterances.append(self.pcm)
        return self.words()

    def restrict(self, phrases: tuple[str, ...]) -> tuple[str, ...]:
        self.phrases = phrases
        unknown = tuple(p for p in phrases if "?" in p)
        if phrases and len(unknown) == len(phrases):
            raise ValueError
        return unknown


class Ear:
    def __init__(self, **recognition) -> None:
        self.told: list = []
        self.decoder = Decoder()
        self.listener = Listener(
            Options(recognition=RecognitionOptions(**recognition)),
            self.decoder,
            Vad(),
            self.told.append,
        )

    def hear(self, shape: str) -> "Ear":
        for mark in shape:
            self.listener.audio(SPEECH if mark == "s" else SILENCE)
        return self

    def ask(self, *commands) -> "Ear":
        for command in commands:
            self.listener.ask(command)
        return self

    def of(self, kind, **fields) -> list:
        return [
            event
            for event in self.told
            if isinstance(event, kind)
            and all(getattr(event, name) == value for name, value in fields.items())
        ]

    def law(self) -> None:
        """started <= partials <= ended <= one final with ends_turn; nothing after Ended."""
        state = "quiet"
        for event in self.told:
            match event:
                case SpeechStarted():
                    assert state in ("quiet", "paused")
                    state = "open"
                case SpeechEnded(provisional=True):
                    assert state == "open"
                    state = "paused"
                case SpeechEnded():
                    assert state in ("open", "paused")
                    state = "closing"
                case Transcript(final=True, ends_turn=True):
                    assert state in ("closing", "quiet")
                    assert state == "closing" or (event.text == "" and event.ref)
                    state = "quiet"
                case Transcript():
                    assert state in ("open", "paused")
                case Ended():
                    assert state == "quiet"
                    state = "over"


TURNS = TurnOptions(silence_ms=320)


def test_a_turn_from_start_to_final():
    ear = Ear(turns=TURNS).hear("." * 20 + "s" * 10 + "." * 11)
    ear.law()
    assert ear.of(SpeechStarted)[0].at_ms == 640
    assert ear.of(SpeechEnded)[0].at_ms == 960
    assert ear.of(SpeechEnded)[0].reason == "silence"
    final = ear.of(Transcript, final=True)[0]
    assert final.text == "w0 w1 w2"
    assert final.ends_turn
    assert [(w.start_ms, w.end_ms) for w in final.words] == [(640, 740), (740, 840), (840, 940)]
    assert (final.start_ms, final.end_ms) == (640, 960)
    assert final.confidence is None
    assert ear.decoder.utterances[0].startswith(bytes(9600) + SPEECH)  # 0.3 s of pre-roll
    assert ear.told[-1] == Settled(960 + 320)


def test_partials_come_on_change_and_every_100_ms_at_most():
    ear = Ear(turns=TURNS).hear("s" * 20 + "." * 9)
    partials = ear.of(Transcript, final=False)
    assert [p.text.split()[-1] for p in partials] == ["w0", "w1", "w2", "w3", "w4", "w5"]
    assert all(p.stable == 0 for p in partials)


def test_no_partials_when_they_are_not_wanted():
    ear = Ear(turns=TURNS, interim_results=False, word_times=False).hear("s" * 20 + "." * 20)
    assert not ear.of(Transcript, final=False)
    assert ear.of(Transcript)[0].words is None


@pytest.mark.parametrize(
    ("shape", "text"), [("", ""), ("." * 40, ""), ("s", ""), ("s" * 8, "w0 w1")]
)
def test_finalize_is_answered_by_exactly_one_final(shape, text):
    ear = Ear(turns=TURNS).hear(shape).ask(Finalize(ref="f"))
    ear.law()
    (final,) = ear.of(Transcript, ref="f")
    assert (final.text, final.final, final.ends_turn) == (text, True, True)
    ear.hear("s" * 8).ask(Finalize(ref="g"))
    assert len(ear.of(Transcript, ref="g")) == 1
    ear.law()


def test_finalize_hears_the_last_piece_of_a_frame():
    ear = Ear(turns=TURNS).hear("s" * 9)
    ear.listener.audio(b"\x01\x00" * 500)  # with 9 frames of 512: three words and a bit
    assert ear.of(Transcript)[-1].text == "w0 w1"
    ear.ask(Finalize(ref="f"))
    assert ear.of(Transcript, ref="f")[0].text == "w0 w1 w2"
    assert ear.listener.position == 9 * FRAME + 500


def test_end_flushes_then_ends_once():
    ear = Ear(turns=TURNS).hear("s" * 8).ask(End(ref="e"), End(), Finalize(ref="late")).hear("sss")
    ear.law()
    assert [type(e).__name__ for e in ear.told[-4:]] == [
        "SpeechEnded",
        "Transcript",
        "Settled",
        "Ended",
    ]
    assert ear.of(SpeechEnded)[0].reason == "end"
    assert ear.told[-1].usage.audio_ms == 256
    assert ear.listener.ended


def test_end_in_silence_says_nothing_more():
    ear = Ear().hear("." * 10).ask(End())
    assert [type(e).__name__ for e in ear.told] == ["Ended"]


def test_silence_settles_and_costs_no_decoding():
    ear = Ear().hear("." * 200)
    assert ear.decoder.utterances == []
    settled = [e.until_ms for e in ear.of(Settled)]
    assert settled == sorted(settled)
    assert settled[-1] >= 200 * 32 - 300 - 1100
    assert all(s <= 200 * 32 - 300 for s in settled)
    assert len(ear.told) == len(settled) <= 6


def test_a_cancelled_turn_is_forgotten():
    ear = Ear(turns=TURNS).hear("s" * 8).ask(Cancel(side="in", ref="c"))
    ear.law()
    assert ear.of(SpeechEnded)[0].reason == "cancelled"
    assert ear.of(Transcript, final=True)[0].text == ""
    ear.hear("." * 5 + "s" * 8 + "." * 11)
    ear.law()
    assert ear.of(Transcript, final=True)[-1].text == "w0 w1"


def test_cancel_of_sound_out_changes_nothing():
    ear = Ear(turns=TURNS).hear("s" * 8)
    before = len(ear.told)
    ear.ask(Cancel(side="out"))
    assert len(ear.told) == before


def test_a_turn_at_its_limit_is_cut_and_the_next_goes_on():
    ear = Ear(turns=TurnOptions(max_ms=320)).hear("s" * 21)
    ear.law()
    assert [e.reason for e in ear.of(SpeechEnded)] == ["limit", "limit"]
    assert [e.at_ms for e in ear.of(SpeechStarted)] == [0, 320, 640]
    assert b"".join(ear.decoder.utterances) == SPEECH * 20  # every sample heard once


def test_without_detection_only_commands_close_a_turn():
    ear = Ear(turns=TurnOptions(silence_ms=64, detect=False)).hear("s" * 8 + "." * 60)
    assert not ear.of(SpeechEnded)
    ear.ask(Finalize(ref="f"))
    ear.law()
    assert ear.of(SpeechEnded)[0].reason == "asked"


def test_a_provisional_end_can_be_taken_back():
    ear = Ear(turns=TurnOptions(silence_ms=320, eager=0.5)).hear("s" * 8 + "." * 6 + "s" * 3)
    ear.law()
    assert [(e.at_ms, e.provisional) for e in ear.of(SpeechEnded)] == [(256, True)]
    assert [e.at_ms for e in ear.of(SpeechStarted)] == [0, 448]


def test_a_long_turn_is_frozen_in_segments():
    seconds = 35
    ear = Ear(turns=TURNS).hear("s" * (seconds * 32))
    ear.law()
    frozen = ear.of(Transcript, final=True)
    assert len(frozen) == 2
    assert not any(f.ends_turn for f in frozen)
    assert not ear.of(SpeechEnded)
    ear.ask(End())
    assert b"".join(ear.decoder.utterances) == SPEECH * (seconds * 32)
    starts = [f.words[0].start_ms for f in ear.of(Transcript, final=True)]
    assert starts == [0, 14_016, 28_032]


def test_a_long_turn_is_frozen_at_a_short_pause_first():
    ear = Ear(turns=TURNS).hear("s" * 330 + "." * 8 + "s" * 10)
    (frozen,) = ear.of(Transcript, final=True)
    assert frozen.end_ms == (330 + 7) * 32


def test_hints_become_the_only_words():
    ear = Ear(hints=(Hint("go forward"), Hint("zz?")), only_hints=True)
    assert ear.decoder.phrases == ("go forward", "zz?")
    (notice,) = ear.of(Notice)
    assert notice.code == "hints_unknown"
    assert "1 of 2 hints" in notice.text
    assert "'zz?'" in notice.text


def test_hints_that_cannot_be_used_are_told():
    assert Ear(hints=(Hint("a"),)).of(Notice)[0].code == "hints_unused"
    assert Ear(only_hints=True).of(Notice)[0].code == "hints_unused"


def test_nothing_to_hear_is_refused():
    ear = Ear(hints=(Hint("zz?"),), only_hints=True)
    (ended,) = ear.told
    assert ended.reason == "refused"
    assert ended.error.code == "bad_option"
    assert "zz" not in ended.error.text


def test_options_change_while_it_hears():
    ear = Ear(turns=TurnOptions(silence_ms=5_000)).hear("s" * 8)
    patch = msgspec.structs.replace
    options = Options(recognition=RecognitionOptions(turns=TURNS))
    ear.listener.configure(options)
    ear.hear("." * 11)
    assert len(ear.of(SpeechEnded)) == 1
    hints = patch(options.recognition, hints=(Hint("stop"),), only_hints=True)
    ear.hear("s" * 8)
    ear.listener.configure(patch(options, recognition=hints))
    assert ear.decoder.phrases == ("stop",)
    ear.hear("s" * 8 + "." * 11)
    ear.law()
    assert [f.ends_turn for f in ear.of(Transcript, final=True)] == [True, False, True]
