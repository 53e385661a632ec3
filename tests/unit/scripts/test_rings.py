"""The runner counts what pytest reports, stops what hangs, and ends with the totals."""

import fcntl
import sys
from pathlib import Path

import pytest
import rings

REPORT = """<testsuites><testsuite>
<testcase name="a"/>
<testcase name="b"><failure message="no"/></testcase>
<testcase name="c"><error message="no"/></testcase>
<testcase name="d"><skipped type="pytest.skip" message="node is not installed"/></testcase>
<testcase name="e"><skipped type="pytest.skip" message="node is not installed"/></testcase>
</testsuite></testsuites>"""


def test_a_report_is_counted(tmp_path: Path) -> None:
    (tmp_path / "r.xml").write_text(REPORT)
    outcome = rings.count(tmp_path / "r.xml")
    assert (outcome.passed, outcome.failed, outcome.skipped) == (1, 2, 2)
    assert outcome.missing == {"node is not installed": 2}


def test_totals_stand_alone_on_the_last_line(capsys: pytest.CaptureFixture[str]) -> None:
    outcomes = {"unit": rings.Outcome(3, 0, 1), "laws": rings.Outcome(4, 0, 0)}
    assert rings.summary(outcomes, []) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "7 passed, 0 failed, 1 skipped"


def test_a_failure_anywhere_is_the_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert rings.summary({"unit": rings.Outcome(3), "fuzz": rings.Outcome(0, 1)}, []) == 1
    assert rings.summary({"unit": rings.Outcome()}, []) == 1, "nothing run is not a success"


@pytest.mark.parametrize(("strict", "code"), [(False, 0), (True, 1)])
def test_something_missing_fails_only_in_continuous_integration(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], strict: bool, code: int
) -> None:
    monkeypatch.setattr(rings, "STRICT", strict)
    assert rings.summary({"unit": rings.Outcome(3)}, ["Debian package haproxy"]) == code
    assert "missing: Debian package haproxy" in capsys.readouterr().out


def test_a_command_that_hangs_is_stopped_with_its_children(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    child = (
        "import fcntl, time;"
        f"file = open({str(lock)!r}, 'w'); fcntl.flock(file, fcntl.LOCK_EX);"
        "file.write('held'); file.flush(); time.sleep(60)"
    )
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-ISc', {child!r}])"
    assert rings.run([sys.executable, "-ISc", parent], 2.0) is None
    with lock.open() as file:
        assert file.read() == "held"
        # The system gives the lock free when its holder is gone; waits for that and no longer.
        fcntl.flock(file, fcntl.LOCK_EX)


def test_a_ring_without_tests_is_said_and_not_failed() -> None:
    outcome = rings.pytest(rings.Ring("dreams", 5, ("tests/dreams",)), 5, [])
    assert (outcome.failed, outcome.remark) == (0, "no tests yet")


def test_an_unknown_ring_is_refused_with_the_known_ones(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        rings.main(["--only", "units"])
    assert "no ring named units; there are: lint, unit" in capsys.readouterr().err
