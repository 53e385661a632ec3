"""The figures: whole, readable by machines, and the same tree everywhere."""

import xml.etree.ElementTree as ET

import pytest

from ossicle.advisor.drawing import base64_svg, tree_svg
from ossicle.advisor.tree import EDGES, NODES

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize("text", [tree_svg(), tree_svg(styled=False), base64_svg()])
def test_it_is_a_picture_with_a_name(text: str) -> None:
    root = ET.fromstring(text)
    assert root.tag == SVG + "svg"
    assert root.get("role") == "img"
    named = {each.get("id"): each.text for each in root}
    assert all(named[name] for name in (root.get("aria-labelledby") or "").split())


def test_every_node_and_edge_is_drawn_once() -> None:
    root = ET.fromstring(tree_svg(styled=False))
    names = [each.get("id") for each in root.findall(SVG + "g")]
    assert sorted(name for name in names if name) == sorted(
        [f"node-{name}" for name in NODES] + [f"edge-{e.start}-{e.end}" for e in EDGES]
    )


def test_the_page_brings_its_own_colours() -> None:
    """Nothing in it that the page's policy would stop."""
    assert "style" not in tree_svg(styled=False)
    assert "prefers-color-scheme: dark" in tree_svg()


def test_boxes_stay_inside_and_apart() -> None:
    boxes = {
        node.name: (node.x - node.width / 2, node.y - node.height / 2,
                    node.x + node.width / 2, node.y + node.height / 2)
        for node in NODES.values()
    }  # fmt: skip
    for name, (left, top, right, bottom) in boxes.items():
        assert left > 0, name
        assert top > 0, name
        assert right < 1160, name
        assert bottom < 712, name
        for other, (left_, top_, right_, bottom_) in boxes.items():
            apart = right < left_ or right_ < left or bottom < top_ or bottom_ < top
            assert other == name or apart, (name, other)


def test_every_line_begins_and_ends_at_its_boxes() -> None:
    for edge in EDGES:
        for name, (x, y) in ((edge.start, edge.way[:2]), (edge.end, edge.way[-2:])):
            node = NODES[name]
            assert abs(x - node.x) <= node.width / 2 + 1, edge
            assert abs(y - node.y) <= node.height / 2 + 1, edge


def test_base64_is_a_third_more() -> None:
    assert "256 kbit/s" in base64_svg()
    assert "341 kbit/s" in base64_svg()
