"""The playground at `/`, and `ossicle.js`: plain files of the package, served as they are.

    /                      the page
    /advise                which protocol?
    /probe                 what does the network let through?
    /ossicle.js            the module that pages import; also from pages of other origins
    /playground/…          what the page is made of
    /openapi.json          what can be asked over plain HTTP (OpenAPI)
    /asyncapi.json         what is said on WebSockets (AsyncAPI)

Every file is read once, when the first request asks for one. Knows nothing of sessions; what the
page shows beside its own session comes from `/v1/about`, `/v1/sessions` and `/v1/snippets`.

    Starlette(routes=[*page_routes(house)])
"""

import gzip
import hashlib
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import NamedTuple

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..house import House
from .about import about

__all__ = ["POLICY", "page_routes"]

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",  # the audio worklet, too
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",  # its own WebSocket, too (CSP level 3, section 6.7.2.8)
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
"""Content-Security-Policy of the page (CSP level 3): nothing inline, nothing from elsewhere."""

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".ts": "text/plain; charset=utf-8",
    ".json": "application/json",
}
_HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    # Asked again each time, and answered with 304: a gateway that was updated shows its own page.
    "cache-control": "no-cache",
    "vary": "accept-encoding",
}
_PAGE = {
    "content-security-policy": POLICY,
    "permissions-policy": "microphone=(self), camera=(), geolocation=()",
    "cross-origin-opener-policy": "same-origin",
}
_MODULE = {"access-control-allow-origin": "*", "cross-origin-resource-policy": "cross-origin"}
"""Public code: any page may import it. What the gateway lets in is decided elsewhere."""

_ALONE = ("ossicle.js", "ossicle.d.ts", "openapi.json", "asyncapi.json")
"""Public files at the root; the documents are made by `scripts/reference.py`."""


class _File(NamedTuple):
    body: bytes
    packed: bytes
    kind: str
    tag: str


def page_routes(house: House, *, webrtc: bool = False) -> list[Route]:
    """Routes of every file, and of `/v1/about`. `webrtc`: calls are taken."""

    async def told(_request: Request) -> Response:
        return Response(
            msgspec.json.encode(about(house, webrtc=webrtc)),
            media_type="application/json",
            headers={"cache-control": "no-store"},
        )

    async def page(request: Request) -> Response:
        name = request.path_params.get("name")
        return _answer(request, "playground/index.html" if name is None else f"playground/{name}")

    async def advice(request: Request) -> Response:
        return _answer(request, "playground/advise.html")

    async def probe(request: Request) -> Response:
        return _answer(request, "playground/probe.html")

    async def module(request: Request) -> Response:
        return _answer(request, request.url.path.lstrip("/"))

    return [
        Route("/", page),
        Route("/advise", advice),
        Route("/probe", probe),
        Route("/playground/{name}", page),
        Route("/ossicle.js", module),
        Route("/ossicle.d.ts", module),
        Route("/openapi.json", module),
        Route("/asyncapi.json", module),
        Route("/ossicle/{name}", module),
        Route("/v1/about", told),
    ]


def _answer(request: Request, name: str) -> Response:
    file = _shelf().get(name)
    if file is None:
        return Response(f"there is no {name[:100]} here\n", 404, media_type="text/plain")
    of_page = name.startswith("playground/")
    headers = {**_HEADERS, **(_PAGE if of_page else _MODULE), "etag": file.tag}
    if file.tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    body = file.body
    if "gzip" in request.headers.get("accept-encoding", ""):
        body, headers["content-encoding"] = file.packed, "gzip"
    return Response(body, headers=headers, media_type=file.kind)


@cache
def _shelf() -> dict[str, _File]:
    """Every file of the page and the module by its name. Made from the package's own list, so a
    name in an address reaches nothing else."""
    root = files("ossicle") / "web"
    found = {name: root / name for name in _ALONE}
    for folder in ("ossicle", "playground"):
        for each in (root / folder).iterdir():
            found[f"{folder}/{each.name}"] = each
    return {name: _read(name, each) for name, each in found.items() if each.is_file()}


def _read(name: str, each: Traversable) -> _File:
    body = each.read_bytes()
    kind = _TYPES.get("." + name.rpartition(".")[2], "application/octet-stream")
    tag = f'"{hashlib.sha256(body).hexdigest()[:20]}"'
    return _File(body, gzip.compress(body, mtime=0), kind, tag)
