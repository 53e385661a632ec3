"""The conformance kit for engines: run it on yours, and it names the law that is broken.

    async def test_my_engine():
        await check_engine(MyEngine(), audio=speech)

It opens the engine several times, feeds it, asks it and aborts it, and checks what it tells
against `core/ports.py` (Engine, Stream, Sink) and the order law at the top of `core/events.py`.
It does not judge whether the words are right.
"""

from collections import Counter

from ..core.commands import Cancel, End, Finalize, Speak
from ..core.events import Transcript
from ..core.formats import AudioFormat
from ..core.options import Options
from ..core.ports import Engine
from .marked import marked_audio
from .order import check_order
from .sink import HeldSink
from .trial import Bench

__all__ = ["HeldSink", "check_engine", "check_order"]

_SPOKEN_FIRST_MS = 300
"""How far the kit lets a voice speak before it looks whether credit is kept."""


async def check_engine(
    engine: Engine,
    *,
    audio: bytes = b"",
    text: str = "One short sentence. And here comes another one.",
    options: Options | None = None,
    streams: int = 2,
    piece_ms: int = 100,
    patience: float = 10.0,
) -> None:
    """Check an engine against the contract; it must be started if it needs that.

    Args:
        engine: one that hears, speaks, or both, by its capabilities.
        audio: in `capabilities.hears[0]`; without it, some seconds of artificial sound.
        text: what a voice is given to say; at least a second of it.
        options: how to open it; formats are filled in.
        streams: how many streams are used at once; 1 for an engine with room for one.
        piece_ms: length of the pieces of audio.
        patience: seconds to wait for an answer before it counts as missing.

    Raises:
        AssertionError: the first law broken, in a sentence, and where it is written.
    """
    bench = Bench(engine, options or Options(), piece_ms, patience)
    if engine.capabilities.hears:
        audio = audio or _some_audio(engine.capabilities.hears[0])
        await _whole_run(bench, audio)
        await _nothing_heard(bench)
        await _finalize(bench, audio)
        await _forget(bench, audio)
        await _after_the_end(bench, audio)
    if engine.capabilities.speaks:
        await _says(bench, audio, text)
        await _falls_silent(bench, audio, text)
    await _aborts(bench, audio, text)
    if streams > 1:
        await _side_by_side(bench, audio, text, streams)


def _some_audio(fmt: AudioFormat) -> bytes:
    words = marked_audio([1, 2, 3, 0, 4, 5, 0])
    return words[: len(words) - len(words) % fmt.frame_bytes]


# the checks


async def _whole_run(bench: Bench, audio: bytes) -> None:
    run = await bench.open("hearing all of the audio")
    await run.feed(audio)
    await run.end()


async def _nothing_heard(bench: Bench) -> None:
    run = await bench.open("End without audio")
    await run.end()


async def _finalize(bench: Bench, audio: bytes) -> None:
    run = await bench.open("Finalize")
    run.ask(Finalize(ref="at once"))
    half = run.hears.bytes(run.hears.ms(len(audio)) // 2)
    await run.feed(audio[:half])
    run.ask(Finalize(ref="in the middle"))
    await run.feed(audio[half:])
    run.ask(Finalize(ref="late"))
    run.ask(Finalize(ref="again"))
    await run.end()
    refs = [final.ref for final in run.sink.finals if final.ref]
    run.law(
        Counter(refs) == Counter(("at once", "in the middle", "late", "again")),
        f"every Finalize is answered by exactly one final with its ref, not {refs}",
        "ports.Stream.ask; contracts M11",
    )
    run.law(
        refs == ["at once", "in the middle", "late", "again"],
        f"answers come in the order of the commands, not {refs}",
        "ports.Stream.ask",
    )
    run.law(
        all(final.ends_turn for final in run.sink.finals if final.ref),
        "the final that answers a Finalize ends the turn",
        "contracts M11",
    )


async def _forget(bench: Bench, audio: bytes) -> None:
    run = await bench.open("Cancel(in)")
    # Up to a partial, if the engine has any: then there is something to forget.
    for at in range(0, len(audio), bench.piece(run.hears)):
        await run.feed(audio[at : at + bench.piece(run.hears)])
        last = run.sink.events[-1] if run.sink.events else None
        if isinstance(last, Transcript) and not last.final:
            break
    run.ask(Cancel(side="in"))
    run.ask(Finalize(ref="after"))
    await run.end()
    answers = [final for final in run.sink.finals if final.ref == "after"]
    run.law(len(answers) == 1, "a Finalize after Cancel(in) is answered once", "contracts M13")
    run.law(
        not answers[0].words,
        "nothing heard before Cancel(in) is reported after it",
        "commands.Cancel",
    )


async def _after_the_end(bench: Bench, audio: bytes) -> None:
    run = await bench.open("audio and commands after End")
    await run.feed(audio)
    if run.speaks:
        run.ask(Speak(text="Still being said when End comes."))
    run.ask(End())
    run.after_the_end(audio[: run.hears.bytes(100)])
    await run.wait(lambda: run.sink.ended is not None, "Ended")
    run.after_the_end(audio[: run.hears.bytes(100)])
    await bench.fence()
    run.check()


async def _says(bench: Bench, audio: bytes, text: str) -> None:
    run = await bench.open("Speak under credit")
    await run.something_heard(audio)
    run.grant(_SPOKEN_FIRST_MS)
    run.ask(Speak(text=text, ref="said"))
    await run.wait(lambda: run.spoken_ms >= _SPOKEN_FIRST_MS, "sound up to the credit given")
    run.law(not run.answered("said"), "text for more than 300 ms was said whole", "check_engine")
    run.grant(3_600_000)
    await run.wait(lambda: run.answered("said"), "SpeechEnded(out) of a Speak")
    run.ask(Speak(text="More of it. And the ", more=True))
    run.ask(Speak(text="rest.", ref="pieces"))
    run.ask(Speak(text=text, ref="next"))
    await run.end()
    for ref in ("said", "pieces", "next"):
        run.law(
            run.count("said" if ref == "said" else ref) == 1,
            f"a Speak is answered by exactly one SpeechEnded(out) with its ref {ref!r}",
            "contracts M11, M13",
        )


async def _falls_silent(bench: Bench, audio: bytes, text: str) -> None:
    run = await bench.open("Cancel(out)")
    await run.something_heard(audio)
    run.grant(_SPOKEN_FIRST_MS)
    run.ask(Speak(text=text, ref="cut"))
    await run.wait(lambda: run.spoken_ms >= _SPOKEN_FIRST_MS, "sound up to the credit given")
    run.ask(Cancel(side="out"))
    await run.wait(lambda: run.cancelled == 1, "SpeechEnded(out, cancelled) after Cancel(out)")
    told = run.spoken_ms
    run.grant(3_600_000)
    run.ask(Cancel(side="out"))
    await run.end()
    run.law(run.spoken_ms == told, "no sound follows a Cancel(out)", "commands.Cancel")
    run.law(run.cancelled == 1, "cancelling nothing tells nothing", "commands.Cancel")


async def _aborts(bench: Bench, audio: bytes, text: str) -> None:
    run = await bench.open("abort right after open")
    run.abort_twice()
    await bench.fence()
    run.stayed_deaf()
    run = await bench.open("abort in the middle")
    await run.feed(audio[: len(audio) // run.hears.frame_bytes // 2 * run.hears.frame_bytes])
    if run.speaks:
        run.ask(Speak(text=text))
    run.ask(Finalize(ref="never answered"))
    run.abort_twice()
    run.after_the_end(audio[: run.hears.bytes(100)])
    await bench.fence()
    run.stayed_deaf()
    run = await bench.open("abort after the end")
    await run.end()
    run.abort_twice()
    await bench.fence()
    run.stayed_deaf()


async def _side_by_side(bench: Bench, audio: bytes, text: str, streams: int) -> None:
    runs = [await bench.open(f"stream {n + 1} of {streams} at once") for n in range(streams)]
    for at in range(0, len(audio), bench.piece(runs[0].hears)):
        for run in runs:
            await run.feed(audio[at : at + bench.piece(run.hears)])
    if runs[0].speaks:
        for run in runs:
            run.ask(Speak(text=text, ref="both"))
        for run in runs:
            await run.wait(lambda run=run: run.answered("both"), "SpeechEnded(out) in each")
    for run in runs:
        await run.end()
    shapes = [[(f.text, f.start_ms, f.end_ms) for f in run.sink.finals] for run in runs]
    runs[0].law(
        all(shape == shapes[0] for shape in shapes),
        "streams fed the same audio at once hear the same; they must share nothing",
        "ports.Engine.open",
    )
