"""A provider that repeats itself, or whose clock runs backwards."""

from ossicle.core.events import AudioOut, Notice, SpeechEnded, SpeechStarted, Transcript, Word
from ossicle.engines.plausible import Plausible


def final(text, start_ms, end_ms, **more):
    return Transcript(text=text, start_ms=start_ms, end_ms=end_ms, final=True, **more)


def test_what_is_right_goes_through_untouched():
    plausible = Plausible("p")
    for event in (
        SpeechStarted(at_ms=0),
        Transcript(text="a", start_ms=0, end_ms=100),
        final("a b", 0, 200),
        final("c", 200, 300, ends_turn=True),
        SpeechEnded(side="in", turn=0, at_ms=300, reason="silence"),
        AudioOut(utterance="u", data=b"\0", start_ms=0),
    ):
        (same,) = plausible.checked(event)
        assert same is event


def test_a_final_said_twice_is_taken_once_and_told():
    plausible = Plausible("p")
    plausible.checked(final("a", 0, 100))
    (notice,) = plausible.checked(final("a", 0, 100))
    assert isinstance(notice, Notice)
    assert notice.code == "upstream_repeated"
    assert plausible.checked(final("a", 0, 100)) == ()  # told already


def test_a_repeated_final_still_ends_its_turn():
    plausible = Plausible("p")
    plausible.checked(final("a", 0, 100))
    _, last = plausible.checked(final("a", 0, 100, ends_turn=True, ref="q"))
    assert isinstance(last, Transcript)
    assert (last.text, last.ends_turn, last.ref) == ("", True, "q")


def test_the_same_words_later_are_other_words():
    plausible = Plausible("p")
    plausible.checked(final("yes", 0, 100))
    (event,) = plausible.checked(final("yes", 100, 200))
    assert isinstance(event, Transcript)


def test_channels_are_apart():
    plausible = Plausible("p")
    plausible.checked(final("yes", 0, 100, channel=0))
    (event,) = plausible.checked(final("yes", 0, 100, channel=1))
    assert isinstance(event, Transcript)


def test_times_do_not_run_backwards():
    plausible = Plausible("p")
    plausible.checked(final("a", 0, 1_000))
    notice, event = plausible.checked(
        final("b c", 300, 700, words=(Word("b", 300, 500), Word("c", 500, 700)))
    )
    assert isinstance(notice, Notice)
    assert notice.code == "upstream_times"
    assert isinstance(event, Transcript)
    assert (event.start_ms, event.end_ms) == (1_000, 1_000)
    assert [word.start_ms for word in event.words or ()] == [1_000, 1_000]


def test_trouble_without_end_is_told_now_and_then():
    plausible = Plausible("p")
    plausible.checked(final("a", 0, 1_000))
    told = [
        event
        for _ in range(250)
        for event in plausible.checked(Transcript(text="x", start_ms=0, end_ms=10))
        if isinstance(event, Notice)
    ]
    assert [notice.text.count("times so far") for notice in told] == [0, 1, 1]


def test_a_start_in_what_is_final_is_moved_to_its_end():
    plausible = Plausible("p")
    plausible.checked(final("a", 0, 1_000))
    (event,) = plausible.checked(SpeechStarted(at_ms=400))
    assert isinstance(event, SpeechStarted)
    assert event.at_ms == 1_000


def test_a_partial_behind_all_that_is_final_needs_no_second_look():
    plausible = Plausible("p")
    plausible.checked(final("a", 0, 100))
    good = Transcript(text="b", start_ms=100, end_ms=200)
    assert not plausible.open
    assert plausible.partial(good) is good
    assert plausible.open
    assert plausible.partial(Transcript(text="unplaced")) is not None
    for other in (
        final("b", 100, 200),
        Transcript(text="b", start_ms=50, end_ms=200),
        Transcript(text="b", start_ms=None, end_ms=90),
        Transcript(text="said", side="out", start_ms=100, end_ms=200),
    ):
        assert plausible.partial(other) is None
