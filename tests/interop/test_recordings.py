"""Recordings by URL: read by the gateway as if the client had sent them, in Deepgram's words and in
ours; held back by a busy engine, ended when the client leaves, and never from where nobody may."""

import asyncio
import hashlib
import json
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect

from harness import Answer, Talk, address, ask, gateway_with, until
from ossicle.gateway.configuration.settings import FetchSettings
from ossicle.gateway.serve import Gateway
from ossicle.testing.house import HeldEngine
from ossicle.testing.marked import marked_audio
from remote import Remote, cut, page, redirect, silent, wav

RECORDING = wav(marked_audio([1, 2, 0, 3, 0]))
HERE = {"allow_hosts": ("127.0.0.1",)}
JSON = {"content-type": "application/json"}


@pytest.fixture
async def remote() -> AsyncIterator[Remote]:
    async with Remote({"/a.wav": page(RECORDING)}).running() as it:
        yield it


async def transcribe(gateway: Gateway, url: str, query: str = "model=nova-3") -> Answer:
    """As Deepgram's SDKs ask for it."""
    body = json.dumps({"url": url}).encode()
    return await ask(gateway.url, body, path=f"/v1/listen?{query}", headers=JSON)


async def stream(gateway: Gateway, url: str, **headers: str) -> Answer:
    """As `curl -X POST` asks for it."""
    return await ask(gateway.url, path=f"/v1/stream?audio_from={url}", headers=headers)


def counted(gateway: Gateway, outcome: str) -> float:
    text = gateway.house.metrics.page().decode()
    for line in text.splitlines():
        if line.startswith(f'ossicle_recordings_total{{outcome="{outcome}"}}'):
            return float(line.split()[1])
    return 0.0


async def test_deepgram_and_native(tmp_path: Path, remote: Remote) -> None:
    remote.pages["/moved"] = redirect("/a.wav?again=1", 307)
    async with gateway_with(tmp_path, **HERE) as gateway:
        for path in ("/a.wav?key=hush", "/moved"):
            answer = await transcribe(gateway, remote.url(path))
            assert answer.status == 200
            reading = answer.json["results"]["channels"][0]["alternatives"][0]
            assert reading["transcript"] == "w1 w2 w3"
            metadata = answer.json["metadata"]
            assert metadata["sha256"] == hashlib.sha256(RECORDING).hexdigest()
            assert metadata["duration"] == pytest.approx((len(RECORDING) - 44) / 32_000, abs=0.001)
        lines = await stream(gateway, remote.url("/a.wav"))
        assert lines.words == ["w1", "w2", "w3"]
        assert lines.lines[-1]["type"] == "ended"
        words = await stream(gateway, remote.url("/a.wav"), accept="text/plain")
        assert words.body == b"w1 w2\nw3\n"
        raw = f"{remote.url('/raw')}&encoding=pcm_s16le&sample_rate=16000"
        remote.pages["/raw"] = page(RECORDING[44:])
        assert (await stream(gateway, raw)).words == ["w1", "w2", "w3"]
        assert counted(gateway, "read") == 5
        await until(lambda: not gateway.house.exits.recordings.running)


async def test_a_websocket_follows_it(tmp_path: Path, remote: Remote) -> None:
    async with (
        gateway_with(tmp_path, **HERE) as gateway,
        Talk.open(gateway.url, audio_from=remote.url("/a.wav")) as talk,
    ):
        ended = await talk.ended()
        assert ended["reason"] == "done"
        assert "error" not in ended
        assert talk.words() == ["w1", "w2", "w3"]
        assert talk.close[0] == 1000


async def test_audio_beside_the_url_is_refused(tmp_path: Path, remote: Remote) -> None:
    remote.pages["/slow"] = silent(RECORDING[:4000])
    async with gateway_with(tmp_path, **HERE) as gateway:
        where = f"/v1/stream?audio_from={remote.url('/slow')}"
        both = await ask(gateway.url, bytes(3200), path=where)
        assert (both.status, both.json["error"]["code"]) == (400, "bad_message")
        await until(lambda: not remote.open)
        async with Talk.open(gateway.url, audio_from=remote.url("/slow")) as talk:
            await talk.socket.send(b"\0" * 640)
            notice = await talk.until("notice", code="bad_message")
            assert notice["level"] == "error"
        await until(lambda: not remote.open)
        for more in ("overload=drop_oldest", "session=x", "resume=x"):
            over = await ask(gateway.url, path=f"{where}&{more}")
            assert (over.status, over.json["error"]["code"]) == (400, "bad_option"), more


@pytest.mark.parametrize(
    ("name", "status", "code", "native"),
    [
        ("/missing", 400, "REMOTE_CONTENT_ERROR", 422),
        ("/down", 400, "REMOTE_CONTENT_ERROR", 422),
        ("/empty", 400, "REMOTE_CONTENT_ERROR", 422),
        ("/html", 400, "REMOTE_CONTENT_ERROR", 422),
        ("/cut", 400, "REMOTE_CONTENT_ERROR", 200),
        ("/stalls", 400, "REMOTE_CONTENT_ERROR", 200),
        ("/noise", 400, "Bad Request", 400),
        ("/large", 413, "PAYLOAD_TOO_LARGE", 413),
        ("/inside", 403, "INSUFFICIENT_PERMISSIONS", 403),
    ],
)
async def test_trouble_is_told_in_the_dialects_own_words(
    tmp_path: Path, remote: Remote, name: str, status: int, code: str, native: int
) -> None:
    remote.pages |= {
        "/down": page(b"later", 503),
        "/empty": page(b""),
        "/html": page(b"<html>sorry</html>", headers=("content-type: text/html",)),
        "/cut": cut(RECORDING[:20_000], len(RECORDING)),
        "/stalls": silent(RECORDING[:20_000]),
        "/noise": page(b"certainly no recording " * 500),
        "/large": page(bytes(600_000)),
        "/inside": redirect("http://169.254.169.254/latest/meta-data"),
    }
    fetch = FetchSettings(stall_s=0.3, most_bytes=500_000)
    async with gateway_with(tmp_path, fetch=fetch, **HERE) as gateway:
        answer = await transcribe(gateway, remote.url(name + "?key=hush"))
        assert answer.status == status
        assert answer.json["err_code"] == code
        assert set(answer.json) == {"err_code", "err_msg", "request_id"}
        assert "hush" not in answer.json["err_msg"]
        ours = await stream(gateway, remote.url(name))
        assert ours.status == native
        error = (ours.json if native != 200 else ours.lines[-1])["error"]
        assert error["text"] == answer.json["err_msg"]
        await until(lambda: not gateway.house.exits.recordings.running and not remote.open)
        wanted = "stopped" if name == "/noise" else "failed"
        assert counted(gateway, wanted) == 2


async def test_only_what_is_listed(tmp_path: Path, remote: Remote) -> None:
    async with gateway_with(tmp_path) as gateway:
        for url in (
            remote.url("/a.wav"),
            "http://localhost/a",
            "http://10.0.0.1/",
            "http://[::1]/",
        ):
            answer = await transcribe(gateway, url)
            assert answer.status == 403, url
            assert answer.json["err_code"] == "INSUFFICIENT_PERMISSIONS"
            assert (await stream(gateway, url)).status == 403
        assert remote.heads == []
        assert not gateway.house.sessions


async def test_a_busy_engine_stops_the_sender(tmp_path: Path, remote: Remote) -> None:
    """Through the handshake, where the leg's channel is exchanged: native answers are accepted
    while the sound is being read."""
    sent = 0
    samples = bytes(64_000)

    async def long(writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 x\r\n\r\n")
        for _ in range(1_000):
            writer.write(samples)
            sent += len(samples)
            await writer.drain()

    remote.pages["/long"] = long
    engine = HeldEngine()
    async with gateway_with(tmp_path, engine, session={"unsent_ms": 500}, **HERE) as gateway:
        url = f"{remote.url('/long')}&encoding=pcm_s16le&sample_rate=16000"
        asking = asyncio.create_task(stream(gateway, url))
        await until(lambda: engine.streams)
        engine.streams[0].sink.credit(1_000)  # a second, and no more for now
        (session,) = gateway.house.sessions.values()
        await until(lambda: session.owner is not None)
        before = -1
        while before != sent:
            before = sent
            await asyncio.sleep(0.1)
        assert sent < 16 << 20, "of 64 MB"
        waits = session.journal.waiting
        assert waits < 100_000, "half a second, and a piece"
        for until_ms in range(2_000, 60_000, 1_000):
            engine.streams[0].sink.credit(until_ms)
            await asyncio.sleep(0)
        await until(lambda: sent > before)
        assert session.journal.waiting < 100_000
        asking.cancel()
        await asyncio.wait([asking])
        await until(lambda: not remote.open, what="the client left: nothing more is read")
        await until(lambda: not gateway.house.sessions)
        assert counted(gateway, "stopped") == 1


async def test_a_client_that_leaves_ends_it(tmp_path: Path, remote: Remote) -> None:
    remote.pages["/stalls"] = silent(RECORDING[:4000])
    async with gateway_with(tmp_path, **HERE) as gateway:
        host, port = address(gateway.url)
        for dialect in ("deepgram", "native"):
            _, writer = await asyncio.open_connection(host, port)
            if dialect == "deepgram":
                body = json.dumps({"url": remote.url("/stalls")})
                line = "POST /v1/listen HTTP/1.1\r\ncontent-type: application/json"
            else:
                body = ""
                line = f"POST /v1/stream?audio_from={remote.url('/stalls')} HTTP/1.1"
            head = f"{line}\r\nhost: localhost\r\ncontent-length: {len(body)}\r\n\r\n"
            writer.write(head.encode() + body.encode())
            await until(lambda: remote.open == 1)
            await until(lambda: any(s.owner for s in gateway.house.sessions.values()))
            writer.transport.abort()
            await until(lambda: not remote.open)
            await until(lambda: not gateway.house.sessions)
        where = f"ws://{host}:{port}/v1/stream?audio_from={remote.url('/stalls')}"
        async with connect(where, proxy=None, compression=None) as wire:
            await wire.recv()
            await until(lambda: remote.open == 1)
            wire.transport.abort()
            await until(lambda: not remote.open)
        assert counted(gateway, "stopped") == 3


async def test_a_stopping_gateway_does_not_wait_for_a_sender(
    tmp_path: Path, remote: Remote
) -> None:
    remote.pages["/stalls"] = silent(RECORDING[:4000])
    async with gateway_with(tmp_path, drain_s=0.5, **HERE) as gateway:
        asking = asyncio.create_task(transcribe(gateway, remote.url("/stalls")))
        await until(lambda: remote.open == 1)
        await until(lambda: any(s.owner for s in gateway.house.sessions.values()))
    assert not remote.open
    answer = await asking
    assert answer.status == 503


async def test_no_log_holds_the_url(
    tmp_path: Path, remote: Remote, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with gateway_with(tmp_path, **HERE) as gateway:
        await transcribe(gateway, remote.url("/a.wav?key=hush"))
        await transcribe(gateway, remote.url("/secret/path?key=hush"))
        await transcribe(gateway, "http://169.254.169.254/secret?key=hush")
        await until(lambda: not gateway.house.sessions)
    everything = "\n".join(
        f"{record.getMessage()} {record.__dict__}"
        for record in caplog.records
        if record.name.startswith("ossicle")
    )
    assert "hush" not in everything
    assert "secret" not in everything
    (read, failed) = [r.__dict__ for r in caplog.records if r.getMessage() == "recording"]
    assert (read["outcome"], failed["outcome"]) == ("read", "failed")
    assert (read["host"], read["bytes"]) == ("127.0.0.1", len(RECORDING))


async def test_a_callback_is_answered_at_once_and_the_rest_goes_on_alone(
    tmp_path: Path, remote: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client is gone long before its recording is read; the answer is posted all the same."""
    monkeypatch.setenv("OSSICLE_WEBHOOK_SECRET", "whsec_" + "a" * 32)
    posted: list[dict[str, Any]] = []
    go = asyncio.Event()

    async def later(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 x\r\n\r\n" + RECORDING[:9_000])
        await writer.drain()
        await go.wait()
        writer.write(RECORDING[9_000:])

    async def desk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.split("content-length: ")[1].split("\r\n")[0])
        posted.append(json.loads(await reader.readexactly(length)))
        writer.write(b"HTTP/1.1 200 x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
        writer.close()

    remote.pages["/later.wav"] = later
    server = await asyncio.start_server(desk, "127.0.0.1", 0)
    there = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/done"
    session = {"resume_window_s": 0.2}
    async with server, gateway_with(tmp_path, session=session, **HERE) as gateway:
        answer = await transcribe(gateway, remote.url("/later.wav"), f"callback={there}")
        assert answer.status == 200
        assert set(answer.json) == {"request_id"}
        await asyncio.sleep(0.5)
        assert remote.open == 1, "longer than a session waits for its client"
        assert not posted
        go.set()
        await until(lambda: posted)
        assert posted[0]["metadata"]["request_id"] == answer.json["request_id"]
        reading = posted[0]["results"]["channels"][0]["alternatives"][0]
        assert reading["transcript"] == "w1 w2 w3"
        answer = await transcribe(gateway, remote.url("/missing"), f"callback={there}")
        assert answer.status == 200
        await until(lambda: len(posted) == 2)
        assert posted[1]["err_code"] == "REMOTE_CONTENT_ERROR"
        assert posted[1]["request_id"] == answer.json["request_id"]
        await until(lambda: not gateway.house.sessions)
        assert (counted(gateway, "read"), counted(gateway, "failed")) == (1, 1)
