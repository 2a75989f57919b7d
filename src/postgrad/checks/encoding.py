"""Texts that were damaged on their way: read in the wrong encoding, cut at bytes, or carrying remains of web and
templates."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence

from postgrad.answers import parse_json
from postgrad.checks.support.evidence import reasons
from postgrad.checks.support.phrases import count_of, percent, verb
from postgrad.checks.support.record_texts import map_texts, texts_of
from postgrad.checks.support.words.program_text import is_program_text
from postgrad.facts import any_of, load_facts
from postgrad.findings import Check, Context, Finding, Repair, check_factory
from postgrad.records import Record

# Lead bytes of UTF-8 read as Latin-1 or Windows-1252, followed by what a continuation byte then looks like.
_MOJIBAKE = re.compile("[ÂÃÅÄÐÑÎÏâðØÙ×à][\u0080-\u00bf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]|â€|ï»¿|ï¿½|[ÃÂ] (?=\\w)")
_LOST = re.compile("\ufffd")
# Zero-width joiners (200c, 200d) belong to emoji and to Indic and Persian spelling, the tag characters (e0000) to
# flags.
_INVISIBLE = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f\x80-\x9f\u00ad\u200b\u2060\ufeff\ufff9-\ufffb]")
_FACTS = load_facts("encoding")
_ENTITY = re.compile(rf"&(?:{any_of(_FACTS['entities'])});")
_TAG = re.compile(rf"</?(?:{any_of(_FACTS['tags'])})(?:\s+[a-z-]+\s*=[^<>]{{0,200}})?\s*/?>", re.IGNORECASE)
_ESCAPED = re.compile(r"(?<![\\\w:/])\\n(?=\\n|[A-Z\d\s*-]|$)|(?<=[.!?:;,)\w])\\n(?:\\n|(?=[A-Z*-]))")
_TEMPLATE = re.compile(any_of(_FACTS["template_tokens"]))
_MARKUP_WORDS = re.compile(rf"(?i)\b(?:{any_of(_FACTS['markup_words'])})\b")
_TASK_SHARE = 0.3
"""Remains in a larger share of the records are what the task is about, not a slip."""

_SENTENCES = {
    "mojibake": "{count} {hold} text that was read in the wrong encoding (like “Ã©” for “é”).",
    "lost_letters": "{count} {hold} the replacement character “\ufffd”: a letter was lost before.",
    "invisible": "{count} {hold} control or invisible characters.",
    "html": "{count} {hold} remains of HTML, while the others have none.",
    "escaped_newlines": "{count} {hold} line ends spelled out as “\\n”.",
    "template_tokens": "{count} {hold} tokens of a chat template inside the text: they end a turn where none ends.",
}


@check_factory(
    harm=56,
    advice="Read the file again in its true encoding, or let --fix repair what can be repaired without loss.",
)
def encoding(*, task_share: float = _TASK_SHARE) -> Check:
    """Finds wrongly decoded text, lost letters, invisible characters, HTML, literal `\\n` and chat-template tokens.

    Unasked are mended wrongly decoded text, where decoding it again is certain, and control and invisible characters.
    HTML entities, tags, literal `\\n` and template tokens are mended only when asked for. Lost letters cannot be.

    Args:
        task_share: From this share of the records on, HTML, literal `\\n` and template tokens are taken for the task
            itself.
    """

    def check(records: Sequence[Record], context: Context) -> Iterator[Finding]:
        found: dict[str, dict[int, str]] = {}
        for index, record in enumerate(records):
            for text in texts_of(record):
                for fault, evidence in text_faults(text):
                    found.setdefault(fault, {}).setdefault(index, evidence)
        for fault in _SENTENCES:
            if fault in found:
                yield _finding(fault, found[fault], records, task_share)

    return check


def _finding(fault: str, found: dict[int, str], records: Sequence[Record], task_share: float) -> Finding:
    indices = tuple(found)
    many = len(indices)
    share = many / len(records)
    by_design = fault in ("html", "escaped_newlines", "template_tokens") and share > task_share and many > 10
    sentence = _SENTENCES[fault].format(count=count_of(many, "record"), hold=verb(many, "holds", "hold"))
    if by_design:
        sentence = f"{percent(share)} of the records hold {_NAMES[fault]}, so it seems to belong to the task."
    change = None if by_design else _MENDS.get(fault)
    repairs: list[Repair] = []
    if change is not None:
        safe = fault in ("mojibake", "invisible")
        for index in indices:
            mended = map_texts(records[index], mend_safely if safe else change)
            if mended != records[index]:
                repairs.append(Repair(index, "replace", mended, safe=safe))
    return Finding(
        check="encoding",
        severity="info" if by_design else "warning",
        sentence=sentence,
        indices=indices,
        evidence=reasons(indices, lambda i: found[i]),
        repairs=tuple(repairs),
        details={"fault": fault, "count": many, "mended": len(repairs)},
    )


_NAMES = {"html": "HTML", "escaped_newlines": "line ends spelled as “\\n”", "template_tokens": "chat-template tokens"}


def text_faults(text: str) -> Iterator[tuple[str, str]]:
    """(fault, evidence) of one text, each fault once. Pure ASCII without markup costs a few scans for single
    letters."""
    if not text.isascii():
        if (match := _MOJIBAKE.search(text)) and mend_mojibake(text) != text:
            yield "mojibake", _around(text, match)
        if match := _LOST.search(text):
            yield "lost_letters", _around(text, match)
    if not text.isprintable() and (match := _INVISIBLE.search(text)) and not _letters_need(text, match):
        yield "invisible", f"{_name(match[0])} in {_around(text, match)}"
    if "<" in text and ("|>" in text or "_of_turn>" in text or "s>" in text or "SYS>" in text or "｜>" in text):
        if match := _TEMPLATE.search(text):
            yield "template_tokens", _around(text, match)
    elif "INST]" in text and (match := _TEMPLATE.search(text)):
        yield "template_tokens", _around(text, match)
    match = (_html_tag(text) if "<" in text else None) or (_ENTITY.search(text) if "&" in text else None)
    if match is not None and not _is_code(text):
        yield "html", _around(text, match)
    if "\\n" in text and (match := _ESCAPED.search(text)) and not _is_code(text) and parse_json(text) is None:
        yield "escaped_newlines", _around(text, match)


def _html_tag(text: str) -> re.Match[str] | None:
    """A tag that is closed later on, or an empty one: a lone `<a>` may be a placeholder."""
    for match in _TAG.finditer(text):
        if text[match.start() - 1 : match.start()] in ('"', "'", "`", "“"):  # quoted: spoken of
            continue
        name = re.sub(r"[</>\s]", " ", match[0]).split()[0].lower()
        if name in ("br", "img", "p") or f"</{name}>" in text.lower():
            return match
    return None


def _letters_need(text: str, match: re.Match[str]) -> bool:
    """A byte-order mark or soft hyphen is always out of place; a zero-width space is spelling in Thai, Khmer and the
    like."""
    return match[0] == "\u200b" and any("\u0e00" <= c <= "\u0eff" or "\u1000" <= c <= "\u17ff" for c in text)


def _is_code(text: str) -> bool:
    return is_program_text(text) or _MARKUP_WORDS.search(text) is not None


def _name(letter: str) -> str:
    return unicodedata.name(letter, f"U+{ord(letter):04X}").capitalize()


def _around(text: str, match: re.Match[str]) -> str:
    start = max(0, match.start() - 15)
    shown = " ".join(text[start : match.end() + 15].split())
    return f"“{''.join(c if c.isprintable() else '·' for c in shown)}”"


def mend_mojibake(text: str) -> str:
    """The text decoded again, once or twice, where that is certain; else as it is.

    Line by line, because one line may be damaged and the next not. The decision is ftfy's, whose heuristic was measured
    on millions of texts; its other changes (quotes, ligatures, widths) are not made.
    """
    import ftfy

    return "\n".join(ftfy.fix_encoding(line) if _MOJIBAKE.search(line) else line for line in text.split("\n"))


def mend_safely(text: str) -> str:
    """Decodes again where that is certain, and takes out control and invisible characters, until nothing more is found:
    what stood apart by an invisible character may show itself to be damaged once that is gone."""
    while (mended := _mended_once(text)) != text:
        text = mended
    return text


def _mended_once(text: str) -> str:
    """Never longer than the text, so that mending comes to an end."""
    decoded = mend_mojibake(text) if not text.isascii() and _MOJIBAKE.search(text) else text
    decoded = decoded if len(decoded) <= len(text) else text
    return _INVISIBLE.sub(lambda m: m[0] if _letters_need(decoded, m) else "", decoded)


def mend_html(text: str) -> str:
    """Entities as letters, line tags as line ends, other tags gone; code stays as it is."""
    if _is_code(text):
        return text
    text = re.sub(r"(?i)<br\s*/?>|</p>|</div>|</li>", "\n", text)
    return html.unescape(_TAG.sub("", text)).replace("\u00a0", " ")


def mend_newlines(text: str) -> str:
    """Real line ends for those spelled out; code and JSON stay as they are."""
    return text if _is_code(text) or parse_json(text) is not None else _ESCAPED.sub("\n", text)


def mend_template(text: str) -> str:
    """Without the tokens of chat templates."""
    return _TEMPLATE.sub("", text).strip()


_MENDS: dict[str, Callable[[str], str]] = {
    "mojibake": mend_safely,
    "invisible": mend_safely,
    "html": mend_html,
    "escaped_newlines": mend_newlines,
    "template_tokens": mend_template,
}
