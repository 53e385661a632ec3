"""Whatever is sent as a token is refused in words, unless this gateway made it."""

import contextlib

from hypothesis import given, settings
from hypothesis import strategies as st

from ossicle.core.errors import Denied
from ossicle.gateway.keys.minting import Mint

MINT = Mint(b"s" * 32, lambda: 1_000.0)
GOOD = MINT.issue("ann", "0123456789abcdef", 30).token


@settings(max_examples=500, derandomize=True, deadline=None)
@given(st.text(max_size=300))
def test_noise_is_never_a_token(text):
    for token in (text, "ossicle-t." + text, GOOD + text + ".", f"ossicle-t.{text}.{text}"):
        try:
            MINT.read(token)
        except Denied:
            continue
        raise AssertionError("noise was taken for a token")


@settings(max_examples=500, derandomize=True, deadline=None)
@given(st.integers(0, len(GOOD) - 1), st.characters(codec="ascii"))
def test_one_changed_character_spoils_it(place, character):
    changed = GOOD[:place] + character + GOOD[place + 1 :]
    with contextlib.suppress(Denied):
        claims = MINT.read(changed)
        # base64 has unused bits at its end: then it says the same
        assert claims == MINT.read(GOOD)
