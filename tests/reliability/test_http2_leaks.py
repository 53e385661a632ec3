"""HTTP/2 connections and streams that end in every way leave nothing behind."""

import gc
from pathlib import Path

import pytest

from harness import gateway_with, until
from http2_peer import Peer
from ossicle.dialects.amazon import AmazonServer
from ossicle.testing.marked import marked_audio
from ossicle.transports.http.server import HttpChannel
from ossicle.transports.http2.protocol import Http2Protocol
from ossicle.transports.http2.settings import Http2Settings
from ossicle.transports.http2.stream import Http2Stream

pytestmark = [pytest.mark.reliability, pytest.mark.timeout(60)]

PCM = "/v1/stream?encoding=pcm_s16le&sample_rate=16000"
AMAZON = {
    "x-amzn-transcribe-language-code": "en-US",
    "x-amzn-transcribe-sample-rate": "16000",
    "x-amzn-transcribe-media-encoding": "pcm",
}


def alive() -> int:
    gc.collect()
    kinds = (Http2Protocol, Http2Stream, HttpChannel, AmazonServer)
    return sum(isinstance(item, kinds) for item in gc.get_objects())


async def test_nothing_stays(tmp_path: Path) -> None:
    before = alive()
    limits = Http2Settings(linger_s=0.1)
    async with gateway_with(tmp_path, http2=limits) as gateway:
        port = gateway.doors["http"].port
        for turn in range(12):
            async with Peer.open(port) as peer:
                one = peer.ask("POST", PCM)
                two = peer.ask("POST", "/stream-transcription", AMAZON)
                refused = peer.ask("POST", "/stream-transcription")
                one.send(marked_audio([1, 2]))
                await peer.until(lambda two=two: two.status == 200)
                assert (await refused.answer())[0] == 400
                match turn % 4:
                    case 0:
                        one.send(b"", end=True)
                        two.send(b"", end=True)
                        await one.answer()
                        assert (await two.answer())[0] == 200
                    case 1:
                        peer.h2.reset_stream(one.number, 8)
                        peer.h2.reset_stream(two.number, 8)
                        peer.flush()
                    case 2:
                        peer.h2.close_connection()
                        peer.flush()
                    case _:
                        peer.writer.transport.abort()
        await until(lambda: not gateway.house.sessions)
        (door,) = gateway.doors.values()
        await until(lambda: not door.server_state.connections)
        await until(lambda: not door.server_state.tasks)
        # the timers of lingering requests hold them for a moment
        await until(lambda: alive() == before)
