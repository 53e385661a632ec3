"""Audio onto the timeline: whatever order a wire delivers it in, whole frames leave in order.

Two ways in. `follow` is for a byte stream: what comes goes right after what came before, and all
it does is keep a torn sample frame until its rest arrives. `place` is for pieces with a time of
their own (datagrams, RTP, telephone frames): it puts them in order, drops late and doubled ones,
trims overlaps, fills small gaps with silence and reports large ones, so that five minutes on hold
are not five minutes of silence. Tracks that arrive one by one are joined in `core.tracks`.

It reads no clock: a piece is waited for as long as nothing has come that begins more than
`reorder_ms` after it. Positions are units of the format (bytes for samples, samples for packets);
nothing here looks inside a packet.

    >>> intake = Intake(AudioFormat("mulaw", 8000))
    >>> intake.place(b"b" * 160, 20)
    ()
    >>> [len(piece) for piece in intake.place(b"a" * 160, 0)]
    [160, 160]
"""

from bisect import bisect_left
from collections import deque
from typing import TypeAlias

import msgspec

from .errors import BadAudio
from .formats import AudioFormat
from .ports import Packet

__all__ = ["Gap", "Intake", "IntakeStats", "Piece", "Roll", "silence"]

_SILENCE: dict[str, int] = {"pcm_u8": 0x80, "mulaw": 0xFF, "alaw": 0xD5}
"""The byte that stands for no sound where it is not zero: the middle of unsigned samples, and
G.711's two smallest positive codes."""

_HOLES = 256
"""Filled places remembered, to tell a late piece (its place was given up) from a doubled one."""


class Gap(msgspec.Struct, frozen=True, gc=False):
    """Packets are missing here. Samples are filled with silence instead."""

    units: int
    """How long, in samples."""


class Roll(msgspec.Struct, frozen=True, gc=False):
    """The timeline jumps forward without sound: a hold, a muted sender."""

    ms: int
    """How far, in whole milliseconds: the place after it less the place before it."""
    units: int
    """The same in units."""


Piece: TypeAlias = bytes | Packet | Gap | Roll
"""What leaves: samples or packets to be heard, and what is between them."""


class IntakeStats(msgspec.Struct, frozen=True, gc=False):
    """What a wire did to its audio. Counts are pieces."""

    late: int = 0
    """Came after their place had been given up; dropped."""
    doubled: int = 0
    """Came twice; dropped."""
    overlapped: int = 0
    """Lost their beginning, which had been heard already."""
    reordered: int = 0
    """Came out of order and still found their place."""
    strayed: int = 0
    """Claimed a time so far ahead that it was not believed; dropped."""
    torn: int = 0
    """Ended within a sample frame that was never completed; the part frame is dropped."""
    filled_ms: int = 0
    """Silence put into small gaps, or packets reported missing."""
    rolled_ms: int = 0
    """Large gaps, rolled over."""


class _Placed(msgspec.Struct):
    """A piece and where it belongs."""

    start: int
    end: int
    data: bytes


def _order(piece: _Placed) -> tuple[int, int]:
    return piece.start, piece.end


def silence(format: AudioFormat, units: int) -> bytes:  # noqa: A002  the vocabulary's own word
    """`units` bytes of no sound.

    Raises:
        BadAudio: the encoding is made of packets, whose silence only an encoder can write.
    """
    if not format.width:
        raise BadAudio(
            f"silence cannot be written in {format.encoding}; decode it to samples first",
            code="unsupported_audio",
        )
    return bytes((_SILENCE.get(format.encoding, 0),)) * units


class Intake:
    """One channel's way onto the timeline. Pure, synchronous, bounded."""

    def __init__(
        self,
        format: AudioFormat,  # noqa: A002  the vocabulary's own word
        *,
        start_ms: int = 0,
        reorder_ms: int = 60,
        fill_ms: int = 2_000,
        max_items: int = 256,
        max_bytes: int = 1 << 20,
    ) -> None:
        """
        Args:
            format: what the pieces are. Containers are taken apart before they come here.
            start_ms: where the timeline begins.
            reorder_ms: how far behind the newest piece a missing one is still waited for; 0 on
                a wire that keeps order, or the first word after a pause waits for nothing.
            fill_ms: longest gap that is filled; a longer one is rolled over.
            max_items: most pieces that wait; beyond it the oldest gap is given up.
            max_bytes: most bytes that wait, likewise.

        Raises:
            ValueError: a window longer than what is filled: a roll would wait in it.
        """
        if not 0 <= reorder_ms <= fill_ms:
            raise ValueError(f"reorder_ms {reorder_ms} must be between 0 and fill_ms {fill_ms}")
        self.format = format
        self.cursor = format.units(start_ms)
        """Place of the next unit to leave, counted from stream time 0. A caller that finds the
        intake `idle`, and data that ends with a frame, may add its length here itself."""
        self.idle = True
        """Nothing is held back."""
        # A packet stream has no frame it could be cut at: no length fits, so that `follow`
        # always takes its slow path, and is refused there.
        self._frame = format.frame_bytes if format.width else 1 << 62
        self._samples = format.width > 0
        self._align = format.frame_bytes
        self._per_second = format.units_per_second
        self._reorder = format.units(reorder_ms)
        self._fill = format.units(fill_ms)
        # Times come in whole milliseconds, rounded down, so a piece that follows on may claim to
        # begin nearly one of them early, or late if the one before it was placed by its time.
        rate = format.sample_rate
        frames = rate // 1000 - 1 if rate % 1000 == 0 else rate // 1000 + 1
        self._slack = frames * format.frame_bytes
        self._max_items = max_items
        self._max_bytes = max_bytes
        self._torn = b""
        self._waiting: list[_Placed] = []
        self._waiting_bytes = 0
        self._stray: _Placed | None = None
        self._newest = self.cursor
        self._holes: deque[tuple[int, int]] = deque(maxlen=_HOLES)
        self._late = self._doubled = self._overlapped = self._reordered = 0
        self._strayed = self._torn_count = self._filled = self._rolled_ms = 0

    @property
    def cursor_ms(self) -> int:
        """Stream time of the next unit to leave, rounded down."""
        return self.format.ms(self.cursor)

    @property
    def waiting(self) -> int:
        """Bytes held back: pieces out of order, and a torn frame."""
        stray = len(self._stray.data) if self._stray else 0
        return self._waiting_bytes + stray + len(self._torn)

    @property
    def stats(self) -> IntakeStats:
        """What happened so far."""
        return IntakeStats(
            late=self._late,
            doubled=self._doubled,
            overlapped=self._overlapped,
            reordered=self._reordered,
            strayed=self._strayed,
            torn=self._torn_count,
            filled_ms=self.format.ms(self._filled),
            rolled_ms=self._rolled_ms,
        )

    def follow(self, data: bytes) -> tuple[Piece, ...]:
        """Samples right after what came before. Whole frames leave; when nothing is held and the
        data ends with a frame, it is the same object.

        Raises:
            BadAudio: the format is made of packets; `place` them.
        """
        if self.idle and data and not len(data) % self._frame:
            self.cursor += len(data)
            return (data,)
        return self.place(data, None)

    def place(self, data: bytes, at_ms: int | None, units: int | None = None) -> tuple[Piece, ...]:
        """A piece with a time of its own; what can leave now, in order.

        Args:
            data: samples, or one packet.
            at_ms: stream time of its first sample; None = right after the newest audio.
            units: for a packet, how many samples it stands for.

        Raises:
            BadAudio: a packet without a length, or a time before 0.
        """
        piece = self._placed(data, at_ms, units)
        out = self._put(piece) if piece is not None else []
        self._rest()
        return tuple(out)

    def release(self) -> tuple[Piece, ...]:
        """Wait no longer: the gaps before what waits are filled. A jump that is not believed
        yet stays behind."""
        out = self._leave(everything=True)
        self._rest()
        return tuple(out)

    def advance(self, until: int) -> tuple[Piece, ...]:
        """Wait no longer for anything before position `until`: what waits there leaves and the
        rest is filled, however long. Pieces that come for it later are late."""
        out: list[Piece] = []
        while self._waiting and self._waiting[0].start < until:
            out += self._leave_first()
        if until > self.cursor:
            self._fill_to(until, out)
        out += self._leave()
        self._rest()
        return tuple(out)

    def skip(self, roll: Roll) -> None:
        """Jump forward as another track did. Pieces that come for the time between are late."""
        self._roll_over(roll)

    def flush(self) -> tuple[Piece, ...]:
        """Everything that is held, at the end of the stream."""
        self._tear()
        out = self._leave(everything=True)
        if self._stray is not None:
            stray, self._stray = self._stray, None
            self._wait(stray)
            out += self._leave(everything=True)
        self._rest()
        return tuple(out)

    def _rest(self) -> None:
        self.idle = not (self._torn or self._waiting or self._stray)

    def _put(self, piece: _Placed) -> list[Piece]:
        tolerance = self._tolerance(piece)
        if piece.start <= self.cursor + tolerance and not self._waiting and self._stray is None:
            self._newest = max(self._newest, piece.start)
            return self._admit(piece)
        if piece.end <= self.cursor + tolerance:
            self._drop(piece)
            return []
        if piece.start - max(self._newest, self.cursor) > self._fill:
            return self._jump(piece)
        self._wait(piece)
        self._recall_stray()
        return self._leave()

    def _placed(self, data: bytes, at_ms: int | None, units: int | None) -> _Placed | None:
        if at_ms is None:
            start = self._tail()
            data, self._torn = self._torn + data if self._torn else data, b""
        else:
            if at_ms < 0:
                raise BadAudio(f"audio at {at_ms} ms lies before the beginning of the stream")
            start = at_ms * self._per_second // 1000
            start -= start % self._align
            self._tear()
        if not self._samples:
            if units is None or units <= 0:
                raise BadAudio(
                    f"a {self.format.encoding} packet of {units} samples; give place() the "
                    "number of samples it stands for"
                )
            return _Placed(start, start + units, data)
        whole = len(data) - len(data) % self._frame
        if whole < len(data):
            self._torn = data[whole:]
            data = data[:whole]
            if at_ms is not None:
                self._tear()
        return _Placed(start, start + whole, data) if whole else None

    def _tail(self) -> int:
        if self._stray is not None:
            return self._stray.end
        return max((self.cursor, *(piece.end for piece in self._waiting)))

    def _tear(self) -> None:
        """The other half of a frame is not coming: what follows has a time of its own."""
        if self._torn:
            self._torn_count += 1
            self._torn = b""

    def _tolerance(self, piece: _Placed) -> int:
        # Less than half of a short piece, or its double would be taken for the one after it.
        return min(self._slack, (piece.end - piece.start - 1) // 2)

    def _jump(self, piece: _Placed) -> list[Piece]:
        """A jump is believed when a second piece confirms it, as RFC 3550 A.1 does for sequence
        numbers: one damaged time must not make everything after it late."""
        stray = self._stray
        if stray is None:
            self._stray = piece
            return []
        if _order(stray) == _order(piece):
            self._doubled += 1
            return []
        if not stray.start - self._fill <= piece.start <= stray.end + self._fill:
            self._strayed += 1
            self._stray = piece
            return []
        self._stray = None
        # The sender is beyond the jump: what is missing before it is not coming.
        out = self._leave(everything=True)
        if piece.start < stray.start:
            self._reordered += 1
        for one in sorted((stray, piece), key=_order):
            self._wait(one)
        return out + self._leave()

    def _recall_stray(self) -> None:
        """The others caught up with it: it was early, not wrong."""
        stray = self._stray
        if stray is not None and stray.start - max(self._newest, self.cursor) <= self._fill:
            self._stray = None
            self._wait(stray)

    def _wait(self, piece: _Placed) -> None:
        place = bisect_left(self._waiting, _order(piece), key=_order)
        if place < len(self._waiting) and _order(self._waiting[place]) == _order(piece):
            self._doubled += 1
            return
        if piece.start < self._newest:
            self._reordered += 1
        self._newest = max(self._newest, piece.start)
        self._waiting.insert(place, piece)
        self._waiting_bytes += len(piece.data)

    def _leave(self, *, everything: bool = False) -> list[Piece]:
        """What waited and may leave, because it follows on or because a wait is over."""
        out: list[Piece] = []
        while self._waiting:
            first = self._waiting[0]
            if everything or self._due(first):
                out += self._leave_first()
                continue
            # Only what lies outside the window is given up: another missing piece may still
            # come for the rest of the same gap.
            until = min(first.start, self._newest - self._reorder)
            if until <= self.cursor:
                break
            self._fill_to(until, out)
        return out

    def _due(self, first: _Placed) -> bool:
        gap = first.start - self.cursor
        return (
            gap <= self._tolerance(first)
            or gap > self._fill
            or len(self._waiting) > self._max_items
            or self._waiting_bytes > self._max_bytes
        )

    def _leave_first(self) -> list[Piece]:
        piece = self._waiting.pop(0)
        self._waiting_bytes -= len(piece.data)
        out: list[Piece] = []
        gap = piece.start - self.cursor
        if gap > self._fill:
            ms = self.format.ms(piece.start) - self.format.ms(self.cursor)
            roll = Roll(ms, gap)
            self._roll_over(roll)
            out.append(roll)
        elif gap > self._tolerance(piece):
            self._fill_to(piece.start, out)
        return out + self._admit(piece)

    def _fill_to(self, until: int, out: list[Piece]) -> None:
        gap = until - self.cursor
        self._hole(until)
        self._filled += gap
        self.cursor = until
        out.append(silence(self.format, gap) if self._samples else Gap(gap))

    def _hole(self, until: int) -> None:
        start = self.cursor
        if self._holes and self._holes[-1][1] == start:
            start, _ = self._holes.pop()
        self._holes.append((start, until))

    def _roll_over(self, roll: Roll) -> None:
        self._hole(self.cursor + roll.units)
        self._rolled_ms += roll.ms
        self.cursor += roll.units

    def _admit(self, piece: _Placed) -> list[Piece]:
        """The piece at the cursor, without what was heard before; empty = nothing is left."""
        size = piece.end - piece.start
        behind = self.cursor - piece.start
        if behind <= self._tolerance(piece):
            behind = 0
        elif piece.end <= self.cursor + self._tolerance(piece) or (
            # A packet cannot be trimmed: half heard is heard, and else it is new.
            not self._samples and behind * 2 > size
        ):
            self._drop(piece)
            return []
        else:
            self._overlapped += 1
        if not self._samples:
            self.cursor += size
            return [Packet(piece.data, size)]
        self.cursor += size - behind
        return [piece.data[behind:] if behind else piece.data]

    def _drop(self, piece: _Placed) -> None:
        middle = (piece.start + piece.end) // 2
        if any(start <= middle < end for start, end in self._holes):
            self._late += 1
        else:
            self._doubled += 1
