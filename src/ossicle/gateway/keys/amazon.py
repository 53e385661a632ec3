"""What the Amazon dialect needs of the gateway: keys, lists of words, and who is connected.

access key id  ─▶ the gateway's key of that id or owner ([amazon.access_keys] may name another)
its secret     ─▶ OSSICLE_AWS_SECRET_AKTEAM, or STATE_DIR/secrets/aws_secret_AKTEAM (0600)
"""

from collections.abc import Callable, Iterable, Mapping

from ossicle.core.session import Session
from ossicle.dialects.amazon import AmazonServer, Keys, Lists, SessionIds, signed
from ossicle.dialects.amazon.sessions import State

from ..configuration.settings import AmazonSettings
from .access import Access

__all__ = ["AmazonDoor"]


class AmazonDoor:
    """Makes the dialect for each stream of one gateway."""

    def __init__(
        self,
        settings: AmazonSettings,
        access: Access,
        secrets: Callable[[str], bytes | None],
        sessions: Mapping[str, Session],
    ) -> None:
        self._settings = settings
        self._access = access
        self._names = dict(settings.access_keys)
        self._guard = signed(
            Keys(
                secrets=secrets,
                stands_for=self._stands_for,
                on=lambda: access.on,
                hosts=settings.hosts,
            )
        )
        self._lists = Lists(_list(settings.vocabularies), _list(settings.filters))
        self._ids = SessionIds(lambda name: _state(sessions.get(name)))

    def server(self) -> AmazonServer:
        """For one stream."""
        return AmazonServer(
            guard=self._guard,
            lists=self._lists,
            sessions=self._ids,
            silence_s=self._settings.silence_s,
        )

    def _stands_for(self, key_id: str) -> str | None:
        return self._access.stand_in(self._names.get(key_id, key_id))


def _state(session: Session | None) -> State:
    if session is None or session.life.state == "ended":
        return "gone"
    return "here" if session.owner is not None or session.detached_until is None else "waiting"


def _list(named: Iterable[tuple[str, str]]) -> Callable[[str], tuple[str, ...] | None]:
    lists = {
        name: tuple(each.strip()[:200] for each in phrases.split(",") if each.strip())
        for name, phrases in named
    }
    return lists.get
