"""The judge of turn ends around the embedded recogniser, which hears in another process: the same
audio gives the same turns, however fast it is sent."""

import asyncio
import os
import wave
from pathlib import Path

import pytest

from harness import missing
from ossicle.core.commands import End
from ossicle.core.events import SpeechEnded, Transcript
from ossicle.core.options import Options, RecognitionOptions, TurnOptions
from ossicle.engines.lifecycle import running
from ossicle.engines.open import open_engine
from ossicle.engines.wrap.endpointed import Endpointed
from ossicle.testing.engine import HeldSink, check_engine

pytestmark = [pytest.mark.interop, pytest.mark.timeout(120)]

OPTIONS = Options(
    recognition=RecognitionOptions(
        turns=TurnOptions(silence_ms=3000, confidence=0.7, eager=0.4),
    )
)


def speech() -> bytes:
    """Several utterances with pauses of many lengths between."""
    folder = os.environ.get("OSSICLE_CLIPS", "")
    clips = sorted(Path(folder).glob("*.wav"))[:5] if folder else []
    if not clips:
        missing("OSSICLE_CLIPS names no folder with recordings")
    audio = b""
    for number, clip in enumerate(clips):
        with wave.open(str(clip)) as file:
            if (file.getframerate(), file.getnchannels()) == (16000, 1):
                audio += file.readframes(file.getnframes()) + bytes(32 * 400 * number)
    return audio + bytes(32 * 3500)


async def turns(engine: Endpointed, audio: bytes, piece: int, wait: float) -> list[tuple]:
    sink = HeldSink()
    stream = await engine.open(OPTIONS, sink)
    for at in range(0, len(audio), piece):
        stream.audio(audio[at : at + piece])
        await asyncio.sleep(wait)
    stream.ask(End())
    async with asyncio.timeout(60):
        while sink.ended is None:
            await asyncio.sleep(0.01)
    told = []
    for event in sink.events:
        match event:
            case SpeechEnded():
                told.append(("ended", event.at_ms, event.reason, event.provisional))
            case Transcript(final=True):
                told.append((event.text, event.ends_turn))
    return told


async def test_the_same_turns_at_any_speed():
    audio = speech()
    async with running(Endpointed(open_engine("pocketsphinx:2"))) as engine:
        burst = await turns(engine, audio, 64_000, 0)
        paced = await turns(engine, audio, 3200, 0.02)
    assert burst == paced
    assert sum(1 for each in burst if each[0] != "ended" and each[1]) >= 2
    assert any(each[0] == "ended" and each[3] for each in burst)


async def test_it_keeps_the_contract():
    async with running(Endpointed(open_engine("pocketsphinx:2"))) as engine:
        await check_engine(engine, audio=speech()[: 32_000 * 6], options=OPTIONS, patience=30)
