"""From a matplotlib figure to SVG that may stand inside a page: no outside references, no clashing ids, named colours.

Colours are the page's CSS variables, so that one picture is readable on light, on dark and on paper: drawing code uses
the stand-in colours of `INKS`, and `inline` puts `var(--name)` in their place. Text stays text, in the page's own font.
"""

from __future__ import annotations

import io
import re
import threading
import warnings
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INKS = {
    "ink": "#010203",
    "soft": "#010204",
    "line": "#010205",
    "accent": "#010206",
    "trained": "#010207",
    "page": "#010208",
    "wash": "#010209",
}
# matplotlib takes these settings from one global table, which threads of a server share.
_SETTINGS_LOCK = threading.Lock()
_FONT_FAMILY = re.compile(r"font-family:[^;]*;?\s*")
_FONT = re.compile(r"font: ((?:[a-z0-9]+ )*?)([\d.]+px) [^;]*")
_REFERENCE = re.compile(r"url\(#([^)]+)\)")


def blank(width: float, height: float) -> Figure:
    """Make an empty figure of `width` × `height` CSS pixels, bound to no global state."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width / 72, height / 72), dpi=72)


def inline(figure: Figure, name: str, description: str, css_class: str = "") -> str:
    """Draw the figure as an `<svg>` element.

    Args:
        figure: What to draw, in the colours of `INKS`.
        name: Unique on the page; all ids start with it.
        description: What the picture shows, for those who cannot see it.
        css_class: For the page's style sheet.
    """
    import matplotlib

    target = io.StringIO()
    settings: dict[Any, Any] = {"svg.fonttype": "none", "svg.hashsalt": name}
    with _SETTINGS_LOCK, matplotlib.rc_context(settings), warnings.catch_warnings():
        # The page's fonts, not matplotlib's, draw the letters.
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from")
        warnings.filterwarnings("ignore", message="Matplotlib currently does not support")
        figure.savefig(target, format="svg", transparent=True, metadata={"Date": None})
    root = ElementTree.fromstring(target.getvalue())  # noqa: S314 - matplotlib wrote it, texts escaped
    return ElementTree.tostring(_tidy(root, name, description, css_class), encoding="unicode")


def _tidy(root: ElementTree.Element, name: str, description: str, css_class: str) -> ElementTree.Element:
    for parent in root.iter():
        for child in [c for c in parent if _local(c.tag) in ("metadata", "style")]:
            parent.remove(child)
    elements = list(root.iter())
    used = set().union(*(_references(element) for element in elements))
    for element in elements:
        element.tag = _local(element.tag)
        attributes = {_local(key): value for key, value in element.attrib.items()}
        if attributes.get("id") not in used:
            attributes.pop("id", None)
        element.attrib.clear()
        element.attrib.update({key: _rewritten(key, value, name) for key, value in attributes.items()})
    view = root.attrib["viewBox"]
    root.attrib.clear()
    root.attrib.update(
        {"viewBox": view, "role": "img", "aria-label": description, "class": f"plot {css_class}".strip()}
    )
    return root


def _references(element: ElementTree.Element) -> set[str]:
    found = {match for value in element.attrib.values() for match in _REFERENCE.findall(value)}
    return found | {v.removeprefix("#") for k, v in element.attrib.items() if _local(k) == "href"}


def _rewritten(key: str, value: str, name: str) -> str:
    if key == "id":
        return f"{name}-{value}"
    if key == "href":
        return f"#{name}-{value.removeprefix('#')}"
    value = _REFERENCE.sub(rf"url(#{name}-\1)", value)
    if key == "style":
        value = _FONT_FAMILY.sub("", value)
        value = _FONT.sub(_font_without_family, value)
        for ink, stand_in in INKS.items():
            value = value.replace(stand_in, f"var(--{ink})")
    return value


def _font_without_family(match: re.Match[str]) -> str:
    weight = match.group(1).strip()
    return f"font-size: {match.group(2)}" + (f"; font-weight: {weight}" if weight else "")


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]
