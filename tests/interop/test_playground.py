"""The playground in a real browser: sound in, words out, and a sentence for every mishap."""

import asyncio
import json
import os
import time
from pathlib import Path

import pytest

from chromium import Page, chromium
from harness import Proxy, Talk, ask, gateway_with, heard, missing, until
from ossicle.engines.compose import Combined
from ossicle.engines.open import open_engine
from ossicle.gateway.keys.keyfile import KeyFile, KeyLimits
from ossicle.testing.marked import marked_audio
from page import finals, in_nobodys_way, loud, module, recording, said

pytestmark = [pytest.mark.interop, pytest.mark.timeout(120)]

WORDS = [40, 80, 0, 120, 160, 0, 200, 240, 0]

RAW = "for (const name of ['echo', 'noise', 'gain']) document.getElementById(name).checked = false;"
"""Marked sound is not speech: a browser that cleans it up would change it."""


DROP = """(() => {
  const items = new DataTransfer();
  items.items.add(new File([new Uint8Array(BYTES)], 'talk.wav', {type: 'audio/wav'}));
  for (const name of ['dragenter', 'dragover', 'drop']) {
    const how = {dataTransfer: items, bubbles: true, cancelable: true};
    document.querySelector('#drop').dispatchEvent(new DragEvent(name, how));
  }
})()"""


def alert() -> str:
    return "document.querySelector('#alert:not([hidden])')?.dataset.code"


async def complaint(page: Page, code: str) -> str:
    """The sentence on the page."""
    await page.until(f"{alert()} === '{code}'")
    return await page.text("#alert-text")


async def done(page: Page) -> None:
    await page.until("document.querySelector('#status').innerText.startsWith('Done')")


async def test_a_microphone_becomes_words_with_times(tmp_path: Path) -> None:
    wav = recording(tmp_path / "m.wav", loud(WORDS))
    async with gateway_with(tmp_path) as gateway, chromium(tmp_path, microphone=wav) as browser:
        page = await browser.open(gateway.url + "/")
        await page.run(RAW)
        await page.run(
            "void new MutationObserver(() => { const said = document.querySelector('#partial')"
            ".innerText.trim(); if (said) (window.guesses ??= []).push(said); })"
            ".observe(document.querySelector('#partial'), {childList: true, subtree: true})"
        )
        await page.click("#talk")
        await page.until("document.querySelectorAll('#finals .w').length === 6")
        await page.until("document.querySelector('tr.mine')")
        assert "this one" in await page.text("#sessions")
        assert await page.run("document.querySelector('#level').value") >= 0
        assert await page.run(
            "[...document.querySelectorAll('[data-granted]')].map(e => e.innerText)"
        ) == ["off", "off", "off"]
        assert "16 kHz" in await page.text("#granted")
        await page.click("#talk")
        await done(page)

        assert await finals(page) == said(WORDS)
        assert "w40" in await page.run("window.guesses")
        assert "Word to screen" in await page.text("#ledger")
        assert "Together" in await page.text("#ledger")
        assert await page.run("document.querySelector('.bar').getAttribute('aria-label')")
        await page.click("#finals .w")
        assert "“w40” from 0." in await page.text("#word")
        assert await page.run("!document.querySelector('[data-save=srt]').disabled")
        assert not page.complaints
        assert all(each.startswith((gateway.url, "blob:")) for each in page.requests)


async def test_a_human_voice_through_a_microphone(tmp_path: Path) -> None:
    folder = os.environ.get("OSSICLE_CLIPS", "")
    clip = Path(folder) / "go-forward.wav"
    if not folder or not clip.is_file():
        missing(
            "go-forward.wav is needed in the folder that OSSICLE_CLIPS names (scripts/clips.py)"
        )
    async with (
        gateway_with(tmp_path, open_engine("pocketsphinx:1")) as gateway,
        chromium(tmp_path, microphone=clip) as browser,
    ):
        await gateway.ready()
        page = await browser.open(gateway.url + "/")
        assert "pocketsphinx" in await page.until("document.querySelector('#engine').innerText")
        assert "not for dictation" in await page.text("#better")
        assert await page.text("#better-line") == (
            "DEEPGRAM_API_KEY=YOUR_KEY ossicle serve --engine upstream:deepgram"
        )
        link = "document.querySelector('#better-link')"
        assert await page.run(f"{link}.href.endsWith('/docs/howto/upstreams.md')")
        await page.click("#talk")
        await page.until("document.querySelectorAll('#finals .w').length >= 3")
        await page.click("#talk")
        await done(page)
        # What the browser does against noise is not the same each time, so a word may differ.
        heard_ = await finals(page)
        assert sum(word in heard_ for word in ("go", "forward", "ten", "meters")) >= 3, heard_
        for name in ("echoCancellation", "noiseSuppression", "autoGainControl"):
            assert await page.text(f"[data-granted={name}]") == "on"


async def test_a_file_chosen_and_a_file_dropped(tmp_path: Path) -> None:
    wav = recording(tmp_path / "talk.wav", marked_audio(WORDS), 16_000)
    async with gateway_with(tmp_path) as gateway, chromium(tmp_path) as browser:
        page = await browser.open(gateway.url + "/")
        await page.choose("#file", wav)
        await done(page)
        assert await finals(page) == said(WORDS)

        await page.click("#clear")
        assert await finals(page) == []
        await page.run(DROP.replace("BYTES", str(list(wav.read_bytes()))))
        await page.until("document.querySelectorAll('#finals .w').length === 6")
        await done(page)
        assert await finals(page) == said(WORDS)


async def test_what_is_no_sound_is_refused_in_words(tmp_path: Path) -> None:
    nothing = tmp_path / "letter.wav"
    nothing.write_bytes(b"Dear Sir, " * 2000)
    async with gateway_with(tmp_path) as gateway, chromium(tmp_path) as browser:
        page = await browser.open(gateway.url + "/")
        await page.choose("#file", nothing)
        await page.until("document.querySelector('#alert:not([hidden])')")
        assert await page.run(alert()) in {"bad_audio", "unsupported_audio"}
        await page.until("!document.querySelector('#file').disabled")


async def test_the_socket_cut_in_mid_word_while_a_microphone_talks(tmp_path: Path) -> None:
    words = [10 * (1 + place % 30) if place % 4 else 0 for place in range(1, 33)]
    wav = recording(tmp_path / "m.wav", loud(words))
    async with (
        gateway_with(tmp_path, session={"resume_window_s": 20}) as gateway,
        Proxy(gateway.doors["http"].port) as proxy,
        chromium(tmp_path, microphone=wav) as browser,
    ):
        page = await browser.open(proxy.url + "/")
        await page.run(RAW)
        await page.click("#talk")
        for count in (2, 9, 16):
            await page.until(f"document.querySelectorAll('#finals .w').length >= {count}")
            proxy.cut()
        expected = said(words)
        await page.until(f"document.querySelectorAll('#finals .w').length >= {len(expected)}")
        await page.click("#talk")
        await done(page)
        assert await finals(page) == expected


async def test_it_speaks_and_falls_silent_when_somebody_talks(tmp_path: Path) -> None:
    wav = recording(tmp_path / "m.wav", loud([50, 0], lead=150))
    engine = Combined(heard(), open_engine("tone"))
    async with (
        gateway_with(tmp_path, engine) as gateway,
        chromium(tmp_path, microphone=wav) as browser,
    ):
        page = await browser.open(gateway.url + "/")
        told = await page.run(module("""
          const stream = await js.connect();
          const player = new js.Player(stream);
          const mic = await js.microphone(stream, {echoCancellation: false,
            noiseSuppression: false, autoGainControl: false});
          await stream.speak('a long story that goes on and on '.repeat(60));
          const events = [];
          let silent = null;
          for await (const event of stream) {
            const playing = player.playing;
            player.take(event);
            if (event.type === 'speech_started' && event.side === 'in') {
              silent = [playing, player.playing];
            }
            events.push({...event, data: undefined});
            if (event.type === 'transcript' && event.side !== 'out' && event.ends_turn) {
              await mic.stop();
              await stream.end();
            }
          }
          return {events, silent, speaks: stream.speaks.encoding};
        """))  # fmt: skip
        assert told["silent"] == [True, False]
        assert told["speaks"] == "pcm_s16le"
        over = [e for e in told["events"] if e["type"] == "speech_ended" and e["side"] == "out"]
        assert [e["reason"] for e in over] == ["cancelled"]
        # It had spoken since about the start, and the word comes after three seconds.
        assert 1000 < over[0]["heard_ms"] < 4400
        assert "w50" in [e["text"] for e in told["events"]
                         if e["type"] == "transcript" and e.get("side") != "out"]  # fmt: skip


async def test_somebody_else_cancels_and_nothing_more_is_played(tmp_path: Path) -> None:
    """The voice was done with it long ago: only the page can be silent now."""
    engine = Combined(heard(), open_engine("tone"))
    async with gateway_with(tmp_path, engine) as gateway, chromium(tmp_path) as browser:
        page = await browser.open(gateway.url + "/")
        running = asyncio.create_task(page.run(module("""
          const stream = await js.connect();
          const player = new js.Player(stream);
          await stream.speak('a story of some seconds');
          for await (const event of stream) {
            const playing = player.playing;
            player.take(event);
            if (event.type === 'marked') {
              await stream.end();
              return {playing, still: player.playing, name: event.name, heard: event.heard_ms};
            }
          }
        """)))  # fmt: skip
        await until(lambda: gateway.house.sessions)
        (session,) = gateway.house.sessions.values()
        async with Talk.open(gateway.url, session=session.id, role="controller") as desk:
            await desk.until("speech_ended", side="out", reason="done")
            await until(lambda: session.speech.playback.heard(now=0.0)[0])
            await desk.say("cancel")
            told = await running
        assert (told["playing"], told["still"], told["name"]) == (True, False, "")
        assert 0 < told["heard"] < 1_500


async def test_it_says_what_is_typed(tmp_path: Path) -> None:
    engine = Combined(heard(), open_engine("tone"))
    async with gateway_with(tmp_path, engine) as gateway, chromium(tmp_path) as browser:
        page = await browser.open(gateway.url + "/")
        await page.click("#talk")
        await page.until("!document.querySelector('#voice').hidden")
        await page.run("document.querySelector('#say-text').focus()")
        await page.type("well done")
        await page.key("Enter")
        await page.until(
            "document.querySelector('.said')?.innerText.trim() === 'Reply\\nwell done'"
        )
        await page.click("#talk")
        await done(page)
        assert not page.complaints


# ── mishaps ──


async def test_a_denied_microphone(tmp_path: Path) -> None:
    async with gateway_with(tmp_path) as gateway, chromium(tmp_path, allow=False) as browser:
        page = await browser.open(gateway.url + "/")
        await page.click("#talk")
        text = await complaint(page, "microphone_denied")
        assert "allow it in the address bar" in text
        assert await page.text("#status") == "Ready"
        assert gateway.house.sessions == {}


async def test_no_microphone(tmp_path: Path) -> None:
    async with gateway_with(tmp_path) as gateway, chromium(tmp_path) as browser:
        gone = (
            "navigator.mediaDevices.getUserMedia = async () => "
            "{ throw new DOMException('x', 'NotFoundError'); }"
        )
        page = await browser.open(gateway.url + "/", script=gone)
        await page.click("#talk")
        assert "plug one in" in await complaint(page, "microphone_missing")


async def test_a_microphone_unplugged_in_mid_stream(tmp_path: Path) -> None:
    wav = recording(tmp_path / "m.wav", loud(WORDS))
    keep = (
        "const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);"
        "navigator.mediaDevices.getUserMedia = async (wanted) => {"
        " const media = await ask(wanted);"
        " window.track = media.getAudioTracks()[0]; return media; }"
    )
    async with gateway_with(tmp_path) as gateway, chromium(tmp_path, microphone=wav) as browser:
        page = await browser.open(gateway.url + "/", script=keep)
        await page.run(RAW)
        await page.click("#talk")
        await page.until("document.querySelectorAll('#finals .w').length >= 2")
        # What the browser does when a device goes: the track ends, and says so.
        await page.run("(window.track.stop(), window.track.dispatchEvent(new Event('ended')), 0)")
        assert "unplugged" in await complaint(page, "microphone_lost")
        await done(page)
        assert (await finals(page))[:2] == said(WORDS)[:2]
        assert await page.text("#talk-text") == "Start microphone"


async def test_no_secure_context(tmp_path: Path) -> None:
    """A page over plain HTTP from another machine, as the browser sees it."""
    async with (
        gateway_with(tmp_path, allow_hosts=("studio.test",)) as gateway,
        chromium(tmp_path, "--host-resolver-rules=MAP studio.test 127.0.0.1") as browser,
    ):
        port = gateway.doors["http"].port
        page = await browser.open(f"http://studio.test:{port}/")
        assert await page.run("window.isSecureContext") is False
        await page.click("#talk")
        text = await complaint(page, "insecure_context")
        assert "https:" in text
        assert "localhost" in text
        # Files need no microphone.
        await page.choose("#file", recording(tmp_path / "t.wav", marked_audio(WORDS), 16_000))
        await done(page)
        assert await finals(page) == said(WORDS)


async def test_a_wrong_key_and_then_the_right_one(tmp_path: Path) -> None:
    wav = recording(tmp_path / "m.wav", loud(WORDS))
    async with (
        gateway_with(tmp_path, keys=(("me", "sesame"),)) as gateway,
        chromium(tmp_path, microphone=wav) as browser,
    ):
        page = await browser.open(gateway.url + "/")
        await page.run(RAW)
        for wrong in ("", "open-sesame"):
            await page.run(f"document.querySelector('#key').value = '{wrong}'")
            await page.click("#talk")
            text = await complaint(page, "unauthorized")
            assert "key" in text
            assert "open-sesame" not in text
            await page.until("!document.querySelector('#file').disabled")
            await page.click("#alert-close")
        await page.run("document.querySelector('#key').focus()")
        await page.run("document.querySelector('#key').value = ''")
        await page.type("sesame")
        await page.click("#talk")
        await page.until("document.querySelectorAll('#finals .w').length === 6")
        await page.click("#talk")
        await done(page)
        kept = "[JSON.stringify(localStorage), JSON.stringify(sessionStorage), location.href]"
        local, tab, address = await page.run(kept)
        assert "sesame" in tab
        assert "sesame" not in local + address


async def test_tokens_that_are_over_and_keys_that_may_no_more(tmp_path: Path) -> None:
    """Real ones, by `POST /v1/tokens`: one is waited out, one was for one session only."""
    wav = recording(tmp_path / "m.wav", loud(WORDS))
    book = KeyFile(tmp_path / "state" / "keys.json")
    key = book.add("me").key
    busy = book.add("busy", KeyLimits(sessions=1)).key
    async with (
        gateway_with(tmp_path) as gateway,
        chromium(tmp_path, microphone=wav) as browser,
    ):

        async def minted(**asked: object) -> str:
            answer = await ask(
                gateway.url, json.dumps(asked).encode(), path="/v1/tokens",
                headers={"authorization": f"Bearer {key}"},
            )  # fmt: skip
            return answer.json["token"]

        page = await browser.open(gateway.url + "/")
        await page.run(RAW)
        short, once = await minted(ttl_s=1), await minted(single_use=True)
        ends = time.monotonic() + 1.0
        async with Talk.open(gateway.url, headers={"authorization": f"Bearer {once}"}):
            pass
        await until(lambda: time.monotonic() > ends)
        async with Talk.open(gateway.url, headers={"authorization": f"Bearer {busy}"}):
            for credential, code, says in (
                (short, "unauthorized", "seconds ago; ask for a new one"),
                (once, "unauthorized", "has been used; ask for a new one"),
                (short[:-9] + "forged123", "unauthorized", "was not made by this gateway"),
                (busy, "rate_limited", "its limit is 1 (sessions); end one first"),
            ):
                await page.run(f"document.querySelector('#key').value = '{credential}'")
                await page.click("#talk")
                text = await complaint(page, code)
                assert says in text
                assert credential not in text
                await page.until("!document.querySelector('#file').disabled")
                await page.click("#alert-close")
        good = await minted(limits={"sessions": 1, "session_s": 60})
        await page.run(f"document.querySelector('#key').value = '{good}'")
        await page.click("#talk")
        await page.until("document.querySelectorAll('#finals .w').length === 6")
        await page.click("#talk")
        await done(page)


async def test_no_room(tmp_path: Path) -> None:
    async with gateway_with(tmp_path, sessions=0) as gateway, chromium(tmp_path) as browser:
        page = await browser.open(gateway.url + "/")
        await page.click("#talk")
        assert "limit is 0" in await complaint(page, "at_capacity")


async def test_the_gateway_is_gone(tmp_path: Path) -> None:
    async with chromium(tmp_path) as browser:
        async with gateway_with(tmp_path, drain_s=0.2) as gateway:
            page = await browser.open(gateway.url + "/")
        await page.click("#talk")
        text = await complaint(page, "connection_lost")
        assert "nobody answers" in text.lower()
        assert "ossicle serve" in text


async def test_the_gateway_goes_and_comes_back_while_a_microphone_talks(tmp_path: Path) -> None:
    words = [10 * (1 + place % 30) if place % 4 else 0 for place in range(1, 29)]
    wav = recording(tmp_path / "m.wav", loud(words))
    async with chromium(tmp_path, microphone=wav) as browser:
        async with gateway_with(tmp_path, drain_s=0.2) as first:
            port = first.doors["http"].port
            page = await browser.open(first.url + "/")
            await page.run(RAW)
            await page.click("#talk")
            await page.until("document.querySelectorAll('#finals .w').length >= 2")
        assert "trying again" in await page.until(
            "(s => s.includes('trying again') && s)(document.querySelector('#status').innerText)"
        )
        await asyncio.sleep(1.0)  # while nobody is there, speech goes on
        async with gateway_with(tmp_path, port=port):
            expected = said(words)
            await page.until(f"document.querySelectorAll('#finals .w').length >= {len(expected)}")
            await page.click("#talk")
            await done(page)
            assert await finals(page) == expected


# ── for everybody ──


async def test_with_the_keyboard_alone(tmp_path: Path) -> None:
    wav = recording(tmp_path / "m.wav", loud(WORDS))
    async with gateway_with(tmp_path) as gateway, chromium(tmp_path, microphone=wav) as browser:
        page = await browser.open(gateway.url + "/")
        await page.run(RAW)
        await page.key("Tab")
        assert await page.run("document.activeElement.className") == "skip"
        await page.key("Enter")  # leads to the microphone
        await page.key("Tab", shift=True)
        await page.key("Tab")
        assert await page.run("document.activeElement.id") == "talk"
        outline = "getComputedStyle(document.activeElement).outlineStyle"
        assert await page.run(outline) == "solid"
        await page.key(" ")
        await page.until("document.querySelectorAll('#finals .w').length === 6")
        assert await page.run("document.activeElement.id") == "talk"
        await page.key("Enter")
        await done(page)

        await page.key("Tab", shift=True)
        assert await page.run("document.activeElement.id") == "words"
        await page.key("ArrowLeft")
        assert await page.text("#word") == await page.run(
            "document.querySelector('#word').innerText"
        )
        assert "“w240”" in await page.text("#word")
        await page.key("Home")
        await page.key("ArrowRight")
        assert "“w80”" in await page.text("#word")
        await page.key("Escape")
        assert (await page.text("#word")).strip() == ""

        seen: list[str] = []
        for _ in range(40):
            await page.key("Tab")
            what = "document.activeElement.id || document.activeElement.innerText || ''"
            seen.append(await page.run(what))
            if await page.run("document.activeElement === document.body"):
                break
            # The file's own box is not seen: its label shows the ring.
            assert seen[-1] == "file" or await page.run(outline) != "none", seen
        order = ["talk", "file", "key", "language", "hints", "device", "gain"]
        places = [seen.index(name) for name in order]
        assert places == sorted(places)


async def test_nothing_stands_in_anybodys_way(tmp_path: Path) -> None:
    """In each state, on a phone and on a wide screen, in light and dark."""
    wav = recording(tmp_path / "m.wav", loud(WORDS))
    engine = Combined(heard(), open_engine("tone"))
    async with (
        gateway_with(tmp_path, engine) as gateway,
        chromium(tmp_path, microphone=wav) as browser,
    ):
        page = await browser.open(gateway.url + "/")
        await page.until("document.querySelector('#sessions').innerText")
        await in_nobodys_way(page, "idle")
        await page.run(RAW)
        await page.click("#talk")
        await page.until("document.querySelectorAll('#finals .w').length >= 2")
        await in_nobodys_way(page, "live")
        await page.click("#talk")
        await done(page)
        await page.click("#finals .w")
        await page.run("document.querySelector('#alert-text').textContent = 'Something.'")
        await page.run("document.querySelector('#alert').hidden = false")
        await in_nobodys_way(page, "done, with a message")


async def test_who_listens_hears_finals_once_and_no_guesses(tmp_path: Path) -> None:
    """What assistive technology is told: guesses would be read again and again."""
    async with gateway_with(tmp_path) as gateway, chromium(tmp_path) as browser:
        page = await browser.open(gateway.url + "/")
        assert (
            await page.run("document.querySelector('#finals').getAttribute('aria-live')")
            == "polite"
        )
        assert (
            await page.run("document.querySelector('#partial').getAttribute('aria-hidden')")
            == "true"
        )
        assert await page.run("document.querySelector('#alert').getAttribute('role')") == "alert"


SNIPPETS = """
const ask = window.fetch;
window.fetch = async (path, how) => String(path).endsWith('/v1/snippets')
  ? new Response(JSON.stringify({snippets: [
      {sdk: 'deepgram', language: 'python', title: 'Deepgram, Python', code: 'DeepgramClient(x)'},
      {sdk: 'openai', language: 'javascript', code: 'new OpenAI(y) // <b>'}]}))
  : ask(path, how);
"""


async def test_the_lines_for_other_peoples_code_are_copied(tmp_path: Path) -> None:
    async with gateway_with(tmp_path) as gateway, chromium(tmp_path) as browser:
        permissions = ["clipboardReadWrite", "clipboardSanitizedWrite"]
        await browser.ask("Browser.grantPermissions", permissions=permissions, origin=gateway.url)
        page = await browser.open(gateway.url + "/", script=SNIPPETS)
        await page.until("!document.querySelector('#snippets-panel').hidden")
        assert await page.text("#snippet") == "DeepgramClient(x)"
        await page.run(
            "(s => { s.value = '1'; s.dispatchEvent(new Event('change')); })"
            "(document.querySelector('#sdk'))"
        )
        assert await page.text("#snippet") == "new OpenAI(y) // <b>"
        await page.click(".code .copy")
        await page.until("document.querySelector('.code .copy').innerText === 'Copied'")
        assert await page.run("navigator.clipboard.readText()") == "new OpenAI(y) // <b>"
        await page.until("document.querySelector('.code .copy').innerText === 'Copy'")


async def test_a_transcript_is_saved(tmp_path: Path) -> None:
    wav = recording(tmp_path / "talk.wav", marked_audio(WORDS), 16_000)
    async with gateway_with(tmp_path) as gateway, chromium(tmp_path) as browser:
        kept = tmp_path / "kept"
        await browser.ask("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(kept))
        page = await browser.open(gateway.url + "/")
        await page.choose("#file", wav)
        await done(page)
        for kind in ("txt", "srt", "vtt", "json"):
            await page.click(f"[data-save={kind}]")
            path = kept / f"transcript.{kind}"
            await until(lambda path=path: path.is_file() and path.stat().st_size, 10)
        assert (kept / "transcript.txt").read_text() == "w40 w80\nw120 w160\nw200 w240\n"
        assert (kept / "transcript.vtt").read_text().startswith("WEBVTT\n\n00:00:00.")


async def test_light_and_dark(tmp_path: Path) -> None:
    async with gateway_with(tmp_path) as gateway, chromium(tmp_path) as browser:
        page = await browser.open(gateway.url + "/", dark=True)
        ground = "getComputedStyle(document.documentElement).backgroundColor"
        dark = await page.run(ground)
        await page.click("#theme")
        light = await page.run(ground)
        assert dark != light
        await page.go(gateway.url + "/")
        assert await page.run(ground) == light
        await page.click("#theme")
        assert await page.run(ground) == dark
