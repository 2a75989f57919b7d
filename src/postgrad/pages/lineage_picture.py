"""A model's lineage as a picture: one box for each thing that it came from or went to."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

WIDTH, HEIGHT, GAP_X, GAP_Y, PAD = 250, 66, 70, 18, 16
_INK, _LINE, _FILL, _MAIN = "#1f2933", "#9aa5b1", "#f5f7fa", "#e3f0ff"
_LONGEST = 34


def lineage_svg(columns: Sequence[Sequence[tuple[str, str, str]]], arrows: Sequence[tuple[str, str]], main: str) -> str:
    """An `<svg>` document.

    Args:
        columns: From left to right, boxes from above: (key, title, text).
        arrows: From one key to another.
        main: The key of the box that it is about.
    """
    tallest = max(len(column) for column in columns)
    height = 2 * PAD + tallest * HEIGHT + (tallest - 1) * GAP_Y
    width = 2 * PAD + len(columns) * WIDTH + (len(columns) - 1) * GAP_X
    places: dict[str, tuple[float, float]] = {}
    boxes: list[str] = []
    for number, column in enumerate(columns):
        free = height - len(column) * HEIGHT - (len(column) - 1) * GAP_Y
        for row, (key, title, text) in enumerate(column):
            x, y = PAD + number * (WIDTH + GAP_X), free / 2 + row * (HEIGHT + GAP_Y)
            places[key] = x, y
            boxes.append(_box(x, y, title, text, _MAIN if key == main else _FILL))
    lines = [_arrow(*places[a], *places[b]) for a, b in arrows if a in places and b in places]
    head = (
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        f'<path d="M0 0L8 4L0 8z" fill="{_LINE}"/></marker></defs>'
    )
    inside = "".join([head, *lines, *boxes])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}"'
        f' height="{height:g}" font-family="system-ui, sans-serif" role="img">{inside}</svg>\n'
    )


def _box(x: float, y: float, title: str, text: str, fill: str) -> str:
    lines = [text[i : i + _LONGEST] for i in range(0, min(len(text), 2 * _LONGEST), _LONGEST)]
    if len(text) > 2 * _LONGEST:
        lines[1] = lines[1][:-1] + "…"
    shown = "".join(
        f'<text x="{x + 12:g}" y="{y + 39 + 15 * i:g}" font-size="11.5" fill="{_INK}">{escape(line)}</text>'
        for i, line in enumerate(lines)
    )
    head = (
        f'<text x="{x + 12:g}" y="{y + 21:g}" font-size="12.5" font-weight="600" fill="{_INK}">{escape(title)}</text>'
    )
    frame = f'<rect x="{x:g}" y="{y:g}" width="{WIDTH}" height="{HEIGHT}" rx="8" fill="{fill}" stroke="{_LINE}"/>'
    return frame + head + shown


def _arrow(x: float, y: float, to_x: float, to_y: float) -> str:
    a, b, c, d = x + WIDTH, y + HEIGHT / 2, to_x - 2, to_y + HEIGHT / 2
    bend = (a + c) / 2
    return (
        f'<path d="M{a:g} {b:g}C{bend:g} {b:g} {bend:g} {d:g} {c:g} {d:g}" fill="none" stroke="{_LINE}"'
        ' stroke-width="1.5" marker-end="url(#tip)"/>'
    )
