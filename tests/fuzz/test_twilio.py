"""Whatever a carrier sends, it is taken, left alone, or ends its own call; nothing else happens."""

import json
import sys
from math import inf
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ossicle.core.commands import Audio, Configure
from ossicle.core.events import AudioOut, Ended, SpeechEnded, SpeechStarted
from ossicle.core.legs import Leg
from ossicle.core.wire import Accept, Binary, Close, Fin, Message, Opening, Ping, Text
from ossicle.dialects.twilio import CallServer, TwilioClient
from ossicle.dialects.twilio.signature import places, valid
from ossicle.testing.house import HandChannel, HandHouse, HeldEngine

sys.path.insert(0, str(Path(__file__).parent.parent / "unit" / "dialects" / "twilio"))

from twilio_table import BROKEN, STARTS, TABLE  # type: ignore[import-not-found]

from mutations import anything, misfilled, mutated

pytestmark = pytest.mark.fuzz

GOOD = [row[2] for row in TABLE]
SEEDS = GOOD + [row[2] for row in BROKEN]

texts = mutated(SEEDS) | misfilled(GOOD) | st.sampled_from(GOOD) | anything.map(json.dumps)
messages: st.SearchStrategy[Message] = st.one_of(
    texts.map(Text),
    st.binary(max_size=20).map(Binary),
    st.sampled_from([Ping(), Fin(), Accept(), Close(1000), Close(1006)]),
)
names = st.sampled_from(["", *STARTS])


@settings(max_examples=400, derandomize=True)
@given(names, st.booleans(), st.lists(messages, max_size=8))
@example("twilio", True, [Text(text) for text in GOOD])
def test_a_server_half_bears_anything(carrier: str, begun: bool, sent: list[Message]):
    server = CallServer(*([carrier] if carrier else []))
    server.open(Opening(), 0.0)
    if begun and carrier:
        server.receive(Text(STARTS[carrier]), 0.0)
    closes = configures = 0
    for now, message in enumerate(sent):
        steps = server.receive(message, float(now))
        assert not closes or not steps, "something was done after a Close"
        closes += sum(isinstance(step, Close) for step in steps)
        configures += sum(isinstance(step, Configure) for step in steps)
        for step in steps:
            assert not isinstance(step, Close) or step.code == 1000
            assert not isinstance(step, Audio) or step.data
        for event in (
            AudioOut(utterance="u", data=bytes(999), mark="m" * (now % 2)),
            SpeechStarted(side="in"),
            SpeechEnded(side="out", utterance="u"),
        ):
            server.send(event, float(now))
        if server.deadline != inf:
            due = server.deadline
            server.expire(due)
            assert server.deadline > due, "a busy loop"
    assert configures + begun <= 2
    server.send(Ended(), 99.0)
    assert server.deadline == inf


@settings(max_examples=150, derandomize=True)
@given(names, st.lists(messages, max_size=8))
def test_a_session_bears_what_its_dialect_makes_of_it(carrier: str, sent: list[Message]):
    """With a real leg and session behind: no exception, and a bounded journal."""
    house = HandHouse(HeldEngine())
    channel = HandChannel()
    leg = Leg(CallServer(*([carrier] if carrier else [])), channel, house)
    leg.start(Opening(id="o"))
    if carrier:
        leg.received(Text(STARTS[carrier]))
    house.serve()
    for message in sent:
        if isinstance(message, Binary):
            leg.binary(message.data)
        else:
            leg.received(message)
    house.pass_time(20.0)
    assert not channel.aborted
    closes = [m for m in channel.sent if isinstance(m, Close)]
    assert all(close.code == 1000 for close in closes)
    assert all(session.life.state != "live" or session.owner for session in house.sessions)


@settings(max_examples=200, derandomize=True)
@given(st.lists(messages, max_size=6))
def test_a_client_half_bears_anything(sent: list[Message]):
    client = TwilioClient()
    client.open(Configure())
    for now, message in enumerate(sent):
        client.receive(message, float(now))
        if client.deadline != inf:
            client.expire(max(client.deadline, float(now)))


@settings(max_examples=200, derandomize=True)
@given(st.text(max_size=40), st.text(max_size=40), st.text(max_size=40), st.text(max_size=60))
def test_no_signature_is_right_by_chance(base: str, path: str, given_: str, settings_: str):
    assert not valid(b"token", given_, places(base, path), settings=settings_)
