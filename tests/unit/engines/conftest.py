"""A clock moved by hand, for engines that keep time."""

import pytest


class _Timer:
    def __init__(self, when, callback):
        self.when, self.callback, self.cancelled = when, callback, False

    def cancel(self):
        self.cancelled = True


class HandTimers:
    def __init__(self):
        self._now, self._timers = 100.0, []

    def now(self):
        return self._now

    def call_at(self, when, callback):
        timer = _Timer(when, callback)
        self._timers.append(timer)
        return timer

    def call_soon(self, callback):
        return self.call_at(self._now, callback)

    @property
    def pending(self):
        return [timer for timer in self._timers if not timer.cancelled]

    def advance(self, seconds):
        until = self._now + seconds
        while due := [timer for timer in self.pending if timer.when <= until + 1e-9]:
            first = min(due, key=lambda timer: timer.when)
            self._timers.remove(first)
            self._now = max(self._now, first.when)
            first.callback()
        self._now = until


@pytest.fixture
def hand_timers():
    return HandTimers()
