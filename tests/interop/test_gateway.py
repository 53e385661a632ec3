"""The gateway end to end: `curl`, chunked HTTP, server-sent events, WebSocket, observers, TLS."""

import asyncio
import contextlib
import json
import shutil
import ssl
import struct

import pytest

from harness import (
    GatewayProcess,
    Talk,
    address,
    ask,
    chunks,
    gateway_with,
    heard,
    missing,
    pieces,
    read_head,
    until,
    words_of,
)
from ossicle.core.options import Options
from ossicle.gateway.doors.certificates import local_certificates
from ossicle.testing.marked import marked_audio

pytestmark = pytest.mark.interop

PCM = "encoding=pcm_s16le&sample_rate=16000"
WORDS = [1, 2, 3, 0, 4, 5]
SAID = [f"w{number}" for number in WORDS if number]


@pytest.fixture
async def gateway(tmp_path):
    async with gateway_with(tmp_path) as it:
        yield it


def wav(data: bytes, channels: int = 1) -> bytes:
    return (
        struct.pack("<4sI4s", b"RIFF", len(data) + 36, b"WAVE")
        + struct.pack(
            "<4sIHHIIHH", b"fmt ", 16, 1, channels, 16000, 32000 * channels, 2 * channels, 16
        )
        + struct.pack("<4sI", b"data", len(data))
        + data
    )


async def curl(*arguments: str) -> str:
    """curl's own output; fails with it."""
    program = shutil.which("curl")
    if program is None:
        missing("curl is needed (Debian package curl)")
    process = await asyncio.create_subprocess_exec(
        str(program), "--silent", "--show-error", "--max-time", "30", *arguments,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, complaint = await process.communicate()
    assert process.returncode == 0, complaint
    return out.decode()


# ── curl ──


async def test_curl_of_a_wav_returns_its_words(gateway, tmp_path):
    file = tmp_path / "speech.wav"
    file.write_bytes(wav(marked_audio(WORDS)))
    out = await curl("--data-binary", f"@{file}", f"{gateway.url}/v1/stream")
    lines = [json.loads(line) for line in out.splitlines()]
    assert words_of(lines) == SAID
    assert [lines[0]["type"], lines[-1]["type"]] == ["began", "ended"]
    assert lines[-1]["reason"] == "done"
    out = await curl("-T", str(file), "-X", "POST", "-H", "accept: text/plain",
                     f"{gateway.url}/v1/stream")  # fmt: skip
    assert out == "w1 w2 w3\nw4 w5\n"


async def test_curl_reads_server_sent_events(gateway, tmp_path):
    file = tmp_path / "speech.wav"
    file.write_bytes(wav(marked_audio(WORDS)))
    out = await curl("-i", "--data-binary", f"@{file}", "-H", "accept: text/event-stream",
                     f"{gateway.url}/v1/stream")  # fmt: skip
    head, _, body = out.replace("\r", "").partition("\n\n")
    assert "content-type: text/event-stream" in head.lower()
    events = []
    for block in body.strip().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines())
        message = json.loads(fields["data"])
        assert fields["event"] == message["type"]
        if "id" in fields:
            assert int(fields["id"]) == message["seq"]
        events.append(message)
    assert words_of(events) == SAID


async def test_curl_of_an_error_is_a_4xx(gateway, tmp_path):
    file = tmp_path / "speech.txt"
    file.write_text("this is no sound at all, it is a text")
    out = await curl("-w", "\n%{http_code}", "--data-binary", f"@{file}",
                     f"{gateway.url}/v1/stream")  # fmt: skip
    body, _, status = out.rpartition("\n")
    assert status == "400"
    assert json.loads(body)["error"]["code"] == "bad_audio"


class Loudness:
    """An engine that says, for each second it hears, how loud it was."""

    capabilities = heard().capabilities

    def __init__(self) -> None:
        self.bytes = 0

    async def open(self, options: Options, sink):
        from ossicle.core.commands import End
        from ossicle.core.events import Ended, Transcript

        outer = self

        class Stream:
            def __init__(self) -> None:
                self.data = bytearray()

            def audio(self, data: bytes) -> None:
                self.data += data

            def ask(self, command) -> None:
                if isinstance(command, End):
                    outer.bytes = len(self.data)
                    samples = memoryview(bytes(self.data)).cast("h")
                    loud = "loud" if max(samples[4000:12000], default=0) > 5000 else "quiet"
                    sink.tell(Transcript(text=loud, final=True, ends_turn=True))
                    sink.tell(Ended(reason="done"))

            def credit(self, until_ms: int) -> None: ...

            def abort(self) -> None: ...

        return Stream()


@pytest.mark.parametrize(
    ("container", "codec", "rate"),
    [
        ("wav", "pcm_s16le", 44100),
        ("wav", "pcm_mulaw", 8000),
        ("webm", "libopus", 48000),
        ("ogg", "libopus", 48000),
        ("mp3", "libmp3lame", 44100),
        ("flac", "flac", 48000),
    ],
)
@pytest.mark.parametrize("channels", [1, 2])
async def test_curl_of_every_container(tmp_path, container, codec, rate, channels):
    file = tmp_path / f"tone.{container}"
    tone(file, container, codec, rate, channels)
    engine = Loudness()
    async with gateway_with(tmp_path, engine) as gateway:
        out = await curl("--data-binary", f"@{file}", "-H", "accept: text/plain",
                         f"{gateway.url}/v1/stream")  # fmt: skip
        assert out == "loud\n"
        assert abs(engine.bytes - 32_000) < 32_000 // 8  # one second, but for the codec's edges


def tone(file, container: str, codec: str, rate: int, channels: int) -> None:
    """One second of 440 Hz, by FFmpeg's encoders."""
    import av
    import numpy as np

    layout = ("mono", "stereo")[channels - 1]
    one = (np.sin(2 * np.pi * 440 * np.arange(rate) / rate) * 12000).astype("<i2")
    frame = av.AudioFrame.from_ndarray(
        np.repeat(one, channels).reshape(1, -1), format="s16", layout=layout
    )
    frame.sample_rate, frame.pts = rate, 0
    with av.open(str(file), "w", format=container) as out:
        stream = out.add_stream(codec, rate=rate, layout=layout)
        kind = "s16p" if codec == "libmp3lame" else "s16"
        stream.codec_context.format = kind
        stream.codec_context.open()
        cut = av.AudioResampler(kind, layout, rate, stream.codec_context.frame_size or None)
        for part in [*cut.resample(frame), *cut.resample(None)]:
            out.mux(stream.encode(part))
        out.mux(stream.encode(None))


# ── HTTP both ways at once ──


@contextlib.asynccontextmanager
async def post(url: str, query: str = PCM, accept: str = "application/x-ndjson"):
    """A request whose body goes on: (send, lines, writer)."""
    reader, writer = await asyncio.open_connection(*address(url))
    writer.write(
        f"POST /v1/stream?{query} HTTP/1.1\r\nHost: localhost\r\nAccept: {accept}\r\n"
        "Transfer-Encoding: chunked\r\n\r\n".encode()
    )

    def send(data: bytes) -> None:
        writer.write(b"%x\r\n%b\r\n" % (len(data), data))

    async def lines():
        status, _ = await read_head(reader)
        assert status == 200
        async for piece in chunks(reader):
            for line in piece.splitlines():
                yield json.loads(line)

    try:
        async with asyncio.timeout(10):
            yield send, lines(), writer
    finally:
        writer.transport.abort()


async def test_words_come_while_the_body_is_still_being_sent(gateway):
    async with post(gateway.url) as (send, lines, writer):
        for number in (1, 2, 3):
            send(marked_audio([number, 0]))
            async for line in lines:
                if line["type"] == "transcript" and line["final"]:
                    assert line["text"] == f"w{number}"
                    break
        writer.write(b"0\r\n\r\n")
        rest = [line async for line in lines]
        assert rest[-1]["type"] == "ended"
        assert rest[-1]["reason"] == "done"


async def test_a_client_that_leaves_in_the_middle_is_forgotten(gateway):
    async with post(gateway.url) as (send, lines, writer):
        send(marked_audio([1, 0]))
        async for line in lines:
            if line["type"] == "transcript" and line["final"]:
                break
        assert len(gateway.house.sessions) == 1
        writer.transport.abort()
        await until(lambda: all(s.owner is None for s in gateway.house.sessions.values()))
    await until(lambda: not gateway.house.sessions)


# ── WebSocket ──


async def test_keep_alive_is_not_answered_and_not_counted(gateway):
    async with Talk.open(gateway.url, encoding="pcm_s16le") as talk:
        for _ in range(3):
            await talk.say("keep_alive")
        await talk.say("finalize", ref="now")
        final = await talk.until("transcript", ref="now")
        flow = await talk.until("flow", taken_commands=1)
        assert final["text"] == ""
        assert flow["taken_bytes"] == 0
        assert not talk.of("notice")


async def test_finalize_is_answered_once_and_words_go_on(gateway):
    async with Talk.open(gateway.url, encoding="pcm_s16le") as talk:
        await talk.audio(marked_audio([1, 2]))
        await talk.say("finalize", ref="cut")
        final = await talk.until("transcript", ref="cut")
        assert final["final"]
        assert final["ends_turn"]
        assert final["text"] == "w1 w2"
        await talk.audio(marked_audio([3, 0]))
        await talk.say("end")
        await talk.ended()
        assert talk.words() == ["w1", "w2", "w3"]
        assert len(talk.of("transcript", ref="cut")) == 1


async def test_an_observer_sees_everything(gateway):
    async with Talk.open(gateway.url, encoding="pcm_s16le") as owner:
        await owner.audio(marked_audio([1, 2, 0]))
        await owner.until("transcript", final=True)
        async with (
            Talk.open(gateway.url, session=owner.began["session"]) as early,
            Talk.open(gateway.url, session=owner.began["session"], since=3) as late,
        ):
            await owner.audio(marked_audio([3, 0]))
            await owner.say("end")
            await owner.ended()
            for observer in (early, late):
                await observer.ended()
                assert observer.began.get("token", "") == ""
                assert not observer.of("flow")
            told = [m for m in owner.messages if m.get("seq")]
            assert early.words() == owner.words() == ["w1", "w2", "w3"]
            by_number = {m["seq"]: m for m in told}
            for message in early.messages[1:]:
                assert by_number[message["seq"]] == message
            assert all(m["seq"] > 3 for m in late.messages[1:])


@pytest.mark.parametrize("wire", ["websocket", "http"])
async def test_each_channel_has_its_own_words(gateway, wire):
    left, right = marked_audio([1, 2, 0, 3]), marked_audio([11, 0, 12, 13])
    both = b"".join(a + b for a, b in zip(pieces(left, 2), pieces(right, 2), strict=True))
    query = {"encoding": "pcm_s16le", "channels": 2, "multichannel": "split"}
    if wire == "http":
        answer = await ask(gateway.url, wav(both, 2), path="/v1/stream?multichannel=split")
        messages = answer.lines
    else:
        async with Talk.open(gateway.url, **query) as talk:
            await talk.audio(both, 1280)
            await talk.say("end")
            await talk.ended()
            messages = talk.messages
    assert words_of(messages, 0) == ["w1", "w2", "w3"]
    assert words_of(messages, 1) == ["w11", "w12", "w13"]
    assert messages[-1]["reason"] == "done"


async def test_the_lists_and_the_figures(gateway):
    assert (await ask(gateway.url, method="GET", path="/healthz")).body == b"alive\n"
    assert (await ask(gateway.url, method="GET", path="/readyz")).json == {"ready": True}
    async with Talk.open(gateway.url, encoding="pcm_s16le", label="mine") as talk:
        (listed,) = (await ask(gateway.url, method="GET", path="/v1/sessions")).json["sessions"]
        assert listed["session"] == talk.began["session"]
        assert listed["label"] == "mine"
        page = (await ask(gateway.url, method="GET", path="/metrics")).body.decode()
        assert "ossicle_sessions 1.0" in page
        # a page that had our address renamed to its own may not read the list
        stranger = {"host": "rebound.example"}
        refused = await ask(gateway.url, method="GET", path="/v1/sessions", headers=stranger)
        assert refused.status == 403


# ── TLS ──


async def test_certificates_that_change_reach_new_connections(tmp_path, monkeypatch):
    monkeypatch.setattr("ossicle.gateway.serve._CERTIFICATES_EVERY_S", 0.05)
    folder = tmp_path / "own"
    files = local_certificates(folder)
    async with gateway_with(
        tmp_path, tls_port=0, certificate=files.certificate, key=files.key
    ) as gateway:
        port = gateway.doors["https"].port
        trust = ssl.create_default_context(cafile=str(files.authority))

        async def serial() -> int:
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trust)
            name = writer.get_extra_info("ssl_object").getpeercert()["serialNumber"]
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            assert b"alive" in await reader.read()
            writer.close()
            return int(name, 16)

        first = await serial()
        good = files.certificate.read_bytes()
        files.certificate.write_bytes(b"garbage")  # a bad renewal is not an outage
        await asyncio.sleep(0.2)
        assert await serial() == first
        files.certificate.write_bytes(good)
        other = local_certificates(folder, hosts=("gateway.example",))
        assert other.certificate == files.certificate
        async with asyncio.timeout(5):
            while await serial() == first:
                await asyncio.sleep(0.02)


# ── the command ──


async def test_the_command_serves_and_refuses_in_one_line(tmp_path):
    async with GatewayProcess.start("--engine", "scripted:heard", tmp_path=tmp_path) as it:
        answer = await ask(it.url, wav(marked_audio(WORDS)))
        assert answer.words == SAID
        port = address(it.url)[1]
        for flags, part in (
            ((), f"port {port} of 127.0.0.1 cannot be opened: Address already in use"),
            (("--host", "0.0.0.0"), "0.0.0.0 can be reached by others and no key is set"),
            (("--engine", "scripte:x"), "scripte"),
            (("--tls-port", "0", "--cert", str(tmp_path / "none.pem")), "none.pem"),
        ):
            process = await GatewayProcess.spawn(
                *flags, *(() if "--engine" in flags else ("--engine", "echo")),
                tmp_path=tmp_path, port=0 if "--engine" in flags or "--cert" in flags else port,
            )  # fmt: skip
            async with asyncio.timeout(20):
                _, complaint = await process.communicate()
            text = complaint.decode()
            assert process.returncode == 2, text
            assert part in " ".join(text.split())
            assert len(text.strip().splitlines()) == 1, text
            assert "Traceback" not in text
        it.process.terminate()
        assert await it.exited(10) == 0
