"""Sockets of a service manager."""

import os
import socket
from pathlib import Path

import pytest

from ossicle.core.errors import Refused
from ossicle.engines.echo import EchoEngine
from ossicle.gateway import serve
from ossicle.gateway.configuration.settings import GatewaySettings
from ossicle.gateway.doors.activation import announce, inherited

DOORS = ("http", "https")


def given(*numbers: int, names: str = "", pid: int | None = None) -> tuple[dict[str, str], int]:
    """Descriptors as a manager numbers them: one after the other."""
    first = 200
    for index, number in enumerate(numbers):
        os.dup2(number, first + index)
    environment = {
        "LISTEN_PID": str(os.getpid() if pid is None else pid),
        "LISTEN_FDS": str(len(numbers)),
        "LISTEN_FDNAMES": names,
        "PATH": "/bin",
    }
    return environment, first


@pytest.fixture
def sockets():
    made = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
    yield made
    for sock in made:
        sock.close()


def ports(found: dict[str, socket.socket]) -> dict[str, int]:
    said = {name: sock.getsockname()[1] for name, sock in found.items()}
    for sock in found.values():
        assert sock.getblocking() is False
        assert sock.get_inheritable() is False
        sock.close()
    return said


@pytest.mark.parametrize(
    ("names", "order"),
    [
        ("", ("http", "https")),
        ("http:https", ("http", "https")),
        ("https:http", ("https", "http")),
        ("https:unknown", ("https", "http")),
        ("ossicle.socket:ossicle.socket", ("http", "https")),
    ],
)
def test_sockets_by_name_and_else_by_order(sockets, names, order):
    environment, first = given(*(sock.fileno() for sock in sockets[:2]), names=names)
    found = ports(inherited(DOORS, environment, first))
    assert found == {
        name: sock.getsockname()[1] for name, sock in zip(order, sockets, strict=False)
    }
    assert environment == {"PATH": "/bin"}, "no child takes them for its own"


def test_those_of_another_process_are_not_ours(sockets):
    environment, first = given(sockets[0].fileno(), pid=1)
    assert inherited(DOORS, environment, first) == {}
    os.close(first)


def test_without_a_manager_there_are_none():
    assert inherited(DOORS, {}) == {}


def test_more_sockets_than_doors(sockets):
    environment, first = given(*(sock.fileno() for sock in sockets))
    with pytest.raises(Refused, match=r"3 sockets were handed over.*2 doors \(http, https\)"):
        inherited(DOORS, environment, first)


def test_what_does_not_listen():
    with socket.socket() as idle:
        environment, first = given(idle.fileno())
        with pytest.raises(Refused, match="is no listening TCP socket"):
            inherited(DOORS, environment, first)
    with pytest.raises(Refused, match="is no socket"):
        inherited(DOORS, {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"}, 201)


@pytest.mark.parametrize("prefix", ["", "@"])
def test_the_manager_is_told(tmp_path: Path, prefix: str):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        name = f"{os.getpid()}-ossicle-test" if prefix else str(tmp_path / "n")
        manager.bind("\0" + name if prefix else name)
        manager.settimeout(2)
        assert announce("READY=1", {"NOTIFY_SOCKET": prefix + name})
        assert manager.recv(100) == b"READY=1"


def test_no_manager_and_one_that_is_gone(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    assert not announce("READY=1", {})
    assert not announce("READY=1", {"NOTIFY_SOCKET": str(tmp_path / "gone")})
    assert "NOTIFY_SOCKET" in caplog.text


async def test_a_public_socket_needs_keys_whatever_the_settings_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    public = socket.create_server(("0.0.0.0", 0))
    monkeypatch.setattr(serve, "inherited", lambda names: {"http": public})
    settings = GatewaySettings(tls_port=None, state_dir=tmp_path)
    with pytest.raises(Refused, match=r"0\.0\.0\.0 can be reached by others and no key is set"):
        async with serve.serving(settings, EchoEngine()):
            pass
    assert public.fileno() == -1, "and it is closed"


async def test_ports_that_are_taken_over_have_numbers(tmp_path: Path):
    settings = GatewaySettings(port=0, tls_port=None, state_dir=tmp_path, take_over=True)
    with pytest.raises(Refused, match="take_over needs ports with a number"):
        async with serve.serving(settings, EchoEngine()):
            pass
