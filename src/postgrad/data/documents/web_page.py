"""A web page → the text of its main part, without navigation, footer, cookie banner and what else stands around it.

What the main part is, trafilatura decides; how headings, lists and tables are written, `html_text` does, as for mail.
"""

from __future__ import annotations

import re

from postgrad.data.documents.html_text import html_to_text

_BARE_PRE = re.compile(r"<pre\b[^>]*>(?!\s*<code)(.*?)</pre\s*>", re.IGNORECASE | re.DOTALL)
_INDENT = re.compile(r"(?<=>)\n\s*(?=<)")
_MARKS = re.compile(r"^#+ ", re.MULTILINE), re.compile(r" \| ")
_LEAST_SHARE = 0.2
"""A main part of fewer of the page's words is more likely a miss than a page with so much around it."""


def main_text(html: str) -> str | None:
    """The text of a page's main part; None where none is found, or one that lost the page's headings or tables."""
    import trafilatura  # only where documents hold a web page

    try:
        found = trafilatura.extract(
            _BARE_PRE.sub(r"<pre><code>\1</code></pre>", html),  # else it is taken for a quotation
            output_format="html",
            include_comments=False,
            include_tables=True,
            favor_recall=True,
        )
    except (ValueError, RecursionError):  # lxml's refusals of what is hardly HTML
        return None
    text = html_to_text(_INDENT.sub("", found)) if found else ""
    whole = html_to_text(html)
    lost = any(mark.search(whole) and not mark.search(text) for mark in _MARKS)
    return None if lost or len(text.split()) < _LEAST_SHARE * len(whole.split()) or not text else text
