"""Why a certificate is not trusted, and who can do something about it."""

import ssl

__all__ = ["untrusted"]

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
