"""A headless Firefox, driven by WebDriver BiDi, for tests.

    async with firefox(tmp_path) as browser:
        page = await browser.open("http://localhost:8080/")
        assert await page.run("document.title")

As `chromium`, no driver in between: Firefox speaks the protocol itself, which is JSON over a
WebSocket. Every wait has an end.
"""

import asyncio
import contextlib
import json
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from harness import missing

__all__ = ["Browser", "Page", "firefox", "program"]

_PREFERENCES: dict[str, bool | int | str] = {
    # whoever asks for the microphone gets it
    "media.navigator.permission.disabled": True,
    "media.autoplay.default": 0,
    # nothing is fetched from anywhere
    "app.update.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "browser.startup.homepage": "about:blank",
    "datareporting.policy.dataSubmissionEnabled": False,
    "extensions.update.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "network.proxy.type": 0,
    "services.settings.server": "data:,",
    "toolkit.telemetry.enabled": False,
}


def program() -> str:
    """Where Firefox is; skips or fails where it is not."""
    path = next(filter(None, map(shutil.which, ("firefox-esr", "firefox"))), "")
    if not path:
        missing("Firefox is not installed: apt-get install firefox-esr")
    return path


@contextlib.asynccontextmanager
async def firefox(
    folder: Path, *, fake: bool = False, **variables: str
) -> AsyncIterator["Browser"]:
    """A browser with a profile of its own in `folder`, and more in its environment.

    Args:
        fake: a microphone of the browser's own, which hums.
    """
    profile = folder / "firefox"
    profile.mkdir()
    preferences = {**_PREFERENCES, "media.navigator.streams.fake": fake}
    lines = [f"user_pref({json.dumps(n)}, {json.dumps(v)});\n" for n, v in preferences.items()]
    (profile / "user.js").write_text("".join(lines), "utf-8")
    process = await asyncio.create_subprocess_exec(
        program(), "--headless", "--no-remote", "--profile", str(profile),
        "--remote-debugging-port=0", "about:blank",
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
        stdin=asyncio.subprocess.DEVNULL,
        env={**os.environ, "HOME": str(folder), "MOZ_CRASHREPORTER_DISABLE": "1"} | variables,
    )  # fmt: skip
    assert process.stderr is not None
    drain: asyncio.Task[bytes] | None = None
    try:
        address = ""
        async with asyncio.timeout(60):
            while not address:
                line = (await process.stderr.readline()).decode(errors="replace")
                assert line, "Firefox ended before it listened"
                if "WebDriver BiDi listening on " in line:
                    address = line.split("WebDriver BiDi listening on ")[1].strip()
        drain = asyncio.create_task(process.stderr.read())
        async with connect(
            address + "/session", max_size=None, proxy=None, compression=None
        ) as socket:
            browser = Browser(socket)
            try:
                await browser.ask("session.new", capabilities={})
                yield browser
            finally:
                await browser.stop()
    finally:
        if process.returncode is None:
            process.terminate()
        try:
            async with asyncio.timeout(10):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
        if drain is not None:
            await drain


class Browser:
    """One connection to the whole browser."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._number = 0
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for text in self._socket:
            message = json.loads(text)
            answer = self._answers.pop(message.get("id") or 0, None)
            if answer is None or answer.done():
                continue
            if message["type"] == "error":
                answer.set_exception(AssertionError(message["error"] + ": " + message["message"]))
            else:
                answer.set_result(message["result"])

    async def stop(self) -> None:
        """No more reading."""
        self._reading.cancel()
        await asyncio.wait([self._reading])

    async def ask(self, method: str, **params: Any) -> Any:
        """One call of the protocol."""
        self._number += 1
        answer = self._answers[self._number] = asyncio.get_running_loop().create_future()
        message = {"id": self._number, "method": method, "params": params}
        await self._socket.send(json.dumps(message))
        async with asyncio.timeout(60):
            return await answer

    async def open(self, url: str) -> "Page":
        """A page, loaded."""
        context = (await self.ask("browsingContext.create", type="tab"))["context"]
        await self.ask("browsingContext.navigate", context=context, url=url, wait="complete")
        return Page(self, context)


class Page:
    """One tab."""

    def __init__(self, browser: Browser, context: str) -> None:
        self._browser = browser
        self._context = context

    async def run(self, expression: str) -> Any:
        """The value of a JavaScript expression; a promise is awaited. It comes over as JSON."""
        told = await self._browser.ask(
            "script.evaluate", target={"context": self._context}, awaitPromise=True,
            expression=f"(async () => JSON.stringify(await ({expression}) ?? null))()",
            userActivation=True,
        )  # fmt: skip
        assert told["type"] == "success", told["exceptionDetails"]["text"]
        return json.loads(told["result"]["value"])

    async def until(self, expression: str, seconds: float = 20.0) -> Any:
        """Wait for an expression to be true."""
        try:
            async with asyncio.timeout(seconds):
                while not (value := await self.run(expression)):
                    await asyncio.sleep(0.03)
        except TimeoutError:
            shown = await self.run("document.body.innerText")
            raise AssertionError(
                f"not within {seconds:g} s: {expression}\n{shown[:1500]}"
            ) from None
        return value
