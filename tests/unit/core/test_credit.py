"""Windows in audio time: said absolutely, never taken back."""

from hypothesis import given
from hypothesis import strategies as st

from ossicle.core.credit import Credit

MOVES = st.lists(
    st.one_of(
        st.tuples(st.just("grant"), st.integers(0, 2_000)),
        st.tuples(st.just("renew"), st.just(0)),
        st.tuples(st.just("sent"), st.integers(0, 2_000)),
    ),
    max_size=40,
)


@given(st.integers(0, 500), MOVES)
def test_what_a_client_was_allowed_is_never_taken_back(window, moves):
    credit, told, sent = Credit(window), 0, 0
    for move, value in moves:
        if move == "grant":
            before = credit.granted
            news = credit.grant(value)
            assert news == (before is None or value > before)
            assert credit.granted == (value if before is None else max(value, before))
        elif move == "renew":
            credit.renew()
            assert credit.granted is None
        else:
            sent = value  # a replay begins further back
        until = credit.until(sent)
        assert until >= max(told, sent + window)
        assert credit.until(sent) == until, "saying it twice changes nothing"
        told = until


def test_a_client_may_be_a_window_ahead_of_what_the_engine_takes():
    credit = Credit(100)
    assert credit.until(0) == 100
    credit.grant(250)
    assert credit.until(0) == 350
    assert credit.until(300) == 400, "the engine was fed beyond its grant by part of an item"


def test_feeding_stops_at_the_grant():
    credit = Credit(100)
    assert credit.feedable(10**9)
    credit.grant(50)
    assert credit.feedable(49)
    assert not credit.feedable(50)
    credit.renew()
    assert credit.feedable(50), "another stream has its own limit, none until it says so"


def test_half_a_window_is_news():
    credit = Credit(100)
    assert not credit.news(0, 100)
    assert not credit.news(49, 100)
    assert credit.news(50, 100)
