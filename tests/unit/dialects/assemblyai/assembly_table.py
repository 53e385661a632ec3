# ruff: noqa: ISC004  a row is a name, JSON over some lines, and the object
"""Every kind of message once, as (name, JSON, object): parse, serialize and the fuzz start here."""

from ossicle.dialects.assemblyai import legacy_messages as legacy
from ossicle.dialects.assemblyai import messages as v3

CLIENT: tuple[tuple[str, str, v3.ClientMessage], ...] = (
    ("force", '{"type":"ForceEndpoint"}', v3.ForceEndpoint()),
    ("keep alive", '{"type":"KeepAlive"}', v3.KeepAlive()),
    ("terminate", '{"type":"Terminate"}', v3.Terminate()),
    ("nothing changed", '{"type":"UpdateConfiguration"}', v3.UpdateConfiguration()),
    (
        "update",
        '{"type":"UpdateConfiguration","end_of_turn_confidence_threshold":0.7,'
        '"min_turn_silence":160,"max_turn_silence":900,"vad_threshold":0.3,"format_turns":true,'
        '"keyterms_prompt":["Ossicle"],"filter_profanity":false,"language_codes":["de"],'
        '"session_heartbeat":true,"acknowledge_silence":true}',
        v3.UpdateConfiguration(
            end_of_turn_confidence_threshold=0.7,
            min_turn_silence=160,
            max_turn_silence=900,
            vad_threshold=0.3,
            format_turns=True,
            keyterms_prompt=("Ossicle",),
            filter_profanity=False,
            language_codes=("de",),
            session_heartbeat=True,
            acknowledge_silence=True,
        ),
    ),
    (
        "back to the default",
        '{"type":"UpdateConfiguration","max_turn_silence":null}',
        v3.UpdateConfiguration(max_turn_silence=None),
    ),
)

_WORD = '{"start":1240,"end":1400,"text":"turn","confidence":0.98,"word_is_final":true}'
_TURN_WORD = v3.TurnWord(1240, 1400, "turn", 0.98, True)

SERVER: tuple[tuple[str, str, v3.ServerMessage], ...] = (
    (
        "begin",
        '{"type":"Begin","id":"9f1c","expires_at":1795423148,"configuration":'
        '{"model":"universal-streaming-english","mode":"balanced","api_version":"2025-05-12"}}',
        v3.Begin(
            "9f1c",
            1795423148,
            v3.Configuration("universal-streaming-english", "balanced", "2025-05-12"),
        ),
    ),
    (
        "begin, in short",
        '{"type":"Begin","id":"9f1c","expires_at":"2026-11-24T09:00:00Z"}',
        v3.Begin("9f1c", "2026-11-24T09:00:00Z"),
    ),
    ("speech", '{"type":"SpeechStarted","timestamp":1240}', v3.SpeechStarted(1240)),
    (
        "turn",
        '{"type":"Turn","turn_order":0,"turn_is_formatted":false,"end_of_turn":false,'
        f'"transcript":"turn","end_of_turn_confidence":0.03,"words":[{_WORD}],"utterance":""}}',
        v3.Turn(0, False, False, "turn", 0.03, (_TURN_WORD,)),
    ),
    (
        "turn with a speaker and a language",
        '{"type":"Turn","turn_order":3,"turn_is_formatted":true,"end_of_turn":true,'
        '"transcript":"Turn.","end_of_turn_confidence":0.9,"words":[{"start":1,"end":2,'
        '"text":"Turn.","confidence":1.0,"word_is_final":true,"speaker":"A"}],'
        '"utterance":"Turn.","language_code":"en","language_confidence":0.9,"speaker_label":"A"}',
        v3.Turn(
            3, True, True, "Turn.", 0.9, (v3.TurnWord(1, 2, "Turn.", 1.0, True, "A"),), "Turn.",
            "en", 0.9, "A",
        ),
    ),
    (
        "termination",
        '{"type":"Termination","audio_duration_seconds":12,"session_duration_seconds":13}',
        v3.Termination(12, 13),
    ),
    (
        "error",
        '{"type":"Error","error_code":3007,"error":"Input Duration Error"}',
        v3.Error(3007, "Input Duration Error"),
    ),
    (
        "warning",
        '{"type":"Warning","warning_code":3006,"warning":"odd"}',
        v3.Warning_(3006, "odd"),
    ),
    (
        "heartbeat",
        '{"type":"Heartbeat","total_audio_received_ms":5000,"total_duration_ms":5010,'
        '"realtime_factor":0.2,"max_speech_probability":0.9}',
        v3.Heartbeat(5000, 5010, 0.2, 0.9),
    ),
    ("silence", '{"type":"Silence","start_ms":4000,"end_ms":5000}', v3.Silence(4000, 5000)),
    (
        "revision",
        f'{{"type":"SpeakerRevision","revisions":[{{"turn_order":0,"words":[{_WORD}],'
        '"speaker_label":"A"}]}',
        v3.SpeakerRevision((v3.Revision(0, (_TURN_WORD,), "A"),)),
    ),
)  # fmt: skip

MALFORMED: tuple[tuple[str, str], ...] = (
    ("nothing", ""),
    ("no JSON", "hello"),
    ("cut", '{"type":"Terminate"'),
    ("a list", "[]"),
    ("no type", '{"min_turn_silence":1}'),
    ("unknown type", '{"type":"Dance"}'),
    ("type of another type", '{"type":3}'),
    ("text for a number", '{"type":"UpdateConfiguration","max_turn_silence":"900"}'),
    ("a fraction", '{"type":"UpdateConfiguration","max_turn_silence":0.5}'),
    ("a negative silence", '{"type":"UpdateConfiguration","max_turn_silence":-1}'),
    ("a threshold over 1", '{"type":"UpdateConfiguration","vad_threshold":1.5}'),
    ("text for a boolean", '{"type":"UpdateConfiguration","format_turns":"yes"}'),
    ("text for a list", '{"type":"UpdateConfiguration","keyterms_prompt":"a"}'),
    ("base64", '{"audio_data":"AAAA"}'),
    ("half a surrogate", '{"type":"\\ud800"}'),
    ("deep", '{"type":' * 3_000),
)

LEGACY_CLIENT: tuple[tuple[str, str, legacy.LegacyRequest], ...] = (
    ("audio", '{"audio_data":"AAH/"}', legacy.LegacyRequest(audio_data=b"\0\1\xff")),
    ("terminate", '{"terminate_session":true}', legacy.LegacyRequest(terminate_session=True)),
    ("force", '{"force_end_utterance":true}', legacy.LegacyRequest(force_end_utterance=True)),
    (
        "silence",
        '{"end_utterance_silence_threshold":700}',
        legacy.LegacyRequest(end_utterance_silence_threshold=700),
    ),
)

_LEGACY_WORD = '{"start":100,"end":300,"confidence":0.9,"text":"turn"}'
_DATE = "2025-05-01T09:00:00.100000"

LEGACY_SERVER: tuple[tuple[str, str, legacy.LegacyServerMessage | legacy.LegacyError], ...] = (
    (
        "begins",
        f'{{"message_type":"SessionBegins","session_id":"uuid","expires_at":"{_DATE}"}}',
        legacy.SessionBegins("uuid", _DATE),
    ),
    (
        "partial",
        '{"message_type":"PartialTranscript","audio_start":0,"audio_end":900,"confidence":0.9,'
        f'"created":"{_DATE}","text":"turn","words":[{_LEGACY_WORD}]}}',
        legacy.PartialTranscript(
            0, 900, 0.9, _DATE, "turn", (legacy.LegacyWord(100, 300, 0.9, "turn"),)
        ),
    ),
    (
        "final",
        '{"message_type":"FinalTranscript","audio_start":0,"audio_end":900,"confidence":0.9,'
        f'"created":"{_DATE}","text":"Turn.","words":[],"punctuated":true,"text_formatted":true}}',
        legacy.FinalTranscript(0, 900, 0.9, _DATE, "Turn.", (), True, True),
    ),
    (
        "information",
        '{"message_type":"SessionInformation","audio_duration_seconds":12.4}',
        legacy.SessionInformation(12.4),
    ),
    ("terminated", '{"message_type":"SessionTerminated"}', legacy.SessionTerminated()),
    ("error", '{"error":"Not Authorized"}', legacy.LegacyError("Not Authorized")),
)

LEGACY_MALFORMED: tuple[tuple[str, str], ...] = (
    ("nothing", ""),
    ("no JSON", "hello"),
    ("a list", "[]"),
    ("empty", "{}"),
    ("a message of v3", '{"type":"Terminate"}'),
    ("no base64", '{"audio_data":"***"}'),
    ("cut base64", '{"audio_data":"AAA"}'),
    ("numbers for audio", '{"audio_data":[1,2]}'),
    ("too much silence", '{"end_utterance_silence_threshold":20001}'),
    ("text for a boolean", '{"terminate_session":"yes"}'),
    ("deep", '{"audio_data":' + "[" * 3_000),
)
