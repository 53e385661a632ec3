"""The .proto has every field of the messages, by the same name, and none besides."""

import msgspec
import pytest

from ossicle.core import errors, events, formats, ledger, options
from ossicle.dialects.native import messages
from ossicle.dialects.protobuf import message_class

MIRRORS = [
    (options.Options, "Options"),
    (options.RecognitionOptions, "RecognitionOptions"),
    (options.TurnOptions, "TurnOptions"),
    (options.SynthesisOptions, "SynthesisOptions"),
    (options.Hint, "Hint"),
    (formats.AudioFormat, "AudioFormat"),
    (events.Word, "Word"),
    (events.Usage, "Usage"),
    (ledger.LedgerReport, "Ledger"),
    (errors.Fault, "Fault"),
    (messages.BeganMessage, "Began"),
    (messages.ConfiguredMessage, "Configured"),
    (messages.SpeechStartedMessage, "SpeechStarted"),
    (messages.TranscriptMessage, "Transcript"),
    (messages.SpeechEndedMessage, "SpeechEnded"),
    (messages.AudioOutMessage, "AudioOut"),
    (messages.AskedMessage, "Asked"),
    (messages.ToldMessage, "Told"),
    (messages.MarkedMessage, "Marked"),
    (messages.FlowMessage, "Flow"),
    (messages.NoticeMessage, "Notice"),
    (messages.EndedMessage, "Ended"),
    (messages.FinalizeMessage, "Finalize"),
    (messages.SpeakMessage, "Speak"),
    (messages.TellMessage, "Tell"),
    (messages.PlayedMessage, "Played"),
    (messages.CancelMessage, "Cancel"),
    (messages.EndMessage, "End"),
]


@pytest.mark.parametrize(
    ("kind", "name"), MIRRORS, ids=lambda value: getattr(value, "__name__", value)
)
def test_fields_are_the_same(kind: type[msgspec.Struct], name: str) -> None:
    ours = {field.name for field in msgspec.structs.fields(kind)} - {"seq", "ref"}
    theirs = {field.name for field in message_class(f"ossicle.v1.{name}").DESCRIPTOR.fields}
    assert theirs == ours, f"proto/ossicle/v1/speech.proto, message {name}"
