"""The relay bench's provider says what each client half understands, in every one of its turns."""

import pytest
from bench.null_provider import SPOKEN, append

from ossicle.client.dialects import PROVIDERS
from ossicle.core.commands import Configure
from ossicle.core.events import Began, Event, Notice, Transcript
from ossicle.core.wire import Accept, Text
from ossicle.dialects.openai.messages import append_of


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("native", "/v1/stream"),
        ("deepgram", "/v1/listen"),
        ("assemblyai", "/v3/ws"),
        ("openai", "/v1/realtime"),
    ],
)
def test_what_it_says_is_understood(name: str, path: str) -> None:
    half, spoken = PROVIDERS[name].make(), SPOKEN[path]
    half.open(Configure())
    told: list[object] = list(half.receive(Accept(), 0.0))
    for text in spoken.hello:
        told += half.receive(Text(text), 0.0)
    assert any(isinstance(event, Began) for event in told)
    for number in range(1, 31):
        heard: list[Event | object] = []
        for text in (*spoken.before(number), spoken.reply(number)):
            heard += half.receive(Text(text), 0.0)
        words = [event.text for event in heard if isinstance(event, Transcript)]
        assert f"reply {number} " in words[-1], heard
        assert not any(isinstance(event, Notice) for event in heard)
        assert 100 <= len(spoken.reply(number)) <= 400


def test_sound_is_wrapped_as_the_client_half_does() -> None:
    assert append(bytes(960)) == append_of(bytes(960))
