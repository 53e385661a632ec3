"""Run by the tests: the Python SDK's requests for files, sync, as a user writes them."""

import json
import sys
from pathlib import Path

from openai import APIStatusError, OpenAI

ORDERS = json.load(sys.stdin)
client = OpenAI(api_key=ORDERS["key"], base_url=ORDERS["base_url"], max_retries=0)
audio = Path(ORDERS["audio"])


def say(**what) -> None:
    print(json.dumps(what), flush=True)


for form in ("json", "text", "srt", "vtt", "verbose_json", "diarized_json"):
    with audio.open("rb") as file:
        more = {"timestamp_granularities": ["word", "segment"]} if form == "verbose_json" else {}
        answer = client.audio.transcriptions.create(
            file=file, model="whisper-1", response_format=form, **more
        )
    shown = answer if isinstance(answer, str) else answer.model_dump(exclude_none=True)
    say(form=form, kind=type(answer).__name__, answer=shown)
with audio.open("rb") as file:
    for event in client.audio.transcriptions.create(
        file=file, model="gpt-4o-transcribe", stream=True
    ):
        say(form="stream", answer=event.model_dump(exclude_none=True))
with audio.open("rb") as file:
    answer = client.audio.transcriptions.create(
        file=file, model="gpt-4o-transcribe", response_format="json", include=["logprobs"]
    )
say(form="sure", answer=answer.model_dump(exclude_none=True))
with audio.open("rb") as file:
    for event in client.audio.transcriptions.create(
        file=file, model="gpt-4o-transcribe", stream=True, include=["logprobs"]
    ):
        say(form="sure stream", answer=event.model_dump(exclude_none=True))
for form in ("mp3", "opus", "aac", "flac", "wav", "pcm"):
    with client.audio.speech.with_streaming_response.create(
        model="gpt-4o-mini-tts", voice="alloy", input="Hello there.", response_format=form
    ) as response:
        data = response.read()
        say(form=form, type=response.headers["content-type"], size=len(data), head=data[:4].hex())
try:
    client.audio.speech.create(model="tts-1", voice="alloy", input="x" * 5_000)
except APIStatusError as error:
    say(form="refused", status=error.status_code, code=error.code, name=type(error).__name__)
secret = client.realtime.client_secrets.create(
    expires_after={"anchor": "created_at", "seconds": 60},
    session={"type": "realtime", "model": "gpt-realtime", "instructions": "Be short."},
)
say(form="secret", answer=secret.model_dump(exclude_none=True))
