"""Every dialect keeps the laws of the kit; and the kit finds what breaks them."""

import pytest

from ossicle.core.commands import Audio, Cancel, Configure, End, Finalize, Played, Speak, Tell
from ossicle.core.events import Ended, SpeechEnded, SpeechStarted, Transcript, Word
from ossicle.core.formats import AudioFormat
from ossicle.core.wire import Accept, ChannelTraits, Close, Opening
from ossicle.dialects.native import NativeClient, NativeServer
from ossicle.testing.dialect import check_pair, check_server

SOCKET = Opening(
    path="/v1/stream",
    query=(("encoding", "pcm_s16le"),),
    headers=(("sec-websocket-protocol", "ossicle.v1"),),
)
BODY = Opening(
    method="POST",
    path="/v1/stream",
    traits=ChannelTraits(framed=False),
    headers=(("content-type", "audio/wav"),),
)
EVENTS = (
    SpeechStarted(seq=2, at_ms=100),
    Transcript(
        seq=3,
        text="hello",
        start_ms=100,
        end_ms=400,
        words=(Word("hello", 100, 400),),
        stable=2,
        language="en",
    ),
    SpeechEnded(seq=4, at_ms=900, reason="silence", confidence=0.5),
    Transcript(seq=5, text="hello", start_ms=100, end_ms=400, final=True, ends_turn=True),
    Ended(seq=6, audio_ms=1000, session_ms=1200),
)
COMMANDS = (
    Audio(data=b"\x01\x02"),
    Configure(ref="c", patch={"recognition": {"language": "de"}}),
    Finalize(ref="f", channel=1),
    Speak(ref="s", text="guten Tag", more=True),
    Tell(kind="result", text="42", call="c1"),
    Played(utterance="u", until_ms=20, mark="m"),
    Cancel(side="in"),
    End(at_ms=5),
)


@pytest.mark.parametrize("opening", [SOCKET, BODY], ids=["socket", "body"])
def test_native_server_keeps_the_laws(opening: Opening) -> None:
    check_server(NativeServer, opening)


def test_native_halves_mirror_one_another() -> None:
    check_pair(
        NativeServer,
        NativeClient,
        commands=COMMANDS,
        events=EVENTS,
        configure=Configure(
            format=AudioFormat("mulaw", 8000),
            patch={"recognition": {"turns": {"silence_ms": 300}, "hints": [{"text": "ossicle"}]}},
            credential="key",
        ),
    )


class Late(NativeServer):
    """Says something after Close."""

    def send(self, event, now):
        steps = super().send(event, now)
        return (*steps, Accept()) if isinstance(event, Ended) else steps


class Silent(NativeServer):
    """Refuses without a word."""

    def send(self, event, now):
        return () if isinstance(event, Ended) else super().send(event, now)


class Busy(NativeServer):
    """Its deadline never moves."""

    def expire(self, now):
        return ()


class Rough(NativeServer):
    """A generator instead of a tuple."""

    def receive(self, message, now):
        return (step for step in super().receive(message, now))


@pytest.mark.parametrize("broken", [Late, Silent, Busy, Rough], ids=lambda kind: kind.__name__)
def test_the_kit_finds_what_is_broken(broken) -> None:
    with pytest.raises(AssertionError):
        check_server(broken, SOCKET)


def test_the_kit_finds_a_lost_command() -> None:
    class Forgetful(NativeServer):
        def receive(self, message, now):
            steps = super().receive(message, now)
            return tuple(step for step in steps if not isinstance(step, Finalize))

    with pytest.raises(AssertionError, match=r"changed on its way|were sent"):
        check_pair(Forgetful, NativeClient, commands=COMMANDS, events=EVENTS)


def test_close_is_told_as_a_status_before_and_a_code_after() -> None:
    dialect = NativeServer()
    dialect.open(Opening(path="/v1/stream", query=(("nonsense", "1"),)), 0.0)
    steps = dialect.open(Opening(path="/v1/stream", query=(("langauge", "en"),)), 0.0)
    (refused,) = steps
    assert isinstance(refused, Close)
    assert refused.code == 400
    assert b"did you mean 'language'" in refused.body
