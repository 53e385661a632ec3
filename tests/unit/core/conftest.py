"""What tests of a session share."""

import pytest

from ossicle.core.events import SpeechEnded, SpeechStarted, Transcript
from ossicle.testing.house import HandHouse, HeldEngine


@pytest.fixture
def house():
    return HandHouse(HeldEngine())


@pytest.fixture
def shape():
    return shape_of


def shape_of(events) -> list[str]:
    """Events in short, for reading an order at a glance."""
    lines = []
    for event in events:
        match event:
            case SpeechStarted():
                lines.append(f"started {event.at_ms}")
            case Transcript(final=True):
                lines.append(f"final {event.text!r}{'!' if event.ends_turn else ''} {event.ref}")
            case Transcript():
                lines.append(f"partial {event.text!r}")
            case SpeechEnded():
                lines.append(f"ended {event.at_ms} {event.reason}")
            case _:
                lines.append(type(event).__name__)
    return [line.strip() for line in lines]
