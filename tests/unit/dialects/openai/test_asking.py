"""What one answer shall be different in."""

from ossicle.core.commands import Line, Speak
from ossicle.dialects.openai.asking import speak_of
from ossicle.dialects.openai.book import Book
from ossicle.dialects.openai.messages import ResponseAsked


def test_as_the_session_says():
    assert speak_of(None, Book()) == Speak()
    assert speak_of(ResponseAsked(), Book()) == Speak()
    assert speak_of(ResponseAsked(output_modalities=("audio",)), Book()) == Speak()


def test_otherwise():
    asked = ResponseAsked(
        instructions="Be short.", max_output_tokens=5, output_modalities=("text",),
        audio={"output": {"voice": "mine"}},
    )  # fmt: skip
    speak = speak_of(asked, Book())
    assert speak.answer is not None
    assert speak.options is not None
    assert (speak.answer.instructions, speak.answer.max_tokens) == ("Be short.", 5)
    assert speak.answer.aloud is False
    assert speak.options.voice == "mine"
    assert speak.lines is None


def test_apart():
    assert speak_of(ResponseAsked(conversation="none"), Book()).lines == ()
    said = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "x"}]}
    assert speak_of(ResponseAsked(input=(said,)), Book()).lines == (Line("x"),)
