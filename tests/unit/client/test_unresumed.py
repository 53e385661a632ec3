"""What a provider's protocol cannot carry is said; what it can survives a break."""

import pytest

from ossicle.client.dialects import PROVIDERS
from ossicle.client.unresumed import Unresumed
from ossicle.core.commands import (
    Audio,
    Cancel,
    Command,
    Configure,
    End,
    Finalize,
    Join,
    Played,
    Speak,
    Tell,
)
from ossicle.core.events import Notice, Transcript
from ossicle.core.formats import AudioFormat
from ossicle.core.wire import Accept, Message, Text

LISTENERS = ("deepgram", "deepgram-flux", "assemblyai")


def half(name: str, join: Join | None = None) -> Unresumed:
    made = Unresumed(PROVIDERS[name].make(), AudioFormat(), name)
    made.open(Configure(format=AudioFormat(), join=join))
    made.receive(Accept(), 0.0)
    return made


def notices(made: Unresumed, command: Command) -> list[Notice]:
    return [step for step in made.send(command, 1.0) if isinstance(step, Notice)]


@pytest.mark.parametrize("name", LISTENERS)
@pytest.mark.parametrize(
    "command",
    [Speak(ref="r1", text="hello"), Cancel(ref="r1", side="out"), Cancel(ref="r1", side="in"),
     Tell(ref="r1", kind="text", text="hello")],
    ids=["speak", "cancel out", "cancel in", "tell"],
)  # fmt: skip
def test_what_a_listener_has_no_word_for(name: str, command: Command) -> None:
    (notice,) = notices(half(name), command)
    assert (notice.level, notice.ref) == ("error", "r1")
    assert "hello" not in notice.text


@pytest.mark.parametrize(
    "command",
    [Finalize(ref="r1"), Configure(ref="r1", patch={"recognition": {"language": "de-DE"}})],
    ids=["finalize", "configure"],
)
def test_what_a_voice_has_no_word_for(command: Command) -> None:
    (notice,) = notices(half("deepgram-speak"), command)
    assert (notice.level, notice.ref) == ("error", "r1")


def test_options_that_cannot_change_while_it_listens() -> None:
    made = half("deepgram")
    (notice,) = notices(made, Configure(ref="r1", patch={"recognition": {"language": "de-DE"}}))
    assert "configure" in notice.text


@pytest.mark.parametrize("name", ["deepgram", "deepgram-flux", "deepgram-speak"])
@pytest.mark.parametrize(
    "command", [Audio(data=b""), Played(utterance="u", until_ms=1), End()], ids=str
)
def test_what_may_be_silent(name: str, command: Command) -> None:
    assert notices(half(name), command) == []


def test_a_question_keeps_its_name_across_a_break() -> None:
    """Asked again on the connection after it; the answer names it."""
    asked = Finalize(ref="c7")
    first = half("deepgram")
    assert any(isinstance(step, Text) for step in first.send(asked, 1.0))
    second = half("deepgram", Join(token="again", since=4, settled_ms=1_000, turn=2))
    assert any(isinstance(step, Text) for step in second.send(asked, 2.0))
    answer: Message = Text(
        '{"type":"Results","channel_index":[0,1],"duration":0.5,"start":0.0,"is_final":true,'
        '"speech_final":true,"from_finalize":true,"channel":{"alternatives":[{"transcript":"yes",'
        '"confidence":0.9,"words":[]}]}}'
    )
    finals = [step for step in second.receive(answer, 3.0) if isinstance(step, Transcript)]
    assert finals
    assert finals[-1].ref == "c7"
    assert finals[-1].seq > 4
    assert (finals[-1].turn, finals[-1].end_ms) == (2, 1_500)
