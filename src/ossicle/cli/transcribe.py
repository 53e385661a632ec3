"""`ossicle transcribe`: a file, standard input or a microphone, with captions as they form."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator, Generator
from pathlib import Path
from typing import Annotated, Literal, NoReturn

import typer
from rich.console import Console

from ossicle.client import Buffering, Transcription, connect
from ossicle.client.address import DEFAULT_URL, Choice
from ossicle.client.source import pieces
from ossicle.client.transcribe import Collected, feed
from ossicle.core.errors import OssicleError
from ossicle.core.events import Event
from ossicle.core.formats import AudioFormat, parse_format
from ossicle.core.options import Hint, Options, RecognitionOptions

from .advice import advice
from .captions import Captions
from .inputs import duration_ms, microphone, paced, standard_input, until
from .subtitles import WRITERS

__all__ = ["transcribe"]

_POSITION_S = 0.2
"""How often the progress bar asks how far the gateway is."""


def transcribe(
    file: Annotated[
        str, typer.Argument(help="A file, or - for standard input.", show_default=False)
    ] = "",
    mic: Annotated[bool, typer.Option("--mic", help="Listen to the microphone.")] = False,
    url: Annotated[str, typer.Option(help="The gateway.", envvar="OSSICLE_URL")] = DEFAULT_URL,
    key: Annotated[
        str, typer.Option(help="API key.", envvar="OSSICLE_KEY", show_default=False)
    ] = "",
    ca: Annotated[
        Path | None,
        typer.Option(help="A CA to trust; see `ossicle certs`.", envvar="OSSICLE_CA"),
    ] = None,
    transport: Annotated[
        Choice, typer.Option(help="The wire; auto = the best that gets through.")
    ] = "auto",
    proxy: Annotated[
        str,
        typer.Option(
            help="A proxy to go through; empty = as HTTPS_PROXY and its like say.",
            show_default=False,
        ),
    ] = "",
    output: Annotated[
        Literal["text", "json", "srt", "vtt"], typer.Option(help="What to print.")
    ] = "text",
    language: Annotated[str, typer.Option(help="BCP-47 tag.")] = "en-US",
    model: Annotated[str, typer.Option(help="Model name; empty = the gateway's own.")] = "",
    hint: Annotated[
        list[str] | None, typer.Option(help="A likely word or phrase; repeatable.")
    ] = None,
    encoding: Annotated[
        str, typer.Option(help="What the audio is; empty = recognise a container.")
    ] = "",
    sample_rate: Annotated[int, typer.Option(help="Hz, where no header says it.")] = 16_000,
    channels: Annotated[int, typer.Option(help="Channels, where no header says it.")] = 1,
    realtime: Annotated[
        bool, typer.Option("--realtime", help="Send at the pace of speech, as a live client.")
    ] = False,
) -> None:
    """Transcribe speech, with captions as they form.

    Exit codes: 0 done, 1 failed, 2 wrong use, 130 stopped with Ctrl-C (the last words are kept).
    """
    if bool(file) == mic:
        _fail("say what to transcribe: a FILE, - for standard input, or --mic", code=2)
    try:
        declared = parse_format(encoding, sample_rate, channels) if encoding else None
        if mic and encoding and declared != parse_format("pcm_s16le", sample_rate, channels):
            _fail(f"--mic gives pcm_s16le, not {encoding}", code=2)
        if mic:
            declared = parse_format("pcm_s16le", sample_rate, channels)
        recognition = RecognitionOptions(
            language=language, model=model, hints=tuple(Hint(text) for text in hint or ())
        )
        path = None if mic or file == "-" else Path(file)
        if path is not None and not path.is_file():
            _fail(f"{path} is not a file", code=2)
        job = _Job(path, mic, declared, realtime, output)
        said, stopped = asyncio.run(
            job.run(url, key, ca, proxy, transport, Options(recognition=recognition))
        )
    except OssicleError as error:
        _fail(str(error), advice(error, url))
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    if output != "text":
        sys.stdout.write(WRITERS[output](said))
    raise typer.Exit(130 if stopped else 0)


class _Job:
    """One transcription, from its input to the end."""

    def __init__(
        self,
        path: Path | None,
        mic: bool,
        declared: AudioFormat | None,
        realtime: bool,
        output: str,
    ) -> None:
        self._path, self._mic, self._declared = path, mic, declared
        self._realtime, self._output = realtime, output

    async def run(
        self,
        url: str,
        key: str,
        ca: Path | None,
        proxy: str,
        transport: Choice,
        options: Options,
    ) -> tuple[Transcription, bool]:
        """The transcript, and whether somebody stopped it early."""
        total = None
        if self._path is not None:
            total = await asyncio.to_thread(duration_ms, self._path, self._declared)
        source = self._source(total)
        live_text = self._output == "text" and sys.stdout.isatty()
        captions = Captions(
            finals=sys.stdout if self._output == "text" else None,
            console=Console(file=sys.stdout) if live_text else Console(stderr=True),
            total_ms=total,
            source=self._path.name if self._path else "",
        )
        stream = connect(
            url,
            options=options,
            format=self._declared or AudioFormat("auto"),
            key=key or None,
            ca=ca,
            proxy=proxy or None,
            transport=transport,
            on_buffering=lambda held: _waiting(captions, held),
        )
        collected = Collected()
        stop = asyncio.Event()

        def told(event: Event) -> None:
            collected.add(event)
            captions.tell(event)

        async def watch() -> None:
            while True:
                captions.at(stream.settled_ms)
                await asyncio.sleep(_POSITION_S)

        with _interrupts(stop), captions:
            watching = asyncio.create_task(watch())
            try:
                async with stream:
                    await feed(stream, until(stop, source), told)
            finally:
                watching.cancel()
        return collected.of(stream), stop.is_set()

    def _source(self, total: int | None) -> AsyncIterator[bytes]:
        if self._mic:
            return microphone(self._declared or AudioFormat())
        source = standard_input() if self._path is None else pieces(self._path)
        if not self._realtime:
            return source
        declared = self._declared
        if declared is not None and declared.width:
            return paced(source, declared.units_per_second)
        if self._path is None or not total:
            _fail("--realtime needs to know the length: give --encoding and --sample-rate", code=2)
        return paced(source, self._path.stat().st_size * 1000 / total)


def _waiting(captions: Captions, held: Buffering) -> None:
    if not held.connected:
        captions.waiting(held.seconds)


@contextlib.contextmanager
def _interrupts(stop: asyncio.Event) -> Generator[None]:
    """The first Ctrl-C ends the stream, so that the last words are heard; the second leaves."""
    loop = asyncio.get_running_loop()
    before = signal.getsignal(signal.SIGINT)

    def interrupted(_number: int, _frame: object) -> None:
        signal.signal(signal.SIGINT, before)
        loop.call_soon_threadsafe(stop.set)

    signal.signal(signal.SIGINT, interrupted)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _fail(text: str, way_out: str = "", code: int = 1) -> NoReturn:
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    console.print("[bold red]error[/]", end=" ")
    console.print(text, markup=False)
    if way_out:
        console.print(way_out, markup=False, style="dim")
    raise typer.Exit(code)
