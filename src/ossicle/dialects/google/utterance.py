"""`single_utterance` of v1: after the end of the utterance comes at most one final, and nothing of
what is said later (wire note, §5).

    one = SingleUtterance()
    one.end()
    one.heard(segment)       # None: more of it is to come
    one.heard(last)          # the whole, once
"""

from typing import Literal

import msgspec

from ossicle.core.events import Transcript

__all__ = ["SingleUtterance"]


class SingleUtterance:
    """The finals between the end of an utterance and the end of the stream, as one."""

    def __init__(self) -> None:
        self.phase: Literal["open", "deciding", "told"] = "open"
        self._held: list[Transcript] = []

    def end(self) -> None:
        """The speaker stopped."""
        self.phase = "deciding"

    def heard(self, event: Transcript) -> Transcript | None:
        """A transcript after the end. The whole utterance, when this was its last part."""
        if self.phase != "deciding" or not event.final:
            return None
        self._held.append(event)
        return self.rest() if event.ends_turn else None

    def rest(self) -> Transcript | None:
        """What is held, when nothing more will come."""
        held, self._held = [event for event in self._held if event.text], []
        if self.phase == "deciding":
            self.phase = "told"
        if len(held) < 2:
            return held[0] if held else None
        timed = all(event.words is not None for event in held)
        return msgspec.structs.replace(
            held[-1],
            text=" ".join(event.text for event in held),
            start_ms=held[0].start_ms,
            words=tuple(w for event in held for w in event.words or ()) if timed else None,
            confidence=None,  # of the whole nobody knows it
            alternatives=(),
        )
