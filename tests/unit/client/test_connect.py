"""Options become the patch that makes them, and what is wrong is said before anything is sent."""

import pytest

from ossicle.client import connect
from ossicle.client.connect import patch_of
from ossicle.client.dial import trust
from ossicle.core.errors import Refused
from ossicle.core.options import Hint, Options, RecognitionOptions, TurnOptions, merged

CHANGED = Options(
    recognition=RecognitionOptions(
        language="de", hints=(Hint("eins"), Hint("zwei", 2.0)), turns=TurnOptions(silence_ms=300)
    ),
    label="x",
)


def test_a_patch_makes_the_options():
    assert merged(Options(), patch_of(CHANGED)) == CHANGED
    assert patch_of(Options()) == patch_of(None) == {}
    assert patch_of(RecognitionOptions(language="de")) == {"recognition": {"language": "de"}}
    assert patch_of({"label": "x"}) == {"label": "x"}


def test_a_url_that_is_none():
    with pytest.raises(Refused):
        connect("ftp://host")


def test_a_transport_that_is_none():
    with pytest.raises(Refused, match="websocket, http, http2, grpc"):
        connect(transport="pigeon")  # type: ignore[arg-type]


def test_a_ca_that_cannot_be_read(tmp_path):
    with pytest.raises(Refused, match="ossicle certs"):
        trust(tmp_path / "ca.pem")
    (tmp_path / "ca.pem").write_text("no certificate")
    with pytest.raises(Refused, match="ossicle certs"):
        trust(tmp_path / "ca.pem")


async def test_a_stream_is_used_inside_its_block():
    with pytest.raises(Refused, match="async with"):
        await connect().send(b"x")
