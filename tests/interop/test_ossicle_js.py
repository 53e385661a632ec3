"""`ossicle.js` in a real browser: nothing lost, nothing doubled, errors that say what to do."""

import asyncio
import base64
import random
from pathlib import Path

import pytest

from chromium import chromium
from harness import GatewayProcess, Proxy, gateway_with, words_of
from ossicle.gateway.keys.access import Access
from ossicle.testing.marked import marked_audio
from page import loud, module, recording

pytestmark = [pytest.mark.interop, pytest.mark.timeout(120)]

WORDS = [number if number % 5 else 0 for number in range(1, 61)]
EXPECTED = [f"w{number}" for number in WORDS if number]

SPEAK = """
  const sound = Uint8Array.from(atob(window.sound), (c) => c.charCodeAt(0));
  const speak = async (stream, piece, pause) => {
    for (let at = 0; at < sound.length; at += piece) {
      await stream.send(sound.subarray(at, at + piece));
      if (pause) await new Promise((resolve) => setTimeout(resolve, pause));
    }
    await stream.end();
  };
"""


def sound(words: list[int] = WORDS) -> str:
    """A script that puts marked sound into the page."""
    return f"window.sound = '{base64.b64encode(marked_audio(words)).decode()}';"


@pytest.mark.parametrize("seed", range(2))
async def test_cut_anywhere_many_times(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    async with (
        gateway_with(tmp_path, session={"resume_window_s": 20}) as gateway,
        Proxy(gateway.doors["http"].port) as proxy,
        chromium(tmp_path) as browser,
    ):
        page = await browser.open(proxy.url + "/", script=sound())
        piece = chance.randrange(400, 5_000)
        talking = asyncio.create_task(page.run(module(SPEAK + f"""
          const stream = await js.connect({{reconnect: {{first_s: 0.02, most_s: 0.1}}}});
          const [events] = await Promise.all([read(stream), speak(stream, {piece}, 4)]);
          return {{events, reconnects: stream.reconnects, moves: stream.moves}};
        """)))  # fmt: skip
        # A session that has taken nothing ends with its connection: a new one is then right.
        while not any(each.taken_bytes for each in gateway.house.sessions.values()):
            assert not talking.done()
            await asyncio.sleep(0.01)
        cuts = 0
        while not talking.done():
            await asyncio.sleep(chance.uniform(0.05, 0.25))
            proxy.cut()
            cuts += 1
        told = await talking
    assert cuts >= 3
    assert told["reconnects"] >= 2
    assert told["moves"] == 0
    assert words_of(told["events"]) == EXPECTED
    assert told["events"][-1]["type"] == "ended"
    numbers = [e["seq"] for e in told["events"] if e.get("seq")]
    assert numbers == sorted(set(numbers))


async def test_kill_9_and_another_gateway_takes_the_port(tmp_path: Path) -> None:
    async with chromium(tmp_path) as browser:
        async with GatewayProcess.start("--engine", "scripted:heard", tmp_path=tmp_path) as first:
            port = int(first.url.rpartition(":")[2])
            page = await browser.open(first.url + "/", script=sound())
            talking = asyncio.create_task(page.run(module(SPEAK + """
              const stream = await js.connect({reconnect: {first_s: 0.02, most_s: 0.1}});
              const reading = read(stream);
              window.stream = stream;
              await speak(stream, 3200, 30);
              return {events: await reading, moves: stream.moves, ended: stream.ended};
            """)))  # fmt: skip
            await page.until("window.stream?.settledMs > 1500")
            first.process.kill()
        async with GatewayProcess.start("--engine", "scripted:heard", tmp_path=tmp_path, port=port):
            told = await talking
    assert told["moves"] == 1
    assert words_of(told["events"]) == EXPECTED
    turns = [e["turn"] for e in told["events"] if e["type"] == "transcript" and e.get("ends_turn")]
    assert turns == sorted(set(turns))
    assert not [e for e in told["events"] if e["type"] == "notice"]


async def test_every_finalize_has_one_answer_over_cuts(tmp_path: Path) -> None:
    async with (
        gateway_with(tmp_path, session={"resume_window_s": 20}) as gateway,
        Proxy(gateway.doors["http"].port) as proxy,
        chromium(tmp_path) as browser,
    ):
        page = await browser.open(proxy.url + "/", script=sound([1, 2, 3, 4, 5, 6, 7, 8]))
        talking = asyncio.create_task(page.run(module(SPEAK + """
          const stream = await js.connect({reconnect: {first_s: 0.02, most_s: 0.1}});
          const reading = read(stream);
          const answers = [];
          for (let at = 0; at < sound.length; at += 7040) {
            await stream.send(sound.subarray(at, at + 7040));
            answers.push((await stream.finalize()).text);
            await new Promise((resolve) => setTimeout(resolve, 60));
          }
          await stream.end();
          return {answers, events: await reading};
        """)))  # fmt: skip
        # a stream that never began has nothing to come back to
        while not any(each.taken_bytes for each in gateway.house.sessions.values()):
            assert not talking.done()
            await asyncio.sleep(0.01)
        while not talking.done():
            await asyncio.sleep(0.09)
            proxy.cut()
        told = await talking
    assert told["answers"] == [f"w{number}" for number in range(1, 9)]
    assert words_of(told["events"]) == told["answers"]


async def test_a_token_is_fetched_anew_when_it_has_expired(tmp_path: Path) -> None:
    """The key of the first connection is revoked in mid-stream; the function knows the next."""
    async with (
        gateway_with(tmp_path, keys=(("me", "one"),), session={"resume_window_s": 20}) as gateway,
        Proxy(gateway.doors["http"].port) as proxy,
        chromium(tmp_path) as browser,
    ):
        page = await browser.open(proxy.url + "/", script=sound())
        talking = asyncio.create_task(page.run(module(SPEAK + """
          let calls = 0;
          window.now = 'one';
          const token = async () => { calls += 1; return calls === 2 ? 'one' : window.now; };
          const stream = await js.connect({token, reconnect: {first_s: 0.02, most_s: 0.1}});
          window.stream = stream;
          const [events] = await Promise.all([read(stream), speak(stream, 3200, 10)]);
          return {events, calls};
        """)))  # fmt: skip
        await page.until("window.stream?.settledMs > 1000")
        gateway.house.access = Access([("me", "two")])
        await page.run("window.now = 'two'")
        proxy.cut()
        told = await talking
    assert told["calls"] >= 3
    assert words_of(told["events"]) == EXPECTED


async def test_a_key_that_expired_says_so_when_nobody_has_another(tmp_path: Path) -> None:
    async with (
        gateway_with(tmp_path, keys=(("me", "one"),)) as gateway,
        Proxy(gateway.doors["http"].port) as proxy,
        chromium(tmp_path) as browser,
    ):
        page = await browser.open(proxy.url + "/", script=sound())
        talking = asyncio.create_task(page.run(module(SPEAK + """
          const stream = await js.connect({token: 'one', reconnect: {first_s: 0.02}});
          window.stream = stream;
          const reading = failed(read(stream));
          await failed(speak(stream, 3200, 20));
          return reading;
        """)))  # fmt: skip
        await page.until("window.stream?.settledMs > 500")
        gateway.house.access = Access([("me", "two")])
        proxy.cut()
        error = await talking
    assert (error["name"], error["code"], error["retryable"]) == ("Denied", "unauthorized", False)


async def test_a_page_of_another_origin(tmp_path: Path) -> None:
    """The module may be imported from anywhere; the gateway lets only pages in that it knows."""
    async with (
        gateway_with(tmp_path / "a") as gateway,
        gateway_with(tmp_path / "b", allow_hosts=("elsewhere.test",)) as other,
        chromium(tmp_path, "--host-resolver-rules=MAP elsewhere.test 127.0.0.1",
                 "--disable-features=LocalNetworkAccessChecks") as browser,
    ):  # fmt: skip
        page = await browser.open(f"http://elsewhere.test:{other.doors['http'].port}/v1/about")
        error = await page.run(
            f"""(async () => {{
              const js = await import('{gateway.url}/ossicle.js');
              try {{ await js.connect({{url: '{gateway.url}'}}); return null; }}
              catch (error) {{ return [error.name, error.code, error.message]; }}
            }})()"""
        )
    assert error is not None
    assert error[:2] == ["Forbidden", "forbidden"]
    assert "--allow-host elsewhere.test" in error[2]


async def test_refusals_are_told_in_the_gateways_own_words(tmp_path: Path) -> None:
    async with gateway_with(tmp_path) as gateway, chromium(tmp_path) as browser:
        page = await browser.open(gateway.url + "/")
        error = await page.run(module("return failed(js.connect({parameters: {langauge: 'x'}}))"))
        assert error["code"] == "bad_option"
        assert "did you mean 'language'" in error["text"]
        error = await page.run(module("return failed(js.connect({token: 'two words'}))"))
        assert (error["name"], error["code"]) == ("Denied", "unauthorized")
        assert "two words" not in error["text"]
        # This page's policy lets it go nowhere else; Chromium then tells of no close at all.
        elsewhere = module("return failed(js.connect({url: 'http://localhost:1'}))")
        error = await page.run(elsewhere)
        assert (error["name"], error["retryable"]) == ("ConnectionLost", True)
        assert "connect-src" in error["text"]
        await page.go(gateway.url + "/v1/about")  # a page without one
        error = await page.run(elsewhere)
        assert (error["name"], error["retryable"]) == ("ConnectionLost", True)


async def test_options_change_on_the_way_and_move_along(tmp_path: Path) -> None:
    """What was changed in mid-stream is asked of the gateway that takes over, too."""
    async with chromium(tmp_path) as browser:
        async with gateway_with(tmp_path, drain_s=0.1) as first:
            port = first.doors["http"].port
            page = await browser.open(first.url + "/")
            await page.run(module("""
              window.stream = await js.connect({reconnect: {first_s: 0.02, most_s: 0.1}});
              window.reading = read(stream);
              await stream.send(new ArrayBuffer(6400));
              await stream.configure({label: 'changed'});
            """))  # fmt: skip
            await page.until("window.stream.options.label === 'changed'")
        async with gateway_with(tmp_path, port=port) as second:
            await page.until("window.stream.moves === 1 && window.stream.connected")
            await page.run("window.stream.send(new ArrayBuffer(6400))")
            await page.until("window.stream.options.label === 'changed'")
            assert [s.options.label for s in second.house.sessions.values()] == ["changed"]
            await page.run("window.stream.end().then(() => window.reading).then(() => 0)")


async def test_a_file_is_decoded_by_the_browser(tmp_path: Path) -> None:
    wav = recording(tmp_path / "t.wav", marked_audio([7, 0, 9, 0]), 44_100)
    async with gateway_with(tmp_path) as gateway, chromium(tmp_path) as browser:
        page = await browser.open(gateway.url + "/")
        events = await page.run(module(f"""
          const file = new Blob([new Uint8Array({list(wav.read_bytes())})]);
          const stream = await js.connect();
          await stream.send(await js.decodeFile(file));
          await stream.end();
          return read(stream);
        """))  # fmt: skip
        assert words_of(events) == ["w7", "w9"]
        error = await page.run(module("return failed(js.decodeFile(new Blob(['Dear Sir'])))"))
        assert error["name"] == "BadAudio"


async def test_the_example_page_from_an_origin_of_its_own(tmp_path: Path) -> None:
    wav = recording(tmp_path / "m.wav", loud([40, 80, 0, 120, 0]))
    examples = Path(__file__).parents[2] / "examples"

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = (examples / "browser_captions.html").read_bytes()
        head = f"HTTP/1.1 200 OK\r\ncontent-length: {len(body)}\r\ncontent-type: text/html\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    raw = (
        "const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);"
        "navigator.mediaDevices.getUserMedia = () => ask({audio: {echoCancellation: false,"
        " noiseSuppression: false, autoGainControl: false}});"
    )
    async with (
        server,
        gateway_with(tmp_path) as gateway,
        chromium(tmp_path, microphone=wav) as browser,
    ):
        page = await browser.open(f"http://localhost:{port}/?url={gateway.url}", script=raw)
        await page.until("document.querySelector('#talk').onclick")
        await page.click("#talk")
        await page.until("document.querySelector('#captions').textContent.includes('w120')")
        await page.click("#talk")
        await page.until("document.querySelector('#talk').textContent === 'Talk'")
        words = await page.run("document.querySelector('#captions').textContent.split(/\\s+/)")
        assert [word for word in words if word] == ["w40", "w80", "w120"]
        assert await page.text("#trouble") == ""
