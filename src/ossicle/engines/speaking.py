"""The speaking half of a stream: utterances in order, sound no further than credit allows.

Every voice needs the same book-keeping (queue, sentence cutting, credit, cancel, answers), so it
stands here once; a voice only turns one `Piece` of text into sound. Knows nothing of how sound is
made, and owns no task: a voice calls `Rendering` back whenever it has something, at once or later.

    speaking = Speaking(sink, voice, PCM16K)
    speaking.speak(Speak(text="Hello there."))    # SpeechStarted AudioOut* Transcript SpeechEnded

Order per utterance: SpeechStarted, AudioOut with one final Transcript per sentence after its
sound, SpeechEnded (`done`: made, not yet heard; `cancelled`; `failed`).
"""

import re
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Protocol

import msgspec

from ..core.commands import Cancel, Finalize, Speak
from ..core.errors import OssicleError, Overloaded, Refused
from ..core.events import (
    AudioOut,
    Notice,
    SpeechEnded,
    SpeechStarted,
    Transcript,
    TurnReason,
    Usage,
    Word,
)
from ..core.formats import AudioFormat
from ..core.options import SynthesisOptions
from ..core.ports import Sink

__all__ = ["MAX_PIECE", "MAX_WAITING", "Piece", "Rendering", "Speaking", "Voice", "sentences"]

MAX_PIECE = 200
"""Characters rendered at once: bounds what a voice makes ahead of credit to some seconds."""
MAX_WAITING = 20_000
"""Characters waiting to be said in one stream, about 25 minutes; more is refused in words."""
MAX_UTTERANCES = 256
"""Utterances waiting in one stream; each costs an answer even when it holds no text."""
_AUDIO_MS = 100
"""Longest AudioOut: what a barge-in can no longer take back."""

_SENTENCE_END = re.compile(r"[.!?…][\"')\]”’]*\s+|[。！？]|\n+")
_GAP = re.compile(r"\s")


class Piece(msgspec.Struct, frozen=True):
    """One sentence or less, to be said in one go."""

    utterance: str
    text: str
    options: SynthesisOptions


class Voice(Protocol):
    """Makes sound of one piece at a time. Called on the event loop; must not block."""

    def begin(self, piece: Piece, rendering: "Rendering") -> None:
        """Start; call `rendering.sound`, `word`, then `done` or `failed`, now or later."""
        ...

    def stop(self, rendering: "Rendering") -> None:
        """Nothing of it is wanted any more; what still comes is ignored."""
        ...


class Rendering:
    """Where a voice puts the sound of one piece. Deaf after `done`, `failed` or a cancel."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self.waiting: deque[bytes] = deque()
        self.words: list[Word] = []
        self.complete = False
        self.error: OssicleError | None = None

    def sound(self, data: bytes) -> None:
        """Whole sample frames that follow what came before."""
        if data and not self.complete:
            self.waiting.append(data)
            self._changed()

    def word(self, text: str, start_ms: int, end_ms: int) -> None:
        """A word and its times, counted from the start of the piece."""
        if not self.complete:
            self.words.append(Word(text, start_ms, end_ms))

    def done(self) -> None:
        """The piece is complete."""
        if not self.complete:
            self.complete = True
            self._changed()

    def failed(self, error: OssicleError) -> None:
        """The voice cannot say it."""
        if not self.complete:
            self.complete, self.error = True, error
            self._changed()


@dataclass(eq=False, slots=True)
class _Utterance:
    name: str
    ref: str
    options: SynthesisOptions
    more: bool = True
    held: str = ""
    """Text without a sentence end yet; it waits for the next Speak."""
    pieces: deque[str] = field(default_factory=deque[str])
    started: bool = False
    told: int = 0
    """Bytes of sound told."""
    characters: int = 0


class Speaking:
    """Says utterances one at a time, in order. `Speak.text=None` is refused unless `answers`."""

    def __init__(
        self,
        sink: Sink,
        voice: Voice,
        fmt: AudioFormat,
        *,
        options: SynthesisOptions | None = None,
        answers: bool = False,
        failed: Callable[[OssicleError], None] | None = None,
        drained: Callable[[], None] | None = None,
    ) -> None:
        self._sink, self._voice, self._format = sink, voice, fmt
        self._options = options or SynthesisOptions()
        self._answers = answers
        self._failed, self._drained = failed, drained
        self._queue: deque[_Utterance] = deque()
        self._rendering: Rendering | None = None
        self._piece_text, self._piece_start = "", 0
        self._count = self._waiting = self._told = 0
        self._limit: int | None = None
        self._pumping = self._ending = self._dead = False

    # what the session asks

    def speak(self, command: Speak) -> None:
        """Queue text; an utterance goes on while `more`. Empty text without `more` closes it.

        Raises:
            Refused: there is no text, or too much waits; the stream goes on.
        """
        if self._dead or self._ending:
            return
        text = command.text
        if text is None and not self._answers:
            raise Refused("this voice needs a text; it has no answers")
        text = text or ""
        waiting = self._waiting + len(text)
        if waiting > MAX_WAITING or len(self._queue) >= MAX_UTTERANCES:
            raise Refused(
                f"{waiting} characters in {len(self._queue) + 1} utterances wait to be said; the"
                f" limits are {MAX_WAITING} and {MAX_UTTERANCES}; wait for SpeechEnded or cancel",
                code="overloaded",
            )
        utterance = self._queue[-1] if self._queue and self._queue[-1].more else None
        if utterance is None:
            self._count += 1
            utterance = _Utterance(f"u{self._count}", command.ref, self._options)
            self._queue.append(utterance)
        utterance.ref = command.ref or utterance.ref
        utterance.options = command.options or utterance.options
        self._add(utterance, text)
        if not command.more:
            self._close(utterance)
            if command.text is None:
                utterance.pieces.append("")
        self._pump()

    def finalize(self, command: Finalize) -> None:
        """Say what was given so far; answered by one SpeechEnded(out) with the ref."""
        if self._dead or self._ending:
            return
        utterance = self._queue[-1] if self._queue and self._queue[-1].more else None
        if utterance is None:
            if len(self._queue) >= MAX_UTTERANCES:
                raise Overloaded(
                    f"{len(self._queue)} utterances and answers wait; the limit is {MAX_UTTERANCES}"
                )
            # The answer keeps its place behind what is being said already.
            utterance = _Utterance("", command.ref, self._options, started=True)
            self._queue.append(utterance)
        utterance.ref = command.ref
        self._close(utterance)
        self._pump()

    def cancel(self, command: Cancel) -> None:
        """Forget one utterance, or without a name everything said or waiting. Each is answered."""
        for utterance in tuple(self._queue):
            if command.utterance in ("", utterance.name):
                if self._queue and utterance is self._queue[0]:
                    self._cut_off(utterance)
                self._finish(utterance, "cancelled", command.ref, command.heard_ms)
        self._pump()

    def credit(self, until_ms: int) -> None:
        """May speak up to here, counted over the whole stream; never lowered."""
        self._limit = max(self._limit or 0, self._format.bytes(until_ms))
        self._pump()

    def end(self) -> None:
        """Say what is left, then call `drained`."""
        if self._queue and self._queue[-1].more:
            self._close(self._queue[-1])
        self._ending = True
        self._pump()

    def abort(self) -> None:
        """Stop at once and say nothing more. Idempotent."""
        self._dead = True
        self._silence()
        self._queue.clear()

    @property
    def idle(self) -> bool:
        """Nothing is said and nothing waits."""
        return not self._queue

    # text

    def _add(self, utterance: _Utterance, text: str) -> None:
        self._waiting += len(text)
        utterance.characters += len(text)
        utterance.held += text
        whole = list(_SENTENCE_END.finditer(utterance.held))
        if whole:
            cut = whole[-1].end()
            utterance.pieces.extend(sentences(utterance.held[:cut]))
            utterance.held = utterance.held[cut:]

    def _close(self, utterance: _Utterance) -> None:
        utterance.more = False
        utterance.pieces.extend(sentences(utterance.held))
        utterance.held = ""

    # sound

    def _pump(self) -> None:
        # A voice may answer inside `begin`, and the session may ask inside `tell`: both come
        # back here, and the outer loop sees what they changed.
        if self._pumping:
            return
        self._pumping = True
        try:
            while not self._dead and self._step():
                pass
        finally:
            self._pumping = False

    def _step(self) -> bool:
        """One thing done; False = nothing to do until somebody calls."""
        if not self._queue:
            if self._ending and self._drained is not None:
                drained, self._drained = self._drained, None
                drained()
            return False
        utterance, rendering = self._queue[0], self._rendering
        if rendering is None:
            return self._next_piece(utterance)
        if rendering.waiting:
            return self._tell_sound(utterance, rendering)
        if not rendering.complete:
            return False
        if rendering.error is not None:
            self._give_up(utterance, rendering.error)
            return True
        self._tell_words(utterance, rendering)
        return True

    def _next_piece(self, utterance: _Utterance) -> bool:
        if not utterance.pieces:
            if utterance.more:
                return False
            self._finish(utterance, "done")
            return True
        if not utterance.started:
            utterance.started = True
            self._sink.tell(
                SpeechStarted(side="out", utterance=utterance.name, at_ms=0, ref=utterance.ref)
            )
            return True
        self._piece_text = utterance.pieces.popleft()
        self._piece_start = utterance.told
        rendering = self._rendering = Rendering(self._pump)
        self._voice.begin(Piece(utterance.name, self._piece_text, utterance.options), rendering)
        return True

    def _tell_sound(self, utterance: _Utterance, rendering: Rendering) -> bool:
        most = self._format.bytes(_AUDIO_MS)
        if self._limit is not None:
            most = min(most, self._limit - self._told)
        if most <= 0:
            return False
        data = rendering.waiting.popleft()
        if len(data) > most:
            rendering.waiting.appendleft(data[most:])
            data = data[:most]
        start = self._format.ms(utterance.told)
        utterance.told += len(data)
        self._told += len(data)
        self._sink.tell(
            AudioOut(utterance=utterance.name, data=data, start_ms=start, ref=utterance.ref)
        )
        return True

    def _tell_words(self, utterance: _Utterance, rendering: Rendering) -> None:
        self._rendering = None
        self._waiting -= len(self._piece_text)
        ends = not utterance.more and not utterance.pieces
        self._say(utterance, rendering, self._piece_text, ends=ends)

    def _say(self, utterance: _Utterance, rendering: Rendering, text: str, *, ends: bool) -> None:
        start, end = self._format.ms(self._piece_start), self._format.ms(utterance.told)
        words = tuple(
            Word(word.text, start + word.start_ms, min(start + word.end_ms, end))
            for word in rendering.words
            if start + word.start_ms < end
        )
        self._sink.tell(
            Transcript(
                side="out",
                utterance=utterance.name,
                text=text,
                start_ms=start,
                end_ms=end,
                final=True,
                ends_turn=ends,
                stable=len(text),
                words=words or None,
                ref=utterance.ref,
            )
        )

    # ends

    def _silence(self) -> None:
        rendering, self._rendering = self._rendering, None
        if rendering is not None:
            rendering.complete = True
            rendering.waiting.clear()
            self._voice.stop(rendering)

    def _cut_off(self, utterance: _Utterance) -> None:
        """Stop in the middle of a piece; its words so far are what was said."""
        rendering, start = self._rendering, self._format.ms(self._piece_start)
        self._silence()
        if rendering is not None and utterance.told > self._piece_start:
            end = self._format.ms(utterance.told)
            said = [word.text for word in rendering.words if start + word.start_ms < end]
            self._say(utterance, rendering, " ".join(said), ends=True)

    def _give_up(self, utterance: _Utterance, error: OssicleError) -> None:
        self._rendering = None
        refused = isinstance(error, Refused)
        if refused:
            # The client can change what it asked for; the voice itself is well.
            self._sink.tell(
                Notice(level="error", code=error.code, text=str(error), ref=utterance.ref)
            )
        self._finish(utterance, "failed")
        if self._failed is not None and not refused:
            self._failed(error)

    def _finish(
        self,
        utterance: _Utterance,
        reason: TurnReason,
        ref: str = "",
        heard_ms: int | None = None,
    ) -> None:
        if utterance not in self._queue:
            return  # the session already had it cancelled inside a tell of ours
        self._queue.remove(utterance)
        self._waiting = sum(len(each.held) + sum(map(len, each.pieces)) for each in self._queue)
        end = self._format.ms(utterance.told)
        self._sink.tell(
            SpeechEnded(
                side="out",
                utterance=utterance.name,
                at_ms=end,
                reason=reason,
                heard_ms=heard_ms,
                usage=Usage(audio_ms=end, characters=utterance.characters),
                ref=ref or utterance.ref,
            )
        )


def sentences(text: str) -> Iterator[str]:
    """`text` in sentences of at most `MAX_PIECE` characters; blank ones are left out.

    >>> list(sentences("Hello. How are you?"))
    ['Hello.', 'How are you?']
    """
    ends = [found.end() for found in _SENTENCE_END.finditer(text)]
    for start, end in pairwise((0, *ends, len(text))):
        rest = text[start:end].strip()
        while len(rest) > MAX_PIECE:
            gaps = [gap.start() for gap in _GAP.finditer(rest, 1, MAX_PIECE)]
            cut = gaps[-1] if gaps else MAX_PIECE
            yield rest[:cut]
            rest = rest[cut:].lstrip()
        if rest:
            yield rest
