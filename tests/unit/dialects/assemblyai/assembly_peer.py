"""A client of an AssemblyAI dialect against a real session and a real engine, without a socket."""

import json
from typing import Any

from ossicle.core.legs import Leg
from ossicle.core.ports import Dialect, Engine
from ossicle.core.session import SessionSettings
from ossicle.core.wire import Binary, Close, Opening, Text
from ossicle.testing.house import HandChannel, HandHouse

ID = "5f0e3c52-91f4-4d5b-8a52-0d1c4f1f7a10"
PCM = (("sample_rate", "16000"),)


class AssemblyPeer:
    """Sends what an SDK would, and keeps the JSON it was sent."""

    def __init__(
        self,
        engine: Engine,
        dialect: Dialect,
        query: tuple[tuple[str, str], ...] = PCM,
        *,
        settings: SessionSettings | None = None,
        served: bool = True,
    ) -> None:
        """`served`: open engines when they are wanted."""
        self.house = HandHouse(engine, settings)
        self.channel = HandChannel()
        self.leg = Leg(dialect, self.channel, self.house)
        self.leg.start(Opening(id=ID, at=1_795_423_148.0, query=query))
        if served:
            self.house.serve()

    def audio(self, data: bytes, step: int = 3_200) -> None:
        """Binary messages of 100 ms, as an SDK sends them."""
        for at in range(0, len(data), step):
            self.leg.binary(data[at : at + step])
        self.house.serve()

    def ms(self, milliseconds: int) -> None:
        """That much sound, for an engine that goes by time alone."""
        self.audio(bytes(32 * milliseconds))

    def say(self, **message: Any) -> None:
        """One JSON message."""
        self.text(json.dumps(message))

    def text(self, text: str) -> None:
        """One text message, whatever is in it."""
        self.leg.received(Text(text))
        self.house.serve()

    @property
    def told(self) -> list[dict[str, Any]]:
        """The messages that came."""
        return [json.loads(m.data) for m in self.channel.sent if isinstance(m, Text)]

    def of(self, kind: str) -> list[dict[str, Any]]:
        """Those of one type."""
        return [m for m in self.told if m.get("type", m.get("message_type")) == kind]

    @property
    def close(self) -> Close | None:
        """The close that was sent."""
        closes = [m for m in self.channel.sent if isinstance(m, Close)]
        return closes[-1] if closes else None

    @property
    def binaries(self) -> int:
        """Never sent by these dialects."""
        return sum(isinstance(m, Binary) for m in self.channel.sent)
