"""W3C Trace Context as others write it, and spans as a collector gets them."""

import uuid

import pytest

from harness import missing
from ossicle.core.errors import MissingExtra
from ossicle.core.wire import Accept, Opening, Text
from ossicle.gateway.reports import traces
from ossicle.gateway.reports.traces import (
    Greeting,
    Span,
    Spans,
    Trace,
    spans_from_environment,
    trace_of,
)
from ossicle.testing.house import HandChannel

T, P = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
GOOD = f"00-{T}-{P}-01"


def opening(*parents: str, **fields) -> Opening:
    headers = tuple(("traceparent", parent) for parent in parents)
    return Opening(id="6f9619ff-8b86-4d01-b42d-00cf4fc964ff", headers=headers, **fields)


@pytest.mark.parametrize(
    "parent", [GOOD, f" {GOOD} ", f"01-{T}-{P}-01", f"cc-{T}-{P}-01-what-the-future-brings"]
)
def test_a_parent_is_taken_over(parent):
    trace = trace_of(opening(parent))
    assert (trace.trace_id, trace.parent_id, trace.sampled) == (T, P, True)
    assert trace.span_id not in {P, "0" * 16}
    assert trace.header == f"00-{T}-{trace.span_id}-01"


@pytest.mark.parametrize(
    "parent",
    [
        "",
        "00",
        f"ff-{T}-{P}-01",
        f"00-{T}-{P}-01-more",
        f"00-{T}-{P}",
        f"00-{T.upper()}-{P}-01",
        f"00-{'0' * 32}-{P}-01",
        f"00-{T}-{'0' * 16}-01",
        f"00-{T}x-{P}-01",
        f"cc-{T}-{P}-01.more",
        f"cc-{T}-{P}-01-" + "x" * 600,
        GOOD + "\n" + GOOD,
    ],
)
def test_what_is_not_well_formed_begins_a_new_trace(parent):
    trace = trace_of(opening(parent))
    assert trace.trace_id != T
    assert trace.parent_id == ""
    assert len(trace.trace_id) == 32
    assert trace.sampled


def test_two_headers_are_none():
    """Trace Context section 3.2: it is one header; two are an attack or a mistake."""
    assert trace_of(opening(GOOD, GOOD)).parent_id == ""


def test_a_browser_says_it_in_the_query():
    assert trace_of(opening(query=(("traceparent", GOOD),))).trace_id == T


def test_not_sampled_stays_so():
    trace = trace_of(opening(f"00-{T}-{P}-00"))
    assert not trace.sampled
    assert trace.header.endswith("-00")


def test_the_same_connection_is_always_the_same_span():
    assert trace_of(opening()) == trace_of(opening())
    others = {trace_of(Opening(id=str(uuid.uuid4()))).trace_id for _ in range(100)}
    assert len(others) == 100


def test_the_greeting_names_the_trace_once_and_steps_aside():
    class Leg:
        channel = None

    channel = HandChannel()
    greeting = Greeting(channel, Trace(T, P))
    greeting.leg = leg = Leg()
    leg.channel = greeting
    greeting.pause()
    assert channel.paused
    greeting.resume()
    greeting.send(Accept((("a", "b"),), "ossicle.v1"))
    assert channel.sent == [Accept((("a", "b"), ("traceresponse", GOOD)), "ossicle.v1")]
    assert leg.channel is channel, "no later message goes through it"
    greeting.send(Text("x"))
    assert channel.sent[-1] == Text("x")
    greeting.abort()
    assert channel.aborted


def test_nobody_collects_unless_told(monkeypatch):
    for name in traces._ENDPOINTS:
        monkeypatch.delenv(name, raising=False)
    assert spans_from_environment() is None
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")
    monkeypatch.setattr(traces.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"ossicle\[otel\]"):
        spans_from_environment()


def test_a_session_and_its_parts_as_spans():
    try:
        from opentelemetry.sdk.trace import export as sdk
        from opentelemetry.sdk.trace.export import in_memory_span_exporter as memory
    except ImportError:
        missing("the extra otel is needed")
        return
    exporter = memory.InMemorySpanExporter()
    spans = Spans.to(sdk.SimpleSpanProcessor(exporter))
    trace = trace_of(opening(GOOD))
    spans.tell(
        trace,
        Span("session", 10.0, 20.0, {"ossicle.turns": 1}, "engine_failed"),
        [Span("engine open", 10.0, 11.0), Span("turn decided", 12.0, 12.5)],
    )
    spans.tell(trace_of(opening()), Span("session", 1.0, 2.0), [])
    spans.tell(trace_of(opening(f"00-{T}-{P}-00")), Span("session", 1.0, 2.0), [])
    opened, decided, whole, other = exporter.get_finished_spans()
    assert f"{whole.context.span_id:016x}" == trace.span_id, "the span that others were told"
    assert f"{whole.parent.span_id:016x}" == P
    assert {f"{each.context.trace_id:032x}" for each in (opened, decided, whole)} == {T}
    assert opened.parent.span_id == decided.parent.span_id == whole.context.span_id
    assert opened.context.span_id != decided.context.span_id
    assert (whole.start_time, whole.end_time) == (10_000_000_000, 20_000_000_000)
    assert whole.status.description == "engine_failed"
    assert f"{other.context.trace_id:032x}" == trace_of(opening()).trace_id
    assert other.parent is None
    spans.close()
