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
[Google Speech](reference/google.md), [Riva](reference/riva.md),
[Amazon Transcribe](reference/amazon.md#what-is-lost),
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
    Provider("Deepgram", "Flux, `/v2/speak`", DEEPGRAM_SDKS, DEEPGRAM,
             (("client", "flux-tts/client-messages"), ("server", "flux-tts/server-messages"),
              ("states", "flux-tts/state")), DAY),
    Provider("AssemblyAI", "universal streaming, `/v3/ws`",
             "SDKs of Python (1) and JavaScript (4)", "https://www.assemblyai.com/docs/",
             (("messages", "streaming/universal-streaming/message-sequence"),), DAY),
    Provider("AssemblyAI", "real-time, `/v2/realtime/ws`",
             "SDKs of Python (0.34) and JavaScript (4)", "https://www.assemblyai.com/docs/",
             (("what became of it", "guides/v2_to_v3_migration"),), DAY),
    Provider("Amazon Transcribe", "StartStreamTranscription over HTTP/2 and WebSocket; event "
             "stream; Signature Version 4",
             "SDKs of Python (0.6) and JavaScript (3), botocore"),
    Provider("OpenAI", "Realtime (GA, and the beta's shapes) over WebSocket and WebRTC; "
             "`/v1/audio/transcriptions`, `/v1/audio/speech`",
             "SDKs of Python (3) and JavaScript (7), agents-realtime (0.20)"),
    Provider("Twilio", "Media Streams, version 1.0.0",
             "its request validators for Python and JavaScript", "https://www.twilio.com/docs/",
             (("messages", "voice/media-streams/websocket-messages"),
              ("`<Stream>`", "voice/twiml/stream")), DAY),
    Provider("Google", "Cloud Speech-to-Text v1, v1p1beta1 and v2, over gRPC",
             "SDKs of Python (google-cloud-speech 2) and JavaScript (7)"),
    Provider("NVIDIA", "Riva recognition and synthesis, over gRPC", "its client for Python (2)"),
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
    Followed("RFC 9113 HTTP/2, RFC 7541 HPACK", "the server's end, by ALPN (RFC 7301) and by prior "
             "knowledge; windows, limits, GOAWAY; no push, priorities, trailers or WebSocket "
             "(RFC 8441)", "h2; `transports/http2`", (9113, 7541, 7301, 8441)),
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
    _rfc(7578, "multipart forms", "taken apart as they come, whatever their order",
         "`dialects/openai/multipart.py`"),
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
    Followed("RFC 5574 Speex, the Speex manual", "packets and their durations; the header in Ogg",
             "`audio/speex.py`", (5574,)),
    _rfc(4867, "AMR and AMR-WB", "the storage format, with or without its first line; one channel",
         "`audio/amr.py`"),
    _rfc(9639, "FLAC", "frames, native and in Ogg", "`audio/flac.py`"),
    Followed("ISO/IEC 11172-3 and 13818-3, MPEG audio", "frame headers; ID3 tags are skipped",
             "`audio/mpeg.py`, `audio/id3.py`"),
    Followed("ITU-T G.729", "frames of 10 bytes; no Annex B", "`audio/g729.py`"),
    Followed("ITU-T G.711", "µ-law and A-law", "`audio/g711.py`"),
    _rfc(3550, "RTP", "sequence numbers and reordering, for wires that carry them",
         "`core/intake.py`"),
    Followed("RFC 9725 WHIP, draft-ietf-wish-whep", "offers, answers, trickled addresses, ICE "
             "restarts, ICE servers in Link headers; no redirection", "`transports/webrtc/whip.py`",
             (9725, 8840)),
    Followed("RFC 8288 Link headers", "ICE servers for clients, and read by `ossicle.js`",
             "`transports/webrtc/turn.py`, `web/ossicle/ice.js`", (8288,)),
    Followed("RFC 8866 SDP, 8839 SDP for ICE", "one audio section, perhaps a data channel, bundled",
             "`transports/webrtc/sdp.py`", (8866, 8839)),
    Followed("RFC 8445 ICE, 7675 consent", "full ICE by aioice, restarts by us; no TCP candidates",
             "`transports/webrtc/seam.py`", (8445, 7675)),
    _rfc(5761, "RTP and RTCP on one port", "told apart by their second byte",
         "`transports/webrtc/seam.py`"),
    Followed("RFC 7587 Opus in RTP, 8285 header extensions, 5506 reduced RTCP",
             "in-band FEC, DTX on request; G.711 beside it; transport-wide feedback "
             "(draft-holmer-rmcat-transport-wide-cc-extensions-01) and REMB",
             "`transports/webrtc`", (7587, 8285, 5506)),
    Followed("RFC 8831 data channels, 9260 SCTP", "by aiortc; the first channel carries words",
             "`transports/webrtc/call.py`", (8831, 9260)),
    Followed("QUIC (RFC 9000, 9001)", "aioquic's, for `ossicle probe`: a handshake, early data, an "
             "echo; no answer without a cookie, where the text allows three times what came",
             "aioquic; `gateway/measuring/quicecho.py`, `gateway/measuring/datagrams.py`, "
             "`advisor/quic.py`",
             (9000, 9001)),
    _rfc(9293, "TCP", "Nagle's algorithm is off at every door", "`gateway/doors/door.py`"),
    Followed("RFC 5280 X.509, RFC 9525 names in TLS", "the local authority and its certificates",
             "`gateway/doors/certificates.py`", (5280, 9525)),
    Followed("TLS 1.2 and 1.3 (RFC 8446)", "OpenSSL's; nothing older; nobody is waited for with "
             "the last word", "`gateway/doors/certificates.py`, `gateway/doors/listening.py`",
             (8446,)),
    Followed("RFC 7519 JSON Web Token, 7517 keys, 7518 algorithms, 8725 good practice",
             "RS256, ES256 and EdDSA; the algorithm comes from the key, never from the token",
             "`gateway/keys/jwt.py`, `gateway/keys/jwks.py`", (7519, 7517, 7518, 8725)),
    Followed("gRPC over HTTP/2 (RFC 9113)", "by grpcio: half close, status, trailing metadata, "
             "`grpc-timeout`; windows set by us", "`transports/grpc`", (9113,)),
    Followed("`grpc.health.v1`, gRPC server reflection v1 and v1alpha", "health of the whole and "
             "of each service; the descriptions of all services",
             "`gateway/doors/rpchealth.py`, `gateway/doors/reflection.py`"),
    Followed("Protocol Buffers, proto3", "messages; sound, transcripts and flow reports by hand",
             "`proto`, `dialects/protobuf.py`, `dialects/native/byhand.py`"),
    Followed("RFC 2104 HMAC", "tokens that end by themselves, signatures of webhooks and of "
             "carriers", "`gateway/keys/minting.py`, `gateway/reports/signing.py`, "
             "`dialects/twilio`", (2104,)),
    Followed("RFC 3986 URI", "what is quoted in a signed URL", "`dialects/amazon/sigv4.py`",
             (3986,)),
    Followed("RFC 4291 IPv6 addresses, 3056 6to4, 4380 Teredo, 6052 NAT64",
             "which IPv4 address an IPv6 one may lead to, so that no form of one leads inside",
             "`gateway/fetching/reach.py`", (4291, 3056, 4380, 6052)),
    _rfc(6335, "port numbers", "system ports are not read from, but for those of the web",
         "`gateway/fetching/reach.py`"),
    Followed("BCP 47 language tags", "compared by their beginnings", "`core/fit.py`"),
    Followed("Protocol Buffers, version 3", "messages of gRPC, by the protobuf runtime, in "
             "descriptors of our own", "`dialects/protobuf.py`, `proto`"),
    Followed("W3C Trace Context", "`traceparent` in and out, `traceresponse`; no `tracestate`, "
             "since we add nothing to it", "`gateway/reports/traces.py`"),
    Followed("OTLP 1 over HTTP", "spans, by OpenTelemetry's exporter",
             "`gateway/reports/traces.py`"),
    Followed("W3C Content Security Policy 3", "of the playground: nothing inline, nothing from "
             "elsewhere", "`gateway/doors/pages.py`"),
    _rfc(7239, "Forwarded", "`for`, from one's own proxies", "`gateway/keys/forwarded.py`"),
    _rfc(7617, "Basic authentication", "towards proxies", "`transports/tunnel.py`"),
    Followed("RFC 1928 SOCKS 5, 1929 user and password", "by python-socks: CONNECT, names looked "
             "up by the proxy", "`transports/tunnel.py`", (1928, 1929)),
    _rfc(8305, "happy eyeballs", "its idea, between wires instead of addresses",
         "`client/race.py`"),
    _rfc(6761, "special names", "`localhost` and names under it are this machine",
         "`client/proxies.py`"),
    Followed("PROXY protocol, versions 1 and 2", "TCP over IPv4 and IPv6; extensions are skipped",
             "`gateway/doors/proxied.py`"),
    Followed("systemd's sd_listen_fds(3) and sd_notify(3)", "sockets by name or in order; READY "
             "and STOPPING", "`gateway/doors/activation.py`"),
    Followed("Prometheus text format", "`/metrics`", "`gateway/reports/metrics.py`"),
    Followed("WebVTT, SubRip", "plain cues", "`cli/subtitles.py`, `web/playground/subtitles.js`"),
)  # fmt: skip
LATER = (
    ("HTTP/3 and QUIC", "quic"), ("WebTransport", "webtransport"),
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
