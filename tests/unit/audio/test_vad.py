"""The real detectors on sound made here: both say no to silence; the rest is in interop."""

import os
import subprocess
import sys

import pytest

from ossicle.audio import vad
from ossicle.audio.vad import SileroModel, SileroVad, WebRtcVad, load_vad


@pytest.fixture(scope="module")
def model() -> SileroModel:
    return SileroModel()


def test_silence_is_not_speech(model):
    for it in (SileroVad(model), WebRtcVad()):
        frame = bytes(it.frame_samples * 2)
        assert all(it.probability(frame) < 0.2 for _ in range(20)), it


def test_streams_of_one_model_do_not_mix(model):
    import random

    noise = random.Random(7)
    frames = [
        b"".join(noise.randint(-9000, 9000).to_bytes(2, "little", signed=True) for _ in range(512))
        for _ in range(6)
    ]
    alone = [SileroVad(model).probability(frames[0])]
    first, second = SileroVad(model), SileroVad(model)
    mixed = []
    for frame in frames:
        mixed.append(first.probability(frame))
        second.probability(bytes(1024))
    again = SileroVad(model)
    assert [again.probability(frame) for frame in frames] == mixed
    assert mixed[0] == alone[0]


def test_state_changes_the_answer(model):
    frame = bytes(range(256)) * 4
    state, context = model.start()
    share, later, heard = model.run(frame, state, context)
    assert share != model.run(frame, later, heard)[0]


def test_without_onnxruntime_the_fallback_is_used(monkeypatch):
    assert isinstance(load_vad()(), SileroVad)
    monkeypatch.setattr(vad, "find_spec", lambda name: None)
    assert load_vad() is WebRtcVad


@pytest.mark.skipif(sys.platform != "linux", reason="looks for threads in /proc")
def test_the_runtime_does_not_call_home(tmp_path):
    """Its telemetry keeps a queue on disk and a thread; the switch is an environment variable,
    so a new version may rename it."""
    program = (
        "from ossicle.audio.vad import load_vad; load_vad()().probability(bytes(1024));"
        "import os; print(len(os.listdir('/proc/self/task')))"
    )
    clean = {
        name: value for name, value in os.environ.items() if name not in ("CI", "XDG_CACHE_HOME")
    }
    clean.pop("ORT_DISABLE_TELEMETRY", None)
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**clean, "HOME": str(tmp_path), "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["1"]
    assert list(tmp_path.rglob("*")) == []
