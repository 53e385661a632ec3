# ruff: noqa: ISC004  a row is a name, JSON over some lines, and the object
"""Every kind of message once, as (name, JSON, object): parse, serialize and the fuzz start here."""

from ossicle.core import commands, events
from ossicle.core.errors import Fault
from ossicle.core.formats import AudioFormat
from ossicle.core.ledger import LedgerReport
from ossicle.core.options import Options, SynthesisOptions

OPTIONS = (
    '{"recognition":{"language":"en-US","model":"","interim_results":true,"word_times":true,'
    '"alternatives":1,"hints":[],"only_hints":false,"diarize":false,"punctuate":false,'
    '"profanity_filter":false,"channels":"mix","final":"fast","turns":{"silence_ms":800,'
    '"max_ms":0,"threshold":0.5,"eager":null,"confidence":null,"detect":true,"least_ms":0}},'
    '"synthesis":{"voice":"","language":"","speed":1.0},'
    '"overload":"pause","label":"","strict":false,"hears":null,'
    '"speaks":null,"answers":{"wanted":false,"auto":true,"interrupt":true,"resume":true,"aloud":true,'
    '"instructions":"","tools":[],"tool_choice":"auto","max_tokens":null}}'
)

CLIENT: tuple[tuple[str, str, commands.Command | None], ...] = (
    ("start", '{"type":"start"}', commands.Configure()),
    (
        "start in full",
        '{"type":"start","ref":"c1","encoding":"mulaw","sample_rate":8000,"channels":2,'
        '"speaks":{"encoding":"pcm_s16le","sample_rate":24000,"channels":1},'
        '"options":{"recognition":{"language":"de"}}}',
        commands.Configure(
            ref="c1",
            patch={"recognition": {"language": "de"}},
            format=AudioFormat("mulaw", 8_000, 2),
            speaks=AudioFormat("pcm_s16le", 24_000),
        ),
    ),
    ("finalize", '{"type":"finalize","ref":"f"}', commands.Finalize(ref="f")),
    (
        "finalize at 0",
        '{"type":"finalize","at_ms":0,"channel":0}',
        commands.Finalize(at_ms=0, channel=0),
    ),
    ("speak", '{"type":"speak","text":"Hello."}', commands.Speak(text="Hello.")),
    ("answer", '{"type":"speak"}', commands.Speak()),
    (
        "speak on",
        '{"type":"speak","text":"","more":true,"options":{"voice":"v","language":"","speed":2.0}}',
        commands.Speak(text="", more=True, options=SynthesisOptions("v", "", 2.0)),
    ),
    (
        "tell",
        '{"type":"tell","kind":"result","text":"42","call":"c"}',
        commands.Tell(kind="result", text="42", call="c"),
    ),
    (
        "played",
        '{"type":"played","utterance":"u","until_ms":20,"mark":"m","estimated":true}',
        commands.Played(utterance="u", until_ms=20, mark="m", estimated=True),
    ),
    ("cancel", '{"type":"cancel"}', commands.Cancel()),
    ("forget", '{"type":"cancel","side":"in"}', commands.Cancel(side="in")),
    ("keep alive", '{"type":"keep_alive"}', None),
    ("end", '{"type":"end"}', commands.End()),
    ("move", '{"type":"end","to":"wss://h"}', commands.End(to="wss://h")),
)

SERVER: tuple[tuple[str, str, events.Event], ...] = (
    (
        "began",
        '{"type":"began","session":"s","token":"n.s.x","resumed":false,"taken_bytes":0,'
        f'"taken_commands":0,"options":{OPTIONS}}}',
        events.Began(session="s", token="n.s.x"),
    ),
    (
        "configured",
        f'{{"type":"configured","seq":1,"ref":"c1","options":{OPTIONS}}}',
        events.Configured(seq=1, ref="c1", options=Options()),
    ),
    (
        "speech started",
        '{"type":"speech_started","seq":2,"side":"in","turn":0,"at_ms":0}',
        events.SpeechStarted(seq=2, at_ms=0),
    ),
    (
        "partial",
        '{"type":"transcript","seq":3,"text":"hé","turn":0,"segment":0,"final":false,'
        '"start_ms":0,"end_ms":null,"stable":1}',
        events.Transcript(seq=3, text="hé", start_ms=0, stable=1),
    ),
    (
        "final",
        '{"type":"transcript","seq":4,"ref":"f","text":"hey","turn":0,"segment":0,"final":true,'
        '"ends_turn":true,"start_ms":0,"end_ms":5,"words":[{"text":"hey","start_ms":0,'
        '"end_ms":5,"confidence":0.5,"speaker":"","language":""}],"alternatives":["hay"],'
        '"usage":{"audio_ms":5,"characters":0,"input_tokens":0,"output_tokens":0}}',
        events.Transcript(
            seq=4,
            ref="f",
            text="hey",
            start_ms=0,
            end_ms=5,
            final=True,
            ends_turn=True,
            words=(events.Word("hey", 0, 5, 0.5),),
            alternatives=("hay",),
            usage=events.Usage(audio_ms=5),
        ),
    ),
    (
        "speech ended",
        '{"type":"speech_ended","side":"in","turn":1,"at_ms":9,"reason":"silence",'
        '"provisional":true}',
        events.SpeechEnded(turn=1, at_ms=9, provisional=True),
    ),
    (
        "asked",
        '{"type":"asked","call":"c","name":"n","arguments":"{}"}',
        events.Asked(call="c", name="n", arguments="{}"),
    ),
    ("told", '{"type":"told","kind":"digits","text":"1#"}', events.Told(kind="digits", text="1#")),
    (
        "marked",
        '{"type":"marked","name":"m","utterance":"u","heard_ms":0,"cleared":true}',
        events.Marked(name="m", utterance="u", cleared=True),
    ),
    (
        "flow",
        '{"type":"flow","taken_bytes":3200,"taken_commands":1,"settled_ms":0,"until_ms":0}',
        events.Flow(taken_bytes=3200, taken_commands=1, until_ms=0),
    ),
    (
        "flow without limit",
        '{"type":"flow","taken_bytes":0,"taken_commands":0,"settled_ms":0}',
        events.Flow(),
    ),
    (
        "notice",
        '{"type":"notice","level":"warning","code":"x","text":"y"}',
        events.Notice(level="warning", code="x", text="y"),
    ),
    (
        "ended",
        '{"type":"ended","seq":9,"reason":"failed","audio_ms":1,"session_ms":2,"error":'
        '{"code":"internal","text":"t","whose":"us","retryable":false},"ledger":'
        '{"setup_ms":1.5,"first_partial_ms":null,"end_of_turn_ms":null,"queue_ms":null,'
        '"convert_ms":null,"engine_ms":null,"send_ms":null,"network_ms":null,"playback_ms":null,'
        '"turns":0}}',
        events.Ended(
            seq=9,
            reason="failed",
            audio_ms=1,
            session_ms=2,
            error=Fault("internal", "t"),
            ledger=LedgerReport(setup_ms=1.5),
        ),
    ),
)

MALFORMED: tuple[tuple[str, str], ...] = (
    ("empty", ""),
    ("not JSON", "hello"),
    ("a number", "1"),
    ("an array", "[]"),
    ("null", "null"),
    ("no type", "{}"),
    ("an unknown type", '{"type":"dance"}'),
    ("a type that is no text", '{"type":1}'),
    ("nested deeply", '{"type":"end","x":' + "[" * 100_000 + "]" * 100_000 + "}"),
    ("nested deeply, in options", '{"type":"start","options":' + '{"a":' * 50_000),
    ("a huge number", '{"type":"finalize","at_ms":1' + "0" * 400 + "}"),
    ("a number beyond the range", '{"type":"finalize","at_ms":9007199254740993}'),
    ("a negative time", '{"type":"finalize","at_ms":-1}'),
    ("a fraction", '{"type":"finalize","at_ms":0.5}'),
    ("a lone surrogate", '{"type":"tell","text":"\\ud800"}'),
    ("two objects", '{"type":"end"}{"type":"end"}'),
    ("a long ref", '{"type":"end","ref":"' + "x" * 201 + '"}'),
    ("a ref that is no text", '{"type":"end","ref":7}'),
    ("an unknown side", '{"type":"cancel","side":"both"}'),
    ("an unknown encoding", '{"type":"start","encoding":"mp7"}'),
    ("a rate out of range", '{"type":"start","encoding":"pcm_s16le","sample_rate":1}'),
    ("options that are a list", '{"type":"start","options":[]}'),
)
