"""The doors of a gateway as command-line values: `0` any free port, `off` closed."""

import typer

from ossicle.gateway.configuration.naming import LATER

__all__ = ["LATER", "Port", "port"]

Port = int | None
"""A port, 0 for any free one, None for closed."""


def port(value: str) -> Port:
    """Read a port.

    Raises:
        typer.BadParameter: neither a port nor `off`.
    """
    if value.lower() == "off":
        return None
    try:
        number = int(value)
    except ValueError:
        number = -1
    if not 0 <= number <= 65_535:
        raise typer.BadParameter(f"{value!r} is no port: use 1-65535, 0 for any free one, or off")
    return number
