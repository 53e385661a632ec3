"""ICE servers for clients: credentials that end by themselves, and how a header says them.

    Link: <turn:turn.example.org:3478?transport=udp>; rel="ice-server"; username="1700000000:x";
          credential="…"; credential-type="password"

The credentials are those of `use-auth-secret` of coturn ("A REST API For Access To TURN Services",
draft-uberti-behave-turn-rest): the user name is a time and a name, the password its HMAC-SHA1 under
a secret that the relay knows. No relay is asked, and none has to store anything.
"""

import base64
import hashlib
import hmac

import msgspec

__all__ = ["IceServer", "credentials", "link"]


class IceServer(msgspec.Struct, frozen=True):
    """One server, as a client is told."""

    url: str
    username: str = ""
    credential: str = ""


def credentials(secret: bytes, name: str, ends_at: float) -> tuple[str, str]:
    """User name and password that a relay takes until a time.

    Args:
        secret: `static-auth-secret` of the relay.
        name: of the user, for its log.
        ends_at: seconds of the epoch.
    """
    user = f"{int(ends_at)}:{name}"
    digest = hmac.new(secret, user.encode(), hashlib.sha1).digest()
    return user, base64.b64encode(digest).decode()


def link(server: IceServer) -> str:
    """The value of a Link header (RFC 9725 section 4.6)."""
    text = f'<{server.url}>; rel="ice-server"'
    if server.username:
        text += (
            f'; username="{_quoted(server.username)}"; credential="{_quoted(server.credential)}"'
            '; credential-type="password"'
        )
    return text


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
