"""Browser support: what is committed is what the pinned package says, and odd entries are read
right."""

import json
import sys
from pathlib import Path

import pytest

from harness import missing

ROOT = Path(__file__).parents[3]
sys.path.insert(0, str(ROOT / "scripts"))

import facts  # noqa: E402
from facts_page import between  # noqa: E402

RELEASES = {
    "5": {"status": "retired", "release_date": "2011-01-01"},
    "9": {"status": "current", "release_date": "2026-10-01"},
    "10": {"status": "beta", "release_date": "2026-12-01"},
}


def test_the_extract_is_what_the_package_says() -> None:
    pinned = json.loads((ROOT / "tests/interop/js/package.json").read_text())["dependencies"]
    made = json.loads(facts.EXTRACT.read_text("utf-8"))
    assert pinned[made["package"]] == made["version"], "run make facts"
    if not facts.PACKAGE.is_dir():
        missing("@mdn/browser-compat-data is not there: python scripts/clients.py")
    assert facts.extract(facts.PACKAGE) == made, "run make facts"


@pytest.mark.parametrize(
    ("support", "since"),
    [
        ({"version_added": "5"}, {"version": "5", "date": "2011-01-01"}),
        ({"version_added": "≤5"}, {"version": "5", "date": "2011-01-01"}),
        ({"version_added": "10"}, {"version": "10", "date": ""}),
        ({"version_added": "preview"}, {"version": ""}),
        ({"version_added": False}, {"version": ""}),
        ({"version_added": "5", "version_removed": "9"}, {"version": ""}),
        ({"version_added": "5", "flags": [{"name": "x"}]}, {"version": ""}),
        ({"version_added": "5", "partial_implementation": True}, {"version": ""}),
        (
            [{"version_added": "5", "prefix": "moz"}, {"version_added": "9"}],
            {"version": "9", "date": "2026-10-01"},
        ),
    ],
)
def test_since_when(support: object, since: dict[str, str]) -> None:
    assert facts._since(support, {"releases": RELEASES}) == since


def test_only_what_is_between_the_marks_changes() -> None:
    page = "before\n<!-- x: made -->\n\nold\n\n<!-- /x -->\nafter\n"
    made = between(page, "x", "new")
    assert made == page.replace("old", "new")
    assert between(made, "x", "new") == made
    with pytest.raises(ValueError, match="marks"):
        between("nothing", "x", "new")
