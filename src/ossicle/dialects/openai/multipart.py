"""Multipart bodies, taken apart as they come (RFC 7578, RFC 2046 section 5.1).

    body = Multipart("----x")
    body.feed(data)        -> [("model", b"whisper-1"), FileBegan("a.wav"), b"RIFF…", FileEnded()]

Small fields come whole, the file in the pieces it arrives in, so that nobody holds a recording in
memory who does not have to.
"""

import re
from typing import TypeAlias

import msgspec

from ossicle.core.errors import BadMessage, Refused

__all__ = ["Field", "FileBegan", "FileEnded", "Found", "Multipart", "boundary_of"]

_MOST_FIELD = 64 << 10
"""Bytes of a field that is no file."""
_MOST_FIELDS = 256
_MOST_HEAD = 8 << 10
_NAME = re.compile(r';\s*name="((?:[^"\\]|\\.)*)"', re.IGNORECASE)
_FILENAME = re.compile(r';\s*filename="((?:[^"\\]|\\.)*)"', re.IGNORECASE)
_BOUNDARY = re.compile(r'boundary=(?:"([^"]{1,200})"|([^\s;]{1,200}))', re.IGNORECASE)


class Field(msgspec.Struct, frozen=True):
    """A field, whole."""

    name: str
    value: str


class FileBegan(msgspec.Struct, frozen=True):
    """The bytes of a file follow."""

    name: str
    filename: str


class FileEnded(msgspec.Struct, frozen=True):
    """That was all of it."""


Found: TypeAlias = Field | FileBegan | FileEnded | bytes


def boundary_of(content_type: str) -> str:
    """What separates the parts.

    Raises:
        BadMessage: it is no multipart form.
    """
    kind, _, rest = content_type.partition(";")
    found = _BOUNDARY.search(rest)
    if kind.strip().lower() != "multipart/form-data" or found is None:
        raise BadMessage("send multipart/form-data with a boundary, and the sound as its part file")
    return found[1] or found[2]


class Multipart:
    """One body. Bounded: a head, a field, the number of fields."""

    def __init__(self, boundary: str) -> None:
        self._mark = b"\r\n--" + boundary.encode("utf-8", "surrogateescape")
        self._data = bytearray(b"\r\n")  # so that the first mark looks like the others
        self._where = "before"
        self._name = ""
        self._value = bytearray()
        self._fields = 0

    @property
    def complete(self) -> bool:
        """The last mark came."""
        return self._where == "after"

    def feed(self, data: bytes) -> list[Found]:
        """The next bytes; what they complete.

        Raises:
            BadMessage: it breaks the format.
            Refused: a field or a head is too large.
        """
        self._data += data
        found: list[Found] = []
        while self._step(found):
            pass
        return found

    def _step(self, found: list[Found]) -> bool:
        match self._where:
            case "before" | "field" | "file":
                return self._body(found)
            case "mark":
                return self._marked()
            case "head":
                return self._head(found)
            case _:
                self._data.clear()
                return False

    def _body(self, found: list[Found]) -> bool:
        """Content up to the next mark."""
        data = self._data
        at = data.find(self._mark)
        # what may be the beginning of a mark stays for the next piece
        end = at if at >= 0 else max(0, len(data) - len(self._mark) + 1)
        if end:
            self._content(bytes(data[:end]), found)
            del data[:end]
        if at < 0:
            return False
        del data[: len(self._mark)]
        if self._where == "file":
            found.append(FileEnded())
        elif self._where == "field":
            text = self._value.decode("utf-8", "replace")
            found.append(Field(self._name, text))
        self._value.clear()
        self._where = "mark"
        return True

    def _content(self, content: bytes, found: list[Found]) -> None:
        if self._where == "file":
            found.append(content)
        elif self._where == "field":
            self._value += content
            if len(self._value) > _MOST_FIELD:
                raise Refused(
                    f"field {self._name[:60]!r} is larger than {_MOST_FIELD} bytes",
                    code="too_large",
                )

    def _marked(self) -> bool:
        """Behind a mark: another part, or the end."""
        data = self._data
        if len(data) < 2:
            return False
        if data.startswith(b"--"):
            self._where = "after"
        elif data.startswith(b"\r\n"):
            del data[:2]
            self._where = "head"
        elif data.startswith((b" ", b"\t")):
            del data[:1]  # RFC 2046: transport padding
        else:
            raise BadMessage("the multipart body is broken behind a boundary")
        return True

    def _head(self, found: list[Found]) -> bool:
        data = self._data
        end = 0 if data.startswith(b"\r\n") else data.find(b"\r\n\r\n")
        if end < 0:
            if len(data) > _MOST_HEAD:
                raise Refused(f"a part's head is over {_MOST_HEAD} bytes", code="too_large")
            return False
        head = data[:end].decode("utf-8", "replace")
        # The blank line's own line end stays where content may be empty: the mark begins with it.
        del data[: end + 4 if end else 2]
        self._fields += 1
        if self._fields > _MOST_FIELDS:
            raise Refused(f"there are more than {_MOST_FIELDS} parts", code="too_large")
        disposition = next(
            (
                line
                for line in head.split("\r\n")
                if line.lower().startswith("content-disposition:")
            ),
            "",
        )
        name = _NAME.search(disposition)
        if name is None:
            raise BadMessage("a part of the multipart body has no name")
        self._name = name[1]
        filename = _FILENAME.search(disposition)
        if filename is not None:
            self._where = "file"
            found.append(FileBegan(self._name, filename[1]))
        else:
            self._where = "field"
        return True
