"""The one answer of `POST /v1/listen`, and the body that names a recording by its URL.

>>> parse_source(b'{"url":"https://example.org/a.wav"}')
'https://example.org/a.wav'
"""

import msgspec

from ossicle.core.errors import BadMessage

from .listen_messages import ModelInfo, Warned, WordMessage

__all__ = [
    "Channel",
    "Paragraph",
    "Paragraphs",
    "Queued",
    "Reading",
    "Recording",
    "RecordingMetadata",
    "RecordingResults",
    "Sentence",
    "Utterance",
    "parse_source",
]


class Sentence(msgspec.Struct, frozen=True):
    """One sentence."""

    text: str
    start: float
    end: float


class Paragraph(msgspec.Struct, frozen=True, omit_defaults=True):
    """Sentences that belong together."""

    sentences: list[Sentence]
    num_words: int
    start: float
    end: float
    speaker: int | None = None


class Paragraphs(msgspec.Struct, frozen=True):
    """The whole text in paragraphs, an empty line between two."""

    transcript: str
    paragraphs: list[Paragraph]


class Reading(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was heard on one channel."""

    transcript: str
    confidence: float
    words: list[WordMessage]
    paragraphs: Paragraphs | None = None
    languages: list[str] | None = None


class Channel(msgspec.Struct, frozen=True, omit_defaults=True):
    """One channel."""

    alternatives: list[Reading]
    detected_language: str | None = None
    language_confidence: float | None = None


class Utterance(msgspec.Struct, frozen=True, omit_defaults=True):
    """Words without a long gap between them."""

    start: float
    end: float
    confidence: float
    channel: int
    transcript: str
    words: list[WordMessage]
    id: str
    speaker: int | None = None


class RecordingMetadata(msgspec.Struct, frozen=True, omit_defaults=True):
    """About the recording and who listened."""

    transaction_key: str
    request_id: str
    sha256: str
    created: str
    duration: float
    channels: int
    models: list[str]
    model_info: dict[str, ModelInfo]
    tags: list[str] | None = None
    extra: dict[str, str] | None = None
    warnings: list[Warned] | None = None


class RecordingResults(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was heard."""

    channels: list[Channel]
    utterances: list[Utterance] | None = None


class Recording(msgspec.Struct, frozen=True):
    """The whole answer."""

    metadata: RecordingMetadata
    results: RecordingResults


class Queued(msgspec.Struct, frozen=True):
    """The answer when the result goes to a callback."""

    request_id: str


class _Source(msgspec.Struct):
    url: str


_source = msgspec.json.Decoder(_Source)


def parse_source(body: bytes) -> str:
    """The URL a JSON body names.

    Raises:
        BadMessage: it names none.
    """
    try:
        url = _source.decode(body).url.strip()
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        raise BadMessage(
            'the body says that it is JSON and is not {"url": "https://…"}; send audio with '
            "content-type application/octet-stream"
        ) from error
    if not url.lower().startswith(("https://", "http://")):
        raise BadMessage("the url in the body is neither https nor http")
    return url
