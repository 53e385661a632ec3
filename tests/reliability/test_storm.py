"""Everything around twelve sessions breaks at random, and nothing of them is lost; and real proxies
that cut what is idle stand between a gateway and its upstream."""

import asyncio
from pathlib import Path

import pytest
from bench.storm import storm

from harness import gateway_with, heard
from interop.real_proxies import Certificates, proxy, which
from ossicle.client import connect
from ossicle.core.events import Ended, Notice
from ossicle.gateway.models.upstreams import open_upstream
from ossicle.testing.marked import marked_audio, marked_expected, marked_words
from ossicle.testing.timeline import check_timeline

pytestmark = [pytest.mark.reliability, pytest.mark.timeout(90)]


async def test_nothing_is_lost_while_everything_breaks(tmp_path: Path) -> None:
    which("nginx"), which("haproxy")
    report = await storm(seconds=6, sessions=12, seed=7, folder=tmp_path, every_s=0.1)
    assert report.failures == []
    assert report.audio_lost_ms == 0
    assert report.words_lost == report.words_doubled == 0
    assert report.words_disordered == report.words_misplaced == 0
    assert report.sessions == 12
    assert report.words > 150
    assert report.faults.total() >= 20
    assert report.longest_pause_s < 20
    assert "audio_lost" not in report.notices


async def test_an_idle_proxy_before_an_upstream(tmp_path: Path) -> None:
    """nginx and HAProxy with their timers at 5 s, and a client that says nothing for seven: the
    connection is kept, or made again, and the words before and after are all there. All four at
    once, since they mostly wait."""
    here = Certificates(tmp_path)
    async with gateway_with(tmp_path / "behind", heard(), heartbeat_s=2.0) as behind:
        places = {"127.0.0.1:8080": f"127.0.0.1:{behind.doors['http'].port}", "60s": "5s"}

        async def through(name: str, dialect: str) -> list[str]:
            folder = tmp_path / dialect
            words = [1, 2, 3, 0, 4, 5]
            first, second = marked_audio(words[:4]), marked_audio(words[4:])
            async with (
                proxy(name, places, here, folder) as url,
                gateway_with(
                    folder / f"front-{name}",
                    open_upstream("it", {"it": f"{dialect}@{url} ca={here.authority}"}),
                ) as front,
                connect(front.url) as stream,
            ):
                await stream.send(first)
                await asyncio.sleep(7)
                await stream.send(second)
                await stream.end()
                events = [event async for event in stream]
            assert marked_words(events) == marked_expected(words)
            check_timeline(events)
            (ended,) = [event for event in events if isinstance(event, Ended)]
            assert ended.error is None
            assert stream.reconnects == 0
            return [event.code for event in events if isinstance(event, Notice)]

        told = await asyncio.gather(
            *(
                through(name, dialect)
                for name in ("nginx.conf", "haproxy.cfg")
                for dialect in ("native", "deepgram")
            )
        )
    assert all("audio_lost" not in codes for codes in told)
