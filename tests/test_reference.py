"""The reference pages say what the code says."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

from reference import FOLDER, pages  # noqa: E402


@pytest.mark.parametrize(("name", "text"), pages().items(), ids=list(pages()))
def test_page_is_up_to_date(name: str, text: str) -> None:
    assert (FOLDER / name).read_text() == text, "run `make reference`"
