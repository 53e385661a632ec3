"""Amazon's protocol from the client's end, over both of its wires: as a stream of the client
library and as the engine of another gateway, its signatures checked by our own server half."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from harness import gateway_with
from harness import heard as scripted_heard
from ossicle.client import Reconnect, connect
from ossicle.client.dial import dialer
from ossicle.client.dialects import provider
from ossicle.core.errors import OssicleError
from ossicle.core.events import Event, Notice
from ossicle.dialects.amazon import AmazonClient
from ossicle.engines.upstream import Upstream
from ossicle.gateway.configuration.settings import AmazonSettings
from ossicle.gateway.models.upstreams import open_upstream
from ossicle.gateway.serve import Gateway
from ossicle.testing.marked import marked_audio, marked_expected, marked_words
from ossicle.testing.timeline import check_timeline

pytestmark = [pytest.mark.interop, pytest.mark.timeout(60)]

WIRES = ["amazon", "amazon-http2"]
WORDS = [1, 2, 3, 0, 0, 0, 0, 4, 5, 0, 0, 0, 0, 6]
AUDIO = marked_audio(WORDS)
EXPECTED = [(word.text, word.start_ms, word.end_ms) for word in marked_expected(WORDS)]
SECRET = "AKIATEST:the-secret-of-it"


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OSSICLE_AWS_SECRET_AKIATEST", "the-secret-of-it")


def keyed(folder: Path, engine: Any = None, **amazon: Any) -> Any:
    """A gateway that checks signatures, over TLS and not."""
    return gateway_with(
        folder, engine, tls_port=0, keys=(("team", "a-key-of-the-team"),),
        amazon=AmazonSettings(access_keys=(("AKIATEST", "team"),), **amazon),
    )  # fmt: skip


def plain(gateway: Gateway) -> str:
    return gateway.doors["http"].url


def ca(gateway: Gateway) -> Path:
    return gateway.house.settings.state_dir / "ca.pem"


async def talk(url: str, dialect: str = "native", **more: Any) -> list[Event]:
    async with connect(url, dialect=dialect, reconnect=Reconnect(total_s=2.0), **more) as stream:

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


@pytest.mark.parametrize("dialect", WIRES)
async def test_the_client_library_speaks_it_and_signs(tmp_path: Path, dialect: str) -> None:
    async with keyed(tmp_path) as gateway:
        assert heard(await talk(plain(gateway), dialect, key=SECRET)) == EXPECTED
        secure = gateway.doors["https"].url
        assert heard(await talk(secure, dialect, key=SECRET, ca=ca(gateway))) == EXPECTED


@pytest.mark.parametrize("dialect", WIRES)
async def test_another_gateway_is_the_engine(tmp_path: Path, dialect: str) -> None:
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    environment = dict(zip(names, SECRET.split(":"), strict=True))
    async with keyed(tmp_path / "b") as behind:
        text = f"{dialect}@{behind.doors['https'].url} ca={ca(behind)}"
        engine = open_upstream("aws", {"aws": text}, environment)
        async with gateway_with(tmp_path / "a", engine) as front:
            assert heard(await talk(front.url)) == EXPECTED


@pytest.mark.parametrize("key", ["AKIATEST:not-the-secret", "AKIAELSE:the-secret-of-it", None])
@pytest.mark.parametrize("dialect", WIRES)
async def test_a_wrong_signature_is_refused(tmp_path: Path, dialect: str, key: str | None) -> None:
    async with keyed(tmp_path) as gateway:
        with pytest.raises(OssicleError) as told:
            await talk(plain(gateway), dialect, key=key)
    assert told.value.whose == "client"
    assert "the-secret" not in str(told.value)


@pytest.mark.parametrize("dialect", WIRES)
async def test_a_key_that_is_no_pair_is_named_without_it(tmp_path: Path, dialect: str) -> None:
    async with keyed(tmp_path) as gateway:
        with pytest.raises(OssicleError, match="ID:SECRET") as told:
            await talk(plain(gateway), dialect, key="onlyonepart")
    assert "onlyonepart" not in str(told.value)


@pytest.mark.parametrize("dialect", WIRES)
async def test_nobody_speaks_and_the_silence_rule_is_met(tmp_path: Path, dialect: str) -> None:
    """The service ends a stream that gets no audio; ours is sent silence, and it is in no time."""
    async with keyed(tmp_path, silence_s=0.6) as gateway:
        found = provider(dialect)

        def half() -> AmazonClient:
            made = found.halves(plain(gateway))()
            assert isinstance(made, AmazonClient)
            made._quiet = 0.2
            return made

        engine = Upstream(
            "quiet",
            half,
            dialer(plain(gateway), found.wire),
            capabilities=found.capabilities,
            credential=lambda: SECRET,
        )
        async with gateway_with(tmp_path / "a", engine) as front, connect(front.url) as stream:
            await stream.send(marked_audio([1, 0, 0, 0, 0]))
            await asyncio.sleep(1.5)
            await stream.send(marked_audio([2, 0]))
            await stream.end()
            events = [event async for event in stream]
        assert [word.text for word in marked_words(events)] == ["w1", "w2"]
        assert not [e for e in events if isinstance(e, Notice) and e.level == "error"]


@pytest.mark.parametrize("dialect", WIRES)
async def test_the_next_stream_is_opened_before_the_limit(tmp_path: Path, dialect: str) -> None:
    """The service ends a stream after four hours; here after one second."""
    assert provider(dialect).limit_s == 4 * 3600
    words = [1, 2, 0, 0, 0, 0, 0, 0, 3, 4, 0, 0, 0, 0, 0, 0, 5, 6, 0, 0, 0, 0, 0, 0, 7, 8]
    audio, wanted = marked_audio(words), marked_expected(words)
    async with keyed(tmp_path / "b", scripted_heard()) as behind:
        text = f"{dialect}@{plain(behind)} limit_s=1 margin_s=0.5"
        environment = {"AWS_ACCESS_KEY_ID": "AKIATEST", "AWS_SECRET_ACCESS_KEY": "the-secret-of-it"}
        engine = open_upstream("aws", {"aws": text}, environment)
        async with gateway_with(tmp_path / "a", engine) as front, connect(front.url) as stream:
            seen = set[str]()

            async def speak() -> None:
                for start in range(0, len(audio), 3_200):
                    await stream.send(audio[start : start + 3_200])
                    seen.update(behind.house.sessions)
                    await asyncio.sleep(0.03)
                await stream.end()

            speaking = asyncio.create_task(speak())
            events = [event async for event in stream]
            await speaking
    assert len(seen) > 1
    assert [(w.text, w.start_ms, w.end_ms) for w in marked_words(events)] == [
        (w.text, w.start_ms, w.end_ms) for w in wanted
    ]
