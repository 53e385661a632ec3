"""A stream that only speaks: what every text-to-speech engine opens.

It routes what a session asks to `Speaking`; the engine brings a `Voice`, which makes the sound.

    class Mine:                                    # an engine and its voice in one
        capabilities = Capabilities(name="mine", hears=(), speaks=(PCM16K,))
        async def open(self, options, sink):
            return VoiceStream("mine", self, speaks(self.capabilities, options), options, sink)
        def begin(self, piece, rendering): rendering.sound(...); rendering.done()
        def stop(self, rendering): ...
"""

from ..core.capabilities import Capabilities
from ..core.commands import Cancel, Command, End, Finalize, Speak
from ..core.errors import OssicleError, Refused
from ..core.events import Ended
from ..core.formats import AudioFormat
from ..core.options import Options
from ..core.ports import Sink
from .speaking import Speaking, Voice

__all__ = ["VoiceStream", "speaks"]


def speaks(capabilities: Capabilities, options: Options) -> AudioFormat:
    """The format to speak in: what the session chose, or the voice's best.

    Raises:
        Refused: a format the voice does not make.
    """
    if options.speaks is None or options.speaks in capabilities.speaks:
        return options.speaks or capabilities.speaks[0]
    raise Refused(
        f"voice {capabilities.name} does not make {options.speaks.encoding} at"
        f" {options.speaks.sample_rate} Hz; the session has to convert",
        code="unsupported_audio",
    )


class VoiceStream:
    """One session's speech. Audio is ignored, `Cancel(in)` has nothing to forget."""

    def __init__(
        self, name: str, voice: Voice, fmt: AudioFormat, options: Options, sink: Sink
    ) -> None:
        self._name, self._sink = name, sink
        self._dead = False
        self._speaking = Speaking(
            sink,
            voice,
            fmt,
            options=options.synthesis,
            failed=self._failed,
            drained=lambda: self._end(Ended()),
        )

    def audio(self, data: bytes) -> None:
        """It has no ears."""

    def ask(self, command: Command) -> None:
        if self._dead:
            return
        match command:
            case Speak():
                self._speaking.speak(command)
            case Finalize():
                self._speaking.finalize(command)
            case Cancel(side="out"):
                self._speaking.cancel(command)
            case End():
                self._speaking.end()
            case _:
                pass  # Configure, Tell, Played, Cancel(in): nothing here depends on them

    def credit(self, until_ms: int) -> None:
        self._speaking.credit(until_ms)

    def abort(self) -> None:
        self._dead = True
        self._speaking.abort()

    def fail(self, error: OssicleError) -> None:
        """The voice is gone for good."""
        self._failed(error)

    def _failed(self, error: OssicleError) -> None:
        self._end(Ended(reason="failed", error=error.fault()))

    def _end(self, ended: Ended) -> None:
        if not self._dead:
            self.abort()
            self._sink.tell(ended)
