"""Other people's verifiers accept the local authority by the variable `ossicle certs` names."""

import asyncio
import os
import shutil
import ssl
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ossicle.gateway.doors.certificates import (
    client_environment,
    local_certificates,
    reloading_context,
)

pytestmark = pytest.mark.interop

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nheard"


def program(name: str) -> str:
    """Its path; a skip that names it when it is absent, a failure in continuous integration."""
    found = shutil.which(name)
    if found is None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"{name} is not installed")
    return found


async def said(command: list[str], **variables: str) -> tuple[int, str]:
    """Run a program without this machine's own trust settings."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not any(part in name for part in ("CERT", "CA_BUNDLE", "SSL", "proxy", "PROXY"))
    }
    process = await asyncio.create_subprocess_exec(
        *command,
        env=environment | variables,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode is not None
    return process.returncode, output.decode()


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[tuple[Path, int]]:
    """A TLS server on loopback with a local certificate: (ca.pem, port)."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(ANSWER)
            await writer.drain()
        finally:
            writer.close()

    files = local_certificates(tmp_path)
    context = reloading_context(files, alpn=("http/1.1",)).context
    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    async with server:
        assert files.authority is not None
        yield files.authority, server.sockets[0].getsockname()[1]


async def test_python_over_a_real_socket(door: tuple[Path, int]) -> None:
    trusted, port = door
    context = ssl.create_default_context(cafile=str(trusted))
    # RFC 5280 to the letter, as Python 3.13 asks by default.
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    for host in ("localhost", "127.0.0.1"):
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=context, server_hostname=host
        )
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        assert (await reader.read()).endswith(b"heard")
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "::1", "gateway.lan"])
async def test_openssl_verifies_strictly(tmp_path: Path, name: str) -> None:
    openssl = program("openssl")
    files = local_certificates(tmp_path, ["gateway.lan"])
    kind = "-verify_hostname" if name[0].isalpha() else "-verify_ip"
    command = [openssl, "verify", "-x509_strict", "-purpose", "sslserver", kind, name]
    code, output = await said([*command, "-CAfile", str(files.authority), str(files.certificate)])
    assert (code, output.strip()) == (0, f"{files.certificate}: OK")


async def test_openssl_refuses_another_name(tmp_path: Path) -> None:
    openssl = program("openssl")
    files = local_certificates(tmp_path)
    command = [openssl, "verify", "-verify_hostname", "elsewhere.lan", "-CAfile"]
    code, output = await said([*command, str(files.authority), str(files.certificate)])
    assert code != 0
    assert "ostname mismatch" in output


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
async def test_curl(door: tuple[Path, int], host: str) -> None:
    curl, (trusted, port) = program("curl"), door
    url = f"https://{host}:{port}/"
    command = [curl, "-q", "-sS", "--ipv4", url]
    assert await said([*command, "--cacert", str(trusted)]) == (0, "heard")
    assert await said(command, CURL_CA_BUNDLE=str(trusted)) == (0, "heard")
    code, _ = await said(command)
    assert code == 60  # CURLE_PEER_FAILED_VERIFICATION: the check above is a real one


NODE = """
require('https').get(process.argv[1], {family: 4}, answer => answer.pipe(process.stdout))
  .on('error', error => { console.log(error.code); process.exitCode = 1 })
"""


async def test_node(door: tuple[Path, int]) -> None:
    node, (trusted, port) = program("node"), door
    command = [node, "-e", NODE, f"https://localhost:{port}/"]
    assert await said(command, NODE_EXTRA_CA_CERTS=str(trusted)) == (0, "heard")
    code, output = await said(command)
    assert (code, output.strip()) == (1, "UNABLE_TO_VERIFY_LEAF_SIGNATURE")


PYTHON = """
import ssl, sys, urllib.request
sys.stdout.write(urllib.request.urlopen(sys.argv[1], timeout=10).read().decode())
"""


async def test_python_by_its_variable(door: tuple[Path, int]) -> None:
    trusted, port = door
    variables = {each.name: each.value for each in client_environment(trusted)}
    command = [sys.executable, "-c", PYTHON, f"https://127.0.0.1:{port}/"]
    answer = await said(command, SSL_CERT_FILE=variables["SSL_CERT_FILE"])
    assert answer == (0, "heard")


GRPC = """
import grpc, sys
channel = grpc.secure_channel(sys.argv[1], grpc.ssl_channel_credentials())
grpc.channel_ready_future(channel).result(timeout=10)
print("ready", end="")
"""


async def test_grpc_by_its_variable(tmp_path: Path) -> None:
    grpc = pytest.importorskip("grpc", reason="the extra grpc is not installed")
    files = local_certificates(tmp_path)
    pem = files.certificate.read_bytes()
    server = grpc.aio.server()
    port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([(pem, pem)]))
    await server.start()
    try:
        answer = await said(
            [sys.executable, "-c", GRPC, f"localhost:{port}"],
            GRPC_DEFAULT_SSL_ROOTS_FILE_PATH=str(files.authority),
        )
    finally:
        await server.stop(None)
    assert answer == (0, "ready")
