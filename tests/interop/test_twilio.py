"""Twilio against a running gateway: its official packages sign and build what it would send, and a
stand-in made from its documentation plays its part (no package of Twilio's holds that client)."""

import asyncio
import base64
import contextlib
import json
import os
import sys
import wave
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import websockets
from websockets.asyncio.client import connect

sys.path.insert(0, str(Path(__file__).parent / "twilio_sdk"))
from caller import CALL, STREAM, Caller

from harness import Talk, ask, gateway_with, missing, until
from ossicle.audio.g711 import decode_mulaw, encode_mulaw
from ossicle.audio.resample import Resampler
from ossicle.core.commands import Speak
from ossicle.core.events import Told
from ossicle.core.legs import Leg
from ossicle.engines.compose import Combined
from ossicle.engines.open import open_engine
from ossicle.engines.scripted import ScriptedEngine, parse_script
from ossicle.engines.tone import ToneEngine
from ossicle.gateway.serve import Gateway
from sdks import javascript as javascript_sdk
from sdks import python as python_sdk
from sdks import ran

pytestmark = [pytest.mark.interop, pytest.mark.timeout(120)]

TOKEN = "12345678901234567890123456789012"
PUBLIC = "https://calls.example.com"
MEDIA = "wss://calls.example.com/twilio/media"


def validator() -> Any:
    python_sdk("twilio")
    from twilio.request_validator import RequestValidator

    return RequestValidator(TOKEN)


async def javascript(**orders: Any) -> dict[str, Any]:
    """The answer of the official JavaScript package."""
    sdk = javascript_sdk("twilio")
    process = await asyncio.create_subprocess_exec(
        *sdk.command(Path(__file__).parent / "twilio_sdk" / "webhooks.cjs"),
        env={**os.environ, **sdk.variables},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(30):
            out, err = await process.communicate(json.dumps(orders).encode())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, err.decode()
    return json.loads(out)


@pytest.fixture
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OSSICLE_TWILIO_AUTH_TOKEN", TOKEN)


async def dialled(port: int, headers: dict[str, str]) -> int:
    """The status of a handshake."""
    try:
        async with connect(
            f"ws://localhost:{port}/twilio/media", additional_headers=headers, proxy=None
        ):
            return 101
    except websockets.InvalidStatus as error:
        return error.response.status_code


def port_of(gateway: Gateway) -> int:
    return gateway.doors["http"].port


# ── signatures ──


@pytest.mark.parametrize(
    "url",
    [
        MEDIA,
        MEDIA + "/",
        "https://calls.example.com/twilio/media",
        MEDIA.replace(".com", ".com:443"),
    ],
)
async def test_a_handshake_signed_by_the_official_package(url: str, tmp_path: Path, secret: None):
    async with gateway_with(tmp_path, public_url=PUBLIC) as gateway:
        port = port_of(gateway)
        for algorithm in ("HMAC_SHA1", "HMAC_SHA256"):
            headers = {"X-Twilio-Signature": validator().compute_signature(url, {}, algorithm)}
            if algorithm == "HMAC_SHA256":
                assert await dialled(port, headers) == 403
                headers["X-Twilio-Webhooks-Signature-Settings"] = f"key=k1,algorithm={algorithm}"
            assert await dialled(port, headers) == 101
    ran(python_sdk("twilio"), "Twilio /twilio/media", door="ws", use="signed handshake")


async def test_a_handshake_signed_in_javascript(tmp_path: Path, secret: None):
    said = await javascript(token=TOKEN, url=MEDIA, params={}, given="", parameters={})
    async with gateway_with(tmp_path, public_url=PUBLIC) as gateway:
        assert await dialled(port_of(gateway), {"X-Twilio-Signature": said["signature"]}) == 101
    ran(javascript_sdk("twilio"), "Twilio /twilio/media", door="ws", use="signed handshake")


async def test_a_wrong_or_missing_signature_is_403_before_the_upgrade(tmp_path: Path, secret: None):
    other = validator().compute_signature(MEDIA + "x", {})
    async with gateway_with(tmp_path, public_url=PUBLIC) as gateway:
        port = port_of(gateway)
        assert await dialled(port, {}) == 403
        for wrong in (other, "", "x", "é" * 20, "a" * 2_000):
            assert (
                await dialled(port, {"X-Twilio-Signature": wrong.encode().decode("latin-1")}) == 403
            )
        assert not gateway.house.sessions


async def test_with_keys_a_signature_or_a_token_lets_a_call_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    keys = (("me", "my-key"),)
    async with gateway_with(tmp_path, keys=keys) as gateway:
        async with Caller.dial(port_of(gateway)) as caller:
            code, reason = await caller.closed()
            assert code == 1000
            assert reason is not None
            assert reason.startswith("unauthorized")
        async with Caller.dial(port_of(gateway), token="my-key") as caller:
            await until(lambda: gateway.house.sessions)
            await caller.stop()
            assert await caller.closed() == (1000, "")
        async with Caller.dial(port_of(gateway), token="no-key") as caller:
            assert (await caller.closed())[0] == 1000
    monkeypatch.setenv("OSSICLE_TWILIO_AUTH_TOKEN", TOKEN)
    signed = {"X-Twilio-Signature": validator().compute_signature(MEDIA, {})}
    async with (
        gateway_with(tmp_path, keys=keys, public_url=PUBLIC) as gateway,
        Caller.dial(port_of(gateway), headers=signed) as caller,
    ):
        await until(lambda: gateway.house.sessions)
        assert len(gateway.house.listing("twilio")) == 1
        await caller.stop()
        assert await caller.closed() == (1000, "")


async def test_a_secret_in_a_file_must_be_ours_alone(tmp_path: Path):
    folder = tmp_path / "state" / "secrets"
    folder.mkdir(parents=True)
    file = folder / "twilio_auth_token"
    file.write_text(TOKEN + "\n")
    file.chmod(0o600)
    signed = {"X-Twilio-Signature": validator().compute_signature(MEDIA, {})}
    async with gateway_with(tmp_path, public_url=PUBLIC) as gateway:
        assert await dialled(port_of(gateway), signed) == 101
        assert await dialled(port_of(gateway), {}) == 403
        file.chmod(0o644)
        assert await dialled(port_of(gateway), signed) == 503


# ── TwiML ──

ASKED = {"language": "de-DE", "hints": 'Müller & "Söhne" <AG>', "label": "front desk"}


def streamed(document: str | bytes) -> tuple[str, dict[str, str]]:
    """URL and parameters of `<Response><Connect><Stream>`."""
    response = ET.fromstring(document)
    ((connect_,),) = [list(response)]
    (stream,) = list(connect_)
    assert (response.tag, connect_.tag, stream.tag) == ("Response", "Connect", "Stream")
    return stream.attrib["url"], {p.attrib["name"]: p.attrib["value"] for p in stream}


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_twiml_is_what_the_official_builders_build(method: str, tmp_path: Path):
    python_sdk("twilio")
    from twilio.twiml.voice_response import Connect, VoiceResponse

    built, stream = VoiceResponse(), Connect()
    inside = stream.stream(url=MEDIA)
    for name, value in (ASKED | {"mode": "bidi"}).items():
        inside.parameter(name=name, value=value)
    built.append(stream)
    js = await javascript(
        token=TOKEN, url=MEDIA, params={}, given="", parameters=ASKED | {"mode": "bidi"}
    )
    async with gateway_with(tmp_path, public_url=PUBLIC) as gateway:
        answer = await ask(
            gateway.url, method=method, path="/twilio/voice?" + urlencode(ASKED),
            headers={"content-type": "application/x-www-form-urlencoded"},
            body=b"CallSid=CA1&From=%2B1" if method == "POST" else b"",
        )  # fmt: skip
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/xml")
    assert streamed(answer.body) == streamed(str(built)) == streamed(js["twiml"])
    for sdk in (python_sdk("twilio"), javascript_sdk("twilio")):
        ran(sdk, "Twilio /twilio/voice", door="http", use=f"TwiML compared, {method}")


async def test_twiml_and_status_are_for_twilio_only(tmp_path: Path, secret: None):
    path = "/twilio/voice?language=de-DE"
    form = {"CallSid": "CA1", "From": "+15551234567", "Empty": ""}
    signature = validator().compute_signature(PUBLIC + path, form)
    headers = {"content-type": "application/x-www-form-urlencoded"}
    signed = headers | {"x-twilio-signature": signature}
    js = await javascript(
        token=TOKEN, url=PUBLIC + path, params=form, given=signature, parameters={}
    )
    assert js["valid"]
    async with gateway_with(tmp_path, public_url=PUBLIC) as gateway:
        body = urlencode(form).encode()
        url = gateway.url
        assert (await ask(url, body, path=path, headers=signed)).status == 200
        assert (await ask(url, body, path=path, headers=headers)).status == 403
        assert (await ask(url, body + b"1", path=path, headers=signed)).status == 403
        assert (await ask(url, body, path=path + "x", headers=signed)).status == 403
        got = validator().compute_signature(PUBLIC + path, {})
        get = {"x-twilio-signature": got}
        assert (await ask(url, path=path, method="GET", headers=get)).status == 200
        status = {"StreamEvent": "stream-error", "StreamSid": STREAM, "StreamError": "x"}
        right = validator().compute_signature(PUBLIC + "/twilio/status", status)
        said = headers | {"x-twilio-signature": right}
        told = urlencode(status).encode()
        assert (await ask(url, told, path="/twilio/status", headers=said)).status == 204
        assert (await ask(url, told, path="/twilio/status", headers=headers)).status == 403
    ran(python_sdk("twilio"), "Twilio /twilio/voice", door="http", use="signed webhooks")
    ran(
        javascript_sdk("twilio"), "Twilio /twilio/voice", door="http", use="signed webhooks checked"
    )


# ── real speech ──


def speech(name: str) -> bytes:
    """A recording as a telephone has it: mu-law at 8 kHz."""
    folder = os.environ.get("OSSICLE_CLIPS", "")
    if not folder or not (Path(folder) / name).is_file():
        missing(f"{name} is needed in the folder that OSSICLE_CLIPS names (scripts/clips.py)")
    with wave.open(str(Path(folder) / name)) as file:
        rate, data = file.getframerate(), file.readframes(file.getnframes())
    if rate != 8_000:
        resampler = Resampler(rate, 8_000)
        data = resampler.push(data) + resampler.flush()
    sound = encode_mulaw(data[: len(data) & ~1])
    return sound + b"\xff" * (-len(sound) % 160 + 160 * 50)


class Watch:
    """An observer of the only session, who knows it by the names that Twilio gave it."""

    def __init__(self, gateway: Gateway, name: str = "") -> None:
        self._gateway = gateway
        self._name = name

    async def __aenter__(self) -> Talk:
        house = self._gateway.house
        await until(lambda: any(s.owner for s in house.sessions.values()))
        (name,) = house.sessions
        self._talk = Talk.open(self._gateway.url, session=self._name or name)
        return await self._talk.__aenter__()

    async def __aexit__(self, *details: Any) -> None:
        await self._talk.__aexit__(*details)


async def native(gateway: Gateway, sound: bytes) -> list[str]:
    """The words of the native dialect for the same bytes."""
    async with Talk.open(gateway.url, encoding="mulaw", sample_rate=8_000) as talk:
        await talk.audio(sound, 160)
        await talk.say("end")
        await talk.ended(60)
        return talk.words()


CLIPS = ["go-forward.wav", "numbers.wav", "sense-0880.wav", "something.wav"]


@pytest.fixture(scope="module")
def ears() -> Any:
    return lambda: open_engine("pocketsphinx")


@pytest.mark.parametrize("name", CLIPS)
async def test_words_of_a_call_are_those_of_the_native_dialect(
    name: str, tmp_path: Path, ears: Any
):
    sound = speech(name)
    async with gateway_with(tmp_path, ears()) as gateway:
        await gateway.ready()
        wanted = await native(gateway, sound)
        assert wanted
        async with Caller.dial(port_of(gateway)) as caller, Watch(gateway) as watch:
            await caller.talk(sound)
            await caller.stop()
            ended = await watch.ended(60)
            assert await caller.closed() == (1000, "")
        assert watch.words() == wanted
        assert ended["reason"] == "done"
        assert caller.order == []


@pytest.mark.parametrize("name", [CALL, STREAM])
async def test_words_leave_to_whoever_knows_the_call_and_to_a_url(
    name: str, tmp_path: Path, ears: Any
):
    sound = speech("go-forward.wav")
    posts: list[dict[str, Any]] = []

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
                posts.append(json.loads(await reader.readexactly(length)))
                writer.write(b"HTTP/1.1 204 OK\r\ncontent-length: 0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, gateway_with(tmp_path, ears()) as gateway:
        await gateway.ready()
        wanted = await native(gateway, sound)
        url = f"http://127.0.0.1:{port}/words"
        async with (
            Caller.dial(port_of(gateway), transcript_url=url, label="desk") as caller,
            Watch(gateway, name) as watch,
        ):
            await caller.talk(sound)
            await caller.say("dtmf", dtmf={"track": "inbound_track", "digit": "7"})
            await caller.stop()
            await watch.ended(60)
            assert watch.words() == wanted
            assert [told["text"] for told in watch.of("told")] == ["7"]
            await until(lambda: posts and posts[-1]["type"] == "ended")
    finals = [p for p in posts if p["type"] == "transcript" and p["is_final"]]
    assert [word for p in finals for word in p["text"].split()] == wanted
    assert {p["label"] for p in posts} == {"desk"}


async def test_replayed_sequence_numbers_are_heard_once(tmp_path: Path, ears: Any):
    sound = speech("go-forward.wav")
    async with gateway_with(tmp_path, ears()) as gateway:
        await gateway.ready()
        wanted = await native(gateway, sound)
        async with Caller.dial(port_of(gateway)) as caller, Watch(gateway) as watch:
            await caller.talk(sound, twice=True)
            caller.sequence = 1
            caller.chunks["inbound"] = 0
            await caller.talk(sound)  # all of it again
            caller.sequence = 10_000
            await caller.stop()
            ended = await watch.ended(60)
        assert watch.words() == wanted
        assert ended["audio_ms"] == len(sound) // 8


@pytest.mark.parametrize("how", ["close", "drop"])
async def test_a_call_that_just_goes_is_heard_to_its_end(how: str, tmp_path: Path, ears: Any):
    """No stop; a Close, or nothing at all. Whoever reads along gets the last words."""
    sound = speech("go-forward.wav")
    async with gateway_with(tmp_path, ears(), session={"resume_window_s": 30.0}) as gateway:
        await gateway.ready()
        wanted = await native(gateway, sound)
        async with Caller.dial(port_of(gateway)) as caller, Watch(gateway) as watch:
            await caller.talk(sound[:-8_000])
            await asyncio.wait_for(await caller.wire.ping(), 10)
            if how == "close":
                await caller.wire.close()
            else:
                caller.wire.transport.abort()
            await watch.ended(60)
        assert watch.words() == wanted


async def test_both_tracks_are_two_channels(tmp_path: Path, ears: Any):
    here, there = speech("go-forward.wav"), speech("numbers.wav")
    length = max(len(here), len(there))
    here, there = here.ljust(length, b"\xff"), there.ljust(length, b"\xff")
    async with gateway_with(tmp_path, ears()) as gateway:
        await gateway.ready()
        wanted = [await native(gateway, here), await native(gateway, there)]
        tracks = ("inbound", "outbound")
        async with Caller.dial(port_of(gateway), tracks=tracks) as caller, Watch(gateway) as watch:
            for at in range(0, length, 160):
                await caller.talk(here[at : at + 160], "inbound")
                await caller.talk(there[at : at + 160], "outbound")
            await caller.stop()
            await watch.ended(60)
        assert [watch.words(0), watch.words(1)] == wanted


# ── what we say ──


class Controller:
    """A leg that asks, beside the call."""

    def __init__(self, gateway: Gateway) -> None:
        (self.session,) = gateway.house.sessions.values()
        self.events: list[Any] = []

    @property
    def owner(self) -> Leg:
        assert self.session.owner is not None
        return self.session.owner

    def ask(self, command: Any) -> None:
        self.session.ask(self.owner, command)


async def test_sound_and_marks_come_in_order_and_what_was_heard_is_known(tmp_path: Path):
    engine = Combined(ScriptedEngine(parse_script("hello there")), ToneEngine())
    async with (
        gateway_with(tmp_path, engine) as gateway,
        Caller.dial(port_of(gateway), mode="bidi", say="good day to you") as caller,
    ):
        await caller.until(lambda: caller.returned and caller.order[-1].startswith("mark"))
        marks = [each.removeprefix("mark ") for each in caller.order if each != "media"]
        await caller.until(lambda: caller.returned == marks)
        assert len(caller.played) == 15 * 60 * 8, "15 characters of 60 ms"
        assert caller.warnings == []
        asks = Controller(gateway)
        await until(lambda: asks.session.speech.playback.ahead_ms(0.0) == 0)
        await caller.say("dtmf", dtmf={"track": "inbound_track", "digit": "5"})
        await caller.stop()
        assert await caller.closed() == (1000, "")
        log = asks.session.log
        told = [log.read(n) for n in range(log.first, log.next)]
        assert [e.text for e in told if isinstance(e, Told) and e.kind == "digits"] == ["5"]


async def test_nothing_is_ever_sent_on_a_stream_that_is_not_bidirectional(tmp_path: Path):
    engine = Combined(ScriptedEngine(parse_script("hello")), ToneEngine())
    async with (
        gateway_with(tmp_path, engine) as gateway,
        Caller.dial(port_of(gateway), say="good day") as caller,
    ):
        await until(lambda: gateway.house.sessions)
        Controller(gateway).ask(Speak(text="are you there"))
        await caller.talk(b"\xff" * 8_000)
        await caller.stop()
        assert await caller.closed() == (1000, "")
        assert caller.order == []
        assert caller.warnings == []


async def test_a_caller_who_speaks_interrupts(tmp_path: Path, ears: Any):
    """Real speech against a long answer: cleared, and what was cleared counts as not heard."""
    engine = Combined(ears(), ToneEngine())
    sound = speech("go-forward.wav")
    async with gateway_with(tmp_path, engine) as gateway:
        await gateway.ready()
        async with Caller.dial(port_of(gateway), mode="bidi", say="la " * 100) as caller:
            await caller.until(lambda: caller.returned)
            asks = Controller(gateway)
            await caller.talk(sound)
            await caller.until(lambda: "clear" in caller.order)
            heard_ms, _ = asks.session.speech.playback.heard(now=0.0)
            assert 0 < heard_ms < 18_000
            after = caller.order[caller.order.index("clear") :]
            assert "media" not in after
            await caller.stop()
            assert (await caller.closed(30))[0] == 1000
            assert caller.warnings == []


async def test_somebody_else_cancels_what_is_made_already_and_still_to_be_heard(tmp_path: Path):
    """The engine has nothing left to stop; what is with the carrier is cleared all the same."""
    engine = Combined(ScriptedEngine(parse_script("hello")), ToneEngine())
    async with (
        gateway_with(tmp_path, engine) as gateway,
        Caller.dial(port_of(gateway), mode="bidi", say="la " * 20) as caller,
    ):
        await caller.until(lambda: caller.returned)
        async with Talk.open(gateway.url, session=CALL, role="controller") as desk:
            ended = await desk.until("speech_ended", side="out")
            assert ended["reason"] == "done"
            assert "clear" not in caller.order
            await desk.say("cancel")
            away = await desk.until("marked", name="")
            assert away["cleared"]
            assert 0 < away["heard_ms"] < 3_000
            await caller.until(lambda: "clear" in caller.order)
            await desk.say("cancel")
            await desk.say("speak", text="la")
            await caller.until(lambda: caller.order[-1].startswith("mark"))
        assert caller.order.count("clear") == 1, "there was nothing to clear again"
        assert "media" in caller.order[caller.order.index("clear") :], "and the next reply is heard"
        await caller.stop()
        assert (await caller.closed())[0] == 1000
        assert caller.warnings == []


# ── bad manners ──


@pytest.mark.parametrize(
    "rude",
    [
        {"event": "start", "streamSid": STREAM, "start": {"streamSid": STREAM}},
        {"event": "media", "streamSid": STREAM, "media": {"payload": "%%%"}},
        {"event": "media", "streamSid": STREAM},
        [],
        b"\x00\x01",
    ],
)
async def test_a_stream_that_breaks_the_protocol_is_finished_and_closed(rude: Any, tmp_path: Path):
    async with gateway_with(tmp_path) as gateway:
        async with Caller.dial(port_of(gateway)) as caller:
            await until(lambda: gateway.house.sessions)
            await (caller.wire.send(rude) if isinstance(rude, bytes) else caller.raw(rude))
            assert await caller.closed() == (1000, "bad_message")
        await until(lambda: not gateway.house.sessions)


async def test_what_is_not_for_us_is_left_alone(tmp_path: Path):
    async with gateway_with(tmp_path) as gateway:
        async with Caller.dial(port_of(gateway)) as caller, Watch(gateway) as watch:
            await caller.raw(
                {"event": "media", "streamSid": "MZother", "media": {"payload": "AA=="}}
            )
            await caller.raw({"event": "news", "streamSid": STREAM, "x": {"deep": [1]}})
            await caller.say("mark", mark={"name": "nobody set this"})
            await caller.say("stop", extra=1)
            ended = await watch.ended()
            assert await caller.closed() == (1000, "")
        assert ended["audio_ms"] == 0


# ── the other carriers, from their documentation ──


def hello_of(carrier: str) -> list[Any]:
    form = {"encoding": "PCMU", "sample_rate": 8000, "channels": 1}
    match carrier:
        case "telnyx":
            return [
                {"event": "connected", "version": "1.0.0"},
                {
                    "event": "start",
                    "sequence_number": "1",
                    "stream_id": "s1",
                    "start": {"call_control_id": "c1", "media_format": form},
                },
            ]
        case "vonage":
            return [{"event": "websocket:connected", "content-type": "audio/l16;rate=8000"}]
        case _:
            start = {
                "callId": "c1",
                "streamId": "s1",
                "accountId": "a1",
                "tracks": ["inbound"],
                "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000},
            }
            return [{"event": "start", "sequenceNumber": 0, "start": start}]


def pieces_of(carrier: str, sound: bytes) -> list[Any]:
    pieces = [sound[at : at + 160] for at in range(0, len(sound), 160)]
    if carrier == "vonage":
        return [decode_mulaw(piece) for piece in pieces]
    payloads = [base64.b64encode(piece).decode() for piece in pieces]
    if carrier == "plivo":
        return [
            {
                "event": "media",
                "sequenceNumber": number,
                "streamId": "s1",
                "media": {
                    "track": "inbound",
                    "timestamp": str(1_700_000_000_000 + 20 * number),
                    "chunk": number,
                    "payload": payload,
                },
            }
            for number, payload in enumerate(payloads, 1)
        ]
    messages = [
        {
            "event": "media",
            "sequence_number": str(number + 1),
            "stream_id": "s1",
            "media": {"track": "inbound", "chunk": str(number), "payload": payload},
        }
        for number, payload in enumerate(payloads, 1)
    ]
    # every two of three change places, as they may on the way
    for at in range(1, len(messages) - 1, 3):
        messages[at], messages[at + 1] = messages[at + 1], messages[at]
    return messages


@pytest.mark.parametrize("carrier", ["telnyx", "vonage", "plivo"])
async def test_words_of_other_carriers(carrier: str, tmp_path: Path, ears: Any):
    sound = speech("go-forward.wav")
    async with gateway_with(tmp_path, ears(), session={"resume_window_s": 30.0}) as gateway:
        await gateway.ready()
        wanted = await native(gateway, sound)
        async with connect(
            f"ws://localhost:{port_of(gateway)}/{carrier}/media", compression=None, proxy=None
        ) as wire:
            for message in hello_of(carrier):
                await wire.send(json.dumps(message))
            async with Watch(gateway) as watch:
                for message in pieces_of(carrier, sound):
                    await wire.send(message if isinstance(message, bytes) else json.dumps(message))
                await wire.close()
                await watch.ended(60)
                assert watch.words() == wanted
