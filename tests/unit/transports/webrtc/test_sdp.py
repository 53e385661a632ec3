"""Offers: what is taken, what is refused and in which words; answers: what we add."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ossicle.core.errors import OssicleError, Refused
from ossicle.transports.webrtc.sdp import answered, read_fragment, read_offer

HEAD = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0", "a=group:BUNDLE 0 1"]
ICE = [
    "a=ice-ufrag:abcd",
    "a=ice-pwd:" + "x" * 22,
    "a=fingerprint:sha-256 AA:BB",
    "a=setup:actpass",
]
AUDIO = [
    "m=audio 9 UDP/TLS/RTP/SAVPF 111 0", "c=IN IP4 0.0.0.0", "a=mid:0", "a=rtcp-mux", "a=sendrecv",
    "a=rtpmap:111 opus/48000/2", *ICE,
]  # fmt: skip
DATA = ["m=application 9 UDP/DTLS/SCTP webrtc-datachannel", "a=mid:1", *ICE]
MOST = 65_536


def text(*parts: list[str]) -> str:
    return "\r\n".join(line for part in parts for line in part) + "\r\n"


OFFER = text(HEAD, AUDIO, DATA)


def without(line: str) -> str:
    return "\r\n".join(each for each in OFFER.split("\r\n") if each != line)


def test_a_usual_offer() -> None:
    offer = read_offer(OFFER, MOST)
    assert offer.text == OFFER
    assert (offer.direction, offer.data, offer.candidates, offer.ufrag) == (
        "sendrecv",
        True,
        0,
        "abcd",
    )
    assert read_offer(OFFER.replace("\r\n", "\n"), MOST).text == OFFER
    assert read_offer(OFFER.replace("a=sendrecv", "a=recvonly"), MOST).direction == "recvonly"
    assert read_offer(without("a=sendrecv"), MOST).direction == "sendrecv"


def test_what_would_only_cost_time_is_left_out() -> None:
    usable = "a=candidate:1 1 udp 2 192.0.2.1 5000 typ host"
    lines = [
        usable,
        "a=candidate:2 1 udp 2 1234-5678.local 5000 typ host",
        "a=candidate:3 1 tcp 2 192.0.2.1 9 typ host tcptype active",
        "a=candidate:broken",
        "a=end-of-candidates",
    ]
    offer = read_offer(text(HEAD, AUDIO, lines, DATA), MOST)
    assert [line for line in offer.text.split("\r\n") if "candidate" in line] == [usable]
    assert offer.candidates == 4


@pytest.mark.parametrize(
    ("offer", "said"),
    [
        ("", "v=0"),
        ("hello", "v=0"),
        (text(HEAD, ["nonsense"], AUDIO), "x=value"),
        (text(HEAD[:4], DATA), "no audio"),
        (text(HEAD, AUDIO, AUDIO), "2 audio sections"),
        (OFFER.replace("opus/48000/2", "G722/8000").replace(" 111 0", " 111"), "g722/8000"),
        (without("a=rtcp-mux"), "rtcp-mux"),
        (without("a=mid:1"), "a=mid"),
        (OFFER.replace("a=mid:1", "a=mid:0"), "a=mid"),
        (without("a=group:BUNDLE 0 1"), "BUNDLE"),
        (OFFER.replace("a=fingerprint", "a=x"), "fingerprint"),
        (OFFER.replace("a=ice-pwd", "a=x"), "ICE"),
        (OFFER + "a=x:" + "y" * MOST, str(MOST)),
        (OFFER + "a=x\r\n" * 3_000, "lines"),
        (text(HEAD, AUDIO, *[["m=video 9 X 1"]] * 9), "media sections"),
    ],
)
def test_what_is_refused(offer: str, said: str) -> None:
    with pytest.raises(Refused, match=said):
        read_offer(offer, MOST)


def test_telephone_codecs_need_no_rtpmap() -> None:
    offer = OFFER.replace("a=rtpmap:111 opus/48000/2\r\n", "").replace(" 111 0", " 8")
    assert read_offer(offer, MOST).direction == "sendrecv"


def test_fragments() -> None:
    line = "1 1 udp 2 192.0.2.1 5000 typ host"
    found = read_fragment(f"a=ice-ufrag:abcd\r\na=ice-pwd:{'x' * 22}\r\na=mid:0\r\n"
                          f"a=candidate:{line}\r\na=candidate:{line}\r\n", MOST)  # fmt: skip
    assert (found.ufrag, found.password, found.candidates) == ("abcd", "x" * 22, (line,))
    for wrong in ("nonsense\r\n", "a=ice-ufrag:a\r\n", "a=ice-pwd:short\r\n", "x" * (MOST + 1)):
        with pytest.raises(Refused):
            read_fragment(wrong, MOST)


def test_an_answer_says_what_opus_should_be() -> None:
    made = answered(OFFER, "useinbandfec=1", feedback=("transport-cc",)).split("\r\n")
    place = made.index("a=rtpmap:111 opus/48000/2")
    assert made[place + 1 : place + 3] == [
        "a=rtcp-fb:111 transport-cc",
        "a=fmtp:111 useinbandfec=1",
    ]


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.data())
def test_a_damaged_offer_is_taken_or_refused(data: st.DataObject) -> None:
    lines = OFFER.split("\r\n")
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(lines) - 1))
        match data.draw(st.integers(0, 3)):
            case 0:
                del lines[place : place + data.draw(st.integers(1, 5))]
            case 1:
                lines.insert(place, lines[data.draw(st.integers(0, len(lines) - 1))])
            case 2:
                lines[place] = data.draw(st.text(max_size=40))
            case _:
                lines[place] = lines[place][: data.draw(st.integers(0, 20))]
        lines = lines or [""]
    try:
        read_offer("\r\n".join(lines), MOST)
    except OssicleError:
        return
