import pytest

from ossicle.core.commands import Cancel, End, Finalize
from ossicle.core.errors import Fault
from ossicle.core.events import Ended, Notice, SpeechEnded, SpeechStarted, Transcript, Word
from ossicle.core.formats import AudioFormat
from ossicle.core.options import Hint, Options, RecognitionOptions, TurnOptions
from ossicle.engines.pocketsphinx.framing import LONGEST, Framer, Progress, Settled, frame

MESSAGES = [
    b"",
    b"\x00\x01" * 320,
    Options(),
    Options(
        recognition=RecognitionOptions(
            hints=(Hint("go forward", 2.0),), only_hints=True, turns=TurnOptions(eager=0.5)
        ),
        hears=AudioFormat(),
    ),
    Finalize(ref="f1", at_ms=3),
    Cancel(side="in", ref="c"),
    End(ref="e"),
    SpeechStarted(at_ms=0),
    Transcript(text="çà et là", words=(Word("çà", 0, 10),), final=True, ends_turn=True),
    Transcript(words=None, start_ms=None),
    SpeechEnded(at_ms=5, reason="limit", provisional=True),
    Notice(code="hints_unused", text="x"),
    Ended(reason="failed", error=Fault("engine_failed", "y", "upstream", True)),
    Progress(1 << 40),
    Settled(7),
]


@pytest.mark.parametrize("size", [1, 3, 7, 100_000])
def test_messages_survive_any_cutting(size):
    data = b"".join(map(frame, MESSAGES))
    framer, found = Framer(), []
    for at in range(0, len(data), size):
        found += framer.feed(data[at : at + size])
    assert found == MESSAGES


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"\x00\x00\x00\x00\x01", "frame of 0 bytes"),
        ((LONGEST + 1).to_bytes(4, "little") + b"\x01", f"outside 1-{LONGEST}"),
        (b"\x01\x00\x00\x00\x63", "kind 99 is not known"),
        (b"\x02\x00\x00\x00\x02\xc1", "not a Finalize"),
    ],
)
def test_what_is_not_a_frame_is_named(data, what):
    with pytest.raises(ValueError, match=what):
        Framer().feed(data)
