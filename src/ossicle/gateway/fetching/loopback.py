"""Which names and addresses are this machine."""

import ipaddress

__all__ = ["loopback"]


def loopback(host: str) -> bool:
    """Whether a host name or address is this machine.

    >>> loopback("localhost"), loopback("[::1]"), loopback("localhost.example")
    (True, True, False)
    """
    name = host.strip("[]").lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
