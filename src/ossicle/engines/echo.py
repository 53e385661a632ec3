"""The example engine: hears any sound, says how much of it there was, and plays it back.

It recognises nothing. It shows the whole contract of an `Engine` on one screen, and is what to
run when only the wire is in question.

    ossicle serve --engine echo
"""

from ..core.capabilities import PCM16K, Capabilities
from ..core.commands import Cancel, Command, End, Finalize, Speak
from ..core.events import Ended, SpeechEnded, SpeechStarted, Transcript, TurnReason
from ..core.options import Options
from ..core.ports import Sink
from .speaking import Piece, Rendering, Speaking

__all__ = ["EchoEngine", "EchoStream"]

_TURN_MS, _PARTIAL_MS = 1000, 100


class EchoEngine:
    """Opens as many streams as are wanted; they share nothing."""

    capabilities = Capabilities(
        name="echo", speaks=(PCM16K,), answers=True, note="Says how much it heard; for tests."
    )

    async def open(self, options: Options, sink: Sink) -> "EchoStream":
        return EchoStream(sink)


class EchoStream:
    """A turn is one second of audio. `Speak` plays back the sound of the last turn heard."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._fed = self._turn_at = self._said = 0
        self._sound = self._last = b""
        self._ending = self._dead = False
        self._speaking = Speaking(sink, self, PCM16K, answers=True, drained=self._ended)

    def audio(self, data: bytes) -> None:
        while data and not (self._dead or self._ending):
            piece, data = self._cut(data)
            if not self._sound:
                self._sink.tell(SpeechStarted(at_ms=PCM16K.ms(self._turn_at)))
            self._sound += piece
            self._fed += len(piece)
            heard = PCM16K.ms(self._fed - self._turn_at)
            if heard >= _TURN_MS:
                self._close("limit")
            elif heard >= self._said + _PARTIAL_MS:
                self._said = heard
                self._sink.tell(self._transcript())

    def ask(self, command: Command) -> None:
        if self._dead:
            return
        match command:
            case Cancel(side="out"):
                self._speaking.cancel(command)
            case _ if self._ending:
                pass  # only what is being said can still change
            case Finalize():
                self._close("asked", command.ref)
            case Speak():
                self._speaking.speak(command)
            case Cancel():
                self._turn_at = self._fed
                if self._sound:
                    self._close("cancelled", command.ref)
            case End():
                self._ending = True
                if self._sound:
                    self._close("end")
                self._speaking.end()
            case _:
                pass  # Configure, Tell, Played: nothing here depends on them

    def credit(self, until_ms: int) -> None:
        self._speaking.credit(until_ms)

    def abort(self) -> None:
        self._dead = True
        self._speaking.abort()

    def begin(self, piece: Piece, rendering: Rendering) -> None:
        rendering.sound(self._last)
        rendering.done()

    def stop(self, rendering: Rendering) -> None: ...

    def _cut(self, data: bytes) -> tuple[bytes, bytes]:
        room = self._turn_at + PCM16K.bytes(_TURN_MS) - self._fed
        return data[:room], data[room:]

    def _transcript(self, ref: str = "", *, final: bool = False) -> Transcript:
        start, end = PCM16K.ms(self._turn_at), PCM16K.ms(self._fed)
        text = f"{(end - start) / 1000:.1f} s heard" if end > start else ""
        return Transcript(
            text=text, start_ms=start, end_ms=end, final=final, ends_turn=final, ref=ref
        )

    def _close(self, reason: TurnReason, ref: str = "") -> None:
        final = self._transcript(ref, final=True)
        if self._sound:
            self._sink.tell(SpeechEnded(at_ms=final.end_ms, reason=reason, ref=ref))
            self._last = self._sound if final.text else self._last
        self._sound, self._turn_at, self._said = b"", self._fed, 0
        self._sink.tell(final)

    def _ended(self) -> None:
        self._dead = True
        self._sink.tell(Ended())
