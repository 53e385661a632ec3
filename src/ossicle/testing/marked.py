"""Audio that says which words it holds, so that nothing lost and nothing doubled can be proven.

The `scripted:heard` engine reads it back (the encoding is defined in `ossicle.engines.scripted`).

    >>> len(marked_audio([1, 2, 0, 3]))     # two words, a pause that ends the turn, one word
    30720
"""

from collections.abc import Iterable, Sequence

from ..core.events import Event, Transcript, Word

__all__ = ["FRAME_MS", "marked_audio", "marked_expected", "marked_words"]

FRAME_MS = 20
_SAMPLES = 320
"""Samples of one frame: 20 ms at 16 kHz."""


def marked_audio(
    words: Sequence[int], *, frames: int = 10, gap: int = 1, pause: int = 15, lead: int = 0
) -> bytes:
    """pcm_s16le at 16 kHz: each word is `frames` frames of its number, then `gap` of silence.

    Args:
        words: word numbers 1-32767; 0 is a pause that ends a turn.
        frames: length of one word in frames of 20 ms.
        gap: silent frames after each word, at least one, which is what completes the word.
        pause: silent frames a 0 stands for.
        lead: silent frames before the first word.
    """
    if gap < 1 or frames < 1:
        raise ValueError(f"a word needs a frame and a gap after it, not {frames=} {gap=}")
    silence = bytes(2 * _SAMPLES)
    parts = [silence * lead]
    for number in words:
        if not 0 <= number <= 32767:
            raise ValueError(f"word number {number} is outside 0-32767")
        parts.append(
            number.to_bytes(2, "little") * (_SAMPLES * frames) + silence * gap
            if number
            else silence * pause
        )
    return b"".join(parts)


def marked_expected(
    words: Sequence[int], *, frames: int = 10, gap: int = 1, pause: int = 15, lead: int = 0
) -> tuple[Word, ...]:
    """The words, with times, that a recogniser of `marked_audio(...)` has to report."""
    at, found = lead * FRAME_MS, list[Word]()
    for number in words:
        if number:
            found.append(Word(f"w{number}", at, at + frames * FRAME_MS))
            at += (frames + gap) * FRAME_MS
        else:
            at += pause * FRAME_MS
    return tuple(found)


def marked_words(events: Iterable[Event]) -> tuple[Word, ...]:
    """The words of all finals heard, in the order they came, doubles included."""
    return tuple(
        word
        for event in events
        if isinstance(event, Transcript) and event.final and event.side == "in"
        for word in event.words or ()
    )
