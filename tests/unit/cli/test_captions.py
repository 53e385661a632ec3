"""Captions on a terminal rewrite themselves; anywhere else finals are plain lines."""

import io

from rich.console import Console

from ossicle.cli.captions import Captions
from ossicle.core.events import Notice, SpeechStarted, Transcript


def test_piped_finals_are_plain_lines_and_nothing_else():
    finals, beside = io.StringIO(), io.StringIO()
    with Captions(finals=finals, console=Console(file=beside), total_ms=1_000) as captions:
        captions.tell(SpeechStarted())
        captions.tell(Transcript(text="hel"))
        captions.at(500)
        captions.waiting(3.0)
        captions.tell(Transcript(text="hello", final=True, ends_turn=True))
        captions.tell(Transcript(text="", final=True, ends_turn=True, turn=1))
        captions.tell(Transcript(text="[red]right", final=True, channel=1))
    assert finals.getvalue() == "hello\n1: [red]right\n"
    assert beside.getvalue() == ""


def test_notices_go_beside():
    finals, beside = io.StringIO(), io.StringIO()
    with Captions(finals=finals, console=Console(file=beside)) as captions:
        captions.tell(Notice(level="warning", code="x", text="[b]mind the gap"))
    assert finals.getvalue() == ""
    assert "warning: [b]mind the gap" in beside.getvalue()


def test_a_terminal_shows_partials_finals_and_how_far():
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=60, color_system="standard")
    with Captions(finals=None, console=console, total_ms=60_000, source="talk.wav") as captions:
        captions.tell(Transcript(text="hel"))
        captions.tell(Transcript(text="hello", final=True, ends_turn=True, end_ms=30_000))
        captions.waiting(2.5)
    shown = screen.getvalue()
    assert "\x1b[2mhel\x1b[0m" in shown  # dim: may change
    assert "\x1b[1mhello\x1b[0m" in shown  # bright: stays
    assert "0:30 / 1:00" in shown
    assert "talk.wav" in shown
    assert "reconnecting, 2.5 s of audio wait" in shown
    assert shown.index("mhel\x1b") < shown.index("mhello\x1b")


def test_the_end_of_a_turn_takes_its_partials_along():
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=60)
    with Captions(finals=None, console=console) as captions:
        captions.tell(Transcript(text="stale", segment=1))
        captions.tell(Transcript(text="one", final=True, ends_turn=True))
        screen.truncate(0)
        captions.tell(Transcript(text="fresh", turn=1))
    assert "stale" not in screen.getvalue()
