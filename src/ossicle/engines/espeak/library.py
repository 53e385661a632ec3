"""Where libespeak-ng is: the wheel `espeakng-loader`, or the system's own. Loads nothing."""

import ctypes.util
import importlib
import importlib.util
from functools import cache
from typing import Protocol, cast

__all__ = ["available", "found"]


class _Loader(Protocol):
    """The two functions of the untyped wheel that are used."""

    def get_library_path(self) -> str: ...

    def get_data_path(self) -> str: ...


def available() -> bool:
    """Whether `found` would find it; imports and loads nothing."""
    return importlib.util.find_spec("espeakng_loader") is not None or bool(_system())


def found() -> tuple[str, str | None] | None:
    """(path of the library, path of its data or None for its own); None = not installed."""
    if importlib.util.find_spec("espeakng_loader") is not None:
        loader = cast("_Loader", importlib.import_module("espeakng_loader"))
        return str(loader.get_library_path()), str(loader.get_data_path())
    system = _system()
    return (system, None) if system else None


@cache  # it asks the linker in a process of its own
def _system() -> str | None:
    return ctypes.util.find_library("espeak-ng")
