"""Nobody says anything for long."""

from math import inf

from ossicle.dialects.openai.idling import Idling


def test_it_waits_from_when_the_answer_was_heard():
    idling = Idling()
    idling.sound(2_000, 10.0)
    idling.sound(1_000, 10.1)  # made faster than it plays
    idling.over(5_000, 8_000, 10.2)
    assert idling.deadline == 18.0
    assert idling.expire(15_000, 100, 17.9) is None
    # 2.8 s of it were still to be heard when the client had sent 8 s
    assert idling.expire(15_800, 100, 18.0) == (10_800, 15_800)
    assert idling.deadline == inf


def test_an_answer_that_was_cut_off_is_not_waited_for():
    idling = Idling()
    idling.sound(9_000, 0.0)
    idling.cut(1.0)
    idling.over(500, 0, 1.0)
    assert idling.deadline == 1.5


def test_who_speaks_is_not_spoken_to():
    idling = Idling()
    idling.over(500, 0, 0.0)
    idling.stop()
    assert idling.expire(9_000, 100, 9.0) is None


def test_who_sends_no_sound_is_not_spoken_to():
    idling = Idling()
    idling.over(500, 4_000, 0.0)
    assert idling.expire(4_050, 100, 1.0) is None
    assert idling.deadline == inf
