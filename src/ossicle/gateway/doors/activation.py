"""Sockets that a service manager opened for us, and telling it that we are ready.

    sockets = inherited(("http", "https"))      # {} when nothing was handed over
    announce("READY=1")

systemd's own protocol (sd_listen_fds(3), sd_notify(3)), spoken without its library. Two units
that share one socket unit are a rolling restart: the socket is open all the time.
"""

import logging
import os
import socket
from collections.abc import MutableMapping, Sequence

from ossicle.core.errors import Refused

__all__ = ["announce", "inherited"]

log = logging.getLogger("ossicle.gateway")

_FIRST = 3
"""SD_LISTEN_FDS_START."""


def inherited(
    names: Sequence[str], environment: MutableMapping[str, str] = os.environ, first: int = _FIRST
) -> dict[str, socket.socket]:
    """The sockets that were handed to this process, by the name of their door. Read once: the
    variables are removed, so that no child takes them for its own.

    Args:
        names: the doors, in order. A socket whose `FileDescriptorName` is one of them is that
            door's; the others are taken in order.
        environment: where LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES stand.
        first: number of the first descriptor.

    Raises:
        Refused: there are more than doors, or one is no listening TCP socket.
    """
    pid, count, labels = (
        environment.pop(name, "") for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")
    )
    if pid != str(os.getpid()) or not count.isdecimal():
        return {}
    found: dict[str, socket.socket] = {}
    labelled = labels.split(":")
    nameless: list[socket.socket] = []
    for index in range(int(count)):
        sock = _listening(first + index)
        label = labelled[index] if index < len(labelled) else ""
        if label in names and label not in found:
            found[label] = sock
        else:
            nameless.append(sock)
    free = [name for name in names if name not in found]
    if len(nameless) > len(free):
        raise Refused(
            f"{count} sockets were handed over by LISTEN_FDS, and there are "
            f"{len(names)} doors ({', '.join(names)}); see FileDescriptorName= in systemd.socket(5)"
        )
    return found | dict(zip(free, nameless, strict=False))


def _listening(number: int) -> socket.socket:
    try:
        sock = socket.socket(fileno=number)
        listens = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    except OSError as error:
        raise Refused(f"LISTEN_FDS: descriptor {number} is no socket ({error.strerror})") from error
    if not listens or sock.type != socket.SOCK_STREAM:
        raise Refused(f"LISTEN_FDS: descriptor {number} is no listening TCP socket")
    sock.setblocking(False)
    sock.set_inheritable(False)
    return sock


def announce(state: str, environment: MutableMapping[str, str] = os.environ) -> bool:
    """Tell the service manager; whether there is one that took it."""
    address = environment.get("NOTIFY_SOCKET", "")
    if not address:
        return False
    if address.startswith("@"):  # the abstract namespace
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            sock.connect(address)
            sock.sendall(state.encode())
    except OSError as error:
        log.warning("the service manager takes no news (NOTIFY_SOCKET): %s", error.strerror)
        return False
    return True
