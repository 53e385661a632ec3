"""Finding a session by a name that somebody else gave it, and waiting for one to begin.

A telephone call has its provider's id before its audio comes; a dashboard may subscribe by it
first. Names belong to the owner whose session carries them: nobody meets another's.
"""

from collections.abc import Iterable

from ossicle.core.commands import Join
from ossicle.core.errors import Overloaded, Refused
from ossicle.core.events import Notice
from ossicle.core.legs import Leg

__all__ = ["LONGEST_WAIT_S", "Names", "Waiting", "labels_of"]

LONGEST_WAIT_S = 600.0
"""Beyond it a client asks again."""
_MOST_WAITING = 1_000
_MOST_NAMES = 8
"""Of one session."""
_LONGEST_NAME = 200


def labels_of(label: str) -> tuple[str, ...]:
    """What a session may be looked up by because of its label: the whole of it, and each of several
    tags (protocols that have tags put commas between them).

    >>> labels_of("desk,night")
    ('desk,night', 'desk', 'night')
    """
    tags = tuple(filter(None, label.split(",")))
    return tuple(dict.fromkeys((label, *tags))) if label else ()


class Names:
    """(owner, name) → session. The newest session of a name has it."""

    def __init__(self) -> None:
        self._sessions: dict[tuple[str, str], str] = {}
        self._names: dict[str, list[tuple[str, str]]] = {}

    @staticmethod
    def check(names: Iterable[str]) -> None:
        """Before a session begins.

        Raises:
            Refused: too many, or one is too long.
        """
        given = tuple(names)
        if len(given) > _MOST_NAMES:
            raise Refused(f"{len(given)} names; the limit is {_MOST_NAMES}", code="bad_option")
        for name in given:
            if not 0 < len(name) <= _LONGEST_NAME:
                raise Refused(
                    f"a name of {len(name)} characters; 1 to {_LONGEST_NAME} are taken",
                    code="bad_option",
                )

    def add(self, owner: str, session: str, names: Iterable[str]) -> tuple[str, ...]:
        """A session is known by these, too. Returns all of its names.

        Raises:
            Refused: as `check`.
        """
        held = self._names.get(session, [])
        wanted = dict.fromkeys((*(name for _, name in held), *names))
        self.check(wanted)
        self._names[session] = [(owner, name) for name in wanted]
        for name in wanted:
            self._sessions[owner, name] = session
        return tuple(wanted)

    def find(self, owner: str, name: str) -> str | None:
        """The session of that name."""
        return self._sessions.get((owner, name))

    def drop(self, session: str) -> None:
        """It is over."""
        for key in self._names.pop(session, ()):
            if self._sessions.get(key) == session:
                del self._sessions[key]


class Waiting:
    """Legs that wait for a session that is not there yet."""

    def __init__(self) -> None:
        self._legs: list[tuple[float, str, Join, Leg]] = []

    def __len__(self) -> int:
        return len(self._legs)

    def park(self, leg: Leg, join: Join, owner: str, now: float) -> None:
        """Wait, accepted and read from, so that a peer that leaves is noticed.

        Raises:
            Overloaded: too many wait.
        """
        self._sweep()
        if len(self._legs) >= _MOST_WAITING:
            raise Overloaded(f"{_MOST_WAITING} clients wait for sessions to begin; try again soon")
        wait = min(join.wait_s, LONGEST_WAIT_S)
        self._legs.append((now + wait, owner, join, leg))
        leg.tell(
            Notice(code="waiting", text=f"no session has this name yet; waiting {wait:g} s for it")
        )
        leg.resume("admission")

    def arrived(self, owner: str, names: Iterable[str]) -> list[tuple[Join, Leg]]:
        """Those who waited for one of these names; they wait no more."""
        due = set(names)
        found = [
            (join, leg)
            for _, whose, join, leg in self._legs
            if whose == owner and join.session in due and not leg.gone
        ]
        self._legs = [
            each for each in self._legs if not (each[1] == owner and each[2].session in due)
        ]
        return found

    def tick(self, now: float) -> None:
        """Send away those who waited long enough."""
        self._sweep()
        for each in [each for each in self._legs if each[0] <= now]:
            self._legs.remove(each)
            each[3].refuse(
                Refused("no session of this name began in time; ask again", code="not_found")
            )

    def send_away(self, error: Overloaded) -> None:
        """All of them: the gateway stops."""
        legs, self._legs = self._legs, []
        for _, _, _, leg in legs:
            leg.refuse(error)

    def _sweep(self) -> None:
        self._legs = [each for each in self._legs if not each[3].gone]
