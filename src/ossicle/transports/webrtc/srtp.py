"""SRTP packets of the other end, opened at the least cost.

`pylibsrtp.Session` makes a pointer object and two views for every packet; here they are made once
a call. Its private names are used, so that its version is pinned and the canary of the seam
(`tests/unit/transports/webrtc/test_seam.py`) looks after it.
"""

from importlib import import_module
from typing import Any

from pylibsrtp import Session

__all__ = ["LONGEST", "Opener"]

LONGEST = 1_500
"""Bytes of a packet that is looked at, as in pylibsrtp; nobody's path carries longer ones whole."""

_binding: Any = import_module("pylibsrtp._binding")


class Opener:
    """The receiving half of one session."""

    def __init__(self, session: Session) -> None:
        self._session: Any = session  # its keys live as long as it does
        self._srtp: Any = self._session._srtp[0]
        ffi = _binding.ffi
        self._packet: Any = ffi.new("char[]", LONGEST)
        self._bytes: Any = ffi.buffer(self._packet)
        self._size: Any = ffi.new("int *")
        self._open: Any = _binding.lib.srtp_unprotect
        self._move: Any = ffi.memmove

    def open(self, data: bytes) -> bytes | None:
        """The RTP packet in `data`, at most `LONGEST` bytes; None = forged, or replayed."""
        size = self._size
        size[0] = length = len(data)
        self._move(self._packet, data, length)
        if self._open(self._srtp, self._packet, size):
            return None
        return self._bytes[0 : size[0]]
