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

__all__ = ["finals", "loud", "module", "recording", "said"]


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
