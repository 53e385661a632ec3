"""The reference pages say what the code says."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

from reference import files  # noqa: E402

FILES = files()


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_page_is_up_to_date(path: Path) -> None:
    assert path.read_text("utf-8") == FILES[path], "run `make reference`"
