"""The pictures in docs/images, made anew: the playground in Chromium, hearing human speech.

.venv/bin/python scripts/screenshots.py       needs Chromium and the clips of `make run`
"""

import asyncio
import sys
import tempfile
import wave
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "scripts")]

from clips import main as fetch_clips  # noqa: E402

from chromium import Page, chromium  # noqa: E402
from harness import gateway_with  # noqa: E402
from interop.real_proxies import Certificates, proxy  # noqa: E402
from ossicle.engines.compose import Combined  # noqa: E402
from ossicle.engines.open import default_voice, open_engine  # noqa: E402
from ossicle.gateway.configuration.settings import AccessSettings  # noqa: E402
from webrtc_page import FLAGS  # noqa: E402

IMAGES = ROOT / "docs" / "images"
WIDE, PHONE = (1280, 800), (390, 844)


COMMANDS = (("go-forward.wav", 1.0), ("numbers.wav", 1.0), ("go-forward.wav", 1.0))
INTO_THE_ANSWER = (("numbers.wav", 1.1), ("go-forward.wav", 12.0))


def speech(folder: Path, clips: Path, said: tuple[tuple[str, float], ...] = COMMANDS) -> Path:
    """Commands, and the pause behind each in seconds."""
    parts: list[np.ndarray] = []
    for name, pause_s in said:
        with wave.open(str(clips / name)) as file:
            samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        parts += [samples, np.zeros(round(16_000 * pause_s), "<i2")]
    path = folder / f"speech-{len(parts)}.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(np.concatenate(parts).tobytes())
    return path


async def talk(page: Page) -> None:
    await page.click("#talk")
    await page.until("document.querySelectorAll('#finals p').length >= 1")
    await page.until("document.querySelector('#partial').innerText.trim().split(' ').length > 1")
    await page.run("window.scrollTo(0, 0)")


async def finish(page: Page) -> None:
    await page.until("document.querySelectorAll('#finals p').length >= 3")
    await page.click("#talk")
    await page.until("document.querySelector('#status').innerText.startsWith('Done')")
    await page.run("window.scrollTo(0, 0)")


async def conversation(folder: Path, clips: Path) -> None:
    """A parrot over WebSocket, then over WebRTC, interrupted each time."""
    engine = Combined(open_engine("pocketsphinx:2"), open_engine(default_voice()))
    wav = speech(folder, clips, INTO_THE_ANSWER)
    async with gateway_with(folder, engine) as gateway:
        await gateway.ready()
        async with chromium(folder, *FLAGS, microphone=wav) as browser:
            page = await browser.open(gateway.url, width=WIDE[0], height=1060)
            await page.until("!document.querySelector('[value=talk]').disabled")
            await page.run("document.querySelector('[value=talk]').click()")
            for wire in ("websocket", "webrtc"):
                await page.run(f"document.querySelector('[value={wire}]').click()")
                # A busy machine answers too late to be interrupted: then once more.
                while not await interrupted(page):
                    await stopped(page)
                await page.until("document.querySelector('#status').innerText === 'Listening'")
                if wire == "webrtc":
                    await page.run("window.scrollTo(0, 0)")
                    await page.picture(IMAGES / "playground-talk.png")
                await stopped(page)
            await page.size(*PHONE)
            await page.look(dark=True)
            await page.run("document.querySelector('.choices').scrollIntoView()")
            await page.picture(IMAGES / "playground-talk-phone-dark.png")
            await page.run("document.querySelector('.side').scrollIntoView()")
            await page.picture(IMAGES / "playground-wires-phone-dark.png")


async def interrupted(page: Page) -> bool:
    """Both commands and both replies; whether the first of these was cut off."""
    await page.run("document.querySelector('#clear').click()")
    await page.click("#talk")
    await page.until("document.querySelectorAll('.said').length >= 2", 30)
    return bool(await page.run("document.querySelector('.said small').innerText"))


async def stopped(page: Page) -> None:
    await page.click("#talk")
    await page.until("document.querySelector('#status').innerText.startsWith('Done')")


async def advice(folder: Path) -> None:
    """The page of the advice, which needs no sound."""
    async with gateway_with(folder) as gateway, chromium(folder) as browser:
        for name, size, dark, query in (
            ("advise", (1280, 1180), False, "client=browser&latency_ms=100"),
            ("advise-dark", (1280, 1180), True, "client=browser&provider=google&wire=sip"),
            ("advise-phone", PHONE, False, "client=server&grpc=yes"),
        ):
            page = await browser.open(
                f"{gateway.url}/advise?{query}", width=size[0], height=size[1], dark=dark
            )
            await page.until("document.querySelector('.tree .answer.lit')")
            if name == "advise-phone":
                await page.run("document.querySelector('.tree-card').scrollIntoView()")
            await page.picture(IMAGES / f"{name}.png")


async def measured(folder: Path) -> None:
    """The page that measures: a good way, one with a bad proxy, and on a phone meanwhile."""
    planted = {
        "proxy_read_timeout 60s": "proxy_read_timeout 2s",
        "proxy_send_timeout 60s": "proxy_send_timeout 2s",
        "proxy_buffering off;": "proxy_buffering on; proxy_ignore_headers X-Accel-Buffering;",
    }
    trusted = AccessSettings(trust_proxies=("127.0.0.1",))
    certificates = Certificates(folder / "ca")
    async with (
        gateway_with(folder, tls_port=0, access=trusted) as gateway,
        chromium(folder, "--ignore-certificate-errors") as browser,
    ):
        places = {"127.0.0.1:8080": f"127.0.0.1:{gateway.doors['http'].port}", **planted}
        async with proxy("nginx.conf", places, certificates, folder) as bad:
            for name, url, size, dark in (
                ("probe", gateway.doors["https"].url, (1280, 900), False),
                ("probe-dark", bad, (1280, 900), True),
                ("probe-phone", gateway.url, PHONE, False),
            ):
                page = await browser.open(f"{url}/probe", width=size[0], height=size[1], dark=dark)
                await page.run("document.querySelector('#idle').value = '5'")
                await page.click("#start")
                await page.until("document.body.dataset.done", 40)
                await page.run("window.scrollTo(0, 0)")
                await page.picture(IMAGES / f"{name}.png", whole=name != "probe-phone")


async def main(clips: Path) -> None:
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        await advice(Path(name))
    with tempfile.TemporaryDirectory() as name:
        await measured(Path(name))
    with tempfile.TemporaryDirectory() as name:
        await conversation(Path(name), clips)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        engine = Combined(open_engine("pocketsphinx:2"), open_engine("tone"))
        async with gateway_with(folder, engine) as gateway:
            await gateway.ready()
            async with chromium(folder, microphone=speech(folder, clips)) as browser:
                page = await browser.open(gateway.url, width=WIDE[0], height=WIDE[1])
                await page.until("document.querySelector('#sessions').innerText")
                await page.picture(IMAGES / "playground-idle.png")
                await talk(page)
                await page.picture(IMAGES / "playground-live.png")
                await finish(page)
                await page.look(dark=True)
                await page.run("document.querySelector('#words').focus()")
                for _ in range(3):
                    await page.key("ArrowRight")
                await page.picture(IMAGES / "playground-done-dark.png")
            (folder / "profile").rename(folder / "old")
            async with chromium(folder, microphone=speech(folder, clips)) as browser:
                page = await browser.open(gateway.url, width=PHONE[0], height=PHONE[1], dark=True)
                await talk(page)
                await page.picture(IMAGES / "playground-phone-dark.png")
            (folder / "profile").rename(folder / "older")
            async with chromium(folder, allow=False) as browser:
                page = await browser.open(gateway.url, width=PHONE[0], height=PHONE[1])
                await page.click("#talk")
                await page.until("!document.querySelector('#alert').hidden")
                await page.run("window.scrollTo(0, 0)")
                await page.picture(IMAGES / "playground-denied-phone.png")


if __name__ == "__main__":
    import os

    if "OSSICLE_CLIPS" not in os.environ:
        fetch_clips()
    asyncio.run(main(Path(os.environ["OSSICLE_CLIPS"])))
