"""What one side writes the other reads: the module's requests, and the gateway's messages."""

import json
from typing import Any

from ossicle.core.commands import Cancel, Configure, End, Finalize, Played, Speak, Tell
from ossicle.core.errors import Fault
from ossicle.core.events import (
    Asked,
    Ended,
    Flow,
    Marked,
    Notice,
    SpeechEnded,
    SpeechStarted,
    Told,
    Transcript,
    Word,
)
from ossicle.core.ledger import LedgerReport
from ossicle.dialects.native.messages import command_of, decode_client, encode, message_of

REQUESTS = [
    ({"type": "start", "ref": "c1", "options": {"label": "x"}},
     Configure(ref="c1", patch={"label": "x"})),
    ({"type": "finalize", "ref": "c2"}, Finalize(ref="c2")),
    ({"type": "speak", "ref": "c3", "text": "hello", "more": True},
     Speak(ref="c3", text="hello", more=True)),
    ({"type": "speak", "ref": "c4", "more": False}, Speak(ref="c4", text=None)),
    ({"type": "tell", "ref": "c5", "kind": "digits", "text": "12", "role": "user", "call": ""},
     Tell(ref="c5", kind="digits", text="12")),
    ({"type": "played", "utterance": "u", "until_ms": 250, "mark": "m"},
     Played(utterance="u", until_ms=250, mark="m")),
    ({"type": "cancel", "side": "in", "utterance": ""}, Cancel(side="in")),
    ({"type": "end"}, End()),
]  # fmt: skip

EVENTS = [
    SpeechStarted(side="in", turn=1, at_ms=5, seq=1),
    Transcript(text="go é", turn=1, segment=0, final=True, words=(Word("go", 1, 2, 0.5),), seq=2),
    SpeechEnded(side="in", turn=1, at_ms=9, seq=3),
    Asked(call="a", name="b", arguments="{}", seq=4),
    Told(kind="text", text="x", seq=5),
    Marked(name="m", utterance="u", heard_ms=3, seq=6),
    Flow(taken_bytes=1, taken_commands=2, settled_ms=3, until_ms=None),
    Notice(level="warning", code="x", text="y", seq=7),
    Ended(reason="failed", error=Fault("internal", "x"), ledger=LedgerReport(turns=1), seq=8),
]


def test_requests_are_read_by_the_gateway(in_javascript: Any) -> None:
    (texts,) = in_javascript({"job": "serialize", "requests": [said for said, _ in REQUESTS]})
    for text, (_, command) in zip(texts, REQUESTS, strict=True):
        assert command_of(decode_client(text)) == command
    (alive,) = in_javascript({"job": "serialize", "requests": [{"type": "keep_alive"}]})
    assert command_of(decode_client(alive[0])) is None


def test_the_gateways_messages_are_read(in_javascript: Any) -> None:
    texts = [encode(message_of(event)) for event in EVENTS]
    (read,) = in_javascript({"job": "parse", "texts": texts})
    assert read == [json.loads(text) for text in texts]


def test_what_is_none_of_ours(in_javascript: Any) -> None:
    texts = ["", "<html>", "[]", "null", "3", "{}", '{"type":"of_tomorrow"}', "{" * 10_000]
    (read,) = in_javascript({"job": "parse", "texts": texts})
    refused = {"error": "bad_message"}
    assert read == [refused] * 6 + [None, refused]
