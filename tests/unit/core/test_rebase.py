"""An engine's clock on the session's, against a table of every millisecond."""

from hypothesis import given
from hypothesis import strategies as st

from ossicle.core.rebase import Rebase

JUMPS = st.lists(st.tuples(st.integers(0, 40), st.integers(1, 50)), max_size=12)


def applied(origin: int, jumps: list[tuple[int, int]]) -> tuple[Rebase, list[int]]:
    """The rebase, and a table: what was fed as the engine's ms k is the session's `table[k]`."""
    rebase, table, here = Rebase(origin), [], origin
    for fed, by in jumps:
        for _ in range(fed):
            table.append(here)
            here += 1
        rebase.jump(len(table), by)
        here += by
    table.extend(range(here, here + 50))
    return rebase, table


@given(st.integers(0, 5_000), JUMPS)
def test_beginnings_belong_after_a_jump(origin, jumps):
    rebase, table = applied(origin, jumps)
    assert [rebase.stream_ms(k) for k in range(len(table))] == table


@given(st.integers(0, 5_000), JUMPS)
def test_ends_belong_before_a_jump(origin, jumps):
    rebase, table = applied(origin, jumps)
    for k in range(1, len(table)):
        assert rebase.end_ms(k) == table[k - 1] + 1


@given(st.integers(0, 5_000), JUMPS)
def test_it_is_plain_only_when_it_changes_nothing(origin, jumps):
    rebase, table = applied(origin, jumps)
    if rebase.plain:
        assert table == list(range(len(table)))


@given(st.integers(0, 5_000), JUMPS, st.integers(0, 1_000), st.integers(0, 1_000))
def test_order_is_kept(origin, jumps, one, other):
    rebase, _ = applied(origin, jumps)
    low, high = sorted((one, other))
    assert rebase.stream_ms(low) <= rebase.stream_ms(high)
    assert rebase.end_ms(low) <= rebase.end_ms(high) <= rebase.stream_ms(high)


def test_thousands_of_jumps_are_bounded_and_the_newest_stay_exact():
    rebase = Rebase()
    for k in range(1, 5_000):
        rebase.jump(k * 10, 3)
    assert rebase.stream_ms(49_990) == 49_990 + 3 * 4_999
    assert rebase.end_ms(49_990) == 49_990 + 3 * 4_998
    assert rebase.stream_ms(45_500) == 45_500 + 3 * 4_550
    assert len(rebase._from) <= 513
