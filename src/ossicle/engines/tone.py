"""The built-in voice: every character is a short tone. It always works and is always the same.

Nobody understands it; it is what speaks when no real voice is installed, and what tests listen
to. A letter sounds for 60 ms (at speed 1) at a pitch of its own, everything else is 60 ms of
silence, so the length of the sound and the times of the words follow from the text.

    ossicle serve --engine tone
"""

import re

import numpy as np

from ..core.capabilities import PCM16K, Capabilities
from ..core.options import Options
from ..core.ports import Sink
from .speaking import Piece, Rendering
from .voice import VoiceStream, speaks

__all__ = ["CHARACTER_MS", "ToneEngine"]

CHARACTER_MS = 60
"""Length of one character at speed 1."""
_FADE_MS = 8
"""Rise and fall of each tone, without which it would click."""
_LOUDNESS = 8000
_LOWEST_HZ, _STEPS, _PER_OCTAVE = 220.0, 36, 12
_WORD = re.compile(r"\S+")


class ToneEngine:
    """Opens as many streams as are wanted; they share nothing."""

    capabilities = Capabilities(
        name="tone",
        hears=(),
        speaks=(PCM16K,),
        turns=False,
        interim_results=False,
        word_times=True,
        note="Tones instead of words; speaks when no real voice is installed.",
    )

    async def open(self, options: Options, sink: Sink) -> VoiceStream:
        return VoiceStream("tone", self, speaks(self.capabilities, options), options, sink)

    def begin(self, piece: Piece, rendering: Rendering) -> None:
        each = max(2 * _FADE_MS, round(CHARACTER_MS / piece.options.speed))
        for found in _WORD.finditer(piece.text):
            rendering.word(found[0], found.start() * each, found.end() * each)
        for character in piece.text:
            rendering.sound(_tone(character, each))
        rendering.done()

    def stop(self, rendering: Rendering) -> None:
        """A piece is made at once; there is nothing to stop."""


def _tone(character: str, ms: int) -> bytes:
    count = PCM16K.bytes(ms) // 2
    if not character.isalnum():
        return bytes(2 * count)
    pitch = _LOWEST_HZ * 2 ** ((ord(character.lower()) % _STEPS) / _PER_OCTAVE)
    wave = np.sin(2 * np.pi * pitch * np.arange(count) / PCM16K.sample_rate)
    edge = np.sin(np.linspace(0, np.pi / 2, PCM16K.bytes(_FADE_MS) // 2)) ** 2
    wave[: len(edge)] *= edge
    wave[-len(edge) :] *= edge[::-1]
    return (wave * _LOUDNESS).astype("<i2").tobytes()
