"""What each key has used: counted once, and still there after a restart."""

import logging
import os

import pytest

from ossicle.gateway.keys.usage import Line, Usage, read_lines, totals

NOON = 1_795_521_600.0  # 2026-11-24 12:00 UTC


class Clock:
    def __init__(self):
        self.now = NOON

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def usage(tmp_path, clock):
    return Usage(tmp_path / "usage", clock)


def held(usage):
    return totals(read_lines(usage._folder))


def test_a_session_counts_what_is_new(usage):
    assert usage.count("s", "k", "web", "echo", 1_000) == 1_000
    assert usage.count("s", "k", "web", "echo", 1_000) == 0
    assert usage.count("s", "k", "web", "echo", 2_500) == 1_500
    assert usage.count("t", "k", "web", "echo", 500) == 500
    assert usage.used("k") == (3.0, 3.0)
    assert usage.used("other") == (0.0, 0.0)


def test_the_same_upload_again_counts_once(usage):
    usage.count("s", "k", "web", "echo", 2_000, "upload-1")
    usage.over("s")
    assert usage.count("t", "k", "web", "echo", 1_000, "upload-1") == 0
    assert usage.count("t", "k", "web", "echo", 2_700, "upload-1") == 700
    assert usage.count("u", "other", "web", "echo", 1_000, "upload-1") == 1_000


def test_it_survives_a_restart(usage, tmp_path, clock):
    usage.count("s", "k", "web", "echo", 2_000)
    usage.flush()
    usage.count("s", "k", "web", "echo", 5_000)
    usage.flush()
    usage.flush()
    again = Usage(tmp_path / "usage", clock)
    again.load()
    assert again.used("k") == (5.0, 5.0)
    assert held(usage) == [Line("2026-11-24", "k", "web", "echo", 5_000)]


def test_a_day_and_a_month_begin_anew(usage, clock):
    usage.count("s", "k", "web", "echo", 2_000)
    clock.now += 86_400
    assert usage.used("k") == (0.0, 2.0)
    usage.count("s", "k", "web", "echo", 3_000)
    assert usage.used("k") == (1.0, 3.0)
    clock.now += 7 * 86_400
    usage.flush()
    assert usage.used("k") == (0.0, 0.0)
    assert usage._days == {}, "what is over caps nothing and is not kept"
    assert [each.day for each in held(usage)] == ["2026-11-24", "2026-11-25"]


def test_gateways_that_share_a_folder_add_up(usage, tmp_path, clock):
    other = Usage(tmp_path / "usage", clock)
    usage.count("s", "k", "web", "echo", 1_000)
    other.count("t", "k", "web", "echo", 2_000)
    usage.flush()
    other.flush()
    assert [each.ms for each in held(usage)] == [3_000]


def test_a_line_cut_off_by_a_crash_is_skipped(usage, tmp_path, caplog):
    usage.count("s", "k", "web", "echo", 1_000)
    usage.flush()
    file = tmp_path / "usage" / "2026-11.jsonl"
    with file.open("ab") as opened:
        opened.write(b'{"day":"2026-11-24","key":"k","ow')
    after = Usage(tmp_path / "usage", usage._clock)
    after.count("t", "k", "web", "echo", 500)
    after.flush()
    with caplog.at_level(logging.WARNING):
        assert [each.ms for each in held(usage)] == [1_500]
    assert "1 lines are cut off" in caplog.text


def test_a_full_disk_loses_nothing(usage, monkeypatch, caplog):
    real, room = os.write, [7]

    def full(file, data):
        if room[0] is None:
            return real(file, data)
        piece, room[0] = data[: room[0]], 0
        if not piece:
            raise OSError(28, "No space left on device")
        return real(file, piece)

    monkeypatch.setattr("ossicle.gateway.keys.usage.os.write", full)
    usage.count("s", "k", "web", "echo", 1_000)
    with caplog.at_level(logging.WARNING):
        usage.flush()
        usage.flush()
    assert len([r for r in caplog.records if "make room" in r.getMessage()]) == 1, "said once"
    usage.count("s", "k", "web", "echo", 1_500)
    assert held(usage) == []
    room[0] = None
    usage.flush()
    assert [each.ms for each in held(usage)] == [1_500]
    usage.flush()
    assert [each.ms for each in held(usage)] == [1_500]
