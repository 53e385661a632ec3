"""Lines that the advice alone hands out are run as they stand; the others are snippets, which
`test_snippets.py` runs."""

import asyncio
import os
import sys
import wave
from pathlib import Path

import pytest

from harness import GatewayProcess, gateway_with
from ossicle.advisor import Inputs
from ossicle.gateway.measuring.advice import answer
from ossicle.gateway.snippets import Address
from ossicle.testing.marked import marked_audio

pytestmark = [pytest.mark.interop, pytest.mark.timeout(60)]


async def test_grpc_in_our_own_protocol(tmp_path: Path) -> None:
    """The Python text with the address of the gRPC door."""
    with wave.open(str(tmp_path / "speech.wav"), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(marked_audio([1, 2, 0, 3]))
    async with gateway_with(tmp_path, grpc_port=0) as gateway:
        await gateway.ready()
        found = answer(Inputs(client="server", grpc=True), gateway.house.address)
        assert found.today is not None
        assert (found.today.wire, found.client_language) == ("grpc", "python")
        assert "grpc://" in found.client
        file = tmp_path / "words.py"
        file.write_text(found.client)
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(file), "speech.wav", cwd=tmp_path,
            env={name: text for name, text in os.environ.items() if name != "OSSICLE_KEY"},
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        async with asyncio.timeout(40):
            out, problems = await process.communicate()
    assert process.returncode == 0, problems.decode()
    assert out.decode().split() == ["w1", "w2", "w3"]


async def test_a_gateway_starts_with_the_configuration(tmp_path: Path) -> None:
    found = answer(Inputs(client="browser"), Address(http="http://localhost:8080"))
    config = tmp_path / "ossicle.toml"
    config.write_text(found.config)
    flags = ("--config", str(config), "--tls-port", "0", "--engine", "scripted:heard")
    async with GatewayProcess.start(*flags, tmp_path=tmp_path) as gateway:
        assert gateway.url
