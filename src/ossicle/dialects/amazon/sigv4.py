"""Signature Version 4 as Amazon Transcribe's clients use it: a request's header, a URL, and a
chain over the events of a stream. Pure: the time and the secret are arguments.

    >>> scope = Scope("AK", "20261124", "us-east-1")
    >>> at = "20261124T120000Z"
    >>> request = canonical("POST", "/stream-transcription", (), {"host": "here"}, ("host",), EMPTY)
    >>> len(signature(signing_key(b"secret", scope), at, scope, request))
    64

Three texts are signed:

    request   method, path, sorted query, signed headers, their names, hash of the payload
    URL       the same, the query without its signature, the payload always empty
    event     date, scope, the signature before it, hash of the `:date` header, hash of the payload
"""

import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import quote

from .eventstream import encode_header, stamp

__all__ = [
    "ALGORITHM",
    "EMPTY",
    "SERVICE",
    "Authorization",
    "Scope",
    "authorization",
    "canonical",
    "chunk_signature",
    "epoch",
    "parse_authorization",
    "parse_scope",
    "signature",
    "signing_key",
    "written_at",
]

ALGORITHM = "AWS4-HMAC-SHA256"
SERVICE = "transcribe"
EMPTY = hashlib.sha256(b"").hexdigest()
"""The hash of a payload that is none."""

_KEY_ID = re.compile(r"[A-Za-z0-9_]{1,128}")
_DAY = re.compile(r"[0-9]{8}")
_REGION = re.compile(r"[a-z0-9-]{1,40}")
_STAMP = re.compile(r"[0-9]{8}T[0-9]{6}Z")
_HEX = re.compile(r"[0-9a-f]{64}")
_SPACES = re.compile(r" +")


class Scope(NamedTuple):
    """Whose key, which day and region a signature is good for."""

    key_id: str
    day: str
    region: str

    @property
    def text(self) -> str:
        """As it stands in the signed text."""
        return f"{self.day}/{self.region}/{SERVICE}/aws4_request"


class Authorization(NamedTuple):
    """A signature with what it was made over."""

    scope: Scope
    signed: tuple[str, ...]
    """Names of the headers signed, in the order given."""
    signature: str


def written_at(at: float) -> str:
    """Epoch seconds as `20261124T120000Z`."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y%m%dT%H%M%SZ")


def epoch(stamped: str) -> float | None:
    """Epoch seconds of `20261124T120000Z`; None = it is no date."""
    if not _STAMP.fullmatch(stamped):
        return None
    try:
        return datetime.strptime(stamped, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None


def parse_scope(credential: str) -> Scope | None:
    """`AK/20261124/us-east-1/transcribe/aws4_request`; None = it is none of this service."""
    parts = credential.split("/")
    if len(parts) != 5 or parts[3:] != [SERVICE, "aws4_request"]:
        return None
    key_id, day, region = parts[:3]
    if not (_KEY_ID.fullmatch(key_id) and _DAY.fullmatch(day) and _REGION.fullmatch(region)):
        return None
    return Scope(key_id, day, region)


def parse_authorization(value: str) -> Authorization | None:
    """The `authorization` header; None = it cannot be read."""
    algorithm, _, rest = value.strip(" ").partition(" ")
    if algorithm != ALGORITHM:
        return None
    fields: dict[str, str] = {}
    for part in rest.split(","):
        name, equals, found = part.strip(" ").partition("=")
        if not equals or name in fields:
            return None
        fields[name] = found
    if fields.keys() != {"Credential", "SignedHeaders", "Signature"}:
        return None
    scope = parse_scope(fields["Credential"])
    if scope is None or not _HEX.fullmatch(fields["Signature"]):
        return None
    return Authorization(scope, tuple(fields["SignedHeaders"].split(";")), fields["Signature"])


def authorization(given: Authorization) -> str:
    """The header that `parse_authorization` reads."""
    scope = given.scope
    return (
        f"{ALGORITHM} Credential={scope.key_id}/{scope.text}, "
        f"SignedHeaders={';'.join(given.signed)}, Signature={given.signature}"
    )


def canonical(
    method: str,
    path: str,
    query: Iterable[tuple[str, str]],
    headers: Mapping[str, str],
    signed: Sequence[str],
    payload_hash: str,
) -> str:
    """The canonical request.

    Args:
        method: in capitals.
        path: decoded.
        query: decoded pairs, without a signature.
        headers: values by lower-case name.
        signed: names to be signed, in their order in the signed text; one that is missing counts
            as empty.
        payload_hash: hexadecimal, or the literal that stands for it.
    """
    pairs = sorted((_quoted(name), _quoted(value)) for name, value in query)
    lines = [f"{name}:{_SPACES.sub(' ', headers.get(name, '').strip(' '))}\n" for name in signed]
    return "\n".join(
        (
            method,
            _quoted(path, "/"),
            "&".join(f"{name}={value}" for name, value in pairs),
            "".join(lines),
            ";".join(signed),
            payload_hash,
        )
    )


def signing_key(secret: bytes, scope: Scope) -> bytes:
    """The key of one day, region and service."""
    key = b"AWS4" + secret
    for part in (scope.day, scope.region, SERVICE, "aws4_request"):
        key = _hmac(key, part)
    return key


def signature(key: bytes, stamped: str, scope: Scope, request: str) -> str:
    """Of a canonical request."""
    digest = hashlib.sha256(request.encode("utf-8", "surrogatepass")).hexdigest()
    return _hmac(key, f"{ALGORITHM}\n{stamped}\n{scope.text}\n{digest}").hex()


def chunk_signature(key: bytes, scope: Scope, before: str, date_ms: int, payload: bytes) -> str:
    """Of one event: what its `:chunk-signature` holds, in hexadecimal.

    Args:
        key: `signing_key` of the request.
        scope: of the request.
        before: the signature before it; at first the request's own.
        date_ms: the event's `:date`.
        payload: the whole inner frame; empty at the end.
    """
    head = hashlib.sha256(encode_header(stamp(":date", date_ms))).hexdigest()
    body = hashlib.sha256(payload).hexdigest()
    text = (
        f"{ALGORITHM}-PAYLOAD\n{written_at(date_ms / 1000)}\n{scope.text}\n{before}\n{head}\n{body}"
    )
    return _hmac(key, text).hex()


def _quoted(text: str, keep: str = "") -> str:
    """RFC 3986, as the signature has it."""
    return quote(text, safe="-_.~" + keep, errors="surrogatepass")


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode("utf-8", "surrogatepass"), hashlib.sha256).digest()
