"""`ossicle probe` behind the real nginx and HAProxy with faults planted, and against servers that
are none: each fault is found and named, and nothing holds the probe up.
"""

import asyncio
import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RequestReceived, StreamEnded
from h2.exceptions import H2Error

from harness import gateway_with, missing
from ossicle.advisor.doors import Doors
from ossicle.advisor.findings import Findings, asked, findings
from ossicle.advisor.inputs import Inputs
from ossicle.advisor.line import read_place
from ossicle.advisor.measured import WIRES, Measured, Tried
from ossicle.advisor.probe import Wishes, probe
from ossicle.advisor.rpc import streams
from ossicle.core.probing import Offer
from ossicle.gateway.configuration.settings import AccessSettings, ProbeSettings
from ossicle.transports.webrtc.settings import WebRtcSettings

from .real_proxies import Certificates, free_port, proxy, which
from .relay import coturn, share_secret

pytestmark = pytest.mark.interop

CUT_S = 3.0
HTTP_1 = {"http2_blocked"}
"""Both recipes agree on HTTP/1.1 by ALPN, on purpose, and the probe says so."""
NGINX = {"proxy_read_timeout 60s": "proxy_read_timeout 3s",
         "proxy_send_timeout 60s": "proxy_send_timeout 3s"}  # fmt: skip
HAPROXY = {"timeout client 60s": "timeout client 3s", "timeout server 60s": "timeout server 3s",
           "timeout tunnel 60s": "timeout tunnel 3s"}  # fmt: skip


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("ca"))


@contextlib.asynccontextmanager
async def behind(
    name: str, places: Mapping[str, str], here: Certificates, folder: Path
) -> AsyncIterator[str]:
    """A gateway behind a proxy. Gives the proxy's URL."""
    trusted = AccessSettings(trust_proxies=("127.0.0.1",))
    async with gateway_with(folder, access=trusted) as gateway:
        port = gateway.doors["http"].port
        places = {"127.0.0.1:8080": f"127.0.0.1:{port}", **places}
        async with proxy(name, places, here, folder) as url:
            yield url


def codes(found: Findings) -> set[str]:
    return {each.code for each in found.problems}


async def looked(url: str, here: Certificates | None, idle_s: float = 0.0) -> Findings:
    ca = here.authority if here is not None else None
    wishes = Wishes(idle_s=idle_s, ca=ca, bytes=200_000, step_s=2.0)
    return findings(await probe(url, wishes))


@pytest.mark.parametrize(
    ("name", "places"), [("nginx.conf", NGINX), ("haproxy.cfg", HAPROXY)], ids=["nginx", "haproxy"]
)
async def test_an_idle_timer_is_measured(
    name: str, places: dict[str, str], certificates: Certificates, tmp_path: Path
) -> None:
    async with behind(name, places, certificates, tmp_path) as url:
        found = await looked(url, certificates, idle_s=5.0)
    assert codes(found) == {"idle_cut", *HTTP_1}
    assert found.idle.cut_s is not None
    assert found.idle.cut_s == pytest.approx(CUT_S, abs=0.6)
    assert found.idle.lasts_s == 2.0
    assert found.idle.kept_by == "pings"
    assert found.exit_code == 3
    # and everything else passes, TLS resumed as well
    assert found.wire("websocket").state == "passes"
    assert found.wire("tls").resumed_ms is not None
    assert found.buffers_down is False
    assert found.buffers_up is False
    # media goes past a proxy for HTTP: the gateway's own answer says where
    assert found.wire("ice").state == "passes"
    assert found.wire("quic").state == "passes"
    assert found.wire("grpcweb").state == "passes"
    assert "http2" in asked(found, Inputs()).without


async def test_buffering_both_ways_is_found(certificates: Certificates, tmp_path: Path) -> None:
    planted = {
        "proxy_request_buffering off;": "proxy_request_buffering on;",
        "proxy_buffering off;": "proxy_buffering on; proxy_ignore_headers X-Accel-Buffering;",
    }
    async with behind("nginx.conf", planted, certificates, tmp_path) as url:
        found = await looked(url, certificates)
    assert codes(found) == {"buffers_down", "buffers_up", *HTTP_1}
    assert "http" in asked(found, Inputs()).without


async def test_a_proxy_that_waits_for_the_body_is_found(
    certificates: Certificates, tmp_path: Path
) -> None:
    planted = {"no option http-buffer-request": "option http-buffer-request"}
    async with behind("haproxy.cfg", planted, certificates, tmp_path) as url:
        found = await looked(url, certificates)
    assert "buffers_up" in codes(found)
    assert found.buffers_down is False


@pytest.mark.parametrize(
    ("name", "planted"),
    [
        ("nginx.conf", {"proxy_set_header Upgrade $http_upgrade;": ""}),
        (
            "haproxy.cfg",
            {"default_backend gateway": "http-request deny if { hdr(upgrade) -m found }\n"
                                        "    default_backend gateway"},
        ),
    ],
    ids=["nginx", "haproxy"],
)  # fmt: skip
async def test_a_blocked_upgrade_is_found(
    name: str, planted: dict[str, str], certificates: Certificates, tmp_path: Path
) -> None:
    async with behind(name, planted, certificates, tmp_path) as url:
        found = await looked(url, certificates, idle_s=1.0)
    assert codes(found) == {"upgrade_blocked", *HTTP_1}
    assert "status" in found.wire("websocket").why
    assert found.rtt is not None
    assert found.rtt_over == "http"
    assert (found.idle.over, found.idle.cut_s) == ("http", None)
    assert asked(found, Inputs()).upgrades_blocked


async def test_an_untrusted_certificate_is_looked_at(
    certificates: Certificates, tmp_path: Path
) -> None:
    async with behind("nginx.conf", {}, certificates, tmp_path) as url:
        found = await looked(url, None)
    assert codes(found) == {"untrusted"}
    assert found.certificate is not None
    assert "Ossicle local CA" in found.certificate.issuer
    assert found.exit_code == 1


# ── a network that drops UDP ──

RULES = """
flush ruleset
table inet planted {
  chain in { type filter hook input priority 0; udp dport 1-65535 %s; }
}
"""
INSIDE = """
import asyncio, json, subprocess, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from harness import gateway_with
from ossicle.advisor.findings import asked, findings
from ossicle.advisor.inputs import Inputs
from ossicle.advisor.probe import Wishes, probe
from ossicle.advisor.rpc import streams

async def main():
    told = {}
    async with gateway_with(Path(sys.argv[2])) as gateway:
        for verdict in ("accept", "drop"):
            subprocess.run([sys.argv[3], "-f", f"{sys.argv[2]}/{verdict}"], check=True)
            wishes = Wishes(idle_s=0, bytes=100_000, step_s=2.0)
            found = findings(await probe(gateway.url, wishes))
            told[verdict] = {"codes": [p.code for p in found.problems],
                             "why": found.wire("udp").why,
                             "blocked": asked(found, Inputs()).udp_blocked,
                             **{name: found.wire(name).state for name in ("udp", "quic", "ice")}}
    print(json.dumps(told))
asyncio.run(main())
"""


def test_dropped_datagrams_are_found(tmp_path: Path) -> None:
    """In a network namespace of its own, with rules that drop UDP; and the same with rules that
    do not, so that it is the rules that are found."""
    nft, ip = which("nft"), which("ip")
    unshare = shutil.which("unshare")
    if unshare is None or not _may(unshare):
        missing("no network namespace can be made here")
    for verdict in ("accept", "drop"):
        (tmp_path / verdict).write_text(RULES % verdict)
    # ICE uses no loopback, so there is an address besides
    script = (
        f'{ip} link set lo up && {ip} addr add 10.9.9.9/32 dev lo && exec {sys.executable} -c "$@"'
    )
    done = subprocess.run(
        [str(unshare), *_flags(), "sh", "-c", script, "sh", INSIDE,
         str(Path(__file__).parents[1]), str(tmp_path), nft],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout)
    assert told["accept"] == {"codes": [], "why": "", "blocked": False, "udp": "passes",
                              "quic": "passes", "ice": "passes"}  # fmt: skip
    dropped = told["drop"]
    assert "no datagram came back" in dropped.pop("why")
    assert dropped == {"codes": ["udp_blocked"], "blocked": True, "udp": "blocked",
                       "quic": "blocked", "ice": "blocked"}  # fmt: skip


def _flags() -> tuple[str, ...]:
    return ("--net",) if os.geteuid() == 0 else ("--net", "--map-root-user")


def _may(unshare: str) -> bool:
    tried = subprocess.run([unshare, *_flags(), "true"], capture_output=True, check=False)
    return tried.returncode == 0


# ── every wire, cold and resumed ──


async def test_every_wire_over_tls_with_a_key_and_by_relays(tmp_path: Path) -> None:
    """HTTP/2 by ALPN, gRPC to its end, gRPC-Web, QUIC with early data, and calls: direct, and
    through the real coturn over UDP and TCP. A relay that is not there is told in words."""
    async with coturn(tmp_path, "shared-secret") as port:
        share_secret(tmp_path / "state", "shared-secret")
        good = [f"turn:127.0.0.1:{port}?transport={each}" for each in ("udp", "tcp")]
        wrong = f"turn:127.0.0.1:{free_port()}?transport=tcp"
        async with gateway_with(
            tmp_path, tls_port=0, grpc_port=0, grpc_tls_port=0, keys=(("me", "secret"),),
            webrtc=WebRtcSettings(turn=(*good, wrong)),
        ) as gateway:  # fmt: skip
            ca = Path(gateway.house.address.ca)
            url = gateway.doors["https"].url
            wishes = Wishes(idle_s=0, ca=ca, key="secret", bytes=100_000)
            seen = await probe(url, wishes)
        found = findings(seen)
        wires = {each.name: each for each in found.wires}
        passing = {name for name, each in wires.items() if each.state == "passes"}
        assert passing == set(wires) - {"webtransport"}, wires
        cold = {name for name, each in wires.items() if each.cold_ms is not None}
        assert cold == passing
        resumed = {name for name, each in wires.items() if each.resumed_ms is not None}
        assert resumed == {"tls", "http", "websocket", "http2", "grpc", "grpcweb", "quic"}
        assert "resumed as early data" in wires["quic"].why
        assert found.calls is not None
        assert found.calls.count >= 5
        assert codes(found) == {"relay_fails"}
        relays = {each.url: each for each in found.relays}
        assert {name for name, each in relays.items() if each.passes} == set(good)
        assert relays[wrong].why
        assert asked(found, Inputs()).without == ()

    # the relay is gone, and so is the secret that it shared: no call by it, and it is said
    async with coturn(tmp_path, "another secret") as port:
        turn = (f"turn:127.0.0.1:{port}?transport=udp",)
        async with gateway_with(tmp_path, webrtc=WebRtcSettings(turn=turn)) as gateway:
            found = await looked(gateway.url, None)
    assert codes(found) == {"relay_fails"}
    assert "refuses our credentials" in found.relays[0].why
    assert found.wire("turn").state == "blocked"


@pytest.mark.parametrize("fault", ["trailers", "silence", "noise", "other"])
async def test_grpc_that_does_not_end_as_it_should(fault: str) -> None:
    """What a proxy does that speaks HTTP/1.1 on one side, one that hangs, and other services."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        http = H2Connection(H2Configuration(client_side=False))
        http.initiate_connection()
        answered = False
        with contextlib.suppress(ConnectionError, H2Error, asyncio.CancelledError):
            hello = {"noise": b"SSH-2.0-x\r\n", "silence": b""}
            writer.write(hello.get(fault, http.data_to_send()))
            while data := await reader.read(65_536):
                if fault in {"noise", "silence"}:
                    continue
                for event in http.receive_data(data):
                    if fault == "other" and isinstance(event, RequestReceived):
                        head = [(":status", "404"), ("content-type", "text/html")]
                        http.send_headers(1, head, end_stream=True)
                    elif fault == "trailers" and isinstance(event, DataReceived):
                        if not answered:
                            head = [(":status", "200"), ("content-type", "application/grpc")]
                            http.send_headers(1, head)
                            answered = True
                        http.send_data(1, event.data)  # an answer is spelt as its question
                    elif fault == "trailers" and isinstance(event, StreamEnded):
                        http.end_stream(1)  # words, and no status
                writer.write(http.data_to_send())
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        place = read_place(f"http://127.0.0.1:{port}")
        if fault == "silence":
            seen = Measured(url="", wires={name: Tried() for name in WIRES})
            doors = Doors(place, None, None, (), 1.0)
            await doors.try_all(Offer(0.0, grpc_port=port), seen, lambda _done: None)
            tried = seen.wires["grpc"]
            assert seen.wires["grpcweb"].why == f"no answer from port {port} within 0.5 s"
        else:
            async with asyncio.timeout(30):
                tried = await streams(place, None, ())
    said: dict[str, set[tuple[str, str]]] = {
        "trailers": {("broken", "brings its words and no good end")},
        "silence": {("blocked", "within 0.5 s")},
        "noise": {("blocked", "no call comes about (UNAVAILABLE)")},
        # its answer may be there before our question is out, and grpc has then no status of it
        "other": {("broken", "no gateway of ours"), ("blocked", "before its first answer")},
    }
    assert any(tried.state == state and text in tried.why for state, text in said[fault]), tried


# ── servers that are none ──


@contextlib.asynccontextmanager
async def liar(answer: bytes | None, *, endless: bool = False) -> AsyncIterator[str]:
    """A server that answers every connection so. None = never."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await reader.read(4096)
            if answer is None:
                await reader.read()  # until the other end has had enough
            else:
                writer.write(answer)
                while endless:
                    writer.write(b"x" * 65536)
                    await writer.drain()
                await writer.drain()
        writer.transport.abort() if endless else writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


OFFER = json.dumps({"at_ms": 0.0, "kind": "ossicle.probe.v1", "most_bytes": 1000, "most_s": 5.0,
                    "ticket": "zz", "udp_port": 9, "grpc_port": -1, "quic_port": 9,
                    "quic_certificate": "none", "ice": True,
                    "ice_servers": [{"url": "turn:127.0.0.1:9?transport=udp"}, {"url": "turn:"}],
                    }).encode()  # fmt: skip
GOOD = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(OFFER) + OFFER


@pytest.mark.parametrize(
    ("answer", "endless", "code", "said"),
    [
        (None, False, "no_http", "no whole answer"),
        (b"SSH-2.0-nothing\r\n", False, "no_http", "not HTTP/1.1"),
        (b"\x00\xff" * 40_000, False, "no_http", "not HTTP/1.1"),
        (b"", True, "no_http", "not HTTP/1.1"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc", False, "no_http", "not HTTP/1.1"),
        (b"HTTP/1.1 200 OK\r\n\r\n", True, "no_http", "more than"),
        (b"HTTP/1.1 200 OK\r\nx: ", True, "no_http", "not HTTP/1.1"),
        (b"HTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\n", False, "not_ossicle", "404"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n[]", False, "not_ossicle", "no gateway"),
        (b"", False, "no_http", "hung up"),
    ],
    ids=["silent", "ssh", "noise", "endless noise", "short", "endless body", "endless head",
         "not found", "other json", "hangs up"],
)  # fmt: skip
async def test_what_is_no_gateway_ends_it_in_words(
    answer: bytes | None, endless: bool, code: str, said: str
) -> None:
    began = time.monotonic()
    async with liar(answer, endless=endless) as url:
        found = await looked(url, None)
    assert time.monotonic() - began < 5
    assert codes(found) == {code}
    assert said in found.problems[0].text
    assert found.exit_code == 1


async def test_one_that_offers_everything_and_keeps_nothing() -> None:
    """Its offer is good, and the same answer comes to everything else that is asked."""
    began = time.monotonic()
    async with liar(GOOD) as url:
        found = await looked(url, None, idle_s=1.0)
    assert time.monotonic() - began < 20
    assert {"upgrade_blocked", "udp_blocked", "grpc_blocked", "relay_fails"} <= codes(found)
    assert found.wire("quic").state == "broken"
    assert "ticket that is none" in found.wire("quic").why
    assert "status 200" in found.wire("ice").why
    assert found.wire("grpcweb").why == "the answer is not gRPC-Web"
    assert found.down.kbit_s is None or found.down.bytes < 2_000
    assert found.exit_code == 3


async def test_nobody_there() -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{sock.getsockname()[1]}"
        found = await looked(url, None)
    assert codes(found) == {"unreachable"}
    assert "nothing listens" in found.problems[0].text


async def test_a_plain_port_asked_for_tls(tmp_path: Path) -> None:
    async with gateway_with(tmp_path) as gateway:
        found = await looked(gateway.url.replace("http", "https"), None)
    assert codes(found) == {"no_tls"}


async def test_a_silent_one_asked_for_tls() -> None:
    async with liar(None) as url:
        found = await looked(url.replace("http", "https"), None)
    assert codes(found) == {"no_tls"}
    assert "says nothing" in found.wire("tls").why


async def test_the_limit_ends_it_and_what_was_seen_is_kept(tmp_path: Path) -> None:
    async with gateway_with(tmp_path) as gateway:
        began = time.monotonic()
        seen = await probe(gateway.url, Wishes(idle_s=30, limit_s=1.0))
        assert time.monotonic() - began < 2
    found = findings(seen)
    assert "out_of_time" in codes(found)
    assert found.wire("websocket").state == "passes"


# ── a gateway with limits ──


async def test_the_way_can_be_closed(tmp_path: Path) -> None:
    closed = ProbeSettings(on=False)
    async with gateway_with(tmp_path, probe=closed) as gateway:
        found = await looked(gateway.url, None)
    assert codes(found) == {"refused"}
    assert "probe.on" in found.problems[0].text


async def test_keys_are_asked_for(tmp_path: Path) -> None:
    async with gateway_with(tmp_path, keys=(("me", "secret"),)) as gateway:
        found = await looked(gateway.url, None)
        assert codes(found) == {"refused"}
        assert "--key" in found.problems[0].way_out
        seen = await probe(gateway.url, Wishes(idle_s=0, key="secret", bytes=10_000))
    assert findings(seen).exit_code == 0


async def test_the_command_line(tmp_path: Path) -> None:
    async def command(url: str) -> tuple[int | None, dict[str, Any], str]:
        process = await asyncio.create_subprocess_exec(
            Path(sys.executable).with_name("ossicle"), "probe", url, "--json", "--idle", "0",
            "--client", "browser", "--bytes", "10000",
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, err = await process.communicate()
        return process.returncode, json.loads(out), err.decode()

    async with gateway_with(tmp_path) as gateway:
        good, bad = await asyncio.gather(command(gateway.url), command("http://127.0.0.1:9"))
    code, told, err = good
    assert code == 0, err
    assert told["findings"]["budget"]
    assert told["advice"]["recommended"]["wire"]
    assert {each["state"] for each in told["findings"]["wires"]} >= {"passes", "not_offered"}
    code, told, err = bad
    assert code == 1, err
    assert told["findings"]["budget"]
    assert told["advice"] is None
