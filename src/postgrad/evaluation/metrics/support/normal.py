"""The text normalisations that several metrics share, for any script, so that two metrics never disagree on a comma."""

from __future__ import annotations

import re
import unicodedata

_ARTICLES = frozenset({"a", "an", "the"})
# Scripts written without spaces: each character is a token of its own, or one long token would be all or nothing.
_UNSPACED = re.compile("([\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u0e00-\u0e7f])")


def _is_mark(character: str) -> bool:
    """Punctuation in any script, and the ASCII symbols that SQuAD counts as punctuation ($ + < = > ^ ` | ~)."""
    category = unicodedata.category(character)
    return category.startswith("P") or (category.startswith("S") and character.isascii())


def trim(text: str) -> str:
    """Without whitespace and punctuation at both ends; a text of nothing but marks stays as it is."""
    start, end = 0, len(text)
    while start < end and (text[start].isspace() or _is_mark(text[start])):
        start += 1
    while end > start and (text[end - 1].isspace() or _is_mark(text[end - 1])):
        end -= 1
    return text[start:end] or text.strip()


def plain(text: str, *, ignore_case: bool = True, ignore_marks: bool = True) -> str:
    """Unicode-normalised (NFC), single-spaced, and by option lower-cased and trimmed of marks at both ends."""
    text = " ".join(unicodedata.normalize("NFC", text).split())
    if ignore_marks:
        text = trim(text)
    return text.casefold() if ignore_case else text


def is_unspaced(text: str) -> bool:
    """Whether the text is in a script that is written without spaces between words, at least in part."""
    return bool(_UNSPACED.search(text))


def contains(text: str, part: str) -> bool:
    """Whether the words of `part` stand in `text` in one piece, but for case, space and marks at the ends; an empty
    part only in an empty text."""
    wanted, whole = plain(part), plain(text)
    if not wanted or is_unspaced(wanted):
        return wanted in whole if wanted else not whole
    return bool(re.search(rf"(?<!\w){re.escape(wanted)}(?!\w)", whole))


def words(text: str) -> list[str]:
    """The tokens of SQuAD's F1: case, punctuation and English articles dropped, split at whitespace.

    Where that leaves nothing ("the", "?") the raw tokens stand, so that "?" and "!" are not the same answer.
    """
    lowered = unicodedata.normalize("NFC", text).casefold()
    bare = "".join(c for c in lowered if not _is_mark(c))
    kept = [w for w in _UNSPACED.sub(r" \1 ", bare).split() if w not in _ARTICLES]
    return kept or lowered.split()
