"""Recordings: every sample that an engine was fed, in files that are nobody else's, bounded, and no
harm when the disk fails."""

import asyncio
import os
import stat
import wave
from pathlib import Path

import pytest

from ossicle.core.capabilities import PCM16K
from ossicle.core.commands import End
from ossicle.core.events import Ended, Event, Notice
from ossicle.core.formats import AudioFormat
from ossicle.core.options import Options
from ossicle.engines.wrap.record import Recorded, Recorder
from ossicle.testing.house import HandHouse, HeldEngine

SOUND = bytes(range(256)) * 125  # one second


class Told:
    """A sink that remembers."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def tell(self, event: Event) -> None:
        self.events.append(event)

    def credit(self, until_ms: int) -> None: ...

    def settled(self, until_ms: int) -> None: ...


def files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def samples(path: Path) -> bytes:
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getsampwidth(), file.getnchannels()) == (16_000, 2, 1)
        return file.readframes(file.getnframes())


async def recorded(recorder: Recorder, sink: Told, *sounds: bytes, label: str = "") -> HeldEngine:
    engine = HeldEngine()
    stream = await Recorded(engine, recorder).open(Options(hears=PCM16K, label=label), sink)
    for sound in sounds:
        stream.audio(sound)
    stream.ask(End())
    engine.stream.sink.tell(Ended())
    stream.abort()
    return engine


async def test_every_sample_stands_in_a_file_of_its_own(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    recorder = Recorder(folder)
    engine = await recorded(recorder, Told(), SOUND, SOUND[:640], label="../Hello, Wörld! 7")
    await recorded(recorder, Told(), SOUND)
    recorder.close()
    first, second = sorted(files(folder), key=lambda path: -path.stat().st_size)
    assert samples(first) == engine.stream.heard == SOUND + SOUND[:640]
    assert samples(second) == SOUND
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(first.stat().st_mode) == 0o600
    assert first.name.endswith("Z_Hello-W-rld-7.wav")


async def test_the_session_is_in_the_name(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    house = HandHouse(Recorded(HeldEngine(), recorder))
    peer = house.peer()
    house.serve()
    peer.audio(SOUND)
    peer.ask(End())
    peer.drop()
    house.sessions[0].finish("done")
    recorder.close()
    (file,) = files(tmp_path)
    assert file.stem.split("_")[1] == "s0"
    assert samples(file) == SOUND


async def test_opus_is_a_tenth_of_the_size(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, form="opus")
    await recorded(recorder, Told(), *[SOUND] * 5)
    recorder.close()
    (file,) = files(tmp_path)
    assert file.suffix == ".ogg"
    assert file.read_bytes().startswith(b"OggS")
    assert 1_000 < file.stat().st_size < 5 * len(SOUND) // 2  # noise: the worst case


async def test_what_opus_cannot_hold_is_wav(tmp_path: Path) -> None:
    recorder, engine = Recorder(tmp_path, form="opus"), HeldEngine()
    for source in (AudioFormat("mulaw", 8_000), AudioFormat("pcm_s16le", 44_100)):
        stream = await Recorded(engine, recorder).open(Options(hears=source), Told())
        stream.audio(SOUND)
        stream.abort()
    recorder.close()
    assert [file.suffix for file in files(tmp_path)] == [".wav", ".wav"]


async def test_a_session_that_says_nothing_leaves_no_file(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "kept")
    await recorded(recorder, Told())
    recorder.close()
    assert not (tmp_path / "kept").exists()


async def test_old_files_go_and_the_oldest_while_there_are_too_many_bytes(tmp_path: Path) -> None:
    for number in range(5):
        path = tmp_path / f"{number}.wav"
        path.write_bytes(bytes(1_000))
        os.utime(path, (1_000_000 * (number + 1),) * 2)
    (tmp_path / "notes.txt").write_text("not ours")
    recorder = Recorder(tmp_path, most_bytes=3_500, keep_s=0)
    await recorded(recorder, Told(), SOUND)
    recorder.close()
    assert {"2.wav", "3.wav", "4.wav", "notes.txt"} < {file.name for file in files(tmp_path)}
    assert not (tmp_path / "1.wav").exists()
    recorder = Recorder(tmp_path, keep_s=3_600)
    await recorded(recorder, Told(), SOUND)
    recorder.close()
    names = {file.name for file in files(tmp_path)}
    assert not names & {"2.wav", "3.wav", "4.wav"}
    assert len(names) == 3


async def test_a_folder_that_cannot_be_written_is_told_once_and_harms_nothing(
    tmp_path: Path,
) -> None:
    (tmp_path / "file").write_text("no folder")
    recorder, sink = Recorder(tmp_path / "file"), Told()
    engine = HeldEngine()
    stream = await Recorded(engine, recorder).open(Options(hears=PCM16K), sink)
    stream.audio(SOUND)
    async with asyncio.timeout(5):
        while not sink.events:
            await asyncio.sleep(0.005)
            stream.audio(SOUND)
    stream.abort()
    recorder.close()
    (notice,) = sink.events
    assert isinstance(notice, Notice)
    assert notice.code == "record_failed"
    assert len(engine.stream.heard) >= 2 * len(SOUND)


async def test_a_disk_that_is_too_slow_bounds_what_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ossicle.engines.wrap.record._WAITING", 2 * len(SOUND))
    recorder, sink = Recorder(tmp_path), Told()
    with recorder._lock:  # the thread cannot count anything off
        recorder._waiting = 2 * len(SOUND)
    engine = await recorded(recorder, sink, SOUND, SOUND)
    recorder.close()
    assert [event.code for event in sink.events if isinstance(event, Notice)] == ["record_failed"]
    assert engine.stream.heard == SOUND * 2
