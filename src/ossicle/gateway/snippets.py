"""The lines that point other people's SDKs at this gateway: data, and a way to fill it in.

Pure: knows addresses and nothing else. The command line, the playground (`GET /v1/snippets`) and
the tests show, copy and run the same texts.

    here = Address(http="http://localhost:8080", https="https://localhost:8443", ca="/x/ca.pem")
    for each in snippets(here, paths={"/v1/stream"}):
        print(each.title, each.text, sep="\n")

A dialect adds its templates with one `Template` in `TEMPLATES`; they are offered once its path is
bound. Keys never appear: the texts read them from `OSSICLE_KEY`.
"""

import difflib
import re
from collections.abc import Collection, Iterable
from urllib.parse import urlsplit, urlunsplit

import msgspec

from ossicle.core.errors import Refused

__all__ = ["TEMPLATES", "Address", "Snippet", "Template", "find", "snippets"]


class Address(msgspec.Struct, frozen=True):
    """Where this gateway is reached."""

    http: str = ""
    """As `http://HOST:PORT`; empty = that door is closed."""
    https: str = ""
    """As `https://HOST:PORT`; empty = that door is closed."""
    ca: str = ""
    """Path of the local authority's `ca.pem`; empty = the certificate is trusted anyway."""
    grpc: str = ""
    """As `grpc://HOST:PORT`; empty = that door is closed."""
    grpcs: str = ""
    """The same over TLS, as `grpcs://HOST:PORT`."""

    def seen_from(self, host: str) -> "Address":
        """The same doors under the name that a client used for this machine (a `Host` header, its
        port ignored). A name that is none leaves the address as it is."""
        name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
        if not _HOST.fullmatch(name):
            return self
        return msgspec.structs.replace(
            self,
            http=_renamed(self.http, name),
            https=_renamed(self.https, name),
            grpc=_renamed(self.grpc, name),
            grpcs=_renamed(self.grpcs, name),
        )


class Template(msgspec.Struct, frozen=True):
    """One text to fill in. `{{http}}` and the like stand for addresses; a line that begins with
    `» ` is one of those that make the difference."""

    sdk: str
    """What people call it."""
    language: str
    path: str
    """The path at this gateway that it ends at: not offered while nothing answers there."""
    text: str
    title: str = ""
    """For lists; empty = made from the SDK and the language."""
    suffix: str = ""
    """Of a file that would hold the text."""
    install: str = ""
    """The command that fetches the SDK."""
    secure: bool = False
    """The client insists on TLS."""

    @property
    def rpc(self) -> bool:
        """It ends at a gRPC door: its path is `/package.Service/Method`."""
        service, _, method = self.path[1:].partition("/")
        return "." in service and bool(method)


class Snippet(msgspec.Struct, frozen=True):
    """One text, filled in."""

    sdk: str
    language: str
    title: str
    text: str
    changes: tuple[int, ...]
    """Numbers of the lines, from 1, that differ from what the vendor's documents say."""
    install: str = ""
    suffix: str = ""


def snippets(here: Address, paths: Collection[str]) -> tuple[Snippet, ...]:
    """Every text that works at this gateway, in the order of `TEMPLATES`.

    Args:
        here: its addresses.
        paths: where something answers.
    """
    return tuple(
        fill(each, here) for each in TEMPLATES if each.path in paths and _reached(each, here)
    )


def find(
    here: Address, paths: Collection[str], sdk: str, language: str = ""
) -> tuple[Snippet, ...]:
    """The texts of one SDK, in one language or in all.

    Raises:
        Refused: no such SDK or language, nothing answers at its path in this version, or it
            insists on TLS and that door is closed. The text names what there is.
    """
    wanted, language = _same(sdk), language or _spoken(sdk)
    of_sdk = [each for each in TEMPLATES if each.sdk == wanted]
    if not of_sdk:
        raise Refused(_unknown("SDK", sdk, (each.sdk for each in TEMPLATES)), code="bad_option")
    spoken = _LANGUAGES.get(language.lower(), language.lower())
    chosen = [each for each in of_sdk if not language or each.language == spoken]
    if not chosen:
        names = (each.language for each in of_sdk)
        raise Refused(_unknown(f"language of {wanted}", language, names), code="bad_option")
    answered = [each for each in chosen if each.path in paths]
    if not answered:
        raise Refused(
            f"{wanted} needs {chosen[0].path}, where nothing answers in this version",
            code="not_found",
        )
    reached = [each for each in answered if _reached(each, here)]
    if not reached:
        raise Refused(
            f"{wanted} in {answered[0].language} insists on TLS and that door is closed: start the"
            f" gateway with {'--grpc-tls-port' if answered[0].rpc else '--tls-port'}",
            code="bad_option",
        )
    return tuple(fill(each, here) for each in reached)


def fill(template: Template, here: Address) -> Snippet:
    """One text for one gateway."""
    plain, over_tls = (here.grpc, here.grpcs) if template.rpc else (here.http, here.https)
    url = over_tls if template.secure or not plain else plain
    secure = url.startswith(("https:", "grpcs:"))
    ca = here.ca if secure else ""
    values = {
        "url": url,
        "ws": ("wss" if secure else "ws") + "://" + urlsplit(url).netloc,
        "host": urlsplit(url).netloc,
        "python": f"SSL_CERT_FILE={ca} python" if ca else "python",
        "node": f"NODE_EXTRA_CA_CERTS={ca} node" if ca else "node",
        "curl_ca": f"--cacert {ca} " if ca else "",
        "ca": ca,
        "port": str(urlsplit(url).port or ""),
        "name": urlsplit(url).hostname or "",
        "rpc_python": f"{_ROOTS}={ca} python" if ca else "python",
        "rpc_node": f"{_ROOTS}={ca} node" if ca else "node",
        "install": template.install,
    }
    lines: list[str] = []
    changes: list[int] = []
    for line in template.text.strip("\n").splitlines():
        if line.startswith(_MARK):
            changes.append(len(lines) + 1)
        for name, value in values.items():
            line = line.replace("{{" + name + "}}", value)  # noqa: PLW2901  filled step by step
        lines.append(line.removeprefix(_MARK))
    title = template.title or f"{template.sdk.capitalize()}, {template.language}"
    return Snippet(
        template.sdk,
        template.language,
        title,
        "\n".join(lines) + "\n",
        tuple(changes),
        template.install,
        template.suffix,
    )


def _renamed(url: str, name: str) -> str:
    if not url:
        return url
    port = urlsplit(url).port
    return urlunsplit((urlsplit(url).scheme, f"{name}:{port}" if port else name, "", "", ""))


def _reached(template: Template, here: Address) -> bool:
    plain, over_tls = (here.grpc, here.grpcs) if template.rpc else (here.http, here.https)
    return bool(over_tls) if template.secure else bool(plain or over_tls)


def _spoken(name: str) -> str:
    """The language in a name like `google-python`."""
    tail = name.strip().lower().rpartition("-")[2] if "-" in name else ""
    spoken = _LANGUAGES.get(tail, tail)
    return spoken if spoken in {each.language for each in TEMPLATES} else ""


def _same(name: str) -> str:
    """Names as people write them: `@deepgram/sdk`, `deepgram-sdk`, `Deepgram`."""
    plain = name.strip().lower().removeprefix("@").removesuffix("/sdk").removesuffix("-sdk")
    if _spoken(name):
        plain = plain.rpartition("-")[0]
    return _NAMES.get(plain, plain)


def _unknown(what: str, name: str, known: Iterable[str]) -> str:
    names = list(dict.fromkeys(known))
    near = difflib.get_close_matches(name.lower(), names, 1)
    guess = f"did you mean {near[0]!r}? " if near else ""
    return f"{what} {name[:60]!r} is not known; {guess}there are {', '.join(names)}"


_MARK = "» "
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252})|\[[0-9A-Fa-f:.]{2,45}\]")
_LANGUAGES = {"js": "javascript", "node": "javascript", "py": "python", "bash": "shell",
              "sh": "shell", "twiml": "xml"}  # fmt: skip
_ROOTS = "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"
"""Where grpc looks for authorities, in Python and in Node."""
_NAMES = {
    "google-cloud/speech": "google",
    "google-cloud-speech": "google",
    "google-cloud": "google",
    "nvidia-riva-client": "riva",
    "nvidia-riva": "riva",
    "nvidia": "riva",
    "aai": "assemblyai",
    "aws": "amazon",
    "transcribe": "amazon",
    "assembly": "assemblyai",
    "deepgram-flux": "flux",
}


TEMPLATES: tuple[Template, ...] = (
    Template(
        "ossicle", "python", "/v1/stream",
        """
# {{install}}
# {{python}} words.py speech.wav
import os
import sys

import ossicle

» url = "{{url}}"
said = ossicle.transcribe(sys.argv[1], url=url, key=os.environ.get("OSSICLE_KEY"))
print(said.text)
""",
        suffix=".py", install="pip install ossicle",
    ),
    Template(
        "ossicle", "javascript", "/ossicle.js",
        """
» import { connect, microphone } from "{{url}}/ossicle.js";

» const stream = await connect({ url: "{{url}}" });  // token: a key, or a function that fetches one
const mic = await microphone(stream);  // mic.stop(), then stream.end(), when it is over
for await (const event of stream) {
  if (event.type === "transcript" && event.final) console.log(event.text);
}
""",
        title="Ossicle, JavaScript in a page", suffix=".js",
    ),
    Template(
        "deepgram", "python", "/v1/listen",
        """
# {{install}}
# {{python}} live.py speech.wav
import os
import sys
import threading
from pathlib import Path

from deepgram import DeepgramClient
from deepgram.core.events import EventType
from deepgram.environment import DeepgramClientEnvironment

» here = DeepgramClientEnvironment(
»     base="{{url}}", production="{{ws}}", agent="{{ws}}", agent_rest="{{url}}"
» )
» client = DeepgramClient(api_key=os.environ.get("OSSICLE_KEY", "unused"), environment=here)


def heard(message):
    if message.type == "Results" and message.is_final:
        print(message.channel.alternatives[0].transcript)


with client.listen.v1.connect(model="nova-3") as connection:  # no encoding: a file, as it is
    connection.on(EventType.MESSAGE, heard)
    listening = threading.Thread(target=connection.start_listening)
    listening.start()
    sound = Path(sys.argv[1]).read_bytes()
    for at in range(0, len(sound), 32_000):  # a message may hold 1 MiB at most
        connection.send_media(sound[at : at + 32_000])
    connection.send_close_stream()
    listening.join()
""",
        suffix=".py", install="pip install deepgram-sdk",
    ),
    Template(
        "deepgram", "javascript", "/v1/listen",
        """
// {{install}}
// {{node}} live.mjs speech.wav
import { readFile } from "node:fs/promises";
import { DeepgramClient } from "@deepgram/sdk";

const client = new DeepgramClient({
  apiKey: process.env.OSSICLE_KEY ?? "unused",
»   environment: { base: "{{url}}", production: "{{ws}}", agent: "{{ws}}", agentRest: "{{url}}" },
});
const connection = await client.listen.v1.createConnection({ model: "nova-3" });
connection.on("message", (message) => {
  if (message.type === "Results" && message.is_final) {
    console.log(message.channel.alternatives[0].transcript);
  }
});
connection.connect();
await connection.waitForOpen();
const sound = await readFile(process.argv[2]);
for (let at = 0; at < sound.length; at += 32000) {  // a message may hold 1 MiB at most
  connection.sendMedia(sound.subarray(at, at + 32000));
}
connection.sendCloseStream({ type: "CloseStream" });
""",
        title="Deepgram, JavaScript", suffix=".mjs", install="npm install @deepgram/sdk",
    ),
    Template(
        "flux", "python", "/v2/listen",
        """
# {{install}}
# {{python}} turns.py speech.wav
import os
import sys
import threading
from pathlib import Path

from deepgram import DeepgramClient
from deepgram.core.events import EventType
from deepgram.environment import DeepgramClientEnvironment

» here = DeepgramClientEnvironment(
»     base="{{url}}", production="{{ws}}", agent="{{ws}}", agent_rest="{{url}}"
» )
» client = DeepgramClient(api_key=os.environ.get("OSSICLE_KEY", "unused"), environment=here)
said = {}


def heard(message):
    if message.type == "TurnInfo":
        said[message.turn_index] = message.transcript


with client.listen.v2.connect(model="flux-general-en") as connection:
    connection.on(EventType.MESSAGE, heard)
    listening = threading.Thread(target=connection.start_listening)
    listening.start()
    sound = Path(sys.argv[1]).read_bytes()
    for at in range(0, len(sound), 32_000):  # a message may hold 1 MiB at most
        connection.send_media(sound[at : at + 32_000])
    connection.send_close_stream()
    listening.join()
print(*said.values(), sep="\\n")
""",
        title="Deepgram Flux, Python", suffix=".py", install="pip install deepgram-sdk",
    ),
    Template(
        "flux", "javascript", "/v2/listen",
        """
// {{install}}
// {{node}} turns.mjs speech.wav
import { readFile } from "node:fs/promises";
import { DeepgramClient } from "@deepgram/sdk";

const client = new DeepgramClient({
  apiKey: process.env.OSSICLE_KEY ?? "unused",
»   environment: { base: "{{url}}", production: "{{ws}}", agent: "{{ws}}", agentRest: "{{url}}" },
});
const said = new Map();
const connection = await client.listen.v2.createConnection({ model: "flux-general-en" });
connection.on("message", (message) => {
  if (message.type === "TurnInfo") said.set(message.turn_index, message.transcript);
});
connection.on("close", () => console.log([...said.values()].join("\\n")));
connection.connect();
await connection.waitForOpen();
const sound = await readFile(process.argv[2]);
for (let at = 0; at < sound.length; at += 32000) {  // a message may hold 1 MiB at most
  connection.sendMedia(sound.subarray(at, at + 32000));
}
connection.sendCloseStream({ type: "CloseStream" });
""",
        title="Deepgram Flux, JavaScript", suffix=".mjs", install="npm install @deepgram/sdk",
    ),
    Template(
        "assemblyai", "python", "/v3/ws",
        """
# {{install}}
# {{python}} turns.py speech.wav
import os
import sys
import wave

from assemblyai.streaming.v3 import (
    StreamingClient,
    StreamingClientOptions,
    StreamingEvents,
    StreamingParameters,
)

client = StreamingClient(
    StreamingClientOptions(
»         api_host="{{ws}}", api_key=os.environ.get("OSSICLE_KEY", "unused")
    )
)


def heard(_client, turn):
    if turn.end_of_turn:
        print(turn.transcript)


client.on(StreamingEvents.Turn, heard)
with wave.open(sys.argv[1]) as file:
    client.connect(StreamingParameters(sample_rate=file.getframerate()))
    while piece := file.readframes(file.getframerate() // 10):
        client.stream(piece)
client.disconnect(terminate=True)
""",
        title="AssemblyAI, Python", suffix=".py", install="pip install assemblyai",
    ),
    Template(
        "assemblyai", "javascript", "/v3/ws",
        """
// {{install}}
// {{node}} turns.mjs speech.wav
import { readFile } from "node:fs/promises";
import { StreamingTranscriber } from "assemblyai";

const transcriber = new StreamingTranscriber({
  apiKey: process.env.OSSICLE_KEY ?? "unused",
»   websocketBaseUrl: "{{ws}}/v3/ws",
  sampleRate: 16000,
});
transcriber.on("turn", (turn) => {
  if (turn.end_of_turn) console.log(turn.transcript);
});
await transcriber.connect();
const sound = (await readFile(process.argv[2])).subarray(44);  // behind the header of a WAV file
for (let at = 0; at < sound.length; at += 3200) {
  transcriber.sendAudio(Uint8Array.from(sound.subarray(at, at + 3200)).buffer);
}
await transcriber.close();
""",
        title="AssemblyAI, JavaScript", suffix=".mjs", install="npm install assemblyai",
        secure=True,
    ),
    Template(
        "openai", "python", "/v1/realtime",
        """
# {{install}}
# {{python}} turns.py speech.wav
import asyncio
import base64
import os
import sys
from array import array
from pathlib import Path

from openai import AsyncOpenAI

client = AsyncOpenAI(
»     base_url="{{url}}/v1", api_key=os.environ.get("OSSICLE_KEY", "unused")
)


async def main(name):
    sound = array("h", Path(name).read_bytes()[44:])  # 16 kHz, behind the header of a WAV file
    sound = array("h", (sound[at * 2 // 3] for at in range(len(sound) * 3 // 2)))  # at 24 kHz
    async with client.realtime.connect(extra_query={"intent": "transcription"}) as wire:
        heard = {"turn_detection": None, "transcription": {"model": "gpt-4o-transcribe"}}
        session = {"type": "transcription", "audio": {"input": heard}}
        await wire.session.update(session=session)
        for at in range(0, len(sound), 2400):
            piece = base64.b64encode(sound[at : at + 2400].tobytes()).decode()
            await wire.input_audio_buffer.append(audio=piece)
        await wire.input_audio_buffer.commit()
        async for event in wire:
            if event.type == "conversation.item.input_audio_transcription.completed":
                print(event.transcript)
                break


asyncio.run(main(sys.argv[1]))
""",
        title="OpenAI Realtime, Python", suffix=".py", install="pip install 'openai[realtime]'",
    ),
    Template(
        "openai", "javascript", "/v1/audio/transcriptions",
        """
// {{install}}
// {{node}} words.mjs speech.wav
import { createReadStream } from "node:fs";
import OpenAI from "openai";

const client = new OpenAI({
  apiKey: process.env.OSSICLE_KEY ?? "unused",
»   baseURL: "{{url}}/v1",
});
const file = createReadStream(process.argv[2]);
const said = await client.audio.transcriptions.create({ file, model: "whisper-1" });
console.log(said.text);
""",
        title="OpenAI, JavaScript", suffix=".mjs", install="npm install openai",
    ),
    Template(
        "openai", "javascript", "/v1/realtime/calls",
        """
// {{install}}
import { OpenAIRealtimeWebRTC, RealtimeAgent, RealtimeSession } from "@openai/agents-realtime";

» const transport = new OpenAIRealtimeWebRTC({ baseUrl: "{{url}}/v1/realtime/calls" });
const session = new RealtimeSession(new RealtimeAgent({ name: "Guide" }), { transport });
session.on("history_updated", (history) => console.log(history));
// a token that ends: your server asks POST /v1/realtime/client_secrets for it, with OSSICLE_KEY
const apiKey = await (await fetch("/my-session-key")).text();
await session.connect({ apiKey });
""",
        title="OpenAI agents over WebRTC, in a page", suffix=".mjs",
        install="npm install @openai/agents-realtime",
    ),
    Template(
        "amazon", "python", "/stream-transcription",
        """
# {{install}}
# {{python}} words.py speech.wav
import asyncio
import os
import sys
import wave

import awscrt.io
from amazon_transcribe.auth import StaticCredentialResolver
from amazon_transcribe.client import TranscribeStreamingClient
from amazon_transcribe.endpoints import StaticEndpointResolver

client = TranscribeStreamingClient(
    region="us-east-1",
»     endpoint_resolver=StaticEndpointResolver("{{url}}"),
»     credential_resolver=StaticCredentialResolver(
»         os.environ.get("AWS_ACCESS_KEY_ID", "unused"),
»         os.environ.get("AWS_SECRET_ACCESS_KEY", "unused"),
»     ),
)
» if ca := os.environ.get("SSL_CERT_FILE"):  # this SDK has no variable for it
»     trust = awscrt.io.TlsContextOptions()
»     trust.override_default_trust_store_from_path(None, ca)
»     client._session_manager._tls_ctx = awscrt.io.ClientTlsContext(trust)


async def speak(stream, file):
    while piece := file.readframes(1600):
        await stream.input_stream.send_audio_event(audio_chunk=piece)
    await stream.input_stream.end_stream()


async def main():
    with wave.open(sys.argv[1]) as file:
        stream = await client.start_stream_transcription(
            language_code="en-US",
            media_sample_rate_hz=file.getframerate(),
            media_encoding="pcm",
        )
        speaking = asyncio.create_task(speak(stream, file))
        async for event in stream.output_stream:
            for result in event.transcript.results:
                if not result.is_partial:
                    print(result.alternatives[0].transcript)
        await speaking


asyncio.run(main())
""",
        title="Amazon Transcribe, Python", suffix=".py", install="pip install amazon-transcribe",
        secure=True,
    ),
    Template(
        "amazon", "javascript", "/stream-transcription",
        """
// {{install}}
// {{node}} words.mjs speech.wav
import { readFile } from "node:fs/promises";
import {
  StartStreamTranscriptionCommand,
  TranscribeStreamingClient,
} from "@aws-sdk/client-transcribe-streaming";

const client = new TranscribeStreamingClient({
  region: "us-east-1",
»   endpoint: "{{url}}",
»   credentials: {
»     accessKeyId: process.env.AWS_ACCESS_KEY_ID ?? "unused",
»     secretAccessKey: process.env.AWS_SECRET_ACCESS_KEY ?? "unused",
»   },
});
const sound = (await readFile(process.argv[2])).subarray(44);  // behind the header of a WAV file

async function* speak() {
  for (let at = 0; at < sound.length; at += 3200) {
    yield { AudioEvent: { AudioChunk: sound.subarray(at, at + 3200) } };
  }
}

const answer = await client.send(
  new StartStreamTranscriptionCommand({
    LanguageCode: "en-US",
    MediaSampleRateHertz: 16000,
    MediaEncoding: "pcm",
    AudioStream: speak(),
  }),
);
for await (const event of answer.TranscriptResultStream) {
  for (const result of event.TranscriptEvent?.Transcript.Results ?? []) {
    if (!result.IsPartial) console.log(result.Alternatives[0].Transcript);
  }
}
client.destroy();
""",
        title="Amazon Transcribe, JavaScript", suffix=".mjs",
        install="npm install @aws-sdk/client-transcribe-streaming",
    ),
    Template(
        "twilio", "xml", "/twilio/media",
        """
<?xml version="1.0" encoding="UTF-8"?>
<!-- Twilio's servers dial this address: it must be public, with a certificate that they trust. -->
<Response>
  <Connect>
»     <Stream url="{{ws}}/twilio/media">
      <Parameter name="language" value="en-US" />
    </Stream>
  </Connect>
</Response>
""",
        title="Twilio, TwiML", suffix=".xml", secure=True,
    ),
    Template(
        "twilio", "python", "/twilio/media",
        """
# {{install}}
# prints the TwiML for your voice webhook; Twilio's servers dial the address, so it must be public
from twilio.twiml.voice_response import Connect, VoiceResponse

response = VoiceResponse()
connect = Connect()
» stream = connect.stream(url="{{ws}}/twilio/media")
stream.parameter(name="language", value="en-US")
response.append(connect)
print(response)
""",
        suffix=".py", install="pip install twilio", secure=True,
    ),
    Template(
        "twilio", "javascript", "/twilio/media",
        """
// {{install}}
// prints the TwiML for your voice webhook; Twilio's servers dial the address, so it must be public
import twilio from "twilio";

const response = new twilio.twiml.VoiceResponse();
» const stream = response.connect().stream({ url: "{{ws}}/twilio/media" });
stream.parameter({ name: "language", value: "en-US" });
console.log(response.toString());
""",
        title="Twilio, JavaScript", suffix=".mjs", install="npm install twilio", secure=True,
    ),
    Template(
        "curl", "shell", "/v1/stream",
        """
curl {{curl_ca}}-H "Authorization: Bearer ${OSSICLE_KEY:-unused}" -H 'Accept: text/plain' \\
»   --data-binary @speech.wav {{url}}/v1/stream
""",
        title="curl", suffix=".sh",
    ),
    Template(
        "websocket", "javascript", "/v1/stream",
        """
// in a page or in Node 22; `sound` holds the bytes of a file: WAV, WebM, Ogg, MP3, FLAC
const key = "unused";  // in a page: a short-lived token that your server fetched
» const socket = new WebSocket("{{ws}}/v1/stream", ["ossicle.v1", "token", key]);
socket.onopen = () => {
  for (let at = 0; at < sound.length; at += 32000) socket.send(sound.slice(at, at + 32000));
  socket.send(JSON.stringify({ type: "end" }));
};
socket.onmessage = ({ data }) => {
  const event = JSON.parse(data);
  if (event.type === "transcript" && event.final) console.log(event.text);
};
""",
        title="WebSocket, JavaScript", suffix=".mjs",
    ),
    Template(
        "google", "python", "/google.cloud.speech.v1.Speech/StreamingRecognize",
        """
# {{install}}
# {{rpc_python}} live.py speech.wav
import os
import sys
from pathlib import Path

from google.cloud import speech

» here = {"api_endpoint": "{{host}}", "api_key": os.environ.get("OSSICLE_KEY", "unused")}
» client = speech.SpeechClient(client_options=here)
config = speech.RecognitionConfig(language_code="en-US")  # no encoding: a WAV or FLAC file
sound = Path(sys.argv[1]).read_bytes()
pieces = (  # a message may hold 25,600 bytes at most
    speech.StreamingRecognizeRequest(audio_content=sound[at : at + 25_600])
    for at in range(0, len(sound), 25_600)
)
streaming = speech.StreamingRecognitionConfig(config=config)
for response in client.streaming_recognize(streaming, pieces):
    for result in response.results:
        print(result.alternatives[0].transcript.strip())
""",
        title="Google Speech, Python", suffix=".py", install="pip install google-cloud-speech",
        secure=True,
    ),
    Template(
        "google", "javascript", "/google.cloud.speech.v1.Speech/StreamingRecognize",
        """
// {{install}}
// {{rpc_node}} live.mjs speech.wav
import { readFile } from "node:fs/promises";
import speech from "@google-cloud/speech";

process.env.METADATA_SERVER_DETECTION ??= "none";
const client = new speech.SpeechClient({
»   apiEndpoint: "{{name}}",
»   port: {{port}},
»   apiKey: process.env.OSSICLE_KEY ?? "unused",
});
const stream = client.streamingRecognize({ config: { languageCode: "en-US" } });
stream.on("data", ({ results }) => {
  for (const result of results) console.log(result.alternatives[0].transcript.trim());
});
const sound = await readFile(process.argv[2]);
for (let at = 0; at < sound.length; at += 25600) {  // a message may hold 25,600 bytes at most
  stream.write(sound.subarray(at, at + 25600));
}
stream.end();
""",
        title="Google Speech, JavaScript", suffix=".mjs",
        install="npm install @google-cloud/speech", secure=True,
    ),
    Template(
        "riva", "python", "/nvidia.riva.asr.RivaSpeechRecognition/StreamingRecognize",
        """
# {{install}}
# python live.py speech.wav
import os
import sys

import riva.client

» key = os.environ.get("OSSICLE_KEY", "unused")
» auth = riva.client.Auth(
»     uri="{{host}}",
»     use_ssl=True,
»     ssl_root_cert="{{ca}}" or None,
»     metadata_args=[["authorization", f"Bearer {key}"]],
» )
config = riva.client.StreamingRecognitionConfig(
    config=riva.client.RecognitionConfig(
        encoding=riva.client.AudioEncoding.LINEAR_PCM, language_code="en-US"
    )
)
service = riva.client.ASRService(auth)
with riva.client.AudioChunkFileIterator(sys.argv[1], 1600) as chunks:  # a WAV file, header first
    for response in service.streaming_response_generator(chunks, config):
        for result in response.results:
            print(result.alternatives[0].transcript.strip())
""",
        title="NVIDIA Riva, Python", suffix=".py", install="pip install nvidia-riva-client",
        secure=True,
    ),
    Template(
        "webrtc", "javascript", "/whip",
        """
const pc = new RTCPeerConnection();
const microphone = await navigator.mediaDevices.getUserMedia({ audio: true });
pc.addTransceiver(microphone.getTracks()[0], { sendEncodings: [{ adaptivePtime: true }] });
pc.ontrack = ({ track }) => {
  Object.assign(new Audio(), { srcObject: new MediaStream([track]), autoplay: true });
};
pc.createDataChannel("ossicle.v1").onmessage = ({ data }) => console.log(JSON.parse(data));
await pc.setLocalDescription();
» const answer = await fetch("{{url}}/whip", {
  method: "POST",
  headers: { "content-type": "application/sdp" },  // with keys: authorization, and a token
  body: pc.localDescription.sdp,
});
await pc.setRemoteDescription({ type: "answer", sdp: await answer.text() });
""",
        title="WebRTC in a page", suffix=".js",
    ),
)  # fmt: skip
"""Every text there is. Each is run by `tests/interop/test_snippets.py` once its path is bound."""
