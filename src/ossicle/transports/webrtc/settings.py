"""Everything about WebRTC that somebody may want to change, with sane defaults."""

import msgspec

__all__ = ["WebRtcSettings"]


class WebRtcSettings(msgspec.Struct, frozen=True):
    """WebRTC: WHIP, WHEP, and whatever else brings an SDP offer. Seconds, bits and bytes."""

    calls: int = 500
    """Calls at once; each holds a UDP port."""
    addresses: tuple[str, ...] = ()
    """Addresses of this machine to offer; empty = `host`, or all of them where that is a
    wildcard."""
    ipv6: bool = True
    """Offer IPv6 addresses, too, where `host` is a wildcard."""
    stun: str = ""
    """`stun:HOST:PORT`: asked by the gateway for its own public address, told to clients."""
    turn: tuple[str, ...] = ()
    """`turn:HOST:PORT?transport=udp` and the like: relays that clients are told of. With
    OSSICLE_TURN_SECRET, which the relay shares (`static-auth-secret` of coturn), each client gets
    credentials of its own that end."""
    turn_ttl_s: float = 3_600.0
    """How long such a credential lives."""
    bitrate: int = 24_000
    """Of our voice at most, and asked of the client's; a bad network gets less."""
    least_bitrate: int = 12_000
    """Of our voice at least."""
    complexity: int = 5
    """Of the Opus encoder, 0-10: 5 takes 0.1 ms a packet, 10 twice that, 0 half."""
    fec: bool = True
    """Packets carry what recovers the one before them, as losses ask for it."""
    dtx: bool = False
    """No packets for silence within our voice; between utterances there are none anyway."""
    depth_least_ms: int = 40
    """A missing packet is waited for so long at least..."""
    depth_most_ms: int = 200
    """...and so long at most, as the network needs it."""
    connect_s: float = 15.0
    """From the answer to a connection; then the call is dropped."""
    consent_s: float = 15.0
    """A peer of whom nothing at all came for so long is gone (RFC 7675 allows 30 s)."""
    rtp_silence_s: float = 60.0
    """A caller whose microphone sends no packets for so long is gone; 0 = it may."""
    channel_s: float = 3.0
    """A data channel that was offered opens within this, or the call goes on without."""
    linger_s: float = 5.0
    """After the last word, how long it may take to be heard and read."""
    max_offer: int = 64 * 1024
    """Largest SDP."""
    max_message: int = 64 * 1024
    """Largest message on the data channel."""
    max_backlog: int = 1 << 20
    """What may wait on the data channel for a client that does not read; then it is dropped."""
