"""An engine of your own as an async generator: it says how loud each turn was.

ossicle serve --engine python:examples.my_engine_async:engine
"""

from collections.abc import AsyncGenerator, AsyncIterator

import numpy as np

from ossicle.core.capabilities import Capabilities
from ossicle.core.commands import Cancel, Finalize
from ossicle.core.events import Event, Transcript
from ossicle.core.options import Options
from ossicle.engines.adapt import Item, from_generator


async def loudness(audio: AsyncIterator[Item], options: Options) -> AsyncGenerator[Event, None]:
    loudest = 0

    def heard(*, final: bool = False) -> Transcript:
        return Transcript(text=f"peak {loudest}", final=final, ends_turn=final)

    async for item in audio:
        match item:
            case bytes():
                loudest = max(loudest, int(np.abs(np.frombuffer(item, "<i2").astype(int)).max()))
                yield heard()
            case Finalize():
                yield heard(final=True)
                loudest = 0
            case Cancel(side="in"):
                loudest = 0
            case _:
                pass  # Cancel(out), Speak, Tell, Played: not for this engine
    yield heard(final=True)


def engine():
    return from_generator(loudness, Capabilities(name="loudness", note="Says how loud it was."))
