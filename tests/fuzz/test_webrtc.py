"""What comes from a network that is not ours: headers, extensions, fragments, offers. Taken, or
refused in words; never anything else. Whole packets inside a call:
tests/reliability/test_webrtc_garbage.py.
"""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ossicle.core.errors import OssicleError
from ossicle.transports.webrtc.rtp import read
from ossicle.transports.webrtc.sdp import answered, read_fragment, read_offer
from ossicle.transports.webrtc.uplink import Arrivals, number_in

MOST = 4_096
LINES = st.lists(
    st.one_of(
        st.sampled_from((
            "v=0", "s=-", "m=audio 9 UDP/TLS/RTP/SAVPF 111", "m=application 9 UDP/DTLS/SCTP x",
            "m=audio", "m=", "a=mid:0", "a=mid:", "a=rtcp-mux", "a=group:BUNDLE 0", "a=sendrecv",
            "a=rtpmap:111 opus/48000/2", "a=rtpmap:", "a=ice-ufrag:abcd", "a=ice-ufrag:",
            "a=ice-pwd:" + "x" * 22, "a=fingerprint:sha-256 AA", "a=candidate:",
            "a=candidate:1 1 udp 2 192.0.2.1 5000 typ host",
            "a=candidate:1 1 udp 2 192.0.2.1 99999999999999999999 typ host",
        )),
        st.text(max_size=40),
    ),
    max_size=30,
)  # fmt: skip


@settings(max_examples=300, deadline=None, derandomize=True)
@given(LINES, st.sampled_from(("\r\n", "\n", "\r", "\0")))
def test_offers_and_fragments(lines: list[str], end: str) -> None:
    text = end.join(["v=0", *lines])
    for parse in (read_offer, read_fragment):
        try:
            parse(text, MOST)
        except OssicleError:
            continue
    answered(text, "x")


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.binary(max_size=80), st.integers(0, 255), st.integers(0, 255))
def test_packets(data: bytes, first: int, second: int) -> None:
    packet = read(bytes((first, second)) + data)
    if packet is not None:
        assert len(packet.payload) + len(packet.extension) <= len(data)
        number = number_in(packet.extension, 3)
        assert number is None or 0 <= number <= 0xFFFF


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.integers(0, 0xFFFF), st.floats(0, 100_000)), min_size=1, max_size=40))
def test_numbers_of_a_whole_transport(came: list[tuple[int, float]]) -> None:
    """Whatever they are, and whenever: a report that fits into a packet."""
    arrivals = Arrivals()
    now = 1.0
    for number, at in came:
        arrivals.arrived(number, at)
        now = max(now, at)
        if arrivals.due(now):
            assert len(arrivals.report(now, 1, 2)) <= 1_200


async def test_offers_that_are_nearly_right() -> None:
    """Through aiortc, too: answered, or refused."""
    pytest.importorskip("aiortc")
    from webrtc_peers import an_offer, ours

    offer = (await an_offer()).split("\r\n")
    chance = random.Random(7)
    refused = 0
    async with ours() as server:
        for _ in range(80):
            lines = list(offer)
            for _ in range(chance.randint(1, 3)):
                place = chance.randrange(len(lines))
                line = lines[place]
                match chance.randrange(5):
                    case 0:
                        del lines[place]
                    case 1:
                        lines.insert(place, chance.choice(offer))
                    case 2:
                        lines[place] = line[: chance.randrange(len(line) + 1)]
                    case 3:
                        at = chance.randrange(len(line) + 1)
                        lines[place] = line[:at] + chance.choice("9 :;/=\0é-") + line[at + 1 :]
                    case _:
                        lines[place] = line[:2] + line[2:][::-1]
            try:
                await server.answer("\r\n".join(lines))
            except OssicleError:
                refused += 1
        assert refused >= 10
        assert len(server.calls.calls) == 80 - refused
