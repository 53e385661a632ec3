"""An engine that answers: it hears with one engine, asks a responder, and says what that answers.

    Agent(Combined(PocketsphinxEngine(), EspeakEngine()), Parrot())

Everything streams: a sentence is said as soon as the responder has written it, while the rest of
the answer is still to come. An answer can be cancelled at any word; what was not heard of it is
not part of the conversation.

    turn ends ─▶ SpeechStarted(out) ─▶ AudioOut, Transcript(out), Asked … ─▶ SpeechEnded(out)

`Speak(text=None)` answers now, and `answers.auto` at the end of each turn. Who speaks while it
answers interrupts it (`answers.interrupt`). Without a voice, or with `answers.aloud` off, an answer
is text alone. The engine inside keeps its own turns: nothing here touches what is heard.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncGenerator

import msgspec

from ..core.capabilities import Capabilities
from ..core.commands import Cancel, Command, Configure, End, Finalize, Line, Speak, Tell
from ..core.errors import EngineFailed, OssicleError, Overloaded
from ..core.events import (
    Asked,
    AudioOut,
    Ended,
    Event,
    Notice,
    SpeechEnded,
    SpeechStarted,
    Transcript,
    TurnReason,
    Usage,
)
from ..core.options import AnswerOptions, Options, SynthesisOptions, merged
from ..core.ports import Engine, Sink, Stream
from .conversation import History, Spoken
from .lifecycle import Children, aclose, is_warm, start
from .responders import Entry, Piece, Question, Responder, ToolCall

__all__ = ["Agent", "Seat"]

_MOST_WAITING = 32
"""Answers asked for and not begun."""
_MOST_TEXTS = 256
"""Texts of the client's that wait behind an answer."""
_LAST = "~agent-last"
"""Ref of the question that closes the last turn before the end."""
_REMEMBERED = 64
"""Finished answers that may still turn out not to have been heard to their end."""
_VOICED = frozenset({f"synthesis.{name}" for name in SynthesisOptions.__struct_fields__})


class Agent:
    """Implements `core.ports.Engine`, for as many sessions as the engine inside takes."""

    def __init__(self, engine: Engine, responder: Responder, *, owns: bool = True) -> None:
        """
        Args:
            engine: hears, and speaks if it has a voice.
            responder: answers.
            owns: the engine is its own, to be started and closed with it.
        """
        self.engine = engine
        self.responder = responder
        self.children = Children()
        self._owns = owns
        inner = engine.capabilities
        self.capabilities: Capabilities = msgspec.structs.replace(
            inner,
            name=f"{inner.name}+{responder.name}",
            answers=True,
            live_changes=inner.live_changes | _VOICED,
            note=f"Answers by {responder.name}.",
        )

    @property
    def warm(self) -> bool:
        """The engine inside is."""
        return is_warm(self.engine)

    async def start(self) -> None:
        """Start what is its own."""
        if self._owns:
            await start(self.engine)

    async def aclose(self) -> None:
        """End every answer, and close what is its own."""
        await self.children.aclose()
        if self._owns:
            await aclose(self.engine)

    def seat(self, engine: Engine | None = None) -> "Seat":
        """This agent for one session, whose conversation outlives the streams it is opened with.

        Args:
            engine: hears in the place of its own (the same with something around it).
        """
        return Seat(self, engine or self.engine)

    async def open(self, options: Options, sink: Sink) -> Stream:
        """A stream with a conversation of its own."""
        return await self.seat().open(options, sink)


class Seat:
    """One session's agent. Implements `core.ports.Engine`; its maker runs what is inside."""

    def __init__(self, agent: Agent, engine: Engine) -> None:
        self.agent = agent
        self.history = History()
        self._engine = engine
        able = engine.capabilities
        self.capabilities: Capabilities = msgspec.structs.replace(
            agent.capabilities,
            live_changes=able.live_changes | _VOICED,
            turns=able.turns,
            eager=able.eager,
            channels=able.channels,
        )
        self.answered = 0
        """Answers so far: names of utterances are not used twice."""

    def follow(self, before: Engine) -> None:
        """The conversation goes on where another one's had got to (`core.ports.Successor`)."""
        if isinstance(before, Seat):
            self.history, self.answered = before.history, before.answered

    async def open(self, options: Options, sink: Sink) -> "AgentStream":
        """Open the engine inside."""
        stream = AgentStream(self, options, sink)
        try:
            inner = options
            if not self._engine.capabilities.speaks:
                inner = msgspec.structs.replace(options, speaks=None)
            stream.inner = await self._engine.open(inner, _Ear(stream, sink))
        except BaseException:
            stream.abort()
            raise
        return stream


class _Answer:
    """One answer, from the question to its last sound."""

    def __init__(
        self,
        name: str,
        ref: str,
        options: AnswerOptions,
        voice: SynthesisOptions | None,
        lines: tuple[Line, ...] | None,
    ) -> None:
        self.name = name
        self.ref = ref
        self.options = options
        self.voice = voice
        self.lines = lines
        self.text = ""
        self.spoken = Spoken()
        self.task: asyncio.Task[None] | None = None
        self.voiced = False
        """The voice has something of it to say, or had."""
        self.inner = ""
        """What the voice calls it."""
        self.usage: Usage | None = None
        self.heard_ms: int | None = None
        """Where it was cut off."""
        self.at_ms = 0
        self.failed = False

    @property
    def tag(self) -> str:
        """The ref that the voice is given."""
        return f"~answer-{self.name}"


class AgentStream:
    """Implements `core.ports.Stream`."""

    inner: Stream | None = None

    def __init__(self, seat: Seat, options: Options, sink: Sink) -> None:
        self._seat, self._sink = seat, sink
        self._history = seat.history
        self._options = options
        self._speaks = bool(seat.capabilities.speaks) and options.speaks is not None
        self._whole_turns = seat.capabilities.turns
        self._turn = ""
        """What was said in the turn that is open."""
        self._current: _Answer | None = None
        self._waiting: deque[_Answer] = deque()
        self._texts: deque[Speak] = deque()
        """What the client wants said, behind the answer that is being given."""
        self._text_open = False
        """More of such a text is to come."""
        self._done: dict[str, Spoken] = {}
        self._ending: End | None = None
        self._over = self._dead = False

    # ── the session's side ──

    def audio(self, data: bytes) -> None:
        if self.inner is not None and self._ending is None:
            self.inner.audio(data)

    def ask(self, command: Command) -> None:
        inner = self.inner
        if self._dead or inner is None:
            return
        match command:
            case Speak(text=None):
                self._answer(command)
            case Speak():
                self._text(command)
            case Cancel(side="out"):
                self._cancel(command)
            case Configure():
                self._options = merged(self._options, command.patch)
                inner.ask(command)
            case Tell():
                self._told(command)
                inner.ask(command)
            case End() if self._ending is None:
                self._ending = command
                if self._seat.capabilities.hears:
                    inner.ask(Finalize(ref=_LAST))  # the last turn is answered, too
                else:
                    self._end_if_quiet()
            case End():
                pass
            case _:
                inner.ask(command)

    def credit(self, until_ms: int) -> None:
        if self.inner is not None and not self._dead:
            self.inner.credit(until_ms)

    def abort(self) -> None:
        self._dead = True
        for answer in (self._current, *self._waiting):
            if answer is not None and answer.task is not None:
                answer.task.cancel()
        self._current = None
        self._waiting.clear()
        self._texts.clear()
        if self.inner is not None:
            self.inner.abort()

    # ── what is heard, and said by the voice; called by `_Ear` ──

    def tell(self, event: Event) -> None:
        if self._dead:
            return
        match event:
            case Transcript(side="in"):
                self._heard(event)
            case SpeechStarted(side="in"):
                # The session may interrupt from inside, knowing how much was heard.
                self._sink.tell(event)
                if self._options.answers.interrupt and not self._dead and self._current:
                    self._cancel(Cancel(side="out"))
            case AudioOut() | Transcript(side="out") | SpeechStarted() | SpeechEnded(side="out"):
                self._voice(event)
            case Notice() if event.ref.startswith("~answer-"):
                answer = self._current
                ref = answer.ref if answer is not None else ""
                self._sink.tell(msgspec.structs.replace(event, ref=ref))
            case Ended():
                self.abort()
                self._sink.tell(event)
            case _:
                self._sink.tell(event)

    def _heard(self, event: Transcript) -> None:
        last = event.ref == _LAST
        if last:
            event = msgspec.structs.replace(event, ref="")
        self._sink.tell(event)
        if self._dead or not event.final:
            return
        self._turn = f"{self._turn} {event.text}".strip()
        if event.ends_turn or not self._whole_turns:
            said, self._turn = self._turn, ""
            if said:
                self._history.add(Entry("user", said))
                if self._options.answers.auto:
                    self._answer(Speak())
        if last:
            self._end_if_quiet()

    def _told(self, command: Tell) -> None:
        """Something that was not spoken."""
        if command.kind == "result":
            self._history.add(Entry("result", command.text, call=command.call))
            # A client of the native protocol asks for nothing: the answer goes on by itself.
            if self._options.answers.resume and not self._history.unanswered:
                self._answer(Speak())
            return
        role = command.role if command.role in {"system", "assistant"} else "user"
        if command.text:
            self._history.add(msgspec.convert({"role": role, "text": command.text}, Entry))

    def _text(self, command: Speak) -> None:
        """A text to be said as it is. A voice would take it for more of an answer in the making."""
        if self._current is not None:
            if len(self._texts) >= _MOST_TEXTS:
                text = f"{len(self._texts)} texts wait behind an answer; the limit is {_MOST_TEXTS}"
                raise Overloaded(text, code="overloaded")
            self._texts.append(command)
        elif self.inner is not None:
            self._text_open = command.more
            self.inner.ask(command)
            if not command.more:
                self._next()

    # ── answers ──

    def _answer(self, command: Speak) -> None:
        if len(self._waiting) >= _MOST_WAITING:
            text = f"{len(self._waiting)} answers wait already; the limit is {_MOST_WAITING}"
            raise Overloaded(text, code="overloaded")
        self._seat.answered += 1
        self._waiting.append(
            _Answer(
                f"a{self._seat.answered}",
                command.ref,
                command.answer or self._options.answers,
                command.options,
                command.lines,
            )
        )
        self._next()

    def _next(self) -> None:
        """Begin the next answer, when the one before is over."""
        if self._current is not None or self._dead:
            return
        while self._texts:
            self._text(self._texts.popleft())
            if self._current is not None or self._dead:
                return
        if self._text_open:
            return
        if not self._waiting:
            self._end_if_quiet()
            return
        answer = self._current = self._waiting.popleft()
        self._sink.tell(SpeechStarted(side="out", utterance=answer.name, at_ms=0, ref=answer.ref))
        if self._current is not answer or self._dead:
            return  # the session cancelled it from inside
        question = Question(
            self._history.entries if answer.lines is None else _entries(answer.lines),
            answer.options,
            self._options.recognition.language,
        )
        answer.task = self._seat.agent.children.spawn(
            self._run(answer, question), name=f"answer {answer.name}"
        )

    async def _run(self, answer: _Answer, question: Question) -> None:
        """Ask the responder. Reports its own errors and never raises."""
        pieces = self._seat.agent.responder.respond(question)
        try:
            async with contextlib.aclosing(pieces):
                await self._take(answer, pieces)
        except OssicleError as error:
            self._give_up(answer, error)
        except Exception as error:  # noqa: BLE001  becomes a Notice; its text may hold speech
            name = self._seat.agent.responder.name
            self._give_up(answer, EngineFailed(f"{name} broke: {type(error).__name__}"))
        else:
            if self._current is answer:
                self._written(answer)

    async def _take(self, answer: _Answer, pieces: AsyncGenerator[Piece, None]) -> None:
        async for piece in pieces:
            if self._current is not answer:
                return
            match piece:
                case str():
                    if piece:
                        self._say(answer, piece)
                case ToolCall():
                    if answer.lines is None:
                        entry = Entry("call", piece.arguments, piece.call, piece.name)
                        self._history.add(entry)
                    self._sink.tell(
                        Asked(
                            call=piece.call,
                            name=piece.name,
                            arguments=piece.arguments,
                            utterance=answer.name,
                            ref=answer.ref,
                        )
                    )
                case Usage():
                    answer.usage = piece

    def _say(self, answer: _Answer, piece: str) -> None:
        answer.text += piece
        if self._speaks and answer.options.aloud:
            answer.voiced = True
            self._ask_voice(answer, piece, more=True)
            return
        self._sink.tell(
            Transcript(
                side="out",
                utterance=answer.name,
                text=answer.text,
                stable=len(answer.text),
                start_ms=0,
                end_ms=0,
                ref=answer.ref,
            )
        )

    def _ask_voice(self, answer: _Answer, text: str, *, more: bool) -> None:
        if self.inner is not None:
            options = answer.voice or self._options.synthesis
            self.inner.ask(Speak(text=text, more=more, options=options, ref=answer.tag))

    def _written(self, answer: _Answer) -> None:
        """The responder has said everything; the voice may not have."""
        if answer.voiced:
            self._ask_voice(answer, "", more=False)
            return
        if answer.text:
            self._sink.tell(
                Transcript(
                    side="out",
                    utterance=answer.name,
                    text=answer.text,
                    stable=len(answer.text),
                    start_ms=0,
                    end_ms=0,
                    final=True,
                    ends_turn=True,
                    ref=answer.ref,
                )
            )
        self._finish(answer, "done")

    def _give_up(self, answer: _Answer, error: OssicleError) -> None:
        if self._current is not answer or self._dead:
            return
        self._sink.tell(Notice(level="error", code=error.code, text=str(error), ref=answer.ref))
        if self._current is not answer or self._dead:
            return
        answer.failed = True
        if answer.voiced:
            self._ask_voice(answer, "", more=False)  # what it said so far is said
        else:
            self._finish(answer, "failed")

    # ── the voice ──

    def _voice(self, event: AudioOut | Transcript | SpeechStarted | SpeechEnded) -> None:
        answer = self._current
        if answer is None or event.ref != answer.tag:
            if not event.ref.startswith("~answer-"):
                self._sink.tell(event)  # a text that the client asked to be said
            return
        match event:
            case SpeechStarted():
                answer.inner = event.utterance
            case SpeechEnded():
                answer.at_ms = event.at_ms or answer.at_ms
                reason: TurnReason = "failed" if answer.failed else event.reason
                self._finish(answer, reason, event.usage)
            case Transcript():
                words = tuple((word.text, word.end_ms) for word in event.words or ())
                start, end = event.start_ms or 0, event.end_ms or 0
                answer.spoken.say(event.text, start, end, words)
                if answer.heard_ms is not None:
                    event = _cut(event, answer.heard_ms)
                self._sink.tell(
                    msgspec.structs.replace(event, utterance=answer.name, ref=answer.ref)
                )
            case AudioOut():
                self._sink.tell(
                    msgspec.structs.replace(event, utterance=answer.name, ref=answer.ref)
                )

    def _cancel(self, command: Cancel) -> None:
        """Stop one answer, or all. Each of them is told as ended."""
        if not command.utterance:
            self._drop_texts()
        for answer in tuple(self._waiting):
            if command.utterance in {"", answer.name}:
                self._waiting.remove(answer)
                self._sink.tell(
                    SpeechStarted(side="out", utterance=answer.name, at_ms=0, ref=answer.ref)
                )
                self._told_end(answer, "cancelled", None, 0)
        answer = self._current
        if answer is not None and command.utterance in {"", answer.name}:
            self._cut_off(answer, command)
        elif command.utterance in self._done and command.heard_ms is not None:
            spoken = self._done[command.utterance]
            self._history.heard(command.utterance, spoken.until(command.heard_ms))
        if answer is None and self.inner is not None:
            if not command.utterance:
                self._forget_last(command)
            self.inner.ask(command)  # a text that the client asked to be said

    def _drop_texts(self) -> None:
        """Texts that have not begun: each still gets its answer."""
        texts, self._texts = self._texts, deque()
        self._text_open = False
        for text in texts:
            if not text.more:
                self._sink.tell(SpeechEnded(side="out", at_ms=0, reason="cancelled", ref=text.ref))

    def _forget_last(self, command: Cancel) -> None:
        """The last answer was made whole, and is still being heard."""
        last = next(reversed(self._done), None)
        if last is not None and command.heard_ms is not None:
            self._history.heard(last, self._done[last].until(command.heard_ms))

    def _cut_off(self, answer: _Answer, command: Cancel) -> None:
        if answer.task is not None:
            answer.task.cancel()
        answer.heard_ms = command.heard_ms or 0
        if answer.voiced and self.inner is not None:
            # Its end, told by the voice, is the end of the answer; whatever it is called there.
            name = answer.inner if command.utterance else ""
            self.inner.ask(msgspec.structs.replace(command, utterance=name, ref=""))
        elif not command.utterance and self.inner is not None:
            self.inner.ask(command)  # a text that the client asked to be said
        if self._current is answer:
            self._finish(answer, "cancelled")

    def _finish(self, answer: _Answer, reason: TurnReason, usage: Usage | None = None) -> None:
        """It is over, and has its place in the conversation: what was heard of it."""
        if self._current is not answer:
            return
        self._current = None
        if answer.lines is None and answer.text:
            text = answer.text
            if reason == "cancelled" and self._speaks and answer.options.aloud:
                text = answer.spoken.until(answer.heard_ms or 0)
            if text:
                self._history.add(Entry("assistant", text.strip()), answer.name)
                self._done[answer.name] = answer.spoken
                while len(self._done) > _REMEMBERED:
                    del self._done[next(iter(self._done))]
        self._told_end(answer, reason, usage, answer.heard_ms)
        self._next()

    def _told_end(
        self, answer: _Answer, reason: TurnReason, usage: Usage | None, heard_ms: int | None
    ) -> None:
        spoken = usage or Usage()
        counted = answer.usage or Usage()
        self._sink.tell(
            SpeechEnded(
                side="out",
                utterance=answer.name,
                at_ms=answer.at_ms,
                reason=reason,
                heard_ms=heard_ms if reason == "cancelled" else None,
                usage=Usage(
                    audio_ms=spoken.audio_ms,
                    characters=spoken.characters or len(answer.text),
                    input_tokens=counted.input_tokens,
                    output_tokens=counted.output_tokens,
                ),
                ref=answer.ref,
            )
        )

    def _end_if_quiet(self) -> None:
        """Everything was answered: the engine inside may end."""
        if self._ending is None or self._over or self._dead:
            return
        if self._current is None and not self._waiting and self.inner is not None:
            self._over = True
            self.inner.ask(self._ending)


class _Ear:
    """The sink of the engine inside."""

    def __init__(self, stream: AgentStream, sink: Sink) -> None:
        self._stream, self._sink = stream, sink

    def tell(self, event: Event) -> None:
        self._stream.tell(event)

    def credit(self, until_ms: int) -> None:
        self._sink.credit(until_ms)

    def settled(self, until_ms: int) -> None:
        self._sink.settled(until_ms)


def _entries(lines: tuple[Line, ...]) -> tuple[Entry, ...]:
    return tuple(
        msgspec.convert({"role": line.role, "text": line.text, "call": line.call}, Entry)
        for line in lines
    )


def _cut(event: Transcript, heard_ms: int) -> Transcript:
    """Of the words of a piece that was cut off, those that were heard."""
    words = tuple(word for word in event.words or () if word.end_ms <= heard_ms)
    text = " ".join(word.text for word in words)
    return msgspec.structs.replace(
        event, text=text, words=words or None, stable=len(text), final=True
    )
