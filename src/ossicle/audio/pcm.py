"""Samples in every width, turned into 16-bit little-endian ones and back; channels mixed or taken.

Every function takes and gives whole sample frames as bytes (the core's intake aligns them) and
keeps no state. Knows nothing of rates, codecs or containers.

    >>> to_s16("pcm_u8", bytes([128, 255])).hex(" ")
    '00 00 00 7f'
    >>> mix(to_s16("pcm_u8", bytes([128, 138])), 2).hex()
    '0005'
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from . import g711

__all__ = ["from_s16", "mix", "s16_of_floats", "spread", "take", "to_s16"]

_S16 = np.dtype("<i2")


def to_s16(encoding: str, data: bytes) -> bytes:
    """`data` as 16-bit little-endian samples; wider integers lose their low bits.

    Raises:
        KeyError: `encoding` is not one of samples.
    """
    return _TO[encoding](data)


def from_s16(encoding: str, data: bytes) -> bytes:
    """16-bit little-endian samples written as `encoding`.

    Raises:
        KeyError: `encoding` is not one of samples.
    """
    return _FROM[encoding](data)


def mix(data: bytes, channels: int) -> bytes:
    """Interleaved 16-bit channels averaged into one, so that it cannot clip."""
    samples = np.frombuffer(data, _S16)
    # Column by column: numpy sums short rows several times slower.
    total = samples[::channels].astype(np.int32)
    for channel in range(1, channels):
        total += samples[channel::channels]
    total //= channels
    return total.astype(_S16).tobytes()


def take(data: bytes, channels: int, channel: int) -> bytes:
    """One channel (from 0) of interleaved 16-bit ones."""
    return np.frombuffer(data, _S16).reshape(-1, channels)[:, channel].tobytes()


def spread(data: bytes, channels: int) -> bytes:
    """One 16-bit channel copied to `channels` interleaved ones."""
    return np.repeat(np.frombuffer(data, _S16), channels).tobytes()


def _same(data: bytes) -> bytes:
    return data


def _swap(data: bytes) -> bytes:
    return np.frombuffer(data, _S16).byteswap().tobytes()


def _u8_to(data: bytes) -> bytes:
    return ((np.frombuffer(data, np.uint8).astype(_S16) - 128) << 8).tobytes()


def _u8_from(data: bytes) -> bytes:
    return ((np.frombuffer(data, _S16) >> 8) + 128).astype(np.uint8).tobytes()


def _high(width: int) -> Callable[[bytes], bytes]:
    """The two highest bytes of each little-endian integer: its 16-bit value, rounded down."""

    def convert(data: bytes) -> bytes:
        return np.frombuffer(data, np.uint8).reshape(-1, width)[:, -2:].tobytes()

    return convert


def _widen(width: int) -> Callable[[bytes], bytes]:
    def convert(data: bytes) -> bytes:
        wide = np.zeros((len(data) // 2, width), np.uint8)
        wide[:, -2:] = np.frombuffer(data, np.uint8).reshape(-1, 2)
        return wide.tobytes()

    return convert


def _float_to(kind: str) -> Callable[[bytes], bytes]:
    def convert(data: bytes) -> bytes:
        return s16_of_floats(np.frombuffer(data, kind))

    return convert


def _float_from(kind: str) -> Callable[[bytes], bytes]:
    def convert(data: bytes) -> bytes:
        return (np.frombuffer(data, _S16).astype(kind) / 32768).astype(kind).tobytes()

    return convert


def s16_of_floats(floats: npt.NDArray[np.float32] | npt.NDArray[np.float64]) -> bytes:
    """Floats in [-1, 1] as 16-bit samples. Not-a-number is silence and infinity is full scale:
    one such sample let through would poison a resampler's filter for good."""
    # Clipped before it is scaled: a float near its own maximum would overflow to infinity.
    scaled = np.clip(floats, -1.0, 1.0)
    scaled *= 32768
    np.rint(scaled, out=scaled)
    np.minimum(scaled, 32767, out=scaled)
    missing = np.isnan(scaled)
    if missing.any():
        scaled[missing] = 0
    return scaled.astype(_S16).tobytes()


_TO: dict[str, Callable[[bytes], bytes]] = {
    "pcm_u8": _u8_to,
    "pcm_s16le": _same,
    "pcm_s16be": _swap,
    "pcm_s24le": _high(3),
    "pcm_s32le": _high(4),
    "pcm_f32le": _float_to("<f4"),
    "pcm_f64le": _float_to("<f8"),
    "mulaw": g711.decode_mulaw,
    "alaw": g711.decode_alaw,
}

_FROM: dict[str, Callable[[bytes], bytes]] = {
    "pcm_u8": _u8_from,
    "pcm_s16le": _same,
    "pcm_s16be": _swap,
    "pcm_s24le": _widen(3),
    "pcm_s32le": _widen(4),
    "pcm_f32le": _float_from("<f4"),
    "pcm_f64le": _float_from("<f8"),
    "mulaw": g711.encode_mulaw,
    "alaw": g711.encode_alaw,
}
