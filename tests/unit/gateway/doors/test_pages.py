"""The playground's files over HTTP: kinds, caching, policy, and nothing but them."""

import gzip
from pathlib import Path

import pytest

from harness import ask, gateway_with
from ossicle.gateway.doors.pages import POLICY


async def test_the_page_and_its_policy(tmp_path: Path) -> None:
    async with gateway_with(tmp_path) as gateway:
        page = await ask(gateway.url, method="GET", path="/")
        assert page.status == 200
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert page.headers["content-security-policy"] == POLICY
        assert page.headers["x-content-type-options"] == "nosniff"
        assert page.headers["permissions-policy"].startswith("microphone=(self)")
        assert "unsafe" not in POLICY
        assert b"<title>Ossicle" in page.body
        assert "access-control-allow-origin" not in page.headers


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/ossicle.js", "text/javascript; charset=utf-8"),
        ("/ossicle.d.ts", "text/plain; charset=utf-8"),
        ("/openapi.json", "application/json"),
        ("/asyncapi.json", "application/json"),
        ("/ossicle/capture.js", "text/javascript; charset=utf-8"),
        ("/ossicle/stream.d.ts", "text/plain; charset=utf-8"),
        ("/playground/page.css", "text/css; charset=utf-8"),
        ("/playground/icon.svg", "image/svg+xml"),
    ],
)
async def test_kinds(tmp_path: Path, path: str, kind: str) -> None:
    async with gateway_with(tmp_path) as gateway:
        answer = await ask(gateway.url, method="GET", path=path)
        assert (answer.status, answer.headers["content-type"]) == (200, kind)
        public = answer.headers.get("access-control-allow-origin") == "*"
        assert public != path.startswith("/playground")


async def test_asked_again_it_is_not_sent_again(tmp_path: Path) -> None:
    async with gateway_with(tmp_path) as gateway:
        first = await ask(gateway.url, method="GET", path="/ossicle.js")
        tag = {"if-none-match": first.headers["etag"]}
        again = await ask(gateway.url, method="GET", path="/ossicle.js", headers=tag)
        assert (again.status, again.body) == (304, b"")
        assert again.headers["cache-control"] == "no-cache"
        other = await ask(gateway.url, method="GET", path="/ossicle.js",
                          headers={"if-none-match": '"x"'})  # fmt: skip
        assert other.status == 200


async def test_packed_for_whoever_takes_it(tmp_path: Path) -> None:
    async with gateway_with(tmp_path) as gateway:
        plain = await ask(gateway.url, method="GET", path="/playground/page.js")
        packed = await ask(gateway.url, method="GET", path="/playground/page.js",
                           headers={"accept-encoding": "br, gzip"})  # fmt: skip
        assert packed.headers["content-encoding"] == "gzip"
        assert gzip.decompress(packed.body) == plain.body
        assert "accept-encoding" in packed.headers["vary"]


@pytest.mark.parametrize(
    "path",
    ["/playground/", "/playground/nothing.js", "/playground/..%2F..%2F__init__.py", "/ossicle/..",
     "/playground/../../__init__.py", "/ossicle/%00"],
)  # fmt: skip
async def test_nothing_else_is_there(tmp_path: Path, path: str) -> None:
    async with gateway_with(tmp_path) as gateway:
        assert (await ask(gateway.url, method="GET", path=path)).status == 404
