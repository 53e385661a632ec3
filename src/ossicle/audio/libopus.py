"""libopus itself, for live packets: 16 kHz mono from the decoder, in-band FEC, concealment.

FFmpeg's wrappers always decode to 48 kHz stereo, never look into the next packet for a lost one,
and cannot be asked for a rate or a loss while they run. The library is the one that PyAV's wheel
carries, or else the system's.

    >>> encoder, decoder = OpusEncoder(), OpusDecoder()
    >>> len(decoder.decode(encoder.encode(bytes(640))))
    640
"""

import ctypes
import ctypes.util
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import av

from ossicle.core.errors import BadAudio, MissingExtra

__all__ = ["FRAME", "RATE", "OpusDecoder", "OpusEncoder", "library"]

RATE = 16_000
"""What nearly every recogniser takes, and as much as speech needs."""

FRAME = RATE // 50
"""Samples of 20 ms."""

_MOST = RATE * 120 // 1000
"""Samples of the longest packet (RFC 6716 section 3.2.5, R5)."""

_ROOM = 1_275
"""The largest packet of one frame (RFC 6716 section 3.4, R2)."""

_VOIP = 2048
_SET_BITRATE, _SET_COMPLEXITY = 4002, 4010
_SET_INBAND_FEC, _SET_LOSS, _SET_DTX, _SET_SIGNAL = 4012, 4014, 4016, 4024
_VOICE = 3001


@cache
def library() -> ctypes.CDLL:
    """The library, its functions declared.

    Raises:
        MissingExtra: there is none.
    """
    for path in _places():
        try:
            lib = ctypes.CDLL(path)
        except OSError:
            continue
        number, text = ctypes.c_int, ctypes.c_char_p
        state, samples = ctypes.c_void_p, ctypes.c_void_p
        lib.opus_get_version_string.restype = text
        lib.opus_strerror.restype = text
        lib.opus_strerror.argtypes = [number]
        lib.opus_decoder_create.restype = state
        lib.opus_decoder_create.argtypes = [ctypes.c_int32, number, ctypes.POINTER(number)]
        lib.opus_decoder_destroy.argtypes = [state]
        lib.opus_encoder_create.restype = state
        lib.opus_encoder_create.argtypes = [ctypes.c_int32, number, number, ctypes.POINTER(number)]
        lib.opus_encoder_destroy.argtypes = [state]
        lib.opus_encode.restype = ctypes.c_int32
        lib.opus_encode.argtypes = [state, text, number, samples, ctypes.c_int32]
        return lib
    raise MissingExtra(
        "libopus was found neither beside PyAV nor on this system: install it (Debian: libopus0)"
    )


def _places() -> Iterator[str]:
    """Where it may be: inside PyAV's wheel, under a name with a hash in it, then the system's."""
    home = Path(av.__file__).parent
    folders = (home.parent / "av.libs", home / ".dylibs")
    patterns = {"win32": "*opus*.dll", "darwin": "libopus*.dylib"}
    for folder in folders:
        yield from map(str, sorted(folder.glob(patterns.get(sys.platform, "libopus*.so*"))))
    found = ctypes.util.find_library("opus")
    if found is not None:
        yield found


def _text(lib: ctypes.CDLL, code: int) -> str:
    return bytes(lib.opus_strerror(code)).decode()


class OpusDecoder:
    """One stream of packets to 16-bit samples at 16 kHz mono. Keeps state over losses."""

    def __init__(self) -> None:
        self._lib = library()
        error = ctypes.c_int()
        self._state: Any = self._lib.opus_decoder_create(RATE, 1, ctypes.byref(error))
        if error.value:
            raise BadAudio(f"no Opus decoder could be made: {_text(self._lib, error.value)}")
        self._pcm = ctypes.create_string_buffer(_MOST * 2)
        self._sound = memoryview(self._pcm)
        # Fifty calls a second and stream: arguments that are made once, and in C's own types, need
        # not be converted by a declaration each time.
        self._decode = self._lib["opus_decode"]
        self._at, self._to = ctypes.c_void_p(self._state), ctypes.byref(self._pcm)

    def __del__(self) -> None:
        if (state := getattr(self, "_state", None)) is not None:
            self._lib.opus_decoder_destroy(state)

    def decode(self, packet: bytes) -> bytes:
        """A packet that came.

        Raises:
            BadAudio: it is none, or damaged.
        """
        count = self._decode(self._at, packet, len(packet), self._to, _MOST, 0)
        if count < 0:
            raise BadAudio(f"an Opus packet of {len(packet)} bytes: {_text(self._lib, count)}")
        return self._sound[: count * 2].tobytes()

    def recover(self, samples: int, following: bytes) -> bytes:
        """The samples before the packet `following`, from the redundancy in it; concealed where it
        carries none."""
        return self._run(following, samples, fec=1)

    def conceal(self, samples: int) -> bytes:
        """Samples that nobody can know."""
        made = b""
        while samples > 0:
            part = min(samples, _MOST)
            made += self._run(None, part, fec=0)
            samples -= part
        return made

    def _run(self, packet: bytes | None, samples: int, fec: int) -> bytes:
        size = len(packet) if packet is not None else 0
        count = self._decode(self._at, packet, size, self._to, samples, fec)
        if count < 0:
            raise BadAudio(f"an Opus packet of {size} bytes: {_text(self._lib, count)}")
        return self._sound[: count * 2].tobytes()


class OpusEncoder:
    """16-bit samples at 16 kHz mono to packets of 20 ms."""

    def __init__(
        self, *, bitrate: int = 24_000, complexity: int = 5, fec: bool = True, dtx: bool = False
    ) -> None:
        """
        Args:
            bitrate: bits per second, 6000-510000.
            complexity: 0 takes the least time, 10 sounds best; 5 is 0.1 ms a packet.
            fec: packets carry what helps to recover the one before, as losses ask for it.
            dtx: packets of silence are left out.
        """
        self._lib = library()
        error = ctypes.c_int()
        self._state: Any = self._lib.opus_encoder_create(RATE, 1, _VOIP, ctypes.byref(error))
        if error.value:
            raise BadAudio(f"no Opus encoder could be made: {_text(self._lib, error.value)}")
        self._packet = ctypes.create_string_buffer(_ROOM)
        self._set(_SET_COMPLEXITY, complexity)
        self._set(_SET_SIGNAL, _VOICE)
        self._set(_SET_INBAND_FEC, int(fec))
        self._set(_SET_DTX, int(dtx))
        self.adapt(bitrate, 0)

    def __del__(self) -> None:
        if (state := getattr(self, "_state", None)) is not None:
            self._lib.opus_encoder_destroy(state)

    def adapt(self, bitrate: int, loss_percent: int) -> None:
        """What the network takes, and how much of it arrives."""
        self._set(_SET_BITRATE, bitrate)
        self._set(_SET_LOSS, loss_percent)

    def encode(self, frame: bytes) -> bytes:
        """A packet of 20 ms. Two bytes or fewer need not be sent (DTX)."""
        count = self._lib.opus_encode(self._state, frame, len(frame) // 2, self._packet, _ROOM)
        if count < 0:
            raise BadAudio(f"{len(frame)} bytes to encode: {_text(self._lib, count)}")
        return self._packet.raw[:count]

    def _set(self, request: int, value: int) -> None:
        # Variadic: on arm64 of Apple such arguments go elsewhere, unless ctypes knows the type.
        code = self._lib.opus_encoder_ctl(
            ctypes.c_void_p(self._state), ctypes.c_int(request), ctypes.c_int32(value)
        )
        if code:
            raise BadAudio(f"Opus does not take {value}: {_text(self._lib, code)}")
