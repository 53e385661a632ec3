"""Messages as carriers send them, and what each says: drives the parse tests and the fuzz seeds."""

from typing import Any

from ossicle.core.formats import AudioFormat
from ossicle.dialects.twilio.calls import Digits, Failed, Reached, Sound, Start, Stop

__all__ = ["BROKEN", "STARTS", "TABLE"]

MULAW = AudioFormat("mulaw", 8_000)

STARTS: dict[str, str] = {
    "twilio": (
        '{"event":"start","sequenceNumber":"1","streamSid":"MZ0a","start":{"accountSid":"AC1",'
        '"callSid":"CA1","streamSid":"MZ0a","tracks":["inbound"],"mediaFormat":{"encoding":'
        '"audio/x-mulaw","sampleRate":8000,"channels":1},"customParameters":{"lang":"en"}}}'
    ),
    "telnyx": (
        '{"event":"start","sequence_number":"1","stream_id":"s1","start":{"user_id":"u",'
        '"call_control_id":"v3:c1","media_format":{"encoding":"PCMA","sample_rate":8000,'
        '"channels":1},"custom_parameters":{"lang":"en"}}}'
    ),
    "vonage": (
        '{"event":"websocket:connected","content-type":"audio/l16;rate=16000","lang":"en",'
        '"uuid":"c1"}'
    ),
    "plivo": (
        '{"event":"start","sequenceNumber":0,"start":{"callId":"c1","streamId":"s1",'
        '"accountId":"a1","tracks":["inbound"],"mediaFormat":{"encoding":"audio/x-l16",'
        '"sampleRate":16000}},"extra_headers":"lang=en;a=1"}'
    ),
}

TABLE: list[tuple[str, str, str, Any]] = [
    # name, carrier, message, what it says after a start
    ("a stream that begins", "twilio", STARTS["twilio"],
     Start("CA1", "MZ0a", MULAW, ("inbound",), {"lang": "en"})),
    ("connected", "twilio", '{"event":"connected","protocol":"Call","version":"1.0.0"}', None),
    ("media", "twilio",
     ('{"event":"media","sequenceNumber":"4","streamSid":"MZ0a","media":{"track":"inbound",'
     '"chunk":"2","timestamp":"20","payload":"//7+/f38"}}'),
     Sound(b"\xff\xfe\xfe\xfd\xfd\xfc", "inbound", 20)),
    ("media with numbers as numbers, another order, and a new member", "twilio",
     ('{"media":{"payload":"AA==","timestamp":20,"chunk":2,"new":1},"streamSid":"MZ0a",'
     '"new":{"deep":[]},"sequenceNumber":4,"event":"media"}'),
     Sound(b"\x00", "inbound", 20)),
    ("a digit", "twilio",
     ('{"event":"dtmf","sequenceNumber":"9","streamSid":"MZ0a","dtmf":{"track":"inbound_track",'
     '"digit":"5"}}'), Digits("5")),
    ("a mark", "twilio",
     '{"event":"mark","sequenceNumber":"31","streamSid":"MZ0a","mark":{"name":"greeting-end"}}',
     Reached("greeting-end")),
    ("the end", "twilio",
     ('{"event":"stop","sequenceNumber":"90","streamSid":"MZ0a","stop":{"accountSid":"AC1",'
     '"callSid":"CA1"}}'), Stop()),
    ("another stream's sound", "twilio",
     '{"event":"media","sequenceNumber":"4","streamSid":"MZother","media":{"payload":"AA=="}}',
     None),
    ("an event nobody knows", "twilio", '{"event":"weather","streamSid":"MZ0a"}', None),
    ("a number said before", "twilio",
     '{"event":"dtmf","sequenceNumber":"1","streamSid":"MZ0a","dtmf":{"digit":"5"}}', None),
    ("Telnyx begins", "telnyx", STARTS["telnyx"],
     Start("v3:c1", "s1", AudioFormat("alaw", 8_000), ("inbound",), {"lang": "en"})),
    ("Telnyx media", "telnyx",
     '{"event":"media","sequence_number":"4","media":{"track":"inbound","chunk":"3","timestamp":'
     '"41","payload":"' + "AAAA" * 53 + 'AA=="},"stream_id":"s1"}',
     Sound(bytes(160), "inbound", 40)),
    ("Telnyx media after a hold", "telnyx",
     '{"event":"media","media":{"chunk":"3","timestamp":"9041","payload":"' + "AAAA" * 53
     + 'AA=="},"stream_id":"s1"}', Sound(bytes(160), "inbound", 9_041)),
    ("Telnyx digit", "telnyx", '{"event":"dtmf","stream_id":"s1","dtmf":{"digit":"#"}}',
     Digits("#")),
    ("Telnyx mark", "telnyx", '{"event":"mark","stream_id":"s1","mark":{"name":"x"}}',
     Reached("x")),
    ("Telnyx error", "telnyx",
     '{"event":"error","stream_id":"s1","payload":{"code":100003,"title":"malformed_frame"}}',
     Failed("100003")),
    ("Telnyx ends", "telnyx", '{"event":"stop","stream_id":"s1","stop":{}}', Stop()),
    ("Vonage begins", "vonage", STARTS["vonage"],
     Start("c1", "", AudioFormat("pcm_s16le", 16_000), ("inbound",), {"lang": "en", "uuid": "c1"},
           two_way=True)),
    ("Vonage digit", "vonage", '{"event":"websocket:dtmf","digit":"5","duration":260}',
     Digits("5")),
    ("Vonage notify", "vonage", '{"event":"websocket:notify","payload":{"mark":"x"}}',
     Reached("x")),
    ("Vonage cleared", "vonage", '{"event":"websocket:cleared"}', None),
    ("Plivo begins", "plivo", STARTS["plivo"],
     Start("c1", "s1", AudioFormat("pcm_s16le", 16_000), ("inbound",), {"lang": "en", "a": "1"})),
    ("Plivo media", "plivo",
     ('{"event":"media","sequenceNumber":1,"streamId":"s1","media":{"track":"inbound","timestamp":'
     '"1700000000000","chunk":1,"payload":"AAAA"}}'), Sound(bytes(3), "inbound", 0)),
    ("Plivo checkpoint", "plivo", '{"event":"playedStream","streamId":"s1","name":"x"}',
     Reached("x")),
    ("Plivo cleared", "plivo", '{"event":"clearedAudio","streamId":"s1"}', None),
    ("Plivo digit", "plivo", '{"event":"dtmf","streamId":"s1","dtmf":{"digit":"5"}}',
     Digits("5")),
]  # fmt: skip

BROKEN: list[tuple[str, str, str]] = [
    ("no JSON", "twilio", "hello"),
    ("no object", "twilio", "[]"),
    ("no event", "twilio", "{}"),
    ("no base64", "twilio",
     '{"event":"media","sequenceNumber":"4","streamSid":"MZ0a","media":{"payload":"%%%"}}'),
    ("base64 cut", "twilio",
     '{"event":"media","sequenceNumber":"4","streamSid":"MZ0a","media":{"payload":"AAA"}}'),
    ("media without media", "twilio",
     '{"event":"media","sequenceNumber":"4","streamSid":"MZ0a"}'),
    ("a number that is none", "twilio",
     '{"event":"media","sequenceNumber":"four","streamSid":"MZ0a","media":{"payload":"AA=="}}'),
    ("deeper than a parser goes", "twilio", '{"event":"x","y":' + "[" * 5_000),
    ("a lone surrogate", "twilio", '{"event":"media","streamSid":"\\ud800"}'),
    ("Telnyx mark without a mark", "telnyx", '{"event":"mark","stream_id":"s1"}'),
    ("Plivo media without media", "plivo", '{"event":"media","streamId":"s1"}'),
]  # fmt: skip
