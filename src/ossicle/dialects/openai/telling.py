"""What a realtime session tells, said to one of its clients: events of ours become theirs.

    told(SpeechStarted(side="in", …), now)     input_audio_buffer.speech_started

What of it is heard (`listening`), answered (`responding`) and played (`pacing`) is bookkeeping of
its own; here it is decided who of them is told, and what goes to the track. Knows no channel.
"""

from ossicle.core.errors import Fault, OssicleError
from ossicle.core.events import (
    Asked,
    AudioOut,
    Configured,
    Event,
    Marked,
    Notice,
    SpeechEnded,
    SpeechStarted,
    Told,
    Transcript,
)
from ossicle.core.ports import Steps

from .conversing import entered
from .messages import DigitsReceived, SessionUpdated
from .pacing import SOUND
from .party import Party
from .settings import ServerVad, format_of

__all__ = ["Telling"]


class Telling:
    """For one leg."""

    def __init__(self, party: Party) -> None:
        self._party = party

    def told(self, event: Event, now: float) -> Steps:
        """One event."""
        party = self._party
        match event:
            case AudioOut():
                return self._sounds(event, now)
            case Transcript(side="out"):
                return party.all(party.responding.words(event))
            case Transcript():
                return party.all(party.listening.words(event))
            case SpeechStarted(side="in"):
                party.idling.stop()
                return party.all(party.listening.started(event))
            case SpeechStarted():
                party.idling.stop()
                return party.all(party.responding.started(event.utterance, event.ref))
            case SpeechEnded(side="in"):
                if party.detects:
                    party.book.appended = 0
                return party.all(party.listening.ended(event))
            case SpeechEnded():
                return self._spoken(event, now)
            case Asked():
                return party.all(party.responding.asks(event))
            case Told():
                return self._mirrored(event)
            case Configured():
                return self._configured(event)
            case Notice(level="error"):
                return self._noticed(event)
            case Marked(cleared=True, name="") if party.book.paced:
                return self._unheard(event, now)
            case _:
                return ()

    def _mirrored(self, event: Told) -> Steps:
        """Something is in the conversation that was not spoken."""
        party = self._party
        if event.kind == "digits":
            received = int(party.opening.at)
            return tuple(
                step
                for digit in event.text
                for step in party.say(DigitsReceived(event=digit, received_at=received))
            )
        if event.ref not in party.book:
            return ()  # said by a leg of another dialect
        party.answered(event.ref)
        item = party.book.find(event.ref)
        return party.all(entered(item.previous, item.shown))

    def _configured(self, event: Configured) -> Steps:
        party = self._party
        ref = event.ref
        if not ref and party.declaring:
            ref, party.declaring = party.declaring, ""
        party.updates.pop(ref, None)
        party.answered(ref)
        if not ref.startswith("update"):
            return ()
        return party.say(SessionUpdated(session=party.session()))

    def _noticed(self, event: Notice) -> Steps:
        """Something that was asked could not be done."""
        party = self._party
        if event.ref in party.responding.active:
            party.answered(event.ref)
            return party.all(party.responding.failed(event.ref, event.code, event.text))
        if (before := party.updates.pop(event.ref, None)) is not None:
            party.book.settings = before
            if party.declaring == event.ref:
                party.declaring = ""
        fault = Fault(event.code, event.text, "client")
        return party.error(OssicleError.of(fault), party.answered(event.ref))

    def _sounds(self, event: AudioOut, now: float) -> Steps:
        party = self._party
        told = party.all(party.responding.sound(event))
        spoken = SOUND if party.book.paced else format_of(party.book.settings.audio.output.format)
        party.idling.sound(spoken.ms(len(event.data)), now)
        if party.pacing is None:
            return told
        response = party.responding.of(event.utterance)
        sound = party.pacing.sound(event, response.id if response is not None else "")
        return (*told, *party.paced(sound))

    def _spoken(self, event: SpeechEnded, now: float) -> Steps:
        party = self._party
        response = party.responding.of(event.utterance)
        events = party.responding.ended(event)
        party.answered(event.ref)
        cut = event.reason == "cancelled"
        if cut:
            party.idling.cut(now)
        self._wait_for_words(now)
        steps: Steps = ()
        if party.pacing is not None and cut:
            steps = party.paced(
                party.pacing.silence(event.utterance, response.id if response else "")
            )
        steps = (*steps, *party.all(events))
        if cut and party.book.paced:
            # Who hears of a track knows what was heard, and need not say so (section 5).
            heard_ms = event.heard_ms or 0
            steps = (
                *steps,
                *party.all(party.responding.truncated(event.utterance, heard_ms)),
            )
        elif party.pacing is not None and response is not None:
            end = party.pacing.end(event.utterance, event.at_ms or 0, response.id)
            steps = (*steps, *party.paced(end))
        return steps

    def _wait_for_words(self, now: float) -> None:
        """An answer is made; somebody says something to it, or is spoken to again."""
        party = self._party
        detection = party.book.settings.audio.input.turn_detection
        if not isinstance(detection, ServerVad) or not detection.idle_timeout_ms:
            return
        if not party.joins and not party.listening.speaking:
            party.idling.over(detection.idle_timeout_ms, party.hears.ms(party.sent), now)

    def _unheard(self, event: Marked, now: float) -> Steps:
        """What the track still holds is not to be heard."""
        party = self._party
        party.idling.cut(now)
        pacing = party.pacing
        steps = party.paced(pacing.silence(event.utterance)) if pacing is not None else ()
        if party.responding.of(event.utterance) is not None:
            return steps  # the end of it will tell
        cut = party.responding.truncated(event.utterance, event.heard_ms)
        return (*steps, *party.all(cut))
