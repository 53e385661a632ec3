"""Who can tell a post of ours from anybody else's."""

import doctest

import pytest

from ossicle.core.errors import Refused
from ossicle.gateway.keys.secrets import Secrets
from ossicle.gateway.reports import signing
from ossicle.gateway.reports.signing import sign, verify, webhook_secret


def test_the_example():
    assert doctest.testmod(signing).failed == 0


def test_a_value_computed_elsewhere():
    """By openssl: `printf '%s' '1000.{}' | openssl dgst -sha256 -hmac key`."""
    assert sign((b"key",), b"{}", 1000) == (
        "t=1000,v1=c32de42341dece79a1511c9e7f74a2734112edcfcf48943c976faf07047065db"
    )


@pytest.mark.parametrize(
    ("header", "body", "now"),
    [
        ("", b"{}", 1000),
        ("t=1000", b"{}", 1000),
        ("v1=00", b"{}", 1000),
        ("t=x,v1=00", b"{}", 1000),
        ("t=1000,v1=é", b"{}", 1000),
        (sign((b"k",), b"{}", 1000), b"{} ", 1000),
        (sign((b"other",), b"{}", 1000), b"{}", 1000),
        (sign((b"k",), b"{}", 1000), b"{}", 1301),
        (sign((b"k",), b"{}", 1000).replace("t=1000", "t=1200"), b"{}", 1200),
        ("t=1200," + sign((b"k",), b"{}", 1000), b"{}", 1200),
    ],
)
def test_what_does_not_hold(header, body, now):
    assert not verify(b"k", header, body, now)


def test_two_secrets_while_one_is_changed():
    header = sign((b"new", b"old"), b"{}", 1000)
    assert verify(b"new", header, b"{}", 1000)
    assert verify(b"old", header, b"{}", 1000)


def test_a_secret_is_made_once_and_only_we_can_read_it(tmp_path):
    held = Secrets(tmp_path / "state", {})
    first = webhook_secret(held)
    path = tmp_path / "state" / "webhook.secret"
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(first[0]) >= 32
    assert webhook_secret(held) == first
    path.chmod(0o644)
    with pytest.raises(
        Refused, match=r"secret webhook_secret .* mode 0644; make it 0600: others can"
    ):
        webhook_secret(held)


def test_the_environment_comes_first(tmp_path):
    assert webhook_secret(Secrets(tmp_path, {"OSSICLE_WEBHOOK_SECRET": "a, b"})) == (b"a", b"b")
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(Refused, match="OSSICLE_WEBHOOK_SECRET"):
        webhook_secret(Secrets(tmp_path / "file", {}))
    (tmp_path / "webhook.secret").touch(0o600)
    with pytest.raises(Refused, match="is empty"):
        webhook_secret(Secrets(tmp_path, {}))
    with pytest.raises(Refused, match="only commas"):
        webhook_secret(Secrets(tmp_path, {"OSSICLE_WEBHOOK_SECRET": " , ,"}))
