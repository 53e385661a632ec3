"""Where the command line's audio comes from."""

import asyncio
import wave
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ossicle.cli.inputs import _device, duration_ms, paced, until
from ossicle.core.errors import MissingExtra
from ossicle.core.formats import AudioFormat


async def source(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def forever() -> AsyncIterator[bytes]:
    yield b"first"
    await asyncio.Event().wait()


async def test_until_somebody_says_stop():
    stop = asyncio.Event()
    got: list[bytes] = []
    async for piece in until(stop, forever()):
        got.append(piece)
        asyncio.get_running_loop().call_soon(stop.set)
    assert got == [b"first"]


async def test_until_the_end():
    assert [p async for p in until(asyncio.Event(), source(b"a", b"b"))] == [b"a", b"b"]


async def test_errors_come_through():
    async def broken() -> AsyncIterator[bytes]:
        yield b"a"
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        async for _ in until(asyncio.Event(), broken()):
            pass


async def test_the_pace_of_speech(monkeypatch: pytest.MonkeyPatch):
    """Waits add up to the length of the audio, whatever the pieces were."""
    loop, now = asyncio.get_running_loop(), [0.0]

    async def sleep(seconds: float) -> None:
        now[0] += max(0.0, seconds)

    monkeypatch.setattr(loop, "time", lambda: now[0])
    monkeypatch.setattr(asyncio, "sleep", sleep)
    got = [len(p) async for p in paced(source(bytes(50), bytes(1_000)), 1_000.0)]
    monkeypatch.undo()
    assert max(got) == 100
    assert sum(got) == 1_050
    assert now[0] == pytest.approx(1.05)


def test_the_length_of_a_file(tmp_path: Path):
    path = tmp_path / "a.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(bytes(32_000))
    assert duration_ms(path, None) == 1_000
    raw = tmp_path / "a.raw"
    raw.write_bytes(bytes(16_000))
    assert duration_ms(raw, AudioFormat("mulaw", 8_000)) == 2_000
    raw.write_bytes(b"# not audio\n" * 100)
    assert duration_ms(raw, None) is None


def test_no_microphone_names_what_to_install():
    def absent() -> object:
        raise ImportError("sounddevice")

    def no_library() -> object:
        raise OSError("PortAudio library not found")

    with pytest.raises(MissingExtra, match=r"ossicle\[mic\]"):
        _device(absent)
    with pytest.raises(MissingExtra, match="libportaudio2"):
        _device(no_library)
