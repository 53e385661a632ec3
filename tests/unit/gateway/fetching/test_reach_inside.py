"""Nobody gets inside a network by naming a URL (server-side request forgery): what is read for a
client comes back to it, so nothing counts as meant but what the operator listed."""

import asyncio
import ipaddress
import socket

import pytest

from ossicle.core.errors import ConnectionLost, Refused
from ossicle.gateway.fetching.reach import Reach
from remote import Remote, page

NAME = "media.example.org"

INSIDE = [
    # IPv4, every special range of RFC 6890 and its successors
    "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "127.0.0.1", "127.255.0.1",
    "169.254.169.254", "169.254.0.1", "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.2.1",
    "192.168.0.1", "192.168.255.255", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1",
    "239.255.255.255", "240.0.0.1", "255.255.255.255",
    # IPv6
    "::", "::1", "fc00::1", "fd12:3456::1", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1",
    "2001:db8::1", "100::1",
    # IPv4 in IPv6: mapped, compatible, 6to4, NAT64, Teredo
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:a9fe:a9fe", "::127.0.0.1", "::10.0.0.1",
    "2002:7f00:1::", "2002:a00:1::", "2002:a9fe:a9fe::1", "64:ff9b::7f00:1", "64:ff9b::10.0.0.1",
    "64:ff9b::169.254.169.254", "64:ff9b:1::1", "2001:0:4136:e378:8000:63bf:f5ff:fffe",
]  # fmt: skip

OUTSIDE = ["93.184.215.14", "8.8.8.8", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "64:ff9b::808:808"]


def strict(*hosts):
    return Reach(hosts, inside=False)


def answers(monkeypatch, *times):
    """A DNS that gives these lists of addresses, one a question."""
    asked = []

    async def getaddrinfo(host, port, **_):
        asked.append(host)
        found = times[min(len(asked), len(times)) - 1]
        return [
            (socket.AF_INET6 if ":" in a else socket.AF_INET, 1, 6, "", (a, port)) for a in found
        ]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo, raising=False)
    return asked


@pytest.mark.parametrize("address", INSIDE)
async def test_a_listed_name_does_not_lead_inside(monkeypatch, address):
    answers(monkeypatch, [address])
    reach = strict(NAME)
    with pytest.raises(Refused) as refused:
        await reach.addresses(reach.target(f"https://{NAME}/a.wav"))
    assert refused.value.code == "forbidden"
    assert address not in str(refused.value), "whoever asks learns nothing of the network"


@pytest.mark.parametrize("address", INSIDE)
def test_an_address_is_not_called_because_it_is_an_address(address):
    host = f"[{address}]" if ":" in address else address
    with pytest.raises(Refused):
        strict(NAME).target(f"http://{host}/")


@pytest.mark.parametrize("address", OUTSIDE)
async def test_a_listed_name_leads_out(monkeypatch, address):
    answers(monkeypatch, [address])
    reach = strict(NAME)
    assert await reach.addresses(reach.target(f"https://{NAME}/a.wav")) == [address]


@pytest.mark.parametrize(
    ("listed", "address", "fine"),
    [
        ("10.1.2.3", "10.1.2.3", True),
        ("10.1.2.3", "10.1.2.4", False),
        ("10.1.2.0/24", "10.1.2.4", True),
        ("10.1.2.0/24", "10.1.3.4", False),
        ("10.1.2.0/24", "::ffff:10.1.2.4", True),
        ("fd00:1::/32", "fd00:1::9", True),
        ("fd00:1::/32", "fd00:2::9", False),
        ("FD00:1::9", "fd00:1::9", True),
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "127.0.0.2", False),
        ("10.1.2.0/33", "10.1.2.4", False),
    ],
)
async def test_an_inner_server_is_listed_by_name_and_by_address(monkeypatch, listed, address, fine):
    answers(monkeypatch, [address])
    reach = strict(NAME, listed)
    target = reach.target(f"http://{NAME}/a.wav")
    if fine:
        assert await reach.addresses(target) == [address]
    else:
        with pytest.raises(Refused):
            await reach.addresses(target)


def test_an_address_of_a_listed_network_may_be_named():
    reach = strict("10.1.2.0/24", "[fd00::9]")
    assert reach.target("http://10.1.2.9/a").host == "10.1.2.9"
    assert reach.target("http://[fd00::9]/a").host == "fd00::9"
    for url in ("http://10.1.3.9/", "http://[fd00::8]/"):
        with pytest.raises(Refused):
            reach.target(url)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "x.localhost", "LOCALHOST."])
def test_this_machine_has_to_be_listed(host):
    with pytest.raises(Refused):
        strict(NAME).target(f"http://{host}:9000/a")


async def test_this_machine_by_its_name_is_this_machine(monkeypatch):
    reach = strict("localhost")
    target = reach.target("http://localhost:9000/a")
    answers(monkeypatch, ["::1", "127.0.0.1"])
    assert await reach.addresses(target) == ["::1", "127.0.0.1"]
    answers(monkeypatch, ["10.0.0.1"])
    with pytest.raises(Refused):
        await reach.addresses(target)


@pytest.mark.parametrize(
    "url",
    [
        # numbers in other clothes: none is in the list, whatever a resolver makes of them
        "http://2130706433/", "http://0x7f000001/", "http://0x7f.1/", "http://0177.0.0.1/",
        "http://127.1/", "http://127.0.1/", "http://0/", "http://1.1.1.1.nip.io/",
        "http://127.0.0.1.nip.io/", "http://\u2460\u2461\u2466.0.0.1/", "http://127\u3002\u0030.0.1/",
        # userinfo, and what looks like it
        f"http://{NAME}@10.0.0.1/", f"http://{NAME}:80@10.0.0.1/", f"http://10.0.0.1@{NAME}/",
        f"http://x:y@{NAME}/", f"http://10.0.0.1\\@{NAME}/", f"http://{NAME}\\@10.0.0.1/",
        f"http://10.0.0.1#@{NAME}/", f"http://10.0.0.1?@{NAME}/", f"http://{NAME}%2f@10.0.0.1/",
        # names that only begin or end like a listed one
        f"http://{NAME}.evil.example/", f"http://evil{NAME}/", f"http://{NAME}%00.evil.example/",
        f"http://{NAME}%2eevil.example/", f"http://{NAME} .evil.example/",
        # other protocols, and none
        f"file://{NAME}/etc/passwd", f"ftp://{NAME}/", f"gopher://{NAME}:6379/", f"//{NAME}/",
        "http:///a", "http://", f"http:{NAME}/", "javascript:1", f"data:,{NAME}", "",
        # ports of other services, and no ports at all
        f"http://{NAME}:22/", f"http://{NAME}:25/", f"http://{NAME}:1/", f"https://{NAME}:445/",
        f"http://{NAME}:0/", f"http://{NAME}:65536/", f"http://{NAME}:-1/", f"http://{NAME}:80x/",
        f"http://{NAME}:8 0/",
        # more than one line
        f"http://{NAME}/a\r\nhost: 10.0.0.1", f"http://{NAME}\r\n/", f"http://{NAME}/\0",
    ],
)  # fmt: skip
def test_no_disguise_helps(url):
    with pytest.raises(Refused):
        strict(NAME).target(url)


@pytest.mark.parametrize("port", ["", ":80", ":443", ":1024", ":8080", ":65535"])
def test_ports_of_the_web(port):
    assert strict(NAME).target(f"http://{NAME}{port}/").netloc == NAME + port


async def test_a_name_that_stands_for_both_is_called_only_outside(monkeypatch):
    answers(monkeypatch, ["10.0.0.1", "8.8.8.8", "::1", "8.8.4.4", "8.8.8.8"])
    reach = strict(NAME)
    assert await reach.addresses(reach.target(f"http://{NAME}/")) == ["8.8.8.8", "8.8.4.4"]


async def test_the_address_that_was_looked_at_is_the_one_that_is_called(monkeypatch):
    """DNS rebinding: two answers, and the second is never asked for."""
    async with Remote({"/a": page(b"x")}).running() as remote:
        asked = answers(monkeypatch, ["127.0.0.1"], ["169.254.169.254"])
        called = []
        loop = asyncio.get_running_loop()
        connect = loop.sock_connect

        async def sock_connect(wire, address):
            called.append(address)
            await connect(wire, address)

        monkeypatch.setattr(loop, "sock_connect", sock_connect, raising=False)
        reach = strict(NAME, "127.0.0.1")
        target = reach.target(f"http://{NAME}:{remote.port}/a")
        _, writer = await reach.dial(target, 5.0)
        writer.close()
        assert called == [("127.0.0.1", remote.port)]
        assert asked == [NAME]
        with pytest.raises(Refused):  # the next connection asks again, and looks again
            await reach.dial(target, 5.0)
        assert len(called) == 1


async def test_an_address_where_nobody_is_leaves_the_next_one(monkeypatch):
    async with Remote({"/a": page(b"x")}).running() as remote:
        answers(monkeypatch, ["::1", "127.0.0.1"])
        reach = strict("localhost")
        _, writer = await reach.dial(reach.target(f"http://localhost:{remote.port}/a"), 5.0)
        assert writer.get_extra_info("peername")[0] == "127.0.0.1"
        writer.close()
        answers(monkeypatch, ["::1"])
        with pytest.raises(ConnectionLost):
            await reach.dial(reach.target(f"http://localhost:{remote.port}/a"), 5.0)


def test_the_list_of_what_is_inside_is_real():
    for address in INSIDE:
        ipaddress.ip_address(address.partition("%")[0])
