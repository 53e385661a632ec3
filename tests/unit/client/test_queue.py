"""The queue of events keeps order, keeps finals, and lets a newer partial replace an older one."""

from hypothesis import given, settings
from hypothesis import strategies as st

from ossicle.client.queue import EventQueue
from ossicle.core.events import AudioOut, Event, Notice, Transcript


def read(queue: EventQueue) -> list[Event]:
    events: list[Event] = []
    while (event := queue.pop()) is not None:
        events.append(event)
    return events


@settings(max_examples=100, derandomize=True)
@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["partial", "final", "read"]))))
def test_what_is_left_out_was_replaced(steps: list[tuple[int, str]]):
    queue, pushed, got = EventQueue(), [], []
    for seq, (segment, kind) in enumerate(steps, 1):
        if kind == "read":
            event = queue.pop()
            got += [event] if event is not None else []
            continue
        event = Transcript(seq=seq, segment=segment, final=kind == "final", text=str(seq))
        pushed.append(event)
        queue.push(event)
    got += read(queue)
    assert [e.seq for e in got] == sorted({e.seq for e in got})
    for event in pushed:
        if event not in got:
            assert not event.final
            assert any(e.segment == event.segment and e.seq > event.seq for e in got)
    assert len(queue) == 0


def test_a_hundred_partials_are_one():
    queue = EventQueue()
    for number in range(10_000):
        queue.push(Transcript(text=str(number)))
    assert len(queue) == 1
    assert len(queue._slots) < 200
    assert read(queue) == [Transcript(text="9999")]


def test_bounds_in_events_and_in_bytes():
    queue = EventQueue(most=4, most_bytes=100)
    for _ in range(4):
        assert not queue.full
        queue.push(Notice())
    assert queue.full
    queue.pop()
    assert not queue.low
    queue.pop()
    assert queue.low
    queue.push(AudioOut(data=bytes(100)))
    assert queue.full
    read(queue)
    assert queue.low
