"""Test an application against speech that never changes: `scripted` stands in for a provider.

pytest examples/pytest_mock.py
"""

import asyncio
import json
from collections.abc import AsyncIterator
from urllib.request import Request, urlopen

import pytest

from ossicle.engines.open import open_engine
from ossicle.gateway.configuration.settings import GatewaySettings
from ossicle.gateway.serve import serving


@pytest.fixture
async def gateway() -> AsyncIterator[str]:
    """A gateway on a free port that hears two turns in any two seconds of audio."""
    engine = open_engine("scripted:Book a table. For two, please.")
    async with serving(GatewaySettings(port=0, tls_port=None), engine) as running:
        yield running.url


def words_of(url: str, audio: bytes) -> list[str]:
    """Stands for your application."""
    path = "/v1/stream?encoding=pcm_s16le&sample_rate=16000&interim_results=false"
    with urlopen(Request(url + path, data=audio)) as lines:
        events = [json.loads(line) for line in lines]
    return [event["text"] for event in events if event["type"] == "transcript"]


async def test_every_turn_is_heard(gateway: str) -> None:
    heard = await asyncio.to_thread(words_of, gateway, bytes(2 * 32_000))
    assert heard == ["Book a table.", "For two, please."]
