"""Flux messages by name, JSON and object: drives parse, serialize, laws and fuzz seeds."""

from ossicle.dialects.deepgram import flux_messages as m

__all__ = ["CLIENT", "MALFORMED", "SERVER"]

CLIENT = [
    ("keep alive", '{"type":"KeepAlive"}', m.KeepAlive()),
    ("close", '{"type":"CloseStream"}', m.CloseStream()),
    ("force", '{"type":"ForceEndTurn"}', m.ForceEndTurn()),
    ("nothing changed", '{"type":"Configure"}', m.Configure()),
    (
        "everything changed",
        (
            '{"type":"Configure","thresholds":{"eot_threshold":0.8,"eager_eot_threshold":null,'
            '"eot_timeout_ms":6000},"keyterms":["x"],"language_hints":["en"],"numerals":true}'
        ),
        m.Configure(m.Thresholds(0.8, None, 6000), ("x",), ("en",), True),
    ),
    (
        "eager on",
        '{"type":"Configure","thresholds":{"eager_eot_threshold":0.4}}',
        m.Configure(m.Thresholds(eager_eot_threshold=0.4)),
    ),
    ("no keyterms any more", '{"type":"Configure","keyterms":[]}', m.Configure(keyterms=())),
]

SERVER = [
    (
        "connected",
        '{"type":"Connected","request_id":"a1","sequence_id":0}',
        m.Connected("a1", 0),
    ),
    (
        "end of turn",
        ('{"type":"TurnInfo","request_id":"a1","sequence_id":7,"event":"EndOfTurn","turn_index":0,'
        '"audio_window_start":0.0,"audio_window_end":2.4,"transcript":"Turn left here.",'
        '"words":[{"word":"Turn","confidence":0.98,"start":0.31,"end":0.52}],'
        '"end_of_turn_confidence":0.83,"trigger":"model"}'),
        m.TurnInfo(
            "a1", 7, "EndOfTurn", 0, 0.0, 2.4, "Turn left here.",
            (m.Word("Turn", 0.98, 0.31, 0.52),), 0.83, "model",
        ),
    ),
    (
        "update before anything was said",
        ('{"type":"TurnInfo","request_id":"a1","sequence_id":1,"event":"Update","turn_index":0,'
        '"audio_window_start":0.0,"audio_window_end":0.25,"transcript":"","words":[],'
        '"end_of_turn_confidence":0.0}'),
        m.TurnInfo("a1", 1, "Update", 0, 0.0, 0.25, "", (), 0.0),
    ),
    (
        "configured",
        ('{"type":"ConfigureSuccess","request_id":"a1","sequence_id":8,"thresholds":'
        '{"eot_threshold":0.8,"eot_timeout_ms":5000},"keyterms":["x"]}'),
        m.ConfigureSuccess("a1", 8, m.InForce(0.8, 5000), ("x",)),
    ),
    (
        "configured, eager",
        ('{"type":"ConfigureSuccess","request_id":"a1","sequence_id":8,"thresholds":'
        '{"eot_threshold":0.8,"eot_timeout_ms":5000,"eager_eot_threshold":0.4}}'),
        m.ConfigureSuccess("a1", 8, m.InForce(0.8, 5000, 0.4)),
    ),
    (
        "not configured",
        ('{"type":"ConfigureFailure","request_id":"a1","sequence_id":9,"code":"BAD_OPTION",'
        '"description":"why"}'),
        m.ConfigureFailure("a1", 9, "BAD_OPTION", "why"),
    ),
    (
        "warning",
        '{"type":"Warning","request_id":"a1","sequence_id":10,"code":"X_Y","description":"why"}',
        m.Warn("a1", 10, "X_Y", "why"),
    ),
    (
        "error",
        ('{"type":"Error","sequence_id":11,"code":"INTERNAL_SERVER_ERROR","description":"why",'
        '"request_id":"a1"}'),
        m.Error(11, "INTERNAL_SERVER_ERROR", "why", "a1"),
    ),
]  # fmt: skip

MALFORMED = [
    "", "null", "[]", "{", "7", '"CloseStream"', "{}", '{"type":null}', '{"type":"closestream"}',
    '{"type":"Finalize"}',
    '{"type":"Configure","thresholds":{"eot_threshold":0.4}}',
    '{"type":"Configure","thresholds":{"eot_threshold":"0.8"}}',
    '{"type":"Configure","thresholds":{"eot_threshold":null}}',
    '{"type":"Configure","thresholds":{"eager_eot_threshold":0.95}}',
    '{"type":"Configure","thresholds":{"eot_timeout_ms":499}}',
    '{"type":"Configure","thresholds":{"eot_timeout_ms":60001}}',
    '{"type":"Configure","keyterms":"x"}',
    '{"type":"Configure","keyterms":[1]}',
    '{"type":"Configure","numerals":"yes"}',
]  # fmt: skip
