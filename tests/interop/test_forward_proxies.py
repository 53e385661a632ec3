"""Our client, and a gateway's upstreams, through the real tinyproxy and squid."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import pytest

from harness import gateway_with
from ossicle.client import Reconnect, connect
from ossicle.client.address import Wire
from ossicle.core.errors import ConnectionLost, OssicleError, Refused
from ossicle.gateway.models.upstreams import open_upstream
from ossicle.gateway.serve import Gateway
from ossicle.testing.marked import marked_audio, marked_expected, marked_words

from .forward_proxies import PASSWORD, PROXIES, ForwardProxy, outside_address

pytestmark = pytest.mark.interop

WORDS = [1, 2, 0, 3, 0]
WIRES: tuple[Wire, ...] = ("websocket", "http", "grpc", "mux")
VARIABLES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY", "GRPC_PROXY")


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture(scope="module", params=sorted(PROXIES))
def open_proxy(request: pytest.FixtureRequest) -> Generator[ForwardProxy]:
    with PROXIES[request.param](password=False) as running:
        yield running


@pytest.fixture(scope="module", params=sorted(PROXIES))
def locked_proxy(request: pytest.FixtureRequest) -> Generator[ForwardProxy]:
    with PROXIES[request.param](password=True) as running:
        yield running


def port_of(gateway: Gateway, wire: Wire, *, secure: bool = False) -> int:
    """The door for a wire."""
    end = "s" if secure else ""
    if wire != "grpc":
        return gateway.doors[f"http{end}"].port
    assert gateway.rpc is not None
    return int(gateway.rpc.urls[f"grpc{end}"].rpartition(":")[2])


def door(gateway: Gateway, wire: Wire, host: str = "127.0.0.1", *, secure: bool = False) -> str:
    """Where a gateway is on a wire, as a URL."""
    name = ("grpc" if wire == "grpc" else "http") + ("s" if secure else "")
    return f"{name}://{host}:{port_of(gateway, wire, secure=secure)}"


async def said(
    url: str, wire: Wire, proxy: str | bool | None = None, ca: Path | None = None
) -> None:
    """A conversation that has to come through whole."""
    async with (
        asyncio.timeout(20),
        connect(url, transport=wire, proxy=proxy, ca=ca) as stream,
    ):
        await stream.send(marked_audio(WORDS))
        await stream.end()
        events = [event async for event in stream]
    assert marked_words(events) == marked_expected(WORDS)


@contextlib.asynccontextmanager
async def relay(host: str, port: int) -> AsyncGenerator[int]:
    """The loopback port, seen on another address of this machine."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", port)

        async def copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
            with contextlib.suppress(ConnectionError):
                while data := await source.read(65_536):
                    target.write(data)
                    await target.drain()
            target.close()

        await asyncio.gather(copy(reader, up_writer), copy(up_reader, writer))

    server = await asyncio.start_server(serve, host, 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_every_wire_through_a_proxy_that_is_named(
    open_proxy: ForwardProxy, tmp_path: Path
) -> None:
    places: list[str] = []
    async with gateway_with(tmp_path, grpc_port=0) as gateway:
        for wire in WIRES:
            url = door(gateway, wire)
            await said(url, wire, open_proxy.url)
            places.append(url.rpartition("/")[2])
    for place in places:
        assert await open_proxy.connected(place)


async def test_tls_inside_the_tunnel_with_a_ca_of_our_own(
    open_proxy: ForwardProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By `ca=`, and by the variable that OpenSSL and everything on it reads."""
    async with gateway_with(tmp_path, tls_port=0, grpc_port=0, grpc_tls_port=0) as gateway:
        ca = tmp_path / "state" / "ca.pem"
        for wire in WIRES:
            url = door(gateway, wire, "localhost", secure=True)
            await said(url, wire, open_proxy.url, ca)
        for wire in WIRES:
            with pytest.raises(ConnectionLost, match="certificate"):
                await said(door(gateway, wire, "localhost", secure=True), wire, open_proxy.url)
        monkeypatch.setenv("SSL_CERT_FILE", str(ca))
        for wire in WIRES:
            await said(door(gateway, wire, "localhost", secure=True), wire, open_proxy.url)


async def test_a_proxy_with_a_password(locked_proxy: ForwardProxy, tmp_path: Path) -> None:
    wrong = locked_proxy.known.replace(PASSWORD, "wr0ng")
    async with gateway_with(tmp_path, grpc_port=0) as gateway:
        for wire in WIRES:
            url = door(gateway, wire)
            await said(url, wire, locked_proxy.known)
            for proxy in (wrong, locked_proxy.url):
                with pytest.raises(OssicleError) as told:
                    await said(url, wire, proxy)
                text = str(told.value)
                assert locked_proxy.place in text, text
                assert "wr0ng" not in text
                assert PASSWORD not in text
                if wire != "grpc":  # grpc keeps to itself what a proxy answers
                    assert isinstance(told.value, Refused)
                    assert ("does not take" if proxy is wrong else "wants a user") in text


async def test_the_environment_leads_every_wire_and_no_proxy_leads_past_it(
    open_proxy: ForwardProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = outside_address()
    monkeypatch.setenv("http_proxy", open_proxy.url)
    through: list[str] = []
    past: list[str] = []
    async with gateway_with(tmp_path, grpc_port=0, allow_hosts=(host,)) as gateway:
        for wire in WIRES:
            scheme = "grpc" if wire == "grpc" else "http"
            for places in (through, past):
                async with relay(host, port_of(gateway, wire)) as port:
                    places.append(f"{host}:{port}")
                    monkeypatch.setenv("no_proxy", ",".join(past))
                    await said(f"{scheme}://{host}:{port}", wire)
    for place in through:
        assert await open_proxy.connected(place)
    for place in past:
        assert not await open_proxy.connected(place, 0)


async def test_loopback_is_left_alone_by_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """gRPC too, which by itself would go there."""
    for name in ("http_proxy", "https_proxy", "grpc_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with gateway_with(tmp_path, grpc_port=0) as gateway:
        for wire in WIRES:
            await said(door(gateway, wire), wire)


async def test_an_upstream_goes_through_the_proxy_of_the_environment(
    open_proxy: ForwardProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = outside_address()
    async with (
        gateway_with(tmp_path / "far", allow_hosts=(host,)) as far,
        relay(host, far.doors["http"].port) as port,
    ):
        monkeypatch.setenv("HTTP_PROXY", open_proxy.url)
        engine = open_upstream(f"native@http://{host}:{port}")
        async with gateway_with(tmp_path / "near", engine) as near:
            await said(door(near, "websocket"), "websocket")
        assert await open_proxy.connected(f"{host}:{port}")


@pytest.mark.parametrize("wire", WIRES)
async def test_a_proxy_that_is_not_there_is_named(wire: Wire) -> None:
    with pytest.raises(ConnectionLost, match=r"127\.0\.0\.1:9"):
        await said(
            "grpc://speech.example" if wire == "grpc" else "https://speech.example",
            wire,
            "http://user:secret@127.0.0.1:9",
        )


@pytest.mark.parametrize("wire", ["websocket", "http"])
@pytest.mark.parametrize(
    ("answer", "kind", "text"),
    [
        (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", ConnectionLost, "does not connect to .*: 502"),
        (b"HTTP/1.1 403 No\r\n\r\n", Refused, "port 443 alone"),
        (b"nonsense\r\n\r\n", ConnectionLost, "is not HTTP/1.1"),
        (b"x" * 20_000, ConnectionLost, "is not HTTP/1.1"),
        (b"HTTP/1.1 200 OK\r\n\r\nearly", ConnectionLost, "more than an answer"),
        (b"", ConnectionLost, "hung up before it answered"),
    ],
    ids=["502", "403", "nonsense", "endless", "early", "gone"],
)
async def test_what_proxies_may_answer(
    wire: Wire, answer: bytes, kind: type[OssicleError], text: str
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(kind, match=text) as told:
            async with connect(
                "https://speech.example",
                transport=wire,
                proxy=f"http://user:secret@127.0.0.1:{port}",
                reconnect=Reconnect(total_s=0),
            ):
                pass
        assert "secret" not in str(told.value)
        assert f"127.0.0.1:{port}" in str(told.value)
