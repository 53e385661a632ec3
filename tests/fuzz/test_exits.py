"""What strangers send to the exits is taken or refused, and nothing else happens."""

from urllib.parse import urlsplit

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ossicle.core.commands import Configure
from ossicle.core.errors import Refused
from ossicle.core.wire import Accept, Binary, ChannelTraits, Close, Opening, Text
from ossicle.dialects.native import NativeObserver
from ossicle.gateway.fetching.reach import Reach
from ossicle.gateway.keys.access import loopback
from ossicle.gateway.reports.records import peer_class
from ossicle.gateway.reports.signing import sign, verify
from ossicle.gateway.reports.traces import trace_of

pytestmark = pytest.mark.fuzz

bounded = settings(max_examples=300, derandomize=True, deadline=None, database=None)
pieces = st.sampled_from(
    ["http", "https", "://", ":", "/", "//", "\\", "@", "#", "?", "[", "]", "%00", "%2f", "\t",
     "hooks.example.org", "evil.example", "127.0.0.1", "localhost", "::1", "169.254.169.254", ".",
     "0x7f000001", "2130706433", "٠", "。", "\u202e", "user:pass"]
)  # fmt: skip
urls = st.lists(pieces | st.text(max_size=3), max_size=9).map("".join)


@bounded
@given(urls)
@example("http://hooks.example.org\\@evil.example/")
@example("http://evil.example\\.hooks.example.org/")
@example("http://hooks.example.org:80:80/")
@example("http://[::1]hooks.example.org/")
def test_no_url_leads_past_the_list(url):
    try:
        target = Reach(("hooks.example.org",)).target(url)
    except Refused:
        return
    assert target.host == "hooks.example.org" or loopback(target.host)
    assert urlsplit(url).hostname.rstrip(".").lower() == target.host
    for text in (target.path, target.netloc):
        assert text.isascii()
        assert not any(each <= " " for each in text), "nothing that splits a request"


hex_ = st.text("0123456789abcdefABCDEF-\n ", max_size=70)


@bounded
@given(hex_ | st.text(max_size=60))
def test_a_trace_is_always_well_formed(text):
    trace = trace_of(Opening(id="o", headers=(("traceparent", text),)))
    assert len(trace.header) == 55
    assert trace_of(Opening(id="p", headers=(("traceparent", trace.header),))).trace_id == (
        trace.trace_id
    )


@bounded
@given(st.text(max_size=90), st.binary(max_size=20))
def test_no_made_up_signature_fits(header, body):
    assert not verify(b"secret", header, body, 1000)


@bounded
@given(st.binary(max_size=20), st.integers(0, 2**40))
def test_a_signature_fits(body, at):
    assert verify(b"secret", sign((b"secret",), body, at), body, at)


@bounded
@given(
    st.text(max_size=20),
    st.lists(st.tuples(st.sampled_from(["since", "wait_s", "audio", "x"]), st.text(max_size=9))),
    st.booleans(),
    st.text(max_size=30),
    st.text(max_size=20) | st.binary(max_size=20),
)
def test_an_observer_is_taken_or_refused(name, query, framed, accept, said):
    opening = Opening(
        path=f"/v1/sessions/{name}/events",
        query=tuple(query),
        headers=(("accept", accept),),
        traits=ChannelTraits(framed=framed),
    )
    dialect = NativeObserver()
    (step,) = dialect.open(opening, 0.0)
    assert isinstance(step, Configure) or (isinstance(step, Close) and step.code == 400)
    message = Text(said) if isinstance(said, str) else Binary(said)
    assert not [each for each in dialect.receive(message, 0.0) if isinstance(each, Accept)]


@bounded
@given(st.text(max_size=40))
def test_any_peer_has_a_place_or_none(peer):
    assert peer_class(peer) in {"loopback", "private", "public", ""}
