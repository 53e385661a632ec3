"""The texts that point other people's SDKs at a gateway, and what is known of each.

The texts are files in `texts/`, one for an SDK in a language, as whoever copies them reads them:
`{{url}}` and the like stand for addresses, and a line that begins with `» ` is one of those that
make the difference. Keys never appear: the texts read them from `OSSICLE_KEY`.

    >>> TEMPLATES[0].sdk, TEMPLATES[0].language
    ('ossicle', 'python')

Another dialect adds a file and a row. Its text is offered once its path is bound.
"""

from importlib.resources import files

import msgspec

__all__ = ["MARK", "TEMPLATES", "Template"]

MARK = "» "
"""Begins a line that differs from what the vendor's documents say."""


class Template(msgspec.Struct, frozen=True):
    """One text to fill in."""

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
    file: str = ""
    """Where the text lies, in `texts/`."""

    @property
    def rpc(self) -> bool:
        """It ends at a gRPC door: its path is `/package.Service/Method`."""
        service, _, method = self.path[1:].partition("/")
        return "." in service and bool(method)


def _template(
    sdk: str, language: str, path: str, *, title: str = "", suffix: str, install: str = "",
    secure: bool = False, file: str = "",
) -> Template:  # fmt: skip
    name = f"{file or sdk}-{language}.txt"
    text = (files("ossicle.gateway.snippets") / "texts" / name).read_text("utf-8")
    return Template(sdk, language, path, text, title, suffix, install, secure, name)


TEMPLATES: tuple[Template, ...] = (
    _template("ossicle", "python", "/v1/stream", suffix=".py", install="pip install ossicle"),
    _template(
        "ossicle", "javascript", "/ossicle.js", title="Ossicle, JavaScript in a page", suffix=".js"
    ),
    _template("deepgram", "python", "/v1/listen", suffix=".py", install="pip install deepgram-sdk"),
    _template(
        "deepgram",
        "javascript",
        "/v1/listen",
        title="Deepgram, JavaScript",
        suffix=".mjs",
        install="npm install @deepgram/sdk",
    ),
    _template(
        "flux",
        "python",
        "/v2/listen",
        title="Deepgram Flux, Python",
        suffix=".py",
        install="pip install deepgram-sdk",
    ),
    _template(
        "flux",
        "javascript",
        "/v2/listen",
        title="Deepgram Flux, JavaScript",
        suffix=".mjs",
        install="npm install @deepgram/sdk",
    ),
    _template(
        "assemblyai",
        "python",
        "/v3/ws",
        title="AssemblyAI, Python",
        suffix=".py",
        install="pip install assemblyai",
    ),
    _template(
        "assemblyai",
        "javascript",
        "/v3/ws",
        title="AssemblyAI, JavaScript",
        suffix=".mjs",
        install="npm install assemblyai",
        secure=True,
    ),
    _template(
        "openai",
        "python",
        "/v1/realtime",
        title="OpenAI Realtime, Python",
        suffix=".py",
        install="pip install 'openai[realtime]'",
    ),
    _template(
        "openai",
        "javascript",
        "/v1/audio/transcriptions",
        title="OpenAI, JavaScript",
        suffix=".mjs",
        install="npm install openai",
    ),
    _template(
        "openai",
        "javascript",
        "/v1/realtime/calls",
        title="OpenAI agents over WebRTC, in a page",
        suffix=".mjs",
        install="npm install @openai/agents-realtime",
        file="openai-page",
    ),
    _template(
        "amazon",
        "python",
        "/stream-transcription",
        title="Amazon Transcribe, Python",
        suffix=".py",
        install="pip install amazon-transcribe",
        secure=True,
    ),
    _template(
        "amazon",
        "javascript",
        "/stream-transcription",
        title="Amazon Transcribe, JavaScript",
        suffix=".mjs",
        install="npm install @aws-sdk/client-transcribe-streaming",
    ),
    _template("twilio", "xml", "/twilio/media", title="Twilio, TwiML", suffix=".xml", secure=True),
    _template(
        "twilio", "python", "/twilio/media", suffix=".py", install="pip install twilio", secure=True
    ),
    _template(
        "twilio",
        "javascript",
        "/twilio/media",
        title="Twilio, JavaScript",
        suffix=".mjs",
        install="npm install twilio",
        secure=True,
    ),
    _template("curl", "shell", "/v1/stream", title="curl", suffix=".sh"),
    _template(
        "websocket", "javascript", "/v1/stream", title="WebSocket, JavaScript", suffix=".mjs"
    ),
    _template(
        "google",
        "python",
        "/google.cloud.speech.v1.Speech/StreamingRecognize",
        title="Google Speech, Python",
        suffix=".py",
        install="pip install google-cloud-speech",
        secure=True,
    ),
    _template(
        "google",
        "javascript",
        "/google.cloud.speech.v1.Speech/StreamingRecognize",
        title="Google Speech, JavaScript",
        suffix=".mjs",
        install="npm install @google-cloud/speech",
        secure=True,
    ),
    _template(
        "riva",
        "python",
        "/nvidia.riva.asr.RivaSpeechRecognition/StreamingRecognize",
        title="NVIDIA Riva, Python",
        suffix=".py",
        install="pip install nvidia-riva-client",
        secure=True,
    ),
    _template("webrtc", "javascript", "/whip", title="WebRTC in a page", suffix=".js"),
)
"""Every text there is. Each is run by `tests/interop/test_snippets.py` once its path is bound."""
