"""Our client halves beside the vendors' own SDKs: both do the same against a server that records,
and what it saw is compared message for message. What differs by nature (the SDK's name, its
versions, keys of the handshake) is masked."""

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from ossicle.client.dial import dialer
from ossicle.core.commands import (
    Audio,
    Cancel,
    Command,
    Configure,
    End,
    Finalize,
    Speak,
    Tell,
)
from ossicle.core.events import AudioOut, Began, Ended, Event, SpeechEnded
from ossicle.core.formats import AudioFormat
from ossicle.core.link import Link
from ossicle.core.ports import ClientDialect
from ossicle.dialects.assemblyai import AssemblyClient
from ossicle.dialects.deepgram.flux_client import FluxClient
from ossicle.dialects.deepgram.listen_client import DeepgramClient
from ossicle.dialects.openai import RealtimeClient
from sdks import python

pytestmark = [
    pytest.mark.interop,
    pytest.mark.timeout(60),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

KEY = "a-key-of-ours"
PIECES = [bytes([number]) * 3_200 for number in range(1, 5)]
MASKED = {
    "host", "user-agent", "connection", "upgrade", "accept", "accept-encoding", "origin",
    "assemblyai-version", "accept-language", "cache-control", "pragma", "content-type",
}  # fmt: skip
"""Headers that say what program it is, or belong to the wire. The type of a body that an upgrade
has not is what OpenAI's SDK gives to all its requests."""


class Seen(NamedTuple):
    """What one client sent."""

    path: str
    query: list[tuple[str, str]]
    headers: list[tuple[str, str]]
    messages: list[Any]


class Recording:
    """A provider that writes down what it is sent and says just enough."""

    def __init__(
        self,
        *greeting: Any,
        last: Any = None,
        on: str = "",
        answers: dict[str, tuple[Any, ...]] | None = None,
    ) -> None:
        """`greeting`: said at once; `last`: said when a message of type `on` comes, before the
        close; `answers`: said to each message of a type."""
        self._greeting, self._last, self._on = greeting, last, on
        self._answers = answers or {}
        self.seen: list[Seen] = []

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        async with serve(self._talk, "127.0.0.1", 0, close_timeout=1) as server:
            yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"

    async def _talk(self, wire: ServerConnection) -> None:
        assert wire.request is not None
        target = urlsplit(wire.request.path)
        headers = sorted(
            (name.lower(), value)
            for name, value in wire.request.headers.raw_items()
            if name.lower() not in MASKED and not name.lower().startswith(("sec-", "x-"))
        )
        messages: list[Any] = []
        query = sorted(
            (name, plain(value)) for name, value in parse_qsl(target.query, keep_blank_values=True)
        )
        self.seen.append(Seen(target.path, query, headers, messages))
        for message in self._greeting:
            await wire.send(json.dumps(message))
        async for message in wire:
            if isinstance(message, bytes):
                messages.append(message)
                continue
            said = json.loads(message)
            messages.append(said)
            for answer in self._answers.get(str(said.get("type")), ()):
                with contextlib.suppress(ConnectionClosed):  # it says no more, and was heard whole
                    await wire.send(json.dumps(answer))
            if said.get("type") == self._on:
                if self._last is not None:
                    await wire.send(json.dumps(self._last))
                return


def plain(value: str) -> str:
    """One spelling: an SDK writes its language's truth, and spaces in its JSON."""
    if value in {"True", "False"}:
        return value.lower()
    return json.dumps(json.loads(value)) if value.startswith(("[", "{")) else value


class Ours:
    """Our client half on our wire."""

    def __init__(self, dialect: ClientDialect) -> None:
        self.link = Link(dialect, self)
        self.events: list[Event] = []

    def told(self, link: Link, event: Event) -> None:
        self.events.append(event)

    def flowing(self, link: Link) -> None: ...


async def ours(
    make: Callable[[], ClientDialect], where: str, patch: dict[str, Any], *commands: Command
) -> None:
    """The same conversation, by our half."""
    dialect = make()
    our = Ours(dialect)
    configure = Configure(patch={"recognition": patch}, format=AudioFormat(), credential=KEY)
    await dialer(f"ws://{where}", "websocket")(dialect.open(configure), our.link.attach)
    for command in commands:
        our.link.ask(command)
    async with asyncio.timeout(10):
        await our.link.over


async def both(
    recording: Recording,
    sdk: Callable[[str], Awaitable[None]],
    make: Callable[[], ClientDialect],
    patch: dict[str, Any],
    *commands: Command,
) -> tuple[Seen, Seen]:
    """What the SDK sent, and what we sent."""
    async with recording.serving() as where:
        await sdk(where)
        await ours(make, where, patch, *commands)
    theirs, mine = recording.seen
    return theirs, mine


def check(theirs: Seen, mine: Seen) -> None:
    assert mine.path == theirs.path
    assert mine.query == theirs.query
    assert mine.headers == theirs.headers
    assert [m for m in mine.messages if not isinstance(m, bytes)] == [
        m for m in theirs.messages if not isinstance(m, bytes)
    ]
    assert mine.messages == theirs.messages


TALK = (
    *[Audio(data=piece) for piece in PIECES[:2]],
    Finalize(ref="q"),
    *[Audio(data=piece) for piece in PIECES[2:]],
    End(),
)
METADATA = {
    "type": "Metadata", "transaction_key": "deprecated", "request_id": "r", "sha256": "0",
    "created": "2026-01-01T00:00:00.000Z", "duration": 0.4, "channels": 1, "models": [],
    "model_info": {},
}  # fmt: skip


def environment(where: str) -> Any:
    from deepgram.environment import DeepgramClientEnvironment

    base, ws = f"http://{where}", f"ws://{where}"
    return DeepgramClientEnvironment(base=base, production=ws, agent=ws, agent_rest=base)


async def test_deepgram_listen() -> None:
    python("deepgram-sdk")
    from deepgram import AsyncDeepgramClient
    from deepgram.core.events import EventType

    async def sdk(where: str) -> None:
        client = AsyncDeepgramClient(api_key=KEY, environment=environment(where))
        async with client.listen.v1.connect(
            model="nova-3", encoding="linear16", sample_rate=16000, channels=1, language="de",
            interim_results=True, punctuate=True, diarize=True, profanity_filter=True,
            endpointing=300, keyterm=["ossicle", "anvil"], vad_events=True,
        ) as connection:  # fmt: skip
            connection.on(EventType.MESSAGE, lambda _message: None)
            listening = asyncio.create_task(connection.start_listening())
            for piece in PIECES[:2]:
                await connection.send_media(piece)
            await connection.send_finalize()
            for piece in PIECES[2:]:
                await connection.send_media(piece)
            await connection.send_close_stream()
            await listening

    patch = {
        "language": "de", "interim_results": True, "punctuate": True, "diarize": True,
        "profanity_filter": True, "turns": {"silence_ms": 300},
        "hints": [{"text": "ossicle"}, {"text": "anvil"}],
    }  # fmt: skip
    recording = Recording(last=METADATA, on="CloseStream")
    check(*await both(recording, sdk, DeepgramClient, patch, *TALK))


async def test_deepgram_keep_alive() -> None:
    python("deepgram-sdk")
    from deepgram import AsyncDeepgramClient
    from deepgram.core.events import EventType

    async def sdk(where: str) -> None:
        client = AsyncDeepgramClient(api_key=KEY, environment=environment(where))
        async with client.listen.v1.connect(
            model="nova-3", encoding="linear16", sample_rate=16000, channels=1,
            interim_results=True, vad_events=True,
        ) as connection:  # fmt: skip
            connection.on(EventType.MESSAGE, lambda _message: None)
            listening = asyncio.create_task(connection.start_listening())
            await connection.send_keep_alive()
            await connection.send_close_stream()
            await listening

    recording = Recording(last=METADATA, on="CloseStream")
    async with recording.serving() as where:
        await sdk(where)
        dialect = DeepgramClient(keep_alive_s=0.05)
        our = Ours(dialect)
        configure = Configure(format=AudioFormat(), credential=KEY)
        await dialer(f"ws://{where}", "websocket")(dialect.open(configure), our.link.attach)
        async with asyncio.timeout(10):
            while len(recording.seen) < 2 or not recording.seen[1].messages:
                await asyncio.sleep(0.01)
            our.link.ask(End())
            await our.link.over
    theirs, mine = recording.seen
    assert mine.query == theirs.query
    assert mine.messages[0] == theirs.messages[0] == {"type": "KeepAlive"}
    assert mine.messages[-1] == theirs.messages[-1]


async def test_flux() -> None:
    python("deepgram-sdk")
    from deepgram import AsyncDeepgramClient
    from deepgram.core.events import EventType

    async def sdk(where: str) -> None:
        client = AsyncDeepgramClient(api_key=KEY, environment=environment(where))
        async with client.listen.v2.connect(
            model="flux-general-en", encoding="linear16", sample_rate=16000,
            eot_threshold=0.8, eager_eot_threshold=0.4, eot_timeout_ms=3000,
            keyterm=["ossicle", "anvil"],
        ) as connection:  # fmt: skip
            connection.on(EventType.MESSAGE, lambda _message: None)
            listening = asyncio.create_task(connection.start_listening())
            for piece in PIECES[:2]:
                await connection.send_media(piece)
            await connection.send_force_end_turn()
            for piece in PIECES[2:]:
                await connection.send_media(piece)
            await connection.send_close_stream()
            await listening

    patch = {
        "turns": {"confidence": 0.8, "eager": 0.4, "silence_ms": 3000},
        "hints": [{"text": "ossicle"}, {"text": "anvil"}],
    }
    recording = Recording(
        {"type": "Connected", "request_id": "r", "sequence_id": 0}, on="CloseStream"
    )
    check(*await both(recording, sdk, FluxClient, patch, *TALK))


async def test_assemblyai() -> None:
    python("assemblyai")
    from assemblyai.streaming.v3 import (
        AsyncStreamingClient,
        StreamingClientOptions,
        StreamingParameters,
    )

    async def sdk(where: str) -> None:
        client = AsyncStreamingClient(StreamingClientOptions(api_host=f"ws://{where}", api_key=KEY))
        await client.connect(
            StreamingParameters(
                sample_rate=16_000,
                encoding="pcm_s16le",
                format_turns=True,
                speech_model="universal-streaming-english",
                keyterms_prompt=["ossicle", "anvil"],
            )
        )
        for piece in PIECES[:2]:
            await client.stream(piece)
        await client.force_endpoint()
        for piece in PIECES[2:]:
            await client.stream(piece)
        await client.disconnect(terminate=True)

    patch = {
        "punctuate": True,
        "model": "universal-streaming-english",
        "hints": [{"text": "ossicle"}, {"text": "anvil"}],
    }
    recording = Recording(
        {"type": "Begin", "id": "s", "expires_at": 2_000_000_000},
        last={"type": "Termination", "audio_duration_seconds": 0, "session_duration_seconds": 0},
        on="Terminate",
    )
    check(*await both(recording, sdk, AssemblyClient, patch, *TALK))


# ── OpenAI Realtime ──

CREATED = {
    "type": "session.created", "event_id": "e0",
    "session": {"type": "realtime", "id": "sess_1", "object": "realtime.session"},
}  # fmt: skip


def committed(item: str) -> dict[str, Any]:
    return {
        "type": "input_audio_buffer.committed", "event_id": f"e-{item}", "item_id": item,
        "previous_item_id": None,
    }  # fmt: skip


def heard(item: str) -> dict[str, Any]:
    return {
        "type": "conversation.item.input_audio_transcription.completed", "event_id": f"h-{item}",
        "item_id": item, "content_index": 0, "transcript": "word",
        "usage": {"type": "duration", "seconds": 0.1},
    }  # fmt: skip


async def realtime(
    where: str,
    make: Callable[[], ClientDialect],
    patch: dict[str, Any],
    *steps: Command | type[Event],
) -> None:
    """Our half, as an engine that is elsewhere has it: it begins, and then the commands go out; an
    event's type is waited for."""
    our = Ours(make())
    source = AudioFormat("pcm_s16le", 24_000)
    configure = Configure(patch=patch, format=source, speaks=source, credential=KEY)
    await dialer(f"ws://{where}", "websocket")(our.link.dialect.open(configure), our.link.attach)

    async def told(kind: type[Event]) -> None:
        while not any(isinstance(event, kind) for event in our.events):
            await asyncio.sleep(0.005)

    async with asyncio.timeout(10):
        await told(Began)
        for step in steps:
            if isinstance(step, type):
                await told(step)
            else:
                our.link.ask(step)
        await told(Ended)
        await our.link.over


def appended(piece: bytes) -> str:
    return base64.b64encode(piece).decode()


def in_their_words(messages: list[Any]) -> None:
    """Each is one of the events that the SDK has a type for, and holds nothing that type does not
    know."""
    from openai.types.realtime import RealtimeClientEvent
    from pydantic import BaseModel, TypeAdapter

    adapter: TypeAdapter[Any] = TypeAdapter(RealtimeClientEvent)

    def look(value: Any, where: str) -> None:
        if isinstance(value, BaseModel):
            assert not value.model_extra, f"{where}: {value.model_extra}"
            for name in value.model_fields_set:
                look(getattr(value, name), f"{where}.{name}")
        elif isinstance(value, list):
            for inner in value:
                look(inner, where)

    for message in messages:
        look(adapter.validate_python(message), message["type"])


async def test_openai_transcription() -> None:
    python("openai")
    from openai import AsyncOpenAI

    answers = {"input_audio_buffer.commit": (committed("i1"), heard("i1"))}

    async def sdk(where: str) -> None:
        client = AsyncOpenAI(api_key=KEY, base_url=f"http://{where}/v1")
        async with client.realtime.connect(extra_query={"intent": "transcription"}) as connection:
            await connection.session.update(
                session={
                    "type": "transcription",
                    "audio": {
                        "input": {
                            "format": {"type": "audio/pcm", "rate": 24_000},
                            "turn_detection": {
                                "type": "server_vad",
                                "prefix_padding_ms": 300,
                                "silence_duration_ms": 400,
                                "threshold": 0.6,
                            },
                            "transcription": {
                                "model": "gpt-4o-transcribe",
                                "language": "de",
                                "keywords": ["ossicle", "anvil"],
                            },
                        }
                    },
                }
            )
            for piece in PIECES[:2]:
                await connection.input_audio_buffer.append(audio=appended(piece))
            await connection.input_audio_buffer.commit(event_id="q")
            for piece in PIECES[2:]:
                await connection.input_audio_buffer.append(audio=appended(piece))
            await connection.input_audio_buffer.commit()

    patch = {
        "recognition": {
            "language": "de-DE", "model": "gpt-4o-transcribe",
            "turns": {"silence_ms": 400, "threshold": 0.6},
            "hints": [{"text": "ossicle"}, {"text": "anvil"}],
        }
    }  # fmt: skip
    recording = Recording(CREATED, answers=answers)
    async with recording.serving() as where:
        await sdk(where)
        await realtime(where, RealtimeClient, patch, *TALK)
    theirs, mine = recording.seen
    check(theirs, mine)
    in_their_words(mine.messages)


async def test_openai_conversation() -> None:
    """Asked, interrupted before a sound of the answer was heard, and told a tool's result."""
    python("openai")
    from openai import AsyncOpenAI

    answers: dict[str, tuple[Any, ...]] = {
        "input_audio_buffer.commit": (committed("i1"), heard("i1")),
        "response.create": (
            {"type": "response.created", "event_id": "e1", "response": {"id": "resp_1"}},
            {
                "type": "response.output_audio.delta", "event_id": "e2", "response_id": "resp_1",
                "item_id": "item_1", "output_index": 0, "content_index": 0, "delta": "AAAA",
            },
        ),
        "response.cancel": (
            {
                "type": "response.done", "event_id": "e3",
                "response": {"id": "resp_1", "status": "cancelled", "output": []},
            },
        ),
    }  # fmt: skip
    tool = {
        "type": "function", "name": "clock", "description": "Tells the time.",
        "parameters": {"type": "object", "properties": {"zone": {"type": "string"}}},
    }  # fmt: skip
    pcm = {"type": "audio/pcm", "rate": 24_000}

    async def sdk(where: str) -> None:
        client = AsyncOpenAI(api_key=KEY, base_url=f"http://{where}/v1")
        async with client.realtime.connect(model="gpt-realtime") as connection:
            await connection.session.update(
                session={
                    "type": "realtime",
                    "output_modalities": ["audio"],
                    "instructions": "Be short.",
                    "tools": [tool],
                    "tool_choice": "auto",
                    "max_output_tokens": 300,
                    "audio": {
                        "input": {
                            "format": pcm,
                            "turn_detection": {
                                "type": "semantic_vad",
                                "eagerness": "low",
                                "create_response": False,
                                "interrupt_response": True,
                            },
                            "transcription": {"model": "gpt-4o-transcribe"},
                        },
                        "output": {"format": pcm, "voice": "marin", "speed": 1.2},
                    },
                }  # type: ignore[typeddict-item]
            )
            for piece in PIECES[:2]:
                await connection.input_audio_buffer.append(audio=appended(piece))
            await connection.input_audio_buffer.commit(event_id="q")
            await connection.response.create(event_id="r")
            async for event in connection:
                if event.type == "response.output_audio.delta":
                    break
            await connection.response.cancel(response_id="resp_1")
            await connection.conversation.item.truncate(
                item_id="item_1", content_index=0, audio_end_ms=0
            )
            await connection.conversation.item.create(
                item={"type": "function_call_output", "call_id": "c1", "output": "noon"},
                event_id="t",
            )
            await connection.conversation.item.create(
                item={
                    "type": "message", "role": "user",
                    "content": [{"type": "input_text", "text": "and tomorrow?"}],
                },
                event_id="u",
            )  # fmt: skip
            await connection.input_audio_buffer.clear()

    patch = {
        "recognition": {"turns": {"confidence": 0.9}},
        "synthesis": {"voice": "marin", "speed": 1.2},
        "answers": {
            "wanted": True, "auto": False, "instructions": "Be short.", "tool_choice": "auto",
            "max_tokens": 300,
            "tools": [{**tool, "parameters": json.dumps(tool["parameters"])}],
        },
    }  # fmt: skip
    recording = Recording(CREATED, answers=answers)
    async with recording.serving() as where:
        await sdk(where)
        await realtime(
            where,
            RealtimeClient,
            patch,
            *[Audio(data=piece) for piece in PIECES[:2]],
            Finalize(ref="q"),
            Speak(text=None, ref="r"),
            AudioOut,
            Cancel(utterance="resp_1", heard_ms=0),
            Tell(kind="result", call="c1", text="noon", ref="t"),
            Tell(text="and tomorrow?", ref="u"),
            Cancel(side="in"),
            SpeechEnded,
            End(),
        )
    theirs, mine = recording.seen
    check(theirs, mine)
    in_their_words(mine.messages)
