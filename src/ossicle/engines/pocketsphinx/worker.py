"""The life of one worker process: a socket, a listener, and nothing else.

It serves one stream from its first byte (the options) to the end of the socket, and ends with
it. Blocking on purpose: it has one thing to do. What it cannot write to a peer that does not
read, it waits for; so what the peer sends next waits in the socket.
"""

import socket
from collections.abc import Callable

from ...audio.vad import Vad
from ...core.commands import Cancel, End, Finalize
from ...core.options import Options
from .decoder import Decoder
from .framing import Framer, Progress, frame
from .listener import Listener, Told

__all__ = ["Models", "serve"]

_READ = 65_536
_REPORT_EVERY = 4_000
"""Samples between two reports of progress: 0.25 s, a small part of the window they move."""
_REPORT_CLOSELY = 800
"""And where turns end at short pauses: whoever judges a pause (`engines.wrap.endpointed`) knows by
these reports how long it is."""
_SHORT_PAUSE_MS = 300


class Models:
    """What a worker hears with. Loaded once, before the fork."""

    def __init__(self, decoder: Decoder, vad: Callable[[], Vad]) -> None:
        self.decoder = decoder
        self.vad = vad


def serve(peer: socket.socket, models: Models) -> None:
    """Serve one stream; returns when it has ended or the peer is gone.

    Raises:
        ValueError: the peer does not speak the protocol of `framing`.
    """
    framer = Framer()
    listener: Listener | None = None
    out: list[bytes] = []
    reported, every = 0, _REPORT_EVERY

    def tell(event: Told) -> None:
        out.append(frame(event))

    try:
        while data := peer.recv(_READ):
            for item in framer.feed(data):
                if listener is None:
                    if not isinstance(item, Options):
                        raise ValueError("a stream begins with its options")
                    if item.recognition.turns.silence_ms <= _SHORT_PAUSE_MS:
                        every = _REPORT_CLOSELY
                    listener = Listener(item, models.decoder, models.vad(), tell)
                    continue
                match item:
                    case bytes():
                        listener.audio(item)
                    case Options():
                        listener.configure(item)
                    case Finalize() | Cancel() | End():
                        listener.ask(item)
                    case _:
                        raise ValueError(f"a stream is not asked {type(item).__name__}")
                if listener.position - reported >= every:
                    reported = listener.position
                    out.append(frame(Progress(reported)))
                if out:
                    peer.sendall(b"".join(out))
                    out.clear()
            if listener is not None and listener.ended:
                if out:
                    peer.sendall(b"".join(out))
                # A socket closed under audio that is still coming takes back what was written to
                # it: read on until the gateway has had the last word and closes.
                while peer.recv(_READ):
                    pass
                return
    except (BrokenPipeError, ConnectionResetError):
        return  # the session was aborted, or the gateway is gone: nobody wants the rest
