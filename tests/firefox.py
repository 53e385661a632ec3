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
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from browser_wire import Wire, listening
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
    arguments = (
        program(), "--headless", "--no-remote", "--profile", str(profile),
        "--remote-debugging-port=0", "about:blank",
    )  # fmt: skip
    variables = {"HOME": str(folder), "MOZ_CRASHREPORTER_DISABLE": "1", **variables}
    async with (
        listening(arguments, "WebDriver BiDi listening on ", variables) as address,
        connect(address + "/session", max_size=None, proxy=None, compression=None) as socket,
    ):
        browser = Browser(socket)
        try:
            await browser.ask("session.new", capabilities={})
            yield browser
        finally:
            await browser.stop()


class Browser:
    """One connection to the whole browser."""

    def __init__(self, socket: ClientConnection) -> None:
        self._wire = Wire(socket)

    async def stop(self) -> None:
        """No more reading."""
        await self._wire.stop()

    async def ask(self, method: str, **params: Any) -> Any:
        """One call of the protocol."""
        return await self._wire.ask({"method": method, "params": params})

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
