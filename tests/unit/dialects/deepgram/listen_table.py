"""Live `/v1/listen`, by example: name, bytes, object. Drives parse, writing and fuzz seeds."""

from ossicle.dialects.deepgram.listen_messages import (
    Alternative,
    ChannelResult,
    CloseStreamMessage,
    ConfigureFailure,
    ConfigureMessage,
    ConfigureSuccess,
    ErrorMessage,
    FinalizeMessage,
    KeepAliveMessage,
    Metadata,
    ModelInfo,
    Request,
    Response,
    Results,
    ResultsMetadata,
    SpeechStartedMessage,
    UtteranceEnd,
    Warned,
    WordMessage,
)

__all__ = ["REQUESTS", "RESPONSES"]

_INFO = ModelInfo("general-nova-3", "2025-01-01.0", "nova-3")

REQUESTS: tuple[tuple[str, bytes, Request], ...] = (
    ("keep alive", b'{"type":"KeepAlive"}', KeepAliveMessage()),
    ("finalize", b'{"type":"Finalize"}', FinalizeMessage()),
    ("finalize a channel", b'{"type":"Finalize","channel":1}', FinalizeMessage(1)),
    ("close", b'{"type":"CloseStream"}', CloseStreamMessage()),
    ("configure nothing", b'{"type":"Configure"}', ConfigureMessage()),
    (
        "configure",
        b'{"type":"Configure","keyterms":["x"],"features":{"numerals":true}}',
        ConfigureMessage(["x"], {"numerals": True}),
    ),
)

RESPONSES: tuple[tuple[str, bytes, Response], ...] = (
    (
        "results",
        (
            b'{"type":"Results","channel_index":[0,1],"duration":1.4,"start":3.2,"is_final":true,'
            b'"speech_final":true,"channel":{"alternatives":[{"transcript":"Turn","confidence":0.97,'
            b'"words":[{"word":"turn","start":3.31,"end":3.52,"confidence":0.98,'
            b'"punctuated_word":"Turn"}]}]},"metadata":{"request_id":"r","model_uuid":"u",'
            b'"model_info":{"name":"general-nova-3","version":"2025-01-01.0","arch":"nova-3"}},'
            b'"from_finalize":false}'
        ),
        Results(
            (0, 1),
            1.4,
            3.2,
            True,
            True,
            ChannelResult(
                [Alternative("Turn", 0.97, [WordMessage("turn", 3.31, 3.52, 0.98, "Turn")])]
            ),
            ResultsMetadata("r", "u", _INFO),
        ),
    ),
    (
        "a speaker and a language",
        (
            b'{"type":"Results","channel_index":[1,2],"duration":0.5,"start":0.0,"is_final":false,'
            b'"speech_final":false,"channel":{"alternatives":[{"transcript":"hallo","confidence":0.0,'
            b'"words":[{"word":"hallo","start":0.0,"end":0.5,"confidence":0.0,"speaker":1,'
            b'"language":"de"}],"languages":["de"]}]},"metadata":null,"from_finalize":true}'
        ),
        Results(
            (1, 2),
            0.5,
            0.0,
            False,
            False,
            ChannelResult(
                [
                    Alternative(
                        "hallo",
                        0.0,
                        [WordMessage("hallo", 0.0, 0.5, 0.0, None, 1, "de")],
                        ["de"],
                    )
                ]
            ),
            None,
            True,
        ),
    ),
    (
        "speech started",
        b'{"type":"SpeechStarted","channel":[0,1],"timestamp":3.3}',
        SpeechStartedMessage((0, 1), 3.3),
    ),
    (
        "utterance end",
        b'{"type":"UtteranceEnd","channel":[0,1],"last_word_end":4.61}',
        UtteranceEnd((0, 1), 4.61),
    ),
    (
        "metadata",
        (
            b'{"type":"Metadata","transaction_key":"deprecated","request_id":"r","sha256":"00",'
            b'"created":"2025-05-01T10:00:00.000Z","duration":12.48,"channels":1,"models":["u"],'
            b'"model_info":{"u":{"name":"general-nova-3","version":"2025-01-01.0","arch":"nova-3"}},'
            b'"tags":["t"],"extra":{"k":"v"},"warnings":[{"parameter":"search","type":"x",'
            b'"message":"y"}]}'
        ),
        Metadata(
            "deprecated",
            "r",
            "00",
            "2025-05-01T10:00:00.000Z",
            12.48,
            1,
            ["u"],
            {"u": _INFO},
            ["t"],
            {"k": "v"},
            [Warned("search", "x", "y")],
        ),
    ),
    (
        "error",
        b'{"type":"Error","variant":"SchemaError","description":"d","message":"m"}',
        ErrorMessage("SchemaError", "d", "m"),
    ),
    (
        "configured",
        b'{"type":"ConfigureSuccess","request_id":"r","keyterms":["x"]}',
        ConfigureSuccess("r", ["x"]),
    ),
    (
        "not configured",
        b'{"type":"ConfigureFailure","request_id":"r","code":"C","description":"d"}',
        ConfigureFailure("r", "C", "d"),
    ),
)
