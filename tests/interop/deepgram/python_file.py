"""Run by the tests in a process of its own: the Python SDK, pre-recorded, as a user writes it.

python_file.py BASE WS FILE sync|async|chunked     prints the answer as JSON
"""

import asyncio
import json
import sys
from pathlib import Path

from deepgram import AsyncDeepgramClient, DeepgramClient
from deepgram.environment import DeepgramClientEnvironment

base, ws, file, how = sys.argv[1:]
environment = DeepgramClientEnvironment(base=base, production=ws, agent=ws, agent_rest=base)
audio = Path(file).read_bytes()
options = {
    "model": "nova-3",
    "smart_format": True,
    "utterances": True,
    "paragraphs": True,
    "tag": "one",
    "extra": "case:7",
}


async def main() -> object:
    client = AsyncDeepgramClient(api_key="KEY", environment=environment)
    return await client.listen.v1.media.transcribe_file(request=audio, **options)


if how == "async":
    answer = asyncio.run(main())
else:
    body = (
        (audio[at : at + 5000] for at in range(0, len(audio), 5000)) if how == "chunked" else audio
    )
    client = DeepgramClient(api_key="KEY", environment=environment)
    answer = client.listen.v1.media.transcribe_file(request=body, **options)
print(json.dumps(answer.model_dump(), default=str))
