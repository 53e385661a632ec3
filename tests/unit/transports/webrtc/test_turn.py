"""Credentials that end, and the header that says them."""

from ossicle.transports.webrtc.turn import IceServer, credentials, link


def test_as_coturn_computes_them() -> None:
    # printf 1700000000:node | openssl dgst -sha1 -hmac secret -binary | base64
    assert credentials(b"secret", "node", 1_700_000_000.9) == (
        "1700000000:node",
        "m/KAWA6VUwUK5URZ1rBP/GQSz/I=",
    )


def test_the_header() -> None:
    assert link(IceServer("stun:stun.example.org")) == '<stun:stun.example.org>; rel="ice-server"'
    assert link(IceServer("turn:t.example.org?transport=tcp", 'a"b', "c\\d")) == (
        '<turn:t.example.org?transport=tcp>; rel="ice-server"; username="a\\"b"; '
        'credential="c\\\\d"; credential-type="password"'
    )
