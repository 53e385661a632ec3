"""What is around a session: its bounds, and the house that gives it an engine and a clock."""

from typing import Protocol

import msgspec

from .commands import Configure
from .formats import AudioFormat
from .lifecycle import Lifecycle
from .options import Options
from .ports import Codecs, Engine, Timers

__all__ = ["Host", "Hosted", "SessionSettings"]


class SessionSettings(msgspec.Struct, frozen=True):
    """Bounds of one session; every one is an option of the gateway."""

    unsent_ms: int = 10_000
    """Audio that may wait for an engine before the overload policy applies."""
    replay_ms: int = 15_000
    """Sent audio kept for a replay."""
    resume_window_s: float = 30.0
    """How long a session waits for its owner to come back."""
    finish_s: float = 600.0
    """How long a session whose audio came whole is still worked on when its owner has left and
    somebody else waits for the words: a recording with a callback."""
    session_s: float = 0.0
    """Longest session; 0 = no limit."""
    idle_s: float = 0.0
    """Ends a session that gets neither audio nor commands; 0 = never."""
    flow_ms: int = 1_000
    """Audio between two Flow reports."""
    open_s: float = 20.0
    """How long an engine may take to open a stream."""
    speak_ahead_ms: int = 30_000
    """How far an engine may speak ahead of what was heard."""
    replays: int = 5
    """Engine failures survived in a row; one more ends the session. A failure is forgotten after
    `replay_window_s`, or for `replay_earned_ms` of audio that was settled since."""
    replay_window_s: float = 30.0
    """How far back failures are counted."""
    replay_earned_ms: int = 1_000
    """Settled audio for which one failure is forgotten: an engine that gets on is no loop. 0 = only
    time forgives."""
    replay_wait_s: tuple[float, ...] = (0.0, 0.1, 0.5, 1.0, 2.0)
    """Wait before the first, second, … attempt to open another stream."""


class Hosted(Protocol):
    """What a host may know of a session that wakes it."""

    id: str
    life: Lifecycle


class Host(Protocol):
    """What a session needs of the house around it: the gateway, or a test."""

    @property
    def timers(self) -> Timers: ...

    @property
    def codecs(self) -> Codecs: ...

    def choose(self, options: Options, source: AudioFormat) -> Engine:
        """The engine for this session.

        Raises:
            Refused: no engine has that name or takes that audio.
        """
        ...

    def wake(self, session: "Hosted") -> None:
        """`session.wants_engine` or `session.life` changed: its supervisor should look."""
        ...

    def extend(self, session: "Hosted", leg: object, configure: Configure) -> None:
        """Its owner names more of what only the house can do: names and reports.

        Raises:
            Refused: a URL that may not be reached.
        """
        ...
