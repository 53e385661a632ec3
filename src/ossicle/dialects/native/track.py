"""`ossicle.v1` on a call: sound on a media track, words as JSON on the data channel beside it.

    AudioOut ─▶ Media, Mark, Media, Mark …        Mark comes back ─▶ Played
    Cancel(out) ─▶ Clear                          marks that come back for that were not heard

A track tells nothing but what it reached, so a mark goes behind every tenth of a second: that is
how exactly an interruption says what was heard.
"""

import msgspec

from ossicle.core.commands import Configure, Played
from ossicle.core.errors import Fault, Refused
from ossicle.core.events import AudioOut, Event, Marked, SpeechEnded, Transcript
from ossicle.core.formats import AudioFormat
from ossicle.core.wire import Clear, Close, Mark, Media, Message, Ping, Text

from .errors import close_code, refusal
from .messages import encode, message_of, transcript_text

__all__ = ["SOUND", "Track", "over_media"]

SOUND = AudioFormat("pcm_s16le", 16_000, 1)
"""What every media track gives and takes, whatever its codec."""

_MARK_EVERY = SOUND.units(100)


def over_media(configure: Configure) -> Configure:
    """A session whose sound is on a track.

    Raises:
        Refused: a format was named; the offer negotiates it.
    """
    if configure.format is not None or configure.speaks is not None:
        raise Refused(
            "encoding, sample_rate, channels and speaks are negotiated by SDP here",
            code="bad_option",
        )
    patch = configure.patch
    if "overload" not in patch:
        # A microphone cannot be stopped: what an engine does not take in time is old.
        patch = patch | {"overload": "drop_oldest"}
    return msgspec.structs.replace(configure, patch=patch, format=SOUND, speaks=SOUND)


class Track:
    """How events are written on a call; a wire of `server.NativeServer`."""

    accepts_at_once = True
    flow = True
    headers: tuple[tuple[str, str], ...] = ()

    def __init__(self) -> None:
        self._marks: dict[str, Played] = {}
        self._count = 0

    def say(self, event: Event) -> tuple[Message, ...]:
        """An event, as messages."""
        if isinstance(event, AudioOut):
            return self._sound(event)
        if type(event) is Transcript:
            return (Text(transcript_text(event)),)
        said = Text(encode(message_of(event)))
        thrown = _thrown_away(event)
        return (said,) if thrown is None else (*self.hush(thrown), said)

    def beat(self, flow: Event | None) -> tuple[Message, ...]:
        """Something harmless."""
        return self.say(flow) if flow is not None else (Ping(),)

    def close(self, fault: Fault | None) -> Close:
        """The end of the call."""
        return Close(close_code(fault), fault.code if fault is not None else "")

    def refuse(self, fault: Fault, session: str) -> Close:
        """No call: the answer to the offer."""
        return refusal(fault, session)

    def reached(self, name: str) -> Played | None:
        """A mark came back; None = it was cleared, or is none of ours."""
        return self._marks.pop(name, None)

    def hush(self, utterance: str = "") -> tuple[Message | Played, ...]:
        """Throw away what was not heard, unless it is known to be of another utterance."""
        waiting = {played.utterance: played for played in self._marks.values()}
        if not waiting or (utterance and utterance not in waiting):
            return ()
        self._marks.clear()
        # A track is cleared whole. What it held of others is over, too: nobody waits for it.
        over = (
            msgspec.structs.replace(played, mark="", estimated=True)
            for name, played in waiting.items()
            if utterance and name != utterance
        )
        return (Clear(), *over)

    def _sound(self, event: AudioOut) -> tuple[Message, ...]:
        out: list[Message] = []
        data, last = event.data, max(len(event.data) - 1, 0) // _MARK_EVERY
        for place in range(last + 1):
            piece = data[place * _MARK_EVERY : (place + 1) * _MARK_EVERY]
            until = event.start_ms + SOUND.ms(place * _MARK_EVERY + len(piece))
            self._count += 1
            name = str(self._count)
            mark = event.mark if place == last else ""
            self._marks[name] = Played(
                utterance=event.utterance, until_ms=until, mark=mark, by_wire=True
            )
            if piece:
                out.append(Media(piece))
            out.append(Mark(name))
        return tuple(out)


def _thrown_away(event: Event) -> str | None:
    """The utterance of which the rest is not to be heard: it was cut off in the making, or (a mark
    without a name) it was made whole and is only on its way."""
    match event:
        case SpeechEnded(side="out", reason="cancelled", utterance=utterance):
            return utterance
        case Marked(name="", cleared=True, utterance=utterance):
            return utterance
        case _:
            return None
