"""The helper's protocol: any cut gives the same messages, and nonsense is refused."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ossicle.engines.espeak.pipe import MAX_MESSAGE, SAY, SOUND, Unpacker, pack

MESSAGES = [(SAY, 1, b"{}"), (SOUND, 2**32 - 1, bytes(1000)), (SOUND, 3, b"")]


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.integers(1, 1100))
def test_any_cut_gives_the_same_messages(size):
    stream = b"".join(pack(*message) for message in MESSAGES)
    unpacker = Unpacker()
    found = [
        message
        for at in range(0, len(stream), size)
        for message in unpacker.feed(stream[at : at + size])
    ]
    assert found == MESSAGES


@pytest.mark.parametrize("head", [b"\xff" * 9, b"\0" * 9, b"\x05\0\0\0\x63\0\0\0\0"])
def test_nonsense_is_refused(head):
    with pytest.raises(ValueError, match="no message has kind"):
        list(Unpacker().feed(head))


def test_a_message_has_a_limit():
    with pytest.raises(ValueError, match=f"limit of {MAX_MESSAGE}"):
        pack(SAY, 1, bytes(MAX_MESSAGE + 1))
