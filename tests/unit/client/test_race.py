"""Which wire is tried when, and which wins."""

from math import inf

from ossicle.client.race import Pace, Race, Remembered

WIRES = ("websocket", "http")


def test_the_second_gets_its_turn_after_the_head_start() -> None:
    race = Race(WIRES, Pace(head_start_s=2.0), 10.0)
    assert race.due(10.0) == ("websocket",)
    assert race.deadline == 12.0
    assert race.due(11.9) == ()
    assert race.due(12.0) == ("http",)
    assert race.deadline == inf


def test_it_does_not_wait_when_the_first_has_failed() -> None:
    race = Race(WIRES, Pace(), 0.0)
    race.due(0.0)
    race.failed("websocket", 0.1)
    assert race.deadline == 0.1
    assert race.due(0.1) == ("http",)
    assert not race.lost
    race.failed("http", 0.2)
    assert race.lost


def test_who_stands_first_wins_and_nobody_starts_any_more() -> None:
    race = Race(WIRES, Pace(), 0.0)
    race.due(0.0)
    assert race.stands("websocket")
    assert race.due(100.0) == ()
    assert race.deadline == inf
    assert not race.stands("http")
    assert race.winner == "websocket"


def test_one_that_failed_or_never_started_cannot_win() -> None:
    race = Race(WIRES, Pace(), 0.0)
    assert not race.stands("http")
    race.due(0.0)
    race.failed("websocket", 0.0)
    assert not race.stands("websocket")
    assert not race.lost


def test_what_worked_goes_first_and_a_second_choice_only_for_a_time() -> None:
    seen, pace = Remembered(), Pace(again_s=600.0)
    assert seen.order("a", WIRES, pace, 0.0) == WIRES
    seen.worked("a", "http", 0.0)
    assert seen.order("a", WIRES, pace, 599.0) == ("http", "websocket")
    assert seen.order("b", WIRES, pace, 599.0) == WIRES
    assert seen.order("a", WIRES, pace, 600.0) == WIRES
    assert seen.order("a", WIRES, pace, 1.0) == WIRES
    seen.worked("a", "websocket", 0.0)
    assert seen.order("a", WIRES, pace, 1e9) == WIRES


def test_only_so_many_places_are_remembered() -> None:
    seen = Remembered(most=2)
    for place in ("a", "b", "a", "c"):
        seen.worked(place, "http", 0.0)
    found = [place for place in "abc" if seen.order(place, WIRES, Pace(), 0.0) != WIRES]
    assert found == ["a", "c"]
