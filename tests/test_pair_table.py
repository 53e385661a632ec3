"""The page of pairs is what its tests and the dialects of today make of it."""

import json

import losses
from ossicle.dialects.deepgram import ListenServer
from ossicle.dialects.deepgram.listen_client import DeepgramClient
from ossicle.dialects.native import NativeClient, NativeServer
from pair_table import ALL, JSON, PAGE, page
from pairs import CLIENTS, TIMELESS, UPSTREAMS, server_of


def test_the_page_is_that_of_its_rows() -> None:
    assert PAGE.read_text() == page(json.loads(JSON.read_text())), (
        "write it again: OSSICLE_WRITE_DOCS=1 pytest tests/interop/test_pairs*.py"
    )


def test_every_pair_was_tried() -> None:
    rows = json.loads(JSON.read_text())
    assert {(c, u) for c in rows for u in rows[c]} == {(c, u) for c in CLIENTS for u in ALL}


def test_the_native_dialect_loses_nothing() -> None:
    assert losses.lost(*[losses.carried(NativeServer, NativeClient)] * 2) == ()


def test_what_deepgram_has_no_word_for() -> None:
    carried = losses.carried(ListenServer, DeepgramClient)
    assert not carried["why speech ended"]
    assert not carried["option `turns.eager`"]
    for fact in ("finals", "times of words", "speaker of each word", "channel", "`Finalize`"):
        assert carried[fact]


def test_every_dialect_carries_words_with_times_and_keeps_what_is_unknown_unknown() -> None:
    for name in UPSTREAMS:
        server = server_of(name)
        if server is not None:
            carried = losses.carried(server, CLIENTS[name].make)
            for fact in ("finals", "partials", "times of words", "end of a turn",
                         "unknown confidence stays unknown"):  # fmt: skip
                assert carried[fact], f"{name}: {fact}"


def test_openai_carries_words_and_no_times() -> None:
    for name in TIMELESS:
        server = server_of(name)
        assert server is not None
        carried = losses.carried(server, CLIENTS[name].make)
        for fact in ("finals", "end of a turn", "start of speech", "`Finalize`",
                     "`Cancel` of what was heard"):  # fmt: skip
            assert carried[fact], f"{name}: {fact}"
        assert not carried["times of words"]
