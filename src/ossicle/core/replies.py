"""What was asked to be said and is not said to its end, so that a voice that dies in mid-word can
be replaced in mid-word: nothing is said twice, nothing is left out.

    Speak ─▶ given ─▶ engine        its events ─▶ told ─▶ the same on the session's side
    engine lost ─▶ restart ─▶ what to ask the next one: the text that was not told yet

The last place known for certain is where a sentence was told to be complete (a final transcript of
the reply, after its sound). From there on the text is asked again, and as much sound as was told
since is left out of what comes. An utterance keeps its name and its time: to whoever listens it is
one utterance. Knows no wire, and no sound but how long it is.
"""

import msgspec

from .commands import Cancel, Command, Finalize, Speak
from .events import Asked, AudioOut, Event, SpeechEnded, SpeechStarted, Transcript
from .formats import AudioFormat

__all__ = ["Replies"]

_MOST = 1_000
"""Replies remembered; an engine that ends none of its own is not followed beyond it."""
_SLACK_MS = 2
"""Times are whole milliseconds, sound is not."""


class _Reply(msgspec.Struct):
    """One utterance."""

    parts: list[Speak]
    """What was asked; none = the engine speaks by itself."""
    refs: set[str]
    closed: bool
    """Its text is complete."""
    cancelled: bool = False
    name: str = ""
    """For the session; empty = nothing was told of it."""
    engine: str = ""
    """The name its present stream has for it."""
    started: bool = False
    said: int = 0
    """Characters told to be complete..."""
    base: int = 0
    """...and the sound up to there, in bytes."""
    told: int = 0
    """Bytes of sound told."""
    finals: int = 0
    """Finals told since `base`."""
    origin: int = 0
    """Where the sound of the present stream begins in the utterance."""
    made: int = 0
    """Bytes the present stream made."""
    skip: int = 0
    """Bytes of it that were told before, by the one that is gone."""
    mute: int = 0
    """Finals of it likewise."""

    @property
    def text(self) -> str:
        """All of it."""
        return "".join(part.text or "" for part in self.parts)


class Replies:
    """The replies of one session."""

    __slots__ = ("_again", "_form", "_given", "_streams")

    def __init__(self) -> None:
        self._form: AudioFormat | None = None
        self._given: list[_Reply] = []
        self._again: list[tuple[Speak, _Reply]] = []
        """To be given to a stream that is not open yet."""
        self._streams = 1

    def shape(self, voice: AudioFormat | None) -> None:
        """What the engine's sound is."""
        self._form = voice

    # ── what is asked ──

    def given(self, command: Command) -> None:
        """A command goes to the stream."""
        match command:
            case Speak():
                for pair in self._again:
                    if pair[0] is command:
                        self._again.remove(pair)
                        self._given.append(pair[1])
                        return
                last = self._given[-1] if self._given else None
                if last is None or last.closed or last.cancelled:
                    last = _Reply(parts=[], refs=set(), closed=False)
                    self._given.append(last)
                    del self._given[: len(self._given) - _MOST]
                last.parts.append(command)
                last.refs.add(command.ref)
                last.closed = not command.more
            case Finalize() if self._given and not self._given[-1].closed:
                self._given[-1].closed = True
                self._given[-1].refs.add(command.ref)
            case Cancel(side="out"):
                for reply in self._given:
                    if command.utterance in {"", reply.engine}:
                        reply.cancelled = True
            case _:
                pass

    def refused(self, command: Command) -> None:
        """The stream did not take it."""
        last = self._given[-1] if self._given else None
        if last is not None and last.parts and last.parts[-1] is command:
            last.parts.pop()
            if not last.parts:
                self._given.pop()

    def named(self, command: Cancel) -> Cancel:
        """With the name that the stream knows."""
        for reply in self._given:
            if command.utterance and reply.name == command.utterance and reply.engine:
                return msgspec.structs.replace(command, utterance=reply.engine)
        return command

    def withdrawn(self, command: Cancel) -> list[tuple[Speak, SpeechEnded]]:
        """What is not to be asked again, since the utterance (or all of them) is not wanted any
        more, and its end."""
        name, ref = command.utterance, command.ref
        found = [pair for pair in self._again if not name or pair[1].name == name]
        self._again = [pair for pair in self._again if pair not in found]
        ended: list[tuple[Speak, SpeechEnded]] = []
        for speak, reply in found:
            reply.cancelled = True
            end = msgspec.structs.replace(self._over(reply), heard_ms=command.heard_ms)
            ended.append((speak, msgspec.structs.replace(end, ref=ref or end.ref)))
        return ended

    def made(self, utterance: str) -> bool:
        """Its end was told: a stream that is asked to stop it says nothing more of it."""
        pending = (*self._given, *(reply for _, reply in self._again))
        return all(reply.name != utterance for reply in pending)

    # ── what is told ──

    def told(self, event: Event) -> Event | None:
        """An event of the output side, as the session's listeners know the utterance; None = they
        were told already."""
        match event:
            case SpeechStarted(utterance="") | Transcript(utterance="") | AudioOut(utterance=""):
                return event
            case SpeechEnded(utterance=""):
                return event
            case Asked(utterance=name):
                known = next((r.name for r in self._given if name and r.engine == name), name)
                return msgspec.structs.replace(event, utterance=known)
            case SpeechStarted():
                reply = self._of(event.utterance, event.ref)
                again, reply.started = reply.started, True
                return None if again else msgspec.structs.replace(event, utterance=reply.name)
            case AudioOut():
                return self._sound(self._of(event.utterance, event.ref), event)
            case Transcript():
                return self._sentence(self._of(event.utterance, event.ref), event)
            case SpeechEnded():
                reply = self._of(event.utterance, event.ref)
                self._given.remove(reply)
                at = None if event.at_ms is None else event.at_ms + self._ms(reply.origin)
                return msgspec.structs.replace(event, utterance=reply.name, at_ms=at)
            case _:
                return event

    def _of(self, name: str, ref: str) -> _Reply:
        """The reply that a stream calls so: its next one, if it did not speak of it before."""
        unnamed: list[_Reply] = []
        for reply in self._given:
            if reply.engine == name:
                return reply
            if not reply.engine:
                unnamed.append(reply)
        fitting = [reply for reply in unnamed if ref in reply.refs]
        if fitting or unnamed:
            reply = (fitting or unnamed)[0]
        else:
            reply = _Reply(parts=[], refs=set(), closed=True)
            self._given.append(reply)
            del self._given[: len(self._given) - _MOST]
        reply.engine = name
        if not reply.name:  # streams count from one, each of them
            reply.name = name if self._streams == 1 else f"{name}.{self._streams}"
        return reply

    def _sound(self, reply: _Reply, event: AudioOut) -> AudioOut | None:
        data, start = event.data, event.start_ms + self._ms(reply.origin)
        reply.made += len(data)
        if reply.skip:
            cut = min(reply.skip, len(data))
            reply.skip -= cut
            data, start = data[cut:], start + self._ms(cut)
            if not data:
                return None
        reply.told += len(data)
        reply.started = True
        return msgspec.structs.replace(event, utterance=reply.name, data=data, start_ms=start)

    def _sentence(self, reply: _Reply, event: Transcript) -> Transcript | None:
        muted = reply.mute > 0
        if event.final:
            reply.mute -= muted
            if self._complete(reply, event):
                reply.finals = reply.mute
            elif not muted:
                reply.finals += 1
        if muted:
            return None
        shift = self._ms(reply.origin)
        words = event.words
        if words and shift:
            words = tuple(
                msgspec.structs.replace(
                    word, start_ms=word.start_ms + shift, end_ms=word.end_ms + shift
                )
                for word in words
            )
        return msgspec.structs.replace(
            event,
            utterance=reply.name,
            words=words,
            start_ms=None if event.start_ms is None else event.start_ms + shift,
            end_ms=None if event.end_ms is None else event.end_ms + shift,
        )

    def _complete(self, reply: _Reply, event: Transcript) -> bool:
        """Whether this is the next sentence of the text, and its sound was made: then everything
        up to its end is known to be said."""
        text, spoken = reply.text, event.text.strip()
        at = text.find(spoken, reply.said)
        if at < 0 or text[reply.said : at].strip() or self._form is None:
            return False
        until = reply.made
        if event.end_ms is not None:
            ended = self._form.units(event.end_ms)
            slack = self._form.units(_SLACK_MS)
            if reply.made < ended - slack:
                return False
            until = reply.made if reply.made <= ended + slack else ended
        reply.said, reply.base = at + len(spoken), reply.origin + until
        return True

    def _ms(self, size: int) -> int:
        return self._form.ms(size) if self._form is not None else 0

    # ── again ──

    def restart(self) -> tuple[list[Speak], list[SpeechEnded], int]:
        """The stream is gone. What to ask the next one, in order; what is to be told instead; and
        how many ms of sound the next one makes that nobody will hear."""
        ask: list[Speak] = []
        tell: list[SpeechEnded] = []
        again: list[tuple[Speak, _Reply]] = []
        skipped = 0
        for reply in self._given:
            command = None if reply.cancelled else self._rest(reply)
            if command is None:
                if reply.started:
                    tell.append(self._over(reply))
                continue
            ask.append(command)
            again.append((command, reply))
            skipped += reply.skip
        self._given = []
        self._again = [*again, *self._again]
        self._streams += 1
        return ask, tell, self._ms(skipped)

    def _rest(self, reply: _Reply) -> Speak | None:
        """What to ask of a reply; None = nothing."""
        if not reply.parts:
            return None
        if any(part.text is None for part in reply.parts):
            if reply.started:
                return None  # it would answer anew, in other words
            rest = None
        else:
            rest = reply.text[reply.said :]
            if reply.started and reply.closed and not rest.strip():
                return None
        last = reply.parts[-1]
        options = next((p.options for p in reversed(reply.parts) if p.options), None)
        command = Speak(text=rest, more=not reply.closed, options=options, ref=last.ref)
        reply.parts, reply.said, reply.engine = [command], 0, ""
        reply.origin, reply.made = reply.base, 0
        reply.skip, reply.mute = reply.told - reply.base, reply.finals
        return command

    def _over(self, reply: _Reply) -> SpeechEnded:
        """The end of one that nobody will go on with."""
        complete = bool(reply.parts) and not reply.text[reply.said :].strip()
        reason = "cancelled" if reply.cancelled else "done" if complete else "failed"
        ref = reply.parts[-1].ref if reply.parts else ""
        at = self._ms(reply.told)
        return SpeechEnded(side="out", utterance=reply.name, reason=reason, at_ms=at, ref=ref)
