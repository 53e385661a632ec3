"""The advice: a test for every row it must know, for every mistake, and for the laws it keeps."""

import itertools
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ossicle.advisor import FACTS, Advice, Here, Inputs, decide
from ossicle.advisor.browsers import BROWSERS
from ossicle.advisor.facts import PROVIDERS, WIRES
from ossicle.advisor.inputs import CLIENTS
from ossicle.advisor.tree import EDGES, NODES, steps
from ossicle.advisor.wishes import wishes

NOTHING = Here()


def advise(here: Here = NOTHING, **asked: Any) -> Advice:
    return decide(Inputs(**asked), here)


def chosen(**asked: Any) -> tuple[str, str]:
    """The wire and the runner-up's."""
    found = advise(**asked)
    return found.recommended.wire, found.runner_up.wire if found.runner_up else ""


OPEN: dict[str, Any] = {"both_ends": True, "grpc": True}


@pytest.mark.parametrize(
    ("asked", "wire", "runner_up"),
    [
        # who sends
        ({"client": "browser"}, "websocket", "webrtc"),
        ({"client": "browser", "latency_ms": 100}, "webrtc", "websocket"),
        ({"client": "browser", "conversation": True}, "webrtc", "websocket"),
        ({"client": "server"}, "websocket", "http"),
        ({"client": "server", "grpc": True}, "grpc", "websocket"),
        ({"client": "mobile"}, "websocket", "webrtc"),
        ({"client": "mobile", "conversation": True}, "webrtc", "websocket"),
        ({"client": "telephone"}, "sip", "websocket"),
        ({"client": "batch"}, "http", "websocket"),
        # how soon
        ({"client": "server", "latency_ms": 90}, "websocket", "http"),
        ({"client": "server", "latency_ms": 90, "grpc": True}, "websocket", "grpc"),
        ({"client": "browser", "latency_ms": 90}, "webrtc", "websocket"),
        ({"client": "server", "latency_ms": 300, "grpc": True}, "grpc", "websocket"),
        ({"client": "batch", "latency_ms": 5_000}, "http", "websocket"),
        # who recognises
        ({"provider": "deepgram"}, "websocket", "http"),
        ({"provider": "deepgram", "client": "browser"}, "websocket", "webrtc"),
        ({"provider": "assemblyai"}, "websocket", "http"),
        ({"provider": "google"}, "grpc", "websocket"),
        ({"provider": "riva"}, "grpc", "websocket"),
        ({"provider": "amazon"}, "http2", "websocket"),
        ({"provider": "amazon", "client": "browser"}, "websocket", "webrtc"),
        ({"provider": "amazon", "without": ("http2",)}, "websocket", "http"),
        ({"provider": "openai", "client": "browser"}, "webrtc", "websocket"),
        ({"provider": "openai", "client": "mobile"}, "webrtc", "websocket"),
        ({"provider": "openai", "client": "server"}, "websocket", "http"),
        ({"provider": "openai", "client": "telephone"}, "sip", "websocket"),
        ({"provider": "deepgram", "client": "batch"}, "http", "websocket"),
        # what the network lets through
        ({"client": "browser", "conversation": True, "udp_blocked": True}, "websocket", "http"),
        ({"client": "server", "upgrades_blocked": True}, "http", ""),
        ({"client": "browser", "upgrades_blocked": True, "udp_blocked": True}, "http", ""),
        ({"client": "telephone", "udp_blocked": True}, "websocket", ""),
        ({"client": "server", "upgrades_blocked": True, "grpc": True}, "grpc", "http"),
        # the audience, and the wires in draft
        ({"client": "browser", "audience": True, **OPEN}, "moq", "websocket"),
        ({"client": "server", "audience": True, **OPEN}, "moq", "websocket"),
        ({"client": "browser", "audience": True}, "websocket", "http"),
        ({"client": "browser", "audience": True, "udp_blocked": True, **OPEN}, "websocket", "http"),
        (
            {"client": "browser", "audience": True, "browsers": ("safari 26.3",), **OPEN},
            "websocket",
            "http",
        ),
        ({"client": "browser", "conversation": True, **OPEN}, "webrtc", "webtransport"),
        (
            {"client": "browser", "conversation": True, "without": ("webrtc",), **OPEN},
            "webtransport",
            "websocket",
        ),
        (
            {"client": "browser", "conversation": True, "browsers": ("firefox 113",), **OPEN},
            "webrtc",
            "websocket",
        ),
    ],
)
def test_the_rows(asked: dict[str, Any], wire: str, runner_up: str) -> None:
    assert chosen(**asked) == (wire, runner_up)


@pytest.mark.parametrize(
    ("asked", "word"),
    [
        # the mistakes, and where each has to be named
        ({"client": "server", "wire": "webrtc"}, "WebRTC between servers"),
        ({"client": "batch", "wire": "webrtc"}, "WebRTC plays a recording"),
        ({"client": "server", "provider": "openai"}, "base64"),
        ({"client": "telephone", "udp_blocked": True}, "base64"),
        ({"client": "browser"}, "Every connection breaks"),
        ({"provider": "google"}, "25,600 bytes"),
        ({"client": "browser", "latency_ms": 50}, "The wire does not decide the latency"),
        ({"client": "browser", "latency_ms": 50}, "TURN relay: 30 to 40 %"),
        ({"client": "browser", "audience": True, **OPEN}, "Media over QUIC is not finished"),
        (
            {"client": "browser", "wire": "webtransport", "browsers": ("safari 18.6",)},
            "where the audience cannot: Safari 18.6",
        ),
        ({"client": "browser", "wire": "moq"}, "from draft to draft"),
        ({"provider": "google"}, "trailers"),
        ({"client": "server"}, "Proxies cut a connection"),
        ({"provider": "amazon"}, "often go on in HTTP/1.1"),
        ({"client": "server", "upgrades_blocked": True}, "collect a whole request"),
        ({"client": "server"}, "Try it in the network"),
        ({"client": "browser", "upgrades_blocked": True, "udp_blocked": True}, "one request each"),
        ({"provider": "deepgram"}, "10 seconds: send KeepAlive"),
        ({"provider": "assemblyai"}, "after 3 hours"),
        ({"provider": "google"}, "after 5 minutes, and after 10 seconds"),
        ({"provider": "amazon"}, "after 4 hours, and after 15 seconds"),
        ({"provider": "openai"}, "after 60 minutes"),
    ],
)
def test_the_mistakes(asked: dict[str, Any], word: str) -> None:
    found = advise(**asked)
    assert any(word in each for each in found.warnings), found.warnings
    assert len(found.warnings) == len(found.warning_facts)
    assert all(not name or name in FACTS for name in found.warning_facts)


@pytest.mark.parametrize(
    ("asked", "wire", "words"),
    [
        ({"provider": "google", "without": ("grpc",)}, "websocket",
         ("Google Cloud Speech", "gRPC is ruled out", "gateway")),
        ({"provider": "google", "client": "browser"}, "websocket",
         ("Google Cloud Speech", "browser", "gateway")),
        ({"client": "browser", "wire": "sip"}, "websocket", ("browser cannot speak SIP", "WebRTC")),
        ({"client": "browser", "wire": "grpc"}, "websocket", ("browser cannot speak gRPC",)),
        ({"provider": "deepgram", "upgrades_blocked": True}, "http",
         ("Deepgram", "WebSocket", "refuses", "HTTP")),
        ({"provider": "deepgram", "wire": "grpc"}, "websocket", ("Deepgram does not speak gRPC",)),
        ({"provider": "assemblyai", "without": ("websocket",)}, "http",
         ("AssemblyAI speaks WebSocket", "ruled out")),
        ({"client": "browser", "conversation": True, "wire": "webrtc", "udp_blocked": True},
         "websocket", ("needs UDP", "TURN relay")),
        ({"client": "browser", "same_datacentre": True}, "websocket", ("own network",)),
        ({"client": "batch", "latency_ms": 50}, "http", ("recording", "50 ms")),
        ({"client": "telephone", "wire": "webtransport"}, "sip", ("telephone line",)),
        ({"client": "mobile", "wire": "sip"}, "websocket", ("SIP is for telephone lines",)),
        ({"client": "telephone", "audience": True}, "sip", ("many listeners",)),
        ({"client": "browser", "wire": "grpcweb"}, "websocket", ("no microphone", "recordings")),
        ({"client": "server", "wire": "http", "without": ("http",)}, "websocket",
         ("both wanted and ruled out",)),
        ({"client": "server", "without": tuple(WIRES)}, "http", ("Nothing is left",)),
    ],
)  # fmt: skip
def test_contradictions(asked: dict[str, Any], wire: str, words: tuple[str, ...]) -> None:
    """An answer that says what contradicts what, and the nearest way that works."""
    found = advise(**asked)
    said = " ".join(found.contradictions)
    assert [word for word in words if word not in said] == [], said
    assert found.recommended.wire == wire


def test_a_plain_question_has_no_contradiction() -> None:
    for client, provider in itertools.product(CLIENTS, ("own", "deepgram", "openai")):
        assert advise(client=client, provider=provider).contradictions == ()


def test_base64_has_its_price_named() -> None:
    assert "341" in FACTS["base64.cost"].text
    assert "third" in FACTS["base64.cost"].value


def test_a_provider_behind_a_gateway() -> None:
    found = advise(client="browser", provider="google")
    assert found.recommended.dialect == "native"
    assert found.upstream is not None
    assert (found.upstream.wire, found.upstream.dialect) == ("grpc", "google")


# ── what this gateway has ──


def test_what_is_not_there_yet_is_said_and_what_is_there_is_named() -> None:
    here = Here({("websocket", "native"), ("http", "native")}, {"deepgram"})
    found = advise(here, client="browser", latency_ms=50)
    assert (found.recommended.wire, found.recommended.built) == ("webrtc", False)
    assert found.today is not None
    assert (found.today.wire, found.today.built) == ("websocket", True)
    assert "does not have WebRTC in Ossicle's own protocol yet" in found.warnings[0]
    assert "WebSocket" in found.warnings[0]


def test_what_is_there_is_not_warned_of() -> None:
    here = Here({("websocket", "native")})
    found = advise(here)
    assert found.today == found.recommended
    assert not any("This version" in each for each in found.warnings)


def test_nothing_that_fits_is_said_too() -> None:
    found = advise(NOTHING)
    assert found.today is None
    assert "nothing else here fits" in found.warnings[0]


# ── laws ──

FLAGS = ("conversation", "both_ends", "same_datacentre", "udp_blocked", "upgrades_blocked",
         "audience", "grpc")  # fmt: skip
questions = st.builds(
    Inputs,
    client=st.sampled_from(list(CLIENTS)),
    latency_ms=st.sampled_from([20, 100, 101, 300, 999, 1_000, 60_000]),
    provider=st.sampled_from(["own", *PROVIDERS]),
    browsers=st.lists(
        st.sampled_from(["chrome", "safari 26.3", "safari 27", "firefox 100", "ios 17.1", "edge"]),
        max_size=3,
    ).map(tuple),
    without=st.lists(st.sampled_from(list(WIRES)), max_size=8, unique=True).map(tuple),
    wire=st.sampled_from(["", *WIRES]),
    **{name: st.booleans() for name in FLAGS},
)


def freer(asked: Inputs) -> list[Inputs]:
    """The same purpose with one obstacle less."""
    change = msgspec.structs.replace
    found = [change(asked, without=tuple(w for w in asked.without if w != gone))
             for gone in asked.without]  # fmt: skip
    found += [change(asked, browsers=tuple(b for b in asked.browsers if b != gone))
              for gone in asked.browsers if len(asked.browsers) > 1]  # fmt: skip
    if asked.browsers:
        found.append(change(asked, browsers=()))
    if asked.udp_blocked:
        found.append(change(asked, udp_blocked=False))
    if asked.upgrades_blocked:
        found.append(change(asked, upgrades_blocked=False))
    if not asked.both_ends:
        found.append(change(asked, both_ends=True))
    if not asked.grpc:
        found.append(change(asked, grpc=True))
    return found


@settings(max_examples=400, deadline=None, derandomize=True)
@given(questions)
def test_more_freedom_never_makes_it_worse(asked: Inputs) -> None:
    before = decide(asked)
    for wider in freer(asked):
        after = decide(wider)
        assert after.rank <= before.rank, wider
        assert {each.wire for each in after.ruled_out} <= {
            each.wire for each in before.ruled_out
        } | {before.recommended.wire}


@settings(max_examples=400, deadline=None, derandomize=True)
@given(questions)
def test_every_reason_has_a_dated_fact(asked: Inputs) -> None:
    found = decide(asked)
    assert found.reasons
    for reason in found.reasons:
        fact = FACTS[reason.fact]
        assert (reason.source, reason.date, reason.known) == (fact.source, fact.date, fact.text)
        assert reason.date
    for part in found.budget:
        assert part.fact in FACTS
        assert 0 < part.low_ms <= part.high_ms


@settings(max_examples=400, deadline=None, derandomize=True)
@given(questions)
def test_the_way_through_the_tree_ends_at_the_answer(asked: Inputs) -> None:
    found = decide(asked)
    assert NODES[found.path[0]].name == "audience"
    assert NODES[found.path[-1]].wire == found.recommended.wire
    drawn = {(edge.start, edge.end) for edge in EDGES}
    assert set(itertools.pairwise(found.path)) <= drawn
    assert len(steps(found.path)) == len(found.path) - 1


@settings(max_examples=200, deadline=None, derandomize=True)
@given(questions)
def test_the_answer_is_one_of_the_wishes_and_its_rivals_differ(asked: Inputs) -> None:
    found = decide(asked)
    ways = [(each.wire, each.dialect) for each in wishes(asked)]
    assert len(set(ways)) == len(ways)
    assert (found.recommended.wire, found.recommended.dialect) in ways
    if found.runner_up is not None:
        assert found.runner_up.wire != found.recommended.wire
    if not any("Nothing is left" in each for each in found.contradictions):
        assert found.recommended.wire not in asked.without


def test_every_wish_rests_on_facts() -> None:
    for client, provider, talk, many in itertools.product(
        CLIENTS, ("own", *PROVIDERS), (False, True), (False, True)
    ):
        asked = Inputs(client=client, provider=provider, conversation=talk, audience=many)
        for wish in wishes(asked):
            assert wish.why
            assert [name for _, name in wish.why if name not in FACTS] == []


def test_no_node_is_dead() -> None:
    starts, ends = {edge.start for edge in EDGES}, {edge.end for edge in EDGES}
    for name, node in NODES.items():
        assert name in ends or name == "audience"
        assert (name in starts) != bool(node.wire)
    assert {node.wire for node in NODES.values()} - {""} == set(WIRES)


def test_browsers_as_they_are_now_can_do_all_that_is_recommended_to_them() -> None:
    assert BROWSERS.lacking("websocket") == ()
    assert BROWSERS.lacking("webrtc") == ()
