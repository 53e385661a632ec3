"""Every command is a value that survives JSON and does not change."""

from typing import get_args

import msgspec
import pytest

from ossicle.core.commands import Audio, Cancel, Command, Configure, End, Join, Report, Speak, Tell
from ossicle.core.formats import AudioFormat
from ossicle.core.options import SynthesisOptions

COMMANDS = get_args(Command)

SAMPLES = [
    Configure(
        {"recognition": {"language": "de", "turns": None}},
        AudioFormat("opus", 48_000, 2, b"OpusHead"),
        credential="key",
        names=("CA1", "call"),
        join=Join("s1", "token", 7, 1_200, 3, "observer"),
        report_to=(Report("https://example.org/"),),
        ref="1",
    ),
    Audio(b"\x00\xff", 20, 1),
    Audio(b"", 0, 0),
    Speak("hello", more=True, options=SynthesisOptions(voice="v")),
    Speak(),
    Tell("result", "42", "tool", "call_1"),
    Cancel("in", heard_ms=0),
    End(7, "sip:b@example.org"),
]


@pytest.mark.parametrize("command", [*SAMPLES, *(kind() for kind in COMMANDS)], ids=repr)
def test_commands_survive_json(command):
    again = msgspec.json.decode(msgspec.json.encode(command), type=type(command))
    assert again == command


@pytest.mark.parametrize("kind", COMMANDS)
def test_a_command_does_not_change(kind):
    command = kind()
    assert command.ref == ""
    with pytest.raises(AttributeError):
        command.ref = "x"


def test_there_are_eight():
    assert len(COMMANDS) == 8


def test_nothing_said_and_nothing_to_say_are_told_apart():
    assert Speak().text is None
    assert Speak("").text == ""
    assert (Audio().at_ms, Audio(b"", 0).at_ms) == (None, 0)
    assert (Cancel().heard_ms, Cancel(heard_ms=0).heard_ms) == (None, 0)


def test_every_configure_has_a_patch_of_its_own():
    Configure().patch["x"] = 1
    assert Configure().patch == {}
