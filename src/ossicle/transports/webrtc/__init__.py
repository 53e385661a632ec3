"""WebRTC: sound and words over one UDP port, through NAT, from a browser or whatever speaks it.

Needs the extra `webrtc`. `server` imports it; the settings, SDP, jitter buffer and the rest of what
is pure do not.
"""

from .settings import WebRtcSettings

__all__ = ["WebRtcSettings"]
