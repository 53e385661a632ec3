"""Ossicle's own dialect, `ossicle.v1`: every command and every event, nothing lost.

>>> from ossicle.dialects.native import NativeClient, NativeServer
"""

from .client import NativeClient
from .credentials import SUBPROTOCOL
from .observer import NativeObserver
from .server import NativeServer

__all__ = ["SUBPROTOCOL", "NativeClient", "NativeObserver", "NativeServer"]
