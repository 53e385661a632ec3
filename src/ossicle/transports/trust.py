"""Which certificates are trusted where nobody says, why one is not, and who can do something about
it."""

import functools
import os
import ssl
from pathlib import Path

__all__ = ["platform_trust", "untrusted"]

# OpenSSL's X509_V_ERR_ numbers (x509_vfy.h); the ssl module has no names for them.
_NOT_YET, _EXPIRED = 9, 10
_SELF_SIGNED = frozenset({18, 19, 20, 21})
_OTHER_NAME = frozenset({62, 64})


def untrusted(error: ssl.SSLCertVerificationError) -> str:
    """One sentence, begun by whoever knows the host: `certificate of localhost:8443` …"""
    code, told = error.verify_code, f"is not trusted: {error.verify_message}"
    if code == _EXPIRED:
        return (
            "has expired: whoever runs it has to renew it (or this machine's clock is ahead); a "
            "gateway takes the new file while it runs"
        )
    if code == _NOT_YET:
        return "is not valid yet: is this machine's clock right?"
    if code in _OTHER_NAME:
        return f"{told}; use a name that is in it, or start the gateway with --allow-host and yours"
    if code in _SELF_SIGNED:
        return f"{told}; name its authority with --ca FILE: `ossicle certs` prints the gateway's"
    return told


def platform_trust(*alpn: str) -> ssl.SSLContext:
    """What this machine trusts. Reading it takes 30 ms, in which no other session is heard, so one
    context serves all connections until the file it was read from changes.

    Args:
        alpn: protocols to offer; each choice has a context of its own.
    """
    paths = ssl.get_default_verify_paths()
    file = os.environ.get(paths.openssl_cafile_env) or paths.cafile or ""
    folder = os.environ.get(paths.openssl_capath_env, "")
    try:
        changed = Path(file).stat().st_mtime_ns if file else 0
    except OSError:
        changed = 0
    return _read(alpn, file, folder, changed)


@functools.lru_cache(maxsize=8)
def _read(alpn: tuple[str, ...], _file: str, _folder: str, _changed_ns: int) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if alpn:
        context.set_alpn_protocols(list(alpn))
    return context
