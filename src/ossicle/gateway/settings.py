"""Everything about a running gateway that somebody may want to change, with sane defaults."""

from pathlib import Path
from typing import Literal

import msgspec

from ossicle.core.session import SessionSettings
from ossicle.transports.http.server import HttpSettings
from ossicle.transports.webrtc.settings import WebRtcSettings
from ossicle.transports.websocket.server import WebSocketSettings

__all__ = ["AccessSettings", "GatewaySettings"]


class AccessSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Who may come in, and how often."""

    keys_file: str = ""
    """File of `ossicle keys`; empty = `keys.json` of the state directory."""
    handshakes_per_s: float = 50.0
    """Connections per second from one address (IPv6: one /64), before any key is looked at; four
    seconds' worth may come at once. 0 = no limit. This machine is not limited."""
    trust_proxies: tuple[str, ...] = ()
    """Addresses or networks of your own proxies: what their X-Forwarded-For says is believed."""
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


class GatewaySettings(msgspec.Struct, frozen=True, kw_only=True):
    """One frozen value, passed whole."""

    host: str = "127.0.0.1"
    """Address to listen on. Anything but loopback needs keys, or `open_to_anyone`."""
    port: int | None = 8080
    """HTTP and WebSocket; 0 = any free port, off (None) = closed."""
    tls_port: int | None = 8443
    """The same over TLS."""
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
    """Host names and origins taken besides loopback, and hosts that webhooks may go to."""
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
    websocket: WebSocketSettings = WebSocketSettings()
    """Limits of each WebSocket."""
    webrtc: WebRtcSettings = WebRtcSettings()
    """WebRTC: WHIP and WHEP."""
    access: AccessSettings = AccessSettings()
    """Keys, and who may knock how often."""

    @property
    def keys_path(self) -> Path:
        """The file of `ossicle keys`."""
        given = self.access.keys_file
        return Path(given).expanduser() if given else self.state_dir.expanduser() / "keys.json"
