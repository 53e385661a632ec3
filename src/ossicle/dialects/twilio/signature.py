"""Twilio's request signatures: was this request made by somebody who knows the account's token?

The signed text is the URL as Twilio was given it, then the form's fields sorted, name and value
run together. It is signed with HMAC-SHA1, or with the algorithm that the header
`X-Twilio-Webhooks-Signature-Settings` names. Which spelling of the URL a stream's handshake is
signed with depends on who wrote it (`wss:` or `https:`, a port or none, a slash at the end or
none), so every spelling of the *same* place is tried, and all of them, so that time tells nothing.

    >>> signed = signature(b"token", "wss://example.com/twilio/media")
    >>> valid(b"token", signed, places("https://example.com", "/twilio/media"))
    True
"""

import base64
import hmac
from collections.abc import Iterable, Sequence
from urllib.parse import quote, quote_plus, urlencode, urlsplit

__all__ = ["HEADER", "SETTINGS_HEADER", "algorithm", "places", "queries", "signature", "valid"]

HEADER = "x-twilio-signature"
SETTINGS_HEADER = "x-twilio-webhooks-signature-settings"

Fields = Sequence[tuple[str, str]]

_HASHES = {"HMAC_SHA1": "sha1", "HMAC_SHA256": "sha256"}
_SCHEMES = {"wss": ("wss", "https"), "https": ("https", "wss"), "ws": ("ws", "http"),
            "http": ("http", "ws")}  # fmt: skip
_PORTS = {"wss": 443, "https": 443, "ws": 80, "http": 80}


def algorithm(settings: str) -> str:
    """The algorithm that the settings header names; HMAC_SHA1 where there is none."""
    for part in settings.split(","):
        name, _, value = part.partition("=")
        if name.strip() == "algorithm" and value.strip():
            return value.strip().upper()
    return "HMAC_SHA1"


def signature(token: bytes, url: str, fields: Fields = (), *, method: str = "HMAC_SHA1") -> str:
    """What the header holds for a request to `url`.

    Raises:
        KeyError: an algorithm that Twilio does not sign with.
    """
    text = url + "".join(name + value for name, value in sorted(set(fields)))
    digest = hmac.new(token, text.encode("utf-8", "surrogatepass"), _HASHES[method]).digest()
    return base64.b64encode(digest).decode()


def valid(
    token: bytes,
    given: str,
    urls: Iterable[str],
    fields: Fields = (),
    *,
    settings: str = "",
) -> bool:
    """Whether `given` signs one of these URLs."""
    method = algorithm(settings)
    if not given or method not in _HASHES:
        return False
    wanted = given.encode("utf-8", "surrogatepass")
    found = False
    for url in urls:
        right = signature(token, url, fields, method=method).encode()
        found |= hmac.compare_digest(right, wanted)
    return found


def places(base: str, path: str, query: str = "") -> tuple[str, ...]:
    """Every spelling of one place. `base`: scheme and host, with a port where it is not the
    scheme's own; a path in it (of a proxy) is kept."""
    try:
        parts = urlsplit(base)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return ()
    if ":" in host:
        host = f"[{host}]"
    whole = parts.path.rstrip("/") + path
    bare = whole.rstrip("/")
    urls: list[str] = []
    for scheme in _SCHEMES.get(parts.scheme, ()):
        usual = _PORTS[scheme]
        ports = ("", f":{usual}") if port in {None, usual} else (f":{port}",)
        for where in ports:
            for tail in (bare, bare + "/"):
                urls += [f"{scheme}://{host}{where}{tail}{'?' + query if query else ''}"]
    return tuple(urls)


def queries(pairs: Fields) -> tuple[str, ...]:
    """A query that was decoded, as it may have been written: with `+` or `%20` for a space."""
    if not pairs:
        return ("",)
    ways = (urlencode(pairs, quote_via=quote_plus), urlencode(pairs, quote_via=quote))
    return tuple(dict.fromkeys(ways))
