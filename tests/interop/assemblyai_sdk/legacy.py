"""AssemblyAI's Python SDK of the time of the legacy API (0.x). Orders and lines as in live.py."""

import json
import sys
from pathlib import Path
from typing import Any

import assemblyai as aai

ORDERS: dict[str, Any] = json.loads(sys.stdin.read())


def say(kind: str, value: Any) -> None:
    # one write: handlers run on the SDK's threads
    sys.stdout.write(json.dumps({"event": kind, **value}) + "\n")
    sys.stdout.flush()


def told(message: Any) -> None:
    say(type(message).__name__, json.loads(message.json()))


def failed(error: Any) -> None:
    say("Error", {"error": str(error)})


aai.settings.base_url = ORDERS["base_url"]
aai.settings.api_key = ORDERS["api_key"]
transcriber = aai.RealtimeTranscriber(
    sample_rate=ORDERS["sample_rate"],
    on_data=told,
    on_error=failed,
    on_open=told,
    on_extra_session_information=told,
    on_close=lambda: say("Closed", {}),
)
transcriber.connect()
data = Path(ORDERS["audio"]).read_bytes()
for at in range(0, len(data), 3_200):
    transcriber.stream(data[at : at + 3_200])
    if at // 3_200 == ORDERS.get("force_at"):
        transcriber.force_end_utterance()
transcriber.close()
say("Over", {})
