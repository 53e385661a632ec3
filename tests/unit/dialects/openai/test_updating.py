"""What of a session may change, and until when."""

from typing import Any

import pytest

from ossicle.dialects.openai.book import Book
from ossicle.dialects.openai.errors import Rejected
from ossicle.dialects.openai.updating import update_of

TELEPHONE: dict[str, Any] = {"audio": {"input": {"format": {"type": "audio/pcmu"}}}}
VOICE: dict[str, Any] = {"audio": {"output": {"voice": "cedar"}}}


def test_before_anything_was_heard_all_of_it():
    after = update_of({"type": "realtime", **TELEPHONE}, Book(), typed=True)
    assert after.audio.input.format.type == "audio/pcmu"
    after = update_of(VOICE, Book(), typed=False)
    assert after.audio.output.voice == "cedar"


@pytest.mark.parametrize(
    ("change", "flag", "word"),
    [
        ({}, "", "missing_required_parameter"),
        ({"type": "transcription"}, "", "invalid_value"),
        ({"type": "realtime", **TELEPHONE}, "declared", "invalid_value"),
        ({"type": "realtime", **VOICE}, "voiced", "cannot_update_voice"),
    ],
)
def test_then_not_any_more(change: dict[str, Any], flag: str, word: str):
    book = Book()
    if flag:
        setattr(book, flag, True)
    with pytest.raises(Rejected) as refused:
        update_of(change, book, typed=True)
    assert refused.value.word == word


def test_on_a_track_formats_do_not_matter():
    book = Book()
    book.declared = book.paced = True
    after = update_of({"type": "realtime", **TELEPHONE}, book, typed=True)
    assert after.audio.input.format.type == "audio/pcmu"
