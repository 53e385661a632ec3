"""The page of specifications: what is followed stands here as a table, and which sections of an RFC
the comments in the code cite is read from the code. An RFC that the code cites and the table does
not know is an error, so the list cannot fall behind.
"""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

__all__ = ["specifications_page"]

SOURCE = Path(__file__).resolve().parent.parent / "src"
CITED = re.compile(r"RFC (\d{3,5})(?:,? (?:sections? |§)?(\d+(?:\.\d+)*)(?![\d-]))?")

HEAD = """\
# Specifications we follow

Only what the code really does. Where it is stricter or kinder than the text, a comment in the
module says for whom. The sections are those that comments in the code cite.

| specification | what of it | sections | where |
|---|---|---|---|
"""
PROVIDERS = """
## Providers

A provider's protocol is what its SDKs send and its pages say. Each was written with the SDKs at
hand, and [run against them](reference/interop.md); carriers of telephone calls have no SDK for
this end, so they were written from their pages and tried with stand-ins. The pages were looked up
last on the day that is named; they change without notice.

| provider | what | written with | pages | looked up |
|---|---|---|---|---|
"""
TAIL = """
What differs from each is on its page: [Deepgram](reference/deepgram.md),
[Flux](reference/deepgram-flux.md), [speak](reference/deepgram-speak.md),
[AssemblyAI](reference/assemblyai.md#what-is-lost),
[Twilio and other carriers](reference/twilio.md).
"""


class Provider(NamedTuple):
    """One protocol of one provider."""

    name: str
    what: str
    written_with: str
    at: str = ""
    """Where its pages begin."""
    pages: tuple[tuple[str, str], ...] = ()
    on: str = "not again since it was written"


DEEPGRAM = "https://developers.deepgram.com/docs/"
DEEPGRAM_SDKS = "SDKs of Python (7, 4) and JavaScript (5, 4)"
DAY = "2026-11-24"
LOOKED_UP = (
    Provider("Deepgram", "`/v1/listen`, live and recordings", DEEPGRAM_SDKS, DEEPGRAM,
             (("live audio", "live-streaming-audio"),), DAY),
    Provider("Deepgram", "Flux, `/v2/listen`", DEEPGRAM_SDKS, DEEPGRAM,
             (("end of turn", "flux/configuration"), ("states", "flux/state"),
              ("forced end", "flux/force-end-turn")), DAY),
    Provider("Deepgram", "`/v1/speak`", DEEPGRAM_SDKS, DEEPGRAM,
             (("streamed", "tts-websocket"), ("flush", "tts-ws-flush"),
              ("clear", "tts-ws-clear")), DAY),
    Provider("AssemblyAI", "universal streaming, `/v3/ws`",
             "SDKs of Python (1) and JavaScript (4)", "https://www.assemblyai.com/docs/",
             (("messages", "streaming/universal-streaming/message-sequence"),), DAY),
    Provider("AssemblyAI", "real-time, `/v2/realtime/ws`",
             "SDKs of Python (0.34) and JavaScript (4)", "https://www.assemblyai.com/docs/",
             (("what became of it", "guides/v2_to_v3_migration"),), DAY),
    Provider("Twilio", "Media Streams, version 1.0.0",
             "its request validators for Python and JavaScript", "https://www.twilio.com/docs/",
             (("messages", "voice/media-streams/websocket-messages"),
              ("`<Stream>`", "voice/twiml/stream")), DAY),
    Provider("Telnyx", "media streaming", "its pages", "https://developers.telnyx.com/",
             (("media streaming", "docs/voice/programmable-voice/media-streaming"),
              ("frames", "api-reference/websockets/stream-call-media-over-websocket")), DAY),
    Provider("Vonage", "Voice API, WebSockets", "its pages"),
    Provider("Plivo", "audio streaming", "its pages"),
)  # fmt: skip


class Followed(NamedTuple):
    """One specification."""

    name: str
    what: str
    where: str
    rfcs: tuple[int, ...] = ()


def _rfc(number: int, title: str, what: str, where: str) -> Followed:
    return Followed(f"RFC {number} {title}", what, where, (number,))


TABLE = (
    _rfc(6455, "WebSocket", "both ends; the closing handshake, control frames, UTF-8, masking; no "
         "extensions", "`transports/websocket`"),
    _rfc(9110, "HTTP semantics", "status codes, 100 Continue, upgrade; content codings are refused",
         "`transports/http`, `transports/websocket`"),
    _rfc(9112, "HTTP/1.1", "message framing, chunked bodies",
         "uvicorn and httptools; `transports/http`"),
    Followed("WHATWG HTML, server-sent events", "the event stream, with `id` and `event`; "
             "`Last-Event-ID`", "`dialects/native`"),
    _rfc(6585, "additional status codes", "431, for headers that are too large",
         "`transports/http`"),
    Followed("RFC 6750 bearer tokens", "the header, and the challenge of a 401",
             "`dialects/native`", (6750,)),
    Followed("RFC 8259 JSON, RFC 4648 base64", "messages, by msgspec; sound in answers "
             "that are text", "`dialects/*/messages.py`", (8259, 4648)),
    Followed("JSON Schema 2020-12 and draft 07", "[every native message](reference/"
             "ossicle-v1.schema.json); the bodies in the two documents below",
             "`scripts/schemas.py`"),
    Followed("OpenAPI 3.1", "[every HTTP route](reference/openapi.json)", "`scripts/openapi_*.py`"),
    Followed("AsyncAPI 3.0", "[every message on WebSockets](reference/asyncapi.json)",
             "`scripts/asyncapi_*.py`"),
    _rfc(7396, "JSON merge patch", "changes of options", "`core/options.py`"),
    Followed("RFC 2046, 3551 and 4856 media types", "`audio/L16`, `audio/PCMU` and others in "
             "Content-Type, with `rate` and `channels`", "`dialects/native/query.py`",
             (2046, 3551, 4856)),
    _rfc(2361, "WAVE codec registry", "format tags of WAV files", "`audio/wav.py`"),
    _rfc(6716, "Opus", "packets and their durations", "`audio/opus.py`"),
    _rfc(7845, "Opus in Ogg", "headers, pre-skip, end trimming", "`audio/ogg.py`, `audio/opus.py`"),
    _rfc(3533, "Ogg", "pages, checksums, resynchronisation", "`audio/ogg.py`"),
    Followed("RFC 9559 Matroska, RFC 8794 EBML", "what WebM uses, live files of unknown size "
             "included", "`audio/webm.py`", (9559, 8794)),
    _rfc(9639, "FLAC", "frames, native and in Ogg", "`audio/flac.py`"),
    Followed("ISO/IEC 11172-3 and 13818-3, MPEG audio", "frame headers; ID3 tags are skipped",
             "`audio/mpeg.py`, `audio/id3.py`"),
    Followed("ITU-T G.711", "µ-law and A-law", "`audio/g711.py`"),
    _rfc(3550, "RTP", "sequence numbers and reordering, for wires that carry them",
         "`core/intake.py`"),
    Followed("RFC 9725 WHIP, draft-ietf-wish-whep", "offers, answers, trickled addresses, ICE "
             "restarts, ICE servers in Link headers; no redirection", "`transports/webrtc/whip.py`",
             (9725, 8840)),
    Followed("RFC 8866 SDP, 8839 SDP for ICE", "one audio section, perhaps a data channel, bundled",
             "`transports/webrtc/sdp.py`", (8866, 8839)),
    Followed("RFC 8445 ICE, 7675 consent", "full ICE by aioice, restarts by us; no TCP candidates",
             "`transports/webrtc/seam.py`", (8445, 7675)),
    Followed("RFC 7587 Opus in RTP, 8285 header extensions, 5506 reduced RTCP",
             "in-band FEC, DTX on request; G.711 beside it; transport-wide feedback "
             "(draft-holmer-rmcat-transport-wide-cc-extensions-01) and REMB",
             "`transports/webrtc`", (7587, 8285, 5506)),
    Followed("RFC 8831 data channels, 9260 SCTP", "by aiortc; the first channel carries words",
             "`transports/webrtc/call.py`", (8831, 9260)),
    Followed("RFC 5280 X.509, RFC 9525 names in TLS", "the local authority and its certificates",
             "`gateway/certificates.py`", (5280, 9525)),
    Followed("TLS 1.2 and 1.3 (RFC 8446)", "OpenSSL's; nothing older; nobody is waited for with "
             "the last word", "`gateway/certificates.py`, `gateway/listening.py`", (8446,)),
    Followed("RFC 7519 JSON Web Token, 7517 keys, 7518 algorithms, 8725 good practice",
             "RS256, ES256 and EdDSA; the algorithm comes from the key, never from the token",
             "`gateway/jwt.py`, `gateway/jwks.py`", (7519, 7517, 7518, 8725)),
    Followed("RFC 2104 HMAC", "tokens that end by themselves, signatures of webhooks and of "
             "carriers", "`gateway/minting.py`, `gateway/signing.py`, `dialects/twilio`", (2104,)),
    Followed("BCP 47 language tags", "compared by their beginnings", "`core/fit.py`"),
    Followed("W3C Trace Context", "`traceparent` in and out, `traceresponse`; no `tracestate`, "
             "since we add nothing to it", "`gateway/traces.py`"),
    Followed("OTLP 1 over HTTP", "spans, by OpenTelemetry's exporter", "`gateway/traces.py`"),
    Followed("W3C Content Security Policy 3", "of the playground: nothing inline, nothing from "
             "elsewhere", "`gateway/pages.py`"),
    Followed("Prometheus text format", "`/metrics`", "`gateway/metrics.py`"),
    Followed("WebVTT, SubRip", "plain cues", "`cli/subtitles.py`, `web/playground/subtitles.js`"),
)  # fmt: skip
LATER = (
    ("HTTP/2", "http2"), ("HTTP/3 and QUIC", "quic"), ("WebTransport", "webtransport"),
    ("WebRTC", "webrtc"), ("Media over QUIC", "moq"), ("SIP", "sip"), ("gRPC", "grpc"),
)  # fmt: skip
"""Wires, and the folder in `transports` that would hold each."""


def cited() -> dict[int, set[str]]:
    """Every RFC that the code cites, and which sections of it."""
    found: dict[int, set[str]] = defaultdict(set)
    for path in sorted(SOURCE.rglob("*")):
        if path.suffix in {".py", ".js"}:
            text = " ".join(path.read_text("utf-8").split())
            for number, section in CITED.findall(text):
                # "RFC 2046, 3551" are two, and no section has four digits
                if len(section) == 4 and section.isdecimal():
                    found.setdefault(int(section), set())
                    section = ""  # noqa: PLW2901
                found[int(number)].update({section} - {""})
    return found


def specifications_page() -> str:
    """The page.

    Raises:
        KeyError: the code cites an RFC that is in no row.
    """
    sections = cited()
    if unknown := sections.keys() - {number for row in TABLE for number in row.rfcs}:
        raise KeyError(f"RFC {sorted(unknown)}: a row in scripts/specifications_page.py is missing")
    lines: list[str] = []
    for row in TABLE:
        told = [
            (f"{number}: " if len(row.rfcs) > 1 else "") + ", ".join(ordered)
            for number in row.rfcs
            if (ordered := sorted(sections.get(number, ()), key=_order))
        ]
        lines.append(f"| {row.name} | {row.what} | {'; '.join(told)} | {row.where} |")
    wires = {path.name for path in (SOURCE / "ossicle" / "transports").iterdir()}
    later = [name for name, folder in LATER if folder not in wires]
    tail = f"\nNot here yet, and so not in the list: {', '.join(later)}.\n" if later else ""
    providers = [
        f"| {each.name} | {each.what} | {each.written_with} | "
        + ", ".join(f"[{title}]({each.at}{path})" for title, path in each.pages)
        + f" | {each.on} |"
        for each in LOOKED_UP
    ]
    return "\n".join([HEAD + "\n".join(lines), tail + PROVIDERS + "\n".join(providers), TAIL])


def _order(section: str) -> tuple[int, ...]:
    return tuple(map(int, section.split(".")))
