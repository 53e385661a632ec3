"""An engine of your own as a plain blocking class, run in worker processes.

ossicle serve --engine python:examples.my_engine_blocking:engine
"""

from collections.abc import Sequence

import numpy as np

from ossicle.core.capabilities import Capabilities
from ossicle.core.events import Event, Transcript
from ossicle.core.options import Options
from ossicle.engines.adapt import from_blocking


class Loudness:
    """Says how loud each turn was. It may compute as long as it likes."""

    def __init__(self, options: Options) -> None:
        self.loudest = 0

    def accept(self, data: bytes) -> Sequence[Event]:
        self.loudest = max(self.loudest, int(np.abs(np.frombuffer(data, "<i2").astype(int)).max()))
        return [Transcript(text=f"peak {self.loudest}")]

    def finalize(self) -> Sequence[Event]:
        final = Transcript(text=f"peak {self.loudest}", final=True, ends_turn=True)
        self.loudest = 0
        return [final]

    def finish(self) -> Sequence[Event]:
        return self.finalize()


def engine():
    capabilities = Capabilities(name="loudness", note="Says how loud it was.")
    return from_blocking(Loudness, capabilities, processes=2)
