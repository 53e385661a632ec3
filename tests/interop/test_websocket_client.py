"""Our WebSocket client against answers made by hand, over TLS and through a proxy."""

import asyncio
import base64
import datetime as dt
import gc
import hashlib
import ipaddress
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ossicle.core.errors import BadMessage, ConnectionLost, Refused, TimedOut
from ossicle.core.wire import Accept, Binary, Close, Fin, Opening, Text
from ossicle.testing.loopback import loopback
from ossicle.testing.recorder import Recorder
from ossicle.transports.http import client as http_client
from ossicle.transports.http.server import http_protocol, stream_endpoint
from ossicle.transports.tunnel import Proxy
from ossicle.transports.websocket.client import connect
from ossicle.transports.websocket.server import websocket_protocol

pytestmark = pytest.mark.interop

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Legs:
    """A receiver factory and an acceptor that remember."""

    def __init__(self) -> None:
        self.made: list[Recorder] = []
        self.openings: list[Opening] = []

    def __call__(self, channel) -> Recorder:
        self.made.append(Recorder(channel))
        return self.made[-1]

    def accept(self, opening, channel) -> Recorder:
        self.openings.append(opening)
        channel.send(Accept())
        channel.send(Text("hello\n"))
        return self(channel)


@asynccontextmanager
async def answering(answer: bytes, *, stay: bool = True) -> AsyncIterator[str]:
    """A server that gives one answer; `{accept}` in it becomes the right key."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        key = next(
            line.partition(b": ")[2]
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"sec-websocket-key")
        )
        right = base64.b64encode(hashlib.sha1(key + GUID).digest())
        data = answer.replace(b"{accept}", right)
        middle = len(data) // 2  # in two pieces
        writer.write(data[:middle])
        await writer.drain()
        await asyncio.sleep(0)
        writer.write(data[middle:])
        if stay:
            await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"


UPGRADE = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
NO = b"HTTP/1.1 401 No\r\nX-A: b\r\n"
GOOD = UPGRADE + b"Sec-WebSocket-Accept: {accept}\r\n"


async def test_frames_in_the_segment_of_the_101_come_after_accept() -> None:
    legs = Legs()
    async with answering(GOOD + b"X-Id: 7\r\n\r\n\x81\x02hi\x82\x01b") as url:
        channel = await connect(Opening(path="/"), legs, url=url)
        leg = legs.made[0]
        await leg.until(lambda: len(leg.told) == 3)
        assert ("x-id", "7") in leg.told[0].headers
        assert leg.told[1:] == [Text("hi"), Binary(b"b")]
        channel.abort()
        await leg.until(lambda: leg.over)


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (NO + b"Content-Length: 6\r\n\r\nreason", b"reason"),
        (NO + b"Transfer-Encoding: chunked\r\n\r\n3\r\nrea\r\n3\r\nson\r\n0\r\n\r\n", b"reason"),
        (NO + b"Connection: close\r\n\r\nreason", b"reason"),
        (NO + b"Content-Length: 99\r\n\r\nreas", b"reas"),
        (NO + b"Content-Length: 100000\r\n\r\n" + b"r" * 100_000, b"r" * 65536),
    ],
)
async def test_a_refusal_is_told_whole(answer: bytes, body: bytes) -> None:
    legs = Legs()
    async with answering(answer, stay=False) as url:
        await connect(Opening(), legs, url=url)
        leg = legs.made[0]
        assert (leg.over, leg.error, leg.broken) == (True, None, [])
        (close,) = leg.told
        assert isinstance(close, Close)
        assert (close.code, close.reason, close.body) == (401, "No", body)
        assert ("x-a", "b") in close.headers


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (UPGRADE + b"Sec-WebSocket-Accept: wrong\r\n\r\n", BadMessage),
        (UPGRADE + b"\r\n", BadMessage),
        (b"HTTP/1.1 101 X\r\nSec-WebSocket-Accept: {accept}\r\n\r\n", BadMessage),
        (b"HTTP/1.1 101 X\r\n" + b"X: " + b"y" * 20_000, BadMessage),
        (b"SSH-2.0-OpenSSH_9\r\n\r\n", BadMessage),
        (b"HTTP/1.1 10", ConnectionLost),
        (b"", ConnectionLost),
    ],
)
async def test_an_answer_that_is_none_raises_and_makes_no_receiver(answer, error) -> None:
    legs = Legs()
    async with answering(answer, stay=False) as url:
        with pytest.raises(error):
            await connect(Opening(), legs, url=url)
    assert not legs.made
    gc.collect()  # an exception nobody looked at would be reported here


async def test_silence_is_bounded() -> None:
    async with answering(b"") as url:
        with pytest.raises(TimedOut, match=r"within 0\.1 s"):
            await connect(Opening(), Legs(), url=url, timeout=0.1)


async def test_a_receiver_factory_that_raises() -> None:
    def factory(channel):
        raise ValueError("on purpose")

    async with answering(GOOD + b"\r\n") as url:
        with pytest.raises(ValueError, match="on purpose"):
            await connect(Opening(), factory, url=url)


@pytest.mark.parametrize("url", ["http://host/", "ws://", "ws://host:port/", "host"])
async def test_an_url_that_is_not_one_of_a_websocket(url: str) -> None:
    with pytest.raises(Refused, match="ws://host/path"):
        await connect(Opening(), Legs(), url=url)


async def test_a_protocol_error_of_the_server_leaves_no_unseen_exception() -> None:
    seen: list[dict] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: seen.append(context))
    legs = Legs()
    async with answering(GOOD + b"\r\n\x83\x00") as url:
        await connect(Opening(), legs, url=url)
        await legs.made[0].until(lambda: legs.made[0].over)
        assert isinstance(legs.made.pop().error, BadMessage)
    for _ in range(3):
        gc.collect()
        await asyncio.sleep(0)
    assert not seen


# TLS and proxies ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName(
                [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
            ),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("tls")
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return {"ssl_certfile": str(folder / "cert.pem"), "ssl_keyfile": str(folder / "key.pem")}


@asynccontextmanager
async def tls_door(certificate: dict[str, str], legs: Legs) -> AsyncIterator[int]:
    async with loopback(
        stream_endpoint(legs.accept),
        http=http_protocol(),
        ws=websocket_protocol(legs.accept),
        **certificate,
    ) as port:
        yield port


@pytest.mark.parametrize("kind", ["ws", "http"])
async def test_tls(certificate: dict[str, str], kind: str) -> None:
    near, far = Legs(), Legs()
    call = connect if kind == "ws" else http_client.connect
    trust = ssl.create_default_context(cafile=certificate["ssl_certfile"])
    async with tls_door(certificate, far) as port:
        channel = await call(Opening(), near, url=f"{kind}s://localhost:{port}/", ssl=trust)
        leg = near.made[0]
        await leg.until(lambda: leg.texts == ["hello\n"])
        channel.send(Binary(b"z" * 300_000))
        await far.made[0].until(lambda: far.made[0].size == 300_000)
        assert far.openings[0].secure
        channel.send(Close())
        await leg.until(lambda: leg.over)
        await far.made[0].until(lambda: far.made[0].over)


@pytest.mark.parametrize("kind", ["ws", "http"])
async def test_a_certificate_nobody_knows_is_named(certificate: dict[str, str], kind: str) -> None:
    call = connect if kind == "ws" else http_client.connect
    async with tls_door(certificate, Legs()) as port:
        with pytest.raises(ConnectionLost, match=f"127.0.0.1:{port}.*not trusted"):
            await call(Opening(), Legs(), url=f"{kind}s://127.0.0.1:{port}/")


@pytest.mark.parametrize("secure", [False, True])
async def test_through_a_connect_proxy(certificate: dict[str, str], secure: bool) -> None:
    asked: list[bytes] = []

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[0])
        host, _, port = asked[0].split(b" ")[1].partition(b":")
        up_reader, up_writer = await asyncio.open_connection(host.decode(), int(port))
        writer.write(b"HTTP/1.1 200 Connected\r\n\r\n")

        async def copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
            while data := await source.read(65536):
                target.write(data)
            target.close()

        async with asyncio.TaskGroup() as group:
            group.create_task(copy(reader, up_writer))
            group.create_task(copy(up_reader, writer))

    near, far = Legs(), Legs()
    trust = ssl.create_default_context(cafile=certificate["ssl_certfile"])
    options = certificate if secure else {}
    server = await asyncio.start_server(proxy, "127.0.0.1", 0)
    async with (
        server,
        loopback(http=http_protocol(), ws=websocket_protocol(far.accept), **options) as port,
    ):
        channel = await connect(
            Opening(),
            near,
            url=f"ws{'s' if secure else ''}://127.0.0.1:{port}",
            ssl=trust if secure else None,
            proxy=Proxy("http", "127.0.0.1", server.sockets[0].getsockname()[1]),
        )
        assert near.made[0].told[0:1] != []
        await near.made[0].until(lambda: near.made[0].texts == ["hello\n"])
        channel.send(Close())
        await near.made[0].until(lambda: near.made[0].over)
        assert near.made[0].error is None
    assert asked == [f"CONNECT 127.0.0.1:{port} HTTP/1.1".encode()]


@pytest.mark.parametrize("begins", [False, True], ids=["no answer", "an answer that stops"])
async def test_a_server_that_falls_silent_over_http(begins: bool) -> None:
    """A chunked body has no pings: the gateway's own words are its sign of life."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if begins:
            writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n")
        await reader.read()
        writer.close()

    near = Legs()
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        channel = await http_client.connect(
            Opening(path="/v1/stream"),
            near,
            url=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}",
            settings=http_client.HttpClientSettings(silence_s=0.05),
        )
        await asyncio.sleep(0.1)
        if not begins:
            assert not near.made[0].over  # the request is not whole yet
            channel.send(Fin())
        await near.made[0].until(lambda: near.made[0].over)
        assert isinstance(near.made[0].error, ConnectionLost)
        assert "said nothing for 0.05 s" in str(near.made[0].error)
