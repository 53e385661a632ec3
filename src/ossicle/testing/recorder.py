"""A receiver that keeps what it is told, for tests of transports.

    leg = Recorder(channel)
    await leg.until(lambda: leg.texts == ["one", "two"])

It fails when told anything after `closed`, or `closed` twice.
"""

import asyncio
from collections.abc import Callable

from ossicle.core.errors import OssicleError
from ossicle.core.ports import Channel
from ossicle.core.wire import Binary, Message, Text

__all__ = ["Recorder"]


class Recorder:
    """See the module."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.told: list[Message] = []
        """Every message in order; reliable binary as Binary."""
        self.writables: list[bool] = []
        self.over = False
        self.error: OssicleError | None = None
        """What `closed` was told."""
        self.broken: list[str] = []
        """Breaches of the receiver's contract."""
        self.on_message: Callable[[Message], None] = lambda message: None
        """Called with each message; may send, pause, abort or raise."""
        self._changed: asyncio.Event | None = None

    def received(self, message: Message) -> None:
        self._tell(message)

    def binary(self, data: bytes) -> None:
        if type(data) is not bytes:
            self.broken.append(f"binary was told {type(data).__name__}, not bytes")
        self._tell(Binary(data))

    def writable(self, yes: bool) -> None:
        if self.over:
            self.broken.append("writable after closed")
        if yes == self.can_write:
            self.broken.append(f"writable({yes}) twice")
        self.writables.append(yes)
        self._wake()

    def closed(self, error: OssicleError | None) -> None:
        if self.over:
            self.broken.append("closed twice")
        self.over, self.error = True, error
        self._wake()

    @property
    def can_write(self) -> bool:
        """What `writable` said last."""
        return self.writables[-1] if self.writables else True

    @property
    def texts(self) -> list[str]:
        return [message.data for message in self.told if isinstance(message, Text)]

    @property
    def size(self) -> int:
        """Bytes of Text and Binary told."""
        return len(self.payload)

    @property
    def payload(self) -> bytes:
        """Text and Binary, one after the other: what is left of them on a byte stream."""
        return b"".join(
            message.data.encode() if isinstance(message, Text) else message.data
            for message in self.told
            if isinstance(message, Text | Binary)
        )

    async def until(self, condition: Callable[[], bool], *, within: float = 10.0) -> None:
        """Wait until `condition` holds.

        Raises:
            AssertionError: it did not within `within` seconds.
        """
        self._changed = changed = asyncio.Event()
        try:
            async with asyncio.timeout(within):
                while not condition():
                    await changed.wait()
                    changed.clear()
        except TimeoutError:
            last = [type(message).__name__ for message in self.told[-5:]]
            raise AssertionError(
                f"not within {within:g} s; told {len(self.told)} messages, last {last}, "
                f"over={self.over}, error={self.error!r}"
            ) from None
        finally:
            self._changed = None

    def _tell(self, message: Message) -> None:
        if self.over:
            self.broken.append(f"{type(message).__name__} after closed")
        self.told.append(message)
        self._wake()
        self.on_message(message)

    def _wake(self) -> None:
        if self._changed is not None:
            self._changed.set()
