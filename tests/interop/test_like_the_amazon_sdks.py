"""Our client half for Amazon Transcribe beside Amazon's own SDKs: both ask the same of a server
that records, over HTTP/2 (Python) and over WebSocket (JavaScript, as bundled for a browser), and
what it saw is compared message for message. Dates, signatures and the program's own name are
masked; how signatures chain is checked in test_amazon.py, by a gateway that refuses wrong ones.

What differs, and why:

- Python's SDK writes `True`, as its language does; `true` is how Amazon's reference has it.
- Ours names the body's type (`content-type`, signed), as Amazon's reference and the JavaScript SDK
  do; Python's SDK leaves it out.
- JavaScript's SDK makes up a `session-id`. Ours sends one where its session has a UUID for a name,
  and else leaves the choice to the service.
- JavaScript's SDK lets a signed URL live for 60 s, and corrects its clock by what the service
  answers. Ours does not, and takes the 300 s that the service allows.
- The order of options and of a frame's headers is each one's own; neither has a meaning.
"""

import asyncio
import contextlib
import json
import os
import re
import ssl
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RequestReceived, StreamEnded
from websockets.asyncio.server import ServerConnection, serve

from ossicle.client.dial import dialer
from ossicle.core.commands import Audio, Configure, End
from ossicle.core.events import Ended, Event
from ossicle.core.formats import AudioFormat
from ossicle.core.link import Link
from ossicle.dialects.amazon import AmazonClient
from ossicle.dialects.amazon.eventstream import (
    STRING,
    Frame,
    FrameReader,
    Header,
    encode,
    read_frames,
)
from ossicle.gateway.doors.certificates import local_certificates
from sdks import javascript, python

pytestmark = [pytest.mark.interop, pytest.mark.timeout(60)]

SCRIPTS = Path(__file__).parent / "amazon"
KEY, SECRET = "AKTEAM", "5ecret/of+a=test"
PIECES = [bytes([number]) * 3_200 for number in range(1, 5)]
NOTHING = encode(
    Frame(
        (
            Header(":event-type", STRING, "TranscriptEvent"),
            Header(":content-type", STRING, "application/json"),
            Header(":message-type", STRING, "event"),
        ),
        b'{"Transcript":{"Results":[]}}',
    )
)
"""What the service says before it has heard anything."""
_DATE = re.compile(r"\d{8}T\d{6}Z|\d{8}(?=/)")
_SIGNATURE = re.compile(r"[0-9a-f]{64}")
_PROGRAM = {"user-agent", "x-amz-user-agent"}
_CONTENT = ("content-type", "application/vnd.amazon.eventstream")


class Seen(NamedTuple):
    """What one client sent. Each frame with what is in its envelope, if it has one."""

    target: dict[str, str]
    """Method, path, scheme; for a WebSocket its query."""
    headers: dict[str, str]
    frames: list[tuple[tuple[Header, ...], tuple[Header, ...] | None, bytes]]


def masked(name: str, value: str) -> str:
    if name in {":authority", "host"}:
        return "host"
    if value in {"True", "False"}:
        return value.lower()
    return _SIGNATURE.sub("signature", _DATE.sub("date", value))


def opened(frame: Frame) -> tuple[tuple[Header, ...], tuple[Header, ...] | None, bytes]:
    """A frame, and what its envelope holds; the date and the signature of that masked."""
    if not any(header.name == ":chunk-signature" for header in frame.headers):
        return tuple(sorted(frame.headers)), None, frame.payload
    outer = tuple(sorted(Header(each.name, each.kind, "masked") for each in frame.headers))
    if not frame.payload:
        return outer, None, b""
    (inner,) = read_frames(frame.payload)
    return outer, tuple(sorted(inner.headers)), inner.payload


async def run(*command: str, **env: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *command, env={**os.environ, **env},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        async with asyncio.timeout(40):
            out, complaint = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, complaint.decode()[-3_000:]
    assert b"FAILED" not in out, out
    assert b'"error"' not in out, out


async def ours(dialect: AmazonClient, wire: Any, url: str, patch: dict[str, Any], ca: Any) -> None:
    """The same conversation, by our half."""
    events: list[Event] = []

    class Owner:
        def told(self, link: Link, event: Event) -> None:
            events.append(event)

        def flowing(self, link: Link) -> None: ...

    link = Link(dialect, Owner())
    configure = Configure(
        patch={"recognition": patch}, format=AudioFormat(), credential=f"{KEY}:{SECRET}"
    )
    await dialer(url, wire, ca=ca)(dialect.open(configure), link.attach)
    for piece in PIECES:
        link.ask(Audio(data=piece))
    link.ask(End())
    async with asyncio.timeout(10):
        await link.over
    assert isinstance(events[-1], Ended)
    assert events[-1].error is None


# ── HTTP/2 ──


class Http2Recording(asyncio.Protocol):
    """One connection: takes a request to its end, and says nothing but that it did."""

    def __init__(self, seen: list[Seen]) -> None:
        self._seen = seen
        self._reader = FrameReader()
        self._h2 = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._wire = transport
        self._h2.initiate_connection()
        self._flush()

    def data_received(self, data: bytes) -> None:
        for event in self._h2.receive_data(data):
            match event:
                case RequestReceived(stream_id=number, headers=headers):
                    self._asked(dict(headers or []))  # type: ignore[arg-type]
                    self._h2.send_headers(number or 0, [(":status", "200")])
                    self._h2.send_data(number or 0, NOTHING)
                case DataReceived(stream_id=number, data=piece, flow_controlled_length=size):
                    self._seen[-1].frames.extend(map(opened, self._reader.feed(piece or b"")))
                    self._h2.acknowledge_received_data(size or 0, number or 0)
                case StreamEnded(stream_id=number):
                    self._h2.end_stream(number or 0)
                case _:
                    pass
        self._flush()

    def _asked(self, headers: dict[str, str]) -> None:
        target = {n: masked(n, v) for n, v in headers.items() if n.startswith(":")}
        rest = {
            n: masked(n, v)
            for n, v in headers.items()
            if not n.startswith(":") and n not in _PROGRAM
        }
        self._seen.append(Seen(target, rest, []))

    def _flush(self) -> None:
        self._wire.write(self._h2.data_to_send())


async def test_over_http2_like_the_python_sdk(tmp_path: Path) -> None:
    python("amazon-transcribe")
    files = local_certificates(tmp_path, ["localhost"])
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(files.certificate, files.key)
    context.set_alpn_protocols(["h2"])
    seen: list[Seen] = []
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Http2Recording(seen), "127.0.0.1", 0, ssl=context)
    async with server:
        place = f"localhost:{server.sockets[0].getsockname()[1]}"
        sound = tmp_path / "sound"
        sound.write_bytes(b"".join(PIECES))
        options = {
            "language_code": "de-DE", "show_speaker_label": True,
            "enable_partial_results_stabilization": True, "language_model_name": "ours",
        }  # fmt: skip
        await run(
            sys.executable, str(SCRIPTS / "python_stream.py"), f"https://{place}",
            str(files.authority), str(sound), KEY, SECRET, json.dumps(options),
        )  # fmt: skip
        patch = {"language": "de-DE", "diarize": True, "interim_results": True, "model": "ours"}
        dialect = AmazonClient(at=time.time(), host=place)
        await ours(dialect, "http2", f"https://{place}", patch, files.authority)
    theirs, mine = seen
    assert mine.target == theirs.target
    assert mine.headers.pop(_CONTENT[0]) == _CONTENT[1]
    signed = mine.headers["authorization"]
    mine.headers["authorization"] = signed.replace(f"{_CONTENT[0]};", "")
    assert mine.headers == theirs.headers
    assert mine.frames == theirs.frames
    assert [sound for _, _, sound in mine.frames] == [*PIECES, b""]


# ── WebSocket ──


@contextlib.asynccontextmanager
async def listening() -> AsyncIterator[tuple[str, list[Seen]]]:
    """A server that takes a stream to its empty event."""
    seen: list[Seen] = []

    async def talk(wire: ServerConnection) -> None:
        assert wire.request is not None
        target = urlsplit(wire.request.path)
        query = {
            n: masked(n, v)
            for n, v in parse_qsl(target.query, keep_blank_values=True)
            if n not in _PROGRAM
        }
        here = Seen({":path": target.path, **query}, {}, [])
        seen.append(here)
        await wire.send(NOTHING)
        async for message in wire:
            assert isinstance(message, bytes)
            for frame in read_frames(message):
                here.frames.append(opened(frame))
            if not here.frames[-1][2]:
                return

    async with serve(talk, "127.0.0.1", 0, close_timeout=1) as server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}", seen


async def test_over_websocket_like_the_javascript_sdk(tmp_path: Path) -> None:
    sdk = javascript("@aws-sdk/client-transcribe-streaming")
    modules = str(sdk.folder.parents[2])
    bundle, sound = tmp_path / "bundle.cjs", tmp_path / "sound"
    sound.write_bytes(b"".join(PIECES))
    await run(sdk.program, str(SCRIPTS / "bundle.cjs"), str(SCRIPTS / "page.mjs"), str(bundle),
              OSSICLE_JS=modules)  # fmt: skip
    host = "transcribestreaming.us-east-1.amazonaws.com"
    options = {
        "LanguageCode": "de-DE", "ShowSpeakerLabel": True, "LanguageModelName": "ours",
        "EnablePartialResultsStabilization": True,
    }  # fmt: skip
    async with listening() as (url, seen):
        await run(
            sdk.program, str(SCRIPTS / "socket.cjs"), str(bundle), host, url, str(sound), KEY,
            SECRET, json.dumps(options), OSSICLE_JS=modules,
        )  # fmt: skip
        patch = {"language": "de-DE", "diarize": True, "interim_results": True, "model": "ours"}
        dialect = AmazonClient(at=time.time(), host=f"{host}:8443", wire="websocket")
        await ours(dialect, "websocket", url, patch, None)
    theirs, mine = seen
    assert theirs.target.pop("session-id")
    assert (theirs.target.pop("X-Amz-Expires"), mine.target.pop("X-Amz-Expires")) == ("60", "300")
    assert mine.target == theirs.target
    assert mine.frames == theirs.frames
    assert [sound for _, _, sound in mine.frames] == [*PIECES, b""]
