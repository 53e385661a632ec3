"""Where the gateway may be sent by somebody else."""

import asyncio

import pytest

from ossicle.core.errors import ConnectionLost, Refused, TimedOut
from ossicle.gateway.fetching.reach import Post, Reach


def resolved(monkeypatch, *addresses):
    """A DNS that answers with these, one a question."""
    asked = []

    async def getaddrinfo(host, port, **_):
        asked.append(host)
        address = addresses[min(len(asked), len(addresses)) - 1]
        return [(2, 1, 6, "", (address, port))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo, raising=False)
    return asked


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost/x",
        "http://127.0.0.1:9/",
        "http://[::1]/",
        "https://Hooks.Example.org./a?b=c#d",
        "http://10.0.0.1/",
    ],
)
def test_what_may_be_called(url):
    assert Reach(("hooks.example.org", "10.0.0.1")).target(url).path.startswith("/")


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://10.0.0.1/", "forbidden"),
        ("http://0.0.0.0/", "forbidden"),
        ("http://2130706433/", "forbidden"),
        ("http://127.1.example.org/", "forbidden"),
        ("http://hooks.example.org.evil.example/", "forbidden"),
        ("http://evil.example#hooks.example.org", "forbidden"),
        ("http://hooks.example.org@evil.example/", "bad_option"),
        ("http://hooks.example.org\\@evil.example/", "bad_option"),
        ("ftp://hooks.example.org/", "bad_option"),
        ("hooks.example.org/x", "bad_option"),
        ("http://hooks.example.org/\r\nx: y", "bad_option"),
        ("http://hooks.example.org:x/", "bad_option"),
        ("http://hooks.example.org:\u0660/", "bad_option"),
        ("http://h\u00f6oks.example.org/", "bad_option"),
        ("", "bad_option"),
        ("http://hooks.example.org/" + "x" * 2_000, "bad_request"),
    ],
)
def test_what_may_not(url, code):
    with pytest.raises(Refused) as refused:
        Reach(("hooks.example.org",)).target(url)
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("host", "address", "fine"),
    [
        ("hooks.example.org", "192.0.2.7", True),
        ("hooks.example.org", "10.0.0.9", True),  # the operator named it: an inner host
        ("hooks.example.org", "169.254.169.254", False),
        ("hooks.example.org", "::ffff:169.254.169.254", False),
        ("hooks.example.org", "fe80::1%eth0", False),
        ("hooks.example.org", "0.0.0.0", False),
        ("hooks.example.org", "224.0.0.1", False),
        ("x.localhost", "127.0.0.1", True),
        ("x.localhost", "10.0.0.9", False),
        ("localhost", "192.0.2.7", False),
    ],
)
async def test_a_name_is_judged_by_what_it_stands_for(monkeypatch, host, address, fine):
    resolved(monkeypatch, address)
    reach = Reach(("hooks.example.org",))
    target = reach.target(f"http://{host}/")
    if fine:
        assert await reach.addresses(target) == [address]
    else:
        with pytest.raises(Refused):
            await reach.addresses(target)


async def served(answers, monkeypatch=None):
    """A server that answers each request with the next of these bytes; b"" hangs up."""
    seen = []

    async def serve(reader, writer):
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                seen.append(head + await reader.readexactly(length))
                answer = answers.pop(0)
                writer.write(answer)
                await writer.drain()
                if not answer or b"connection: close" in answer:
                    return
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    return server, server.sockets[0].getsockname()[1], seen


OK = b"HTTP/1.1 204 fine\r\n\r\n"


async def test_the_address_that_was_checked_is_the_one_connected_to(monkeypatch):
    """The name changes its mind after the check; nobody asks it again."""
    server, port, seen = await served([OK, OK])
    asked = resolved(monkeypatch, "127.0.0.1", "169.254.169.254")
    reach = Reach(("hooks.example.org",))
    post = Post(reach, reach.target(f"http://hooks.example.org:{port}/x"))
    assert (await post(b"1", ())).status == 204
    assert (await post(b"2", ())).status == 204
    assert asked == ["hooks.example.org"]
    assert b"host: hooks.example.org:" in seen[0].lower()
    post.close()
    server.close()


async def test_a_name_that_moves_to_where_nobody_means_is_refused_when_asked_again(monkeypatch):
    server, port, _ = await served([OK, b""])
    resolved(monkeypatch, "127.0.0.1", "169.254.169.254")
    reach = Reach(("hooks.example.org",))
    post = Post(reach, reach.target(f"http://hooks.example.org:{port}/x"))
    await post(b"1", ())
    with pytest.raises(Refused):
        await post(b"2", ())
    server.close()


async def test_a_kept_connection_that_was_hung_up_is_opened_again():
    server, port, seen = await served([OK, b"", OK])
    reach = Reach()
    post = Post(reach, reach.target(f"http://127.0.0.1:{port}/"))
    await post(b"1", ())
    assert (await post(b"2", ())).status == 204
    assert [each[-1:] for each in seen] == [b"1", b"2", b"2"]
    post.close()
    server.close()


@pytest.mark.parametrize(
    ("answer", "status", "after"),
    [
        (b"HTTP/1.1 302 x\r\nlocation: http://10.0.0.1/\r\ncontent-length: 0\r\n\r\n", 302, None),
        (b"HTTP/1.1 503 x\r\nretry-after: 7\r\ncontent-length: 0\r\n\r\n", 503, 7.0),
        (
            b"HTTP/1.1 503 x\r\nretry-after: Wed, 21 Oct 2015\r\ncontent-length: 0\r\n\r\n",
            503,
            None,
        ),
        (b"HTTP/1.1 100 x\r\n\r\nHTTP/1.1 200 x\r\nconnection: close\r\n\r\nbye", 200, None),
        (b"HTTP/1.1 200 x\r\ncontent-length: 9999999\r\n\r\n" + b"x" * 99_999, 200, None),
    ],
)
async def test_answers(answer, status, after):
    server, port, _ = await served([answer])
    reach = Reach()
    post = Post(reach, reach.target(f"http://127.0.0.1:{port}/"))
    reply = await post(b"{}", ())
    assert (reply.status, reply.retry_after_s) == (status, after)
    post.close()
    server.close()


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 x\r\ncontent-le", b"what?\r\n\r\n"])
async def test_no_answer_is_an_error_that_can_be_tried_again(answer):
    server, port, _ = await served([answer])
    reach = Reach()
    post = Post(reach, reach.target(f"http://127.0.0.1:{port}/"), answer_s=0.2)
    with pytest.raises((ConnectionLost, TimedOut)):
        await post(b"{}", ())
    server.close()


async def test_nobody_there():
    server, port, _ = await served([])
    server.close()
    await server.wait_closed()
    reach = Reach()
    post = Post(reach, reach.target(f"http://127.0.0.1:{port}/"))
    with pytest.raises(ConnectionLost):
        await post(b"{}", ())
