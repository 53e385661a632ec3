"""API keys in a file: digests, owners and limits; the keys themselves are nowhere.

    book = KeyFile(state_dir / "keys.json")
    key = book.add("web", KeyLimits(sessions=20))     told once
    book.revoke(key.id)

A key is `osk_ID_SECRET` with 256 bits of chance in it. Nobody can guess at that, so a plain
SHA-256 is enough: slow password hashes defend words that people chose, and would only make every
handshake slow. The file is replaced whole (mode 0600), so a reader sees the old one or the new.
"""

import contextlib
import hashlib
import os
import secrets
import tempfile
import time
from collections.abc import Generator
from pathlib import Path
from typing import Annotated

import msgspec

from ossicle.core.errors import Refused

from .secrets import read_private

__all__ = ["KeyEntry", "KeyFile", "KeyLimits", "NewKey", "digest_of"]

_MOST_BYTES = 8 << 20
_Count = Annotated[int, msgspec.Meta(ge=0)]
_Amount = Annotated[float, msgspec.Meta(ge=0, le=1e12)]


class KeyLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What one key may use; 0 = no limit of its own."""

    sessions: _Count = 0
    """Sessions at once."""
    session_s: _Amount = 0.0
    """Seconds of one session."""
    handshakes_per_s: _Amount = 0.0
    """Sessions begun or joined per second; a second's worth, and one at least, may come at once."""
    audio_s_per_day: _Amount = 0.0
    """Seconds of audio, heard and spoken, in a day (UTC)."""
    audio_s_per_month: _Amount = 0.0
    """The same in a calendar month (UTC)."""
    max_message: _Count = 0
    """Bytes of one WebSocket message, or of one HTTP body."""

    def narrowed(self, by: "KeyLimits") -> "KeyLimits":
        """The smaller of each pair."""
        pairs = [(getattr(self, name), getattr(by, name)) for name in self.__struct_fields__]
        return KeyLimits(*(min(pair) if all(pair) else max(pair) for pair in pairs))

    def check_within(self, outer: "KeyLimits") -> None:
        """
        Raises:
            Refused: one of these is above the same one of `outer`.
        """
        for name in self.__struct_fields__:
            asked, most = getattr(self, name), getattr(outer, name)
            if most and asked > most:
                raise Refused(
                    f"limits.{name} of {asked:g} is more than the {most:g} of the key: a token "
                    "may only have less than its key, or nothing said, which is the same",
                    code="bad_option",
                )


class KeyEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One key, without the key."""

    id: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{8,64}$")]
    """Names it in lists, figures and usage. No secret."""
    owner: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    sha256: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]
    made: int = 0
    """Seconds of the epoch."""
    limits: KeyLimits = KeyLimits()

    @property
    def digest(self) -> bytes:
        """What a credential's digest is compared with."""
        return bytes.fromhex(self.sha256)


class NewKey(msgspec.Struct, frozen=True):
    """Told once, when it is made."""

    id: str
    owner: str
    key: str


class _Book(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: Annotated[int, msgspec.Meta(ge=1, le=1)]
    keys: tuple[KeyEntry, ...]


class KeyFile:
    """The file. Reading takes no lock; writers take turns."""

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser()
        self._seen: tuple[int, ...] | None = None

    def changed(self) -> bool:
        """Whether it is another one than `read` read last. A file that is gone is no change: keys
        that are in force stay so until somebody writes other ones."""
        stamp = self._stamp()
        return stamp is not None and stamp != self._seen

    def read(self) -> tuple[KeyEntry, ...] | None:
        """Its keys; None = there is no file.

        Raises:
            Refused: it cannot be read, is cut off or edited wrongly, or others can read it.
        """
        self._seen = self._stamp()
        data = read_private(self.path, "the keys file", _MOST_BYTES)
        return parse(data, str(self.path)) if data is not None else None

    def add(self, owner: str, limits: KeyLimits | None = None) -> NewKey:
        """A new key.

        Raises:
            Refused: the file is no keys file, or the owner is no name.
            OSError: it cannot be written; the old one stands.
        """
        if not owner or len(owner) > 200 or not owner.isprintable():
            raise Refused(f"an owner is a name of 1 to 200 characters, not {owner[:60]!r}")
        with self._alone():
            held = self.read() or ()
            name = secrets.token_hex(6)
            key = f"osk_{name}_{secrets.token_urlsafe(32)}"
            entry = KeyEntry(
                name, owner, digest_of(key).hex(), int(time.time()), limits or KeyLimits()
            )
            self._write((*held, entry))
        return NewKey(name, owner, key)

    def revoke(self, name: str) -> tuple[KeyEntry, ...]:
        """Take out one key by its id, or all of an owner; what was taken out.

        Raises:
            Refused: there is none of that name, or the file is no keys file.
            OSError: it cannot be written; the old one stands.
        """
        with self._alone():
            held = self.read() or ()
            out = tuple(each for each in held if each.id == name)
            out = out or tuple(each for each in held if each.owner == name)
            if not out:
                raise Refused(
                    f"no key has the id or the owner {name[:60]!r}; see `ossicle keys list`",
                    code="not_found",
                )
            self._write(tuple(each for each in held if each not in out))
        return out

    @contextlib.contextmanager
    def _alone(self) -> Generator[None, None, None]:
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(self.path.with_name(self.path.name + ".lock"), os.O_CREAT | os.O_RDWR, 0o600)
        try:
            with contextlib.suppress(ImportError):  # Windows has no flock: one writer at a time
                import fcntl  # noqa: PLC0415

                fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _write(self, keys: tuple[KeyEntry, ...]) -> None:
        text = msgspec.json.format(msgspec.json.encode(_Book(1, keys)), indent=1) + b"\n"
        # mkstemp gives mode 0600
        number, name = tempfile.mkstemp(dir=self.path.parent, prefix=self.path.name + ".")
        new = Path(name)
        try:
            with os.fdopen(number, "wb") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            new.replace(self.path)
        except BaseException:
            new.unlink(missing_ok=True)
            raise

    def _stamp(self) -> tuple[int, ...] | None:
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_size, found.st_mtime_ns, found.st_mode


def parse(data: bytes, name: str) -> tuple[KeyEntry, ...]:
    """The keys in the bytes of a file.

    Raises:
        Refused: they are not what `KeyFile` writes; the text says where.
    """
    if len(data) > _MOST_BYTES:
        raise Refused(f"the keys file {name} is larger than {_MOST_BYTES} bytes")
    try:
        keys = msgspec.json.decode(data, type=_Book).keys
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        # msgspec names the place and the kind, and quotes no values
        raise Refused(
            f"the keys file {name} is cut off or edited wrongly ({error}); put a whole one there, "
            "or make keys with `ossicle keys add`"
        ) from error
    if len({each.id for each in keys}) != len(keys):
        raise Refused(f"the keys file {name} has two keys of one id")
    return keys


def digest_of(key: str) -> bytes:
    """SHA-256 of a key."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()
