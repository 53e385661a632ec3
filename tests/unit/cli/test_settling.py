"""What exists when a process has started is no work for the collector any more."""

import gc
import weakref

from ossicle.cli.settling import settle


class Node:
    def __init__(self) -> None:
        self.me = self


def test_garbage_goes_first_and_what_stays_is_not_looked_at_again():
    before = gc.get_freeze_count()
    staying = Node()
    garbage = weakref.ref(Node())
    try:
        settle()
        assert garbage() is None
        assert gc.get_freeze_count() > before
        assert all(each is not staying for each in gc.get_objects())
    finally:
        gc.unfreeze()


def test_garbage_of_later_is_still_collected():
    try:
        settle()
        garbage = weakref.ref(Node())
        gc.collect()
        assert garbage() is None
    finally:
        gc.unfreeze()
