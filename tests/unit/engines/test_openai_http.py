"""Engines that ask over HTTP, against servers that answer as they are told."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from ossicle.core.capabilities import PCM16K
from ossicle.core.commands import End, Finalize
from ossicle.core.errors import EngineFailed, OssicleError, Overloaded, Refused, TimedOut
from ossicle.core.events import Ended, Event, SpeechEnded, SpeechStarted, Transcript, Usage
from ossicle.core.options import AnswerOptions, Hint, Options, RecognitionOptions, Tool
from ossicle.dialects.openai.multipart import Field, Multipart, boundary_of
from ossicle.engines.agents import open_agent, open_responder
from ossicle.engines.lifecycle import running
from ossicle.engines.open import open_engine
from ossicle.engines.openai_http import TranscriptionServer, open_transcription_server
from ossicle.engines.request import Limits, posted
from ossicle.engines.responders import Entry, Question, ToolCall
from ossicle.engines.responders.chat import Chat, chat

Serve = Callable[[dict[str, str], bytes], Awaitable[bytes] | bytes]
LIMITS = Limits(connect_s=2, answer_s=0.5, quiet_s=0.5, most=4_096)


@contextlib.asynccontextmanager
async def server(answer: Serve) -> AsyncIterator[tuple[str, list[tuple[dict[str, str], bytes]]]]:
    """An address, and the requests that came to it."""
    seen: list[tuple[dict[str, str], bytes]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            fields = dict(line.lower().split(": ", 1) for line in head[1:] if line)
            raw = dict(line.split(": ", 1) for line in head[1:] if line)
            body = await reader.readexactly(int(fields["content-length"]))
            seen.append(({name.lower(): value for name, value in raw.items()}, body))
            made = answer(seen[-1][0], body)
            writer.write(made if isinstance(made, bytes) else await made)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client had enough
        finally:
            writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listening:
        port = listening.sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}/v1", seen


def plain(body: bytes | str, status: str = "200 OK", kind: str = "application/json") -> bytes:
    data = body.encode() if isinstance(body, str) else body
    head = f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {len(data)}\r\n\r\n"
    return head.encode() + data


def sse(*chunks: Any) -> bytes:
    lines = "".join(f"data: {json.dumps(chunk)}\r\n\r\n" for chunk in chunks) + "data: [DONE]\n\n"
    return plain(lines, kind="text/event-stream")


def said(text: str) -> dict[str, Any]:
    return {"choices": [{"delta": {"content": text}}]}


# ── one request ──


@pytest.mark.parametrize(
    ("answer", "error", "says"),
    [
        (plain('{"error":{"message":"too busy"}}', "429 No"), Overloaded, "too busy"),
        (plain('{"error":"secret"}', "401 No"), EngineFailed, "401"),
        (plain("<html>", "404 No"), EngineFailed, "404"),
        (plain("", "500 No"), EngineFailed, "500"),
        (b"", EngineFailed, "broke off"),
        (b"SIP/2.0 200 OK\r\n\r\n", EngineFailed, "broke off"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc", EngineFailed, "broke off"),
        (plain("x" * 5_000), EngineFailed, "over 4096 bytes"),
    ],
)
async def test_answers_that_are_none(answer: bytes, error: type[OssicleError], says: str):
    async with server(lambda _head, _body: answer) as (url, _):
        with pytest.raises(error, match=says):
            async with posted(url, {"authorization": "Bearer KEY"}, b"{}", LIMITS) as got:
                await got.whole()


async def test_nobody_is_there_and_nobody_answers():
    with pytest.raises(EngineFailed, match="cannot be reached"):
        async with posted("http://127.0.0.1:1/v1", {}, b"", LIMITS):
            pass
    with pytest.raises(Refused):
        async with posted("ftp://127.0.0.1/", {}, b"", LIMITS):
            pass

    async def never(_head: dict[str, str], _body: bytes) -> bytes:
        await asyncio.sleep(30)
        return b""

    async with server(never) as (url, _):
        with pytest.raises(TimedOut, match="did not answer"):
            async with posted(url, {}, b"", LIMITS):
                pass


# ── a chat ──


async def test_a_chat_streams_its_words_and_counts_them():
    usage = {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 2}}
    async with server(lambda _h, _b: sse(said("It "), said("is noon."), usage)) as (url, seen):
        responder = Chat(url, model="m", key_env="K", environment={"K": "KEY"}, limits=LIMITS)
        question = Question(
            (
                Entry("user", "what time is it"),
                Entry("call", "{}", "c1", "clock"),
                Entry("result", "noon", "c1"),
            ),
            AnswerOptions(
                instructions="Be short.",
                tools=(Tool("clock", "tells time", '{"type":"object"}'),),
                tool_choice="clock",
                max_tokens=9,
            ),
        )
        pieces = [piece async for piece in responder.respond(question)]
    assert pieces == ["It ", "is noon.", Usage(input_tokens=7, output_tokens=2)]
    head, body = seen[0]
    assert head["authorization"] == "Bearer KEY"
    asked = json.loads(body)
    assert [message["role"] for message in asked["messages"]] == [
        "system", "user", "assistant", "tool",
    ]  # fmt: skip
    assert asked["messages"][2]["tool_calls"][0]["function"]["name"] == "clock"
    assert asked["tools"][0]["function"]["parameters"] == {"type": "object"}
    assert asked["tool_choice"] == {"type": "function", "function": {"name": "clock"}}
    assert (asked["stream"], asked["max_tokens"]) == (True, 9)


async def test_a_tool_that_a_chat_wants_called_is_put_together():
    pieces = [
        {"choices": [{"delta": {"tool_calls": [
            {"index": 0, "id": "c1", "function": {"name": "clock", "arguments": ""}}]}}]},
        {"choices": [{"delta": {"tool_calls": [{"index": 0, "function": {"arguments": '{"a"'}}]}}]},
        {"choices": [{"delta": {"tool_calls": [{"index": 0, "function": {"arguments": ":1}"}}]}}]},
    ]  # fmt: skip
    async with server(lambda _h, _b: sse(*pieces)) as (url, _):
        responder = Chat(url, model="m", limits=LIMITS)
        got = [piece async for piece in responder.respond(Question(()))]
    assert got == [ToolCall("c1", "clock", '{"a":1}')]


async def test_a_chat_that_breaks_says_so_without_quoting_it():
    for answer in (plain("data: secret\n\n"), sse({"error": {"message": "secret"}})):
        async with server(lambda _h, _b, answer=answer: answer) as (url, _):  # type: ignore[misc]
            responder = Chat(url, model="m", limits=LIMITS)
            with pytest.raises(EngineFailed) as failed:
                [piece async for piece in responder.respond(Question(()))]
        assert "secret" not in str(failed.value)
    with pytest.raises(EngineFailed, match="K holds no key"):
        responder = Chat("http://127.0.0.1:1", model="m", key_env="K", environment={})
        [piece async for piece in responder.respond(Question(()))]


def test_agents_by_name():
    agent = open_agent("scripted:heard > parrot > tone", open_engine, "tone")
    assert agent.capabilities.name == "scripted+tone+parrot"
    assert agent.capabilities.answers
    assert open_engine("agent:scripted:heard").capabilities.answers
    silent = open_agent("scripted:heard", open_engine, "off")
    assert not silent.capabilities.speaks
    assert chat("http://localhost:1/v1?model=m").name == "m"
    for spec in ("polly", "parrot:x", "chat:localhost", "chat:http://x/v1?modell=m", "python:x"):
        with pytest.raises(Refused):
            open_responder(spec)
    for argument in ("", "a > > b", "a > b > c > d"):
        with pytest.raises(Refused):
            open_agent(argument, open_engine, "tone")


# ── a transcription server ──


class Loud:
    """Whatever is not silent is speech."""

    frame_samples = 512

    def probability(self, frame: bytes) -> float:
        return 0.9 if any(frame) else 0.0


class Sink:
    def __init__(self) -> None:
        self.events: list[Event] = []
        self.over = asyncio.Event()

    def tell(self, event: Event) -> None:
        self.events.append(event)
        if isinstance(event, Ended):
            self.over.set()

    def credit(self, until_ms: int) -> None: ...
    def settled(self, until_ms: int) -> None: ...


def speech(ms: int) -> bytes:
    return b"\1\1" * (16 * ms)


def silence(ms: int) -> bytes:
    return bytes(32 * ms)


async def hear(url: str, *items: Any, **settings: Any) -> list[Event]:
    made = TranscriptionServer(url, limits=LIMITS, vad=Loud, **settings)
    sink = Sink()
    options = Options(
        recognition=RecognitionOptions(language="de-DE", hints=(Hint("Ossicle"),)), hears=PCM16K
    )
    async with running(made.engine()) as engine:
        stream = await engine.open(options, sink)
        for item in items:
            if isinstance(item, bytes):
                stream.audio(item)
            else:
                stream.ask(item)
        stream.ask(End())
        async with asyncio.timeout(5):
            await sink.over.wait()
    return sink.events


async def test_each_turn_is_one_file():
    words = {"text": " Hallo. ", "language": "de",
             "words": [{"word": " Hallo.", "start": 0.1, "end": 0.4}]}  # fmt: skip
    async with server(lambda _h, _b: plain(json.dumps(words))) as (url, seen):
        events = await hear(
            url, silence(500), speech(600), silence(1_000), speech(600), silence(1_000),
            words=True, key_env="K", environment={"K": "KEY"}, model="small",
        )  # fmt: skip
    finals = [e for e in events if isinstance(e, Transcript)]
    assert [e.text for e in finals] == ["Hallo.", "Hallo."]
    first = finals[0]
    assert first.start_ms == pytest.approx(200, abs=40)  # with what stood before the first sound
    assert first.end_ms == pytest.approx(1_100, abs=40)
    assert first.words is not None
    assert first.words[0].start_ms == (first.start_ms or 0) + 100
    assert isinstance(events[-1], Ended)
    assert events[-1].error is None
    kinds = [type(e) for e in events[:-1]]
    assert kinds == [SpeechStarted, SpeechEnded, Transcript] * 2
    head, body = seen[0]
    assert head["authorization"] == "Bearer KEY"
    found = Multipart(boundary_of(head["content-type"])).feed(body)
    fields = {each.name: each.value for each in found if isinstance(each, Field)}
    assert fields == {
        "model": "small",
        "response_format": "verbose_json",
        "timestamp_granularities[]": "word",
        "language": "de",
        "prompt": "Ossicle",
    }
    file = b"".join(each for each in found if isinstance(each, bytes))
    assert file[:4] == b"RIFF"
    assert int.from_bytes(file[4:8], "little") == len(file) - 8


async def test_a_question_and_the_end_cut_what_is_said():
    async with server(lambda _h, _b: plain('{"text":"now"}')) as (url, seen):
        events = await hear(url, speech(600), Finalize(ref="r"), Finalize(ref="s"), speech(600))
    finals = [e for e in events if isinstance(e, Transcript)]
    assert [(e.text, e.ref) for e in finals] == [("now", "r"), ("", "s"), ("now", "")]
    assert len(seen) == 2


async def test_speech_without_end_is_sent_in_parts():
    async with server(lambda _h, _b: plain('{"text":"on"}')) as (url, seen):
        await hear(url, *(speech(1_000) for _ in range(31)))
    assert len(seen) == 2


async def test_a_server_that_refuses_is_not_the_clients_fault():
    async with server(lambda _h, _b: plain('{"error":{"message":"no"}}', "400 No")) as (url, _):
        events = await hear(url, speech(600))
    ended = events[-1]
    assert isinstance(ended, Ended)
    assert ended.error is not None
    assert ended.error.whose == "upstream"


def test_servers_by_name():
    engine = open_engine("openai_http:http://localhost:8000/v1?model=small&words=1")
    assert engine.capabilities.word_times
    for argument in ("", "localhost", "http://x/v1?modell=m"):
        with pytest.raises(Refused, match="openai_http"):
            open_transcription_server(argument)
