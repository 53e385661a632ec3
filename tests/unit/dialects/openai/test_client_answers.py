"""Responses of a service by the refs of those who asked, and the items that they say."""

import pytest

from ossicle.core.events import AudioOut, SpeechEnded, SpeechStarted
from ossicle.core.formats import AudioFormat
from ossicle.dialects.openai.client_answers import Answers
from ossicle.dialects.openai.messages import AudioDelta, ResponseCreated, ResponseDone


def sound(response: str, item: str, data: bytes) -> AudioDelta:
    return AudioDelta(
        response_id=response, item_id=item, output_index=0, content_index=0, delta=data
    )


def test_answers_begin_in_the_order_in_which_they_were_asked_for() -> None:
    answers = Answers()
    answers.format = AudioFormat("pcm_s16le", 24_000)
    answers.expect("first")
    answers.expect("second")
    assert not answers.under_way
    began = [answers.told(ResponseCreated(response={"id": name})) for name in ("r1", "r2", "r3")]
    assert [event.ref for events in began for event in events if isinstance(event, SpeechStarted)] \
        == ["first", "second", ""]  # fmt: skip
    assert answers.under_way
    (one,) = answers.told(sound("r1", "i1", bytes(4_800)))
    (two,) = answers.told(sound("r1", "i1", bytes(4_800)))
    assert isinstance(one, AudioOut)
    assert isinstance(two, AudioOut)
    assert (one.start_ms, two.start_ms, two.ref) == (0, 100, "first")
    answers.told(sound("r2", "i2", bytes(480)))
    assert (answers.item_of("r1"), answers.item_of(""), answers.item_of("r9")) == (
        "i1", "i2", None,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("status", "reason"),
    [("completed", "done"), ("cancelled", "cancelled"), ("failed", "failed"),
     ("incomplete", "limit"), ("new to us", "done")],
)  # fmt: skip
def test_the_end_says_how_long_it_was_and_why(status: str, reason: str) -> None:
    answers = Answers()
    answers.format = AudioFormat("pcm_s16le", 24_000)
    answers.told(ResponseCreated(response={"id": "r"}))
    answers.told(sound("r", "i", bytes(9_600)))
    usage = {"input_tokens": 5, "output_tokens": -1}
    (ended,) = answers.told(ResponseDone(response={"id": "r", "status": status, "usage": usage}))
    assert isinstance(ended, SpeechEnded)
    assert (ended.reason, ended.at_ms) == (reason, 200)
    assert ended.usage is not None
    assert (ended.usage.input_tokens, ended.usage.output_tokens) == (5, 0)
    assert not answers.under_way


def test_the_items_of_the_last_responses_are_known() -> None:
    answers = Answers()
    for number in range(100):
        answers.told(ResponseCreated(response={"id": f"r{number}"}))
        answers.told(sound(f"r{number}", f"i{number}", b""))
        answers.told(ResponseDone(response={"id": f"r{number}"}))
    assert answers.item_of("r0") is None
    assert answers.item_of("r99") == answers.item_of("") == "i99"
