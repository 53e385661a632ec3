"""The playground and `ossicle.js` under test: gateways with marked sound as the microphone.

Marked sound passes a browser's fake microphone and our resampler unchanged (each sample is held,
and a filter of gain 1 keeps what is constant), so that even there no word can be lost or doubled
without being seen.
"""

import wave
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from chromium import Page
from ossicle.testing.marked import marked_audio
from sdks import node_modules

__all__ = ["finals", "in_nobodys_way", "loud", "module", "recording", "said"]


def recording(path: Path, data: bytes, rate: int = 44_100) -> Path:
    """pcm_s16le at 16 kHz as a WAV file of another rate, each sample held."""
    samples = np.frombuffer(data, "<i2")
    places = np.arange(len(samples) * rate // 16_000) * 16_000 // rate
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples[places].astype("<i2").tobytes())
    return path


def loud(words: Sequence[int], **how: int) -> bytes:
    """Marked sound with the pauses that a microphone's path needs."""
    return marked_audio(words, **({"lead": 25, "pause": 30, "gap": 2} | how))


def said(words: Sequence[int]) -> list[str]:
    """What has to be heard of it."""
    return [f"w{number}" for number in words if number]


async def finals(page: Page) -> list[str]:
    """The words that stand on the page."""
    return await page.run("[...document.querySelectorAll('#finals .w')].map(w => w.textContent)")


async def in_nobodys_way(page: Page, state: str) -> None:
    """What axe finds, and what is wider than the screen, on a phone and wide, in light and dark."""
    await page.run((node_modules("axe-core") / "axe.min.js").read_text("utf-8") + ";0")
    for width, height in ((360, 740), (1280, 860)):
        await page.size(width, height)
        for dark in (False, True):
            await page.look(dark=dark)
            found = await page.run(
                "axe.run().then(r => r.violations.map(v => [v.id, v.help, "
                "v.nodes.map(n => n.html + ' ' + n.failureSummary).slice(0, 3)]))"
            )
            where = f"{state}, {width} px, {'dark' if dark else 'light'}"
            assert found == [], f"{where}: {found}"
            assert await page.run("document.documentElement.scrollWidth") <= width, where


def module(body: str) -> str:
    """JavaScript that uses the module, as one expression."""
    return (
        "(async () => { const js = await import('/ossicle.js');"
        " const read = async (stream) => { const all = [];"
        " for await (const event of stream)"
        " all.push(event.data ? {...event, data: event.data.byteLength} : event);"
        " return all; };"
        " const failed = async (promise) => { try { await promise; return null; }"
        " catch (error) { return {name: error.name, code: error.code, text: error.message,"
        " retryable: error.retryable}; } };"
        f" {body} }})()"
    )
