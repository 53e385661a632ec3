"""The SDK as its documents show it, with two client options: an address and an API key.

key.py HOST:PORT KEY FILE; the authority by GRPC_DEFAULT_SSL_ROOTS_FILE_PATH."""

import json
import sys
from pathlib import Path

from google.api_core.exceptions import GoogleAPICallError
from google.cloud import speech

host, key, file = sys.argv[1:]
client = speech.SpeechClient(client_options={"api_endpoint": host, "api_key": key})
config = speech.RecognitionConfig(language_code="en-US")
audio = speech.RecognitionAudio(content=Path(file).read_bytes())
try:
    answer = client.recognize(config=config, audio=audio)
    print(json.dumps([result.alternatives[0].transcript for result in answer.results]))
except GoogleAPICallError as error:
    print(json.dumps([type(error).__name__, error.message]))
