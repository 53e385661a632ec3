"""The laws of `core.ports` for OpenAI's dialects, and that the two halves of `/v1/realtime`
understand each other. What is lost on the way is lost in one place: `kept`."""

import json

import msgspec
import pytest

from ossicle.core.commands import (
    Audio,
    Cancel,
    Command,
    Configure,
    End,
    Finalize,
    Played,
    Speak,
    Tell,
)
from ossicle.core.errors import Denied
from ossicle.core.events import (
    Asked,
    AudioOut,
    Began,
    Configured,
    Ended,
    Event,
    SpeechEnded,
    SpeechStarted,
    Transcript,
)
from ossicle.core.formats import AudioFormat
from ossicle.core.wire import Binary, Close, Fin, Opening, Text
from ossicle.dialects.openai import RealtimeClient, RealtimeServer
from ossicle.dialects.openai.transcription_request import TranscriptionRequest
from ossicle.testing.dialect import check_pair, check_server

PCM = AudioFormat("pcm_s16le", 24_000)
TELEPHONE = AudioFormat("mulaw", 8_000)


@pytest.mark.parametrize(
    "query",
    [(("model", "gpt-realtime"),), (("intent", "transcription"),), (("call_id", "rtc_1"),)],
)
@pytest.mark.parametrize("headers", [(), (("openai-beta", "realtime=v1"),)])
def test_the_server_half(query: tuple[tuple[str, str], ...], headers: tuple[tuple[str, str], ...]):
    check_server(RealtimeServer, Opening(id="i", query=query, headers=headers, at=1_000.0))


def form(*fields: tuple[str, str], file: bytes = b"RIFF", first: bool = False) -> bytes:
    parts = [
        f'--x\r\ncontent-disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields
    ]
    sound = (
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
        + file
        + b"\r\n"
    )
    return b"".join((sound, *parts) if first else (*parts, sound)) + b"--x--\r\n"


@pytest.mark.parametrize("first", [False, True])
def test_a_recording(first: bool):
    """Streamed; the other answer is one Close (`test_transcription_request`)."""
    body = form(("model", "whisper-1"), ("stream", "true"), first=first)
    opening = Opening(method="POST", headers=(("content-type", "multipart/form-data; boundary=x"),))
    check_server(TranscriptionRequest, opening, hello=(Binary(body), Fin()))


def kept(item: Command | Event) -> object:
    """Declared losses: options, which go as a `session.update`; `Began` but for its id; times of
    words; why a turn ended; channels, segments and sequence; whatever says `Configured`."""
    match item:
        case Began():
            return Began(session=item.session.removeprefix("sess_"))
        case Configured():
            return None
        case Configure():
            return None if not item.credential else Configure(credential=item.credential)
        case SpeechEnded(side="in"):
            return SpeechEnded(at_ms=item.at_ms, turn=item.turn)
        case SpeechEnded():
            return SpeechEnded(side="out", reason=item.reason, ref="")
        case SpeechStarted(side="out"):
            return SpeechStarted(side="out", at_ms=0)
        case AudioOut():
            return AudioOut(data=item.data, start_ms=item.start_ms)
        case Transcript(side="out"):
            return Transcript(side="out", text=item.text, final=item.final)
        case Transcript():
            return Transcript(text=item.text, turn=item.turn, final=item.final)
        case Asked():
            return Asked(call=item.call, name=item.name, arguments=item.arguments)
        case Finalize():
            return Finalize()
        case Speak():
            return Speak()
        case Played():
            return None
        case Cancel():
            return Cancel(side=item.side)
        case _:
            return msgspec.structs.replace(item, ref="")


def turn(text: str, number: int) -> list[Event]:
    at = 300 + 1_000 * number
    return [
        SpeechStarted(at_ms=at, turn=number),
        SpeechEnded(at_ms=at + 600, turn=number),
        Transcript(text=text, start_ms=at, end_ms=at + 600, turn=number, final=True, ends_turn=True,
                   stable=len(text)),
    ]  # fmt: skip


def test_the_two_halves_of_a_transcription():
    # A final is told in growth and whole: the partial before it says the same words.
    def heard(item: Command | Event) -> object:
        return None if isinstance(item, Transcript) and not item.final else kept(item)

    check_pair(
        RealtimeServer,
        RealtimeClient,
        commands=[Audio(data=bytes(24_000)), Finalize(ref="one"), Cancel(side="in")],
        events=[*turn("turn left", 0), *turn("now", 1)],
        kept=heard,
        configure=Configure(format=TELEPHONE, credential="KEY"),
    )


def test_the_two_halves_of_a_conversation():
    def heard(item: Command | Event) -> object:
        return None if isinstance(item, Transcript) and not item.final else kept(item)

    sound = bytes(4_800)
    check_pair(
        RealtimeServer,
        RealtimeClient,
        commands=[
            Audio(data=bytes(4_800)),
            Tell(text="hello", role="user"),
            Tell(kind="result", text="noon", call="c1", role="user"),
            Speak(ref="r"),
        ],
        events=[
            *turn("turn left", 0),
            SpeechStarted(side="out", utterance="u1", at_ms=0),
            AudioOut(utterance="u1", data=sound),
            AudioOut(utterance="u1", data=sound, start_ms=100),
            Transcript(side="out", utterance="u1", text="Left.", final=True, ends_turn=True),
            SpeechEnded(side="out", utterance="u1", reason="cancelled"),
            SpeechStarted(side="out", utterance="u2", at_ms=0),
            Asked(utterance="u2", call="c1", name="clock", arguments="{}"),
            SpeechEnded(side="out", utterance="u2", reason="done"),
        ],
        kept=lambda item: _conversation(heard(item)),
        configure=Configure(
            patch={"answers": {"wanted": True}}, format=PCM, speaks=PCM, credential="KEY"
        ),
    )


def _conversation(item: object) -> object:
    """The transcript of an answer comes when it ends, behind what was in between; that of the user
    only if the update that asks for it arrived, which this kit does not carry."""
    return None if isinstance(item, Transcript) else item


def test_a_refusal_arrives_as_what_it_was():
    server, client = RealtimeServer(), RealtimeClient()
    server.open(client.open(Configure(format=PCM)), 0.0)
    steps = [
        step
        for message in server.send(Ended(reason="refused", error=Denied("no").fault()), 0.0)
        for step in client.receive(message, 0.0)  # type: ignore[arg-type]
    ]
    (ended,) = [step for step in steps if isinstance(step, Ended)]
    assert ended.error is not None
    assert ended.error.code == "unauthorized"


def test_the_end_waits_for_the_last_words():
    client = RealtimeClient()
    client.open(Configure(patch={"recognition": {"turns": {"detect": False}}}, format=PCM))
    client.receive(Text('{"type":"session.created","session":{"id":"sess_1"}}'), 0.0)
    client.send(Audio(data=bytes(9_600)), 0.0)
    (commit,) = client.send(End(), 1.0)
    assert "commit" in commit.data
    client.receive(
        Text('{"type":"input_audio_buffer.committed","item_id":"i","previous_item_id":null}'), 1.0
    )
    completed = {
        "type": "conversation.item.input_audio_transcription.completed",
        "item_id": "i", "content_index": 0, "transcript": "turn", "usage": {},
    }  # fmt: skip
    final, close, ended = client.receive(Text(json.dumps(completed)), 2.0)
    assert isinstance(final, Transcript)
    assert (close, ended) == (Close(1000), Ended())
    assert client.deadline == float("inf")


def said(kind: str, **fields: object) -> Text:
    """An event of the service."""
    return Text(json.dumps({"type": kind, **fields}))


def hears(**turns: object) -> RealtimeClient:
    """One that waits 5 s for the last words, and listens."""
    client = RealtimeClient(goodbye_s=5.0)
    client.open(Configure(patch={"recognition": {"turns": turns}}, format=PCM))
    client.receive(said("session.created", session={"id": "sess_1"}), 0.0)
    return client


def test_the_end_does_not_wait_for_ever_and_says_that_words_are_missing():
    client = hears(detect=False)
    client.send(Audio(data=bytes(9_600)), 0.0)
    client.send(End(), 1.0)
    assert client.deadline == 6.0
    committed = said("input_audio_buffer.committed", item_id="i", previous_item_id=None)
    client.receive(committed, 4.0)
    assert client.deadline == 9.0  # it still talks
    close, ended = client.expire(9.0)
    assert close == Close(1000)
    assert isinstance(ended, Ended)
    assert ended.error is not None
    assert (ended.error.code, ended.error.whose) == ("timed_out", "upstream")
    assert ended.error.retryable
    assert client.deadline == float("inf")


def test_an_answer_that_is_not_over_at_the_end_is_only_cut():
    client = RealtimeClient(talks=True, goodbye_s=5.0)
    client.open(Configure(format=PCM))
    client.receive(said("session.created", session={"id": "sess_1"}), 0.0)
    client.receive(said("response.created", response={"id": "resp_1"}), 0.5)
    client.send(End(), 1.0)
    assert client.expire(6.0) == (Close(1000), Ended())


def test_the_end_commits_what_would_be_too_short_by_itself():
    """The service refuses to commit less than 100 ms, and a word may end in them."""
    client = hears(detect=False)
    client.send(Audio(data=bytes(9_600)), 0.0)
    client.send(Finalize(ref="q"), 0.5)
    client.send(Audio(data=b"\x01\x02" * 480), 0.6)  # 20 ms
    filled, commit = client.send(End(), 1.0)
    assert isinstance(filled, Text)
    assert len(json.loads(filled.data)["audio"]) == 80 * 48 * 4 // 3
    assert isinstance(commit, Text)
    assert "commit" in commit.data


def test_what_was_cleared_is_not_waited_for():
    client = hears()
    client.send(Audio(data=bytes(9_600)), 0.0)
    client.receive(said("input_audio_buffer.speech_started", item_id="a", audio_start_ms=0), 0.1)
    client.send(Cancel(side="in"), 0.2)
    client.receive(said("input_audio_buffer.cleared"), 0.3)
    late = said("input_audio_buffer.speech_stopped", item_id="a", audio_end_ms=200)
    assert client.receive(late, 0.4) == (SpeechEnded(at_ms=200),)
    assert client.send(End(), 1.0) == (Close(1000), Ended())
