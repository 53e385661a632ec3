"""One recording by URL: what is followed, what is refused, and what is not read."""

import asyncio

import pytest

from ossicle.core.errors import OssicleError, Refused
from ossicle.gateway.configuration.settings import FetchSettings
from ossicle.gateway.fetching.fetch import Fetch
from ossicle.gateway.fetching.reach import Reach
from remote import Remote, cut, endless, page, redirect, silent, wav

SOUND = wav(bytes(range(256)) * 500)
QUICK = FetchSettings(answer_s=0.3, stall_s=0.3, redirects=2)


async def read(url, settings=QUICK, *, hosts=("127.0.0.1",), **reach):
    """Everything that a URL gives."""
    strict = Reach(hosts, inside=False, **reach)
    fetch = Fetch(strict, strict.target(url), settings)
    try:
        await fetch.open()
        pieces = []
        while piece := await fetch.piece():
            pieces.append(piece)
        return b"".join(pieces)
    finally:
        fetch.close()


async def refused(url, settings=QUICK, **more):
    with pytest.raises(OssicleError) as error:
        await read(url, settings, **more)
    return error.value


async def test_a_recording_comes_in_pieces_as_it_is():
    async with Remote({"/a.wav": page(SOUND)}).running() as remote:
        strict = Reach(("127.0.0.1",), inside=False)
        fetch = Fetch(strict, strict.target(remote.url("/a.wav?key=x%20y")))
        await fetch.open()
        pieces = []
        while piece := await fetch.piece():
            pieces.append(piece)
        fetch.close()
        fetch.close()
        assert b"".join(pieces) == SOUND
        assert max(map(len, pieces)) <= 16 * 1024
        assert fetch.taken == len(SOUND)
        head = remote.heads[0].lower()
        assert head.startswith("get /a.wav?key=x%20y http/1.1")
        assert f"host: 127.0.0.1:{remote.port}" in head
        assert "cookie" not in head
        assert "authorization" not in head


@pytest.mark.parametrize(
    "headers",
    [(), ("content-type: text/plain",), ("content-type: application/octet-stream",),
     ("content-type: audio/mpeg",), ("content-encoding: identity",)],
)  # fmt: skip
async def test_what_a_server_calls_it_matters_little(headers):
    async with Remote({"/a": page(SOUND, headers=headers)}).running() as remote:
        assert await read(remote.url("/a")) == SOUND


@pytest.mark.parametrize("end", [b"0\r\n\r\n", b""])
async def test_chunks_and_an_end_by_hanging_up(end):
    async def answer(writer):
        if end:
            writer.write(b"HTTP/1.1 200 x\r\ntransfer-encoding: chunked\r\n\r\n")
            for at in range(0, len(SOUND), 999):
                piece = SOUND[at : at + 999]
                writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            writer.write(end)
        else:
            writer.write(b"HTTP/1.0 200 x\r\n\r\n" + SOUND)

    async with Remote({"/a": answer}).running() as remote:
        assert await read(remote.url("/a")) == SOUND


@pytest.mark.parametrize(
    ("answer", "words", "again"),
    [
        (page(b"no", 404), "answers 404 Not Found", False),
        (page(b"no", 403), "answers 403 Forbidden", False),
        (page(b"", 204), "answers 204 No Content", False),
        (page(SOUND, 206), "answers 206", False),
        (page(b"no", 503), "answers 503", True),
        (page(b"no", 429), "answers 429", True),
        (page(b"no", 799), "answers 799", True),
        (page(b""), "is empty", False),
        (page(b"<html>", headers=("content-type: text/html; charset=utf-8",)), "text/html", False),
        (page(b"{}", headers=("content-type: application/json",)), "application/json", False),
        (page(SOUND, headers=("content-encoding: gzip",)), "content-encoding gzip", False),
        (cut(SOUND[:5000], 90_000), "broke off after 5000 bytes of 90000", True),
        (cut(b"", 90_000), "broke off before it began", True),
        (silent(SOUND[:500]), "nothing came from 127.0.0.1 for 0.3 s", True),
        (silent(head=False), "did not answer within 0.3 s", True),
        (page(b"", 302, ()), "redirects to nowhere", False),
        (redirect("http://[::1/x"), "no URL", False),
    ],
)  # fmt: skip
async def test_what_is_no_recording(answer, words, again):
    async with Remote({"/a": answer}).running() as remote:
        error = await refused(remote.url("/a?key=hush"))
    assert error.code == "remote_content"
    assert words in str(error)
    assert "hush" not in str(error)
    assert error.retryable is again
    assert error.whose == "client"


@pytest.mark.parametrize(
    "raw",
    [b"what?\r\n\r\n", b"", b"HTTP/1.1 200 x\r\n" + b"a: " + b"b" * 200_000,
     b"HTTP/1.1 200 x\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello",
     b"HTTP/1.1 200 x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"],
)  # fmt: skip
async def test_what_is_no_http(raw):
    async def answer(writer):
        writer.write(raw)

    async with Remote({"/a": answer}).running() as remote:
        error = await refused(remote.url("/a"))
    assert (error.code, error.retryable) == ("remote_content", True)


async def test_nobody_there():
    async with Remote().running() as remote:
        pass
    error = await refused(remote.url("/a"))
    assert (error.code, error.retryable) == ("remote_content", True)


async def test_sizes_have_a_limit_declared_or_not():
    small = FetchSettings(most_bytes=4_000)
    pages = {
        "/said": page(bytes(4_001)),
        "/unsaid": endless(bytes(1_000)),
        "/fits": page(b"x" * 4_000),
    }
    async with Remote(pages).running() as remote:
        for path in ("/said", "/unsaid"):
            error = await refused(remote.url(path), small)
            assert error.code == "too_large"
            assert "4000" in str(error)
        assert len(await read(remote.url("/fits"), small)) == 4_000


async def test_time_waited_has_a_limit_and_time_not_asked_does_not_count():
    slow = FetchSettings(stall_s=5.0, most_s=0.3)

    async def drip(writer):
        writer.write(b"HTTP/1.1 200 x\r\n\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.02)

    async with Remote({"/drip": drip, "/a": page(SOUND)}).running() as remote:
        error = await refused(remote.url("/drip"), slow)
        assert "takes longer than 0.3 s" in str(error)
        strict = Reach(("127.0.0.1",), inside=False)
        fetch = Fetch(strict, strict.target(remote.url("/a")), slow)
        await fetch.open()
        got = await fetch.piece()
        await asyncio.sleep(0.4)  # the engine is busy: the sender is not to blame
        while piece := await fetch.piece():
            got += piece
        fetch.close()
        assert got == SOUND


async def test_what_is_not_asked_for_is_not_read():
    sent = 0

    async def answer(writer):
        nonlocal sent
        writer.write(b"HTTP/1.1 200 x\r\n\r\n")
        while True:
            writer.write(bytes(64 * 1024))
            sent += 64 * 1024
            await writer.drain()

    async with Remote({"/a": answer}).running() as remote:
        strict = Reach(("127.0.0.1",), inside=False)
        fetch = Fetch(strict, strict.target(remote.url("/a")))
        await fetch.open()
        await fetch.piece()
        before = -1
        while before != sent:  # until the sender stands still
            before = sent
            await asyncio.sleep(0.1)
        assert sent < 16 << 20, "the sender's own buffer in the kernel, and a little"
        for _ in range(2_000):
            await fetch.piece()
        await asyncio.sleep(0.05)
        assert sent > before, "it goes on when it is asked for more"
        fetch.close()


# ── redirects ──


async def test_redirects_are_followed_and_looked_at():
    async with Remote().running() as remote:
        remote.pages |= {
            "/a": redirect("b?x=1", 301),
            "/b": redirect(remote.url("/c"), 308),
            "/c": page(SOUND),
        }
        assert await read(remote.url("/a")) == SOUND
        assert remote.paths == ["/a", "/b?x=1", "/c"]
        remote.pages["/c"] = redirect("/a")
        error = await refused(remote.url("/a"))
        assert "more than 2 redirects" in str(error)


@pytest.mark.parametrize(
    "where",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://10.0.0.1/",
        "http://localhost/x",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://2130706433/",
        "http://0x7f000001/",
        "//evil.example/x",
        "http://127.0.0.1:22/",
        "http://127.0.0.1@evil.example/",
        "file:///etc/passwd",
        "gopher://127.0.0.1/",
        "http://127.0.0.1:6379\r\nx: y/",
    ],
)
async def test_a_redirect_leads_nowhere_that_a_client_could_not_name(where):
    async def answer(writer):
        writer.write(f"HTTP/1.1 302 x\r\nlocation: {where}\r\ncontent-length: 0\r\n\r\n".encode())

    async with Remote({"/a": answer}).running() as remote:
        error = await refused(remote.url("/a"))
        assert isinstance(error, Refused)
        assert error.code in {"forbidden", "bad_option", "remote_content"}
        assert len(remote.heads) == 1


# ── TLS ──


async def test_certificates_are_verified(tmp_path, monkeypatch):
    loop = asyncio.get_running_loop()
    known = loop.getaddrinfo

    async def getaddrinfo(host, port, **names):
        return await known("127.0.0.1" if host == "other.localhost" else host, port, **names)

    monkeypatch.setattr(loop, "getaddrinfo", getaddrinfo, raising=False)
    async with Remote({"/a": page(SOUND)}).running(tls=tmp_path / "theirs") as remote:
        hosts = ("localhost", "127.0.0.1", "other.localhost")
        error = await refused(remote.url("/a", "localhost"), hosts=hosts)
        assert "certificate is not trusted" in str(error)
        trust = {"hosts": hosts, "trust_ca": remote.authority}
        assert await read(remote.url("/a", "localhost"), **trust) == SOUND
        assert await read(remote.url("/a", "127.0.0.1"), **trust) == SOUND
        error = await refused(remote.url("/a", "other.localhost"), **trust)
        assert "certificate is not trusted" in str(error)
        assert len(remote.heads) == 2


async def test_a_redirect_never_gives_up_tls(tmp_path):
    async with (
        Remote({"/a": page(SOUND)}).running() as plain,
        Remote().running(tls=tmp_path / "theirs") as remote,
    ):
        remote.pages["/a"] = redirect(plain.url("/a"))
        error = await refused(remote.url("/a"), trust_ca=remote.authority)
        assert "from https to http" in str(error)
        assert plain.heads == []


async def test_authorities_that_cannot_be_read_are_told_at_once(tmp_path):
    (tmp_path / "empty.pem").write_text("nothing")
    for name in ("missing.pem", "empty.pem"):
        with pytest.raises(Refused, match="trust_ca"):
            Reach((), trust_ca=tmp_path / name)
