"""Everything about a running gateway that somebody may want to change, with sane defaults."""

from pathlib import Path
from typing import Literal

import msgspec

from ossicle.core.session import SessionSettings
from ossicle.dialects.google import GoogleRules
from ossicle.transports.grpc.settings import GrpcSettings
from ossicle.transports.http.server import HttpSettings
from ossicle.transports.http2.settings import Http2Settings
from ossicle.transports.mux.settings import MuxSettings
from ossicle.transports.webrtc.settings import WebRtcSettings
from ossicle.transports.websocket.server import WebSocketSettings

__all__ = [
    "AccessSettings",
    "AmazonSettings",
    "FetchSettings",
    "GatewaySettings",
    "HookSettings",
    "ProbeSettings",
    "RecordSettings",
]


class AccessSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Who may come in, and how often."""

    keys_file: str = ""
    """File of `ossicle keys`; empty = `keys.json` of the state directory."""
    handshakes_per_s: float = 50.0
    """Connections per second from one address (IPv6: one /64), before any key is looked at; four
    seconds' worth may come at once. 0 = no limit. This machine is not limited."""
    trust_proxies: tuple[str, ...] = ()
    """Addresses or networks of your own proxies: what they say about who comes is believed."""
    forwarded_header: Literal["x-forwarded-for", "forwarded"] = "x-forwarded-for"
    """The header that your proxies write. Only this one is read: most proxies pass the other on
    as a stranger sent it."""
    proxy_protocol: bool = False
    """Every connection begins with a PROXY header (version 1 or 2) from one of `trust_proxies`;
    others are closed."""
    metrics_for: tuple[str, ...] = ()
    """Owners whose keys open `/metrics` while keys are on; `*` = it is open to anyone."""
    judge: str = ""
    """`python:MODULE:FUNCTION`: an async function that gives the owner of a credential, or None.
    Asked for what is neither a key nor a token of this gateway."""
    judge_s: float = 5.0
    """How long a verdict may take; then the connection is refused."""
    jwks: str = ""
    """File or https:// address of a JSON Web Key Set: tokens signed by its keys (RS256, ES256,
    EdDSA) come in, each as the owner that its `sub` names."""
    jwks_age_s: float = 300.0
    """A fetched key set is fetched again after so long."""
    jwks_stale_s: float = 3600.0
    """While that fails, the old one is used so long beyond; then nobody comes in by it."""
    jwt_issuer: str = ""
    """Their `iss` has to be this."""
    jwt_audience: str = ""
    """Their `aud` has to name this."""


class AmazonSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Clients of Amazon Transcribe."""

    access_keys: tuple[tuple[str, str], ...] = ()
    """Access key id and the key of this gateway that it stands for, by its id or its owner. Without
    an entry the access key id is looked for itself."""
    hosts: tuple[str, ...] = ()
    """Names, with a port where clients dial one, that signatures may name besides the Host header:
    behind a proxy that rewrites it."""
    vocabularies: tuple[tuple[str, str], ...] = ()
    """Name of a custom vocabulary and its phrases, separated by commas: hints for the engine."""
    filters: tuple[tuple[str, str], ...] = ()
    """Name of a vocabulary filter and its words, separated by commas."""
    silence_s: float = 15.0
    """A stream that brings no audio for so long is ended, as the service does."""


class FetchSettings(msgspec.Struct, frozen=True):
    """Limits of recordings that are read by URL."""

    connect_s: float = 5.0
    """To a connection."""
    answer_s: float = 15.0
    """From a request to the head of its answer."""
    stall_s: float = 30.0
    """How long nothing may come while it is waited for."""
    most_s: float = 600.0
    """How long is waited for one recording in all. Time in which the gateway did not want more, as
    its engine was busy, does not count."""
    most_bytes: int = 2 << 30
    """Largest recording."""
    redirects: int = 5
    """Followed one after another."""


class HookSettings(msgspec.Struct, frozen=True):
    """Limits of webhooks and callbacks."""

    per_session: int = 4
    """Reports of one session."""
    first_wait_s: float = 0.5
    """Wait after the first failure, doubled with each further one; a random part of it is taken,
    so that many reports do not come back together."""
    most_wait_s: float = 30.0
    """Longest wait between two attempts."""
    warn_after: int = 3
    """Attempts of one post that fail before the session is told."""
    give_up_s: float = 120.0
    """How long nothing may get through after the session is over; then the rest is given up."""
    after_end_s: float = 600.0
    """The longest that a report outlives its session."""
    lingering: int = 500
    """Reports that outlive their sessions at once; beyond it the oldest gives up."""


class RecordSettings(msgspec.Struct, frozen=True):
    """Recordings of what engines are fed. Off unless a folder is named."""

    folder: str = ""
    """Where they are written, one file for each stream of an engine, for the gateway's user alone;
    empty = nothing is recorded."""
    form: Literal["wav", "opus"] = "wav"
    """`opus` is a tenth of the size; what Opus cannot hold is WAV then, too."""
    most_mb: int = 10_000
    """Megabytes of all files; beyond it the oldest go."""
    keep_s: float = 604_800.0
    """How long a file is kept."""


class ProbeSettings(msgspec.Struct, frozen=True):
    """What `ossicle probe` may measure here, and how much of it."""

    on: bool = True
    """Answer at `/v1/probe` at all."""
    udp_port: int | None = 0
    """Datagrams are echoed here; 0 = the number of the first door or, where that is taken, any
    free one."""
    datagrams_per_s: float = 200.0
    """Datagrams a second from one address that are answered, and twenty times as many in all."""
    quic: bool = True
    """Echo QUIC at the same port, where the `quic` extra is installed."""
    calls: int = 16
    """WebRTC calls that measure at once; 0 = none. Each lasts 30 s at most."""
    at_once: int = 256
    """Connections that measure at once."""
    per_address: int = 32
    """The same, from one address."""
    most_bytes: int = 16 << 20
    """Bytes of one measurement, each way."""
    bytes_per_minute: int = 128 << 20
    """Bytes of one address in a minute, both ways together."""
    most_s: float = 120.0
    """How long one connection may measure."""


class GatewaySettings(msgspec.Struct, frozen=True, kw_only=True):
    """One frozen value, passed whole."""

    host: str = "127.0.0.1"
    """Address to listen on. Anything but loopback needs keys, or `open_to_anyone`."""
    port: int | None = 8080
    """HTTP and WebSocket; 0 = any free port, off (None) = closed."""
    tls_port: int | None = 8443
    """The same over TLS."""
    grpc_port: int | None = 50_051
    """gRPC; as `port`. When the usual port is taken it stays closed, and a line says so; any
    other has to be free."""
    grpc_tls_port: int | None = 50_052
    """gRPC over TLS. The usual port opens along with `tls_port`."""
    engine: str = "pocketsphinx"
    """`NAME[:ARG]` of the engine that hears; `A | B`: B where A fails."""
    models: tuple[tuple[str, str], ...] = ()
    """Model name or pattern (`nova-*`) and the engine that hears for it."""
    upstreams: tuple[tuple[str, str], ...] = ()
    """Providers by names of your own: `DIALECT[@URL] [key_env=VARIABLE] [model=NAME] ...`; an
    engine is then `upstream:NAME`."""
    unknown_model: Literal["default", "refuse"] = "default"
    """A model name that no route knows: heard by `engine`, or refused."""
    voice: str = ""
    """`NAME[:ARG]` of the engine that speaks; empty = espeak if it is there, else tones."""
    state_dir: Path = Path("~/.local/state/ossicle")
    """Where the local CA, keys, usage and signing secrets are kept."""
    certificate: Path | None = None
    """Your own certificate chain (PEM) instead of a local one."""
    key: Path | None = None
    """Its private key."""
    allow_hosts: tuple[str, ...] = ()
    """Host names and origins taken besides loopback; hosts, addresses and networks that webhooks go
    to and recordings are read from."""
    trust_ca: Path | None = None
    """Certificates (PEM) trusted besides the platform's where the gateway itself calls: webhooks,
    recordings by URL."""
    public_url: str = ""
    """Scheme and host that the world reaches this gateway by, behind a proxy or a tunnel; for
    signatures over it and for documents that name it. Empty = as each request names its host."""
    open_to_anyone: bool = False
    """Listen on a public address without any key."""
    keys: tuple[tuple[str, str], ...] = ()
    """(owner, key) pairs; empty = keys are off."""
    sessions: int = 2_000
    """Sessions at once."""
    patience_s: float = 0.25
    """How long a handshake waits for the engine's first word, so that a full pool is a refusal
    and not an accepted and dropped connection."""
    heartbeat_s: float = 20.0
    """Who follows or streams by `ossicle.v1` is sent something at least so often. Keep it well
    below the idle timer of each proxy on the way."""
    take_over: bool = False
    """Take the ports from the gateway that has them, if it runs with this setting and the same
    state directory, and have it stop once this one is ready. No connection is refused meanwhile."""
    drain_s: float = 30.0
    """From SIGTERM to the end: sessions may finish meanwhile, then they are told to resume."""
    node: str = ""
    """Name in resume tokens, for load balancers to route by; empty = made up at start."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """How much is logged."""
    ice_ports: str = ""
    """Range A-B of UDP ports for WebRTC; empty = any free ones."""
    announce: str = ""
    """Public address to tell instead of our own (1:1 NAT, a container); several: with commas, one
    for each family."""
    session: SessionSettings = SessionSettings()
    """Bounds of each session."""
    http: HttpSettings = HttpSettings()
    """Limits of plain HTTP."""
    http2: Http2Settings = Http2Settings()
    """Limits of each HTTP/2 connection."""
    websocket: WebSocketSettings = WebSocketSettings()
    """Limits of each WebSocket."""
    mux: MuxSettings = MuxSettings()
    """Limits of a WebSocket that sessions share, and of each of its streams."""
    webrtc: WebRtcSettings = WebRtcSettings()
    """WebRTC: WHIP and WHEP."""
    grpc: GrpcSettings = GrpcSettings()
    """Limits of gRPC."""
    google: GoogleRules = GoogleRules()
    """What Google's clients are held to."""
    webhooks: HookSettings = HookSettings()
    """Limits of webhooks and callbacks."""
    record: RecordSettings = RecordSettings()
    """Recordings of what engines are fed; off by default."""
    fetch: FetchSettings = FetchSettings()
    """Limits of recordings read by URL."""
    probe: ProbeSettings = ProbeSettings()
    """What may be measured here."""
    access: AccessSettings = AccessSettings()
    """Keys, and who may knock how often."""
    amazon: AmazonSettings = AmazonSettings()
    """Clients of Amazon Transcribe."""

    @property
    def keys_path(self) -> Path:
        """The file of `ossicle keys`."""
        given = self.access.keys_file
        return Path(given).expanduser() if given else self.state_dir.expanduser() / "keys.json"
