"""The contracts between the parts. Each is small, and says who calls it and who closes what.

    transport ──Opening, Channel──▶ Acceptor ──▶ Receiver          (a leg)
    leg ⇄ Dialect (pure) ⇄ Session ⇄ Stream / Sink ⇄ Engine

Nothing here blocks and nothing but `Engine.open` is awaited: a call made on the event loop
returns at once, and a part that needs to wait says so by credit or by `pause`.
"""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias, runtime_checkable

import msgspec

from .capabilities import Capabilities
from .commands import Command, Configure
from .errors import OssicleError
from .events import Event
from .formats import AudioFormat
from .options import Options
from .wire import ChannelTraits, Message, Opening

__all__ = [
    "Acceptor",
    "Channel",
    "ClientDialect",
    "ClientSteps",
    "Codecs",
    "Converter",
    "Demuxer",
    "Dial",
    "Dialect",
    "Engine",
    "Packet",
    "PackingClient",
    "PlainClient",
    "Receiver",
    "Sink",
    "SoundChannel",
    "Spelled",
    "Steps",
    "Stream",
    "Successor",
    "Tapped",
    "Timer",
    "Timers",
    "Wrapped",
]

Steps: TypeAlias = tuple[Message | Command, ...]
"""What a server half wants done, in order: messages to its peer, commands to its session."""

ClientSteps: TypeAlias = tuple[Message | Event, ...]
"""The same turned round: messages to the server, events to the user."""


class Dialect(Protocol):
    """A provider's protocol, server half. One instance per leg. No sockets, no clock, no tasks:
    the time is an argument and the next deadline an attribute."""

    @property
    def name(self) -> str:
        """Whose protocol, and which of theirs: `ossicle.v1`, `deepgram.listen`. For lists, metrics
        and records."""
        ...

    deadline: float
    """Monotonic seconds when `expire` wants to be called; inf = never. Time stands still for a
    leg while its channel is paused by us."""
    plain: bool
    """A reliable Binary is audio and nothing else: the leg may bypass `receive` for it."""
    resumable: bool
    """The peer can come back with a token: its session waits `resume_window` for it. False: the
    session ends with its owner's channel."""

    def open(self, opening: Opening, now: float) -> Steps:
        """The peer asked for a channel. Usually answers with one `Configure`."""
        ...

    def receive(self, message: Message, now: float) -> Steps:
        """A message came."""
        ...

    def send(self, event: Event, now: float) -> Steps:
        """An event is due to this peer. `Ended` is the last; the answer holds the `Close`."""
        ...

    def expire(self, now: float) -> Steps:
        """`deadline` passed."""
        ...


@runtime_checkable
class Tapped(Protocol):
    """A dialect that is not plain only because it has to see every byte (a checksum, a counter)."""

    def tap(self, data: bytes) -> bool:
        """A reliable Binary of the owner. True: it was noted, and is audio that goes on as it is.
        False: nothing was noted, and `receive` gets it. Must not raise; there is no clock here,
        so an idle rule compares counts when its deadline passes."""
        ...


@runtime_checkable
class Wrapped(Protocol):
    """A dialect that is not plain only because its messages wrap the audio (protobuf)."""

    def unwrap(self, data: bytes) -> bytes | None:
        """A reliable Binary of the owner. The audio in it, where it holds nothing else; None: it
        is something else, and `receive` gets it. Must not raise, and must not change anything."""
        ...


@runtime_checkable
class Spelled(Protocol):
    """A dialect whose audio comes in text (base64)."""

    def spelled(self, text: str) -> bytes | None:
        """A Text of the owner. The audio in it, where it holds nothing else and may go straight to
        the session; None: nothing was noted, and `receive` gets it. Must not raise."""
        ...


class ClientDialect(Protocol):
    """The same protocol from the other end."""

    deadline: float

    def open(self, configure: Configure) -> Opening:
        """How to ask for the channel."""
        ...

    def receive(self, message: Message, now: float) -> ClientSteps:
        """A message came; Accept and Close included."""
        ...

    def send(self, command: Command, now: float) -> ClientSteps:
        """The user wants this."""
        ...

    def expire(self, now: float) -> ClientSteps:
        """`deadline` passed."""
        ...


@runtime_checkable
class PlainClient(Protocol):
    """A client half whose `Audio` is one Binary with the same bytes and nothing else."""

    plain: bool
    """A link may send audio by itself then; `send` is not called for it, so a keep-alive may go out
    while audio flows."""


@runtime_checkable
class PackingClient(Protocol):
    """A client half that sends `Audio` in messages of its own making."""

    def pack(self, data: bytes) -> Sequence[Message]:
        """What `send` answers to `Audio(data)`, without a command and without a clock: so an idle
        rule compares counts when its deadline passes."""
        ...


@runtime_checkable
class SoundChannel(Protocol):
    """A channel with a shorter way for what is sent fifty times a second."""

    @property
    def sound(self) -> Callable[[bytes], None]:
        """The shortest way to send a Binary, to be asked for once the channel is open. Nobody looks
        at how much waits on it: it is for who sends no more than a bound after `writable(False)`.
        May raise."""
        ...


class Channel(Protocol):
    """One logical stream of messages to a peer, made by a transport."""

    traits: ChannelTraits

    def send(self, message: Message) -> None:
        """Hand a message over; never blocks, never raises. After Close or abort: ignored. What
        comes before the transport could answer its handshake is queued by it."""
        ...

    def pause(self) -> None:
        """Stop reading; a few messages already read may still come."""
        ...

    def resume(self) -> None:
        """Read again."""
        ...

    def abort(self) -> None:
        """Drop the connection now. Idempotent. `closed` still comes."""
        ...


class Receiver(Protocol):
    """Who listens on a channel. Called by the transport, on the event loop."""

    def received(self, message: Message) -> None: ...

    @property
    def binary(self) -> Callable[[bytes], None]:
        """The same as received(Binary(data)); every transport uses it for reliable binary, and
        reads it afresh for every message, since a leg rebinds it to its session's hot path. The
        bytes belong to the receiver (they are not a view into a buffer)."""
        ...

    def writable(self, yes: bool) -> None:
        """The send buffer passed its high (False) or low (True) mark. A channel starts writable
        unless it says otherwise before its first message."""
        ...

    def closed(self, error: OssicleError | None) -> None:
        """Exactly once, last. None = both ends closed politely."""
        ...


class Dial(Protocol):
    """How a client gets a channel: connects once, and makes the receiver with the channel."""

    async def __call__(self, opening: Opening, receiver: Callable[[Channel], Receiver]) -> Channel:
        """
        Raises:
            OssicleError: nobody answers.
        """
        ...


Acceptor: TypeAlias = Callable[[Opening, Channel], Receiver]
"""Called by a transport for every new channel. Synchronous; the transport holds its handshake
(reading paused) until the first message out is Accept or Close."""


class Stream(Protocol):
    """An engine's work for one session. Called by the session, on the event loop; an exception
    from any of these is the same as `Ended(error)`."""

    def audio(self, data: bytes) -> None:
        """Hot path. Contiguous whole sample frames in `Options.hears`; never empty. Must not
        keep a reference beyond need and must not block."""
        ...

    def ask(self, command: Command) -> None:
        """Anything else, in order with the audio. `End` finishes: tell what is left, then
        `Ended`. `Finalize` is answered by one final with `ends_turn` and its `ref`. `Refused`:
        this command is not taken, and the stream goes on."""
        ...

    def credit(self, until_ms: int) -> None:
        """The engine may speak up to this ms of output, counted over the whole stream."""
        ...

    def abort(self) -> None:
        """Stop at once; the sink is deaf from here on. Idempotent."""
        ...


class Sink(Protocol):
    """Where a stream tells what it heard. Usable before `Engine.open` returns, on the event
    loop only. Times are the stream's own: 0 is the first sample it was fed."""

    def tell(self, event: Event) -> None:
        """SpeechStarted, Transcript, SpeechEnded, AudioOut, Asked, Notice; `Ended` exactly
        once, last (reason and error are enough)."""
        ...

    def credit(self, until_ms: int) -> None:
        """The engine takes audio up to here. Unlimited until first called."""
        ...

    def settled(self, until_ms: int) -> None:
        """Nothing before this will be reported again. Finals settle by themselves."""
        ...


class Engine(Protocol):
    """Hears (audio in, events out), or speaks (text in, audio out), or both."""

    @property
    def capabilities(self) -> Capabilities: ...

    async def open(self, options: Options, sink: Sink) -> Stream:
        """Begin one stream. Raises `Overloaded` at once when there is no room (never queues in
        silence), `EngineFailed` when it cannot work, `Refused` for options it cannot take."""
        ...


@runtime_checkable
class Successor(Protocol):
    """An engine that keeps something for its session, such as a conversation."""

    def follow(self, before: Engine) -> None:
        """It takes the place of that one in a running session, which was asked for otherwise."""
        ...


class Timer(Protocol):
    """An alarm that was set."""

    def cancel(self) -> None: ...


class Timers(Protocol):
    """A clock and its alarms: the event loop in life, a hand-moved one in tests."""

    def now(self) -> float:
        """Monotonic seconds."""
        ...

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer: ...

    def call_soon(self, callback: Callable[[], None]) -> Timer: ...


class Packet(msgspec.Struct, frozen=True, gc=False):
    """One codec packet and how many samples it stands for."""

    data: bytes
    units: int
    """Samples per channel at `AudioFormat.sample_rate`."""


class Demuxer(Protocol):
    """Takes a container apart as its bytes arrive. Synchronous, bounded."""

    format: AudioFormat | None
    """What is inside; None until the header is read."""

    def feed(self, data: bytes) -> Sequence[bytes | Packet]:
        """Samples (bytes) or packets completed by `data`.

        Raises:
            BadAudio: not a container, damaged beyond repair, or a codec nobody decodes here.
        """
        ...

    def finish(self) -> Sequence[bytes | Packet]:
        """The end of input: what is left.

        Raises:
            BadAudio: the input ended before the format was known.
        """
        ...


class Converter(Protocol):
    """Decodes, resamples and mixes down one stream. Keeps state; one per stream."""

    def convert(self, item: "bytes | Packet") -> bytes:
        """Whole sample frames of the target format; may be empty while it fills up.

        Raises:
            BadAudio: a packet cannot be decoded.
        """
        ...

    def flush(self) -> bytes:
        """What was held back."""
        ...


class Codecs(Protocol):
    """What a session needs of `ossicle.audio`; the gateway hands it in, core imports none."""

    def demuxer(self, source: AudioFormat) -> Demuxer | None:
        """None when the source is samples already."""
        ...

    def converter(self, source: AudioFormat, target: AudioFormat) -> Converter | None:
        """None when they are the same.

        Raises:
            BadAudio: nothing converts between the two.
        """
        ...
