"""Who may stream here: the signature of a request, looked at before it is answered, and that of
each event.

    guard = signed(Keys(secrets=secrets, stands_for=credential_of_key))
    guard(opening)      Admitted(credential, chain), or the Fault it is refused with

The access key id names a key of the gateway, and its secret has to be known to whoever signs. A
request is signed in a header or in its URL; a header's signature is also the first of a chain
over the events of the stream.
"""

import hmac
from collections.abc import Callable
from typing import TypeAlias

import msgspec

from ossicle.core.errors import BadMessage, Fault, OssicleError
from ossicle.core.wire import Opening

from .eventstream import BYTES, TIMESTAMP, Frame
from .sigv4 import (
    ALGORITHM,
    EMPTY,
    Authorization,
    Scope,
    canonical,
    chunk_signature,
    epoch,
    parse_authorization,
    parse_scope,
    signature,
    signing_key,
)

__all__ = ["MOST_EXPIRES_S", "SKEW_S", "Admitted", "Chain", "Guard", "Keys", "nobody_checks",
           "secret_name", "signed"]  # fmt: skip

SKEW_S = 300.0
"""How far a client's clock may be off."""
MOST_EXPIRES_S = 300
"""How long a signed URL may be good."""


def secret_name(key_id: str) -> str:
    """Under this name the gateway knows the secret of an access key."""
    return f"aws_secret_{key_id}"


class Keys(msgspec.Struct, frozen=True):
    """What a guard needs of the gateway."""

    secrets: Callable[[str], bytes | None]
    """Secrets by name, see `secret_name`."""
    stands_for: Callable[[str], str | None]
    """The credential that a session of this access key id is opened with; None = it is nobody's."""
    on: Callable[[], bool] = lambda: True
    """False: keys are off, every signature passes."""
    hosts: tuple[str, ...] = ()
    """Names by which clients call this gateway where a proxy rewrites the Host header."""


class Chain:
    """The signatures of one stream's events."""

    def __init__(self, key: bytes, scope: Scope, first: str) -> None:
        self._key, self._scope, self._before = key, scope, first
        self._latest = 0.0

    def check(self, frame: Frame, at: float) -> None:
        """The next event's.

        Args:
            frame: the envelope.
            at: epoch seconds now, or a little before: a session's clock stands still while it
                does not read.

        Raises:
            BadMessage: it is not signed, not with this key, not in this place, or its date is
                too far off.
        """
        given = frame.header(":chunk-signature", BYTES)
        date_ms = frame.header(":date", TIMESTAMP)
        if not isinstance(given, bytes) or not isinstance(date_ms, int) or len(frame.headers) != 2:
            raise BadMessage("an event has to carry :date and :chunk-signature, and nothing else")
        dated = date_ms / 1000
        if dated - at < -SKEW_S or dated - max(at, self._latest) > SKEW_S:
            raise BadMessage(
                f"the date of an event is {dated - at:+.0f} s from the gateway's clock; the limit "
                f"is {SKEW_S:.0f} s: send audio as it is spoken, and set the clock"
            )
        right = chunk_signature(self._key, self._scope, self._before, date_ms, frame.payload)
        if not hmac.compare_digest(bytes.fromhex(right), given):
            raise BadMessage("the signature of an event is wrong")
        self._before, self._latest = right, max(self._latest, dated)


class Admitted(msgspec.Struct, frozen=True):
    """Let in as far as the guard is concerned."""

    credential: str | None = None
    """For the gateway, which has the last word."""
    who: str = ""
    """The access key id, where it was checked: session ids of others are not met."""
    chain: Chain | None = None
    """Checks events; None = nobody does."""
    signs_events: bool = False
    """An event that is not signed is refused."""


Guard: TypeAlias = Callable[[Opening], Admitted | Fault]


def nobody_checks(opening: Opening) -> Admitted | Fault:
    """Every signature passes."""
    return Admitted()


def signed(keys: Keys) -> Guard:
    """Signatures are checked, while keys are on."""

    def check(opening: Opening) -> Admitted | Fault:
        if not keys.on():
            return Admitted()
        try:
            return _checked(opening, keys)
        except OssicleError as error:  # a secret is there and cannot be used: nobody comes in
            return Fault("engine_unavailable", str(error), "us")

    return check


def _checked(opening: Opening, keys: Keys) -> Admitted | Fault:
    in_url = any(name == "X-Amz-Signature" for name, _ in opening.query)
    found = _of_url(opening) if in_url else _of_header(opening)
    if isinstance(found, Fault):
        return found
    given, stamped, payload_hash = found
    scope = given.scope
    secret = keys.secrets(secret_name(scope.key_id))
    key = signing_key(secret or b"nobody's", scope)
    right = _right(opening, given, stamped, payload_hash, key, keys.hosts)
    credential = keys.stands_for(scope.key_id) if secret else None
    if not secret or credential is None:
        return Fault(
            "unauthorized",
            "The security token included in the request is invalid: this gateway knows no access "
            f"key {scope.key_id[:40]}",
            "client",
        )
    if not right:
        return _wrong(
            "The request signature we calculated does not match the signature you provided. Check "
            "the secret access key; behind a proxy that rewrites Host, set amazon.hosts"
        )
    return Admitted(
        credential=credential,
        who=scope.key_id,
        chain=Chain(key, scope, given.signature),
        signs_events=not in_url,
    )


def _of_header(opening: Opening) -> tuple[Authorization, str, str] | Fault:
    value = opening.header("authorization")
    if not value:
        return Fault(
            "forbidden",
            "Missing Authentication Token: sign the request (Signature Version 4) with an access "
            "key of this gateway",
            "client",
        )
    given = parse_authorization(value)
    if given is None:
        return _wrong("the Authorization header cannot be read as AWS4-HMAC-SHA256 for transcribe")
    stamped = opening.header("x-amz-date")
    at = epoch(stamped)
    if at is None or stamped[:8] != given.scope.day:
        return _wrong("x-amz-date is missing, is no date, or is not of the credential's day")
    if not {"host", ":authority"} & set(given.signed) or "x-amz-date" not in given.signed:
        return _wrong("SignedHeaders has to name host and x-amz-date")
    if abs(at - opening.at) > SKEW_S:
        return _late(at - opening.at)
    return given, stamped, opening.header("x-amz-content-sha256", EMPTY)


def _of_url(opening: Opening) -> tuple[Authorization, str, str] | Fault:
    if opening.param("X-Amz-Algorithm") != ALGORITHM:
        return _wrong(f"X-Amz-Algorithm has to be {ALGORITHM}")
    names = [name for name, _ in opening.query]
    if any(names.count(name) > 1 for name in names if name.startswith("X-Amz-")):
        return _wrong("an X-Amz- parameter stands twice in the URL")
    scope = parse_scope(opening.param("X-Amz-Credential"))
    stamped = opening.param("X-Amz-Date")
    at = epoch(stamped)
    if scope is None or at is None or stamped[:8] != scope.day:
        return _wrong("X-Amz-Credential or X-Amz-Date cannot be read, or they differ in the day")
    expires = opening.param("X-Amz-Expires")
    if not (expires.isascii() and expires.isdigit()) or not 1 <= int(expires[:9]) <= MOST_EXPIRES_S:
        return _wrong(f"X-Amz-Expires has to be from 1 to {MOST_EXPIRES_S} seconds")
    signed_names = tuple(opening.param("X-Amz-SignedHeaders").split(";"))
    if "host" not in signed_names:
        return _wrong("X-Amz-SignedHeaders has to name host")
    if at - opening.at > SKEW_S or opening.at > at + int(expires):
        return _late(at - opening.at)
    return Authorization(scope, signed_names, opening.param("X-Amz-Signature")), stamped, EMPTY


def _right(
    opening: Opening,
    given: Authorization,
    stamped: str,
    payload_hash: str,
    key: bytes,
    hosts: tuple[str, ...],
) -> bool:
    """Whether it was made with this key, for one of the names of this place."""
    query = tuple(pair for pair in opening.query if pair[0] != "X-Amz-Signature")
    headers: dict[str, str] = {}
    for name, value in opening.headers:
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    wanted = given.signature.encode("utf-8", "surrogatepass")
    found = False
    for host in _names(opening.header("host") or opening.header(":authority"), hosts):
        headers["host"] = headers[":authority"] = host
        request = canonical(
            opening.method, opening.path, query, headers, given.signed, payload_hash
        )
        right = signature(key, stamped, given.scope, request).encode()
        found |= hmac.compare_digest(right, wanted)
    return found


def _names(host: str, others: tuple[str, ...]) -> tuple[str, ...]:
    """A host with its port and without: clients do not agree which of them is signed."""
    names: dict[str, None] = {}
    for each in (host, *others):
        names[each] = None
        bare, colon, port = each.rpartition(":")
        if colon and port.isascii() and port.isdigit() and not bare.endswith(":"):
            names[bare] = None
    return tuple(names)


def _late(off: float) -> Fault:
    """The two ways in which the time is wrong."""
    when = "not yet current" if off > 0 else "expired"
    return _wrong(
        f"Signature {when}: it is dated {off:+.0f} s from this gateway's clock; "
        f"{SKEW_S:.0f} s are allowed, and a URL is good until its X-Amz-Expires"
    )


def _wrong(text: str) -> Fault:
    return Fault("bad_signature", text, "client")
