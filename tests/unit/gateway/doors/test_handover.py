"""Sockets pass from one process to the next. Here both are this one."""

import asyncio
import contextlib
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from ossicle.core.errors import Refused, TimedOut
from ossicle.gateway.doors.handover import offer, take


@pytest.fixture
def doors() -> Iterator[dict[str, socket.socket]]:
    made = {name: socket.create_server(("127.0.0.1", 0)) for name in ("http", "https")}
    yield made
    for sock in made.values():
        sock.close()


class Old:
    """The process that has the ports."""

    def __init__(self, state: Path, doors: dict[str, socket.socket]) -> None:
        self.left = 0
        self.path = state / "handover-80.sock"
        self.task = asyncio.create_task(offer(state, 80, doors, self._leave))

    def _leave(self) -> None:
        self.left += 1
        assert not self.path.exists(), "the next one makes its own"

    @classmethod
    @contextlib.asynccontextmanager
    async def of(cls, state: Path, doors: dict[str, socket.socket]):
        old = cls(state, doors)
        while not old.path.exists() and not old.task.done():
            await asyncio.sleep(0)
        try:
            yield old
        finally:
            old.task.cancel()
            await asyncio.wait([old.task])
            assert not old.path.exists()


@pytest.mark.parametrize("depth", [0, 40])
async def test_the_same_sockets_with_what_waits_in_them(tmp_path: Path, doors, depth: int) -> None:
    """A path longer than a socket address does not matter."""
    state = tmp_path / ("long/" * depth) / "state"
    async with Old.of(state, doors) as old:
        assert stat.S_IMODE(old.path.stat().st_mode) == 0o600
        assert stat.S_ISSOCK(old.path.stat().st_mode)
        client = socket.create_connection(doors["http"].getsockname())
        taken = await take(state, 80, ("http", "https"))
        assert taken is not None
        names = {name: sock.getsockname() for name, sock in taken.sockets.items()}
        assert names == {name: sock.getsockname() for name, sock in doors.items()}
        await taken.ready()
        await old.task
        assert old.left == 1
        for sock in doors.values():
            sock.close()
        connection, _ = taken.sockets["http"].accept()
        client.sendall(b"it was waiting")
        connection.setblocking(True)
        assert connection.recv(100) == b"it was waiting"
        for each in (client, connection, *taken.sockets.values()):
            each.close()


async def test_only_doors_that_are_wanted(tmp_path: Path, doors) -> None:
    async with Old.of(tmp_path, doors):
        taken = await take(tmp_path, 80, ("https",))
        assert taken is not None
        assert list(taken.sockets) == ["https"]
        taken.sockets["https"].close()
        taken.close()


async def test_one_that_ends_before_it_is_ready_changes_nothing(
    tmp_path: Path, doors, caplog: pytest.LogCaptureFixture
) -> None:
    async with Old.of(tmp_path, doors) as old:
        for _ in range(2):
            taken = await take(tmp_path, 80, ("http", "https"))
            assert taken is not None
            for sock in taken.sockets.values():
                sock.close()
            taken.close()
        again = await take(tmp_path, 80, ("http",))
        assert again is not None
        assert old.left == 0
        assert doors["http"].getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        again.sockets["http"].close()
        again.close()
    assert "ended before it was ready" in caplog.text


async def test_nobody_is_there(tmp_path: Path) -> None:
    assert await take(tmp_path / "none", 80, ("http",)) is None
    with socket.socket(socket.AF_UNIX) as dead:  # killed: its file is left
        dead.bind(str(tmp_path / "handover-80.sock"))
    assert await take(tmp_path, 80, ("http",)) is None


async def test_somebody_who_hands_nothing_over(tmp_path: Path) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"no")
        writer.close()

    async with await asyncio.start_unix_server(answer, tmp_path / "handover-80.sock"):
        with pytest.raises(Refused, match="on port 80 does not hand over its ports"):
            await take(tmp_path, 80, ("http",))


async def test_an_old_one_that_dies_before_it_leaves(tmp_path: Path, doors) -> None:
    async with Old.of(tmp_path, doors) as old:
        taken = await take(tmp_path, 80, ("http", "https"))
        assert taken is not None
        old.task.cancel()
        await asyncio.wait([old.task])
        with pytest.raises(TimedOut):
            await taken.ready()
        for sock in taken.sockets.values():
            sock.close()
