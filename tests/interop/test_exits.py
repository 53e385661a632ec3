"""What leaves a gateway beside its answers: observers, webhooks, records, traces.

The receiver is a bare HTTP server of asyncio streams: it answers what a test tells it to, late, or
never.
"""

import asyncio
import contextlib
import json
import logging
import ssl
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError

from harness import Talk, address, ask, gateway_with, missing, refusal, until
from ossicle.core.commands import Configure
from ossicle.gateway.reports.signing import verify
from ossicle.testing.marked import marked_audio

SECRET = "a secret of the test"


class Receiver:
    """Takes posts. `answer` decides: a status, or None for silence."""

    def __init__(self) -> None:
        self.answer: Callable[[int], int | None] = lambda number: 200
        self.bodies: list[dict[str, Any]] = []
        """Of posts answered with 2xx."""
        self.heads: list[dict[str, str]] = []
        self.raw: list[bytes] = []
        self.requests = 0
        self.connections = 0
        self.delay_s = 0.0
        self.headers = ""
        self.port = 0
        self._scheme = "http"
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self.port}/words?key=hush"

    @contextlib.asynccontextmanager
    async def running(
        self, port: int = 0, tls: ssl.SSLContext | None = None
    ) -> AsyncIterator["Receiver"]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", port, ssl=tls)
        self._scheme = "https" if tls is not None else "http"
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for task in tuple(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            while await self._request(reader, writer):
                pass
        except (asyncio.CancelledError, asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        fields = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
        body = await reader.readexactly(int(fields["content-length"]))
        number, self.requests = self.requests, self.requests + 1
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        status = self.answer(number)
        if status is None:
            await asyncio.sleep(60)
            return False
        if 200 <= status < 300:
            if fields["content-type"] == "application/json":
                self.bodies.append(json.loads(body))
            self.raw.append(body)
            self.heads.append({":line": lines[0], **fields})
        writer.write(f"HTTP/1.1 {status} x\r\n{self.headers}content-length: 0\r\n\r\n".encode())
        await writer.drain()
        return True

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [body for body in self.bodies if body["type"] == kind]

    def finals(self) -> list[str]:
        return [body["text"] for body in self.of("transcript") if body["is_final"] and body["text"]]


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OSSICLE_WEBHOOK_SECRET", SECRET)


FORMAT: dict[str, Any] = {"encoding": "pcm_s16le", "sample_rate": 16000}


async def say(talk: Talk, *words: int) -> None:
    """Each word a turn of its own; then the end."""
    for word in words:
        await talk.audio(marked_audio([word, 0]))
        await talk.until("transcript", text=f"w{word}", final=True)
    await talk.say("end")
    await talk.ended()


async def test_every_event_is_posted_in_order_and_signed(tmp_path: Any) -> None:
    async with Receiver().running() as hook, gateway_with(tmp_path) as gateway:
        async with Talk.open(gateway.url, transcript_url=hook.url, label="desk", **FORMAT) as talk:
            await say(talk, 1, 2, 3)
            await until(lambda: hook.of("ended"))
        assert hook.finals() == ["w1", "w2", "w3"]
        numbers = [body["seq"] for body in hook.bodies]
        assert numbers == sorted(numbers)
        assert hook.bodies[0]["type"] == "began"
        assert {body["session"] for body in hook.bodies} == {talk.began["session"]}
        assert {body["label"] for body in hook.bodies} == {"desk"}
        final = next(body for body in hook.of("transcript") if body["is_final"])
        assert {"start_ms", "end_ms", "channel", "words"} <= final.keys()
        for head, raw in zip(hook.heads, hook.raw, strict=True):
            assert head[":line"] == "POST /words?key=hush HTTP/1.1"
            assert verify(SECRET.encode(), head["ossicle-signature"], raw, time.time())
            assert not verify(b"another", head["ossicle-signature"], raw, time.time())
            assert not verify(SECRET.encode(), head["ossicle-signature"], raw + b" ", time.time())
        assert len({head["ossicle-delivery"] for head in hook.heads}) == len(hook.heads)
        assert hook.connections == 1, "one connection is kept"


async def test_the_url_may_come_with_start(tmp_path: Any) -> None:
    async with Receiver().running() as hook, gateway_with(tmp_path) as gateway:
        async with Talk.open(gateway.url) as talk:
            await talk.say("start", transcript_url=hook.url, **FORMAT)
            await say(talk, 7)
        await until(lambda: hook.of("ended"))
        assert hook.finals() == ["w7"]
        async with Talk.open(gateway.url) as talk:
            await talk.say("start", transcript_url="http://169.254.169.254/x", ref="r")
            notice = await talk.until("notice", ref="r")
            assert notice["code"] == "forbidden"


async def test_a_receiver_that_fails_gets_everything_once_it_works(tmp_path: Any) -> None:
    async with Receiver().running() as hook, gateway_with(tmp_path) as gateway:
        hook.answer = lambda number: 503 if number < 3 else 200
        async with Talk.open(gateway.url, transcript_url=hook.url, **FORMAT) as talk:
            await say(talk, 1, 2)
        await until(lambda: hook.of("ended"), 15)
        assert hook.finals() == ["w1", "w2"]
        assert b'outcome="retried"} 3.0' in gateway.house.metrics.page()


@pytest.mark.parametrize("status", [301, 307, 400, 404])
async def test_what_is_rejected_is_not_sent_again(tmp_path: Any, status: int) -> None:
    """A redirect is not followed: it could lead anywhere."""
    async with (
        Receiver().running() as other,
        Receiver().running() as hook,
        gateway_with(tmp_path) as gateway,
    ):
        hook.answer = lambda number: status
        hook.headers = f"location: {other.url}\r\n"
        async with Talk.open(gateway.url, transcript_url=hook.url, **FORMAT) as talk:
            await talk.audio(marked_audio([1, 0]))
            notice = await talk.until("notice", code="webhook_rejected")
            assert str(status) in notice["text"]
            assert "hush" not in notice["text"]
            await say(talk, 2)
        await until(lambda: not gateway.house.exits.reports.running)
        assert other.requests == 0
        assert hook.requests <= len(talk.messages)


async def test_gone_means_gone(tmp_path: Any) -> None:
    async with Receiver().running() as hook, gateway_with(tmp_path) as gateway:
        hook.answer = lambda number: 410
        async with Talk.open(gateway.url, transcript_url=hook.url, **FORMAT) as talk:
            await say(talk, 1)
        await until(lambda: not gateway.house.exits.reports.running)
        assert hook.requests == 1
        assert b'outcome="given_up"}' in gateway.house.metrics.page()


async def test_a_receiver_that_hangs_holds_nobody(tmp_path: Any) -> None:
    async with Receiver().running() as hook, gateway_with(tmp_path) as gateway:
        hook.answer = lambda number: None
        async with Talk.open(gateway.url, transcript_url=hook.url, **FORMAT) as talk:
            await say(talk, 1, 2, 3)
        await until(lambda: not gateway.house.sessions, 2, "the session is over without it")
        assert gateway.house.exits.reports.running


async def test_a_slow_receiver_gets_every_final(tmp_path: Any) -> None:
    async with Receiver().running() as hook, gateway_with(tmp_path) as gateway:
        hook.delay_s = 0.03
        async with Talk.open(gateway.url, transcript_url=hook.url, **FORMAT) as talk:
            await say(talk, *range(1, 9))
            told = len(talk.of("transcript"))
        await until(lambda: hook.of("ended"))
        assert hook.finals() == [f"w{number}" for number in range(1, 9)]
        assert len(hook.of("transcript")) <= told


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://169.254.169.254/latest", "forbidden"),
        ("http://10.0.0.1/", "forbidden"),
        ("https://example.org/", "forbidden"),
        ("http://localhost.example.org/", "forbidden"),
        ("http://127.0.0.1@example.org/", "bad_option"),
        ("file:///etc/passwd", "bad_option"),
        ("gopher://127.0.0.1/", "bad_option"),
        ("http://", "bad_option"),
        ("http://[::1", "bad_option"),
        ("http://127.0.0.1:99999/", "bad_option"),
    ],
)
async def test_hosts_that_are_not_listed_are_refused_at_once(
    tmp_path: Any, url: str, code: str
) -> None:
    async with gateway_with(tmp_path) as gateway:
        status, body = await refusal(gateway.url, transcript_url=url)
        assert (status, body["error"]["code"]) == (403 if code == "forbidden" else 400, code)


async def test_observers_by_websocket_sse_lines_and_words(tmp_path: Any) -> None:
    async with gateway_with(tmp_path) as gateway, Talk.open(gateway.url, **FORMAT) as talk:
        path = f"/v1/sessions/{talk.began['session']}/events"
        host, port = address(gateway.url)
        kinds = ("text/event-stream", "application/x-ndjson", "text/plain")
        following = [
            asyncio.create_task(ask(gateway.url, method="GET", path=path, headers={"accept": kind}))
            for kind in kinds
        ]
        async with connect(f"ws://{host}:{port}{path}", proxy=None, compression=None) as wire:
            began = json.loads(await wire.recv())
            assert began["session"] == talk.began["session"]
            assert "token" not in began, "whoever watches cannot take over"
            await until(lambda: len(gateway.house.sessions[began["session"]].legs) == 5)
            await say(talk, 1, 2)
            seen = [json.loads(message) async for message in wire]
        assert seen[-1]["type"] == "ended"
        assert [m["text"] for m in seen if m.get("final") and m["text"]] == ["w1", "w2"]
        assert not [m for m in seen if m["type"] == "flow"]
        sse, lines, words = await asyncio.gather(*following)
        assert [m["text"] for m in lines.lines if m.get("final") and m["text"]] == ["w1", "w2"]
        assert words.body == b"w1\nw2\n"
        assert sse.headers["content-type"] == "text/event-stream"
        assert b"event: ended" in sse.body
        assert b'"text":"w2"' in sse.body


async def test_an_event_source_goes_on_where_it_was(tmp_path: Any) -> None:
    async with gateway_with(tmp_path) as gateway, Talk.open(gateway.url, **FORMAT) as talk:
        await talk.audio(marked_audio([1, 0]))
        last = (await talk.until("transcript", final=True))["seq"]
        path = f"/v1/sessions/{talk.began['session']}/events"
        headers = {"accept": "text/event-stream", "last-event-id": str(last)}
        rest = asyncio.create_task(ask(gateway.url, method="GET", path=path, headers=headers))
        await until(lambda: len(gateway.house.sessions[talk.began["session"]].legs) == 2)
        await say(talk, 2)
        body = (await rest).body
        numbers = [int(line[4:]) for line in body.splitlines() if line.startswith(b"id: ")]
        assert min(numbers) > last
        assert b'"text":"w2"' in body
        assert b'"text":"w1"' not in body


async def test_a_controller_that_leaves_ends_nothing(tmp_path: Any) -> None:
    """It may ask, an end included; closing its window asks nothing."""
    async with gateway_with(tmp_path) as gateway, Talk.open(gateway.url, **FORMAT) as talk:
        beside = {"session": talk.began["session"], "role": "controller"}
        async with Talk.open(gateway.url, **beside) as desk:
            await desk.socket.close(1000)
        where = f"/v1/stream?session={beside['session']}&role=controller"
        following = asyncio.create_task(ask(gateway.url, path=where))
        await until(lambda: len(gateway.house.sessions[beside["session"]].legs) == 2)
        await talk.audio(marked_audio([1, 0]))
        await talk.until("transcript", text="w1", final=True)
        async with Talk.open(gateway.url, **beside) as desk:
            await desk.say("end")
            assert (await talk.ended())["reason"] == "done"
        assert (await following).words == ["w1"]


async def test_an_observer_only_reads(tmp_path: Any) -> None:
    async with gateway_with(tmp_path) as gateway, Talk.open(gateway.url, **FORMAT) as talk:
        host, port = address(gateway.url)
        where = f"ws://{host}:{port}/v1/sessions/{talk.began['session']}/events"
        async with connect(where, proxy=None, compression=None) as wire:
            for _ in range(3):
                await wire.send(b"\0" * 640)
                await wire.send('{"type":"end"}')
            await say(talk, 1)
            seen = [json.loads(message) async for message in wire]
        assert len([m for m in seen if m["type"] == "notice"]) == 1
        assert talk.of("ended")[0]["reason"] == "done"


async def test_a_dashboard_may_come_before_the_call(tmp_path: Any) -> None:
    """By a name that only the caller's dialect knows."""
    async with gateway_with(tmp_path) as gateway:
        host, port = address(gateway.url)
        where = f"ws://{host}:{port}/v1/sessions/CA123/events"
        async with connect(where + "?wait_s=5", proxy=None, compression=None) as wire:
            assert json.loads(await wire.recv())["code"] == "waiting"
            async with Talk.open(gateway.url, **FORMAT) as talk:
                session = gateway.house.sessions[talk.began["session"]]
                gateway.house.extend(session, session.owner, Configure(names=("CA123",)))
                assert json.loads(await wire.recv())["session"] == session.id
                await say(talk, 1)
                seen = [json.loads(message) async for message in wire]
        assert [m["text"] for m in seen if m.get("final") and m["text"]] == ["w1"]
        record = await ask(gateway.url, method="GET", path="/v1/sessions/CA123")
        assert record.json["session"] == session.id
        assert record.json["counts"]["observers"] == 1


async def test_waiting_has_an_end(tmp_path: Any) -> None:
    async with gateway_with(tmp_path) as gateway:
        host, port = address(gateway.url)
        assert (await refusal(gateway.url, path="/v1/sessions/nobody/events"))[0] == 404
        where = f"ws://{host}:{port}/v1/sessions/nobody/events?wait_s=0.1"
        async with connect(where, proxy=None, compression=None) as wire:
            seen = [json.loads(await wire.recv()) for _ in range(2)]
            with pytest.raises(ConnectionClosedError):
                await wire.recv()
        assert [m["type"] for m in seen] == ["notice", "ended"]
        assert wire.close_code == 4404
        status, body = await refusal(
            gateway.url, path="/v1/sessions/nobody/events", wait_s="for ever"
        )
        assert (status, body["error"]["code"]) == (400, "bad_option")


async def test_only_its_owner_sees_a_session(tmp_path: Any) -> None:
    keys = (("ann", "ka"), ("bob", "kb"))
    async with gateway_with(tmp_path, keys=keys) as gateway:
        mine = {"authorization": "Bearer ka"}
        theirs = {"authorization": "Bearer kb"}
        async with Talk.open(gateway.url, headers=mine, label="desk", **FORMAT) as talk:
            name = talk.began["session"]
            path = f"/v1/sessions/{name}"
            for headers, status in ((mine, 200), (theirs, 404), ({}, 401)):
                got = await ask(gateway.url, method="GET", path=path, headers=headers)
                assert got.status == status
            assert (await refusal(gateway.url, path=path + "/events", headers=theirs))[0] == 403
            assert (await refusal(gateway.url, path=path + "/events"))[0] == 401
            listed = [
                (await ask(gateway.url, method="GET", path=where, headers=headers)).json
                for where, headers in (
                    ("/v1/sessions?label=desk", mine),
                    ("/v1/sessions?label=other", mine),
                    ("/v1/sessions", theirs),
                )
            ]
            assert [len(each["sessions"]) for each in listed] == [1, 0, 0]
            made = await ask(gateway.url, path="/v1/tokens", headers=mine)
            minted = made.json["token"]
            by_query = await ask(gateway.url, method="GET", path=path + f"?token={minted}")
            assert by_query.json["dialect"] == "ossicle.v1"
            whole_key = await ask(gateway.url, method="GET", path=path + "?token=ka")
            assert whole_key.status == 401
            assert "no keys" in whole_key.json["error"]["text"]
            # a browser cannot set headers: a token may be in the query
            sse = asyncio.create_task(
                ask(gateway.url, method="GET", path=f"{path}/events?token={minted}")
            )
            await until(lambda: len(gateway.house.sessions[name].legs) == 2)
            await say(talk, 1)
            assert (await sse).status == 200


async def test_the_record_stays_and_holds_no_words(tmp_path: Any) -> None:
    async with gateway_with(tmp_path) as gateway:
        async with Talk.open(
            gateway.url, headers={"user-agent": "phone/1"}, label="desk", hint="w1", **FORMAT
        ) as talk:
            await say(talk, 1, 2)
        await until(lambda: not gateway.house.sessions)
        got = await ask(gateway.url, method="GET", path=f"/v1/sessions/{talk.began['session']}")
        record = got.json
        assert record["state"] == "ended"
        assert record["end"]["reason"] == "done"
        assert record["user_agent"] == "phone/1"
        assert record["peer"] == "loopback"
        assert record["transport"] == "websocket"
        assert record["counts"]["turns"] == 2
        assert record["counts"]["audio_ms"] > 0
        assert record["ledger"]["setup_ms"] is not None
        assert record["options"]["recognition"]["hints"] == 1
        assert b"w1" not in got.body
        assert talk.began["token"].encode() not in got.body


PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


async def test_a_trace_goes_through(tmp_path: Any) -> None:
    async with Receiver().running() as hook, gateway_with(tmp_path) as gateway:
        async with Talk.open(
            gateway.url, headers={"traceparent": PARENT}, transcript_url=hook.url, **FORMAT
        ) as talk:
            answered = talk.socket.response.headers["traceresponse"]
            await say(talk, 1)
        await until(lambda: hook.of("ended"))
        trace = PARENT.split("-")[1]
        assert answered.split("-")[1] == trace
        assert answered != PARENT
        assert {head["traceparent"] for head in hook.heads} == {answered}
        path = f"/v1/sessions/{talk.began['session']}"
        record = await ask(gateway.url, method="GET", path=path)
        assert record.json["trace_id"] == trace
        posted = await ask(
            gateway.url, marked_audio([1, 0]), path=f"/v1/stream?traceparent={PARENT}",
            headers={"content-type": "audio/l16"},
        )  # fmt: skip
        assert posted.headers["traceresponse"].split("-")[1] == trace


async def test_no_log_holds_words_or_keys(tmp_path: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with (
        Receiver().running() as hook,
        gateway_with(tmp_path, keys=(("ann", "k-e-y-of-ann"),)) as gateway,
    ):
        hook.answer = lambda number: 404 if number == 1 else 200
        headers = {"authorization": "Bearer k-e-y-of-ann"}
        async with Talk.open(
            gateway.url, headers=headers, transcript_url=hook.url, hint="w4711", **FORMAT
        ) as talk:
            await say(talk, 4711, 4712)
        await refusal(gateway.url, headers={"authorization": "Bearer w-r-o-n-g"})
        await until(lambda: not gateway.house.sessions and not gateway.house.exits.reports.running)
    everything = "\n".join(
        f"{record.getMessage()} {record.__dict__}"
        for record in caplog.records
        if record.name.startswith("ossicle")
    )
    for secret in ("4711", "4712", "k-e-y-of-ann", "w-r-o-n-g", "hush", SECRET):
        assert secret not in everything
    assert talk.began["token"] not in everything
    lines = [record for record in caplog.records if record.name == "ossicle.gateway.sessions"]
    said = [line.getMessage() for line in lines]
    assert sorted(said) == ["refused", "session began", "session ended"]
    ended = next(line for line in lines if line.getMessage() == "session ended").__dict__
    assert ended["owner"] == "ann"
    assert ended["reason"] == "done"
    assert ended["audio_ms"] > 0
    assert len(ended["trace"]) == 32


async def test_spans_arrive_at_a_collector(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the exporter that everybody has, as protobuf over HTTP."""
    try:
        from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as otlp
    except ImportError:
        missing("the extra otel is needed")
        return
    async with Receiver().running() as collector:
        where = f"http://127.0.0.1:{collector.port}"
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", where)
        async with gateway_with(tmp_path) as gateway:
            async with Talk.open(
                gateway.url, headers={"traceparent": PARENT}, hint="w4711", **FORMAT
            ) as talk:
                await say(talk, 4711, 4712)
            await until(lambda: not gateway.house.sessions)
        assert collector.raw, "what was left was sent when the gateway stopped"
    spans = [
        span
        for body in collector.raw
        for resource in otlp.ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]
    names = [span.name for span in spans]
    assert min(names) == "engine open"
    assert names.count("turn decided") == 2
    session = next(span for span in spans if span.name.startswith("session "))
    assert session.trace_id.hex() == PARENT.split("-")[1]
    assert session.parent_span_id.hex() == PARENT.split("-")[2]
    for span in spans:
        assert session.start_time_unix_nano <= span.start_time_unix_nano + 1_000_000
        assert span.end_time_unix_nano <= session.end_time_unix_nano + 1_000_000
    assert b"4711" not in b"".join(collector.raw)


async def test_a_session_is_followed_by_its_label(tmp_path: Any) -> None:
    """A dashboard knows a desk, not a session: the newest, and its own owner's only."""
    keys = (("ann", "ka"), ("bob", "kb"))
    mine, theirs = {"authorization": "Bearer ka"}, {"authorization": "Bearer kb"}
    async with gateway_with(tmp_path, keys=keys) as gateway:
        host, port = address(gateway.url)
        where = f"ws://{host}:{port}/v1/sessions/night/events"
        async with (
            connect(
                f"{where}?wait_s=5", proxy=None, compression=None, additional_headers=mine
            ) as early,
            Talk.open(gateway.url, headers=theirs, label="night", **FORMAT),
            Talk.open(gateway.url, headers=mine, label="desk,night", **FORMAT) as first,
        ):
            assert json.loads(await early.recv())["code"] == "waiting"
            assert json.loads(await early.recv())["session"] == first.began["session"]
            async with Talk.open(gateway.url, headers=mine, label="night", **FORMAT) as newest:
                async with connect(
                    where, proxy=None, compression=None, additional_headers=mine
                ) as wire:
                    assert json.loads(await wire.recv())["session"] == newest.began["session"]
                found = [
                    (await ask(gateway.url, method="GET", path=path, headers=mine)).json
                    for path in ("/v1/sessions/night", "/v1/sessions/desk")
                ]
                assert [each["session"] for each in found] == [
                    newest.began["session"], first.began["session"],
                ]  # fmt: skip
                for label, count in (("night", 2), ("desk", 1), ("desk,night", 1), ("nigh", 0)):
                    path = f"/v1/sessions?label={label}"
                    listed = await ask(gateway.url, method="GET", path=path, headers=mine)
                    assert len(listed.json["sessions"]) == count, label
            # a name that a client gave comes before a label
            session = gateway.house.sessions[first.began["session"]]
            gateway.house.extend(session, session.owner, Configure(names=("desk",)))
            assert gateway.house.find("desk", "ann").id == session.id


async def test_tags_and_parameters_of_other_protocols_are_labels(tmp_path: Any) -> None:
    async with gateway_with(tmp_path) as gateway:
        host, port = address(gateway.url)
        query = "encoding=linear16&sample_rate=16000&tag=billing&tag=vip"
        start = {
            "event": "start", "sequenceNumber": "1", "streamSid": "MZ1",
            "start": {
                "streamSid": "MZ1", "accountSid": "AC1", "callSid": "CA1", "tracks": ["inbound"],
                "customParameters": {"label": "line-7"},
                "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            },
        }  # fmt: skip
        async with (
            connect(f"ws://{host}:{port}/v1/listen?{query}", proxy=None, compression=None),
            connect(f"ws://{host}:{port}/twilio/media", proxy=None, compression=None) as call,
        ):
            await call.send('{"event":"connected","protocol":"Call","version":"1.0.0"}')
            await call.send(json.dumps(start))
            await until(lambda: len(gateway.house.sessions) == 2)
            for label in ("billing", "vip", "line-7"):
                path = f"/v1/sessions?label={label}"
                listed = await ask(gateway.url, method="GET", path=path)
                assert len(listed.json["sessions"]) == 1, label
                path = f"ws://{host}:{port}/v1/sessions/{label}/events"
                async with connect(path, proxy=None, compression=None) as wire:
                    began = json.loads(await wire.recv())
                    assert began["session"] == listed.json["sessions"][0]["session"]
