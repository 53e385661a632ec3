"""Run by the tests in a process of its own: the Python SDK as a user writes it.

python_stream.py URL CA FILE KEYID SECRET OPTIONS(JSON)      prints one JSON object per result
"""

import asyncio
import json
import sys
from pathlib import Path

import awscrt.io
from amazon_transcribe.auth import StaticCredentialResolver
from amazon_transcribe.client import TranscribeStreamingClient
from amazon_transcribe.endpoints import StaticEndpointResolver

url, ca, file, key_id, secret, more = sys.argv[1:]
options = json.loads(more)
piece = options.pop("piece", 3200)
pause = options.pop("pause", 0.0)
audio = Path(file).read_bytes()


def show(kind: str, **fields: object) -> None:
    print(json.dumps({"type": kind, **fields}), flush=True)


async def main() -> None:
    client = TranscribeStreamingClient(
        region="us-east-1",
        endpoint_resolver=StaticEndpointResolver(url),
        credential_resolver=StaticCredentialResolver(key_id, secret),
    )
    trust = awscrt.io.TlsContextOptions()
    trust.override_default_trust_store_from_path(None, ca)
    client._session_manager._tls_ctx = awscrt.io.ClientTlsContext(trust)
    try:
        stream = await client.start_stream_transcription(
            **({"language_code": "en-US", "media_sample_rate_hz": 16000, "media_encoding": "pcm"}
               | options)
        )  # fmt: skip
    except Exception as error:
        show("REFUSED", name=type(error).__name__, text=str(error))
        return
    answer = stream.response
    show("ACCEPTED", session=answer.session_id, request=answer.request_id,
         rate=answer.media_sample_rate_hz, language=answer.language_code)  # fmt: skip

    async def speak() -> None:
        for at in range(0, len(audio), piece):
            await stream.input_stream.send_audio_event(audio_chunk=audio[at : at + piece])
            await asyncio.sleep(pause)
        await stream.input_stream.end_stream()

    async def listen() -> None:
        async for event in stream.output_stream:
            for result in event.transcript.results:
                (first,) = result.alternatives
                show(
                    "RESULT", id=result.result_id, partial=result.is_partial,
                    start=result.start_time, end=result.end_time, text=first.transcript,
                    channel=result.channel_id,
                    items=[[i.item_type, i.content, i.stable] for i in first.items],
                )  # fmt: skip

    speaking = asyncio.create_task(speak())
    try:
        await listen()
        await speaking
        show("ENDED")
    except Exception as error:
        show("FAILED", name=type(error).__name__, text=str(error))
        speaking.cancel()


asyncio.run(asyncio.wait_for(main(), 40))
