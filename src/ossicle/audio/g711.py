"""Telephone companding, ITU-T G.711: mu-law and A-law to 16-bit samples and back, by table.

Knows only single samples: no rates, no channels.

    >>> decode_mulaw(bytes([0xFF, 0x00])).hex(" ")
    '00 00 84 82'
    >>> encode_alaw(decode_alaw(bytes(range(256)))) == bytes(range(256))
    True
"""

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["decode_alaw", "decode_mulaw", "encode_alaw", "encode_mulaw"]

_S16 = np.dtype("<i2")


def decode_mulaw(data: bytes) -> bytes:
    """mu-law bytes as 16-bit little-endian samples."""
    return _FROM_MULAW[np.frombuffer(data, np.uint8)].tobytes()


def decode_alaw(data: bytes) -> bytes:
    """A-law bytes as 16-bit little-endian samples."""
    return _FROM_ALAW[np.frombuffer(data, np.uint8)].tobytes()


def encode_mulaw(data: bytes) -> bytes:
    """16-bit little-endian samples as mu-law bytes."""
    return _TO_MULAW[np.frombuffer(data, "<u2")].tobytes()


def encode_alaw(data: bytes) -> bytes:
    """16-bit little-endian samples as A-law bytes."""
    return _TO_ALAW[np.frombuffer(data, "<u2")].tobytes()


def _mulaw_values() -> npt.NDArray[np.int16]:
    """G.711 table 2: 8 segments of 16 steps, bits inverted on the line, bias 33 (132 at 16 bit)."""
    code = ~np.arange(256) & 0xFF
    size = (((code & 15) << 3) + 132) << ((code >> 4) & 7)
    return np.where(code & 128, 132 - size, size - 132).astype(_S16)


def _alaw_values() -> npt.NDArray[np.int16]:
    """G.711 table 1: even bits inverted on the line; the two lowest segments share a step."""
    code = np.arange(256) ^ 0x55
    segment = (code >> 4) & 7
    step = ((code & 15) << 4) + 8
    size = np.where(segment, (step + 256) << np.maximum(segment - 1, 0), step)
    return np.where(code & 128, size, -size).astype(_S16)


def _segment(size: npt.NDArray[Any], first: int) -> npt.NDArray[np.int64]:
    """Which segment a magnitude falls in, when segment 0 ends at `first` and each next doubles."""
    return np.searchsorted(np.array([first << n for n in range(8)]), size, side="right")


def _mulaw_codes() -> npt.NDArray[np.uint8]:
    # 14-bit magnitudes, as the standard counts them; the table is indexed by the unsigned sample.
    linear = np.arange(65536).astype(np.uint16).view(np.int16).astype(np.int64) >> 2
    size = np.minimum(np.abs(linear), 8158) + 33  # full scale stays in segment 7
    segment = _segment(size, 64)
    code = (segment << 4) | ((size >> (segment + 1)) & 15)
    return (code ^ np.where(linear < 0, 0x7F, 0xFF)).astype(np.uint8)


def _alaw_codes() -> npt.NDArray[np.uint8]:
    linear = np.arange(65536).astype(np.uint16).view(np.int16).astype(np.int64) >> 3
    size = np.where(linear < 0, -linear - 1, linear)
    segment = _segment(size, 32)
    code = (segment << 4) | ((size >> np.maximum(segment, 1)) & 15)
    return (code ^ np.where(linear < 0, 0x55, 0xD5)).astype(np.uint8)


_FROM_MULAW, _FROM_ALAW = _mulaw_values(), _alaw_values()
_TO_MULAW, _TO_ALAW = _mulaw_codes(), _alaw_codes()
