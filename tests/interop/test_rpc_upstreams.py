"""Google's and Riva's protocols from the client's end, over real gRPC: as a stream of the client
library, and as the engine of another gateway. No word lost, none twice, times as they were."""

import asyncio
from pathlib import Path

import pytest

from harness import gateway_with
from ossicle.client import Reconnect, connect
from ossicle.core.errors import Denied, OssicleError
from ossicle.core.events import Event
from ossicle.gateway.models.upstreams import open_upstream
from ossicle.gateway.serve import Gateway
from ossicle.testing.marked import marked_audio, marked_expected, marked_words
from ossicle.testing.timeline import check_timeline

pytestmark = [pytest.mark.interop, pytest.mark.timeout(60)]

WORDS = [1, 2, 3, 0, 0, 0, 0, 4, 5, 0, 0, 0, 0, 6]
AUDIO = marked_audio(WORDS)
EXPECTED = [(word.text, word.start_ms, word.end_ms) for word in marked_expected(WORDS)]


def at(gateway: Gateway) -> str:
    assert gateway.rpc is not None
    return gateway.rpc.urls["grpc"].replace("localhost", "127.0.0.1")


async def talk(url: str, dialect: str, key: str | None = None) -> list[Event]:
    async with connect(url, dialect=dialect, key=key, reconnect=Reconnect(total_s=2.0)) as stream:

        async def speak() -> None:
            for start in range(0, len(AUDIO), 6_400):
                await stream.send(AUDIO[start : start + 6_400])
            await stream.end()

        async def read() -> list[Event]:
            return [event async for event in stream]

        _, events = await asyncio.gather(speak(), read())
    assert stream.ended is not None
    assert stream.ended.error is None, stream.ended.error
    return events


def heard(events: list[Event]) -> list[tuple[str, int, int]]:
    check_timeline(events)
    return [(word.text, word.start_ms, word.end_ms) for word in marked_words(events)]


@pytest.mark.parametrize("dialect", ["google", "riva"])
async def test_the_client_library_speaks_it(tmp_path: Path, dialect: str) -> None:
    async with gateway_with(tmp_path, grpc_port=0) as gateway:
        assert heard(await talk(at(gateway), dialect)) == EXPECTED


@pytest.mark.parametrize("dialect", ["google", "riva"])
async def test_another_gateway_is_the_engine(tmp_path: Path, dialect: str) -> None:
    async with gateway_with(tmp_path / "b", grpc_port=0) as behind:
        engine = open_upstream(f"{dialect}@{at(behind)}")
        async with gateway_with(tmp_path / "a", engine, grpc_port=0) as front:
            assert heard(await talk(at(front), "native")) == EXPECTED


@pytest.mark.parametrize("dialect", ["google", "riva"])
async def test_a_wrong_key_is_refused(tmp_path: Path, dialect: str) -> None:
    keys = (("me", "KEY"),)
    async with gateway_with(tmp_path, grpc_port=0, keys=keys) as gateway:
        assert heard(await talk(at(gateway), dialect, "KEY")) == EXPECTED
        with pytest.raises(OssicleError) as told:
            await talk(at(gateway), dialect, "WRONG")
    assert isinstance(told.value, Denied) or told.value.whose == "client"
    assert "WRONG" not in str(told.value)
