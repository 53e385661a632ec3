"""Golden conversations: a real session and the scripted engine behind the server half, with every
message that goes out written down."""

import json
from typing import Any

import pytest
from amazon_table import post, upgrade

from ossicle.core.legs import Leg
from ossicle.core.wire import Accept, Binary, Close, Fin, Message
from ossicle.dialects.amazon.eventstream import encode, read_frames
from ossicle.dialects.amazon.messages import audio_frame
from ossicle.dialects.amazon.server import AmazonServer
from ossicle.engines.scripted import ScriptedEngine
from ossicle.testing.clock import ManualTimers
from ossicle.testing.house import HandChannel, HandHouse


def conversation(opening: Any, said: list[Message], *, wait_s: float = 0.0) -> list[Any]:
    """What goes out for it: heads and closes as they are, frames as type and JSON."""
    house = HandHouse(ScriptedEngine("Hello there. Good bye!", timers=ManualTimers()))
    channel = HandChannel()
    leg = Leg(AmazonServer(), channel, house)
    leg.start(opening)
    house.serve()
    for message in said:
        if isinstance(message, Binary):
            leg.binary(message.data)
        else:
            leg.received(message)
        house.serve()
    if wait_s:
        house.pass_time(wait_s)
    out: list[Any] = []
    for message in channel.sent:
        if not isinstance(message, Binary):
            out.append(message if isinstance(message, Close) else type(message))
            continue
        (frame,) = read_frames(message.data)
        kind = frame.text(":event-type") or frame.text(":exception-type")
        out.append((kind, json.loads(frame.payload)))
    return out


def item(content: str, start: float, end: float, **more: Any) -> dict[str, Any]:
    return {
        "StartTime": start, "EndTime": end, "Type": "pronunciation", "Content": content,
        "VocabularyFilterMatch": False,
    } | more  # fmt: skip


def sign(content: str, at: float, **more: Any) -> dict[str, Any]:
    return item(content, at, at, **more) | {"Type": "punctuation"}


def result(
    name: str, start: float, end: float, text: str, *items: dict[str, Any], partial: bool = True
) -> tuple[str, dict[str, Any]]:
    return (
        "TranscriptEvent",
        {"Transcript": {"Results": [{
            "ResultId": name, "StartTime": start, "EndTime": end, "IsPartial": partial,
            "Alternatives": [{"Transcript": text, "Items": list(items), "Entities": []}],
            "LanguageCode": "en-US",
        }]}},
    )  # fmt: skip


NOTHING = ("TranscriptEvent", {"Transcript": {"Results": []}})


@pytest.mark.parametrize("ask", [post, upgrade])
def test_two_sentences(ask: Any) -> None:
    sound = [Binary(encode(audio_frame(bytes(9_600)))) for _ in range(4)]  # a word each
    end: list[Message] = [Fin()] if ask is post else [Binary(b"")]
    out = conversation(ask(), [*sound, *end])
    assert out[:2] == [Accept, NOTHING]
    first, second = out[2][1]["Transcript"]["Results"][0]["ResultId"], ""
    second = out[-2][1]["Transcript"]["Results"][0]["ResultId"]
    assert len({first, second, ask().id}) == 3
    hello, there = item("Hello", 0.0, 0.3), item("there", 0.3, 0.6)
    good, bye = item("Good", 0.6, 0.9), item("bye", 0.9, 1.2)
    assert out[2:] == [
        result(first, 0.0, 0.3, "Hello", hello),
        result(first, 0.0, 0.6, "Hello there.", hello, there, sign(".", 0.6)),
        result(first, 0.0, 0.6, "Hello there.", hello, there, sign(".", 0.6), partial=False),
        result(second, 0.6, 0.9, "Good", good),
        result(second, 0.6, 1.2, "Good bye!", good, bye, sign("!", 1.2)),
        result(second, 0.6, 1.2, "Good bye!", good, bye, sign("!", 1.2), partial=False),
        Close(),
    ]


@pytest.mark.parametrize("ask", [post, upgrade])
def test_silence(ask: Any) -> None:
    out = conversation(ask(), [Binary(encode(audio_frame(bytes(9_600))))], wait_s=16.0)
    assert out[:2] == [Accept, NOTHING]
    *_, closed, (name, body), close = out
    assert closed[1]["Transcript"]["Results"][0]["IsPartial"] is False
    assert name == "BadRequestException"
    assert body["Message"].startswith("Your request timed out because no new audio was received")
    assert close == Close()


@pytest.mark.parametrize("ask", [post, upgrade])
def test_no_audio_at_all(ask: Any) -> None:
    assert conversation(ask(), [Fin()]) == [Accept, NOTHING, Close()]


def test_a_client_that_breaks_off_in_a_frame() -> None:
    torn = encode(audio_frame(bytes(9_600)))[:5_000]
    *_, (name, body), close = conversation(post(), [Binary(torn), Fin()])
    assert (name, close) == ("BadRequestException", Close())
    assert body["Message"] == "the stream ended within a frame: 5000 bytes of it came"
