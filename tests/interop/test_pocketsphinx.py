"""The embedded engine for real: processes, models, human speech."""

import asyncio
import os
import sys
import wave
from pathlib import Path

import pytest
import pytest_asyncio

from ossicle.core.commands import Configure, End, Finalize, Speak
from ossicle.core.errors import EngineFailed, Overloaded, Refused
from ossicle.core.events import Ended, Notice, SpeechEnded, SpeechStarted, Transcript
from ossicle.core.formats import AudioFormat
from ossicle.core.options import Hint, Options, RecognitionOptions, TurnOptions
from ossicle.engines.pocketsphinx import PocketsphinxEngine

pytestmark = [
    pytest.mark.interop,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(sys.platform == "win32", reason="the pocketsphinx engine needs fork"),
]

SILENCE = bytes(32_000)
DIGITS = ("zero", "oh", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def missing(what: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(what)
    pytest.skip(what)


@pytest.fixture(scope="module")
def go_forward() -> bytes:
    """Somebody says "go forward ten meters", 2.8 s."""
    return clip("OSSICLE_CLIPS", "go-forward.wav")


def clip(variable: str, name: str) -> bytes:
    folder = os.environ.get(variable)
    if variable == "OSSICLE_SPEECH" and not folder:
        pytest.skip(f"{name} is in the folder of more recordings, which OSSICLE_SPEECH may name")
    if not folder or not Path(folder, name).is_file():
        missing(f"{name} is needed in the folder that {variable} names (scripts/clips.py)")
    with wave.open(str(Path(folder or "", name))) as file:
        return file.readframes(file.getnframes())


class Ear:
    def __init__(self) -> None:
        self.told: list = []
        self.settled_ms = 0
        self.until_ms: list[int] = []
        self.over = asyncio.Event()
        self.final = asyncio.Event()

    def tell(self, event) -> None:
        assert not self.over.is_set(), f"{event} after Ended"
        self.told.append(event)
        if isinstance(event, Ended):
            self.over.set()
        if isinstance(event, Transcript) and event.final:
            self.final.set()

    def credit(self, until_ms: int) -> None:
        self.until_ms.append(until_ms)

    def settled(self, until_ms: int) -> None:
        self.settled_ms = until_ms

    def of(self, kind, **fields) -> list:
        return [
            event
            for event in self.told
            if isinstance(event, kind)
            and all(getattr(event, name) == value for name, value in fields.items())
        ]

    @property
    def text(self) -> str:
        return " ".join(t.text for t in self.of(Transcript, final=True) if t.text)


def options(**recognition) -> Options:
    return Options(recognition=RecognitionOptions(**recognition))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine():
    """One for all tests: what one leaves behind, the next trips over."""
    async with PocketsphinxEngine(pool=2) as it:
        yield it
        assert it.restarts == 0
        assert it.busy == 0


async def hear(engine, pcm: bytes, asked: Options | None = None) -> Ear:
    ear = Ear()
    stream = await engine.open(asked or Options(), ear)
    for at in range(0, len(pcm), 3200):
        stream.audio(pcm[at : at + 3200])
    stream.ask(End())
    async with asyncio.timeout(30):
        await ear.over.wait()
    return ear


async def test_words_with_times_partials_and_one_final(engine, go_forward):
    ear = await hear(engine, go_forward + SILENCE)
    assert ear.text == "go forward ten meters"
    (final,) = ear.of(Transcript, final=True)
    assert final.ends_turn
    assert final.confidence is None
    assert [w.text for w in final.words] == final.text.split()
    times = [t for w in final.words for t in (w.start_ms, w.end_ms)]
    assert times == sorted(times)
    assert 300 < times[0] < 700
    assert 1900 < times[-1] < 2500
    assert ear.of(Transcript, final=False)
    (started,), (ended,) = ear.of(SpeechStarted), ear.of(SpeechEnded)
    assert 400 < started.at_ms < 700
    assert 2000 < ended.at_ms < 2500
    assert ended.reason == "silence"
    assert ear.of(Ended) == [ear.told[-1]]
    assert ear.told[-1].error is None
    assert ear.settled_ms >= 2_800
    assert ear.until_ms[0] == 4_000
    assert ear.until_ms == sorted(ear.until_ms)
    assert ear.until_ms[-1] > 4_000 + 2_800


async def test_a_command_grammar_hears_only_its_phrases(engine, go_forward):
    hints = (Hint("Go forward ten meters!"), Hint("stop now"), Hint("xqzzy"))
    ear = await hear(engine, go_forward + SILENCE, options(hints=hints, only_hints=True))
    assert ear.text == "go forward ten meters"
    (notice,) = ear.of(Notice)
    assert notice.code == "hints_unknown"
    assert "xqzzy" in notice.text


async def test_digits_with_a_digit_grammar(engine):
    ear = await hear(
        engine,
        clip("OSSICLE_SPEECH", "digits.wav") + SILENCE,
        options(hints=tuple(map(Hint, DIGITS)), only_hints=True),
    )
    said = (1, 0, 0, 0, 1, 9, "oh", 2, 1, "oh", 0, 1, 8, 0, 3)
    names = ("zero", *DIGITS[2:])
    wanted = [word if isinstance(word, str) else names[word] for word in said]
    heard = ear.text.split()
    assert len(heard) == len(wanted)
    assert sum(a != b for a, b in zip(wanted, heard, strict=True)) <= 1


async def test_hints_of_unknown_words_alone_are_refused(engine):
    ear = await hear(engine, SILENCE, options(hints=(Hint("xqzzy"),), only_hints=True))
    assert ear.told[-1].reason == "refused"
    assert ear.told[-1].error.code == "bad_option"


async def test_finalize_is_answered_once_in_speech_and_in_silence(engine, go_forward):
    ear = Ear()
    stream = await engine.open(options(turns=TurnOptions(detect=False)), ear)
    stream.ask(Finalize(ref="early"))
    for at in range(0, len(go_forward), 640):
        stream.audio(go_forward[at : at + 640])
    stream.ask(Finalize(ref="now"))
    stream.ask(Finalize(ref="again"))
    stream.ask(Speak(text="hello", ref="s"))
    stream.ask(End())
    async with asyncio.timeout(30):
        await ear.over.wait()
    for ref, text in (("early", ""), ("now", "go forward ten meters"), ("again", "")):
        (final,) = ear.of(Transcript, ref=ref)
        assert (final.text, final.final, final.ends_turn) == (text, True, True)
    assert ear.of(SpeechEnded, ref="now")[0].reason == "asked"
    assert ear.of(Notice, ref="s")[0].code == "no_voice"


async def test_options_change_in_mid_stream(engine, go_forward):
    ear = Ear()
    stream = await engine.open(options(turns=TurnOptions(silence_ms=60_000)), ear)
    stream.audio(go_forward + SILENCE)
    stream.ask(Configure(patch={"recognition": {"turns": {"silence_ms": 300}}}))
    stream.audio(SILENCE)
    async with asyncio.timeout(30):
        await ear.final.wait()
    assert ear.text == "go forward ten meters"
    with pytest.raises(Refused, match="silence_ms"):
        stream.ask(Configure(patch={"recognition": {"turns": {"silence_ms": -1}}}))
    stream.abort()
    stream.abort()


async def test_two_sessions_at_once_and_no_third(engine, go_forward):
    ears = [Ear(), Ear()]
    streams = [await engine.open(Options(), ear) for ear in ears]
    assert engine.busy == 2
    with pytest.raises(Overloaded, match=r"all 2 pocketsphinx workers are busy.*pool \(now 2\)"):
        await engine.open(Options(), Ear())
    for at in range(0, len(go_forward), 640):
        for stream in streams:
            stream.audio(go_forward[at : at + 640])
    streams[0].ask(End())
    async with asyncio.timeout(30):
        await ears[0].over.wait()
    assert ears[0].text == "go forward ten meters"
    third = await hear(engine, go_forward)  # there is room again
    assert third.text == "go forward ten meters"
    streams[1].ask(End())
    async with asyncio.timeout(30):
        await ears[1].over.wait()
    assert ears[1].text == "go forward ten meters"


async def test_an_aborted_stream_is_deaf_and_its_place_free(engine, go_forward):
    ear = Ear()
    stream = await engine.open(Options(), ear)
    stream.audio(go_forward)
    stream.abort()
    told = len(ear.told)
    stream.audio(go_forward)
    stream.ask(End())
    assert engine.busy == 0
    assert (await hear(engine, go_forward)).text == "go forward ten meters"
    assert len(ear.told) == told


async def test_a_session_that_ignores_credit_is_stopped(engine):
    stream = await engine.open(Options(), Ear())
    with pytest.raises(Overloaded, match="credit ends at"):
        for _ in range(100):
            stream.audio(SILENCE)
    stream.abort()


async def test_what_it_cannot_hear_is_refused(engine):
    with pytest.raises(Refused, match="'de-DE' is not known to pocketsphinx, which hears en-US"):
        await engine.open(options(language="de-DE"), Ear())
    with pytest.raises(Refused, match="pcm_s16le at 16000 Hz"):
        await engine.open(Options(hears=AudioFormat("mulaw", 8000)), Ear())
    assert engine.busy == 0


async def test_start_returns_at_once_and_open_waits(go_forward):
    engine = PocketsphinxEngine(pool=1)
    assert not engine.warm
    await engine.start()
    assert not engine.warm
    assert (await hear(engine, go_forward)).text == "go forward ten meters"
    assert engine.warm
    ear = Ear()
    await engine.open(Options(), ear)
    await engine.aclose()
    await engine.aclose()
    assert not engine.warm
    assert ear.told[-1].error.text == "pocketsphinx failed: the engine was closed"
    with pytest.raises(EngineFailed, match="closed"):
        await engine.open(Options(), Ear())


async def test_whoever_waits_for_a_closing_engine_is_told():
    engine = PocketsphinxEngine(pool=1)
    opening = asyncio.create_task(engine.open(Options(), Ear()))
    await asyncio.sleep(0)
    await engine.aclose()
    with pytest.raises(EngineFailed, match="closed"):
        await opening
    assert engine.busy == 0


async def test_an_opening_that_is_given_up_frees_its_place(go_forward):
    async with PocketsphinxEngine(pool=1, spares=0) as engine:
        opening = asyncio.create_task(engine.open(Options(), Ear()))
        await asyncio.sleep(0)
        opening.cancel()
        await asyncio.wait((opening,))
        assert engine.busy == 0
        assert (await hear(engine, go_forward)).text == "go forward ten meters"


async def test_a_pool_needs_room_for_one():
    with pytest.raises(Refused, match="pool is 0; it must be at least 1"):
        PocketsphinxEngine(pool=0)
