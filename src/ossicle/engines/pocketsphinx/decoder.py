"""pocketsphinx behind a typed face: one utterance at a time, words with sample places.

Two things are added to the library. It normalises sound by a running mean of the cepstrum
(CMN) that it corrects only at the end of an utterance or after 8 s, so the first seconds of a
new voice or microphone are heard through a wrong mean, the largest single loss of accuracy. Here
the mean is corrected every 0.3 s, and early in the first utterance the sound so far is decoded
again with the mean learned from it (`_RELEARN`). The mean then stays for the session.

Knows nothing of turns, silence or events.
"""

from typing import Any, Final, Protocol, cast

import msgspec

from .spelling import spoken, tokens

__all__ = ["ACCURATE", "FAST", "Decoder", "Heard", "PocketDecoder", "Settings"]

_SAMPLES_PER_FRAME: Final = 160
_LEARN_EVERY: Final = 4_800
"""Samples between corrections of the mean: 0.3 s."""
_RELEARN: Final = (16_000, 40_000)
"""Samples into the first utterance where it is decoded again: after 1 s and 2.5 s. Each costs
the time of decoding that much (about 0.15 and 0.4 s of one core), once in a session."""


class Settings(msgspec.Struct, frozen=True):
    """Search settings; `bench/recognition.py` prints what each is worth."""

    maxhmmpf: int = 3_000
    """Most states alive per frame: the cheapest brake on the search."""
    beam: float = 1e-48
    pbeam: float = 1e-48
    wbeam: float = 7e-29
    silprob: float = 0.005
    lw: float = 6.5
    cmninit: str = "49.2,3.0,-3.6,6.1,-5.2,1.3,-7.0,-3.2,-4.4,-1.0,2.3,-1.1,-0.6"
    """The mean to begin with: that of a few ordinary recordings."""

    def config(self) -> dict[str, Any]:
        """As the library wants them. `fwdflat` off: it moves up to 1 s of work to the end of an
        utterance for a gain of 1-2 %. Silence from the library: it logs what it hears."""
        return {"fwdflat": False, "loglevel": "FATAL", **msgspec.to_builtins(self)}


FAST: Final = Settings()
"""For partials and fast finals."""

ACCURATE: Final = Settings(maxhmmpf=6_000, beam=1e-60, pbeam=1e-60, wbeam=1e-40, silprob=0.05)
"""For the second pass."""


class Heard(msgspec.Struct, frozen=True, gc=False):
    """One word and where it is, in samples since the utterance began."""

    text: str
    start: int
    end: int


class Decoder(Protocol):
    """What a listener needs of a recogniser."""

    def begin(self) -> None:
        """A new utterance."""
        ...

    def feed(self, pcm: bytes) -> None:
        """More of it."""
        ...

    def words(self) -> list[Heard]:
        """The best reading so far."""
        ...

    def finish(self) -> list[Heard]:
        """The end of the utterance, and its words."""
        ...

    def again(self, pcm: bytes) -> list[Heard]:
        """A second, slower pass over a whole utterance that was finished."""
        ...

    def restrict(self, phrases: tuple[str, ...]) -> tuple[str, ...]:
        """Hear nothing but these phrases, from the next utterance on; () = everything. Returns
        the phrases that hold a word the dictionary does not have, which are left out.

        Raises:
            ValueError: none of the phrases can be used.
        """
        ...


class PocketDecoder:
    """See `Decoder`. Loading takes 0.4 s and 90 MB; a fork shares both."""

    def __init__(self, fast: Settings = FAST, accurate: Settings | None = ACCURATE) -> None:
        import pocketsphinx  # noqa: PLC0415  heavy; only worker processes pay for it

        kind = cast("Any", pocketsphinx).Decoder
        self._first = kind(**fast.config())
        self._second = kind(**accurate.config()) if accurate else None
        self._general: str = self._first.current_search()
        self._grammars = 0
        self._fed = 0
        self._corrected = 0
        self._learning = list(_RELEARN)
        self._opening = bytearray()

    def begin(self) -> None:
        """See `Decoder`."""
        self._fed = self._corrected = 0
        self._opening.clear()
        self._first.start_utt()

    def feed(self, pcm: bytes) -> None:
        """See `Decoder`."""
        first = self._first
        first.process_raw(pcm, False, False)
        self._fed += len(pcm) // 2
        if self._fed - self._corrected >= _LEARN_EVERY:
            self._corrected = self._fed
            first.get_cmn(True)
        if self._learning:
            self._opening += pcm
            if self._fed >= self._learning[0]:
                self._learning.pop(0)
                first.get_cmn(True)
                first.end_utt()
                first.start_utt()
                first.process_raw(bytes(self._opening), False, False)

    def words(self) -> list[Heard]:
        """See `Decoder`."""
        return _read(self._first)

    def finish(self) -> list[Heard]:
        """See `Decoder`."""
        self._first.get_cmn(True)
        self._first.end_utt()
        return _read(self._first)

    def again(self, pcm: bytes) -> list[Heard]:
        """See `Decoder`."""
        second = self._second
        # A grammar lives in the first decoder only, and gains nothing from a wider search.
        if second is None or self._first.current_search() != self._general:
            return _read(self._first)
        second.start_utt()
        second.process_raw(pcm, False, True)
        second.end_utt()
        return _read(second)

    def restrict(self, phrases: tuple[str, ...]) -> tuple[str, ...]:
        """See `Decoder`."""
        first = self._first
        if not phrases:
            first.activate_search(self._general)
            return ()
        known: list[str] = []
        unknown: list[str] = []
        for phrase in phrases:
            words = tokens(phrase)
            if words and all(first.lookup_word(word) is not None for word in words):
                known.append(" ".join(words))
            else:
                unknown.append(phrase)
        if not known:
            raise ValueError("no phrase can be heard")
        self._grammars += 1
        name = f"hints{self._grammars}"
        choice = " | ".join(dict.fromkeys(known))
        first.add_jsgf_string(
            name, f"#JSGF V1.0;\ngrammar hints;\npublic <said> = ( {choice} )+;\n"
        )
        first.activate_search(name)
        return tuple(unknown)


def _read(decoder: Any) -> list[Heard]:
    found: list[Heard] = []
    for part in decoder.seg() or ():
        word = spoken(part.word)
        if word:
            found.append(
                Heard(
                    word,
                    part.start_frame * _SAMPLES_PER_FRAME,
                    (part.end_frame + 1) * _SAMPLES_PER_FRAME,
                )
            )
    return found
