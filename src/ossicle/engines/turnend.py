"""How likely it is that a speaker has finished: silence, word stability and simple grammar rules.

`TurnEnd` is the interface, and a trained model would fit it; `GrammarTurnEnd` is what there is: no
model, no chance, the same pause gives the same number on any machine. It knows no audio and no
clock. The number is a judgement, not a measured probability.

    confidence = s² / (s² + h²)         s: silence so far    h: how much this ending asks for

`h` is the silence at which the judge is as sure as not; it depends on how the words end. A
confidence of 0.7 is reached at 1.53 h. Silence counts half until the words have stood unchanged as
long as it: a recogniser that still corrects itself has not heard the end.

    >>> judge = GrammarTurnEnd()
    >>> judge.confidence(Pause("what time is it", silence_ms=500))
    0.8
    >>> round(judge.confidence(Pause("I would like to", silence_ms=500)), 2)
    0.15
"""

import re
from typing import Final, Protocol

import msgspec

__all__ = ["GrammarTurnEnd", "Pause", "TurnEnd", "ending"]


class Pause(msgspec.Struct, frozen=True):
    """A silence in somebody's speech."""

    text: str
    """Everything said in the turn so far; its end is what counts."""
    silence_ms: int
    """How long nobody has spoken."""
    stable_ms: int | None = None
    """How long the words have not changed; None = as long as the silence."""
    language: str = "en-US"
    """BCP-47 tag of what was heard."""


class TurnEnd(Protocol):
    """Judges pauses. Called on the event loop every 50 ms of a silence: it must not block."""

    @property
    def basis(self) -> str:
        """What it judges by, as the end of a sentence: sessions are told."""
        ...

    def confidence(self, pause: Pause) -> float:
        """0 = certainly not over, 1 = certainly over. Never falls as silence grows while
        everything else stays the same: who uses it may skip pauses in between."""
        ...


_MOST: Final = 0.99
"""Rules are never certain: a threshold of 1 means that only a time limit ends a turn."""

_HALF: Final = {
    "question": 250,
    "answer": 280,
    "complete": 400,
    "open": 450,
    "number": 800,
    "list": 1000,
    "unfinished": 1200,
    "filler": 1500,
}
"""Milliseconds of silence at which the judge is as sure as not, by how the words end. 400 ms is
near the gap that listeners take for an end; the others stand in order around it."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_FILLERS = _words("um uh er erm hmm mm mhm like so")
_CONJUNCTIONS = _words(
    "and or but because if when while although though unless until since than that which who "
    "whose where whether as"
)
_DETERMINERS = _words(
    "a an the this these those my your his its our their some any every each no another"
)
_PREPOSITIONS = _words(
    "of to in on at by for with from into onto about between through under over after before "
    "without within against during toward towards"
)
_HALF_VERBS = _words(
    "is are was were am be been being have has had do does did will would can could shall should "
    "may might must i'm i'll i'd i've you're we're they're it's that's there's let's want wanna "
    "gonna going trying need"
)
_SUBJECTS = _words("i we he she they very really too")
_UNFINISHED = _CONJUNCTIONS | _DETERMINERS | _PREPOSITIONS | _HALF_VERBS | _SUBJECTS
_TAIL_ANYWAY = _words("that this these those any some each another over in on too")
"""Words among them that do end sentences: believed when punctuation says so."""
_QUESTIONS = _words(
    "what who whom whose which when where why how is are was were am do does did can could will "
    "would shall should may might must has have had isn't aren't don't doesn't didn't can't "
    "couldn't won't wouldn't shouldn't"
)
_ANSWERS = _words(
    "yes yeah yep no nope okay ok sure right thanks thank please hello hi hey bye goodbye exactly "
    "correct true false stop cancel help repeat done"
)
_NUMBERS = _words(
    "zero oh one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty "
    "ninety hundred thousand million point double triple area plus minus"
)
_WORD = re.compile(r"[\w'’]+")
_SENTENCE = re.compile(r"[.!?…]+[\"')\]”’]*\s+")


class GrammarTurnEnd:
    """The rules. English words are known; in other languages only punctuation counts."""

    basis = "silence, word stability and simple grammar rules; no model is asked"

    def confidence(self, pause: Pause) -> float:
        silence = max(0, pause.silence_ms)
        stable = silence if pause.stable_ms is None else max(0, pause.stable_ms)
        heard = (silence + min(silence, stable)) / 2
        half = _HALF[ending(pause.text, pause.language)]
        return min(_MOST, heard * heard / (heard * heard + half * half))


def ending(text: str, language: str = "en-US") -> str:
    """How the words end: `question`, `answer` (a word or two that are one), `complete` (a closed
    sentence), `open` (nothing speaks against it), `number` (digits may follow), `list` (a comma),
    `unfinished` (a conjunction, article, preposition, auxiliary …) or `filler` ("um")."""
    text = text.rstrip()
    bare = text.rstrip("\"')]”’")
    last_sentence = _SENTENCE.split(text)[-1]
    words = [found.lower().replace("’", "'") for found in _WORD.findall(last_sentence)]
    asked, closed = bare.endswith("?"), bare.endswith((".", "!", "。", "！"))
    if bare.endswith(("…", "...", "-", "–", "—")):
        return "unfinished"
    if bare.endswith((",", ";", ":", "、", "，")):
        return "list"
    if bare.endswith("？") or not words:
        return "question" if words else "open"
    if language[:2].lower() not in {"en", ""}:
        return "question" if asked else "complete" if closed else "open"
    last = words[-1]
    certain = (asked or closed) and last in _TAIL_ANYWAY
    if last in _FILLERS and not asked:
        return "filler"
    if last in _UNFINISHED and not certain and not (asked and len(words) > 2):
        return "unfinished"
    if last in _NUMBERS or last[-1].isdigit():
        return "number"
    if asked or (words[0] in _QUESTIONS and len(words) >= 3 and not closed):
        return "question"
    if len(words) <= 2 and words[0] in _ANSWERS:
        return "answer"
    return "complete" if closed else "open"
