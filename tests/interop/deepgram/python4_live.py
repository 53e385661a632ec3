"""Run by the tests: the older Python SDK (4), live and pre-recorded, as a user wrote it.

python4_live.py BASE WS FILE live|file     prints one JSON object per message, or the answer
"""

import json
import sys
import threading
from pathlib import Path

from deepgram import DeepgramClient, DeepgramClientOptions, LiveOptions, LiveTranscriptionEvents

base, _, file, how = sys.argv[1:]
client = DeepgramClient("KEY", DeepgramClientOptions(url=base))
audio = Path(file).read_bytes()
if how == "file":
    answer = client.listen.rest.v("1").transcribe_file(
        {"buffer": audio},
        {"model": "nova-2", "smart_format": True, "utterances": True, "paragraphs": True},
    )
    print(answer.to_json())
    sys.exit(0)

connection = client.listen.websocket.v("1")
over = threading.Event()


def show(_: object, result: object = None, **other: object) -> None:
    for message in (result, *other.values()):
        if hasattr(message, "to_json"):
            print(json.dumps(json.loads(message.to_json())))


for event in ("Transcript", "Metadata", "SpeechStarted", "UtteranceEnd", "Error", "Unhandled"):
    connection.on(getattr(LiveTranscriptionEvents, event), show)
connection.on(LiveTranscriptionEvents.Close, lambda *_, **__: over.set())
assert connection.start(
    LiveOptions(
        model="nova-2",
        encoding="linear16",
        sample_rate=16000,
        channels=1,
        interim_results=True,
        vad_events=True,
        utterance_end_ms="1000",
        punctuate=True,
    )
)
connection.keep_alive()
for at in range(0, len(audio), 3200):
    connection.send(audio[at : at + 3200])
connection.finalize()
connection.send(json.dumps({"type": "CloseStream"}))
assert over.wait(20), "the SDK saw no close"
connection.finish()
