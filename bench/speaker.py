"""One session at the pace of a person: our client by the native protocol or Deepgram's, or
Deepgram's own SDK.

    speaker = Speaker(url, pcm, speaks="deepgram-sdk")
    await speaker.run()
    speaker.words, speaker.audio_ms, speaker.error

It knows nothing of faults, nor of what the words should be.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, Literal, TypeAlias

from ossicle.client import SpeechStream, connect
from ossicle.core.errors import OssicleError
from ossicle.core.events import Notice, Transcript, Word
from ossicle.core.formats import AudioFormat

__all__ = ["BYTES_PER_MS", "STEP_MS", "Speaker", "Speaks"]

Speaks: TypeAlias = Literal["native", "deepgram", "deepgram-sdk"]
STEP_MS = 100
BYTES_PER_MS = 32
_OPENINGS = 20
"""How often a session is opened: what breaks before it began has lost nothing, and whoever calls
`connect` is told to try again."""
_FINISH_S = 120.0
"""How long the SDK may wait for its last answer; it has no limit of its own."""


class Speaker:
    """Talk, listen, keep what was heard."""

    def __init__(
        self,
        url: str,
        audio: bytes,
        *,
        speaks: Speaks = "native",
        pause_s: float = 0.0,
        pace: float = 1.0,
        heard: Callable[[int, float], None] | None = None,
    ) -> None:
        """
        Args:
            url: of the gateway, or of what stands before it.
            audio: 16 kHz, mono, 16 bit.
            speaks: by which client.
            pause_s: how long nothing is sent, in the middle.
            pace: how much faster than real time.
            heard: told how many words are known, and the second of the session.
        """
        self._url, self._audio, self._speaks = url, audio, speaks
        self._pause_s, self._pace, self._heard = pause_s, pace, heard
        self._began = self._last = 0.0
        self.words: list[Word] = []
        """Of the finals."""
        self.audio_ms = 0
        """What the gateway says it heard; 0 = it did not say."""
        self.error = ""
        """Why it failed; empty = it did not."""
        self.openings = 0
        """How often it was opened; one is all that is needed where nothing is broken."""
        self.reconnects = 0
        self.notices: Counter[str] = Counter()
        self.longest_silence_s = 0.0
        """In which the gateway told no word, while somebody spoke."""

    async def run(self) -> None:
        """To its end. Failures are kept, not raised."""
        if self._speaks == "deepgram-sdk":
            await self._official()
        else:
            await self._own()

    async def _own(self) -> None:
        while await self._opened() and self.openings < _OPENINGS:
            self.error = ""
            await asyncio.sleep(0.2)

    async def _opened(self) -> bool:
        """One session. True: it broke before it began, and may be opened again."""
        self.openings += 1
        vendor = self._speaks != "native"
        stream = connect(
            self._url, dialect=self._speaks, format=AudioFormat(), reconnect=not vendor
        )
        try:
            async with stream:
                await asyncio.gather(self._speak(stream.send, stream.end), self._listen(stream))
        except OssicleError as error:
            self.error = f"{error.code}: {error}"
            return error.retryable and not stream.session and not stream.sent_bytes
        finally:
            self.reconnects = stream.reconnects
            if stream.ended is not None:
                self.audio_ms = stream.ended.audio_ms
        return False

    async def _speak(
        self, send: Callable[[bytes], Awaitable[None]], end: Callable[[], Awaitable[None]]
    ) -> None:
        step, audio = STEP_MS * BYTES_PER_MS, self._audio
        half = len(audio) // 2
        self._began = self._last = time.monotonic()
        for number, at in enumerate(range(0, len(audio), step)):
            if self._pause_s and at >= half > at - step:
                await asyncio.sleep(self._pause_s)
                # what is told after that is late by so much less
                self._began += self._pause_s
                self._last += self._pause_s
            due = self._began + (number + 1) * STEP_MS / 1_000 / self._pace
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            await send(audio[at : at + step])
        await end()

    async def _listen(self, stream: SpeechStream) -> None:
        async for event in stream:
            match event:
                case Transcript(words=words, final=final):
                    self._told(list(words or ()), final=final)
                case Notice(code=code):
                    self.notices[code] += 1
                case _:
                    pass

    def _told(self, words: list[Word], *, final: bool) -> None:
        now = time.monotonic()
        if words:
            self.longest_silence_s = max(self.longest_silence_s, now - self._last)
            self._last = now
        known = len(self.words) + len(words)
        if final:
            self.words += words
        if self._heard is not None:
            self._heard(known, now - self._began)

    async def _official(self) -> None:
        # A dependency of the tests: only who asks for it needs it.
        from deepgram import AsyncDeepgramClient
        from deepgram.core.events import EventType
        from deepgram.environment import DeepgramClientEnvironment

        ws = self._url.replace("http", "ws", 1)
        there = DeepgramClientEnvironment(
            base=self._url, production=ws, agent=ws, agent_rest=self._url
        )
        client = AsyncDeepgramClient(api_key="KEY", environment=there)
        try:
            async with client.listen.v1.connect(
                model="nova-3", encoding="linear16", sample_rate=16_000, interim_results=True
            ) as socket:
                socket.on(EventType.MESSAGE, self._message)
                socket.on(EventType.ERROR, self._broke)
                listening = asyncio.create_task(socket.start_listening())
                try:
                    await self._speak(socket.send_media, socket.send_close_stream)
                    async with asyncio.timeout(_FINISH_S):
                        await listening
                finally:
                    listening.cancel()
        except Exception as error:  # noqa: BLE001  whatever the SDK raises is its failure
            self._broke(error)

    def _message(self, message: Any) -> None:
        match message.type:
            case "Results":
                said = message.channel.alternatives[0]
                words = [
                    Word(word.word, round(word.start * 1_000), round(word.end * 1_000))
                    for word in said.words
                ]
                self._told(words, final=bool(message.is_final))
            case "Metadata":
                self.audio_ms = round(message.duration * 1_000)
            case "Error":
                self._broke(message)
            case _:
                pass

    def _broke(self, error: object) -> None:
        self.error = self.error or f"deepgram-sdk: {error!r}"
