"""Who may stream a call here: checks of the handshake, before it is answered.

A guard gives one of three verdicts: refused, vouched for (with the credential the session is
opened with, if any), or nobody checked.
"""

from collections.abc import Callable
from typing import TypeAlias

import msgspec

from ossicle.core.errors import OssicleError
from ossicle.core.wire import Opening

from .signature import HEADER, SETTINGS_HEADER, places, queries, valid

__all__ = ["SECRET", "Guard", "Refusal", "Secrets", "Vouched", "header_token", "nobody_checks",
           "signed"]  # fmt: skip

SECRET = "twilio_auth_token"  # noqa: S105  the name of one, not one
"""Under this name the gateway knows the account's token."""

Secrets: TypeAlias = Callable[[str], bytes | None]


class Refusal(msgspec.Struct, frozen=True):
    """Not let in."""

    status: int
    text: str


class Vouched(msgspec.Struct, frozen=True):
    """Let in as far as the guard is concerned."""

    credential: str | None = None
    """For the gateway, which has the last word."""


Guard: TypeAlias = Callable[[Opening], Refusal | Vouched]


def nobody_checks(opening: Opening) -> Refusal | Vouched:
    """The gateway's keys decide alone."""
    return Vouched()


def signed(secrets: Secrets, *, public_url: str = "", vouched: str | None = None) -> Guard:
    """Twilio's signature, where its token is known.

    Args:
        secrets: where the token is looked up, for every handshake.
        public_url: scheme and host as the TwiML has them; empty = as the request names its host,
            which is right without a proxy.
        vouched: credential of a stream whose signature is right.
    """

    def check(opening: Opening) -> Refusal | Vouched:
        try:
            token = secrets(SECRET)
        except OssicleError as error:  # there is one, and it cannot be used: nobody comes in
            return Refusal(503, str(error))
        if not token:
            return Vouched()
        base = public_url or f"{'wss' if opening.secure else 'ws'}://{opening.header('host')}"
        bases = [base]
        if not public_url and not opening.secure:
            # A tunnel ends TLS before us and leaves the host as it was.
            bases.append(f"wss://{opening.header('host')}")
        ways = dict.fromkeys((*queries(opening.query), ""))
        urls = [url for each in bases for way in ways for url in places(each, opening.path, way)]
        settings = opening.header(SETTINGS_HEADER)
        if valid(token, opening.header(HEADER), urls, settings=settings):
            return Vouched(vouched)
        return Refusal(
            403,
            "the signature of this request is wrong or missing; if it is Twilio's, start the "
            "gateway with --public-url and the address that stands in the TwiML",
        )

    return check


def header_token(name: str) -> Guard:
    """A header holds the credential (Telnyx: `x-telnyx-streaming-auth-token`)."""

    def check(opening: Opening) -> Refusal | Vouched:
        return Vouched(opening.header(name) or None)

    return check
