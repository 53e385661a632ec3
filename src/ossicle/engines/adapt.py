"""The two short ways to write an engine of your own.

`from_generator`: `async def recognize(audio, options): yield event`, one task per stream; for
what is asyncio already (`generators.py`, `examples/my_engine_async.py`).

`from_blocking`: a class with `accept`, `finalize` and `finish`, one worker process per stream;
for what computes (`processes.py`, `examples/my_engine_blocking.py`).

Both keep the laws of the contract for you; `ossicle.testing.engine.check_engine` proves it.
"""

from .generators import Item, Recognize, from_generator
from .processes import Blocking, from_blocking

__all__ = ["Blocking", "Item", "Recognize", "from_blocking", "from_generator"]
