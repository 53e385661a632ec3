"""The messages that are nearly all there is, by hand: sound, transcripts, flow reports.

    audio_out(b"ab")                        # b"\\n\\x02ab", a StreamRequest
    audio_in(b"\\n\\x02ab")                   # b"ab"
    write_transcript(Transcript(text="a"))  # a StreamResponse; None = something rare is in it

The protobuf runtime takes ten times as long in Python. A test holds both to the same bytes.
"""

import struct

from ossicle.core.events import Flow, Transcript, Word

__all__ = ["audio_in", "audio_out", "write_flow", "write_transcript"]

_AUDIO = 0x0A
"""Tag of `StreamRequest.audio`: field 1, length-delimited (protobuf's "Encoding", wire type 2)."""
_SMALL = tuple(bytes((number,)) for number in range(128))
_double = struct.Struct("<d").pack


def audio_in(data: bytes) -> bytes | None:
    """The sound of a StreamRequest that holds nothing else; None = it is something else."""
    size = len(data)
    if size < 2 or data[0] != _AUDIO:
        return None
    length, at = data[1], 2
    if length >= 0x80:
        length &= 0x7F
        if size > 2 and (byte := data[2]) < 0x80:  # 128 to 16,383 bytes: nearly always
            return data[3:] if size - 3 == length | byte << 7 else None
        shift = 7
        while True:
            if at >= size or at > 5:
                return None
            byte = data[at]
            at += 1
            length |= (byte & 0x7F) << shift
            if byte < 0x80:
                break
            shift += 7
    return data[at:] if size - at == length else None


def audio_out(data: bytes) -> bytes:
    """A StreamRequest of sound."""
    return b"\n" + _varint(len(data)) + data


def write_transcript(event: Transcript) -> bytes | None:
    """A StreamResponse. Fields in the order of their numbers, defaults left out, as the runtime
    writes them."""
    if event.usage is not None or event.alternatives or event.utterance:
        return None
    try:
        text = event.text.encode()
        side = b"\x10\x01" if event.side == "in" else b"\x10\x02"
        number = len(text)  # a call costs more than a comparison: most numbers are small
        small = _SMALL[number] if number < 0x80 else _varint(number)
        parts = [b"\n", small, text, side] if text else [side]
        if event.turn:
            parts += (b"\x18", _varint(event.turn))
        if event.segment:
            parts += (b"\x20", _varint(event.segment))
        if event.final:
            parts.append(b"\x28\x01\x30\x01" if event.ends_turn else b"\x28\x01")
        elif event.ends_turn:
            parts.append(b"\x30\x01")
        if (number := event.start_ms) is not None:
            parts += (b"\x38", _SMALL[number] if 0 <= number < 0x80 else _varint(number))
        if event.end_ms is not None:
            parts += (b"\x40", _varint(event.end_ms))
        if number := event.stable:
            parts += (b"\x48", _SMALL[number] if 0 < number < 0x80 else _varint(number))
        if (
            event.words is not None
            or event.confidence is not None
            or event.end_confidence is not None
            or event.language
            or event.channel
        ):
            parts += _details(event)
        body = b"".join(parts)
        head = b"\x08" + _varint(event.seq) if event.seq else b""
        if event.ref:
            head += _text(b"\x12", event.ref)
        size = _varint(len(body))
        whole = _varint(len(head) + 1 + len(size) + len(body))
        return b"".join((b"\n", whole, head, b"\x32", size, body))
    except (IndexError, UnicodeEncodeError):  # negative, or no text: the runtime's to judge
        return None


def _details(event: Transcript) -> list[bytes]:
    """What not every engine knows."""
    parts: list[bytes] = []
    if event.words is not None:
        words = b"".join([_sized(b"\n", _word(word)) for word in event.words])
        parts.append(_sized(b"\x52", words))
    if event.confidence is not None:
        parts.append(b"\x59" + _double(event.confidence))
    if event.end_confidence is not None:
        parts.append(b"\x61" + _double(event.end_confidence))
    if event.language:
        parts.append(_text(b"\x6a", event.language))
    if event.channel:
        parts.append(b"\x70" + _varint(event.channel))
    return parts


def write_flow(event: Flow) -> bytes | None:
    """A StreamResponse; one a second for each session."""
    try:
        parts: list[bytes] = []
        if event.taken_bytes:
            parts.append(b"\x08" + _varint(event.taken_bytes))
        if event.taken_commands:
            parts.append(b"\x10" + _varint(event.taken_commands))
        if event.settled_ms:
            parts.append(b"\x18" + _varint(event.settled_ms))
        if event.until_ms is not None:
            parts.append(b"\x20" + _varint(event.until_ms))
        seq = b"\x08" + _varint(event.seq) if event.seq else b""
        return _sized(b"\n", seq + _text(b"\x12", event.ref) + _sized(b"\x62", b"".join(parts)))
    except (IndexError, UnicodeEncodeError):
        return None


def _word(word: Word) -> bytes:
    out = _text(b"\n", word.text)
    if word.start_ms:
        out += b"\x10" + _varint(word.start_ms)
    if word.end_ms:
        out += b"\x18" + _varint(word.end_ms)
    if word.confidence is not None:
        out += b"\x21" + _double(word.confidence)
    return out + _text(b"\x2a", word.speaker) + _text(b"\x32", word.language)


def _text(tag: bytes, text: str) -> bytes:
    return _sized(tag, text.encode()) if text else b""


def _sized(tag: bytes, data: bytes) -> bytes:
    return tag + _varint(len(data)) + data


def _varint(number: int) -> bytes:
    if number < 0x80:
        if number < 0:
            raise IndexError("a negative number takes ten bytes")
        return _SMALL[number]
    if number < 0x4000:
        return _SMALL_HIGH[number & 0x7F] + _SMALL[number >> 7]
    if number < 0x20_0000:  # half an hour in ms
        return bytes((number & 0x7F | 0x80, number >> 7 & 0x7F | 0x80, number >> 14))
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


_SMALL_HIGH = tuple(bytes((number | 0x80,)) for number in range(128))
