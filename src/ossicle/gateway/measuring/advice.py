"""`GET /v1/advise`: the advisor's answer for this gateway, with a configuration and a client.

    answer(Inputs(client="browser"), Address(http="http://localhost:8080")).client

The advisor knows no gateway; here it is told what this one has (`here`), and its choice becomes
lines to paste: TOML that `ossicle config check` accepts, and one of the texts of `snippets`. The
command line and the page ask the same function.
"""

from collections.abc import Iterable
from typing import cast

import msgspec
from starlette.routing import Route

from ossicle.advisor import Advice, Choice, Here, Inputs, decide, read_inputs
from ossicle.client.dialects import PROVIDERS
from ossicle.core.endpoint import Desk, Request, Response
from ossicle.core.errors import Refused

from ..configuration.naming import LATER, SETTINGS
from ..doors.bind import BINDINGS, ENDPOINTS
from ..doors.desk import endpoint_route
from ..house import House
from ..snippets import Address, Snippet, find

__all__ = ["PATHS", "AdviceGiven", "advice_route", "answer", "as_command", "here"]

PATHS: dict[tuple[str, str], str] = {
    ("websocket", "native"): "/v1/stream",
    ("websocket", "deepgram"): "/v1/listen",
    ("websocket", "assemblyai"): "/v3/ws",
    ("websocket", "amazon"): "/stream-transcription-websocket",
    ("websocket", "openai"): "/v1/realtime",
    ("websocket", "twilio"): "/twilio/media",
    ("http", "native"): "/v1/stream",
    ("http", "deepgram"): "/v1/listen",
    ("http", "openai"): "/v1/audio/transcriptions",
    ("http2", "amazon"): "/stream-transcription",
    ("grpc", "native"): "/ossicle.v1.Speech/Stream",
    ("grpc", "google"): "/google.cloud.speech.v1.Speech/StreamingRecognize",
    ("grpc", "riva"): "/nvidia.riva.asr.RivaSpeechRecognition/StreamingRecognize",
    ("grpcweb", "native"): "/ossicle.v1.Speech/Recognize",
    ("webrtc", "native"): "/whip",
    ("webrtc", "openai"): "/v1/realtime/calls",
    ("webtransport", "native"): "/v1/stream",
    ("moq", "native"): "/moq",
    ("sip", "native"): "sip:",
    ("sip", "openai"): "sip:",
}
"""Where each wire and dialect answers, in any version; `here` says which of them do in this one."""

_DOORS = {"grpc": "grpc_port", "webtransport": "quic_port", "moq": "quic_port", "sip": "sip_port",
          "webrtc": "ice_ports"}  # fmt: skip
"""The setting of a wire's own door."""
_ALSO = {"http2": "http", "webrtc": "http", "grpcweb": "grpc"}
"""Wires whose paths stand under another one: HTTP/2 shares HTTP's, WebRTC is arranged over it."""
_SNIPPETS = {
    ("websocket", "native"): ("ossicle", "python"),
    ("websocket", "deepgram"): ("deepgram", "python"),
    ("websocket", "assemblyai"): ("assemblyai", "python"),
    ("websocket", "twilio"): ("twilio", "xml"),
    ("websocket", "amazon"): ("amazon", "javascript"),
    ("http", "native"): ("curl", "shell"),
    ("webrtc", "native"): ("webrtc", "javascript"),
    ("webrtc", "openai"): ("openai", "javascript"),
    ("http2", "amazon"): ("amazon", "python"),
    ("grpc", "native"): ("ossicle", "python"),
    ("grpc", "google"): ("google", "python"),
    ("grpc", "riva"): ("riva", "python"),
}
"""Which text shows it: SDK and language."""
_TOLD_ELSEWHERE = {
    ("websocket", "native"): "/ossicle.js",
    ("websocket", "amazon"): "/stream-transcription",
    ("grpc", "native"): "/v1/stream",
}
"""Where the text of a choice stands under another path: a module, an SDK that takes either wire,
a text whose address says the wire."""


class AdviceGiven(Advice, frozen=True, kw_only=True):
    """The advice, what was asked, and lines to paste."""

    asked: Inputs
    """The question as it was understood."""
    config: str
    """TOML for `ossicle serve --config`."""
    client: str
    """Lines for a client; empty = this version has none that fits. They, and the configuration,
    are for `today`: what this gateway has."""
    client_title: str = ""
    client_language: str = ""
    client_install: str = ""
    command: str = ""
    """The command that asks the same."""


def here(bound: Iterable[tuple[str, str]] | None = None) -> Here:
    """What this version has.

    Args:
        bound: wire and path of everything that answers; None = of this version.
    """
    if bound is None:
        bound = (
            *((each.transport, each.path) for each in BINDINGS),
            *(("http", path) for _, path, _ in ENDPOINTS),
        )
    known = set(bound)
    built = {
        choice
        for choice, path in PATHS.items()
        if _DOORS.get(choice[0]) not in LATER
        and ((choice[0], path) in known or (_ALSO.get(choice[0], ""), path) in known)
    }
    return Here(frozenset(built), frozenset(PROVIDERS))


def answer(asked: Inputs, address: Address) -> AdviceGiven:
    """The whole answer.

    Args:
        address: where this gateway is reached, for the client's lines.

    Raises:
        Refused: a browser that is not known.
    """
    advice = decide(asked, here())
    text = _client(asked, advice.today, address)
    fields = {name: getattr(advice, name) for name in Advice.__struct_fields__}
    return AdviceGiven(
        **fields,
        asked=asked,
        config=_config(asked, advice),
        client=text.text if text else "",
        client_title=text.title if text else "",
        client_language=text.language if text else "",
        client_install=text.install if text else "",
        command=as_command(asked),
    )


def advice_route(house: House) -> Route:
    """`GET /v1/advise?client=browser&latency=100`. Asks for no key: nothing in it is secret."""

    async def advise(request: Request, _desk: Desk) -> Response:
        asked = read_inputs(request.query)
        found = answer(asked, house.address.seen_from(request.header("host")))
        headers = (("content-type", "application/json"), ("cache-control", "no-store"))
        return Response(200, headers, msgspec.json.encode(found))

    return endpoint_route(house, "GET", "/v1/advise", advise)


def _client(asked: Inputs, now: Choice | None, address: Address) -> Snippet | None:
    if now is None:
        return None
    kind = (now.wire, now.dialect)
    sdk, language = _SNIPPETS.get(kind, (now.dialect, "python"))
    if asked.client == "browser":
        language = "javascript"
    if kind == ("grpc", "native"):  # the same text; the address says which wire
        address = Address(http=address.grpc, https=address.grpcs, ca=address.ca)
    paths = {PATHS[kind], _TOLD_ELSEWHERE.get(kind, "")}
    for wanted in (language, ""):
        try:
            return find(address, paths, sdk, wanted)[0]
        except Refused:  # no such text: in another language, or there is none yet
            continue
    return None


def _config(asked: Inputs, advice: Advice) -> str:
    out = [
        "# ossicle.toml: `ossicle config check ossicle.toml`, then",
        "# `ossicle serve --config ossicle.toml`",
    ]
    behind = advice.upstream
    if behind is not None and behind.built:
        provider = PROVIDERS[behind.dialect]
        if asked.talks and provider.name == "openai":
            provider = PROVIDERS.get("openai-realtime", provider)  # it answers, too
        where = "" if provider.url else "@https://speech.example:50051"
        key = f"the key from {provider.key}" if provider.key else "yours"
        out += [f'engine = "upstream:{provider.name}{where}"  # {key}']
    elif behind is not None:
        out += [f'engine = "pocketsphinx"  # in place of {behind.title}: not in this version']
    else:
        out += ['engine = "pocketsphinx"  # hears at once; put your own in its place']
    door = _DOORS.get(advice.today.wire if advice.today else "", "")
    if door in SETTINGS and isinstance(SETTINGS[door].default, int):
        out += [f"{door} = {SETTINGS[door].default}"]
    if asked.client in {"browser", "mobile", "telephone"} or not asked.same_datacentre:
        out += [
            "tls_port = 8443  # what comes from outside comes over TLS",
            "",
            "# Before it listens on a public address: keys, and a certificate of your own",
            '# host = "0.0.0.0"',
        ]
    if asked.client == "browser":
        out += ['# allow_host = ["https://app.example"]  # pages of other origins']
    if asked.client == "telephone":
        out += ['# public_url = "https://speech.example"  # where the carrier finds you']
    if advice.today is not None and advice.today.wire == "websocket":
        out += [
            "",
            "[websocket]",
            "keepalive_s = 20.0  # proxies cut after a minute of nothing",
        ]
    if asked.client != "batch":
        out += [
            "",
            "[session]",
            "resume_window_s = 30.0  # how long a client may be away and lose nothing",
        ]
    return "\n".join(out) + "\n"


def as_command(asked: Inputs) -> str:
    """The command that asks the same again."""
    out = ["ossicle advise"]
    for field in msgspec.structs.fields(Inputs):
        value = getattr(asked, field.name)
        name = {"latency_ms": "latency", "browsers": "browser"}.get(field.name, field.name)
        flag = "--" + name.replace("_", "-")
        if value == field.default and field.name not in {"client", "latency_ms", "provider"}:
            continue
        if value is True:
            out.append(flag)
            continue
        texts = cast("tuple[str, ...]", value) if isinstance(value, tuple) else (str(value),)
        out += [f'{flag} "{text}"' if " " in text else f"{flag} {text}" for text in texts]
    return " ".join(out)
