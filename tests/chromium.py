"""A headless Chromium, driven over its DevTools protocol, for tests and the bench.

    async with chromium(tmp_path, microphone=wav) as browser:
        page = await browser.open("http://localhost:8080/")
        await page.click("#talk")
        await page.until("document.querySelector('#finals').innerText.includes('go')")

No driver in between: the protocol is JSON over a WebSocket, and what is needed of it is little.
Every wait has an end.
"""

import asyncio
import base64
import contextlib
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from browser_wire import Wire, listening
from harness import missing

__all__ = ["Browser", "Page", "chromium", "program"]


def program() -> str:
    """Where Chromium is; skips or fails where it is not."""
    names = ("chromium", "chromium-browser", "google-chrome")
    path = next(filter(None, map(shutil.which, names)), "")
    if not path:
        missing("Chromium is not installed: apt-get install chromium")
    return path


@contextlib.asynccontextmanager
async def chromium(
    folder: Path, *flags: str, microphone: Path | None = None, allow: bool = True
) -> AsyncIterator["Browser"]:
    """A browser with a profile of its own in `folder`.

    Args:
        microphone: a WAV file that is heard once, then silence; None = a beep each second.
        allow: whoever asks for the microphone gets it; False: is denied.
    """
    fake = ["--use-fake-device-for-media-stream"]
    fake.append("--use-fake-ui-for-media-stream" if allow else "--deny-permission-prompts")
    if microphone is not None:
        fake.append(f"--use-file-for-fake-audio-capture={microphone}%noloop")
    arguments = (
        program(), "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
        "--remote-debugging-port=0", "--autoplay-policy=no-user-gesture-required", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
        "--disable-background-timer-throttling", "--disable-renderer-backgrounding",
        "--proxy-server=direct://", "--mute-audio", "--force-color-profile=srgb",
        "--font-render-hinting=none", f"--user-data-dir={folder / 'profile'}", *fake, *flags,
        "about:blank",
    )  # fmt: skip
    async with (
        listening(arguments, "DevTools listening on ", {"HOME": str(folder)}) as address,
        connect(address, max_size=None, proxy=None, compression=None) as socket,
    ):
        browser = Browser(socket)
        try:
            yield browser
        finally:
            await browser.stop()


class Browser:
    """One connection to the whole browser."""

    def __init__(self, socket: ClientConnection) -> None:
        self._wire = Wire(socket, self._told)
        self._pages: dict[str, Page] = {}

    def _told(self, message: dict[str, Any]) -> None:
        if (page := self._pages.get(message.get("sessionId", ""))) is not None:
            page.told(message["method"], message["params"])

    async def stop(self) -> None:
        """No more reading."""
        await self._wire.stop()

    async def ask(self, method: str, session: str = "", **params: Any) -> Any:
        """One call of the protocol."""
        message: dict[str, Any] = {"method": method, "params": params}
        return await self._wire.ask(message | ({"sessionId": session} if session else {}))

    async def open(
        self, url: str, *, width: int = 1280, height: int = 860, dark: bool = False,
        still: bool = True, script: str = "",
    ) -> "Page":  # fmt: skip
        """A page, loaded. `script` runs before those of the page."""
        target = await self.ask("Target.createTarget", url="about:blank")
        session = (await self.ask("Target.attachToTarget", targetId=target["targetId"],
                                  flatten=True))["sessionId"]  # fmt: skip
        page = self._pages[session] = Page(self, session)
        for domain in ("Page", "Runtime", "Log", "Network"):
            await page.ask(f"{domain}.enable")
        await page.size(width, height)
        await page.look(dark=dark, still=still)
        if script:
            await page.ask("Page.addScriptToEvaluateOnNewDocument", source=script)
        await page.go(url)
        return page


class Page:
    """One tab."""

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser = browser
        self._session = session
        self._loaded = asyncio.Event()
        self.complaints: list[str] = []
        """What the console and the browser said went wrong."""
        self.requests: list[str] = []
        """Every address it asked for."""

    async def ask(self, method: str, **params: Any) -> Any:
        """One call of the protocol, for this tab."""
        return await self._browser.ask(method, self._session, **params)

    def told(self, method: str, params: dict[str, Any]) -> None:
        """An event of the protocol."""
        match method:
            case "Page.loadEventFired":
                self._loaded.set()
            case "Runtime.exceptionThrown":
                self.complaints.append(str(params["exceptionDetails"].get("exception", params)))
            case "Log.entryAdded" if params["entry"]["level"] == "error":
                self.complaints.append(
                    params["entry"]["text"] + " " + params["entry"].get("url", "")
                )
            case "Runtime.consoleAPICalled" if params["type"] == "error":
                self.complaints.append(
                    str([a.get("description", a.get("value")) for a in params["args"]])
                )
            case "Network.requestWillBeSent":
                self.requests.append(params["request"]["url"])
            case _:
                pass

    async def go(self, url: str) -> None:
        """Load an address."""
        self._loaded.clear()
        await self.ask("Page.navigate", url=url)
        async with asyncio.timeout(30):
            await self._loaded.wait()

    async def run(self, expression: str) -> Any:
        """The value of a JavaScript expression; a promise is awaited."""
        result = await self.ask("Runtime.evaluate", expression=expression, awaitPromise=True,
                                returnByValue=True, userGesture=True)  # fmt: skip
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    async def until(self, expression: str, seconds: float = 20.0) -> Any:
        """Wait for an expression to be true."""
        try:
            async with asyncio.timeout(seconds):
                # An element comes over as {}: there, and that is what was asked.
                while not (value := await self.run(expression)) and value != {}:
                    await asyncio.sleep(0.03)
        except TimeoutError:
            shown = await self.run("document.body.innerText")
            raise AssertionError(
                f"not within {seconds:g} s: {expression}\n{shown[:1500]}\n{self.complaints}"
            ) from None
        return value

    async def text(self, selector: str) -> str:
        """What an element shows."""
        return await self.run(f"document.querySelector({json.dumps(selector)}).innerText")

    async def click(self, selector: str) -> None:
        """Press the middle of an element with the mouse."""
        at = await self.run(
            f"""(() => {{ const e = document.querySelector({json.dumps(selector)});
            e.scrollIntoView({{block: "center", behavior: "instant"}});
            const r = e.getBoundingClientRect();
            return [r.x + r.width / 2, r.y + r.height / 2]; }})()"""
        )
        for kind in ("mousePressed", "mouseReleased"):
            await self.ask("Input.dispatchMouseEvent", type=kind, x=at[0], y=at[1],
                           button="left", clickCount=1)  # fmt: skip

    async def key(self, name: str, *, shift: bool = False) -> None:
        """Press a key."""
        codes = {"Tab": 9, "Enter": 13, "Escape": 27, " ": 32, "ArrowLeft": 37, "ArrowRight": 39,
                 "Home": 36, "End": 35}  # fmt: skip
        text = {"Enter": "\r", " ": " "}.get(name, "")
        code = "Space" if name == " " else name
        common = {"key": name, "code": code, "windowsVirtualKeyCode": codes[name],
                  "modifiers": 8 if shift else 0}  # fmt: skip
        await self.ask("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown",
                       text=text, **common)  # fmt: skip
        await self.ask("Input.dispatchKeyEvent", type="keyUp", **common)

    async def type(self, text: str) -> None:
        """Type into what has the focus."""
        await self.ask("Input.insertText", text=text)

    async def choose(self, selector: str, path: Path) -> None:
        """Choose a file in an `<input type=file>`."""
        root = (await self.ask("DOM.getDocument"))["root"]["nodeId"]
        node = (await self.ask("DOM.querySelector", nodeId=root, selector=selector))["nodeId"]
        await self.ask("DOM.setFileInputFiles", nodeId=node, files=[str(path)])

    async def size(self, width: int, height: int) -> None:
        """Of the window, in CSS pixels."""
        await self.ask("Emulation.setDeviceMetricsOverride", width=width, height=height,
                       deviceScaleFactor=1, mobile=width < 500)  # fmt: skip

    async def look(self, *, dark: bool = False, still: bool = True) -> None:
        """What the system prefers."""
        features = [
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
            {"name": "prefers-reduced-motion", "value": "reduce" if still else "no-preference"},
        ]
        await self.ask("Emulation.setEmulatedMedia", features=features)

    async def picture(self, path: Path, *, whole: bool = False) -> None:
        """A screenshot."""
        shot = await self.ask("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(shot["data"]))
