"""`ossicle probe`: what the network between here and a gateway lets through, and how fast.

    seen = await probe("https://speech.example", Wishes(idle_s=30), told)
    findings(seen).problems

It only collects (`Measured`); `findings` judges. Every step has a limit and the whole has one, and
what was seen before it is kept. The other end may be anybody: a server that accepts and says
nothing, that answers nonsense, or never stops, ends its step with a sentence.
"""

import asyncio
import ssl as tls
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from ossicle.client.dial import trust
from ossicle.core.errors import BadMessage, ConnectionLost, OssicleError
from ossicle.core.probing import PATH, Echo, Echoed, Offer
from ossicle.transports.trust import untrusted

from .datagrams import echo_datagrams
from .doors import Doors
from .flows import download, pieces_down, pieces_up, upload
from .line import Line, Place, Spent, read_place
from .measured import WIRES, Measured, Tried
from .silence import silences
from .talk import Talk

__all__ = ["Told", "Wishes", "probe"]

Told: TypeAlias = Callable[[str, float], None]
"""A part of the probe, and how much of it is done (0 to 1)."""

_ROUNDS = 30
_APART_S = 0.02


class Wishes(msgspec.Struct, frozen=True, kw_only=True):
    """What to measure."""

    idle_s: float = 30.0
    """How long a silence to look for; 0 = none."""
    step_s: float = 5.0
    """To connect, to be answered, and for each measurement but the silences."""
    limit_s: float = 0.0
    """When to end whatever happens; 0 = `idle_s` and 45 s."""
    bytes: int = 4 << 20
    """At most so many each way, and 2 s."""
    key: str = ""
    ca: Path | None = None

    @property
    def most_s(self) -> float:
        """The limit."""
        return self.limit_s or self.idle_s + 45.0


async def probe(url: str, wishes: Wishes, told: Told | None = None) -> Measured:
    """Look at everything, within the limit.

    Raises:
        Refused: the URL or the CA is none.
    """
    place, context = read_place(url), None
    if place.secure:
        context = trust(wishes.ca, shared=False) or tls.create_default_context()
        context.set_alpn_protocols(["http/1.1"])
    seen = Measured(
        url=url, host=place.host, port=place.port, secure=place.secure,
        wires={name: Tried() for name in WIRES},
    )  # fmt: skip
    began = time.monotonic()
    try:
        async with asyncio.timeout(wishes.most_s):
            await _Probe(place, context, wishes, seen, told or (lambda _part, _done: None)).run()
    except TimeoutError:
        seen.out_of_time = wishes.most_s
    seen.took_s = time.monotonic() - began
    return seen


class _Probe:
    """One run."""

    def __init__(
        self,
        place: Place,
        context: tls.SSLContext | None,
        wishes: Wishes,
        seen: Measured,
        told: Told,
    ) -> None:
        self._place, self._context, self._wishes = place, context, wishes
        self._seen, self._told, self._step_s = seen, told, wishes.step_s
        bearer = (("authorization", f"Bearer {wishes.key}"),) if wishes.key else ()
        self._headers: tuple[tuple[str, str], ...] = bearer
        self._session: tls.SSLSession | None = None

    async def run(self) -> None:
        """Everything, in an order in which nothing disturbs what is measured beside it."""
        offer = await self._reach()
        if offer is None:
            return
        await self._upgrade()
        over_websocket = self._seen.wires["websocket"].state == "passes"
        async with asyncio.TaskGroup() as group:
            if self._wishes.idle_s:
                group.create_task(self._silences(offer, over_websocket))
            await self._part("doors", self._doors(offer))
            await self._part("round trips", self._rounds(over_websocket))
            await self._part("datagrams", self._datagrams(offer))
            await self._part("buffering", self._pieces())
            await self._part("bandwidth", self._flows(offer))

    async def _part(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        self._told(name, 0.0)
        try:
            await work
        finally:
            self._told(name, 1.0)

    # ── TCP, TLS, HTTP ──

    async def _reach(self) -> Offer | None:
        seen = self._seen
        self._told("reaching it", 0.0)
        spent = Spent()
        wires = seen.wires
        try:
            async with asyncio.timeout(self._step_s):
                line = await Line.open(self._place, self._context, spent=spent)
        except TimeoutError:
            self._stuck(spent)
            return None
        except ConnectionLost as error:
            self._reached(spent)
            if spent.tcp_ms is None:
                wires["tcp"] = Tried("blocked", str(error))
                return None
            wires["tls"] = Tried("broken", str(error))
            if isinstance(error.__cause__, tls.SSLCertVerificationError):
                seen.untrusted = untrusted(error.__cause__)
                wires["tls"].why = f"the certificate {seen.untrusted}"
                await self._look_at_certificate()
            return None
        self._reached(spent)
        try:
            async with line, asyncio.timeout(self._step_s):
                return await self._first_answer(line)
        except TimeoutError:
            why = f"it takes a request and gives no whole answer ({self._step_s:g} s)"
            wires["http"] = Tried("broken", why)
        except OssicleError as error:
            wires["http"] = Tried("broken", str(error))
        return None

    def _reached(self, spent: Spent) -> None:
        if spent.tcp_ms is not None:
            self._seen.tcp_ms.append(spent.tcp_ms)
            cold = (spent.name_ms or 0) + spent.tcp_ms
            self._seen.wires["tcp"] = Tried("passes", cold_ms=cold)

    def _stuck(self, spent: Spent) -> None:
        self._reached(spent)
        if spent.tcp_ms is not None:
            within = f"({self._step_s:g} s)"
            why = f"it takes the connection and says nothing to the TLS greeting {within}"
            self._seen.wires["tls"] = Tried("broken", why)
            return
        step = "the connection" if spent.name_ms is not None else "the name"
        within = f"within {self._step_s:g} s for {step}"
        why = f"no answer {within}: a firewall drops it, or nobody is there"
        self._seen.wires["tcp"] = Tried("blocked", why)

    async def _look_at_certificate(self) -> None:
        """Who is it, then? Nothing is sent over this connection."""
        context = tls.create_default_context()
        context.check_hostname, context.verify_mode = False, tls.CERT_NONE
        try:
            async with asyncio.timeout(self._step_s):
                async with await Line.open(self._place, context) as line:
                    self._seen.certificate = line.certificate
        except (OssicleError, TimeoutError):
            return  # seen a moment ago: what is known stands in `untrusted`

    async def _first_answer(self, line: Line) -> Offer | None:
        seen, spent = self._seen, line.spent
        if self._context is not None:
            seen.certificate = line.certificate
            seen.wires["tls"] = Tried("passes", line.alpn, cold_ms=spent.all_ms)
        began, wall = time.perf_counter(), time.time() * 1000
        answer = await line.ask("GET", PATH, self._headers)
        round_ms = (time.perf_counter() - began) * 1000
        self._session = line.session
        cold = spent.all_ms + round_ms
        seen.wires["http"] = Tried("passes", cold_ms=cold)
        if answer.status != 200:
            self._not_wanted(answer.status, answer.body)
            return None
        try:
            offer = msgspec.json.decode(answer.body, type=Offer)
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
            seen.refused = "what answers there is no gateway that can be measured"
            return None
        seen.is_ossicle, seen.peer, seen.ledger = True, offer.peer, _sane(offer.ledger)
        seen.skews_ms.append((offer.at_ms - (wall + round_ms / 2), round_ms))
        await self._resume()
        return offer

    def _not_wanted(self, status: int, body: bytes) -> None:
        try:
            said = msgspec.json.decode(body, type=_Refusal).error.text[:200]
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
            said = ""
        self._seen.is_ossicle = bool(said)
        self._seen.refused = said or f"it answers with status {status}, and is perhaps no gateway"

    async def _resume(self) -> None:
        """A second connection, with the TLS session of the first one."""
        seen = self._seen
        try:
            line = await Line.open(self._place, self._context, self._session)
            async with line:
                spent = line.spent
                seen.tcp_ms.append(spent.tcp_ms or 0.0)
                began = time.perf_counter()
                await line.ask("GET", PATH, self._headers)
                round_ms = (time.perf_counter() - began) * 1000
                if line.resumed:
                    seen.wires["tls"].resumed_ms = spent.all_ms
                    seen.wires["http"].resumed_ms = spent.all_ms + round_ms
        except OssicleError as error:
            seen.wires["http"].why = f"a second connection failed: {error}"

    # ── upgrade, and other doors ──

    async def _upgrade(self) -> None:
        for session in (None, self._session):
            if session is None or self._seen.wires["websocket"].state == "passes":
                await self._upgrade_once(session)

    async def _upgrade_once(self, session: tls.SSLSession | None) -> None:
        tried = self._seen.wires["websocket"]
        try:
            async with asyncio.timeout(self._step_s):
                line = await Line.open(self._place, self._context, session)
                async with line:
                    began = time.perf_counter()
                    answer = await line.upgrade(PATH, (*_UPGRADE, *self._headers))
                    took = line.spent.all_ms + (time.perf_counter() - began) * 1000
                    resumed = line.resumed
        except OssicleError as error:
            tried.state, tried.why = "broken", f"the upgrade gets no answer: {error}"
            return
        except TimeoutError:
            tried.state, tried.why = (
                "broken",
                f"the upgrade gets no answer within {self._step_s:g} s",
            )
            return
        if answer.status != 101:
            tried.state = "blocked"
            tried.why = f"the upgrade is answered with status {answer.status}"
        elif session is None:
            tried.state, tried.cold_ms = "passes", took
        elif resumed:
            tried.resumed_ms = took

    async def _doors(self, offer: Offer) -> None:
        step_s = self._step_s
        wires = self._seen.wires
        wires["webtransport"].state = "not_offered"  # no version of the gateway has that door
        doors = Doors(self._place, self._context, self._wishes.ca, self._headers, step_s)
        await doors.try_all(offer, self._seen, lambda done: self._told("doors", done))

    # ── measurements ──

    async def _rounds(self, over_websocket: bool) -> None:
        try:
            async with asyncio.timeout(self._step_s):
                if over_websocket:
                    await self._rounds_websocket()
                else:
                    await self._rounds_http()
        except TimeoutError:
            pass  # as many as there were; findings say it when there are few
        except OssicleError as error:
            self._seen.rtt_why = str(error)

    async def _rounds_websocket(self) -> None:
        seen = self._seen
        seen.rtt_over = "websocket"
        async with await Talk.open(self._place, self._context, self._headers, self._step_s) as talk:
            for n in range(_ROUNDS):
                began, wall = time.perf_counter(), time.time() * 1000
                answer = await talk.ask(Echo(n), Echoed)
                rtt = (time.perf_counter() - began) * 1000
                if answer.n != n:
                    raise BadMessage(f"echo {n} came back as {answer.n}")
                seen.rtt_ms.append(rtt)
                seen.skews_ms.append((answer.at_ms - (wall + rtt / 2), rtt))
                self._told("round trips", (n + 1) / _ROUNDS)
                await asyncio.sleep(_APART_S)

    async def _rounds_http(self) -> None:
        self._seen.rtt_over = "http"
        async with await Line.open(self._place, self._context) as line:
            for n in range(_ROUNDS):
                began = time.perf_counter()
                answer = await line.ask("GET", f"{PATH}?pieces=1", self._headers)
                if answer.status != 200:
                    raise BadMessage(f"it answers with status {answer.status}")
                if n:  # the first one pays for what is set up on the way
                    self._seen.rtt_ms.append((time.perf_counter() - began) * 1000)
                self._told("round trips", (n + 1) / _ROUNDS)
                await asyncio.sleep(_APART_S)

    async def _datagrams(self, offer: Offer) -> None:
        tried = self._seen.wires["udp"]
        if offer.udp_port is None:
            tried.state = "not_offered"
            return
        try:
            ticket = bytes.fromhex(offer.ticket)
        except ValueError:
            tried.state, tried.why = "broken", "it offers UDP with a ticket that is none"
            return
        await echo_datagrams(
            self._place.host, offer.udp_port & 0xFFFF, ticket, self._seen,
            lambda done: self._told("datagrams", done),
        )  # fmt: skip

    async def _pieces(self) -> None:
        seen = self._seen
        for way, work in (("down", pieces_down), ("up", pieces_up)):
            try:
                async with asyncio.timeout(self._step_s):
                    await work(self._place, self._context, self._headers, seen)
            except TimeoutError:
                seen.pieces_why[way] = f"nothing came within {self._step_s:g} s"
            except OssicleError as error:
                seen.pieces_why[way] = str(error)

    async def _flows(self, offer: Offer) -> None:
        size = max(1, min(self._wishes.bytes, offer.most_bytes))
        for flow, work in ((self._seen.down, download), (self._seen.up, upload)):
            try:
                async with asyncio.timeout(self._step_s):
                    await work(self._place, self._context, self._headers, size, self._seen)
            except TimeoutError:
                flow.why = f"no end within {self._step_s:g} s"
            except OssicleError as error:
                flow.why = str(error)

    async def _silences(self, offer: Offer, over_websocket: bool) -> None:
        idle_s = min(self._wishes.idle_s, max(1.0, offer.most_s - 10.0))
        self._seen.idle_s = idle_s
        await silences(
            self._place, self._context, self._headers, idle_s, self._seen,
            lambda done: self._told("silence", done), over_websocket=over_websocket,
        )  # fmt: skip


_UPGRADE = (
    ("connection", "Upgrade"),
    ("upgrade", "websocket"),
    ("sec-websocket-version", "13"),
    # any 16 bytes do: the connection ends with the answer (RFC 6455 section 4.1)
    ("sec-websocket-key", "b3NzaWNsZSBpcyBwcm9iZQ=="),
)


class _Said(msgspec.Struct):
    text: str = ""


class _Refusal(msgspec.Struct):
    error: _Said


def _sane(ledger: dict[str, float]) -> dict[str, float]:
    """A handful of numbers that can be milliseconds."""
    return {k[:20]: v for k, v in list(ledger.items())[:20] if 0 <= v < 3_600_000}
