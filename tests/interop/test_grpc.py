"""The gRPC doors with grpcio's own client: reflection, health, TLS, keys, the native service."""

import asyncio
import logging
import os
import re
import signal
import socket
import sys
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import grpc
import msgspec
import pytest
from google.protobuf import descriptor_pool, message_factory
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

from harness import GatewayProcess, Talk, ask, gateway_with, missing, until
from ossicle.core.commands import Configure, Join
from ossicle.core.events import Began, Ended, Transcript
from ossicle.core.formats import AudioFormat
from ossicle.dialects.native.byhand import audio_out
from ossicle.dialects.native.protobuf import (
    read_answer,
    read_event,
    write_listen,
    write_question,
    write_start,
)
from ossicle.gateway import serve
from ossicle.gateway.doors import rpc
from ossicle.gateway.doors.certificates import local_certificates
from ossicle.gateway.keys.keyfile import KeyFile
from ossicle.testing.marked import marked_audio, marked_words
from ossicle.transports.grpc.pool import Target, share
from ossicle.transports.grpc.settings import GrpcSettings

from .sdk_table import record

pytestmark = pytest.mark.interop

SPEECH = "/ossicle.v1.Speech/"
START = write_start(Configure(format=AudioFormat()))
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


@asynccontextmanager
async def doors(tmp_path: Path, **settings: Any) -> AsyncIterator[Any]:
    """A gateway with both gRPC doors."""
    values = {"grpc_port": 0, "grpc_tls_port": 0} | settings
    async with gateway_with(tmp_path, **values) as gateway:
        await gateway.ready()
        yield gateway


def plain(gateway: Any) -> grpc.aio.Channel:
    return grpc.aio.insecure_channel(gateway.rpc.urls["grpc"].removeprefix("grpc://"))


def tls(gateway: Any, ca: Path) -> grpc.aio.Channel:
    credentials = grpc.ssl_channel_credentials(ca.read_bytes())
    return grpc.aio.secure_channel(gateway.rpc.urls["grpcs"].removeprefix("grpcs://"), credentials)


async def events(call: Any) -> list[Any]:
    """Everything that a call says, and nothing of how it ends."""
    told = []
    try:
        while (message := await call.read()) is not grpc.aio.EOF:
            told.append(read_event(message))
    except grpc.aio.AioRpcError:
        pass
    return told


@pytest.mark.parametrize("door", ["grpc", "grpcs"])
async def test_types_by_reflection_and_a_session_with_them(tmp_path: Path, door: str) -> None:
    """As grpcurl does it: no .proto at hand."""
    async with doors(tmp_path) as gateway:
        target = gateway.rpc.urls[door].partition("://")[2]
        credentials = grpc.ssl_channel_credentials((tmp_path / "state/ca.pem").read_bytes())

        def talk() -> list[Any]:
            channel = (
                grpc.insecure_channel(target)
                if door == "grpc"
                else grpc.secure_channel(target, credentials)
            )
            with channel:
                database = ProtoReflectionDescriptorDatabase(channel)
                assert "ossicle.v1.Speech" in database.get_services()
                pool = descriptor_pool.DescriptorPool(database)
                service = pool.FindServiceByName("ossicle.v1.Speech")
                assert {each.name for each in service.methods} >= {"Stream", "Listen", "Recognize"}
                kind = message_factory.GetMessageClass
                request = kind(pool.FindMessageTypeByName("ossicle.v1.StreamRequest"))
                response = kind(pool.FindMessageTypeByName("ossicle.v1.StreamResponse"))
                stream = channel.stream_stream(
                    SPEECH + "Stream",
                    request_serializer=request.SerializeToString,
                    response_deserializer=response.FromString,
                )
                audio = marked_audio([1, 2, 0, 3])
                said = [request(start={"encoding": "pcm_s16le", "sample_rate": 16_000})]
                said += [
                    request(audio=audio[at : at + 3_200]) for at in range(0, len(audio), 3_200)
                ]
                said.append(request(finalize={}, ref="mine"))
                return list(stream(iter(said), timeout=20))

        answers = await asyncio.to_thread(talk)
        assert answers[0].event.WhichOneof("event") == "began"
        assert answers[-1].event.WhichOneof("event") == "ended"
        finals = [a.event for a in answers if a.event.transcript.final]
        assert [each.transcript.text for each in finals] == ["w1 w2", "w3"]
        assert finals[-1].ref == "mine"
        page = (await ask(gateway.url, method="GET", path="/metrics")).body.decode()
        assert 'ossicle_sessions_opened_total{transport="grpc"} 1.0' in page
    record("ossicle.v1 Speech/Stream", sdk="grpcio", version=version("grpcio"),
           language="Python", door=door, use="types by reflection, live")  # fmt: skip


async def test_reflection_by_its_newer_name(tmp_path: Path) -> None:
    """The messages of v1 and v1alpha are the same on the wire."""
    from grpc_reflection.v1alpha import reflection_pb2

    async with doors(tmp_path) as gateway, plain(gateway) as channel:
        call = channel.stream_stream("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo")()
        asked = reflection_pb2.ServerReflectionRequest(file_containing_symbol="ossicle.v1.Speech")
        await call.write(asked.SerializeToString())
        answer = reflection_pb2.ServerReflectionResponse.FromString(await call.read())
        assert b"speech.proto" in answer.file_descriptor_response.file_descriptor_proto[0]
        await call.done_writing()
        assert await call.code() == grpc.StatusCode.OK


async def test_health_says_what_readyz_says(tmp_path: Path) -> None:
    async with doors(tmp_path, drain_s=5.0) as gateway, plain(gateway) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        for name in ("", "ossicle.v1.Speech"):
            answer = await stub.Check(health_pb2.HealthCheckRequest(service=name))
            assert answer.status == SERVING
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub.Check(health_pb2.HealthCheckRequest(service="nobody"))
        assert refused.value.code() == grpc.StatusCode.NOT_FOUND
        watched = stub.Watch(health_pb2.HealthCheckRequest())
        assert (await watched.read()).status == SERVING
        gateway.house.draining = True
        answer = await asyncio.wait_for(watched.read(), 5)
        assert answer.status == NOT_SERVING
        gateway.house.draining = False
        assert (await asyncio.wait_for(watched.read(), 5)).status == SERVING


class Names(asyncio.DatagramProtocol):
    """A name server: whatever is asked for, in IPv4, is at these addresses (RFC 1035)."""

    def __init__(self, addresses: list[str]) -> None:
        self.addresses = addresses

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        end = data.index(0, 12) + 5  # the question: labels, an empty one, type and class
        found = self.addresses if data[end - 4 : end - 2] == b"\0\1" else []
        answers = b"".join(
            b"\xc0\x0c\0\1\0\1\0\0\0\1\0\4" + bytes(map(int, each.split("."))) for each in found
        )
        head = data[:2] + b"\x85\x80\0\1" + len(found).to_bytes(2, "big") + bytes(4)
        self._transport.sendto(head + data[12:end] + answers, addr)


async def test_a_name_with_two_addresses_is_balanced_and_its_health_is_watched(
    tmp_path: Path,
) -> None:
    """Calls take turns; one that says that it does not serve gets none until it does again."""
    loop = asyncio.get_running_loop()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = {"grpc_tls_port": None, "grpc_port": port}
    async with (
        doors(tmp_path / "a", host="127.0.0.1", **settings) as first,
        doors(tmp_path / "b", host="127.0.0.2", **settings) as second,
    ):
        names, _ = await loop.create_datagram_endpoint(
            lambda: Names(["127.0.0.1", "127.0.0.2"]), local_addr=("127.0.0.1", 0)
        )
        asked = names.get_extra_info("sockname")[1]
        shared = share(Target(f"dns://127.0.0.1:{asked}/speech.example:{port}"), GrpcSettings())

        async def served_by() -> str:
            call = shared.channel.stream_stream(SPEECH + "Stream")()
            await call.write(START)
            began = read_event(await call.read())
            assert isinstance(began, Began)
            call.cancel()
            return began.token.partition(".")[0]

        async def round_of(calls: int = 4) -> set[str]:
            return {await served_by() for _ in range(calls)}

        async def until_round_is(nodes: set[str]) -> None:
            async with asyncio.timeout(10):
                while await round_of() != nodes:
                    await asyncio.sleep(0.05)

        try:
            both = {first.house.node, second.house.node}
            await until_round_is(both)
            turns = [await served_by() for _ in range(4)]
            assert turns[0] == turns[2] != turns[1] == turns[3]
            first.house.draining = True
            await until_round_is({second.house.node})
            assert await round_of(8) == {second.house.node}
            first.house.draining = False
            await until_round_is(both)
        finally:
            await shared.release()
            names.close()


async def test_a_stopping_gateway_lets_calls_finish_and_takes_no_new_ones(tmp_path: Path) -> None:
    async with doors(tmp_path, drain_s=8.0) as gateway, plain(gateway) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        watched = stub.Watch(health_pb2.HealthCheckRequest())
        await watched.read()
        call = channel.stream_stream(SPEECH + "Stream")()
        await call.write(START)
        assert isinstance(read_event(await call.read()), Began)
        leaving = asyncio.create_task(_leave(gateway))
        assert (await asyncio.wait_for(watched.read(), 5)).status == NOT_SERVING
        await call.write(audio_out(marked_audio([1, 2])))
        await call.done_writing()
        told = await events(call)
        assert await call.code() == grpc.StatusCode.OK
        assert [word.text for word in marked_words(told)] == ["w1", "w2"]
        await asyncio.wait_for(leaving, 5)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub.Check(health_pb2.HealthCheckRequest(), timeout=3)
        assert refused.value.code() == grpc.StatusCode.UNAVAILABLE


async def _leave(gateway: Any) -> None:
    stopping = asyncio.ensure_future(gateway.rpc.stop(8.0))
    await gateway.house.drain()
    await gateway.rpc.stop(0.2)
    await stopping


async def test_a_changed_certificate_reaches_new_handshakes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serve, "_CERTIFICATES_EVERY_S", 0.05)
    first, second = local_certificates(tmp_path / "a"), local_certificates(tmp_path / "b")
    served = tmp_path / "served.pem"
    served.write_bytes(first.certificate.read_bytes())
    async with doors(tmp_path, grpc_port=None, certificate=served) as gateway:
        assert list(gateway.rpc.urls) == ["grpcs"]
        async with tls(gateway, first.authority) as channel:
            await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
        served.write_bytes(second.certificate.read_bytes())

        async def trusted() -> bool:
            async with tls(gateway, second.authority) as channel:
                try:
                    stub = health_pb2_grpc.HealthStub(channel)
                    await stub.Check(health_pb2.HealthCheckRequest(), timeout=2)
                except grpc.aio.AioRpcError:
                    return False
                return True

        async with asyncio.timeout(10):
            while not await trusted():
                await asyncio.sleep(0.05)


@pytest.mark.parametrize("name", ["authorization", "x-api-key", "x-goog-api-key"])
async def test_keys_in_metadata(tmp_path: Path, name: str) -> None:
    secret = KeyFile(tmp_path / "state" / "keys.json").add("me").key
    scheme = "Bearer " if name == "authorization" else ""
    async with doors(tmp_path) as gateway, plain(gateway) as channel:
        stream = channel.stream_stream(SPEECH + "Stream")
        call = stream(metadata=((name, scheme + secret),))
        await call.write(START)
        await call.done_writing()
        assert isinstance((await events(call))[0], Began)
        for wrong in (((name, scheme + "wrong"),), ()):
            call = stream(metadata=wrong)
            await call.write(START)
            assert await call.code() == grpc.StatusCode.UNAUTHENTICATED
            assert "wrong" not in await call.details()
            fault = dict(await call.trailing_metadata())["ossicle-fault-bin"]
            assert b"unauthorized" in fault
        assert not gateway.house.sessions


async def test_listen_follows_a_session_of_another_wire(tmp_path: Path) -> None:
    async with doors(tmp_path) as gateway, plain(gateway) as channel:
        async with Talk.open(gateway.url, encoding="pcm_s16le") as talk:
            name = talk.messages[0]["session"]
            call = channel.stream_stream(SPEECH + "Listen")()
            await call.write(write_listen(Join(session=name), False))
            await call.done_writing()
            assert read_event(await call.read()).session == name
            await talk.audio(marked_audio([1, 2, 0]))
            await talk.socket.send('{"type": "end"}')
            told = await events(call)
        assert await call.code() == grpc.StatusCode.OK
        assert [word.text for word in marked_words(told)] == ["w1", "w2"]
        assert isinstance(told[-1], Ended)


async def test_one_recording_one_answer(tmp_path: Path) -> None:
    async with doors(tmp_path) as gateway, plain(gateway) as channel:
        ask_once = channel.unary_unary(SPEECH + "Recognize")
        pcm = marked_audio([1, 2, 0, 3])
        answer = await ask_once(write_question(Configure(format=AudioFormat()), pcm))
        said, heard_ms, session, engine = read_answer(answer)
        assert [each.text for each in said] == ["w1 w2", "w3"]
        assert (heard_ms, engine) == (len(pcm) // 32, "scripted")
        assert session
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await ask_once(write_question(Configure(format=AudioFormat("wav")), b"no wav at all"))
        assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
        long = marked_audio([1, 0] * 150)  # 5 MB would be over grpc's own limit of 4
        long += bytes((5 << 20) - len(long))
        said, *_ = read_answer(
            await ask_once(write_question(Configure(format=AudioFormat()), long))
        )
        assert len(said) == 150
        await until(lambda: not gateway.house.sessions)


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (audio_out(bytes(640)), grpc.StatusCode.INVALID_ARGUMENT),
        (b"\xff\xff\xff", grpc.StatusCode.INVALID_ARGUMENT),
        (b"", grpc.StatusCode.INVALID_ARGUMENT),
        (
            write_start(Configure(patch={"recognition": {"turns": {"threshold": 7.0}}})),
            grpc.StatusCode.INVALID_ARGUMENT,
        ),
        (write_start(Configure(join=Join(token="a.b.c"))), grpc.StatusCode.NOT_FOUND),
        (
            write_start(Configure(join=Join(session="nobody", role="observer"))),
            grpc.StatusCode.NOT_FOUND,
        ),
    ],
)
async def test_a_first_message_that_is_none(tmp_path: Path, message: bytes, code: Any) -> None:
    async with doors(tmp_path, grpc_tls_port=None) as gateway, plain(gateway) as channel:
        call = channel.stream_stream(SPEECH + "Stream")()
        await call.write(message)
        assert await call.code() == code
        assert not gateway.house.sessions


async def test_a_missing_extra_is_one_line_and_the_rest_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "ossicle.gateway.doors.rpchealth", None)
    monkeypatch.delitem(sys.modules, "grpc_health.v1", raising=False)
    with caplog.at_level(logging.WARNING):
        async with gateway_with(tmp_path, grpc_port=0) as gateway:
            assert gateway.rpc is None
            assert (await ask(gateway.url, method="GET", path="/healthz")).status == 200
    (line,) = [each.getMessage() for each in caplog.records if "gRPC" in each.getMessage()]
    assert "pip install 'ossicle[grpc]'" in line


async def test_the_usual_port_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with doors(tmp_path) as other:
        number = int(other.rpc.urls["grpc"].rpartition(":")[2])
        with pytest.raises(OSError, match=str(number)):
            async with gateway_with(tmp_path / "a", grpc_port=number):
                pass
        monkeypatch.setattr(rpc, "_USUAL", {"grpc_port": number, "grpc_tls_port": 50_052})
        with caplog.at_level(logging.WARNING):
            async with gateway_with(tmp_path / "b", grpc_port=number) as gateway:
                assert gateway.rpc is None
        assert f"{number} cannot be opened" in caplog.text


def clip() -> bytes:
    folder = os.environ.get("OSSICLE_CLIPS")
    if not folder or not Path(folder, "go-forward.wav").is_file():
        missing("go-forward.wav is needed in the folder that OSSICLE_CLIPS names")
    with wave.open(str(Path(folder or "", "go-forward.wav"))) as file:
        return file.readframes(file.getnframes())


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
async def test_the_engine_that_forks_beside_grpcs_threads(tmp_path: Path) -> None:
    """`ossicle serve` as people start it: pocketsphinx workers are forked while gRPC lives, one is
    killed, another takes its place, and SIGTERM ends all of it."""
    sound = clip()
    async with GatewayProcess.start("--grpc-port", "0", tmp_path=tmp_path) as served:
        await until(lambda: bool(served.grpc), 20)
        async with grpc.aio.insecure_channel(served.grpc) as channel:
            stub = health_pb2_grpc.HealthStub(channel)

            async def ready() -> bool:
                answer = await stub.Check(health_pb2.HealthCheckRequest())
                return answer.status == SERVING

            async with asyncio.timeout(60):
                while not await ready():
                    await asyncio.sleep(0.1)

            async def hear() -> str:
                call = channel.stream_stream(SPEECH + "Stream")()
                await call.write(START)
                for at in range(0, len(sound), 3_200):
                    await call.write(audio_out(sound[at : at + 3_200]))
                await call.done_writing()
                told = await events(call)
                assert await call.code() == grpc.StatusCode.OK, await call.details()
                return " ".join(e.text for e in told if isinstance(e, Transcript) and e.final)

            texts = await asyncio.gather(*(hear() for _ in range(3)))
            assert all("go forward ten meters" in text for text in texts), texts
            worker = next(iter(forked(served.process.pid)))
            os.kill(worker, signal.SIGKILL)
            assert "go forward ten meters" in await hear()
        served.signal(signal.SIGTERM)
        assert await served.exited(15) == 0
        assert not re.search(r"Traceback|fork", served.text), served.text


def forked(root: int) -> list[int]:
    """Grandchildren of a process: what the zygote forked."""
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents[int(stat.parent.name)] = int(fields[1])
    children = [pid for pid, parent in parents.items() if parent == root]
    return [pid for pid, parent in parents.items() if parent in children]


def test_settings_of_the_door_have_names() -> None:
    from ossicle.gateway.configuration.naming import SETTINGS
    from ossicle.transports.grpc.settings import GrpcSettings

    fields = {field.name for field in msgspec.structs.fields(GrpcSettings)}
    assert {f"grpc.{name}" for name in fields} <= SETTINGS.keys()
