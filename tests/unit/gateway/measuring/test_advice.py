"""The advice of a gateway: what it has, lines that work, and `/v1/advise`."""

import ast
import itertools
import json
from pathlib import Path

import pytest

from harness import ask, gateway_with
from ossicle.advisor import Inputs
from ossicle.advisor.facts import PROVIDERS, WIRES
from ossicle.advisor.inputs import CLIENTS
from ossicle.advisor.wishes import wishes
from ossicle.gateway.configuration.sources import configure
from ossicle.gateway.doors.bind import BINDINGS
from ossicle.gateway.measuring.advice import PATHS, answer, here
from ossicle.gateway.snippets import TEMPLATES, Address

HERE = Address(
    "http://localhost:8080",
    "https://localhost:8443",
    "/x/ca.pem",
    "grpc://localhost:50051",
    "grpcs://localhost:50052",
)


def test_what_is_here_is_what_is_bound() -> None:
    built = here().built
    assert {("websocket", "native"), ("http", "native"), ("websocket", "deepgram")} <= set(built)
    bound = {each.transport for each in BINDINGS}
    assert {wire for wire, _ in built} <= bound | {"http2", "webrtc", "grpcweb"}
    # whatever wire has a binding has a native or a provider's door that the advice knows
    assert bound & set(WIRES) <= {wire for wire, _ in built}


def test_a_version_without_anything_has_nothing() -> None:
    assert here(()).built == frozenset()


def test_every_wish_has_a_path() -> None:
    for client, provider, talk, many in itertools.product(
        CLIENTS, ("own", *PROVIDERS), (False, True), (False, True)
    ):
        asked = Inputs(client=client, provider=provider, conversation=talk, audience=many)
        for wish in wishes(asked):
            assert (wish.wire, wish.dialect) in PATHS


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("provider", ["own", *PROVIDERS])
@pytest.mark.parametrize("blocked", [False, True])
def test_the_lines_can_be_pasted(client: str, provider: str, blocked: bool, tmp_path: Path) -> None:
    asked = Inputs(client=client, provider=provider, upgrades_blocked=blocked)  # pyright: ignore[reportArgumentType]  the values of the literal
    found = answer(asked, HERE)
    file = tmp_path / "ossicle.toml"
    file.write_text(found.config)
    assert configure(file, {}).notes == ()
    assert found.client
    match found.client_language:
        case "python":
            ast.parse(found.client)
        case "xml":
            assert found.client.lstrip().startswith("<")
        case _:
            assert "localhost:" in found.client
    texts = {each.title or f"{each.sdk.capitalize()}, {each.language}" for each in TEMPLATES}
    assert found.client_title in texts  # run as they stand by tests/interop/test_snippets.py


def test_a_conversation_with_openai_is_answered_by_it() -> None:
    asked = Inputs(client="browser", provider="openai", conversation=True)
    assert '"upstream:openai-realtime"' in answer(asked, HERE).config
    assert '"upstream:openai"' in answer(Inputs(provider="openai"), HERE).config


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("provider", ["own", *PROVIDERS])
def test_the_lines_are_for_the_wire_that_is_named(client: str, provider: str) -> None:
    found = answer(Inputs(client=client, provider=provider), HERE)  # pyright: ignore[reportArgumentType]  as above
    assert found.today is not None
    path = PATHS[found.today.wire, found.today.dialect]
    titles = {each.title or f"{each.sdk.capitalize()}, {each.language}": each for each in TEMPLATES}
    other = {
        ("websocket", "native"): "/ossicle.js",
        ("websocket", "amazon"): "/stream-transcription",
    }
    kind = (found.today.wire, found.today.dialect)
    assert titles[found.client_title].path in {path, other.get(kind, path)}


async def test_over_http(tmp_path: Path) -> None:
    async with gateway_with(tmp_path, keys=(("me", "sesame"),)) as gateway:
        told = await ask(
            gateway.url, method="GET", path="/v1/advise?client=browser&latency=80&udp_blocked=yes"
        )
        assert told.status == 200
        assert told.headers["content-type"] == "application/json"
        assert told.json["recommended"]["wire"] == "websocket"
        assert told.json["asked"]["udp_blocked"] is True
        assert gateway.url in told.json["client"]
        assert b"sesame" not in told.body
        plain = await ask(gateway.url, method="GET", path="/v1/advise")
        assert plain.json["recommended"]["wire"] == "websocket"


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("client=bowser", "did you mean 'browser'"),
        ("color=red", "there are client"),
        ("latency=-1", "milliseconds"),
        ("browsers=netscape", "there are chrome"),
        ("client=%00", "there are browser"),
    ],
)
async def test_a_question_that_is_none(tmp_path: Path, query: str, says: str) -> None:
    async with gateway_with(tmp_path) as gateway:
        told = await ask(gateway.url, method="GET", path=f"/v1/advise?{query}")
        assert told.status == 400
        assert says in json.dumps(told.json)


async def test_a_page_of_a_stranger_is_not_answered(tmp_path: Path) -> None:
    async with gateway_with(tmp_path) as gateway:
        told = await ask(gateway.url, method="GET", path="/v1/advise",
                         headers={"origin": "https://stranger.example"})  # fmt: skip
        assert told.status == 403
