"""W3C Trace Context, in and out, and spans for OpenTelemetry where that is installed.

    traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01
                 version, trace, parent span, flags (01 = sampled)

Every connection has a trace: its client's if it names one (header, or query where a browser can
set no header), else one made from the connection's own id. Spans are made from figures that were
kept anyway, after the session is over: the hot path knows nothing of them. No words, no keys.
"""

import hashlib
import importlib.util
import os
import re
import secrets
from collections.abc import Iterable
from typing import Any

import msgspec

from ossicle.core.errors import MissingExtra
from ossicle.core.ports import Channel
from ossicle.core.wire import Accept, ChannelTraits, Message, Opening

__all__ = ["Greeting", "Span", "Spans", "Trace", "spans_from_environment", "trace_of"]

_FORM = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")


class Trace(msgspec.Struct, frozen=True):
    """Where we stand in a trace."""

    trace_id: str
    """32 hexadecimal digits."""
    span_id: str
    """Our span: 16."""
    parent_id: str = ""
    """The caller's; "" = the trace begins here."""
    flags: int = 1
    """Bit 0: the caller records."""

    @property
    def header(self) -> str:
        """As the next one is told."""
        return f"00-{self.trace_id}-{self.span_id}-{self.flags & 1:02x}"

    @property
    def sampled(self) -> bool:
        """Whether spans of it are wanted."""
        return bool(self.flags & 1)


def trace_of(opening: Opening) -> Trace:
    """The trace of a connection; always the same for the same opening."""
    seed = opening.id or secrets.token_hex(16)
    digest = hashlib.sha256(seed.encode()).hexdigest()
    span = digest[:16] if digest[:16].strip("0") else "0" * 15 + "1"
    given = [value for name, value in opening.headers if name == "traceparent"]
    text = given[0] if len(given) == 1 else "" if given else opening.param("traceparent")
    parent = _parsed(text.strip())
    if parent is None:
        return Trace(digest[16:48], span)
    trace_id, parent_id, flags = parent
    return Trace(trace_id, span, parent_id, flags)


def _parsed(text: str) -> tuple[str, str, int] | None:
    """Trace, parent and flags; None = it is to be ignored (Trace Context section 3.2.2: wrong
    length, upper case, all zeros, version ff; a higher version may go on after a dash)."""
    found = _FORM.fullmatch(text) if len(text) <= 512 else None
    if found is None:
        return None
    version, trace_id, parent_id, flags, more = found.groups()
    if version == "ff" or (version == "00" and more):
        return None
    if not trace_id.strip("0") or not parent_id.strip("0"):
        return None
    return trace_id, parent_id, int(flags, 16)


class Greeting:
    """A channel until it is accepted: adds our place in the trace to the handshake's answer.
    Its leg then talks to the channel itself, so that no message pays for it."""

    def __init__(self, channel: Channel, trace: Trace) -> None:
        self._channel = channel
        self._trace = trace
        self.traits: ChannelTraits = channel.traits
        self.leg: Any = None
        """Whose `channel` is exchanged."""

    def send(self, message: Message) -> None:
        """Hand a message over."""
        if isinstance(message, Accept):
            headers = (*message.headers, ("traceresponse", self._trace.header))
            message = msgspec.structs.replace(message, headers=headers)
            if self.leg is not None:
                self.leg.channel = self._channel
        self._channel.send(message)

    def pause(self) -> None:
        """Stop reading."""
        self._channel.pause()

    def resume(self) -> None:
        """Read again."""
        self._channel.resume()

    def abort(self) -> None:
        """Drop the connection."""
        self._channel.abort()


class Span(msgspec.Struct, frozen=True):
    """One span that is over, in epoch seconds."""

    name: str
    start: float
    end: float
    attributes: dict[str, str | int | float | bool] = {}
    failed: str = ""
    """Error code; "" = it went well."""


class Spans:
    """Hands finished spans to OpenTelemetry. Its exporter works in a thread of its own."""

    def __init__(self, provider: Any, ids: Any) -> None:
        self._provider = provider
        self._ids = ids
        self._tracer: Any = provider.get_tracer("ossicle")

    def tell(self, trace: Trace, session: Span, parts: Iterable[Span]) -> None:
        """A session and what it is made of."""
        if not trace.sampled:
            return
        from opentelemetry import trace as api  # noqa: PLC0415  an extra

        context: Any = None
        if trace.parent_id:
            above = api.SpanContext(
                int(trace.trace_id, 16),
                int(trace.parent_id, 16),
                is_remote=True,
                trace_flags=api.TraceFlags(trace.flags),
            )
            context = api.set_span_in_context(api.NonRecordingSpan(above))
        self._ids.next = (int(trace.trace_id, 16), int(trace.span_id, 16))
        root = self._start(session, context, api.SpanKind.SERVER)
        self._ids.next = None
        inside = api.set_span_in_context(root)
        for part in parts:
            self._end(self._start(part, inside, api.SpanKind.INTERNAL), part)
        self._end(root, session)

    def _start(self, span: Span, context: Any, kind: Any) -> Any:
        return self._tracer.start_span(
            span.name,
            context=context,
            kind=kind,
            attributes=span.attributes,
            start_time=int(span.start * 1e9),
        )

    def _end(self, started: Any, span: Span) -> None:
        from opentelemetry.trace import StatusCode  # noqa: PLC0415

        if span.failed:
            started.set_status(StatusCode.ERROR, span.failed)
        started.end(end_time=int(span.end * 1e9))

    def close(self) -> None:
        """Send what is left; at most a few seconds."""
        self._provider.shutdown()

    @classmethod
    def to(cls, processor: Any) -> "Spans":
        """Spans for a span processor of the SDK."""
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.id_generator import RandomIdGenerator  # noqa: PLC0415

        class Ids(RandomIdGenerator):
            """Random, but for a span whose id was told to somebody already."""

            next: tuple[int, int] | None = None

            def generate_trace_id(self) -> int:
                return self.next[0] if self.next is not None else super().generate_trace_id()

            def generate_span_id(self) -> int:
                return self.next[1] if self.next is not None else super().generate_span_id()

        ids = Ids()
        named = os.environ.get("OTEL_SERVICE_NAME", "ossicle")
        provider = TracerProvider(
            resource=Resource.create({"service.name": named}),
            id_generator=ids,
            shutdown_on_exit=False,
        )
        provider.add_span_processor(processor)
        return cls(provider, ids)


_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")


def spans_from_environment() -> Spans | None:
    """Spans, where somebody is named who collects them; None = nobody is.

    Raises:
        MissingExtra: a collector is named and the SDK is not installed.
    """
    if not any(os.environ.get(name) for name in _ENDPOINTS):
        return None
    if importlib.util.find_spec("opentelemetry") is None:
        raise MissingExtra(
            f"{_ENDPOINTS[1]} is set and OpenTelemetry is not installed: pip install ossicle[otel]"
        )
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
        OTLPSpanExporter,
    )
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    return Spans.to(BatchSpanProcessor(OTLPSpanExporter()))
