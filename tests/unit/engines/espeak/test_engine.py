"""The espeak engine against a helper of our own making: faults the real one seldom shows."""

import asyncio
import json
import os
import signal
import sys

import pytest

from ossicle.core.commands import End, Speak
from ossicle.core.errors import EngineFailed, MissingExtra
from ossicle.core.events import AudioOut, SpeechEnded, Transcript
from ossicle.core.options import Options
from ossicle.engines.espeak import engine as module
from ossicle.engines.espeak.engine import EspeakEngine
from ossicle.engines.lifecycle import running
from ossicle.testing.engine import HeldSink

HELPER = """
import json, os, pathlib, sys
from ossicle.engines.espeak.pipe import *
out = sys.stdout.buffer
def tell(*message):
    out.write(pack(*message)); out.flush()
lives = pathlib.Path(sys.argv[1])
life = int(lives.read_text() or 0) if lives.exists() else 0
lives.write_text(str(life + 1))
tell(READY, 0, json.dumps({"version": "x", "sample_rate": 22050}).encode())
unpacker = Unpacker()
while data := os.read(0, 65536):
    for kind, job, payload in unpacker.feed(data):
        if kind != SAY:
            continue
        text = json.loads(payload)["text"]
        for part in range(4):
            if part == 2 and (text == "kills" or text == "stumbles" and life == 0):
                os._exit(1)
            tell(SOUND, job, bytes([part, 0]) * 2205)
        for mark in json.loads(text) if text.startswith("[") else [[0, 0, len(text)]]:
            tell(WORD, job, WORD_MARK.pack(*mark))
        tell(DONE, job)
"""


@pytest.fixture
def engine(tmp_path):
    script = tmp_path / "helper.py"
    script.write_text(HELPER)
    return EspeakEngine((sys.executable, str(script), str(tmp_path / "lives")))


class Waiting(HeldSink):
    def __init__(self):
        super().__init__(lambda event: self.over.set() if self.ended else None)
        self.over = asyncio.Event()

    def reasons(self):
        return [event.reason for event in self.events if isinstance(event, SpeechEnded)]


async def run(engine, *texts):
    sink = Waiting()
    stream = await engine.open(Options(), sink)
    for text in texts:
        stream.ask(Speak(text=text))
    stream.ask(End())
    await asyncio.wait_for(sink.over.wait(), 20)
    return sink


async def test_a_helper_that_dies_is_replaced_and_no_sound_is_lost_or_doubled(engine):
    async with running(engine):
        sink = await run(engine, "stumbles", "well")
    assert sink.reasons() == ["done", "done"]
    first = b"".join(
        event.data
        for event in sink.events
        if isinstance(event, AudioOut) and event.utterance == "u1"
    )
    assert first == b"".join(bytes([part, 0]) * 2205 for part in range(4))
    assert sink.ended.error is None


async def test_a_word_event_that_stands_nowhere_or_inside_a_word_is_no_word(engine):
    marks = [[0, 1, 3], [40, 2, 2], [80, 5, 3], [90, 200, 4], [95, 6, 900], [99, 8, 0], [99, 4, 1]]
    text = json.dumps(marks)
    async with running(engine):
        sink = await run(engine, text)
    words = [word for event in sink.events if isinstance(event, Transcript) for word in event.words]
    assert [word.text for word in words] == [text[1:4], text[5:8]]
    assert [(word.start_ms, word.end_ms) for word in words] == [(0, 80), (80, 400)]


async def test_a_piece_that_kills_two_helpers_ends_its_stream_only(engine):
    async with running(engine):
        sink = await run(engine, "kills")
        assert sink.reasons() == ["failed"]
        assert sink.ended.error.code == "engine_failed"
        assert sink.ended.error.retryable
        assert (await run(engine, "well")).reasons() == ["done"]


async def test_a_helper_that_dies_idle_is_replaced_unasked(engine):
    async with running(engine):
        first = engine.pid
        os.kill(first, signal.SIGKILL)
        async with asyncio.timeout(20):
            while engine.pid in (None, first) or not engine.warm:
                await asyncio.sleep(0.005)


async def test_closing_the_engine_ends_streams_and_the_helper(engine):
    async with running(engine):
        sink = Waiting()
        await engine.open(Options(), sink)
        assert engine.warm
        assert engine.pid
    assert sink.ended.error.code == "engine_unavailable"
    assert engine.pid is None
    with pytest.raises(EngineFailed):
        await engine.open(Options(), HeldSink())


@pytest.mark.parametrize("command", [("/no/such/program",), (sys.executable, "-c", "")])
async def test_a_helper_that_cannot_run_is_said(command):
    engine = EspeakEngine(command)
    with pytest.raises(EngineFailed, match="espeak helper"):
        await engine.open(Options(), HeldSink())
    await engine.aclose()


async def test_a_missing_library_names_the_ways_to_it(monkeypatch):
    monkeypatch.setattr(module, "available", lambda: False)
    with pytest.raises(MissingExtra, match=r"pip install ossicle\[voice\].*libespeak-ng1"):
        await EspeakEngine().open(Options(), HeldSink())
