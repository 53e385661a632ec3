"""The canary reads who ran what, and what came of it."""

import canary
from canary import Row, Use

REPORT = """<testsuites><testsuite>
<testcase classname="tests.interop.test_a" name="test_one[js]"/>
<testcase classname="tests.interop.test_a" name="test_one[sync]"><failure message="no"/></testcase>
<testcase classname="tests.interop.test_a" name="test_two"><skipped message="tls"/></testcase>
</testsuite></testsuites>"""
FILE = "tests/interop/test_a.py"


def test_tests_are_named_as_pytest_names_them() -> None:
    assert canary.outcomes(REPORT) == {
        f"{FILE}::test_one[js]": "passed",
        f"{FILE}::test_one[sync]": "failed",
        f"{FILE}::test_two": "skipped",
    }


def test_every_sdk_has_a_row_and_a_test_that_never_ended_failed() -> None:
    uses = [
        Use(f"{FILE}::test_one[js]", "a", "JavaScript", "2"),
        Use(f"{FILE}::test_one[js]", "a", "JavaScript", "2"),
        Use(f"{FILE}::test_one[sync]", "a", "Python", "3"),
        Use(f"{FILE}::test_hung", "a", "Python", "3"),
        Use(f"{FILE}::test_two", "a", "Python", "3"),
    ]
    pins = {("a", "JavaScript"): "1", ("a", "Python"): "3", ("b", "Python"): "4"}
    found = canary.rows(uses, canary.outcomes(REPORT), pins)
    assert found == [
        Row("a", "JavaScript", "1", "2", "1 passed"),
        Row("a", "Python", "3", "3", "2 failed, 1 skipped"),
        Row("b", "Python", "4", "", "not run"),
    ]
    assert canary.table(found[:1]) == (
        "SDK  language    pinned  newest  result\na    JavaScript  1       2       1 passed"
    )


def test_what_is_pinned_is_read_from_the_project() -> None:
    pins = canary.pinned()
    assert set(pins) == {(name, "Python") for name in canary.PYTHON} | {
        (name, "JavaScript") for name in canary.JAVASCRIPT
    }
    assert all(pins.values())
