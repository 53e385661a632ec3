"""Each carrier's spelling, both ways, by the table."""

import base64
import json
import re
from typing import Any

import pytest
from twilio_table import BROKEN, STARTS, TABLE

from ossicle.core.errors import BadAudio, BadMessage
from ossicle.core.wire import Binary, Text
from ossicle.dialects.twilio.server import CARRIERS


def ready(carrier: str) -> Any:
    it = CARRIERS[carrier]()
    it.read(STARTS[carrier])
    return it


@pytest.mark.parametrize(
    ("carrier", "text", "said"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE]
)
def test_what_a_message_says(carrier: str, text: str, said: Any):
    assert ready(carrier).read(text) == said


@pytest.mark.parametrize(
    ("carrier", "text"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN]
)
def test_what_is_no_message_is_refused_without_quoting_it(carrier: str, text: str):
    it = ready(carrier)
    with pytest.raises(BadMessage) as refused:
        it.read(text)
    assert not re.search("%%%|four", str(refused.value))
    assert len(str(refused.value)) < 200


def told(message: Any) -> dict[str, Any]:
    assert isinstance(message, Text)
    return json.loads(message.data)


def test_twilio_gets_exactly_the_members_it_knows():
    it = ready("twilio")
    (media,) = it.sound(b"abc")
    sound = base64.b64encode(b"abc").decode()
    assert told(media) == {"event": "media", "streamSid": "MZ0a", "media": {"payload": sound}}
    assert told(it.mark("m")) == {"event": "mark", "streamSid": "MZ0a", "mark": {"name": "m"}}
    assert told(it.clear()) == {"event": "clear", "streamSid": "MZ0a"}


def test_telnyx_gets_no_stream_id_and_at_most_30_s_a_message():
    it = ready("telnyx")
    messages = it.sound(bytes(8 * 45_000))
    assert [len(base64.b64decode(told(m)["media"]["payload"])) for m in messages] == [
        240_000,
        120_000,
    ]
    assert set(told(messages[0])) == {"event", "media"}
    assert told(it.mark("m")) == {"event": "mark", "mark": {"name": "m"}}
    assert told(it.clear()) == {"event": "clear"}


def test_telnyx_l16_is_turned_round_both_ways():
    it = CARRIERS["telnyx"]()
    it.read(STARTS["telnyx"].replace("PCMA", "L16"))
    payload = base64.b64encode(b"\x01\x02\x03\x04").decode()
    heard: Any = it.read(
        json.dumps({"event": "media", "stream_id": "s1", "media": {"payload": payload}})
    )
    assert heard.data == b"\x02\x01\x04\x03"
    (said,) = it.sound(b"\x02\x01\x04\x03")
    assert told(said)["media"]["payload"] == payload


def test_vonage_gets_frames_of_20_ms():
    it = ready("vonage")
    assert it.sound(bytes(1_920)) == (Binary(bytes(640)),) * 3
    assert told(it.mark("m")) == {"action": "notify", "payload": {"mark": "m"}}
    assert told(it.clear()) == {"action": "clear"}


def test_plivo_gets_its_own_names():
    it = ready("plivo")
    (play,) = it.sound(b"ab")
    assert told(play) == {
        "event": "playAudio",
        "media": {"contentType": "audio/x-l16", "sampleRate": 16_000, "payload": "YWI="},
    }
    assert told(it.mark("m")) == {"event": "checkpoint", "streamId": "s1", "name": "m"}
    assert told(it.clear()) == {"event": "clearAudio", "streamId": "s1"}


@pytest.mark.parametrize("carrier", ["twilio", "telnyx", "plivo"])
def test_a_codec_nobody_decodes_is_refused_by_name(carrier: str):
    text = STARTS[carrier]
    for name in ("audio/x-mulaw", "PCMA", "audio/x-l16"):
        text = text.replace(name, "G722")
    with pytest.raises(BadAudio, match="G722"):
        CARRIERS[carrier]().read(text)


@pytest.mark.parametrize(
    "kind", ["audio/opus", "audio/l16", "audio/l16;rate=x", "audio/l16;rate=1"]
)
def test_vonage_must_say_what_it_sends(kind: str):
    message = {"event": "websocket:connected", "content-type": kind}
    with pytest.raises(BadAudio):
        CARRIERS["vonage"]().read(json.dumps(message))
