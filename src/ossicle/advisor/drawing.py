"""Figures as SVG, made from the tree and the table, for the documentation and for the page.

    tree_svg()                 with its own colours, light and dark: for a document
    tree_svg(styled=False)     without: the page gives them, and lights a way up by class

Plain text in, plain text out; no library.
"""

from html import escape

from .facts import FACTS
from .tree import EDGES, NODES, Edge, Node

__all__ = ["base64_svg", "tree_svg"]

_STYLE = """
svg { font: 14px system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
.ground { fill: #fffefc; stroke: #e2ddd4; }
.node rect { fill: #f7f5f1; stroke: #8a857b; stroke-width: 1.2; }
.answer rect { fill: #e4f0ed; stroke: #0f6b61; }
.theirs rect { fill: #fffefc; }
text { fill: #1d2523; text-anchor: middle; }
.answer text { fill: #0b524a; font-weight: 650; font-size: 13px; }
.answer .small { font-weight: 400; font-size: 12.5px; }
.edge path { fill: none; stroke: #8a857b; stroke-width: 1.4; }
.edge text { fill: #57605c; font-size: 12.5px; }
.edge text { paint-order: stroke; stroke: #fffefc; stroke-width: 5px; }
.bar { fill: #0f6b61; } .more { fill: #d08a2e; } .left, .left text { text-anchor: start; }
.soft { fill: #57605c; }
.on { fill: #ffffff; }
@media (prefers-color-scheme: dark) {
  .ground { fill: #191f1e; stroke: #2b3432; }
  .node rect { fill: #121615; stroke: #75807c; }
  .answer rect { fill: #1c2f2c; stroke: #62cdbd; }
  .theirs rect { fill: #191f1e; }
  text { fill: #e9eeec; }
  .answer text { fill: #8fe3d6; }
  .edge path { stroke: #75807c; }
  .edge text { fill: #a9b4b0; stroke: #191f1e; }
  .bar { fill: #62cdbd; } .more { fill: #e6b566; } .soft { fill: #a9b4b0; } .on { fill: #06231f; }
}
"""


def tree_svg(*, styled: bool = True) -> str:
    """The decision tree."""
    inside = [_edge(edge) for edge in EDGES] + [_node(node) for node in NODES.values()]
    about = (
        "Questions from who listens and who recognises to what the network lets through, and the "
        "wire at the end of each way."
    )
    return _svg(1160, 712, "Which protocol? The decision tree", about, inside, styled=styled)


def base64_svg() -> str:
    """What base64 costs: one second of speech, as bytes and as text."""
    rate, grown = 256, 256 * 4 / 3
    scale = 1.7
    rows: list[str] = []
    for number, (name, value) in enumerate((("binary", rate), ("base64", grown))):
        y = 66 + 62 * number
        wide = rate * scale
        rows.append(f'<text class="left" x="28" y="{y + 22}">{name}</text>')
        rows.append(f'<rect class="bar" x="104" y="{y}" width="{wide:g}" height="34" rx="6"/>')
        if value > rate:
            more = (value - rate) * scale
            rows.append(
                f'<rect class="more" x="{104 + wide:g}" y="{y}" width="{more:.1f}" height="34" '
                'rx="6"/>'
            )
        rows.append(
            f'<text class="left" x="{116 + value * scale:.0f}" y="{y + 22}">{value:.0f} kbit/s'
            "</text>"
        )
    rows.append(
        '<text class="left" x="28" y="38">16 kHz, 16 bit, one channel: '
        "what a second of speech weighs on the way</text>"
    )
    rows.append(
        '<text class="left soft" x="28" y="216">3 bytes become 4 letters: a third more, '
        "for every session, all the time.</text>"
    )
    return _svg(800, 240, "Binary against base64", FACTS["base64.cost"].text, rows, styled=True)


def _svg(
    width: int, height: int, title: str, about: str, inside: list[str], *, styled: bool
) -> str:
    style = [f"<style>{_STYLE}</style>"] if styled else []
    ground = f'<rect class="ground" x="1" y="1" width="{width - 2}" height="{height - 2}" rx="14"/>'
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" role="img" aria-labelledby="figure about">'
    )
    return "\n".join(
        [
            head,
            f'<title id="figure">{escape(title)}</title>',
            f'<desc id="about">{escape(about)}</desc>',
            *style,
            *([ground] if styled else []),
            *inside,
            "</svg>\n",
        ]
    )


def _node(node: Node) -> str:
    theirs = node.name.startswith("their-")
    kind = ("node answer theirs" if theirs else "node answer") if node.wire else "node question"
    x, y = node.x - node.width / 2, node.y - node.height / 2
    first = node.y + 5 - 9 * (len(node.lines) - 1)
    lines = "".join(
        f"<text{' class=' + chr(34) + 'small' + chr(34) if theirs and number else ''} "
        f'x="{node.x}" y="{first + 18 * number}">{escape(line)}</text>'
        for number, line in enumerate(node.lines)
    )
    return (
        f'<g class="{kind}" id="node-{node.name}"><rect x="{x:g}" y="{y:g}" '
        f'width="{node.width}" height="{node.height}" rx="{10 if node.wire else 14}"/>{lines}</g>'
    )


def _edge(edge: Edge) -> str:
    points = list(zip(edge.way[::2], edge.way[1::2], strict=True))
    label = ""
    if edge.label:
        (x1, y1), (x2, y2) = points[0], points[1]
        x, y = edge.place if any(edge.place) else (x1 + (x2 - x1) / 3, y1 + (y2 - y1) / 3 + 12)
        label = f'<text x="{x:g}" y="{y:g}">{escape(edge.label)}</text>'
    return (
        f'<g class="edge" id="edge-{edge.start}-{edge.end}"><path d="{_line(points)}"/>{label}</g>'
    )


def _line(points: list[tuple[int, int]]) -> str:
    (x1, y1), (x2, y2) = points[0], points[-1]
    if len(points) > 2:
        return f"M{x1} {y1}" + "".join(f"L{x} {y}" for x, y in points[1:])
    if abs(y2 - y1) < 20:
        return f"M{x1} {y1}L{x2} {y2}"
    middle = (y1 + y2) / 2
    return f"M{x1} {y1}C{x1} {middle:g} {x2} {middle:g} {x2} {y2}"
