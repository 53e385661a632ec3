"""The canary: every private name that `seam.py` touches is there, in the versions it names."""

import inspect
import re
from importlib.metadata import version

import pytest

pytest.importorskip("aiortc")

import pylibsrtp
from aioice import ice
from aiortc import RTCConfiguration, RTCPeerConnection
from aiortc.rtcrtpreceiver import RTCRtpReceiver

from ossicle.transports.webrtc.reception import Reception
from ossicle.transports.webrtc.seam import AIOICE, AIORTC, PYLIBSRTP
from ossicle.transports.webrtc.srtp import LONGEST

SENDER = (
    "started", "cname", "transport", "rtp_task", "rtp_started", "rtp_exited", "rtcp_task",
    "ntp_timestamp", "rtp_timestamp", "packet_count", "octet_count", "rtt",
)  # fmt: skip
RECEIVER = ("started", "transport", "rtcp_task", "remote_streams")


def test_the_versions() -> None:
    found = tuple(map(version, ("aiortc", "aioice", "pylibsrtp")))
    assert found == (AIORTC, AIOICE, PYLIBSRTP), "read seam.py and srtp.py line by line"


async def test_names() -> None:
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    try:
        transceiver = pc.addTransceiver("audio")
        assert isinstance(transceiver._codecs, list)
        sender, receiver = transceiver.sender, transceiver.receiver
        for name in SENDER:
            assert hasattr(sender, f"_RTCRtpSender__{name}"), name
        for name in RECEIVER:
            assert hasattr(receiver, f"_RTCRtpReceiver__{name}"), name
        assert callable(sender._run_rtcp)
        assert callable(receiver._run_rtcp)
        assert callable(receiver._handle_disconnect)
        assert list(inspect.signature(receiver._handle_rtp_packet).parameters) == [
            "packet", "arrival_time_ms",
        ]  # fmt: skip
        dtls = receiver.transport
        assert dtls._rx_srtp is dtls._tx_srtp is None
        for name in ("_register_rtp_receiver", "_register_rtp_sender"):
            assert callable(getattr(dtls, name))
        transport = dtls.transport
        assert transport.iceGatherer._connection is transport._connection
        assert transport._recv.__self__ is transport._send.__self__ is transport._connection
        connection = transport._connection
        for name in ("_protocols", "_nominated", "_queue", "_event_waiter", "stun_server",
                     "turn_server", "remote_username", "remote_password"):  # fmt: skip
            assert hasattr(connection, name), name
        pc.createDataChannel("x")
        assert isinstance(pc.sctp._advertised_rwnd, int)
        assert list(inspect.signature(pc.sctp._handle_data).parameters) == ["data"]
    finally:
        await pc.close()


def test_signatures() -> None:
    def parameters(function: object) -> list[str]:
        return list(inspect.signature(function).parameters)  # type: ignore[arg-type]

    kind = ice.Connection
    assert parameters(kind.get_component_candidates) == [
        "self",
        "component",
        "addresses",
        "timeout",
    ]
    assert parameters(kind.request_received) == ["self", "message", "addr", "protocol"]
    assert parameters(kind.data_received) == ["self", "data", "component"]
    assert parameters(ice.StunProtocol.datagram_received) == ["self", "data", "addr"]
    assert parameters(ice.server_reflexive_candidate) == ["protocol", "stun_server"]


def test_what_its_rtcp_task_reads_of_a_source_ours_has() -> None:
    """In place of `StreamStatistics`, for its reports and its statistics."""
    source = inspect.getsource(RTCRtpReceiver)
    read = set(re.findall(r"\bstream\.(\w+)", source))
    assert "fraction_lost" in read
    stream = Reception(48_000)
    stream.add(1, 960, 0.02)
    for name in read:
        assert isinstance(getattr(stream, name), int), name


def test_what_an_opener_uses_of_pylibsrtp() -> None:
    policy = pylibsrtp.Policy(key=bytes(30), ssrc_type=pylibsrtp.Policy.SSRC_ANY_INBOUND)
    session = pylibsrtp.Session(policy)
    assert len(session._cdata) == LONGEST
    assert callable(pylibsrtp._binding.lib.srtp_unprotect)
