"""Session ids that clients give."""

from ossicle.core.formats import AudioFormat
from ossicle.dialects.amazon.sessions import SessionIds, State

PCM = AudioFormat()


def test_an_id_is_in_use_while_its_session_is():
    states: dict[str, State] = {}
    ids = SessionIds(lambda name: states.get(name, "gone"))
    assert ids.find("AK", "one", 0.0) == (None, "gone")
    held = ids.take("AK", "one", 0.0, PCM, resumable=False)
    assert ids.find("AK", "one", 29.0)[1] == "here"  # its session has not begun
    assert ids.find("AK", "one", 31.0)[1] == "gone"  # and never did
    held.session, states["s"] = "s", "here"
    assert ids.find("AK", "one", 99.0) == (held, "here")
    assert ids.find("OTHER", "one", 99.0) == (None, "gone")
    states["s"] = "waiting"
    assert ids.find("AK", "one", 99.0) == (held, "waiting")
    del states["s"]
    assert ids.find("AK", "one", 99.0)[1] == "gone"
    ids.forget("AK", "one", held)
    assert len(ids) == 0


def test_a_newer_stream_of_the_same_id_is_left_alone():
    ids = SessionIds(lambda _name: "gone")
    old = ids.take("", "one", 0.0, PCM, resumable=True)
    new = ids.take("", "one", 1.0, PCM, resumable=True)
    ids.forget("", "one", old)
    assert ids.find("", "one", 1.0)[0] is new


def test_what_is_kept_is_bounded():
    ids = SessionIds(lambda name: "here" if name == "s" else "gone")
    live = ids.take("", "live", 0.0, PCM, resumable=False)
    live.session = "s"
    for number in range(25_000):
        ids.take("", str(number), float(number), PCM, resumable=False)
        assert len(ids) <= 10_000
    assert ids.find("", "live", 1e9) == (live, "here")
