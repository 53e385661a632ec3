"""WHIP, WHEP and the data channel with a real browser: words in, voice out, through every path.

The microphone is a file of pitches (tests/pitch.py), which survive Opus; what the page hears is
recorded there and read back as pitches.
"""

import asyncio
import contextlib
import re
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ossicle
from chromium import Page, chromium
from harness import ask, gateway_with, missing, until
from ossicle.core.events import Transcript
from ossicle.gateway.models.upstreams import open_upstream
from ossicle.transports.webrtc.settings import WebRtcSettings
from page import recording
from pitch import heard_in, pitch_engine, pitches
from webrtc_page import CALLS, FLAGS, call

from .relay import coturn, share_secret

pytest.importorskip("aiortc")
pytestmark = [pytest.mark.interop, pytest.mark.timeout(90)]

WORDS = [3, 14, 15, 9, 26, 5, 35, 8]
SAID = [f"p{number}" for number in WORDS]
REPLY = [30, 2, 21, 11, 7]
SPEAK = " ".join(f"p{number}" for number in REPLY)


@contextlib.asynccontextmanager
async def talking(
    tmp_path: Path,
    *flags: str,
    words: list[int] = WORDS,
    engine: Any = None,
    lead_s: int = 0,
    **settings: Any,
) -> AsyncIterator[tuple[Any, Page]]:
    """A gateway and a page with a microphone, in which there is silence for so long at first."""
    sound = bytes(lead_s * 32_000) + pitches(words)
    wav = recording(tmp_path / "microphone.wav", sound, 48_000)
    async with (
        gateway_with(tmp_path, engine or pitch_engine(), **settings) as gateway,
        chromium(tmp_path, *FLAGS, *flags, microphone=wav) as browser,
    ):
        yield gateway, await browser.open(gateway.url + "/healthz", script=CALLS)


async def heard(page: Page, call: int = 0) -> list[int]:
    """The words in the sound that a call's page received."""
    flat = await page.run(
        f"calls[{call}].sound.map((piece) => [...piece].map((x) => Math.round(x * 32767)))"
    )
    samples = np.array([value for piece in flat for value in piece], "<i2")
    return heard_in(samples.tobytes())


async def hears(page: Page, words: list[int], call: int = 0) -> None:
    """The page hears these words, at last."""
    found: list[int] = []
    async with asyncio.timeout(15):
        while found != words:
            await asyncio.sleep(0.2)
            found = await heard(page, call)
            assert len(found) <= len(words), found


async def connected(page: Page, number: int = 0) -> None:
    """It stands."""
    status = await page.run(f"calls[{number}].status")
    assert status == 201, await page.run(f"calls[{number}].body")
    await page.until(f"connected({number})")


async def test_words_in_and_voice_out(tmp_path: Path) -> None:
    """Full duplex with a data channel, from the offer to DELETE."""
    async with talking(tmp_path) as (gateway, page):
        await page.run(call())
        await connected(page)
        assert await page.run("pairOf(0)") == ["host", "udp", ""]
        assert re.search(r"a=fmtp:\d+ .*useinbandfec=1", await page.run("calls[0].body"))
        await page.until(f"words(0).length >= {len(SAID)}")
        assert await page.run("words(0)") == SAID
        await page.run(f"calls[0].channel.send(JSON.stringify({{type: 'speak', text: '{SPEAK}'}}))")
        await hears(page, REPLY)
        (session,) = gateway.house.sessions.values()
        await until(lambda: not session.speech.playback.ahead_ms(0), what="all is heard")
        assert session.taken_commands == 1  # what the wire reports is no request of the client's
        assert (
            await page.run("fetch(calls[0].location, {method: 'DELETE'}).then(r => r.status)")
            == 200
        )
        await page.until("calls[0].messages.at(-1).type === 'ended'")
        await page.until("calls[0].channel.readyState === 'closed'")
        ended = await page.run("calls[0].messages.at(-1)")
        await until(lambda: not gateway.webrtc.calls.calls, what="the call is over")
        assert ended["reason"] == "done"
        assert ended["ledger"]["network_ms"] is not None
        assert "ossicle_webrtc_packets_total" in gateway.house.metrics.page().decode()
        await until(lambda: not gateway.house.sessions)


async def test_listeners_see_captions_and_hear_the_voice(tmp_path: Path) -> None:
    """WHEP: an observer that disturbs nobody."""
    async with talking(tmp_path) as (gateway, page):
        await page.run(call())
        await connected(page)
        await page.until("calls[0].messages.length > 0")
        session = await page.run("calls[0].messages[0].session")
        await page.run(call(path=f"/whep/{session}", send=False))
        await connected(page, 1)
        await page.until(f"words(1).length >= {len(SAID)}")
        assert await page.run("words(1)") == SAID
        await page.run('calls[1].channel.send(\'{"type": "cancel"}\')')
        await page.run(f"calls[0].channel.send(JSON.stringify({{type: 'speak', text: '{SPEAK}'}}))")
        await asyncio.gather(hears(page, REPLY, 0), hears(page, REPLY, 1))
        await page.until("calls[1].messages.some((m) => m.type === 'notice')")
        await page.run("fetch(calls[1].location, {method: 'DELETE'})")
        await until(lambda: len(gateway.webrtc.calls.calls) == 1)
        assert len(gateway.house.sessions) == 1


async def test_an_offer_without_candidates_and_without_words(tmp_path: Path) -> None:
    """Checks from addresses that nobody told are answered; words go where somebody reads them."""
    async with talking(tmp_path) as (gateway, page):
        await page.run(call(candidates=False, data=False, receive=False, query="?label=mute"))
        await connected(page)
        await until(lambda: bool(gateway.house.sessions))
        (session,) = gateway.house.sessions.values()
        await page.run(call(path=f"/whep/{session.id}", send=False, query="?since=0"))
        await connected(page, 1)
        await page.until(f"words(1).length >= {len(SAID)}")
        assert await page.run("words(1)") == SAID
        await page.run("calls[0].pc.close()")  # no DELETE: a page that is left
        await page.until("calls[1].messages.at(-1).type === 'ended'")
        assert (await page.run("calls[1].messages.at(-1)"))["reason"] == "done"


async def test_over_ipv6_and_on_to_a_provider(tmp_path: Path) -> None:
    """WHIP in over [::1], the Deepgram protocol out over a WebSocket: the same words as there."""
    if not ipv6():
        missing("this machine has no IPv6, not even ::1")
    async with gateway_with(tmp_path / "behind", pitch_engine()) as behind:
        async with ossicle.connect(behind.url, dialect="deepgram") as stream:
            await stream.send(pitches(WORDS))
            await stream.end()
            directly = [e.text async for e in stream if isinstance(e, Transcript) and e.final]
        front = open_upstream(f"deepgram@{behind.url}")
        async with talking(tmp_path, engine=front, host="::1", lead_s=2) as (gateway, page):
            port = gateway.url.rpartition(":")[2]
            await page.run(call(path=f"http://[::1]:{port}/whip"))
            await connected(page)
            await page.until(f"words(0).length >= {len(SAID)}")
            words = await page.run("words(0)")
            (link,) = (each.link for each in gateway.webrtc.calls.calls)
            assert link.pair.startswith("host ::1:")
    assert words == " ".join(directly).split() == SAID


def ipv6() -> bool:
    """There is a loopback of it."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6) as probe:
        probe.bind(("::1", 0))
        return True
    return False


async def test_an_interrupted_voice_is_silent_at_once(tmp_path: Path) -> None:
    """Cancel on the data channel: nothing more is sent, and what was heard is told."""
    async with talking(tmp_path) as (gateway, page):
        await page.run(call())
        await connected(page)
        await page.until("calls[0].channel.readyState === 'open'")
        text = " ".join(f"p{number}" for number in range(20))
        await page.run(f"calls[0].channel.send(JSON.stringify({{type: 'speak', text: '{text}'}}))")
        figures = lambda: gateway.webrtc.calls.calls[0].figures  # noqa: E731
        await until(lambda: figures().sent >= 50)  # a second of it is out
        await page.run("calls[0].channel.send(JSON.stringify({type: 'cancel'}))")
        (session,) = gateway.house.sessions.values()
        await until(lambda: session.speech.playback.stale("u1") or session.taken_commands == 2)
        heard_ms, estimated = session.speech.playback.heard(now=0.0)
        assert not estimated
        assert 500 <= heard_ms <= 1_500
        before = figures().sent
        await asyncio.sleep(0.5)
        assert figures().sent - before <= 8  # silence behind it
        words = await heard(page)
        assert 1 <= len(words) <= 6
        assert words == list(range(len(words)))


async def test_the_network_is_cut_and_the_session_goes_on(tmp_path: Path) -> None:
    """A dead path is noticed, the session waits, and a new offer with its token goes on with it."""
    words = list(range(30))
    settings = WebRtcSettings(consent_s=2)
    async with talking(tmp_path, words=words, webrtc=settings, session={"resume_window_s": 20}) as (
        gateway,
        page,
    ):
        await page.run(call())
        await connected(page)
        await page.until("words(0).length >= 3")
        first = gateway.webrtc.calls.calls[0]
        for port in first.link.sockets:  # as if a cable was pulled: nothing comes, nothing leaves
            port.datagram_received = lambda data, addr: None
            port.transport.sendto = lambda data, addr: None
        await until(lambda: not gateway.webrtc.calls.calls, what="the path is given up")
        (session,) = gateway.house.sessions.values()
        assert session.detached_until is not None
        began = await page.run("calls[0].messages[0]")
        seq = await page.run("Math.max(...calls[0].messages.map((m) => m.seq || 0))")
        await page.run(call(query=f"?resume={began['token']}&since={seq}", mic=0))
        await connected(page, 1)
        await page.until("words(1).length >= 2")
        assert (await page.run("calls[1].messages[0]"))["resumed"] is True
        assert list(gateway.house.sessions.values()) == [session]
        told = [int(word[1:]) for word in await page.run("[...words(0), ...words(1)]")]
        assert told == sorted(set(told))  # some were said to nobody; none came twice


async def test_ice_restarts_without_a_new_session(tmp_path: Path) -> None:
    """RFC 9725 section 4.3.3: new credentials and sockets under the same sound."""
    async with talking(tmp_path, words=list(range(24))) as (gateway, page):
        await page.run(call())
        await connected(page)
        await page.until("words(0).length >= 2")
        ports = {port.local_candidate.port for port in gateway.webrtc.calls.calls[0].link.sockets}
        result = await page.run(
            """(async () => {
              const it = calls[0];
              it.pc.restartIce();
              await it.pc.setLocalDescription(await it.pc.createOffer());
              const get = (name) => it.pc.localDescription.sdp.match(`a=${name}:(.*)`)[1].trim();
              const answer = await fetch(it.location, {method: "PATCH",
                headers: {"content-type": "application/trickle-ice-sdpfrag", "if-match": "*"},
                body: `a=ice-ufrag:${get("ice-ufrag")}\\r\\na=ice-pwd:${get("ice-pwd")}\\r\\n`});
              const body = await answer.text();
              const part = (name) => body.match(`a=${name}:(.*)`)[1].trim();
              const kept = it.body.split("\\r\\n").filter((l) => !/^a=candidate/.test(l));
              const lines = kept.map((l) =>
                l.startsWith("a=ice-ufrag:") ? "a=ice-ufrag:" + part("ice-ufrag")
                : l.startsWith("a=ice-pwd:") ? "a=ice-pwd:" + part("ice-pwd") : l);
              const fresh = body.split("\\r\\n").filter((l) => l.startsWith("a=candidate"));
              const sdp = lines.flatMap((l) => l === "a=end-of-candidates" ? [...fresh, l] : [l]);
              await it.pc.setRemoteDescription({type: "answer", sdp: sdp.join("\\r\\n")});
              return [answer.status, answer.headers.get("etag"), it.etag];
            })()"""
        )
        assert result[0] == 200
        assert result[1] != result[2]
        link = gateway.webrtc.calls.calls[0].link
        await until(lambda: not ports & {port.local_candidate.port for port in link.sockets})
        seen = len(await page.run("words(0)"))
        await page.until(f"words(0).length >= {seen + 6}")
        told = [int(word[1:]) for word in await page.run("words(0)")]
        assert told == list(range(len(told)))
        assert len(gateway.house.sessions) == 1


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_only_through_a_relay(tmp_path: Path, transport: str) -> None:
    """coturn, credentials from our Link header, and no other path."""
    async with (
        coturn(tmp_path, "shared-secret") as port,
        talking(
            tmp_path,
            webrtc=WebRtcSettings(turn=(f"turn:127.0.0.1:{port}?transport={transport}",)),
        ) as (_gateway, page),
    ):
        share_secret(tmp_path / "state", "shared-secret")
        told = await page.run(
            "fetch('/whip', {method: 'OPTIONS', headers: {authorization: 'Bearer x'}})"
            ".then((answer) => answer.headers.get('link'))"
        )
        url, user, word = re.findall(
            r'<(turn:[^>]+)>; rel="ice-server"; username="([^"]+)"; credential="([^"]+)"', told
        )[0]
        server = {"urls": url, "username": user, "credential": word}
        await page.run(call(relay=True, servers=[server]))
        await connected(page)
        assert await page.run("pairOf(0)") == ["relay", "udp", transport]
        await page.until(f"words(0).length >= {len(SAID)}")
        assert await page.run("words(0)") == SAID
        await page.run(f"calls[0].channel.send(JSON.stringify({{type: 'speak', text: '{SPEAK}'}}))")
        await hears(page, REPLY)


async def test_an_encoder_that_may_adapt_does(tmp_path: Path) -> None:
    """Transport-wide feedback: the uplink is throttled to 24 kbit/s, headers included, and the
    browser steps down (in bitrate and in packets) and up again; no word is lost by it."""
    words = list(range(40))
    async with talking(tmp_path, words=words) as (gateway, page):
        await page.run(call(adapt=True))
        await connected(page)
        await page.until("words(0).length >= 2")
        link = gateway.webrtc.calls.calls[0].link
        assert link.numbered
        target = (
            "(await calls[0].pc.getStats().then((s) => [...s.values()]"
            ".find((x) => x.type === 'outbound-rtp'))).targetBitrate"
        )
        assert await page.run(f"(async () => {target})()") == 24_000
        valves = [throttled(port) for port in link.sockets]
        for valve in valves:
            valve["bits"] = 24_000
        await page.until(f"(async () => {target} < 15000)()", 8)
        for valve in valves:
            valve["bits"] = 0
        seen = len(await page.run("words(0)"))
        await page.until(f"(async () => {target} > 18000)()", 12)
        await page.until(f"words(0).length > {seen}")
        told = [int(word[1:]) for word in await page.run("words(0)")]
        # What the queue had no room for: a word may be missing, or torn in two by it.
        assert told == sorted(told)
        assert told[-1] + 1 - len(set(told)) <= 2, told


def throttled(port: Any) -> dict[str, float]:
    """A path that takes so many bits a second (0 = any), with a queue of 0.6 s before it."""
    take, loop = port.datagram_received, asyncio.get_running_loop()
    valve = {"bits": 0.0, "free": 0.0}

    def datagram_received(data: bytes, addr: Any) -> None:
        if not valve["bits"] or not 127 < data[0] < 192:
            take(data, addr)
            return
        now = loop.time()
        valve["free"] = max(valve["free"], now)
        if valve["free"] - now < 0.6:
            valve["free"] += (len(data) + 28) * 8 / valve["bits"]
            loop.call_at(valve["free"], take, data, addr)

    port.datagram_received = datagram_received
    return valve


SDP = {"content-type": "application/sdp"}


@pytest.mark.parametrize(
    ("body", "headers", "status", "said"),
    [
        (b"v=0\r\n", {"content-type": "text/plain"}, 415, "application/sdp"),
        (b"hello", SDP, 400, "v=0"),
        (b"v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\n", SDP, 400, "no audio"),
        (b"v=0\r\n" + b"a=x:" + b"y" * 70_000, SDP, 413, "65536"),
        (b"\xff\xfe", SDP, 400, "UTF-8"),
    ],
)
async def test_what_is_no_offer_is_said_to_be_none(
    tmp_path: Path, body: bytes, headers: dict[str, str], status: int, said: str
) -> None:
    async with gateway_with(tmp_path, pitch_engine()) as gateway:
        answer = await ask(gateway.url, body, path="/whip", headers=headers)
        assert answer.status == status
        assert said in answer.json["error"]["text"]
        assert not gateway.webrtc.calls.calls
        gone = await ask(gateway.url, method="DELETE", path="/whip/nobody")
        assert gone.status == 404


async def test_the_doctor_asks_a_relay(tmp_path: Path) -> None:
    """`ossicle doctor webrtc`: a relay that works, one with another secret, and none at all."""
    import sys

    async def doctor(secret: str, *ports: int) -> tuple[int, str]:
        urls = ",".join(f"turn:127.0.0.1:{port}?transport=udp" for port in ports)
        process = await asyncio.create_subprocess_exec(
            Path(sys.executable).with_name("ossicle"), "doctor", "webrtc",
            "--set", f"webrtc.turn={urls}", "--set", f"webrtc.stun=stun:127.0.0.1:{ports[0]}",
            stdout=asyncio.subprocess.PIPE,
            env={"OSSICLE_TURN_SECRET": secret, "HOME": str(tmp_path), "COLUMNS": "200"},
        )  # fmt: skip
        out, _ = await process.communicate()
        return process.returncode or 0, out.decode()

    async with coturn(tmp_path, "shared-secret") as port:
        (good, said), (bad, denied) = await asyncio.gather(
            doctor("shared-secret", port), doctor("another", port)
        )
    assert good == 0, said
    assert f"turn:127.0.0.1:{port}?transport=udp relays with our credentials" in said
    assert "sees us as 127.0.0.1: no NAT" in said
    assert bad == 1
    assert "refuses our credentials" in denied


async def test_the_page_of_the_guide(tmp_path: Path) -> None:
    """`examples/webrtc_browser.html`, as it is."""
    example = Path(__file__).parents[2] / "examples/webrtc_browser.html"
    script = example.read_text("utf-8").split('<script type="module">')[1].split("</script>")[0]
    async with talking(tmp_path) as (gateway, page):
        script = script.replace("http://localhost:8080", gateway.url)
        await page.run(
            "document.body.innerHTML = '<button id=talk></button><button id=stop></button>"
            "<p id=captions></p>'"
        )
        await page.run(f"(async () => {{ {script}; await talk.onclick(); }})()")
        wanted = " ".join(SAID)
        await page.until(f"captions.innerText.trim() === {wanted!r}")
        await page.run("stop.onclick()")
        await until(lambda: not gateway.house.sessions)
