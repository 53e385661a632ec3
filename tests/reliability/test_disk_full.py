"""A state directory without room: sessions go on, nothing that was counted is lost, and whoever
needs room is told so. On a file system of its own, really full."""

import asyncio
import contextlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness import Talk, ask, beside, gateway_with, missing, refusal, until
from ossicle.gateway.configuration.settings import AccessSettings
from ossicle.gateway.keys.keyfile import KeyFile, KeyLimits
from ossicle.gateway.keys.usage import read_lines, totals

pytestmark = [
    pytest.mark.reliability,
    pytest.mark.skipif(sys.platform != "linux", reason="mounts a tmpfs"),
]

FORMAT = {"encoding": "pcm_s16le", "sample_rate": 16000}
PAGE = 4_096

OPEN = AccessSettings(metrics_for=("*",))


def root(*command: str) -> bool:
    """Whether it could be done as root."""
    how = command if os.geteuid() == 0 else ("sudo", "-n", *command)
    try:
        return subprocess.run(how, capture_output=True, timeout=20, check=False).returncode == 0
    except OSError:
        return False


@pytest.fixture
def state(tmp_path: Path):
    """The state directory, on 256 kB."""
    folder = tmp_path / "state"
    folder.mkdir()
    owner = f"size=256k,nr_inodes=200,mode=0700,uid={os.getuid()},gid={os.getgid()}"
    if not root("mount", "-t", "tmpfs", "-o", owner, "tmpfs", str(folder)):
        missing("a tmpfs has to be mounted: as root, with CAP_SYS_ADMIN")
    yield folder
    assert root("umount", str(folder))


class Filler:
    """Takes all the room there is, and gives it back."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "filler"

    def fill(self) -> None:
        with self._path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(b"x" * PAGE)

    def free(self) -> None:
        self._path.unlink()


def bearer(key):
    return {"authorization": f"Bearer {key}"}


async def keys(*arguments: str) -> tuple[int, str]:
    """`ossicle keys`, and what it says."""
    process = await asyncio.create_subprocess_exec(
        Path(sys.executable).with_name("ossicle"), "keys", *arguments,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, "NO_COLOR": "1", "COLUMNS": "200"},
    )  # fmt: skip
    async with asyncio.timeout(30):
        out, _ = await process.communicate()
    return process.returncode or 0, " ".join(out.decode().split())


async def test_a_full_disk(tmp_path: Path, state: Path, caplog):
    book = KeyFile(state / "keys.json")
    new, disk = book.add("web", KeyLimits(audio_s_per_day=3_600)), Filler(state)
    kept = book.path.read_bytes()
    async with gateway_with(tmp_path, access=OPEN) as gateway:
        house = gateway.house
        async with beside(gateway.url, headers=bearer(new.key)):
            disk.fill()
            async with Talk.open(gateway.url, headers=bearer(new.key), **FORMAT) as talk:
                await talk.audio(bytes(64_000))
                await talk.say("end")
                await talk.ended()
            house.accounts._flush_at = 0.0  # ten seconds have passed
            await until(lambda: house.troubles.of("usage"))
            answer = await ask(gateway.url, method="GET", path="/readyz")
            assert (answer.status, answer.json["ready"]) == (200, True)
            (note,) = answer.json["notes"]
            assert note == (
                "usage cannot be written (No space left on device); it is kept in memory and tried "
                "again: make room in the state directory"
            )
            assert note in caplog.text
            page = (await ask(gateway.url, method="GET", path="/metrics")).body.decode()
            assert 'ossicle_trouble{with="usage"} 1.0' in page

            for body in (b"{}", b'{"single_use": true}'):
                answer = await ask(
                    gateway.url, body, path="/v1/tokens", headers=bearer(new.key)
                )  # the secret that signs them does not exist yet
                assert answer.status == 503
                assert answer.headers["retry-after"]
                text = answer.json["error"]["text"]
                assert "token_signing" in text
                assert "No space left on device; make room" in text
            status, said = await keys("add", "batch", "--state-dir", str(state))
            assert status == 2
            assert "cannot be written (No space left on device); the keys are as they were" in said
            assert book.path.read_bytes() == kept
            status, said = await keys("revoke", new.id, "--state-dir", str(state))
            assert status == 2
            assert "the keys are as they were" in said

            disk.free()
            answer = await ask(
                gateway.url, b'{"single_use": true}', path="/v1/tokens", headers=bearer(new.key)
            )
            once = answer.json["token"]
            disk.fill()
            for note_of in range(300):  # and every inode
                with contextlib.suppress(OSError):
                    (state / f"inode{note_of}").touch()
            status, body = await refusal(gateway.url, headers=bearer(once))
            assert status == 503
            assert "the use of this token cannot be noted" in body["error"]["text"]
            for each in state.glob("inode*"):
                each.unlink()
            disk.free()
            async with Talk.open(gateway.url, headers=bearer(once), **FORMAT):
                pass
            status, said = await keys("add", "batch", "--state-dir", str(state))
            assert status == 0
            house.accounts._flush_at = 0.0
            await until(lambda: not house.troubles.of("usage"))
        await until(lambda: not house.sessions)
        used = house.usage.used(new.id)[0]
    (line,) = totals(read_lines(state / "usage"))
    assert line.ms == round(used * 1000)
    assert line.ms >= 2_000


async def test_a_state_directory_without_room_is_no_start_with_tls(tmp_path: Path, state: Path):
    Filler(state).fill()
    with pytest.raises(Exception, match=r"cannot keep certificates in .*No space left") as caught:
        async with gateway_with(tmp_path, tls_port=0):
            pass
    assert "--state-dir" in str(caught.value)
