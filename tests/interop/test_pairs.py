"""Every client dialect in front of every provider's: one conversation each, through real gateways
and sockets. With `OSSICLE_WRITE_DOCS=1` they write docs/reference/pairs.md."""

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import numpy as np
import pytest
import pytest_asyncio

from harness import Talk, gateway_with, heard, until
from losses import carried
from ossicle.core.commands import Audio, Configure, End
from ossicle.core.events import Event, Notice, Transcript, Word
from ossicle.core.formats import AudioFormat
from ossicle.core.options import Options
from ossicle.core.ports import Engine, Sink, Stream
from ossicle.engines.scripted import ScriptedEngine
from ossicle.gateway.models.routing import Routed
from ossicle.gateway.models.upstreams import open_upstream
from ossicle.gateway.serve import Gateway
from ossicle.testing.marked import marked_audio, marked_expected
from pair_table import record
from pairs import CLIENTS, TIMELESS, UPSTREAMS, Conversation, server_of, talk, url_of

pytestmark = [pytest.mark.interop, pytest.mark.asyncio(loop_scope="module")]

PARTS = [[1, 2, 0, 3, 4], [5, 6]]
TELEPHONE = AudioFormat("mulaw", 8_000)


class Tagged:
    """What `scripted:heard` hears, with a speaker for each word and a confidence for every other
    one."""

    def __init__(self) -> None:
        self._inner = heard()
        self.capabilities = msgspec.structs.replace(
            self._inner.capabilities, diarize=True, confidence=True, punctuate=True
        )

    async def open(self, options: Options, sink: Sink) -> Stream:
        return await self._inner.open(options, _TaggedSink(sink))


class _TaggedSink:
    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self.credit, self.settled = sink.credit, sink.settled

    def tell(self, event: Event) -> None:
        if isinstance(event, Transcript) and event.words:
            words = tuple(
                msgspec.structs.replace(word, speaker=str(number % 2), confidence=known(word))
                for word in event.words
                for number in (int(word.text[1:]),)
            )
            event = msgspec.structs.replace(event, words=words)
        self._sink.tell(event)


HEARING = [name for name, each in CLIENTS.items() if each.hears and name not in TIMELESS]
"""Clients that hear words with times; the others are in test_pairs_openai.py."""


def known(word: Word) -> float | None:
    """How sure `Tagged` is of a word."""
    return 0.5 if int(word.text[1:]) % 2 else None


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def fronts(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, Gateway]]:
    """Gateways in front of another one, by every provider's protocol."""
    folder = tmp_path_factory.mktemp("pairs")
    behind = Routed(Tagged(), [("call", ScriptedEngine("one two three. four five."))])
    async with contextlib.AsyncExitStack() as stack:
        far = await stack.enter_async_context(gateway_with(folder / "behind", behind, grpc_port=0))

        def upstream(name: str, more: str = "") -> Engine:
            return open_upstream(
                "it", {"it": f"{name}@{url_of(far, CLIENTS[name].wire)} answer_s=0.2 {more}"}
            )

        yield {
            name: await stack.enter_async_context(
                gateway_with(
                    folder / name,
                    Routed(upstream(name), [("call", upstream(name, "model=call"))]),
                    grpc_port=0,
                )
            )
            for name in UPSTREAMS
        }


def asked(**recognition: Any) -> Configure:
    return Configure(patch={"recognition": {"diarize": True, **recognition}}, format=AudioFormat())


def _server(name: str) -> Callable[[], Any]:
    made = server_of(name)
    if made is None:
        pytest.skip(f"the bindings of {name} are not those of HTTP and WebSocket")
    return made


@pytest.mark.parametrize("upstream", UPSTREAMS)
@pytest.mark.parametrize("client", HEARING)
async def test_one_conversation(fronts: dict[str, Gateway], client: str, upstream: str) -> None:
    speaker = CLIENTS[client]
    can, there = carried(_server(client), speaker.make), carried(
        _server(upstream), CLIENTS[upstream].make
    )  # fmt: skip

    def both(fact: str) -> bool:
        return can[fact] and there[fact]

    conversation = await Conversation.open(speaker, url_of(fronts[upstream], speaker.wire), asked())
    # one that ends turns by itself only is given a silence to do so
    pause = [] if there["`Finalize`"] else [0]
    first, second = ([*part, *pause] for part in PARTS)
    said_words = marked_expected([*first, *second])
    first, second = marked_audio(first), marked_audio(second)
    # AssemblyAI says nothing to a question while there is nothing to finalize
    silent = [] if client.startswith("assemblyai") else [b""]
    ended = await talk(
        conversation, [first, *silent, second, *silent, b""], finalize=can["`Finalize`"]
    )
    assert ended.error is None
    words = [word for final in conversation.finals for word in final.words or ()]
    assert [word.text for word in words] == [word.text for word in said_words]
    assert both("times of words")
    for word, said in zip(words, said_words, strict=True):
        assert abs(word.start_ms - said.start_ms) <= 1
        assert abs(word.end_ms - said.end_ms) <= 1
        if both("confidence of words"):
            assert word.confidence == known(said)
    if both("speaker of each word"):  # names are the dialects' own
        odd, even = ({word.speaker for word in words[start::2]} for start in (0, 1))
        assert len(odd) == len(even) == 1
        assert odd != even
    turns = [final for final in conversation.finals if final.ends_turn]
    # Flux ends no turn for 300 ms of silence
    assert len(turns) >= (2 if can["`Finalize`"] or upstream != "deepgram-flux" else 1)
    assert any(not event.final for event in conversation.of(Transcript))
    assert not [n for n in conversation.of(Notice) if n.level == "error"]
    record(client, upstream, f"{len(words)} words, {len(turns)} turns")


@pytest.mark.parametrize("upstream", UPSTREAMS)
async def test_a_call(fronts: dict[str, Gateway], upstream: str) -> None:
    """A telephone hears no words: they go to who follows its session."""
    front = fronts[upstream]
    patch = {"recognition": {"model": "call"}}
    configure = Configure(patch=patch, format=TELEPHONE, names=("CA" + "1" * 32,))
    conversation = await Conversation.open(CLIENTS["twilio"], front.url, configure)
    await until(lambda: any(s.owner for s in front.house.sessions.values()))
    (session,) = [s.id for s in front.house.sessions.values() if s.owner]
    async with Talk.open(front.url, session=session) as watch:
        for _ in range(100):
            conversation.ask(Audio(data=b"\xff" * 160))
        conversation.ask(End())
        ended = await watch.ended()
        assert "error" not in ended
        said = [word.strip(".") for word in watch.words()]
        assert said == ["one", "two", "three", "four", "five"]
        times = [
            word["start_ms"] for m in watch.of("transcript", final=True) for word in m["words"]
        ]
        assert times == [300 * number for number in range(5)]
    conversation.link.abort()
    record("twilio", upstream, "5 words, 2 turns")


@pytest.mark.parametrize("upstream", UPSTREAMS)
@pytest.mark.parametrize("client", ["native", "deepgram"])
async def test_two_channels_come_apart(
    fronts: dict[str, Gateway], client: str, upstream: str
) -> None:
    """In one stream where the provider takes several channels, else in one for each."""
    left, right = marked_audio([1, 2, 0, 3]), marked_audio([11, 0, 12, 13])
    size = max(len(left), len(right))
    sides = [np.frombuffer(side.ljust(size, b"\0"), "<i2") for side in (left, right)]
    configure = Configure(
        patch={"recognition": {"channels": "split"}}, format=AudioFormat("pcm_s16le", 16_000, 2)
    )
    conversation = await Conversation.open(CLIENTS[client], fronts[upstream].url, configure)
    ended = await talk(conversation, [np.column_stack(sides).tobytes()])
    assert ended.error is None
    for channel, words in enumerate((["w1", "w2", "w3"], ["w11", "w12", "w13"])):
        finals = [final for final in conversation.finals if final.channel == channel]
        assert [word.text for final in finals for word in final.words or ()] == words
