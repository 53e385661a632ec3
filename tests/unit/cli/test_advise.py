"""`ossicle advise` at a terminal: flags, questions, JSON, narrow and wide."""

import json
import tomllib
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from ossicle.advisor import Inputs
from ossicle.cli import app
from ossicle.cli.advised import show
from ossicle.cli.interview import interview
from ossicle.gateway.measuring.advice import answer, as_command
from ossicle.gateway.snippets import Address

RUN = CliRunner()
HERE = Address(
    "http://localhost:8080", "https://localhost:8443", "/x/ca.pem", "grpc://localhost:50051"
)


def test_json_holds_what_is_fixed() -> None:
    done = RUN.invoke(app, ["advise", "--json", "--client", "browser", "--latency", "80"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.output)
    assert told["recommended"]["wire"] == "webrtc"
    assert told["runner_up"]["wire"] == "websocket"
    assert {"text", "fact", "source", "date"} <= set(told["reasons"][0])
    assert all(isinstance(each, str) for each in told["warnings"])
    assert tomllib.loads(told["config"])
    assert "/whip" in told["client"]
    assert told["path"][-1] == "webrtc"


def test_the_flags_of_a_restricted_network() -> None:
    done = RUN.invoke(
        app,
        ["advise", "--json", "--client", "server", "--provider", "google", "--without", "grpc",
         "--udp-blocked", "--upgrades-blocked", "--both-ends", "--grpc"],
    )  # fmt: skip
    told = json.loads(done.output)
    assert told["recommended"]["wire"] == "http"
    assert "gRPC is ruled out" in told["contradictions"][0]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--client", "bowser"], "did you mean 'browser'"),
        (["--latency", "soon"], "milliseconds"),
        (["--browser", "netscape"], "there are chrome"),
        (["--without", "smoke"], "websocket"),
        (["--provider", "nobody"], "deepgram"),
    ],
)
def test_what_is_not_known_is_said_in_words(arguments: list[str], says: str) -> None:
    done = RUN.invoke(app, ["advise", *arguments])
    assert done.exit_code == 2
    assert says in done.output
    assert "Traceback" not in done.output


def test_without_a_terminal_it_does_not_ask() -> None:
    done = RUN.invoke(app, ["advise"])
    assert done.exit_code == 0
    assert "WebSocket" in done.output


@pytest.mark.parametrize("width", [40, 80, 140])
@pytest.mark.parametrize("colour", [True, False])
def test_it_fits_a_terminal(width: int, colour: bool) -> None:
    console = Console(width=width, force_terminal=colour, no_color=not colour, record=True,
                      file=Path("/dev/null").open("w"))  # noqa: SIM115  # fmt: skip
    show(console, answer(Inputs(client="browser", provider="google", wire="sip"), HERE))
    console.file.close()
    text = console.export_text()
    for part in ("Use", "Why", "Look out", "300 ms", "ossicle.toml", "Ask again", "cannot"):
        assert part in text
    for each in answer(Inputs(client="browser", provider="google", wire="sip"), HERE).reasons:
        assert f"{each.date}  {each.source}" in text  # whole, however narrow
    # sources, code and the command are never broken, so that they can be opened and copied
    whole = ("https://", "Ask again", "# ", "//", "import ", ");", "{")
    assert all(
        len(line) <= width for line in text.splitlines() if not any(w in line for w in whole)
    )


def typed(monkeypatch: pytest.MonkeyPatch, *lines: str) -> Console:
    left = iter(lines)
    monkeypatch.setattr(Console, "input", lambda _self, *_a, **_k: next(left))
    return Console(width=80, file=Path("/dev/null").open("w"))


def test_the_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    console = typed(monkeypatch, "1", "1", "own", "1 4", "safari 26.3")
    assert interview(console) == Inputs(
        client="browser", latency_ms=100, conversation=True, udp_blocked=True,
        browsers=("safari 26.3",),
    )  # fmt: skip
    console.file.close()


def test_enter_takes_what_is_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    console = typed(monkeypatch, "", "", "", "")
    start = Inputs(client="telephone", provider="google", grpc=True, without=("http",))
    assert interview(console, start) == start
    console.file.close()


def test_a_wrong_answer_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    console = typed(monkeypatch, "9", "nobody", "bro", "soon", "250", "deep", "8", "x", "",
                    "netscape", "")  # fmt: skip
    assert interview(console) == Inputs(client="browser", latency_ms=250, provider="deepgram")
    console.file.close()


@pytest.mark.parametrize(
    "asked",
    [
        Inputs(),
        Inputs(client="browser", latency_ms=80, browsers=("safari 26.3", "chrome"), grpc=True),
        Inputs(provider="google", without=("grpc", "sip"), wire="webrtc", audience=True),
    ],
)
def test_the_command_at_the_end_asks_the_same(asked: Inputs) -> None:
    import shlex

    _, *arguments = shlex.split(as_command(asked))
    done = RUN.invoke(app, [*arguments, "--json"])
    told = json.loads(done.output)["asked"]
    assert told == json.loads(__import__("msgspec").json.encode(asked))
