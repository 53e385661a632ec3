"""gRPC-Web at the HTTP door: the calls of the gRPC door that a browser can make, and CORS.

    routes=[..., WebCalls(house)]

One route for all of them, at gRPC's own paths. It needs no extra but protobuf, since no gRPC is
spoken. Which pages may call is decided where it always is (`access.check_page`); CORS only lets
those read the answer.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, cast

from starlette.datastructures import URLPath
from starlette.routing import BaseRoute, Match, NoMatchFound

from ossicle.core.errors import OssicleError
from ossicle.core.ports import Acceptor
from ossicle.core.wire import Opening
from ossicle.transports.grpcweb.call import WebKind, grpc_web
from ossicle.transports.http.server import stream_endpoint

from ..house import House
from .bind import BINDINGS, router

__all__ = ["WebCalls", "web_methods"]

_ASKED = (
    "authorization, content-type, grpc-timeout, x-api-key, x-goog-api-key, x-grpc-web, "
    "x-user-agent, traceparent"
)
_SHOWN = "grpc-status, grpc-message, ossicle-fault-bin, ossicle-session"
_PREFLIGHT_S = 7_200
"""How long a browser may remember that it may; more is more than Chromium remembers."""


def web_methods() -> dict[str, WebKind]:
    """Every method of the gRPC door, and how it is called."""
    return {
        each.path: cast("WebKind", each.methods[0] if each.methods[0] != "POST" else "stream")
        for each in BINDINGS
        if each.transport == "grpc"
    }


class WebCalls(BaseRoute):
    """POST, and its preflight, at each of those paths."""

    def __init__(
        self,
        house: House,
        beside: Callable[[Acceptor], Acceptor] = lambda acceptor: acceptor,
        more: Mapping[str, WebKind] = MappingProxyType({}),
    ) -> None:
        """
        Args:
            house: where.
            beside: puts in front of the dialects what takes other paths.
            more: those paths.
        """
        self._house = house
        self._methods = web_methods() | dict(more)
        self._endpoint = stream_endpoint(
            grpc_web(beside(router(house, "grpc")), self._methods, headers=self._cors),
            house.settings.http,
        )

    def matches(self, scope: Any) -> tuple[Match, Any]:
        """Whether it is one of ours."""
        ours = (
            scope["type"] == "http"
            and scope["path"] in self._methods
            and scope["method"] in {"POST", "OPTIONS"}
        )
        return (Match.FULL if ours else Match.NONE), {}

    def url_path_for(self, name: str, /, **path_params: Any) -> URLPath:
        """Nobody asks: these paths are written down in the .proto files."""
        raise NoMatchFound(name, path_params)

    async def handle(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one."""
        if scope["method"] == "POST":
            await self._endpoint(scope, receive, send)
            return
        headers = ((n.decode("latin-1"), v.decode("latin-1")) for n, v in scope["headers"])
        allowed = self._cors(Opening(headers=tuple(headers)))
        if allowed:
            allowed += (
                ("access-control-allow-methods", "POST"),
                ("access-control-allow-headers", _ASKED),
                ("access-control-max-age", str(_PREFLIGHT_S)),
            )
        head = [(name.encode(), value.encode("latin-1")) for name, value in allowed]
        status = 204 if allowed else 403
        await send({"type": "http.response.start", "status": status, "headers": head})
        await send({"type": "http.response.body", "body": b""})

    def _cors(self, opening: Opening) -> tuple[tuple[str, str], ...]:
        """What lets the page that asks read the answer; nothing for a page that may not. Without
        `allow-credentials`: the key is in the page's own hands, no cookie is asked for."""
        origin = opening.header("origin")
        try:
            self._house.access.check_page(opening)
        except OssicleError:
            return ()
        if not origin:
            return ()
        return (
            ("access-control-allow-origin", origin),
            ("access-control-expose-headers", _SHOWN),
            ("vary", "origin"),
        )
