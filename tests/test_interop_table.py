"""The page of clients says what its data says."""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "interop"))

from sdk_table import JSON, PAGE, page


def test_the_page_of_clients_is_made_from_its_data() -> None:
    assert PAGE.read_text() == page(json.loads(JSON.read_text()))
