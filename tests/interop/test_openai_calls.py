"""`/v1/realtime/calls` through a real gateway, with a WebRTC peer that is not ours (aiortc): keys,
sidebands, hanging up, and everything that is no call."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from harness import Answer, ask, gateway_with, until
from interop.test_openai_realtime import KEY, opened, secret
from ossicle.gateway.serve import Gateway
from pitch import pitch_talker, pitches

pytest.importorskip("aiortc")

from webrtc_peers import Caller, an_offer, encoded

pytestmark = [
    pytest.mark.interop, pytest.mark.timeout(60), pytest.mark.asyncio(loop_scope="module"),
]  # fmt: skip

CALLS = "/v1/realtime/calls"
SDP = {"content-type": "application/sdp", "authorization": f"Bearer {KEY}"}
HEARS = {
    "turn_detection": {"type": "server_vad", "silence_duration_ms": 200},
    "transcription": {"model": "whisper-1"},
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def at(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    folder = tmp_path_factory.mktemp("calls")
    async with gateway_with(
        folder, pitch_talker(), keys=(("me", KEY), ("you", "sk-2")), drain_s=0.2
    ) as gateway:
        await gateway.ready()
        yield gateway


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def offer() -> str:
    return await an_offer()


async def post(at: Gateway, body: str | bytes, path: str = CALLS, **headers: str) -> Answer:
    data = body.encode() if isinstance(body, str) else body
    return await ask(at.url, data, path=path, headers={**SDP, **headers})


async def end(at: Gateway, call: str, key: str = KEY, verb: str = "hangup") -> Answer:
    headers = {"authorization": f"Bearer {key}"}
    return await ask(at.url, b"{}", path=f"{CALLS}/{call}/{verb}", headers=headers)


def call_of(answer: Answer) -> str:
    assert answer.status == 201, answer.body
    path, _, call = answer.headers["location"].rpartition("/")
    assert path == CALLS
    assert call.startswith("rtc_")
    return call


def wrong(answer: Answer, status: int, code: str, words: str = "") -> None:
    """It is refused in OpenAI's shape."""
    assert answer.status == status, answer.body
    error = answer.json["error"]
    assert error["code"] == code, error
    assert words in error["message"], error
    assert error["type"] in {"invalid_request_error", "server_error", "rate_limit_error"}
    assert set(error) == {"message", "type", "param", "code"}
    assert answer.headers["x-request-id"]


def form(**parts: str) -> tuple[bytes, str]:
    """As a browser's FormData: no types, and the offer as a file without a name."""
    body = ""
    for name, value in parts.items():
        file = '; filename=""' if name == "sdp" else ""
        body += f'--x\r\ncontent-disposition: form-data; name="{name}"{file}\r\n\r\n{value}\r\n'
    return f"{body}--x--\r\n".encode(), "multipart/form-data; boundary=x"


class Talker:
    """A call that stands: what came on its data channel, and what is said there."""

    def __init__(self, caller: Caller, call: str) -> None:
        self.caller, self.call = caller, call

    def of(self, kind: str) -> list[dict[str, Any]]:
        events = (json.loads(text) for text in self.caller.messages)
        return [event for event in events if event["type"] == kind]

    async def until(self, kind: str, count: int = 1) -> dict[str, Any]:
        await until(lambda: len(self.of(kind)) >= count, what=f"{kind}: {self.caller.messages}")
        return self.of(kind)[count - 1]

    def say(self, kind: str, **fields: Any) -> None:
        self.caller.channel.send(json.dumps({"type": kind, **fields}))


@contextlib.asynccontextmanager
async def calling(
    at: Gateway, words: list[int], *, path: str = CALLS, key: str = KEY, session: Any = None
) -> AsyncIterator[Talker]:
    """Somebody who says these words, and then nothing."""
    call = ""

    async def answered(sdp: str) -> str:
        nonlocal call
        body, kind = sdp.encode(), "application/sdp"
        if session is not None:
            body, kind = form(sdp=sdp, session=json.dumps(session))
        headers = {"content-type": kind, "authorization": f"Bearer {key}"}
        answer = await ask(at.url, body, path=path, headers=headers)
        call = call_of(answer)
        assert answer.headers["content-type"].startswith("application/sdp")
        return answer.body.decode()

    sound = pitches(words) + bytes(16_000 * 2 * 20)
    async with Caller.call(answered, encoded(sound), data=True) as caller:
        yield Talker(caller, call)


async def test_a_sideband_follows_a_call_and_hangs_up(at: Gateway) -> None:
    session = {"type": "realtime", "model": "gpt-realtime", "audio": {"input": HEARS}}
    async with calling(at, [3, 1, 4], session=session) as talk:
        created = await talk.until("session.created")
        assert created["session"]["audio"]["input"]["transcription"] == {"model": "whisper-1"}
        async with opened(at, f"call_id={talk.call}") as side:
            joined = await side.until("session.created")
            assert joined["session"]["id"] == created["session"]["id"]
            stopped = await side.until("output_audio_buffer.stopped")
            mine = await talk.until("output_audio_buffer.stopped")
            assert stopped["response_id"] == mine["response_id"]
            kinds = [event["type"] for event in side.events]
            assert "output_audio_buffer.started" in kinds
            assert "response.output_audio.delta" not in kinds, "the sound is on the track"
            done = next(event for event in side.events if event["type"] == "response.done")
            assert done["response"] == talk.of("response.done")[0]["response"]
            assert done["response"]["output"][0]["content"][0]["transcript"] == "p3 p1 p4"
            assert not talk.of("response.output_audio.delta")
            # It may change the session and ask for more; the call's own channel hears of it.
            await side.say("session.update", session={"type": "realtime", "instructions": "New."})
            assert (await talk.until("session.updated"))["session"]["instructions"] == "New."
            await side.say("response.create")
            await talk.until("output_audio_buffer.started", 2)
            await side.say("output_audio_buffer.clear")
            cleared = await side.until("output_audio_buffer.cleared")
            assert (
                cleared["response_id"]
                == (await talk.until("response.created", 2))["response"]["id"]
            )
            assert (await talk.until("output_audio_buffer.cleared"))["response_id"]
            await talk.until("conversation.item.truncated")
            await side.say("input_audio_buffer.append", audio="AAAA", event_id="no")
            assert (await side.until("error"))["error"]["event_id"] == "no"
            wrong(await end(at, talk.call, "sk-of-nobody"), 401, "invalid_api_key")
            wrong(await end(at, talk.call, "sk-2"), 404, "not_found")
            assert (await end(at, talk.call)).status == 200
            await side.socket.wait_closed()
            assert side.socket.close_code == 1000
        await until(
            lambda: talk.caller.channel.readyState == "closed", what="the channel is closed"
        )
        await until(lambda: not at.house.sessions)
        wrong(await end(at, talk.call), 404, "not_found")


async def test_a_sideband_that_leaves_and_a_caller_that_leaves(at: Gateway) -> None:
    """Closing a sideband leaves the call up; the end of the call closes its sidebands."""
    async with calling(at, []) as talk:
        await talk.until("session.created")
        async with opened(at, f"call_id={talk.call}") as first:
            await first.until("session.created")
        talk.say("session.update", session={"type": "realtime"})
        await talk.until("session.updated")
        async with opened(at, f"call_id={talk.call}") as second:
            await second.until("session.created")
            await talk.caller.pc.close()
            async with asyncio.timeout(10):
                await second.socket.wait_closed()
            assert second.socket.close_code == 1000
    await until(lambda: not at.house.sessions)


async def test_a_call_by_an_ephemeral_key_says_what_is_wrong_on_its_channel(at: Gateway) -> None:
    key = await secret(at, type="realtime", instructions="Be short.")
    async with calling(at, [], key=key) as talk:
        assert (await talk.until("session.created"))["session"]["instructions"] == "Be short."
        for number, (text, code) in enumerate(
            (
                ("{}", "invalid_value"),
                ("no JSON", "invalid_value"),
                ('{"type":"dance"}', "invalid_value"),
                ('{"type":"input_audio_buffer.append","audio":"AAAA"}', "invalid_value"),
                (
                    '{"type":"session.update","session":{"type":"transcription"}}',
                    "invalid_value",
                ),
            ),
            1,
        ):
            talk.caller.channel.send(text)
            error = (await talk.until("error", number))["error"]
            assert (error["type"], error["code"]) == ("invalid_request_error", code), text
        # what a format is called does not matter on a track
        telephone = {"format": {"type": "audio/pcmu"}}
        talk.say("session.update", session={"type": "realtime", "audio": {"input": telephone}})
        shown = (await talk.until("session.updated"))["session"]["audio"]["input"]["format"]
        assert shown == {"type": "audio/pcmu"}
    await until(lambda: not at.house.sessions)


async def test_words_only(at: Gateway) -> None:
    """A key for a transcription opens a call that is not answered."""
    key = await secret(at, type="transcription", audio={"input": HEARS})
    async with calling(at, [5, 6], key=key) as talk:
        completed = await talk.until("conversation.item.input_audio_transcription.completed")
        assert completed["transcript"] == "p5 p6"
        assert not talk.of("response.created")


async def test_the_calls_of_the_beta(at: Gateway) -> None:
    """Another path and the older words."""
    async with calling(at, [7], path="/v1/realtime?model=gpt-4o-realtime-preview") as talk:
        created = await talk.until("session.created")
        assert created["session"]["modalities"] == ["audio", "text"]
        await talk.until("response.done")
        assert talk.of("conversation.item.created")
        assert not talk.of("response.audio.delta")


async def test_what_is_no_offer_is_refused_in_openais_shape(at: Gateway, offer: str) -> None:
    silent = await an_offer(audio=False)
    wrong(await post(at, "hello"), 400, "invalid_value", "v=0")
    wrong(await post(at, ""), 400, "invalid_value", "v=0")
    wrong(await post(at, b"v=0\r\n\xff"), 400, "invalid_value", "UTF-8")
    wrong(await post(at, silent), 400, "invalid_value", "no audio")
    wrong(await post(at, offer.replace("a=sendrecv", "a=recvonly")), 400, "invalid_value", "caller")
    wrong(await post(at, offer.replace("a=fingerprint", "a=x-print")), 400, "invalid_value", "DTLS")
    wrong(await post(at, offer + "a=x:y\r\n" * 12_000), 413, "request_too_large", "65536")
    wrong(await post(at, b"x" * 300_000), 413, "request_too_large", "body is larger")
    wrong(await post(at, offer, **{"content-type": "text/plain"}), 400, "invalid_value", "sdp")
    for parts, code in (
        ({"session": "{}"}, "missing_required_parameter"),
        ({"sdp": offer, "session": "[]"}, "invalid_value"),
        ({"sdp": offer, "session": '{"type":"sip"}'}, "invalid_value"),
        (
            {"sdp": offer, "session": '{"type":"realtime","modalities":["text"]}'},
            "unknown_parameter",
        ),
        ({"sdp": "hello", "session": "{}"}, "invalid_value"),
    ):
        body, kind = form(**parts)
        wrong(await post(at, body, **{"content-type": kind}), 400, code)
    wrong(await post(at, form(sdp=offer)[0][:-9], **{"content-type": form()[1]}), 400,
          "invalid_value", "last boundary")  # fmt: skip
    wrong(await post(at, b"", **{"content-type": "multipart/form-data"}), 400, "invalid_value")
    assert not at.house.sessions
    assert not at.webrtc.calls.calls


async def test_who_may_not_call(at: Gateway, offer: str) -> None:
    for header in ("", "Bearer sk-of-nobody", "Bearer ek_ossicle-t.forged.forged"):
        wrong(await post(at, offer, authorization=header), 401, "invalid_api_key")
    key = await secret(at, 10)
    mint = at.house.tokens()
    before, mint.now = mint.now, lambda: 2e9 + 1e9
    try:
        ended = await post(at, offer, authorization=f"Bearer {key}")
    finally:
        mint.now = before
    wrong(ended, 401, "invalid_api_key", "ended")


async def test_verbs_of_sip(at: Gateway, offer: str) -> None:
    """They say that they are, for calls that are there; others are not found."""
    call = call_of(await post(at, offer))
    for verb in ("accept", "reject", "refer"):
        wrong(await end(at, call, verb=verb), 400, "call_not_sip", "hangup")
        wrong(await end(at, "rtc_gone", verb=verb), 404, "not_found")
        wrong(await end(at, call, "sk-of-nobody", verb=verb), 401, "invalid_api_key")
    assert (await end(at, call)).status == 200


async def test_pages_of_other_origins(at: Gateway, offer: str, tmp_path: Any) -> None:
    """With keys any page may call; without, pages that are listed."""
    page = {"origin": "https://shop.example"}
    asked = "authorization,content-type,x-openai-agents-sdk"
    for path in (CALLS, f"{CALLS}/rtc_1/hangup"):
        answer = await ask(at.url, method="OPTIONS", path=path, headers={
            **page, "access-control-request-method": "POST",
            "access-control-request-headers": asked,
        })  # fmt: skip
        assert answer.status == 204
        assert answer.headers["access-control-allow-origin"] == page["origin"]
        assert answer.headers["access-control-allow-headers"] == asked
        assert answer.headers["access-control-allow-methods"] == "POST"
    answer = await post(at, offer, **page)
    assert "location" in answer.headers["access-control-expose-headers"]
    assert (await end(at, call_of(answer))).status == 200
    refused = await post(at, "hello", **page)
    assert refused.headers["access-control-allow-origin"] == page["origin"]
    async with gateway_with(tmp_path, pitch_talker()) as keyless:
        wrong(await post(keyless, offer, **page), 403, "forbidden", "--allow-host")
        answer = await ask(keyless.url, method="OPTIONS", path=CALLS, headers=page)
        assert answer.status == 403
        assert "access-control-allow-origin" not in answer.headers
