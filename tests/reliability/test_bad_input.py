"""Whatever arrives: a clear error that names value and limit, and the session beside it goes on.

Every test here runs with a healthy session beside it that must be understood whole, and with the
logs watched: no stack trace, no speech, no credential.
"""

import asyncio
import contextlib
import json
import struct
from urllib.parse import urlencode

import pytest
import pytest_asyncio
import websockets

from harness import (
    Talk,
    address,
    ask,
    beside,
    gateway_with,
    read_head,
    refusal,
    resident,
    until,
)
from ossicle.testing.marked import marked_audio
from ossicle.transports.http.server import HttpSettings

pytestmark = [pytest.mark.reliability, pytest.mark.asyncio(loop_scope="module")]

KEY = "correct-horse-battery"
OTHER_KEY = "staple-for-another"
PCM = {"encoding": "pcm_s16le", "sample_rate": 16000}
WEBM = b"\x1a\x45\xdf\xa3"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def survivor(tmp_path_factory):
    """One gateway for all tests: what one of them breaks, the next trips over."""
    async with gateway_with(tmp_path_factory.mktemp("survivor")) as it:
        yield it


@pytest_asyncio.fixture(loop_scope="module")
async def gateway(tmp_path, caplog, request, survivor):
    """A gateway with somebody else talking to it; nothing may be left of the test."""
    caplog.set_level("DEBUG", "ossicle")
    settings = getattr(request, "param", None)
    async with contextlib.AsyncExitStack() as stack:
        it, headers = survivor, None
        if settings is not None:
            it = await stack.enter_async_context(gateway_with(tmp_path, **settings))
            if "keys" in settings:
                headers = {"authorization": f"Bearer {KEY}"}
        async with beside(it.url, headers=headers):
            yield it
        await until(lambda: not it.house.sessions, 5, "sessions are left")
    clean(caplog.text)
    assert not any(record.exc_info for record in caplog.records)


def clean(text: str) -> None:
    """No stack trace, no speech, no credential."""
    for word in ("Traceback", 'File "', "w1", "w77", KEY, OTHER_KEY, "secret-words"):
        assert word not in text


def error(body: dict, code: str, *parts: str) -> None:
    """The error body of a refusal."""
    clean(json.dumps(body))
    assert body["error"]["code"] == code
    for part in parts:
        assert part in body["error"]["text"]


# ── how the audio is said to be ──


@pytest.mark.parametrize(
    ("query", "status", "code", "parts"),
    [
        ({"encoding": "vorbis9"}, 415, "unsupported_audio", ["'vorbis9'", "pcm_s16le"]),
        ({"sample_rate": 7000}, 415, "unsupported_audio", ["7000 Hz", "8000-48000"]),
        ({"sample_rate": 192000}, 415, "unsupported_audio", ["192000 Hz", "8000-48000"]),
        ({"channels": 99}, 415, "unsupported_audio", ["99 channels", "1-8"]),
        ({"channels": 0}, 415, "unsupported_audio", ["0 channels", "1-8"]),
        ({"sample_rate": "fast"}, 400, "bad_option", ["sample_rate='fast'"]),
        ({"sample_rate": -1}, 400, "bad_option", ["sample_rate=-1"]),
        ({"sample_rate": "9" * 5000}, 400, "bad_option", ["sample_rate='9999"]),
        ({"langauge": "en"}, 400, "bad_option", ["'langauge'", "did you mean 'language'"]),
        ({"interim_results": "maybe"}, 400, "bad_option", ["interim_results='maybe'", "true"]),
        ({"silence_ms": -5}, 400, "bad_option", ["silence_ms"]),
        ({"silence_ms": 10**12}, 400, "bad_option", ["silence_ms"]),
        ({"threshold": "nan"}, 400, "bad_option", ["threshold"]),
        ({"speed": "inf"}, 400, "bad_option", ["speed"]),
        ({"multichannel": "both"}, 400, "bad_option", ["channels"]),
        ({"overload": "explode"}, 400, "bad_option", ["overload"]),
        ({"hint": "x" * 10_000}, 400, "bad_option", ["hints"]),
        ({"x" * 3000: "1"}, 400, "bad_option", ["xxx"]),
        ({"session": "nobody"}, 404, "not_found", ["session"]),
        ({"session": "nobody", "role": "owner"}, 400, "bad_option", ["role='owner'"]),
    ],
)
async def test_a_query_that_cannot_be_served_is_refused_before_the_upgrade(
    gateway, query, status, code, parts
):
    got, body = await refusal(gateway.url, **query)
    assert got == status
    error(body, code, *parts)
    answer = await ask(gateway.url, b"\0" * 640, path=f"/v1/stream?{urlencode(query)}")
    assert answer.status == status
    assert answer.headers["content-type"] == "application/json"
    error(answer.json, code, *parts)


async def test_an_unknown_path_names_the_known_one(gateway):
    status, body = await refusal(gateway.url, path="/v2/stream")
    assert status == 404
    error(body, "not_found", "/v2/stream", "/v1/stream")


# ── audio that is not what it should be ──


def wav(data: bytes, *, claims: int | None = None, rate: int = 16000, kind: int = 1) -> bytes:
    size = len(data) if claims is None else claims
    return (
        struct.pack("<4sI4s", b"RIFF", min(size + 36, 2**32 - 1), b"WAVE")
        + struct.pack("<4sIHHIIHH", b"fmt ", 16, kind, 1, rate, rate * 2, 2, 16)
        + struct.pack("<4sI", b"data", size)
        + data
    )


GARBAGE = bytes((n * 7919 + n // 251) % 256 for n in range(60_000))


@pytest.mark.parametrize(
    ("query", "data", "status", "code", "parts"),
    [
        ("", GARBAGE, 400, "bad_audio", []),
        ("", b"not audio at all", 400, "bad_audio", []),
        ("", b"R", 400, "bad_audio", []),
        ("encoding=wav", GARBAGE, 400, "bad_audio", []),
        ("encoding=webm", GARBAGE, 400, "bad_audio", []),
        ("encoding=ogg", GARBAGE, 400, "bad_audio", []),
        ("encoding=mp3", GARBAGE[:200], 400, "bad_audio", []),
        ("encoding=flac", GARBAGE, 400, "bad_audio", []),
        ("encoding=ogg", wav(b"\0" * 6400), 400, "bad_audio", []),
        ("encoding=wav", b"OggS" + GARBAGE, 400, "bad_audio", []),
        ("encoding=webm", b"OggS" + GARBAGE, 400, "bad_audio", []),
        ("", wav(b"\0" * 640)[:30], 400, "bad_audio", []),
        ("", wav(b"\0" * 640)[:43], 400, "bad_audio", []),
        ("", wav(b"\0" * 6400, rate=7000), 415, "unsupported_audio", ["7000"]),
        ("", wav(b"\0" * 6400, kind=0x4444), 415, "unsupported_audio", []),
        ("", WEBM + b"\x01\xff\xff\xff\xff\xff\xff\xff" + GARBAGE, 400, "bad_audio", []),
        ("", b"OggS" + GARBAGE, 400, "bad_audio", []),
        ("", b"fLaC" + GARBAGE, 400, "bad_audio", []),
        ("", b"ID3\x04\x00\x00\x7f\x7f\x7f\x7f" + b"\0" * 300_000, 400, "bad_audio", []),
    ],
)
async def test_audio_that_is_not_audio_is_a_4xx_and_a_close(
    gateway, query, data, status, code, parts
):
    answer = await ask(gateway.url, data, path=f"/v1/stream?{query}")
    assert answer.status == status, answer.body
    error(answer.json, code, *parts)
    answer = await ask(
        gateway.url,
        [data[at : at + 4000] for at in range(0, len(data), 4000)],
        path=f"/v1/stream?{query}",
    )
    assert answer.status == status, answer.body
    error(answer.json, code, *parts)
    fields = dict(part.split("=") for part in query.split("&") if part)
    async with Talk.open(gateway.url, **fields) as talk:
        try:
            await talk.audio(data, 4000)
            await talk.say("end")
        except websockets.ConnectionClosed:
            pass  # told already
        ended = await talk.ended()
        assert ended["reason"] == "refused"
        error(ended, code, *parts)
        assert talk.close == (4000 + status, code)


async def test_garbage_instead_of_opus_packets(gateway):
    """A body has no packets; a WebSocket message is one."""
    answer = await ask(gateway.url, GARBAGE, path="/v1/stream?encoding=opus")
    assert answer.status == 415
    error(answer.json, "unsupported_audio", "opus", "ogg")
    async with Talk.open(gateway.url, encoding="opus", sample_rate=48000) as talk:
        await talk.audio(b"\xff" * 3000, 300)
        ended = await talk.ended()
        error(ended, "bad_audio", "300 bytes", "Opus")
        assert talk.close == (4400, "bad_audio")


async def test_an_empty_body_is_an_empty_session(gateway):
    answer = await ask(gateway.url, b"")
    assert answer.status == 200
    assert [line["type"] for line in answer.lines] == ["began", "ended"]
    assert (await ask(gateway.url, b"", headers={"accept": "text/plain"})).body == b""


async def test_a_wav_that_ends_early_is_what_it_holds(gateway):
    sound = marked_audio([77, 0])
    answer = await ask(gateway.url, wav(sound, claims=10_000_000))
    assert answer.status == 200
    assert answer.words == ["w77"]
    assert answer.lines[-1]["reason"] == "done"


async def test_odd_byte_counts_are_put_together(gateway):
    sound = marked_audio([1, 2, 0, 3])
    async with Talk.open(gateway.url, **PCM) as talk:
        await talk.audio(sound + b"\x01", 333)
        await talk.say("end")
        assert (await talk.ended())["reason"] == "done"
        assert talk.words() == ["w1", "w2", "w3"]


# ── messages ──


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("hello", "malformed"),
        ("", "truncated"),
        ('{"type": "start"', "truncated"),
        ("[1, 2]", "Expected `object`"),
        ('{"no": "type"}', "`type`"),
        ('{"type": "explode"}', "'explode'"),
        ('{"type": 7}', "Expected `str`"),
        ('{"type": "finalize", "at_ms": NaN}', "malformed"),
        ('{"type": "finalize", "at_ms": -1}', "at_ms"),
        ('{"type": "finalize", "at_ms": 1e400}', ""),
        ('{"type": "finalize", "ref": "' + "r" * 201 + '"}', "200"),
        ('{"type": "start", "sample_rate": 7000}', "7000 Hz is outside 8000-48000"),
        ('{"type": "start", "encoding": "vorbis9"}', "'vorbis9'"),
        ('{"type": "start", "channels": 99}', "99 channels"),
        ('{"type": "start", "options": {"nonsense": 1}}', "nonsense"),
        ('{"type": "start", "options": {"recognition": {"langauge": "x"}}}', "langauge"),
        ('{"type": "start", "options": {"hears": null}}', "formats are chosen"),
        ('{"type": "start", "options": ' + '{"a":' * 5000 + "1" + "}" * 5001, "nested too deeply"),
        ('{"type": "keep_alive", "x": ' + "[" * 100_000 + "]" * 100_000 + "}", "nested"),
        ('{"type": "speak", "text": "' + "s" * 100_001 + '"}', "100000"),
        ('{"type": "played", "until_ms": 99999999999999999999999}', "until_ms"),
        ('{"type": "cancel", "side": "up"}', "'up'"),
        ('{"type": "\\ud800"}', ""),
        ('{"type": "tell", "text": "secret-words", "kind": "shout"}', "'shout'"),
    ],
)
async def test_a_message_that_makes_no_sense_is_answered_and_the_session_goes_on(
    gateway, text, part
):
    async with Talk.open(gateway.url, **PCM) as talk:
        await talk.socket.send(text)
        notice = await talk.until("notice")
        assert notice["level"] == "error"
        assert notice["code"] in {"bad_message", "unsupported_audio", "bad_option"}
        assert part in notice["text"]
        assert len(notice["text"]) < 700
        clean(notice["text"])
        await talk.audio(marked_audio([5, 0]))
        await talk.say("end")
        await talk.ended()
        assert talk.words() == ["w5"]


async def test_a_text_of_a_megabyte_is_the_limit(gateway):
    async with Talk.open(gateway.url, **PCM) as talk:
        await talk.socket.send('{"type": "tell", "text": "' + "s" * 1_000_001 + '"}')
        notice = await talk.until("notice")
        assert "1000000" in notice["text"]
        await talk.socket.send("x" * (1 << 20))
        await until(lambda: len(talk.of("notice")) == 2)
        await talk.socket.send("x" * ((1 << 20) + 1))
        await talk.over.wait()
        assert talk.close[0] == 1009


async def test_text_that_is_not_utf8_closes_with_1007(gateway):
    async with Talk.open(gateway.url, **PCM) as talk:
        await talk.socket.send(b'{"type":"\xff\xfe"}', text=True)
        await talk.over.wait()
        assert talk.close[0] == 1007


async def test_endless_nonsense_is_answered_and_bounded(gateway):
    """Ten thousand bad messages: each peer pays for its own."""
    async with Talk.open(gateway.url, **PCM) as talk:
        for _ in range(10_000):
            await talk.socket.send("x")
        await talk.say("end")
        await talk.ended()
        assert talk.of("notice")


# ── the order of things ──


async def test_a_format_after_audio_is_refused_and_the_audio_is_still_heard(gateway):
    async with Talk.open(gateway.url, **PCM) as talk:
        await talk.audio(marked_audio([1]))
        await talk.say("start", encoding="mulaw", sample_rate=8000, ref="late")
        notice = await talk.until("notice")
        assert notice["ref"] == "late"
        assert "mulaw 8000 Hz" in notice["text"]
        assert "declare the format first" in notice["text"]
        await talk.audio(marked_audio([2, 0]))
        await talk.say("end")
        await talk.ended()
        assert talk.words() == ["w1", "w2"]


async def test_audio_before_any_configuration_is_recognised_or_refused(gateway):
    async with Talk.open(gateway.url) as talk:
        await talk.audio(wav(marked_audio([3, 0])))
        await talk.say("start", encoding="pcm_s16le")
        assert "undeclared audio came before" in (await talk.until("notice"))["text"]
        await talk.say("end")
        await talk.ended()
        assert talk.words() == ["w3"]


async def test_audio_after_the_end_is_said_to_be_late(gateway):
    async with Talk.open(gateway.url, **PCM) as talk:
        await talk.audio(marked_audio([4, 0]))
        await talk.say("end")
        with pytest.raises(websockets.ConnectionClosed):
            while True:
                await talk.socket.send(bytes(640))
                await asyncio.sleep(0)
        assert (await talk.ended())["reason"] == "done"
        assert talk.words() == ["w4"]


async def test_finalize_before_audio_is_answered_by_an_empty_final(gateway):
    async with Talk.open(gateway.url) as talk:
        await talk.say("finalize", ref="early")
        final = await talk.until("transcript", ref="early")
        assert final["final"]
        assert final["ends_turn"]
        assert final["text"] == ""


async def test_an_observer_that_sends_is_told_so(gateway):
    async with Talk.open(gateway.url, **PCM) as owner:
        await owner.audio(marked_audio([9, 0]))
        async with Talk.open(gateway.url, session=owner.began["session"]) as observer:
            assert observer.began.get("token", "") == ""
            await observer.socket.send(marked_audio([8, 0]))
            notice = await observer.until("notice")
            assert "observer" in notice["text"]
            await observer.say("end")
            await until(lambda: len(observer.of("notice")) == 2)
            await owner.say("end")
            await owner.ended()
            await observer.ended()
        assert owner.words() == observer.words() == ["w9"]


# ── sizes ──


def frame_head(opcode: int, length: int) -> bytes:
    """The head of a masked frame (RFC 6455 5.2), with a mask of zeros."""
    return bytes([0x80 | opcode, 0xFF]) + length.to_bytes(8, "big") + bytes(4)


async def upgraded(url: str, query: str = "") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A bare socket behind a finished handshake."""
    reader, writer = await asyncio.open_connection(*address(url), limit=1 << 20)
    writer.write(
        f"GET /v1/stream?{query} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
        "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
    )
    status, _ = await read_head(reader)
    assert status == 101
    return reader, writer


@pytest.mark.parametrize("opcode", [1, 2])
async def test_a_gigabyte_announced_is_refused_before_it_comes(gateway, opcode):
    before = resident()
    reader, writer = await upgraded(gateway.url)
    writer.write(frame_head(opcode, 1 << 30) + bytes(1000))
    async with asyncio.timeout(5):
        rest = await reader.read()  # to the end: the gateway hangs up
    writer.close()
    assert (b"\x88" + bytes([len(rest[rest.rindex(b"\x03\xf1") :])]) + b"\x03\xf1") in rest  # 1009
    assert resident() - before < 8 << 20


async def test_a_gigabyte_in_fragments_is_refused_at_the_limit(gateway):
    async with Talk.open(gateway.url, **PCM) as talk:

        async def fragments():
            for _ in range(100):
                yield bytes(64 * 1024)

        before = resident()
        with contextlib.suppress(websockets.ConnectionClosed):
            await talk.socket.send(fragments())
        await talk.over.wait()
        assert talk.close[0] == 1009
        assert "1048576" in talk.close[1]
        assert resident() - before < 8 << 20


async def test_a_gigabyte_of_garbage_as_a_body_is_refused_at_once(gateway, monkeypatch):
    limits = HttpSettings(linger_s=1.0)
    monkeypatch.setattr(gateway.doors["http"].config.http_protocol_class, "settings", limits)
    reader, writer = await asyncio.open_connection(*address(gateway.url))
    before = resident()
    sent = 0

    async def pour() -> None:
        nonlocal sent
        writer.write(
            b"POST /v1/stream HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1073741824\r\n\r\n"
        )
        try:
            while sent < 1 << 30:
                writer.write(GARBAGE)
                sent += len(GARBAGE)
                await writer.drain()
        except ConnectionError:
            pass  # what is asked for

    async with asyncio.timeout(10):
        async with asyncio.TaskGroup() as group:
            group.create_task(pour())
            status, headers = await read_head(reader)
            body = json.loads(await reader.readexactly(int(headers["content-length"])))
    assert status == 400
    error(body, "bad_audio")
    assert sent < 1 << 28
    assert resident() - before < 16 << 20
    writer.transport.abort()


CHUNKED = b"POST /v1/stream HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "head",
    [
        b"GET /healthz HTTP/1.1\r\n" + b"X-Bomb: " + b"a" * (1 << 20),
        b"GET /healthz HTTP/1.1\r\n" + b"".join(b"X-%d: b\r\n" % n for n in range(200_000)),
        b"GET /" + b"a" * (1 << 20),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(600),  # TLS on the plain port
        bytes(1 << 20),
        b"GET /v1/stream HTTP/9.9\r\n\r\n",
        b"POST /v1/stream HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
        CHUNKED[:-2] + b"Content-Length: 5\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        CHUNKED + b"ffffffffffffffffff\r\n",
    ],
    ids=["value", "many", "target", "tls", "zeros", "version", "negative", "smuggle", "chunk"],
)
async def test_bombs_in_the_head_end_the_connection(gateway, head):
    before = resident()
    reader, writer = await asyncio.open_connection(*address(gateway.url))
    try:
        writer.write(head)
        async with asyncio.timeout(5):
            answer = await reader.read()
    except ConnectionError:
        answer = b""
    assert not answer or answer.split(b" ", 2)[1].startswith(b"4"), answer[:200]
    clean(answer.decode("latin-1"))
    writer.transport.abort()
    assert resident() - before < 16 << 20


@pytest.mark.parametrize("head", [b"", b"GET /v1/str", b"GET /v1/stream HTTP/1.1\r\nHost: loc"])
async def test_slow_heads_time_out(gateway, monkeypatch, head):
    """Half-open handshakes: nothing at all, or a byte now and then."""
    limits = HttpSettings(head_timeout=0.5)
    monkeypatch.setattr(gateway.doors["http"].config.http_protocol_class, "settings", limits)
    reader, writer = await asyncio.open_connection(*address(gateway.url))
    writer.write(head)

    async def drip() -> None:
        while head and not writer.is_closing():
            writer.write(b"x")
            await asyncio.sleep(0.1)

    dripping = asyncio.create_task(drip())
    try:
        async with asyncio.timeout(5):
            assert await reader.read() == b""
    except ConnectionResetError:
        pass  # that is what it is for
    finally:
        dripping.cancel()
        writer.transport.abort()


# ── silence ──


async def test_ten_minutes_of_silence_leave_nothing_behind(gateway):
    """Fifty times real time: the journal is trimmed, the log does not grow, the session lives."""
    async with Talk.open(gateway.url, **PCM) as talk:
        session = gateway.house.sessions[talk.began["session"]]
        second, before = bytes(32_000), 0
        for number in range(600):
            await talk.socket.send(second)
            if number == 100:
                await until(lambda: session.ms(session.journal.end) >= 90_000)
                before = resident()
        await until(lambda: session.ms(session.journal.end) == 600_000)
        journal = session.journal
        assert journal.end - journal.base <= 16 * 32_000
        assert session.log.next < 10
        assert resident() - before < 4 << 20
        await talk.audio(marked_audio([6, 0]))
        final = await talk.until("transcript", text="w6", final=True)
        assert final["start_ms"] == 600_000
        await talk.say("end")
        assert (await talk.ended())["audio_ms"] == 600_520


# ── who comes ──


async def test_resume_tokens_that_open_nothing(gateway):
    async with Talk.open(gateway.url, **PCM) as over:
        token = over.began["token"]
        await over.say("end")
        await over.ended()
    await until(lambda: over.began["session"] not in gateway.house.sessions)
    async with (
        Talk.open(gateway.url, **PCM) as one,
        Talk.open(gateway.url, **PCM) as two,
    ):
        node, first, secret = one.began["token"].split(".")
        _, _, other_secret = two.began["token"].split(".")
        for given, status, code, part in (
            ("garbage", 404, "resume_unknown", "use the one from `began`"),
            ("a.b.c", 404, "resume_unknown", "open a new one"),
            ("", 404, "resume_unknown", "use the one from `began`"),
            ("x" * 5000, 404, "resume_unknown", "not a resume token"),
            ("\N{SNOWMAN}.\N{SNOWMAN}.\N{SNOWMAN}", 404, "resume_unknown", "open a new one"),
            (token, 410, "resume_expired", "open a new one"),
            (f"{node}.{first}.{other_secret}", 403, "resume_denied", "does not open"),
            (f"{node}.{first}.\N{SNOWMAN}", 403, "resume_denied", "does not open"),
            (f"{node}.{first}.{secret[:-1]}", 403, "resume_denied", "does not open"),
        ):
            got, body = await refusal(gateway.url, resume=given)
            assert (got, body["error"]["code"]) == (status, code), given[:80]
            error(body, code, part)
            assert secret not in json.dumps(body)
            assert given[:20] not in json.dumps(body) or not given
        got, body = await refusal(gateway.url, resume=one.began["token"], since="soon")
        assert got == 400
        error(body, "bad_option", "since")
        for talk in (one, two):
            await talk.audio(marked_audio([2, 0]))
            await talk.say("end")
            await talk.ended()
            assert talk.words() == ["w2"]


async def test_a_token_used_twice_the_newest_wins(gateway):
    sound = marked_audio([1, 2, 3, 4, 5, 0])
    half = len(sound) // 2
    async with Talk.open(gateway.url, **PCM) as old:
        await old.audio(sound[:half])
        token, session = old.began["token"], gateway.house.sessions[old.began["session"]]
        await until(lambda: session.taken_bytes == half)
        async with Talk.open(gateway.url, resume=token, since=0) as new:
            assert new.began["resumed"]
            assert new.began["taken_bytes"] == half
            ended = await old.ended()
            error(ended, "replaced", "another connection")
            assert old.close == (4409, "replaced")
            await new.audio(sound[half:])
            await new.say("end")
            await new.ended()
            assert new.words() == ["w1", "w2", "w3", "w4", "w5"]


@pytest.mark.parametrize("gateway", [{"keys": (("ann", KEY), ("bob", OTHER_KEY))}], indirect=True)
async def test_keys(gateway):
    ann, bob = ({"authorization": f"Bearer {key}"} for key in (KEY, OTHER_KEY))
    status, body = await refusal(gateway.url)
    assert status == 401
    error(body, "unauthorized", "Authorization: Bearer KEY", "ossicle.v1, token, KEY")
    status, body = await refusal(gateway.url, headers={"authorization": "Bearer secret-words"})
    assert status == 401
    error(body, "unauthorized", "not known")
    status, _ = await refusal(gateway.url, headers={"authorization": "Basic c2VjcmV0LXdvcmRz"})
    assert status == 401
    answer = await ask(gateway.url, b"")
    assert answer.status == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert (await ask(gateway.url, method="GET", path="/v1/sessions")).status == 401
    async with Talk.open(gateway.url, headers=ann, **PCM) as talk:
        name, token = talk.began["session"], talk.began["token"]
        await talk.audio(marked_audio([2, 0]))
        status, body = await refusal(gateway.url, headers=bob, resume=token)
        assert status == 403
        error(body, "resume_denied", "another key")
        status, body = await refusal(gateway.url, headers=bob, session=name)
        assert status == 403
        error(body, "resume_denied", "another key")
        assert (await refusal(gateway.url, resume=token))[0] == 401
        listing = await ask(gateway.url, method="GET", path="/v1/sessions", headers=bob)
        assert listing.json == {"sessions": []}
        await talk.say("end")
        await talk.ended()
        assert talk.words() == ["w2"]


@pytest.mark.parametrize(
    ("headers", "part"),
    [
        ({"origin": "https://evil.example"}, "https://evil.example"),
        ({"origin": "https://localhost.evil.example"}, "localhost.evil.example"),
        ({"origin": "https://127.0.0.1.evil.example"}, "evil.example"),
        ({"origin": "null"}, "null"),
        ({"origin": "file://"}, "file"),
        ({"origin": "http://[oops"}, "oops"),
    ],
)
async def test_pages_of_others_are_kept_out(gateway, headers, part):
    status, body = await refusal(gateway.url, headers=headers)
    assert status == 403
    error(body, "forbidden", part, "--allow-host")
    answer = await ask(gateway.url, b"", headers=headers)
    assert answer.status == 403
    error(answer.json, "forbidden", part)


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "[oops", "a" * 5000, "[::2]"])
async def test_names_that_are_not_ours_are_kept_out(gateway, host):
    """A page can make its own name point here (DNS rebinding); the Host header tells."""
    answer = await ask(gateway.url, b"", headers={"host": host})
    assert answer.status == 403
    error(answer.json, "forbidden", "--allow-host")


@pytest.mark.parametrize("gateway", [{"sessions": 3}], indirect=True)
async def test_too_many_sessions_are_refused_in_words(gateway):
    async with Talk.open(gateway.url, **PCM), Talk.open(gateway.url, **PCM):
        status, body = await refusal(gateway.url)
        assert status == 503
        error(body, "at_capacity", "3 sessions are open", "limit is 3", "option sessions")
        assert body["error"]["retryable"]
        answer = await ask(gateway.url, b"")
        assert answer.status == 503
        assert answer.headers["retry-after"] == "1"
    await until(lambda: len(gateway.house.sessions) == 1)
    async with Talk.open(gateway.url, **PCM) as talk:
        await talk.say("end")
        await talk.ended()
