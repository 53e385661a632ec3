"""WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep) over HTTP: one exchange, then media.

    POST   /whip             SDP offer      201, SDP answer, Location, ETag, Link
    PATCH  Location          SDP fragment   204 (addresses) or 200 (ICE restart)
    DELETE Location                         200

WHEP is the same at `/whep/{session}`, with an offer that only receives. The location of a call
cannot be guessed, and who has it may end the call.
"""

from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ossicle.core.errors import OssicleError, Refused
from ossicle.core.ports import Acceptor
from ossicle.core.wire import Opening
from ossicle.transports.requested import body_of, opening_of

from .server import Calls, Declined
from .turn import IceServer, link

__all__ = ["Front", "whip_routes"]

_SDP, _FRAGMENT = "application/sdp", "application/trickle-ice-sdpfrag"
_EXPOSED = "Location, ETag, Link, Retry-After"


class Front:
    """What the gateway decides about this wire."""

    def __init__(
        self,
        acceptor: Acceptor,
        *,
        refused: Callable[[OssicleError], tuple[int, Mapping[str, str], bytes]],
        check: Callable[[Opening], None],
        known: Callable[[Opening], Awaitable[None]],
        servers: Callable[[], tuple[IceServer, ...]],
    ) -> None:
        """
        Args:
            acceptor: makes a receiver of a channel.
            refused: status, headers and body of an error.
            check: raises for pages and peers that may not ask anything at all.
            known: raises for credentials that are none.
            servers: ICE servers for a client that is known.
        """
        self.acceptor, self.refused, self.check = acceptor, refused, check
        self.known, self.servers = known, servers


def whip_routes(calls: Calls, front: Front) -> list[Route]:
    """The routes of both."""
    face = _Face(calls, front)
    return [
        Route("/whip", face.offer, methods=["POST"]),
        Route("/whip", face.options, methods=["OPTIONS"]),
        Route("/whip/{call}", face.change, methods=["PATCH"]),
        Route("/whip/{call}", face.end, methods=["DELETE"]),
        Route("/whip/{call}", face.options, methods=["OPTIONS"]),
        Route("/whep/{session}", face.listen, methods=["POST"]),
        Route("/whep/{session}", face.options, methods=["OPTIONS"]),
        Route("/whep/{session}/{call}", face.change, methods=["PATCH"]),
        Route("/whep/{session}/{call}", face.end, methods=["DELETE"]),
        Route("/whep/{session}/{call}", face.options, methods=["OPTIONS"]),
    ]


class _Face:
    def __init__(self, calls: Calls, front: Front) -> None:
        self._calls, self._front = calls, front

    async def offer(self, request: Request) -> Response:
        """POST /whip."""
        return await self._answer(request, listens=False)

    async def listen(self, request: Request) -> Response:
        """POST /whep/{session}."""
        return await self._answer(request, listens=True)

    async def change(self, request: Request) -> Response:
        """PATCH: more addresses, or an ICE restart."""
        try:
            self._front.check(opening_of(request, "webrtc"))
            _check_type(request, _FRAGMENT)
            tag = request.headers.get("if-match", "")
            if not tag:
                raise Refused("PATCH needs If-Match (RFC 9725 4.3.1)", code="precondition_needed")
            text = await _text(request, self._calls.settings.max_offer)
            done = await self._calls.trickle(request.path_params["call"], text, tag)
        except OssicleError as error:
            return self._refused(request, error)
        if done is None:
            return self._with_origin(request, Response(status_code=204))
        return self._with_origin(
            request, Response(done.fragment, media_type=_FRAGMENT, headers={"etag": done.tag})
        )

    async def end(self, request: Request) -> Response:
        """DELETE: the call is over."""
        try:
            self._front.check(opening_of(request, "webrtc"))
            self._calls.hang_up(request.path_params["call"])
        except OssicleError as error:
            return self._refused(request, error)
        return self._with_origin(request, Response())

    async def options(self, request: Request) -> Response:
        """What a page of another origin asks first; with a credential, the ICE servers too."""
        opening = opening_of(request, "webrtc")
        response = Response(status_code=204)
        try:
            self._front.check(opening)
            if "authorization" in request.headers:
                await self._front.known(opening)
                self._add_servers(response)
        except OssicleError as error:
            return self._refused(request, error)
        response.headers["accept-post"] = _SDP
        response.headers["access-control-allow-methods"] = "POST, PATCH, DELETE, OPTIONS"
        response.headers["access-control-allow-headers"] = "Authorization, Content-Type, If-Match"
        response.headers["access-control-max-age"] = "600"
        return self._with_origin(request, response)

    async def _answer(self, request: Request, *, listens: bool) -> Response:
        try:
            opening = opening_of(request, "webrtc")
            _check_type(request, _SDP)
            text = await _text(request, self._calls.settings.max_offer)
            made = await self._calls.offer(opening, text, self._front.acceptor, listens=listens)
        except Declined as declined:
            close = declined.close
            response = Response(close.body, status_code=close.code or 500)
            for name, value in close.headers:
                response.headers[name] = value
            return self._with_origin(request, response)
        except OssicleError as error:
            return self._refused(request, error)
        response = Response(made.sdp, status_code=201, media_type=_SDP)
        for name, value in made.accept.headers:
            response.headers[name] = value
        response.headers["location"] = f"{request.url.path.rstrip('/')}/{made.name}"
        response.headers["etag"] = made.tag
        response.headers["cache-control"] = "no-store"
        self._add_servers(response)
        return self._with_origin(request, response)

    def _add_servers(self, response: Response) -> None:
        for server in self._front.servers():
            response.headers.append("link", link(server))

    def _refused(self, request: Request, error: OssicleError) -> Response:
        status, headers, body = self._front.refused(error)
        return self._with_origin(
            request, Response(body, status_code=_STATUS.get(error.code, status), headers=headers)
        )

    def _with_origin(self, request: Request, response: Response) -> Response:
        """A page may read the answer: whether it may ask was decided before."""
        origin = request.headers.get("origin")
        if origin:
            response.headers["access-control-allow-origin"] = origin
            response.headers["access-control-expose-headers"] = _EXPOSED
            response.headers["vary"] = "Origin"
        return response


_STATUS = {"precondition": 412, "precondition_needed": 428}
"""RFC 9725 section 4.3.1."""


def _check_type(request: Request, wanted: str) -> None:
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given != wanted:
        raise Refused(
            f"content-type {given[:60]!r} is not taken here; send {wanted}",
            code="unsupported_audio",
        )


async def _text(request: Request, most: int) -> str:
    body = await body_of(request, most)
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise Refused("the body is no SDP: it is not UTF-8") from error
