"""Answers that say nothing of their own: refusals, phrases of other models, placeholders, and the request said
again."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence

from postgrad.answers import answer_kind
from postgrad.checks.support.evidence import reasons
from postgrad.checks.support.phrases import count_of, percent, quote, verb
from postgrad.facts import any_of, load_facts
from postgrad.findings import Check, Context, Finding, Repair, check_factory
from postgrad.records import Conversation, Message, Preference, Rating, Record, Task, Text

_FACTS = load_facts("boilerplate")
_HINTS = tuple(_FACTS["hints"])
_AI_PHRASES = re.compile(any_of(_FACTS["ai_phrases"]))
_REFUSAL = re.compile(any_of(_FACTS["refusals"]))
_PLACEHOLDER = re.compile(any_of(_FACTS["placeholders"]))
_EMPTY_WORDS = frozenset(_FACTS["empty_words"])
_HARMFUL = re.compile(rf"(?i)\b(?:{any_of(_FACTS['harmful'])})")
_MEANT_SHARE = 0.5
"""Where so many of the refusals answer requests that speak of harm, refusing is what the set teaches."""
_MIN_ECHO_WORDS = 4
_SAID_AGAIN = 30
_COMMON_ENDING = 0.3
_RECURRING_WORD = 0.02
_SENTENCES = {
    "ai_phrase": "{count} {hold} phrases typical of other models (“as an AI language model”).",
    "refusal": "{count} {refuse} the request: the model will learn to refuse too.",
    "placeholder": "{count} {hold} text that was never filled in (“[Your Name]”, “TODO”, “{{{{name}}}}”).",
    "empty_word": "{count} {say} nothing (“N/A”, “None”, “-”).",
    "same_as_request": "{count} {are} the request itself.",
    "echo": "{count} {begin} by repeating the whole request.",
}


@check_factory(
    harm=40,
    advice="Replace refusals and stock phrases with real answers; the model learns to give them.",
)
def boilerplate(*, style_share: float = 0.2) -> Check:
    """Finds phrases of other models, refusals, unfilled placeholders, empty words, and requests repeated in the answer.

    An ending that many answers share (thanks, sign-off) is told as a matter of style. Nothing is mended unasked; when
    asked for, records are dropped.

    Args:
        style_share: What a larger share of the answers does is told as information: it is what the set teaches on
            purpose.
    """

    def check(records: Sequence[Record], context: Context) -> Iterator[Finding]:
        found: dict[str, dict[int, str]] = {}
        endings: Counter[int] = Counter()
        answered = 0
        for index, record in enumerate(records):
            answer = record.answer_text if not isinstance(record, Text | Task) else ""
            if not answer or (isinstance(record, Rating) and not record.good):
                continue
            answered += 1
            for fault, evidence in answer_faults(answer, asked_of(record)):
                found.setdefault(fault, {})[index] = evidence
            if ending := _ending(answer):
                endings[hash(ending)] += 1
        if "empty_word" in found and answer_kind([r.answer_text for r in records[:5_000]]) == "label":
            del found["empty_word"]
        for fault in _SENTENCES:
            if fault in found:
                harmful = _on_harm(records, found[fault]) if fault == "refusal" else 0
                yield _finding(fault, found[fault], answered, style_share, harmful)
        yield from _endings(records, endings, answered)

    return check


def _on_harm(records: Sequence[Record], refused: Collection[int]) -> int:
    """How many refusals answer requests that speak of harm; 0 where they are the lesser part."""
    harmful = sum(_HARMFUL.search(records[i].prompt_text) is not None for i in refused)
    return harmful if harmful >= _MEANT_SHARE * len(refused) else 0


def answer_faults(answer: str, asked: str) -> Iterator[tuple[str, str]]:
    """(fault, evidence) of one answer.

    Args:
        answer: The answer's text.
        asked: The last request, without the turns before it.
    """
    low = answer.lower()
    if any(map(low.__contains__, _HINTS)):
        if match := _AI_PHRASES.search(low):
            yield "ai_phrase", quote(answer[max(0, match.start() - 10) : match.end() + 40])
        if _REFUSAL.match(low) and low[:_SAID_AGAIN] not in asked.lower():  # what the user said refuses nothing
            yield "refusal", quote(answer)
        if (match := _PLACEHOLDER.search(low)) and not _PLACEHOLDER.search(asked.lower()) and "```" not in answer:
            yield "placeholder", quote(answer[max(0, match.start() - 20) : match.end() + 20])
    if len(low) < 12 and low.strip().rstrip(".") in _EMPTY_WORDS:
        yield "empty_word", quote(answer)
    start = asked.lstrip()[:10].lower()
    if start and low.lstrip().startswith(start):
        plain_asked, plain_answer = " ".join(asked.lower().split()), " ".join(low.split())
        if plain_answer == plain_asked:
            if len(plain_asked) > 12:
                yield "same_as_request", quote(answer)
        elif plain_asked.count(" ") + 1 >= _MIN_ECHO_WORDS and plain_answer.startswith(plain_asked):
            yield "echo", quote(answer)


def asked_of(record: Record) -> str:
    """The last thing that a user said before the answer."""
    messages: tuple[Message, ...] = ()
    if isinstance(record, Conversation):
        messages = record.messages
    elif isinstance(record, Preference | Rating | Task):
        messages = record.prompt
    return next((m.content for m in reversed(messages) if m.role == "user"), "")


def _finding(fault: str, found: dict[int, str], answered: int, style_share: float, harmful: int) -> Finding:
    many = len(found)
    indices = tuple(found)
    words = {
        "hold": verb(many, "holds", "hold"),
        "refuse": verb(many, "refuses", "refuse"),
        "say": verb(many, "says", "say"),
        "are": verb(many, "is", "are"),
        "begin": verb(many, "begins", "begin"),
    }
    share = style_share if fault != "empty_word" else _RECURRING_WORD  # a word that recurs so often is an answer
    style = many > share * answered and many > 10
    sentence = _SENTENCES[fault].format(count=count_of(many, "answer"), **words)
    if style:
        sentence = f"{sentence[:-1]}; in {percent(many / answered)} of the answers, so it seems to be intended."
    elif harmful:
        style = True
        sentence = f"{sentence[:-1]}; {harmful:,} of the requests speak of harm, so it seems to be intended."
    return Finding(
        check="boilerplate",
        severity="info" if style else "warning",
        sentence=sentence,
        indices=indices,
        evidence=reasons(indices, lambda i: found[i]),
        repairs=() if style else tuple(Repair(i, "drop", safe=False) for i in indices),
        details={"fault": fault, "count": many, "answers": answered},
    )


def _ending(answer: str) -> str:
    """The last sentence of a longer answer, by which pasted sign-offs are known."""
    tail = answer[-160:].rstrip()
    cut = max(tail.rfind(mark, 0, -1) for mark in (". ", "! ", "? ", "\n"))
    last = tail[cut + 1 :].strip()
    return last if cut >= 0 and last.count(" ") >= 2 else ""


def _endings(records: Sequence[Record], endings: Counter[int], answered: int) -> Iterator[Finding]:
    if not endings or answered < 20:
        return
    key, many = endings.most_common(1)[0]
    if many < _COMMON_ENDING * answered:
        return
    text = next(e for r in records if (e := _ending(r.answer_text)) and hash(e) == key)
    yield Finding(
        check="boilerplate",
        severity="info",
        sentence=f"{percent(many / answered)} of the answers end with {quote(text)}: the model will learn it too.",
        details={"fault": "common_ending", "count": many, "ending": text[:200]},
    )
