"""Secrets: from the environment, or from a file only we can read; made where that is ours to do.

    held = Secrets(state_dir)
    held("twilio_auth_token")     OSSICLE_TWILIO_AUTH_TOKEN, or STATE_DIR/secrets/twilio_auth_token
    held.made("token_signing")    the same; made at first use where there is neither

Looked up for every use, so that a file can be replaced while the gateway runs. They are in no
log and no listing.
"""

import errno
import os
import secrets
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path

from ossicle.core.errors import Overloaded, Refused

__all__ = ["Secrets", "read_private"]

_MOST_BYTES = 4_096
_LINKLESS = {errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP}


def read_private(
    path: Path, what: str, most: int = _MOST_BYTES, *, instead: str = ""
) -> bytes | None:
    """What is in a file that nobody else may read; None = there is none.

    Args:
        path: of the file.
        what: begins what is said of it.
        most: bytes.
        instead: what else somebody can do when it cannot be read.

    Raises:
        Refused: others can read it, it is larger than `most` bytes, or it cannot be read.
    """
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if os.name == "posix" and mode & 0o077:
                raise Refused(
                    f"{what} {path} has mode {mode:04o}; make it 0600: others can read it",
                    code="forbidden",
                )
            held = file.read(most + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Refused(f"{what} {path} cannot be read: {error.strerror}{instead}") from error
    if len(held) > most:
        raise Refused(f"{what} {path} is larger than {most} bytes")
    return held


class Secrets:
    """A look-up by name: letters, digits and underscores."""

    def __init__(self, state_dir: Path, environment: Mapping[str, str] = os.environ) -> None:
        self._state_dir = state_dir.expanduser()
        self._environment = environment

    def __call__(self, name: str, file: str = "") -> bytes | None:
        """The secret; None = there is none.

        Args:
            name: of it.
            file: its place in the state directory, if that is not `secrets/NAME`.

        Raises:
            Refused: its file can be read by others, cannot be read, or is not a secret's size.
        """
        given = self._environment.get(variable(name), "").strip()
        if given:
            return given.encode()
        instead = f"; or set {variable(name)}"
        held = read_private(self._path(name, file), _called(name), instead=instead)
        return held.strip() or None if held is not None else None

    def made(self, name: str, file: str = "") -> bytes:
        """The secret, made where there is none. Gateways that start in the same instant agree:
        the first one's stands, and none reads it before it is whole.

        Raises:
            Refused: as above; or it is empty, or its file system has no hard links.
            Overloaded: it cannot be written.
        """
        held = self(name, file)
        if held is not None:
            return held
        path = self._path(name, file)
        if not path.exists():
            try:
                _place(path, secrets.token_hex(32).encode() + b"\n")
            except OSError as error:
                where = f"{_called(name)} {path} cannot be written: {error.strerror}"
                if error.errno in _LINKLESS:  # nothing else makes a file appear whole
                    raise Refused(
                        f"{where}; put a file of mode 0600 there yourself if its file system has "
                        f"no hard links, or set {variable(name)}"
                    ) from error
                raise Overloaded(
                    f"{where}; make room or give us the folder, or set {variable(name)}"
                ) from error
        held = self(name, file)
        if held is None:
            raise Refused(f"{_called(name)} {path} is empty; delete it, or set {variable(name)}")
        return held

    def _path(self, name: str, file: str) -> Path:
        return self._state_dir / (file or f"secrets/{name}")


def variable(name: str) -> str:
    """The environment variable of a secret."""
    return f"OSSICLE_{name.upper()}"


def _called(name: str) -> str:
    return f"the secret {name} in"


def _place(path: Path, data: bytes) -> None:
    """A whole file that was not there, or the one that somebody else placed meanwhile. A link, as
    nothing else makes a name for finished bytes and fails if there is one.

    Raises:
        OSError: there is no room, or the folder is not ours.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    number, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
    new = Path(name)
    try:
        with os.fdopen(number, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        path.hardlink_to(new)
    except FileExistsError:
        return
    finally:
        new.unlink(missing_ok=True)
