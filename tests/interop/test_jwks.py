"""A key set behind https://, as an identity provider has it: fetched, kept, missed, changed."""

import asyncio
import contextlib
import json
import ssl
import time

import pytest

from harness import Talk, gateway_with, refusal
from jwt_signer import Signer
from ossicle.core.errors import Denied, Overloaded, Refused
from ossicle.gateway.configuration.settings import AccessSettings
from ossicle.gateway.doors.certificates import local_certificates
from ossicle.gateway.keys.judges import judge_of
from ossicle.gateway.keys.jwks import AGAIN_S, FetchedKeys
from ossicle.gateway.keys.jwt import MOST_BYTES, TokenCheck

pytestmark = pytest.mark.interop

NAMES = {"jwt_issuer": "https://id.example", "jwt_audience": "speech"}


def claims(**more):
    return {
        "sub": "ann", "exp": time.time() + 60, "iss": "https://id.example", "aud": "speech", **more
    }  # fmt: skip


class Provider:
    """A little HTTPS server with a key set."""

    def __init__(self, *signers):
        self.signers = list(signers)
        self.status = "200 OK"
        self.body = None
        self.asked = 0
        self.gate = None

    @contextlib.asynccontextmanager
    async def serving(self, files):
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(files.certificate, files.key)
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0, ssl=context)
        self.url = f"https://localhost:{server.sockets[0].getsockname()[1]}/keys"
        try:
            yield self
        finally:
            server.close()

    async def _answer(self, reader, writer):
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"GET /keys HTTP/1.1\r\n")
            self.asked += 1
            if self.gate is not None:
                await self.gate.wait()
            body = self.body or json.dumps({"keys": [s.jwk for s in self.signers]}).encode()
            writer.write(
                f"HTTP/1.1 {self.status}\r\ncontent-length: {len(body)}\r\n"
                "location: http://127.0.0.1:1/\r\n\r\n".encode()
                + body
            )
            await writer.drain()
        finally:
            writer.transport.abort()


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return local_certificates(tmp_path_factory.mktemp("ca"), ["localhost"])


@pytest.fixture
async def provider(files, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(files.authority))
    async with Provider(Signer("ES256", "one")).serving(files) as it:
        yield it


@pytest.fixture
def clock():
    return [1_000.0]


@pytest.fixture
def keys(provider, clock):
    check = TokenCheck("https://id.example", "speech")
    return FetchedKeys(provider.url, check, age_s=60, stale_s=600, clock=lambda: clock[0])


async def test_a_gateway_lets_in_whom_the_provider_signed(tmp_path, provider):
    access = AccessSettings(jwks=provider.url, **NAMES)
    async with gateway_with(tmp_path, access=access) as gateway:
        token = provider.signers[0].token(claims())
        for _ in range(3):
            async with Talk.open(gateway.url, headers={"authorization": f"Bearer {token}"}):
                assert len(gateway.house.listing("ann")) == 1
        other = Signer("ES256", "one").token(claims())
        status, body = await refusal(gateway.url, headers={"authorization": f"Bearer {other}"})
        assert (status, "not signed by a key" in body["error"]["text"]) == (401, True)
        assert provider.asked == 1


async def test_a_set_is_fetched_when_it_is_needed_and_again_when_it_is_old(keys, provider, clock):
    token = provider.signers[0].token(claims())
    assert provider.asked == 0
    for at, asked in ((0, 1), (59, 1), (61, 2), (100, 2)):
        clock[0] = 1_000.0 + at
        assert await keys.owner(token) == "ann"
        assert provider.asked == asked


async def test_a_new_key_is_looked_for_but_not_at_any_rate(keys, provider, clock):
    first, newer = provider.signers[0], Signer("EdDSA", "two")
    await keys.owner(first.token(claims()))
    provider.signers.append(newer)
    clock[0] += AGAIN_S - 1
    with pytest.raises(Denied, match="not signed by a key that is known here"):
        await keys.owner(newer.token(claims()))
    clock[0] += 1
    assert await keys.owner(newer.token(claims())) == "ann"
    assert provider.asked == 2
    for number in range(50):
        with pytest.raises(Denied):
            await keys.owner(Signer("EdDSA", f"made up {number}").token(claims()))
    for junk in ("osk_junk", "a.b.c", "x" * 10_000):
        with pytest.raises(Denied):
            await keys.owner(junk)
    assert provider.asked == 2


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        ("503 Service Unavailable", None, "answered with 503"),
        ("302 Found", None, "answered with 302"),
        ("200 OK", b'{"keys": [{"kty": "R', "cut off"),
        ("200 OK", b" " * (MOST_BYTES + 1), "larger than"),
    ],
)
async def test_an_old_set_stands_for_a_while(keys, provider, clock, caplog, status, body, says):
    token = provider.signers[0].token(claims())
    await keys.owner(token)
    good = (provider.status, provider.body)
    provider.status, provider.body = status, body
    clock[0] += 61
    assert await keys.owner(token) == "ann"
    assert says in caplog.text
    assert "the old ones stand for 600 s" in caplog.text
    clock[0] += 1
    assert await keys.owner(token) == "ann"
    assert provider.asked == 2, "not at every token"
    clock[0] += 598
    with pytest.raises(Overloaded, match=says) as caught:
        await keys.owner(token)
    assert 1 <= caught.value.retry_after_s <= AGAIN_S
    provider.status, provider.body = good
    clock[0] += AGAIN_S
    assert await keys.owner(token) == "ann"
    assert caplog.text.count("cannot be fetched") == 1


async def test_many_at_once_ask_once_and_do_not_wait_for_what_hangs(keys, provider, clock):
    token = provider.signers[0].token(claims())
    assert await asyncio.gather(*(keys.owner(token) for _ in range(20))) == ["ann"] * 20
    assert provider.asked == 1
    clock[0] += 61
    provider.gate = asyncio.Event()
    slow = asyncio.create_task(keys.owner(token))
    while provider.asked == 1:
        await asyncio.sleep(0.001)
    async with asyncio.timeout(1):
        assert await keys.owner(token) == "ann"
    provider.gate.set()
    assert await slow == "ann"


async def test_who_runs_out_of_time_leaves_a_reason(keys, provider):
    provider.gate = asyncio.Event()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await keys.owner(provider.signers[0].token(claims()))
    with pytest.raises(Overloaded, match="localhost did not answer in time"):
        await keys.owner(provider.signers[0].token(claims()))
    provider.gate.set()


async def test_a_certificate_nobody_knows_is_not_believed(keys, provider, monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(Overloaded, match="cannot be fetched"):
        await keys.owner(provider.signers[0].token(claims()))
    assert provider.asked == 0


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://id.example.org/keys", "have to come over https://"),
        ("ftp://id.example.org/keys", "http"),
        ("https://me:secret@id.example.org/keys", "no user or password"),
        ("https://[oops/keys", "http"),
    ],
)
def test_addresses_that_keys_do_not_come_from(url, says):
    with pytest.raises(Refused, match=says) as caught:
        judge_of(AccessSettings(jwks=url, **NAMES))
    assert "secret" not in str(caught.value)


async def test_a_name_that_stands_for_a_metadata_service_is_not_asked(clock):
    check = TokenCheck("https://id.example", "speech")
    keys = FetchedKeys("https://169.254.169.254.example/x", check, clock=lambda: clock[0])

    async def found(*_names, **_more):
        return [(0, 0, 0, "", ("169.254.169.254", 443))]

    loop = asyncio.get_running_loop()
    loop.getaddrinfo = found
    with pytest.raises(Overloaded, match="an address that may not be called"):
        await keys.owner(Signer("ES256", "one").token(claims()))
