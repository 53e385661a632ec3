"""The page of clients says what its data says."""

import json

from interop.sdk_table import JSON, PAGE, page


def test_the_page_of_clients_is_made_from_its_data() -> None:
    assert PAGE.read_text() == page(json.loads(JSON.read_text()))
