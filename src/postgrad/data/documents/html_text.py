"""HTML → text as a reader sees it: headings, lists and tables stay apart; scripts, styles and hidden parts go."""

from __future__ import annotations

import re
from html.parser import HTMLParser

_SILENT = {"script", "style", "head", "template", "noscript", "svg", "iframe", "object", "select"}
_PARAGRAPHS = {
    "p",
    "div",
    "section",
    "article",
    "ul",
    "ol",
    "dl",
    "table",
    "blockquote",
    "pre",
    "form",
    "figure",
    "main",
    "header",
    "footer",
    "nav",
    "aside",
    "address",
}
_LINES = {"br", "tr", "li", "dt", "dd", "hr", "caption", "option"}
_HEADINGS = {f"h{n}": n for n in range(1, 7)}
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
_VOID = {"br", "hr", "img", "input", "meta", "link", "col", "area", "base", "embed", "source", "track", "wbr"}
_QUOTE = "\x02", "\x03"
_IS_HTML = re.compile(
    r"^\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype html|html|head|body)\b", re.IGNORECASE | re.DOTALL
)


def looks_like_html(text: str) -> bool:
    """Whether a text begins as an HTML page does."""
    return bool(_IS_HTML.match(text[:4096]))


def html_to_text(html: str) -> str:
    """The visible text. Headings become Markdown headings, list items `- `, table cells are parted by ` | `, quotes (as
    mail programs make them) begin with `> `."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    lines: list[str] = []
    depth = 0
    for line in "".join(reader.out).split("\n"):
        depth += line.count(_QUOTE[0])
        kept = line.replace(_QUOTE[0], "").replace(_QUOTE[1], "")
        kept = kept.rstrip() if reader.preformatted else re.sub(r"[ \t\u00a0]+", " ", kept).strip()
        kept = kept.strip("| ").strip() if kept.endswith("|") else kept
        lines.append("> " * depth + kept if kept and depth else kept)
        depth = max(0, depth - line.count(_QUOTE[1]))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.out: list[str] = []
        self.preformatted = False
        self._silent: list[str] = []
        self._pre = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if self._silent:
            if tag == self._silent[-1] and tag not in _VOID:
                self._silent.append(tag)
            return
        hidden = "hidden" in given or _HIDDEN.search(given.get("style") or "") is not None
        if (tag in _SILENT or hidden) and tag not in _VOID:
            self._silent.append(tag)
            return
        if tag in _HEADINGS:
            self.out.append("\n\n" + "#" * _HEADINGS[tag] + " ")
        elif tag == "blockquote":
            self.out.append("\n" + _QUOTE[0])
        elif tag in _PARAGRAPHS:
            self.out.append("\n\n")
            self._pre += tag == "pre"
            self.preformatted = self.preformatted or tag == "pre"
        elif tag == "li":
            self.out.append("\n- ")
        elif tag in _LINES:
            self.out.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if self._silent:
            if tag == self._silent[-1] or (self._silent[-1] == "head" and tag == "html"):
                self._silent.pop()
            return
        if tag == "blockquote":
            self.out.append(_QUOTE[1] + "\n")
        elif tag in _HEADINGS or tag in _PARAGRAPHS:
            self.out.append("\n\n")
            self._pre = max(0, self._pre - (tag == "pre"))
        elif tag in ("td", "th"):
            self.out.append(" | ")

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.out.append(data if self._pre else re.sub(r"\s+", " ", data))
