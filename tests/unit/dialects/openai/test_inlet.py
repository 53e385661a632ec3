"""What waits, and in which order it is given on."""

import pytest

from ossicle.core.errors import Refused
from ossicle.dialects.openai.inlet import MOST_MESSAGE, SLICE, Inlet


def test_sound_of_an_event_goes_before_what_came_later():
    inlet = Inlet()
    inlet.text("later")
    inlet.sound(bytes(SLICE + 1))
    assert bool(inlet)
    assert [len(inlet.next()), len(inlet.next()), inlet.next()] == [SLICE, 1, "later"]
    assert not inlet


def test_it_is_bounded():
    inlet = Inlet()
    for _ in range(3):
        inlet.text("x" * MOST_MESSAGE)
    with pytest.raises(Refused, match="wait to be heard"):
        inlet.text("x")
    inlet.clear()
    inlet.text("x")
