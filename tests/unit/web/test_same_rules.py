"""The JavaScript client keeps the rules of the Python one: the same steps, the same answers.

Thousands of random steps go through both: what waits, what is replayed, what is told. A rule that
is changed on one side only is found here.
"""

import json
import random
from typing import Any

import msgspec
import pytest

from ossicle.client.backoff import Backoff, Reconnect
from ossicle.client.outbox import Outbox
from ossicle.client.queue import EventQueue
from ossicle.client.timeline import Timeline
from ossicle.core.commands import Cancel, Command, Configure, End, Finalize, Played, Speak, Tell
from ossicle.core.errors import OssicleError
from ossicle.core.events import (
    AudioOut,
    Ended,
    Event,
    Marked,
    Notice,
    SpeechEnded,
    SpeechStarted,
    Transcript,
    Word,
)
from ossicle.core.formats import AudioFormat
from ossicle.dialects.native.messages import encode, message_of, request_of

COMMANDS: tuple[Command, ...] = (
    Finalize(), Configure(), Speak(text="x"), Tell(kind="text", text="x"),
    Cancel(side="in"), Cancel(side="out"), Played(utterance="u", until_ms=3),
)  # fmt: skip


def js(value: msgspec.Struct) -> Any:
    """A message as JavaScript sees it."""
    return json.loads(encode(value))  # type: ignore[arg-type]


# ── outbox ──


def _steps(chance: random.Random, cuttable: bool) -> list[list[Any]]:
    steps: list[list[Any]] = []
    names = ["push", "push", "push", "next", "next", "next", "ask", "acknowledge", "settle",
             "answer", "resume", "place", "move", "hasRoom"]  # fmt: skip
    asked = 0
    for _ in range(120):
        name = chance.choice(names)
        match name:
            case "push":
                count = chance.choice([2, 16, 64, 320])
                steps.append([name, [chance.randrange(256) for _ in range(count)]])
            case "next":
                steps.append([name, chance.choice([None, None, chance.randrange(80)])])
            case "ask":
                asked += 1
                steps.append([name, chance.randrange(len(COMMANDS)), f"c{asked}"])
            case "acknowledge":
                values = [chance.randrange(2000), chance.randrange(8), chance.randrange(60)]
                steps.append([name, *values])
            case "settle" | "place" | "move":
                steps.append([name, chance.randrange(100)])
            case "answer":
                steps.append([name, f"c{chance.randrange(1, 12)}"])
            case "resume":
                steps.append([name, chance.randrange(2000), chance.randrange(8)])
            case _:
                steps.append([name, chance.choice([2, 400, 4000]), chance.random() < 0.5])
    steps.append(["ask", -1, "end"])
    steps += [["next", None]] * 4
    return steps


def _command(number: int, ref: str) -> Command:
    return End(ref=ref) if number < 0 else msgspec.structs.replace(COMMANDS[number], ref=ref)


def _python(format_: tuple[Any, ...], bounds: dict[str, Any], steps: list[list[Any]]) -> list[Any]:
    box = Outbox(AudioFormat(*format_), buffer_s=bounds["buffer_s"], keep_s=bounds["keep_s"],
                 keep_bytes=bounds["keepBytes"])  # fmt: skip
    told: list[Any] = []
    for name, *values in steps:
        answer: Any = None
        try:
            match name:
                case "push":
                    box.push(bytes(values[0]))
                case "next":
                    item = box.next(values[0])
                    answer = list(item) if isinstance(item, bytes) else item and item.ref
                case "ask":
                    box.ask(_command(*values))
                case "hasRoom":
                    answer = box.has_room(values[0], flowing=values[1])
                case "place":
                    place = box.place(values[0])
                    answer = place and msgspec.to_builtins(place)
                case "move":
                    if (place := box.place(values[0])) is not None:
                        box.move(place)
                case "answer":
                    answer = box.answer(values[0]) is not None
                case _:
                    getattr(box, name)(*values)
        except OssicleError:
            answer = "refused"
        told.append([answer, box.end, box.sent, box.taken, box.base, box.home_ms, box.idle])
    return told


FORMATS = {
    "cuttable": ("pcm_s16le", 1000, 1),
    "odd": ("pcm_s24le", 8000, 2),
    "container": ("auto", 16000, 1),
}


@pytest.mark.parametrize("format_", FORMATS.values(), ids=FORMATS)
def test_the_outbox(in_javascript: Any, format_: tuple[Any, ...]) -> None:
    bounds = {"buffer_s": 0.3, "keep_s": 0.1, "keepBytes": 500}
    jobs, expected = [], []
    for seed in range(60):
        steps = _steps(random.Random(seed), cuttable=format_[0] != "auto")
        expected.append(_python(format_, bounds, steps))
        said = [
            ["ask", js(request_of(_command(*step[1:])))] if step[0] == "ask" else step
            for step in steps
        ]
        jobs.append({"job": "outbox", "format": format_, "bounds": bounds, "steps": said})
    for seed, (told, wanted) in enumerate(zip(in_javascript(*jobs), expected, strict=True)):
        for place, (one, other) in enumerate(zip(told, wanted, strict=True)):
            assert one == other, f"seed {seed}, step {place}"


# ── timeline ──


def _events(chance: random.Random, channels: int) -> list[tuple[str, Any]]:
    """What gateways might say, in any order a broken network makes of it."""
    steps: list[tuple[str, Any]] = []
    seq, turn, at = 0, [0] * channels, 0
    for _ in range(100):
        channel = chance.randrange(channels)
        seq += chance.choice([0, 1, 1, 1, 2])
        at += chance.randrange(300)
        number = max(0, turn[channel] + chance.choice([0, 0, 0, 0, 1, -1]))
        common: dict[str, Any] = {"seq": seq, "channel": channel}
        event: Event
        match chance.randrange(12):
            case 0 | 1:
                event = SpeechStarted(side="in", turn=number, at_ms=at, **common)
            case 2 | 3 | 4 | 5 | 6:
                words = tuple(
                    Word(f"w{n}", at + 40 * n, at + 40 * n + 30, 0.5)
                    for n in range(chance.randrange(4))
                )
                final = chance.random() < 0.5
                ends = final and chance.random() < 0.6
                event = Transcript(
                    text=" ".join(word.text for word in words), start_ms=at,
                    end_ms=chance.choice([at + 200, at, None]), turn=number,
                    segment=chance.randrange(3), final=final, ends_turn=ends,
                    words=words if chance.random() < 0.8 else None,
                    ref=chance.choice(["", "c1"]), **common,
                )  # fmt: skip
                if ends:
                    turn[channel] = number + 1
            case 7 | 8:
                event = SpeechEnded(side="in", turn=number, at_ms=at, reason="silence",
                                    provisional=chance.random() < 0.3, **common)  # fmt: skip
            case 9:
                event = SpeechStarted(side="out", turn=0, at_ms=0, utterance=f"u{seq % 4}", seq=seq)
            case 10:
                name = f"u{seq % 4}"
                over = SpeechEnded(
                    side="out", turn=0, at_ms=0, reason="done", utterance=name, seq=seq
                )
                marked = Marked(name="m", utterance=name, heard_ms=4, seq=seq)
                event = chance.choice([over, marked])
            case _:
                event = Notice(level="info", code="x", text="y", seq=seq)
        steps.append(("take", event))
        if chance.random() < 0.08:
            steps.append(("settled", at - chance.randrange(200)))
        if chance.random() < 0.04:
            steps.append(("move", max(0, at - chance.randrange(1500))))
    steps.append(("take", Ended(reason="done", seq=seq + 1)))
    return steps


def _plain(told: list[Any]) -> list[Any]:
    """Without what is a default, whichever side wrote it."""
    return [
        {name: value for name, value in each.items() if value or name == "type"}
        | {"side": each.get("side") or "in"}
        for each in told
    ]


@pytest.mark.parametrize("channels", [1, 2])
def test_the_timeline(in_javascript: Any, channels: int) -> None:
    jobs, expected = [], []
    for seed in range(60):
        line = Timeline(channels=channels)
        wanted, said = [], []
        for name, value in _events(random.Random(seed), channels):
            match name:
                case "take":
                    said.append([name, js(message_of(value))])
                    told: Any = line.take(value)
                case "move":
                    said.append([name, value])
                    told = line.move(value)
                case _:
                    said.append([name, max(0, value)])
                    line.settled(max(0, value))
                    told = ()
            messages = [js(message_of(event)) for event in told]
            wanted.append([_plain(messages), line.since, line.settled_ms, line.turn])
        expected.append(wanted)
        jobs.append({"job": "timeline", "channels": channels, "steps": said})
    for seed, (answers, wanted) in enumerate(zip(in_javascript(*jobs), expected, strict=True)):
        for place, (one, other) in enumerate(zip(answers, wanted, strict=True)):
            assert [_plain(one[0]), *one[1:]] == other, f"seed {seed}, step {place}"


# ── queue ──


def test_the_queue(in_javascript: Any) -> None:
    jobs, expected = [], []
    for seed in range(30):
        chance = random.Random(seed)
        box = EventQueue(most=20, most_bytes=5_000)
        steps: list[Any] = []
        wanted: list[Any] = []
        for number in range(1, 200):
            popped = None
            if chance.random() < 0.4:
                steps.append(None)
                popped = box.pop()
            else:
                event: Event = (
                    AudioOut(utterance="u", data=bytes(400), start_ms=0, seq=number)
                    if chance.random() < 0.1
                    else Transcript(text="x", turn=chance.randrange(3), segment=chance.randrange(2),
                                    final=chance.random() < 0.3, seq=number)
                )  # fmt: skip
                box.push(event)
                said = js(message_of(event))
                steps.append(said | {"data": 400} if isinstance(event, AudioOut) else said)
            wanted.append([popped and popped.seq, len(box), box.full, box.low])
        expected.append(wanted)
        jobs.append({"job": "queue", "bounds": {"most": 20, "mostBytes": 5_000}, "steps": steps})
    assert in_javascript(*jobs) == expected


# ── backoff ──


def test_when_to_knock_again(in_javascript: Any) -> None:
    plan = Reconnect(first_s=1.0, most_s=5.0, total_s=60.0)
    steps = [[0.0, 0.0], [1.0, 30.0], [40.0, 10.0], [41.0, 30.0], [59.5, 0.0], [61.0, 0.0]]
    waits = Backoff(plan, lambda: 0.5)
    expected = [waits.wait(now, least) for now, least in steps]
    assert expected[1] == 31.0
    assert expected[3] is expected[5] is None
    plain = {"first_s": 1.0, "most_s": 5.0, "total_s": 60.0}
    assert in_javascript({"job": "backoff", "plan": plain, "steps": steps}) == [expected]
