# ruff: noqa: ISC004  a row is a name, JSON over some lines, and the object
"""Every kind of event once, as (name, JSON, object): parse, serialize and the fuzz start here."""

from typing import Any

from ossicle.dialects.openai import messages as m

ITEM: dict[str, Any] = {"id": "i", "object": "realtime.item", "type": "message"}
_ITEM = '{"id":"i","object":"realtime.item","type":"message"}'
_PART = {"response_id": "r", "item_id": "i", "output_index": 0, "content_index": 0}
_PART_JSON = '"response_id":"r","item_id":"i","output_index":0,"content_index":0'
_CALL = {"response_id": "r", "item_id": "i", "output_index": 0, "call_id": "c"}
_CALL_JSON = '"response_id":"r","item_id":"i","output_index":0,"call_id":"c"'
_WORDS = "conversation.item.input_audio_transcription"

CLIENT: tuple[tuple[str, str, m.ClientEvent], ...] = (
    (
        "update",
        '{"type":"session.update","event_id":"mine","session":{"type":"realtime"}}',
        m.SessionUpdate(session={"type": "realtime"}, event_id="mine"),
    ),
    (
        "append",
        '{"type":"input_audio_buffer.append","audio":"AAH/"}',
        m.AudioAppend(audio=b"\0\1\xff"),
    ),
    ("commit", '{"type":"input_audio_buffer.commit"}', m.AudioCommit()),
    ("clear", '{"type":"input_audio_buffer.clear"}', m.AudioClear()),
    (
        "create",
        f'{{"type":"conversation.item.create","item":{_ITEM},"previous_item_id":"root"}}',
        m.ItemCreate(item=ITEM, previous_item_id="root"),
    ),
    (
        "retrieve",
        '{"type":"conversation.item.retrieve","item_id":"i"}',
        m.ItemRetrieve(item_id="i"),
    ),
    ("delete", '{"type":"conversation.item.delete","item_id":"i"}', m.ItemDelete(item_id="i")),
    (
        "truncate",
        '{"type":"conversation.item.truncate","item_id":"i","content_index":1,"audio_end_ms":300}',
        m.ItemTruncate(item_id="i", content_index=1, audio_end_ms=300),
    ),
    ("respond", '{"type":"response.create"}', m.ResponseCreate()),
    (
        "respond otherwise",
        '{"type":"response.create","response":{"output_modalities":["text"],"instructions":"x",'
        '"tool_choice":"none","max_output_tokens":"inf","conversation":"none","input":[],'
        '"metadata":{"a":"b"}}}',
        m.ResponseCreate(
            response=m.ResponseAsked(
                output_modalities=("text",),
                instructions="x",
                tool_choice="none",
                max_output_tokens="inf",
                conversation="none",
                input=(),
                metadata={"a": "b"},
            )
        ),
    ),
    (
        "cancel",
        '{"type":"response.cancel","response_id":"r"}',
        m.ResponseCancel(response_id="r"),
    ),
    ("hush", '{"type":"output_audio_buffer.clear"}', m.OutputBufferClear()),
)

SERVER: tuple[tuple[str, str, m.ServerEvent], ...] = (
    ("created", '{"type":"session.created","session":{}}', m.SessionCreated(session={})),
    ("updated", '{"type":"session.updated","session":{}}', m.SessionUpdated(session={})),
    (
        "conversation",
        '{"type":"conversation.created","conversation":{"id":"c"}}',
        m.ConversationCreated(conversation={"id": "c"}),
    ),
    (
        "added",
        f'{{"type":"conversation.item.added","previous_item_id":null,"item":{_ITEM}}}',
        m.ItemAdded(previous_item_id=None, item=ITEM),
    ),
    (
        "done",
        f'{{"type":"conversation.item.done","previous_item_id":"h","item":{_ITEM}}}',
        m.ItemDone(previous_item_id="h", item=ITEM),
    ),
    (
        "retrieved",
        f'{{"type":"conversation.item.retrieved","item":{_ITEM}}}',
        m.ItemRetrieved(item=ITEM),
    ),
    ("deleted", '{"type":"conversation.item.deleted","item_id":"i"}', m.ItemDeleted(item_id="i")),
    (
        "truncated",
        '{"type":"conversation.item.truncated","item_id":"i","content_index":0,"audio_end_ms":9}',
        m.ItemTruncated(item_id="i", content_index=0, audio_end_ms=9),
    ),
    (
        "words",
        f'{{"type":"{_WORDS}.delta","item_id":"i","content_index":0,"delta":"tu"}}',
        m.TranscriptionDelta(item_id="i", content_index=0, delta="tu"),
    ),
    (
        "all words",
        f'{{"type":"{_WORDS}.completed","item_id":"i","content_index":0,"transcript":"turn",'
        '"usage":{"type":"duration","seconds":1.5}}',
        m.TranscriptionCompleted(
            item_id="i",
            content_index=0,
            transcript="turn",
            usage={"type": "duration", "seconds": 1.5},
        ),
    ),
    (
        "no words",
        f'{{"type":"{_WORDS}.failed","item_id":"i","content_index":0,"error":{{"type":"x"}}}}',
        m.TranscriptionFailed(item_id="i", content_index=0, error={"type": "x"}),
    ),
    (
        "one speaker's words",
        f'{{"type":"{_WORDS}.segment","item_id":"i","content_index":0,"id":"seg_1","text":"turn",'
        '"speaker":"A","start":0.5,"end":1.5}',
        m.TranscriptionSegment(
            item_id="i", content_index=0, id="seg_1", text="turn", speaker="A", start=0.5, end=1.5
        ),
    ),
    (
        "committed",
        '{"type":"input_audio_buffer.committed","previous_item_id":null,"item_id":"i"}',
        m.Committed(previous_item_id=None, item_id="i"),
    ),
    ("cleared", '{"type":"input_audio_buffer.cleared"}', m.Cleared()),
    (
        "started",
        '{"type":"input_audio_buffer.speech_started","item_id":"i","audio_start_ms":420}',
        m.Started(item_id="i", audio_start_ms=420),
    ),
    (
        "stopped",
        '{"type":"input_audio_buffer.speech_stopped","item_id":"i","audio_end_ms":900}',
        m.Stopped(item_id="i", audio_end_ms=900),
    ),
    (
        "nobody speaks",
        '{"type":"input_audio_buffer.timeout_triggered","item_id":"i","audio_start_ms":0,'
        '"audio_end_ms":9}',
        m.TimeoutTriggered(item_id="i", audio_start_ms=0, audio_end_ms=9),
    ),
    (
        "digit",
        '{"type":"input_audio_buffer.dtmf_event_received","event":"5","received_at":17}',
        m.DigitsReceived(event="5", received_at=17),
    ),
    ("response", '{"type":"response.created","response":{}}', m.ResponseCreated(response={})),
    ("response over", '{"type":"response.done","response":{}}', m.ResponseDone(response={})),
    (
        "output item",
        f'{{"type":"response.output_item.added","response_id":"r","output_index":0,"item":{_ITEM}}}',
        m.OutputItemAdded(response_id="r", output_index=0, item=ITEM),
    ),
    (
        "output item over",
        f'{{"type":"response.output_item.done","response_id":"r","output_index":0,"item":{_ITEM}}}',
        m.OutputItemDone(response_id="r", output_index=0, item=ITEM),
    ),
    (
        "part",
        f'{{"type":"response.content_part.added",{_PART_JSON},"part":{{"type":"text","text":""}}}}',
        m.PartAdded(**_PART, part={"type": "text", "text": ""}),
    ),
    (
        "part over",
        f'{{"type":"response.content_part.done",{_PART_JSON},"part":{{"type":"audio"}}}}',
        m.PartDone(**_PART, part={"type": "audio"}),
    ),
    (
        "sound",
        f'{{"type":"response.output_audio.delta",{_PART_JSON},"delta":"AAEC"}}',
        m.AudioDelta(**_PART, delta=b"\0\1\2"),
    ),
    ("sound over", f'{{"type":"response.output_audio.done",{_PART_JSON}}}', m.AudioDone(**_PART)),
    (
        "spoken",
        f'{{"type":"response.output_audio_transcript.delta",{_PART_JSON},"delta":"It"}}',
        m.SpokenDelta(**_PART, delta="It"),
    ),
    (
        "all spoken",
        f'{{"type":"response.output_audio_transcript.done",{_PART_JSON},"transcript":"It is"}}',
        m.SpokenDone(**_PART, transcript="It is"),
    ),
    (
        "text",
        f'{{"type":"response.output_text.delta",{_PART_JSON},"delta":"It"}}',
        m.TextDelta(**_PART, delta="It"),
    ),
    (
        "all text",
        f'{{"type":"response.output_text.done",{_PART_JSON},"text":"It is"}}',
        m.TextDone(**_PART, text="It is"),
    ),
    (
        "arguments",
        f'{{"type":"response.function_call_arguments.delta",{_CALL_JSON},"delta":"{{}}"}}',
        m.FunctionArgumentsDelta(**_CALL, delta="{}"),
    ),
    (
        "all arguments",
        f'{{"type":"response.function_call_arguments.done",{_CALL_JSON},"name":"clock",'
        '"arguments":"{}"}',
        m.FunctionArgumentsDone(**_CALL, name="clock", arguments="{}"),
    ),
    (
        "limits",
        '{"type":"rate_limits.updated","rate_limits":[{"name":"requests"}]}',
        m.RateLimits(rate_limits=[{"name": "requests"}]),
    ),
    ("plays", '{"type":"output_audio_buffer.started","response_id":"r"}',
     m.BufferStarted(response_id="r")),
    ("played", '{"type":"output_audio_buffer.stopped","response_id":"r"}',
     m.BufferStopped(response_id="r")),
    ("silenced", '{"type":"output_audio_buffer.cleared","response_id":"r"}',
     m.BufferCleared(response_id="r")),
    (
        "error",
        '{"type":"error","error":{"type":"invalid_request_error","code":"invalid_value",'
        '"message":"no","param":"type","event_id":"mine"}}',
        m.ErrorEvent(
            error=m.ErrorBody(
                type="invalid_request_error",
                code="invalid_value",
                message="no",
                param="type",
                event_id="mine",
            )
        ),
    ),
)  # fmt: skip

MALFORMED: tuple[tuple[str, str], ...] = (
    ("nothing", ""),
    ("no JSON", "hello"),
    ("a list", "[]"),
    ("no type", "{}"),
    ("type of another type", '{"type":3}'),
    ("unknown type", '{"type":"dance"}'),
    ("no session", '{"type":"session.update"}'),
    ("a list for a session", '{"type":"session.update","session":[]}'),
    ("no base64", '{"type":"input_audio_buffer.append","audio":"***"}'),
    ("numbers for sound", '{"type":"input_audio_buffer.append","audio":[1]}'),
    ("a negative time", '{"type":"conversation.item.truncate","item_id":"i","audio_end_ms":-1}'),
    ("half a surrogate", '{"type":"\\ud800"}'),
    ("deep", '{"type":' * 3_000),
)
