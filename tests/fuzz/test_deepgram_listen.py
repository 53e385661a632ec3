"""Whatever a client of `/v1/listen` sends, both halves live: a documented refusal, or none."""

import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ossicle.core.commands import Configure
from ossicle.core.errors import BadMessage, OssicleError
from ossicle.core.events import Began, Configured, Transcript, Word
from ossicle.core.options import Options, merged
from ossicle.core.wire import Binary, Close, Opening, Text
from ossicle.dialects.deepgram import DeepgramClient, ListenServer, PrerecordedServer
from ossicle.dialects.deepgram.listen_messages import parse_request, parse_response
from ossicle.dialects.deepgram.listen_query import listen_query

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "dialects" / "deepgram"))

import contextlib

from listen_table import REQUESTS, RESPONSES

pytestmark = pytest.mark.fuzz
few = settings(max_examples=300, deadline=None, derandomize=True)

SEEDS = [data for _, data, _ in (*REQUESTS, *RESPONSES)]
NAMES = [
    "model", "encoding", "sample_rate", "channels", "multichannel", "language", "interim_results",
    "endpointing", "utterance_end_ms", "vad_events", "punctuate", "keyterm", "keywords", "tag",
    "extra", "callback", "callback_method", "utt_split", "diarize_model", "detect_language",
]  # fmt: skip
values = st.one_of(
    st.text(max_size=20),
    st.sampled_from(["true", "false", "linear16", "opus", "16000", "8000", "2", "nova-3", "-1"]),
)


@st.composite
def mangled(draw: st.DrawFn) -> str:
    """A message with some of its bytes changed, cut or doubled."""
    data = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        data[at : at + draw(st.integers(0, 3))] = draw(st.binary(max_size=3))
    return data.decode(errors="replace")


@few
@given(mangled())
def test_parsers_take_or_refuse(text: str) -> None:
    for parse in (parse_request, parse_response):
        with contextlib.suppress(BadMessage):
            parse(text)


@few
@given(st.lists(st.tuples(st.sampled_from(NAMES), values), max_size=6), st.booleans())
def test_queries_are_taken_or_refused(query: list[tuple[str, str]], live: bool) -> None:
    try:
        merged(Options(), listen_query(query, live=live).patch)
    except OssicleError as error:
        assert error.whose == "client"  # noqa: PT017
        opening = Opening(id="r", query=tuple(query))
        for step in (ListenServer() if live else PrerecordedServer()).open(opening, 0.0):
            if isinstance(step, Close):
                assert step.code == 400
                assert b'"err_code"' in step.body
            else:
                assert isinstance(step, Configure)


@few
@given(
    st.lists(
        st.one_of(
            mangled().map(Text),
            st.binary(max_size=9).map(Binary),
            st.builds(
                Transcript,
                text=st.text(max_size=9),
                start_ms=st.integers(0, 10**6),
                end_ms=st.none() | st.integers(0, 10**6),
                final=st.booleans(),
                ends_turn=st.booleans(),
                channel=st.integers(0, 3),
                words=st.none()
                | st.lists(
                    st.builds(
                        Word, st.text(max_size=5), st.integers(0, 10**6), st.integers(0, 10**6)
                    ),
                    max_size=3,
                ).map(tuple),
            ),
        ),
        max_size=12,
    )
)
def test_a_live_stream_bears_everything(items: list[Text | Binary | Transcript]) -> None:
    server, client = ListenServer(), DeepgramClient()
    query = (("interim_results", "true"), ("utterance_end_ms", "1000"), ("vad_events", "true"))
    server.open(Opening(id="r", query=query), 0.0)
    server.send(Began(), 0.0)
    server.send(Configured(), 0.0)
    cursor: dict[int, int] = {}
    for now, item in enumerate(items):
        if isinstance(item, Transcript):
            for step in server.send(item, now):
                assert isinstance(step, Text)
                for heard in client.receive(step, now):
                    if isinstance(heard, Transcript):
                        assert heard.start_ms == cursor.get(heard.channel, 0)
                        assert (heard.end_ms or 0) >= (heard.start_ms or 0)
                        if heard.final:
                            cursor[heard.channel] = heard.end_ms or 0
        else:
            server.receive(item, now)
            client.receive(item, now)
