"""The life of a session as a table, so that it can be read, drawn and checked.

                 opened              end
      opening ───────────▶ live ───────────▶ draining
        │ ▲     reopen      │                  │ (opened, reopen: still draining)
        │ └─────────────────┘                  │
        └────────────── finish ────────────────┴──▶ ended

`draining` means: no more audio will come, answers are still due. Whether an engine stream is
open at this moment is data (`Session.stream`), not a state; so is who owns the session.
"""

from typing import Literal, TypeAlias

__all__ = ["TABLE", "Lifecycle", "State", "Step"]

State: TypeAlias = Literal["opening", "live", "draining", "ended"]
Step: TypeAlias = Literal["opened", "reopen", "end", "finish"]

TABLE: dict[tuple[State, Step], State] = {
    ("opening", "opened"): "live",
    ("opening", "reopen"): "opening",
    ("opening", "end"): "draining",
    ("opening", "finish"): "ended",
    ("live", "reopen"): "opening",
    ("live", "end"): "draining",
    ("live", "finish"): "ended",
    ("draining", "opened"): "draining",
    ("draining", "reopen"): "draining",
    ("draining", "finish"): "ended",
}


class Lifecycle:
    """Holds the state; a step that the table does not have is a bug and names itself."""

    __slots__ = ("state",)

    def __init__(self) -> None:
        self.state: State = "opening"

    def step(self, step: Step) -> State:
        """Take one step.

        Raises:
            RuntimeError: the table has no such step from here.
        """
        try:
            self.state = TABLE[self.state, step]
        except KeyError:
            raise RuntimeError(f"a session that is {self.state} cannot {step}") from None
        return self.state

    def can(self, step: Step) -> bool:
        """Whether the table has this step from here."""
        return (self.state, step) in TABLE
