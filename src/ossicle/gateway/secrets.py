"""Secrets that verify a signature: from the environment, or from a file only we can read.

    OSSICLE_TWILIO_AUTH_TOKEN=…            or  STATE_DIR/secrets/twilio_auth_token  (mode 0600)

Looked up for every use, so that a file can be replaced while the gateway runs. They are in no
log and no listing.
"""

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from ossicle.core.errors import Refused

__all__ = ["Secrets"]

_MOST_BYTES = 4_096


class Secrets:
    """A look-up by name: letters, digits and underscores."""

    def __init__(self, state_dir: Path, environment: Mapping[str, str] = os.environ) -> None:
        self._folder = state_dir.expanduser() / "secrets"
        self._environment = environment

    def __call__(self, name: str) -> bytes | None:
        """The secret; None = there is none.

        Raises:
            Refused: its file can be read by others, or is not a secret's size.
        """
        given = self._environment.get(f"OSSICLE_{name.upper()}", "").strip()
        if given:
            return given.encode()
        path = self._folder / name
        try:
            with path.open("rb") as file:
                mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
                if mode & 0o077:
                    raise Refused(
                        f"the file of secret {name} has mode {mode:04o}; make it 0600",
                        code="forbidden",
                    )
                held = file.read(_MOST_BYTES + 1)
        except FileNotFoundError:
            return None
        if len(held) > _MOST_BYTES:
            raise Refused(f"the file of secret {name} is larger than {_MOST_BYTES} bytes")
        return held.strip() or None
