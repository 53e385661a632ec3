"""Samples in, sentences out: every finding by the least that causes it, and by nothing less."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ossicle.advisor.decide import decide
from ossicle.advisor.findings import BUDGET_MS, Findings, asked, findings
from ossicle.advisor.inputs import Inputs
from ossicle.advisor.line import Certificate
from ossicle.advisor.measured import WIRES, Flow, Measured, Relayed, Silence, State, Tried

PIECES = [(n * 100.0, n * 100.0 + 3) for n in range(8)]
TOGETHER = [(n * 100.0, 700.0) for n in range(8)]


def seen(**changes: object) -> Measured:
    """A network in which nothing is in the way."""
    wires = {name: Tried("passes", cold_ms=10.0) for name in WIRES}
    values: dict[str, object] = {
        "url": "https://speech.example", "host": "speech.example", "port": 443, "secure": True,
        "is_ossicle": True, "wires": wires, "tcp_ms": [20.0], "rtt_ms": [21.0] * 30,
        "rtt_over": "websocket", "skews_ms": [(4.0, 21.0)], "datagrams": 50,
        "datagram_rtt_ms": [20.0] * 50, "down": Flow(1_000_000, 100.0),
        "up": Flow(1_000_000, 100.0), "down_pieces": PIECES, "up_pieces": PIECES,
        "silences": [Silence("nothing", s, lived=True) for s in (1.0, 2.0, 5.0)], "idle_s": 5.0,
    }  # fmt: skip
    return Measured(**(values | changes))  # type: ignore[arg-type]


def with_wire(name: str, state: State, why: str = "why") -> Measured:
    it = seen()
    it.wires[name] = Tried(state, why)
    return it


def with_relay(*, passes: bool | None) -> Measured:
    """No direct call; and what the relay does, if there is one."""
    it = with_wire("ice", "blocked")
    state: State = "not_offered" if passes is None else "passes" if passes else "blocked"
    it.wires["turn"] = Tried(state)
    return it


def codes(found: Findings) -> list[str]:
    return [each.code for each in found.problems]


def test_nothing_is_in_the_way() -> None:
    found = findings(seen())
    assert found.problems == ()
    assert found.exit_code == 0
    assert found.rtt is not None
    assert (found.rtt.median_ms, found.rtt.jitter_ms, found.rtt.count) == (21.0, 0.0, 30)
    assert found.down.kbit_s == 80_000.0
    assert found.loss == 0.0
    assert found.idle.kept_by == "nothing needed"
    assert found.idle.lasts_s == 5.0


@pytest.mark.parametrize(
    ("what", "code", "exit_code"),
    [
        (with_wire("tcp", "blocked"), "unreachable", 1),
        (with_wire("tls", "broken"), "no_tls", 1),
        (with_wire("http", "broken"), "no_http", 1),
        (seen(untrusted="has expired"), "untrusted", 1),
        (seen(refused="this key is not known"), "refused", 1),
        (seen(refused="status 404", is_ossicle=False), "not_ossicle", 1),
        (seen(is_ossicle=False), "no_answer", 1),
        (with_wire("websocket", "blocked"), "upgrade_blocked", 3),
        (with_wire("udp", "blocked"), "udp_blocked", 3),
        (with_wire("grpc", "broken"), "grpc_blocked", 3),
        (with_wire("http2", "blocked"), "http2_blocked", 0),
        (with_wire("quic", "blocked"), "quic_blocked", 3),
        (with_relay(passes=None), "ice_blocked", 3),
        (with_relay(passes=True), "ice_by_relay", 0),
        (seen(relays=[Relayed("turn:x", False, "refuses our credentials")]), "relay_fails", 3),
        (seen(datagram_rtt_ms=[]), "udp_blocked", 3),
        (seen(datagram_rtt_ms=[20.0] * 45), "lossy", 3),
        (seen(down_pieces=TOGETHER), "buffers_down", 3),
        (seen(up_pieces=TOGETHER), "buffers_up", 3),
        (seen(pieces_why={"up": "reset"}), "no_stream_up", 3),
        (seen(pieces_why={"down": "reset"}), "no_stream_down", 3),
        (seen(rtt_ms=[160.0] * 30), "far", 3),
        (seen(rtt_ms=[20.0, 100.0] * 15), "uneven", 3),
        (seen(rtt_ms=[20.0] * 3), "few_rounds", 0),
        (seen(rtt_why="closed"), "no_rounds", 3),
        (seen(up=Flow(10_000, 1000.0)), "slow_up", 3),
        (seen(down=Flow(10_000, 1000.0)), "slow_down", 3),
        (seen(down=Flow(why="cut")), "no_rate_down", 0),
        (seen(skews_ms=[(9_000.0, 300.0), (5_000.0, 20.0)]), "clock_skew", 0),
        (seen(lies=["too much"]), "lie", 3),
        (seen(out_of_time=9.0), "out_of_time", 0),
        (
            seen(certificate=Certificate("a", "b", "2026-12-01", 6.0, (), "TLSv1.3", "")),
            "expires_soon",
            0,
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_one_cause_one_finding(what: Measured, code: str, exit_code: int) -> None:
    found = findings(what)
    assert codes(found) == [code]
    assert found.exit_code == exit_code
    assert found.problems[0].text.endswith(".")


def silences(cut_s: float | None, *, pings: bool, data: bool, seen_cut: bool = True) -> Measured:
    it = [
        Silence(
            "nothing", s,
            lived=cut_s is None or s < cut_s,
            cut_s=cut_s if cut_s is not None and s >= cut_s and seen_cut else None,
        )
        for s in (1.0, 2.0, 5.0, 10.0, 30.0)
    ]  # fmt: skip
    it += [Silence("pings", 30.0, lived=pings), Silence("data", 30.0, lived=data)]
    return seen(silences=it, idle_s=30.0)


@pytest.mark.parametrize(
    ("what", "code", "kept_by", "exit_code"),
    [
        (silences(3.0, pings=True, data=True), "idle_cut", "pings", 3),
        (silences(25.0, pings=True, data=True), "idle_cut", "pings", 0),
        (silences(3.0, pings=False, data=True), "pings_do_not_count", "data", 3),
        (silences(3.0, pings=False, data=False), "cut_anyway", "neither", 3),
    ],
)
def test_what_keeps_a_connection(what: Measured, code: str, kept_by: str, exit_code: int) -> None:
    found = findings(what)
    assert codes(found) == [code]
    assert found.idle.kept_by == kept_by
    assert found.exit_code == exit_code


def test_a_connection_that_was_forgotten_silently_is_bounded_by_its_neighbours() -> None:
    found = findings(silences(3.0, pings=True, data=True, seen_cut=False))
    assert (found.idle.lasts_s, found.idle.cut_s) == (2.0, 5.0)


def test_without_busy_ones_nobody_knows_what_keeps_it() -> None:
    found = findings(seen(silences=[Silence("nothing", 1.0, lived=False, cut_s=0.5, over="http")]))
    assert found.idle.kept_by == "unknown"
    assert (found.idle.lasts_s, found.idle.cut_s, found.idle.over) == (None, 0.5, "http")
    assert codes(found) == ["idle_cut"]


def test_the_skew_is_that_of_the_fastest_round_trip() -> None:
    assert findings(seen(skews_ms=[(900.0, 500.0), (3.0, 10.0)])).skew_ms == 3.0


def test_a_hiccup_is_no_buffer() -> None:
    late = [(left, max(came, 300.0)) for left, came in PIECES]
    assert findings(seen(down_pieces=late)).buffers_down is False
    assert findings(seen(down_pieces=PIECES[:1])).buffers_down is None


def test_the_budget_says_where_each_number_is_from() -> None:
    parts = {each.name: each for each in findings(seen()).budget}
    assert (parts["network"].ms, parts["network"].how) == (20.0, "measured")
    assert (parts["protocol"].ms, parts["protocol"].how) == (1.0, "measured")
    assert parts["engine"].how == "assumed"
    told = {each.name: each for each in findings(seen(ledger={"engine": 7.0})).budget}
    assert (told["engine"].ms, told["engine"].how) == (7.0, "told")
    assert findings(seen()).together_ms < BUDGET_MS


@pytest.mark.parametrize(
    ("what", "field", "wire"),
    [
        (with_wire("udp", "blocked"), "udp_blocked", "webrtc"),
        (with_wire("websocket", "blocked"), "upgrades_blocked", "websocket"),
        (silences(3.0, pings=False, data=False), "upgrades_blocked", "websocket"),
    ],
)
def test_the_advice_is_for_this_network(what: Measured, field: str, wire: str) -> None:
    question = asked(findings(what), Inputs(client="browser", conversation=True))
    assert getattr(question, field)
    assert decide(question).recommended.wire != wire


@pytest.mark.parametrize(
    ("wire", "without"),
    [
        ("grpc", {"grpc"}),
        ("grpcweb", {"grpcweb"}),
        ("http2", {"http2"}),
        ("quic", {"webtransport", "moq"}),
        ("ice", {"webrtc"}),
    ],
)
def test_what_does_not_pass_is_not_recommended(wire: str, without: set[str]) -> None:
    it = with_wire(wire, "blocked")
    it.wires["turn"] = Tried("not_offered")
    assert set(asked(findings(it), Inputs()).without) == without


def test_a_relay_that_passes_keeps_webrtc() -> None:
    assert asked(findings(with_relay(passes=True)), Inputs()).without == ()


def test_blocked_udp_is_said_once() -> None:
    """Not of QUIC and of WebRTC again, whose lines of the table say it anyway."""
    it = with_wire("udp", "blocked")
    for name in ("quic", "ice", "turn"):
        it.wires[name] = Tried("blocked", "why")
    assert codes(findings(it)) == ["udp_blocked"]


def test_the_worst_comes_first() -> None:
    found = findings(seen(skews_ms=[(9_000.0, 20.0)], rtt_ms=[160.0] * 30, refused="no"))
    assert [each.weight for each in found.problems] == ["fatal", "problem", "note"]


def test_whether_pings_count_is_not_known_where_none_were_sent() -> None:
    """A page can send none."""
    cut = [Silence("nothing", 5.0, cut_s=3.0), Silence("data", 5.0, lived=True)]
    found = findings(seen(silences=cut))
    assert found.idle.kept_by == "unknown"
    assert codes(found) == ["idle_cut"]
    both = [Silence("nothing", 5.0, cut_s=3.0), Silence("data", 5.0, cut_s=3.0)]
    assert findings(seen(silences=both)).idle.kept_by == "neither"


def test_what_is_not_offered_says_nothing_of_the_network() -> None:
    it = seen()
    for name in ("udp", "grpc", "quic", "ice"):
        it.wires[name] = Tried("not_offered")
    found = findings(it)
    assert found.problems == ()
    assert asked(found, Inputs(udp_blocked=False)) == Inputs()


def test_what_was_blocked_before_stays_blocked() -> None:
    before = Inputs(udp_blocked=True, without=("sip",))
    after = asked(findings(with_wire("grpc", "blocked")), before)
    assert after.udp_blocked
    assert after.without == ("grpc", "sip")


NUMBERS = st.floats(min_value=-1e12, max_value=1e12) | st.sampled_from([0.0, 1e300, -1e300])
PAIRS = st.lists(st.tuples(NUMBERS, NUMBERS), max_size=9)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    rtt=st.lists(st.floats(0, 1e9), max_size=40),
    skews=PAIRS, down=PAIRS, up=PAIRS,
    flow=st.builds(Flow, st.integers(-(10**30), 10**30), NUMBERS),
    ledger=st.dictionaries(st.sampled_from(["engine", "queue", "x"]), st.floats(0, 3.6e6)),
    states=st.lists(
        st.sampled_from(["passes", "blocked", "broken", "not_offered", "not_tried"]),
        min_size=len(WIRES), max_size=len(WIRES),
    ),
)  # fmt: skip
def test_whatever_was_told_there_are_findings(
    rtt: list[float], skews: list[tuple[float, float]], down: list[tuple[float, float]],
    up: list[tuple[float, float]], flow: Flow, ledger: dict[str, float], states: list[State],
) -> None:  # fmt: skip
    """Numbers of a stranger, as wild as JSON lets them be."""
    wires = {name: Tried(state) for name, state in zip(WIRES, states, strict=True)}
    found = findings(
        seen(rtt_ms=rtt, skews_ms=skews, down_pieces=down, up_pieces=up, down=flow, ledger=ledger,
             wires=wires)
    )  # fmt: skip
    assert found.exit_code in {0, 1, 3}
    assert all(math.isfinite(each.ms) for each in found.budget)
