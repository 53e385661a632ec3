"""What became of the packets of one call: for metrics, lists and pages. No sound, no words."""

import msgspec

__all__ = ["CallFigures"]


class CallFigures(msgspec.Struct, frozen=True):
    """What became of the packets of one call so far."""

    received: int = 0
    lost: int = 0
    recovered: int = 0
    concealed: int = 0
    late: int = 0
    damaged: int = 0
    forged: int = 0
    sent: int = 0
    depth_ms: int = 0
    bitrate: int = 0
