"""Whatever stands in a credential or in a keys file: taken, or refused in words."""

import contextlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ossicle.core.errors import Denied, Refused
from ossicle.gateway.keys.jwt import JwtKeys, TokenCheck
from ossicle.gateway.keys.keyfile import parse
from ossicle.gateway.keys.minting import Mint

pytestmark = pytest.mark.fuzz

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["version", "keys", "id", "owner", "sha256", "made", "limits"])
            | st.text(max_size=8),
            inner,
            max_size=6,
        )
    ),
    max_leaves=20,
)
KEY_SET = {
    "keys": [
        {
            "kty": "OKP",
            "crv": "Ed25519",
            "kid": "a",
            "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
        }
    ]
}


@settings(derandomize=True, max_examples=300, deadline=None)
@given(st.binary(max_size=400) | JSON.map(lambda each: json.dumps(each).encode()))
def test_a_keys_file(data):
    with contextlib.suppress(Refused):
        parse(data, "keys.json")


@settings(derandomize=True, max_examples=300, deadline=None)
@given(st.text(max_size=60), st.text(max_size=60), st.text(max_size=60))
def test_a_minted_token(first, second, third):
    for text in (f"ossicle-t.{first}.{second}", f"{first}.{second}.{third}", first):
        with pytest.raises(Denied):
            Mint(b"s" * 32).read(text)


@settings(derandomize=True, max_examples=300, deadline=None)
@given(st.lists(st.text(max_size=60) | JSON.map(json.dumps), min_size=3, max_size=3))
def test_a_foreign_token(tmp_path_factory, parts):
    path = tmp_path_factory.getbasetemp() / "jwks.json"
    if not path.exists():
        path.write_text(json.dumps(KEY_SET))
    with pytest.raises(Denied):
        JwtKeys(path, TokenCheck("i", "a")).owner(".".join(parts))
