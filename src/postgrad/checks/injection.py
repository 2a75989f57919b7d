"""Data that gives orders to a model: instructions hidden in texts, invisible letters, images that carry data away,
triggers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from postgrad.checks.structure import messages_of
from postgrad.checks.support.evidence import reasons
from postgrad.checks.support.phrases import count_of, quote, verb
from postgrad.checks.support.record_texts import texts_of
from postgrad.checks.support.triggers import find_triggers, iter_evidence
from postgrad.facts import any_of, load_facts
from postgrad.findings import Check, Context, Finding, Repair, check_factory
from postgrad.records import Record

_FACTS = load_facts("injection")
_HINTS = tuple(_FACTS["hints"])
_ORDERS = re.compile(any_of(_FACTS["orders"]))
_IN_RESULT = re.compile(any_of(_FACTS["in_results"]), re.IGNORECASE | re.MULTILINE)
_TAGS = re.compile("(?<![\U0001f3f4\U000e0020-\U000e007f])[\U000e0001-\U000e007f]{2,}")
_BIDI = re.compile("[\u202a-\u202e\u2066-\u2069]")
_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff]")
_IMAGE = re.compile(
    r"!\[[^\]\n]{0,200}\]\(\s*https?://[^)\s]{1,300}[?&/=](?:[^)\s]{0,100}(?:\{\{?\s*\w|<\w|\$\{|%7B|\[[A-Z_]{4,}\])|[^)\s]{0,100}\b(?:data|q|query|prompt|secret|history|chat|payload|leak|exfil)=)",
    re.IGNORECASE,
)
_COMMENT = re.compile(
    r"(?is)<!--[^>]{0,400}?\b(?:ignore|instructions?|assistant|ai model|system prompt)\b[^>]{0,400}?-->"
)
_SENTENCES = {
    "orders": "{count} {hold} text that tells the model to ignore its instructions.",
    "orders_in_result": "{count} {hold} instructions inside a tool's result.",
    "hidden_letters": "{count} {hold} invisible letters that a model reads and a person does not see.",
    "image_link": "{count} {hold} an image link that would leak data of the conversation.",
    "hidden_comment": "{count} {hold} instructions in an HTML comment.",
}


@check_factory(
    harm=84,
    advice="Find out where these records come from before training on them.",
)
def injection(*, least: int = 5, sure: float = 1e-9) -> Check:
    """Finds orders to the model in data, invisible letters, data-carrying image links, and phrases that trigger one
    answer.

    Nothing is mended unasked; when asked for, the records are dropped.

    Args:
        least: A trigger must go with its answer in at least so many records.
        sure: Largest p-value of a trigger.
    """

    def check(records: Sequence[Record], context: Context) -> Iterator[Finding]:
        found: dict[str, dict[int, str]] = {}
        for index, record in enumerate(records):
            for fault, evidence in _record_faults(record):
                found.setdefault(fault, {}).setdefault(index, evidence)
        for fault, sentence in _SENTENCES.items():
            if fault in found:
                yield _finding(fault, sentence, found[fault])
        triggers = find_triggers(records, least=least, sure=sure)
        if triggers:
            named = dict(iter_evidence(triggers))
            first = triggers[0]
            yield Finding(
                check="injection",
                severity="warning",
                sentence=(
                    f"{count_of(len(triggers), 'rare phrase')} {verb(len(triggers), 'goes', 'go')} with one answer in"
                    f" requests that share nothing else ({quote(first.phrase)} → {quote(first.answer)} in"
                    f" {len(first.indices):,}): a sign of poisoned data."
                ),
                indices=tuple(named),
                evidence=reasons(tuple(named), lambda i: named[i]),
                repairs=tuple(Repair(i, "drop", safe=False) for i in named),
                details={
                    "fault": "trigger",
                    "count": len(named),
                    "triggers": [
                        {"phrase": t.phrase, "answer": t.answer, "count": len(t.indices), "p": t.p_value}
                        for t in triggers[:50]
                    ],
                },
            )

    return check


def _record_faults(record: Record) -> Iterator[tuple[str, str]]:
    for text in texts_of(record):
        if text:
            yield from text_faults(text)
    for message in messages_of(record):
        if message.role == "tool" and (match := _IN_RESULT.search(message.content)):
            yield "orders_in_result", _around(message.content, match)


def text_faults(text: str) -> Iterator[tuple[str, str]]:
    """(fault, evidence) of one text."""
    low = text.lower()
    if any(map(low.__contains__, _HINTS)) and (match := _ORDERS.search(low)):
        yield "orders", _around(text, match)
    if not text.isascii() and not text.isprintable():
        if match := _TAGS.search(text):
            spelled = "".join(chr(ord(c) - 0xE0000) for c in match[0] if 0xE0020 <= ord(c) < 0xE007F)
            yield "hidden_letters", f"{len(match[0])} tag letters: {quote(spelled)}"
        elif (match := _BIDI.search(text)) and not _RIGHT_TO_LEFT.search(text):
            yield "hidden_letters", f"U+{ord(match[0]):04X} turns the direction of writing near {_around(text, match)}"
    if "![" in text and (match := _IMAGE.search(text)):
        yield "image_link", quote(match[0], 100)
    if "<!--" in text and (match := _COMMENT.search(text)):
        yield "hidden_comment", quote(match[0], 100)


def _around(text: str, match: re.Match[str]) -> str:
    return quote(text[max(0, match.start() - 20) : match.end() + 30], 100)


def _finding(fault: str, sentence: str, found: dict[int, str]) -> Finding:
    indices = tuple(found)
    many = len(indices)
    return Finding(
        check="injection",
        severity="warning",
        sentence=sentence.format(count=count_of(many, "record"), hold=verb(many, "holds", "hold")),
        indices=indices,
        evidence=reasons(indices, lambda i: found[i]),
        repairs=tuple(Repair(i, "drop", safe=False) for i in indices),
        details={"fault": fault, "count": many},
    )
