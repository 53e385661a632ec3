"""Run by the tests in a process of its own: the Python SDK, a recording by URL, as users do it.

python_url.py BASE WS URL sync|async     prints the answer, or how it was refused, as JSON
"""

import asyncio
import json
import sys

from deepgram import AsyncDeepgramClient, DeepgramClient
from deepgram.core.api_error import ApiError
from deepgram.environment import DeepgramClientEnvironment

base, ws, url, how = sys.argv[1:]
environment = DeepgramClientEnvironment(base=base, production=ws, agent=ws, agent_rest=base)
options = {"model": "nova-3", "smart_format": True, "utterances": True, "paragraphs": True}


async def main() -> object:
    client = AsyncDeepgramClient(api_key="KEY", environment=environment)
    return await client.listen.v1.media.transcribe_url(url=url, **options)


try:
    if how == "async":
        answer = asyncio.run(main())
    else:
        client = DeepgramClient(api_key="KEY", environment=environment)
        answer = client.listen.v1.media.transcribe_url(url=url, **options)
    print(json.dumps(answer.model_dump(), default=str))
except ApiError as error:
    print(json.dumps({"status": error.status_code, "body": error.body}, default=str))
