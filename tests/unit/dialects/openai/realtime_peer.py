"""A client of `/v1/realtime` against a real session and a real engine, without a socket."""

import asyncio
import base64
import json
from typing import Any

from ossicle.core.legs import Leg
from ossicle.core.ports import Engine
from ossicle.core.session import Session, SessionSettings
from ossicle.core.wire import ChannelTraits, Close, Message, Opening, Text
from ossicle.dialects.openai import Books, RealtimeServer
from ossicle.engines.agent import Agent
from ossicle.engines.compose import Combined
from ossicle.engines.responders import Responder
from ossicle.engines.responders.parrot import Parrot
from ossicle.engines.scripted import ScriptedEngine
from ossicle.engines.tone import ToneEngine
from ossicle.testing.clock import ManualTimers
from ossicle.testing.house import HandChannel, HandHouse
from ossicle.testing.marked import marked_audio

__all__ = ["ID", "RealtimePeer", "agent", "at_24k", "spoken"]

ID = "5f0e3c52-91f4-4d5b-8a52-0d1c4f1f7a10"
MODEL = (("model", "gpt-realtime"),)


def agent(script: str = "heard", responder: Responder | None = None) -> Agent:
    """Hears marked audio, answers, speaks in tones."""
    ears = ScriptedEngine(script, timers=ManualTimers())
    return Agent(Combined(ears, ToneEngine()), responder or Parrot())


def at_24k(data: bytes) -> bytes:
    """Marked audio, whose samples say which word they are, at the rate of the service."""
    from array import array

    samples = array("h", data)
    return array("h", (samples[n * 2 // 3] for n in range(len(samples) * 3 // 2))).tobytes()


def spoken(*words: int) -> bytes:
    """Those words, at 24 kHz."""
    return at_24k(marked_audio(words))


class RealtimePeer:
    """Sends what an SDK would, and keeps the events it was sent."""

    def __init__(
        self,
        engine: Engine | None = None,
        query: tuple[tuple[str, str], ...] = MODEL,
        *,
        headers: tuple[tuple[str, str], ...] = (),
        settings: SessionSettings | None = None,
        books: Books | None = None,
        media: bool = False,
        dialect: RealtimeServer | None = None,
    ) -> None:
        self.engine = engine or agent()
        self.house = HandHouse(self.engine, settings)
        self.books = books or Books()
        self.channel = HandChannel()
        self.dialect = dialect or RealtimeServer(self.books)
        self.leg = Leg(self.dialect, self.channel, self.house)
        self.leg.start(
            Opening(
                id=ID,
                at=1_795_423_148.0,
                query=query,
                headers=headers,
                traits=ChannelTraits(media=media),
            )
        )
        self.house.serve()

    @property
    def session(self) -> Session:
        """Whose it is."""
        assert isinstance(self.leg.session, Session)
        return self.leg.session

    def say(self, kind: str, **fields: Any) -> None:
        """One event."""
        self.text(json.dumps({"type": kind, **fields}))

    def text(self, text: str) -> None:
        """One text message, whatever is in it."""
        self.message(Text(text))

    def message(self, message: Message) -> None:
        """One message of the wire."""
        self.leg.received(message)
        self.house.serve()

    def audio(self, data: bytes, step: int = 4_800) -> None:
        """Sound in events of 100 ms."""
        for at in range(0, len(data), step):
            audio = base64.b64encode(data[at : at + step]).decode()
            self.say("input_audio_buffer.append", audio=audio)

    def update(self, **session: Any) -> None:
        """A `session.update` of a conversation."""
        self.say("session.update", session={"type": "realtime", **session})

    def turns(self, detection: Any, **more: Any) -> None:
        """Turn detection, with words wanted."""
        heard = {"turn_detection": detection, "transcription": {"model": "whisper-1"}}
        self.update(audio={"input": heard}, **more)

    async def settle(self, seconds: float = 0.0) -> None:
        """Let what was begun come to its end; the clock moves on as far as is said."""
        for _ in range(60):
            await asyncio.sleep(0)
        if seconds:
            self.house.pass_time(seconds)
            for _ in range(20):
                await asyncio.sleep(0)

    @property
    def told(self) -> list[dict[str, Any]]:
        """The events that came."""
        return [json.loads(m.data) for m in self.channel.sent if isinstance(m, Text)]

    @property
    def kinds(self) -> list[str]:
        """Their types, repeated ones once."""
        kinds = [event["type"] for event in self.told]
        return [kind for n, kind in enumerate(kinds) if n == 0 or kinds[n - 1] != kind]

    def of(self, kind: str) -> list[dict[str, Any]]:
        """Those of one type."""
        return [event for event in self.told if event["type"] == kind]

    def last(self, kind: str) -> dict[str, Any]:
        """The newest of a type."""
        return self.of(kind)[-1]

    @property
    def sound(self) -> bytes:
        """All sound of answers."""
        return b"".join(
            base64.b64decode(event["delta"]) for event in self.of("response.output_audio.delta")
        )

    @property
    def close(self) -> Close | None:
        """The close that was sent."""
        return next((m for m in self.channel.sent if isinstance(m, Close)), None)
