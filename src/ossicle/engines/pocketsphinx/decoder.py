"""pocketsphinx behind a typed face: one utterance at a time, words with sample places.

One thing is added to the library. It normalises sound by a running mean of the cepstrum (CMN)
that it corrects only at the end of an utterance or after 8 s, so the first seconds of a new voice
or microphone are heard through a wrong mean, the largest single loss of accuracy. Here the mean is
corrected every 0.3 s while speech lasts, and stays for the session.

Knows nothing of turns, silence or events.
"""

from typing import Any, Final, Protocol, cast

import msgspec

from .spelling import spoken, tokens

__all__ = ["Decoder", "Heard", "PocketDecoder", "Settings"]

_SAMPLES_PER_FRAME: Final = 160
_LEARN_EVERY: Final = 4_800
"""Samples between corrections of the mean: 0.3 s."""


class Settings(msgspec.Struct, frozen=True):
    """Search settings; `bench/recognition.py` prints what each is worth."""

    maxhmmpf: int = 3_000
    """Most states alive per frame: the cheapest brake on the search."""
    beam: float = 1e-60
    pbeam: float = 1e-60
    wbeam: float = 1e-40
    silprob: float = 0.05
    cmninit: str = "49.2,3.0,-3.6,6.1,-5.2,1.3,-7.0,-3.2,-4.4,-1.0,2.3,-1.1,-0.6"
    """The mean to begin with: that of a few ordinary recordings."""

    def config(self) -> dict[str, Any]:
        """As the library wants them. `fwdflat` and `bestpath` off: they search a second and a
        third time after the last word, 0.7 s and 0.15 s of work before a final can be told, for
        a gain that 250 words do not show. Silence from the library: it logs what it hears."""
        return {
            "fwdflat": False,
            "bestpath": False,
            "loglevel": "FATAL",
            **msgspec.to_builtins(self),
        }


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

    def restrict(self, phrases: tuple[str, ...]) -> tuple[str, ...]:
        """Hear nothing but these phrases, from the next utterance on; () = everything. Returns
        the phrases that hold a word the dictionary does not have, which are left out.

        Raises:
            ValueError: none of the phrases can be used.
        """
        ...


class PocketDecoder:
    """See `Decoder`. Loading takes 0.4 s and 90 MB; a fork shares both."""

    def __init__(self, settings: Settings | None = None) -> None:
        import pocketsphinx  # noqa: PLC0415  heavy; only worker processes pay for it

        kind = cast("Any", pocketsphinx).Decoder
        self._decoder = kind(**(settings or Settings()).config())
        self._general: str = self._decoder.current_search()
        self._grammars = 0
        self._fed = 0
        self._corrected = 0

    def begin(self) -> None:
        """See `Decoder`."""
        self._fed = self._corrected = 0
        self._decoder.start_utt()

    def feed(self, pcm: bytes) -> None:
        """See `Decoder`."""
        decoder = self._decoder
        decoder.process_raw(pcm, False, False)
        self._fed += len(pcm) // 2
        if self._fed - self._corrected >= _LEARN_EVERY:
            self._corrected = self._fed
            decoder.get_cmn(True)

    def words(self) -> list[Heard]:
        """See `Decoder`."""
        return _read(self._decoder)

    def finish(self) -> list[Heard]:
        """See `Decoder`."""
        self._decoder.get_cmn(True)
        self._decoder.end_utt()
        return _read(self._decoder)

    def restrict(self, phrases: tuple[str, ...]) -> tuple[str, ...]:
        """See `Decoder`."""
        decoder = self._decoder
        if not phrases:
            decoder.activate_search(self._general)
            return ()
        known: list[str] = []
        unknown: list[str] = []
        for phrase in phrases:
            words = tokens(phrase)
            if words and all(decoder.lookup_word(word) is not None for word in words):
                known.append(" ".join(words))
            else:
                unknown.append(phrase)
        if not known:
            raise ValueError("no phrase can be heard")
        self._grammars += 1
        name = f"hints{self._grammars}"
        choice = " | ".join(dict.fromkeys(known))
        decoder.add_jsgf_string(
            name, f"#JSGF V1.0;\ngrammar hints;\npublic <said> = ( {choice} )+;\n"
        )
        decoder.activate_search(name)
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
