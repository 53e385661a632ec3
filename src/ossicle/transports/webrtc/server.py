"""All calls of one gateway: offers in, answers out, and what happens to a call from outside.

    async with asyncio.TaskGroup() as group:
        group.create_task(calls.run())
        call, answer = await calls.offer(opening, sdp, acceptor)
        calls.hang_up(call.name)

The acceptor is asked before anything is made of an offer, and the answer waits for its first
message: `Accept`, or `Close`, which is the refusal. How the offer came here (WHIP, WHEP, another
provider's way of asking) is the caller's business. Knows no dialect and no HTTP.
"""

import asyncio
import logging
import secrets
from collections import Counter
from collections.abc import Callable

import msgspec

from ossicle.core.errors import OssicleError, Overloaded, Refused
from ossicle.core.ports import Acceptor, Timers
from ossicle.core.wire import Accept, Close, Opening

from .call import Call
from .coders import Coders
from .figures import CallFigures
from .ports import Doorway
from .sdp import answered, read_fragment, read_offer
from .seam import Link
from .settings import WebRtcSettings

log = logging.getLogger("ossicle.transports.webrtc")

__all__ = ["Answered", "Calls", "Declined", "Restarted"]

_ACCEPT_S = 30.0
"""How long an acceptor may think; a session's own patience is far shorter."""


class Declined(Exception):
    """The acceptor said no, in these words."""

    def __init__(self, close: Close) -> None:
        super().__init__(close.reason or str(close.code))
        self.close = close


class Answered(msgspec.Struct, frozen=True):
    """A call that begins."""

    name: str
    """Unguessable: who knows it may end the call."""
    sdp: str
    accept: Accept
    tag: str
    """Of this ICE session, for If-Match (RFC 9725 section 4.3.1)."""


class Restarted(msgspec.Struct, frozen=True):
    """An ICE restart under way."""

    fragment: str
    tag: str


class Calls:
    """See the module."""

    def __init__(
        self,
        settings: WebRtcSettings,
        coders: Coders,
        timers: Timers,
        doorway: Doorway,
        *,
        servers: Callable[[], tuple[tuple[str, str, str], ...]] = tuple,
        ended: Callable[[CallFigures], None] = lambda _figures: None,
    ) -> None:
        """
        Args:
            settings: bounds.
            coders: codecs.
            timers: the clock.
            doorway: sockets.
            servers: (url, user, password) of STUN and TURN that the gateway itself asks.
            ended: told of every call that is over.
        """
        self.settings = settings
        self.outcomes: Counter[str] = Counter()
        """How calls ended, by error code; "" = politely."""
        self._coders, self._timers, self._doorway = coders, timers, doorway
        self._servers, self._ended = servers, ended
        self._calls: dict[str, Call] = {}
        self._tags: dict[str, str] = {}
        self._group: asyncio.TaskGroup | None = None

    async def run(self) -> None:
        """The parent of every call, until cancelled; all are closed before this returns."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            try:
                await asyncio.Event().wait()
            finally:
                self._group = None

    @property
    def calls(self) -> tuple[Call, ...]:
        """Those that are not over."""
        return tuple(self._calls.values())

    def find(self, name: str) -> Call:
        """A call by its name.

        Raises:
            Refused: there is none.
        """
        call = self._calls.get(name)
        if call is None:
            raise Refused("there is no such call, or it is over", code="not_found")
        return call

    async def offer(
        self, opening: Opening, text: str, acceptor: Acceptor, *, listens: bool = False
    ) -> Answered:
        """Answer an offer.

        Args:
            opening: how it was asked for; its `transport` and `traits` are filled in here.
            text: the SDP.
            acceptor: gets the channel.
            listens: the other end only hears (WHEP); its own sound is not taken.

        Raises:
            Declined: the acceptor refused.
            OssicleError: the offer cannot be answered.
        """
        group, settings = self._group, self.settings
        if group is None:
            raise Overloaded("the gateway is not running", code="draining")
        if len(self._calls) >= settings.calls:
            raise Overloaded(
                f"{len(self._calls)} calls are open, the limit is {settings.calls} "
                "(option webrtc.calls)"
            )
        offer = read_offer(text, settings.max_offer)
        if listens and offer.direction not in {"recvonly", "sendrecv"}:
            raise Refused(f"a listener's audio is recvonly, not {offer.direction}")
        if not listens and offer.direction not in {"sendonly", "sendrecv"}:
            raise Refused(f"a caller's audio is sendrecv or sendonly, not {offer.direction}")
        name = secrets.token_urlsafe(16)
        link = Link(self._doorway, self._servers())
        call = Call(name, offer, link, settings, self._coders, self._timers, hears=not listens)
        self._calls[name] = call
        opening = msgspec.structs.replace(opening, transport="webrtc", traits=call.traits)
        running = False
        try:
            call.attach(acceptor(opening, call))
            async with asyncio.timeout(_ACCEPT_S):
                decision = await asyncio.shield(call.decided)
            if isinstance(decision, Close):
                raise Declined(decision)
            sdp = await call.answer("sendonly" if listens else "sendrecv")
            if self._group is None:
                raise Overloaded("the gateway is stopping", code="draining")
            group.create_task(self._live(call), name=f"call {name[:8]}")
            running = True
        except OssicleError as error:
            call.drop(error)
            raise
        except TimeoutError:
            error = Overloaded("nobody decided about the call in time", code="overloaded")
            call.drop(error)
            raise error from None
        finally:
            if not running:
                await call.close()
                self._forget(call)
        tag = self._tags[name] = _tag(sdp)
        fmtp = (
            "minptime=10;useinbandfec=1;stereo=0;maxplaybackrate=16000;"
            f"maxaveragebitrate={settings.bitrate}"
        )
        return Answered(
            name,
            answered(sdp, fmtp, feedback=("transport-cc",) if link.numbered else ()),
            decision,
            tag,
        )

    def hang_up(self, name: str) -> None:
        """The other end is done; what it said is finished.

        Raises:
            Refused: there is no such call.
        """
        self.find(name).hang_up()

    async def trickle(self, name: str, text: str, tag: str) -> Restarted | None:
        """More addresses of the other end, or an ICE restart (RFC 9725 sections 4.3.2, 4.3.3).

        Args:
            name: of the call.
            text: an SDP fragment.
            tag: what If-Match said; `*` asks for a restart.

        Returns:
            What to answer to a restart; None = addresses were taken.

        Raises:
            Refused: no such call (not_found), another ICE session (precondition), or damaged.
        """
        call = self.find(name)
        fragment = read_fragment(text, self.settings.max_offer)
        if tag == "*" and fragment.ufrag and fragment.password:
            if call.offer.ufrag == fragment.ufrag:
                raise Refused("an ICE restart needs new credentials (RFC 8445 section 9)")
            ufrag, password, lines = await call.link.restart(fragment.ufrag, fragment.password)
            await call.link.add(fragment.candidates)
            made = self._tags[name] = f'"{ufrag}"'
            body = [f"a=ice-ufrag:{ufrag}", f"a=ice-pwd:{password}"]
            body += ["m=audio 9 UDP/TLS/RTP/SAVPF 0", "a=mid:0"]
            body += [f"a={line}" for line in lines]
            return Restarted("\r\n".join([*body, "a=end-of-candidates", ""]), made)
        if tag != self._tags.get(name):
            raise Refused(
                "If-Match does not name the ICE session of this call", code="precondition"
            )
        await call.link.add(fragment.candidates)
        return None

    async def _live(self, call: Call) -> None:
        try:
            await call.run()
        finally:
            self._forget(call)
            self.outcomes[call.outcome] += 1
            if call.trouble:
                log.info("a call ended: %s", call.trouble)
            self._ended(call.figures)

    def _forget(self, call: Call) -> None:
        self._calls.pop(call.name, None)
        self._tags.pop(call.name, None)


def _tag(sdp: str) -> str:
    ufrag = next(line[12:] for line in sdp.split("\r\n") if line.startswith("a=ice-ufrag:"))
    return f'"{ufrag}"'
