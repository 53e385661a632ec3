"""Garbage of a peer that has the keys: RTP, RTCP, SCTP and DTLS that no encoder ever made, within a
call. The call goes on, or ends in words; nothing else of the process notices."""

import asyncio
import contextlib
import random
import struct
from typing import Any

import pylibsrtp
import pytest

pytest.importorskip("aiortc")

from harness import until
from ossicle.core.errors import OssicleError
from ossicle.transports.webrtc.rtp import header
from ossicle.transports.webrtc.settings import WebRtcSettings
from pitch import heard_in, pitches
from webrtc_peers import Caller, encoded, ours

pytestmark = [pytest.mark.reliability, pytest.mark.timeout(60)]

WORDS = [3, 1, 4, 15]


def reports(chance: random.Random) -> bytes:
    """RTCP, roughly."""
    kind = chance.choice((192, 200, 201, 202, 203, 204, 205, 206, 207))
    body = chance.randbytes(chance.randrange(0, 60))
    length = chance.choice((len(body) // 4, 0, 1, 6, 0xFFFF))
    first = 0x80 | chance.randrange(0x40)
    return struct.pack("!BBH", first, kind, length) + body


def chunks(chance: random.Random, tag: int) -> bytes:
    """SCTP, roughly: a common header whose checksum and tag are mostly right, and chunks of every
    kind but those that end an association, which is the sender's right."""
    from google_crc32c import value

    body = b""
    for _ in range(chance.randrange(1, 4)):
        data = chance.randbytes(chance.randrange(0, 40))
        length = chance.choice((len(data) + 4, 0, 3, 0xFFFF))
        kind = chance.choice((0, 1, 2, 3, 4, 5, 9, 10, 11, 130, 192, 77))
        data += bytes(-len(data) % 4)
        body += struct.pack("!BBH", kind, chance.randrange(256), length) + data
    head = struct.pack("!HHL", 5000, 5000, chance.choice((tag, tag, 0, 7)))
    whole = head + bytes(4) + body
    sum_ = struct.pack("<I", value(whole)) if chance.random() < 0.7 else chance.randbytes(4)
    return head + sum_ + body


async def test_authentic_garbage_within_a_call() -> None:
    failures: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, what: failures.append(what))
    chance = random.Random(3)
    packets = encoded(pitches(WORDS))
    async with ours() as server, Caller.call(server.answer, packets, data=True) as caller:
        await until(lambda: caller.channel.readyState == "open")
        (call,) = server.calls.calls
        (transceiver,) = caller.pc.getTransceivers()
        dtls: Any = transceiver.sender.transport
        tag = call.link._pc.sctp._local_verification_tag
        srtp, ssrc = dtls._tx_srtp, transceiver.sender._ssrc
        for number in range(300):
            garbage = reports(chance)
            await dtls.transport._send(srtp.protect_rtcp(garbage.ljust(8, b"\0")))
            # A stream of its own: what the true one says is not to be damaged.
            head = header(chance.choice((96, 0, 8, 111)), 1, number, chance.randrange(1 << 32), 77)
            odd = bytes((head[0] | chance.choice((0, 0x10, 0x20, 0x0F)),)) + head[1:]
            with contextlib.suppress(pylibsrtp.Error):  # some their own sender refuses
                await dtls.transport._send(srtp.protect(odd + chance.randbytes(80)))
            if number % 3 == 0 and call.state == "connected":
                await dtls._send_data(chunks(chance, tag))
            await dtls.transport._send(bytes((chance.randrange(256),)) + chance.randbytes(20))
            # Longer than pylibsrtp takes: it raises, which would end aiortc's DTLS task.
            for kind in (111, 200):
                if number % 50 == 0:
                    await dtls.transport._send(bytes((0x80, kind)) + bytes(1_600))
            await asyncio.sleep(0)
        await caller.track.over.wait()
        await asyncio.sleep(0.2)
        ends = [error for error in server.closed if error is not None]
        assert all(isinstance(error, OssicleError) for error in ends)
        assert server.calls.calls == (call,), ends
        assert call.link.senseless  # enough got through to aiortc's own parsers
        # Sound of the other stream is heard between it: what counts is that this one went on.
        ear = call._ears[ssrc]
        assert ear.stats.decoded + ear.stats.concealed + ear.stats.recovered >= len(packets) - 3
        assert ear.stats.decoded > len(packets) * 0.8
        assert not ear.stats.damaged
    assert not failures, failures


async def test_a_sender_beyond_its_window_is_dropped() -> None:
    """SCTP says how much may be sent; who sends more is not read for ever."""
    async with ours() as server, Caller.call(server.answer, None, data=True) as caller:
        await until(lambda: caller.channel.readyState == "open")
        (call,) = server.calls.calls
        call.link._pc.sctp._advertised_rwnd = -1  # as after a flood that leaves a hole unfilled
        await until(lambda: bool(server.closed))
        assert isinstance(server.closed[0], OssicleError)
        assert server.closed[0].code == "too_large"
        assert "window" in str(server.closed[0])


async def test_a_microphone_that_stops_and_a_peer_that_is_gone() -> None:
    """RTP silence, and silence altogether: each ends the call, and says which it was."""
    settings = WebRtcSettings(rtp_silence_s=0.6, consent_s=30)
    async with ours(settings) as server, Caller.call(server.answer, encoded(pitches([1]))[:10]):
        await until(lambda: bool(server.closed))
        assert "microphone sent no packets" in str(server.closed[0])
        assert heard_in(server.heard(0).sound) in ([], [1])
    async with (
        ours(WebRtcSettings(rtp_silence_s=0, consent_s=0.6)) as server,
        Caller.call(server.answer, None),
    ):
        await until(lambda: server.calls.calls[0].state == "connected")
        for port in server.sockets(0):
            port.datagram_received = lambda data, addr: None
        await until(lambda: bool(server.closed))
        assert "nothing came for 0.6 s" in str(server.closed[0])
        assert not server.calls.calls
