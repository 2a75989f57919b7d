"""Which languages requests and answers are in: a mixture that nobody knew of, or answers that change the language."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from postgrad.checks.support.evidence import reasons
from postgrad.checks.support.phrases import count_of, percent, quote, verb
from postgrad.checks.support.words.languages import FOREIGN, READ_LETTERS, detector, told
from postgrad.checks.support.words.spelling import spelling_of
from postgrad.facts import any_of, load_facts
from postgrad.findings import Check, Context, Finding, check_factory
from postgrad.records import Record

_FACTS = load_facts("languages")
_LANGUAGE_WORDS = re.compile(
    rf"(?i)\b(?:{any_of(_FACTS['request_words'])})\b|{any_of(_FACTS['request_words_without_spaces'])}"
)
# Letters of a script that hardly ever stand alone in a text of another one.
_SCRIPTS = {
    "Cyrillic": re.compile("[\u0400-\u04ff]{3}"),
    "Arabic": re.compile("[\u0600-\u06ff]{3}"),
    "Hebrew": re.compile("[\u0590-\u05ff]{3}"),
    "Devanagari": re.compile("[\u0900-\u097f]{3}"),
    "Thai": re.compile("[\u0e00-\u0e7f]{3}"),
    "Hangul": re.compile("[\uac00-\ud7af]{2}"),
    "Japanese or Chinese": re.compile("[\u3040-\u30ff\u4e00-\u9fff]{2}"),
}
_WORD = re.compile(r"[^\W\d_]+")
_KNOWN_SHARE = 0.8
_STRAY_SHARE = 0.02
_DATA = ("{", "[", "<", "```")
_ALIKE = frozenset(frozenset(pair.split("-")) for pair in _FACTS["alike"])


@check_factory(
    harm=32,
    advice="Check that this mixture is intended; otherwise separate the languages or remove the exceptions.",
)
def language(*, sample: int = 2_000, sure: float = 0.7, switch_share: float = 0.1) -> Check:
    """Reports the languages of longer requests, answers in another language than their request, and stray scripts.

    Languages are told from a sample; stray scripts are looked for in every answer. Where the language detector is not
    installed, only stray scripts are told.

    Args:
        sample: At most so many records are put before the detector, evenly over the set.
        sure: Below this confidence a text is not counted.
        switch_share: From this share on a change of language is what the task is about (translation), and is not
            reported.
    """

    def check(records: Sequence[Record], context: Context) -> Iterator[Finding]:
        detect = detector()
        if detect is not None and records:
            step = -(-len(records) // sample)
            asked = {
                i: code for i in range(0, len(records), step) if (code := told(records[i].prompt_text, detect, sure))
            }
            if len(asked) >= 10:
                yield _report(records, asked)
                yield from _switched(records, asked, detect, sure, switch_share, step)
        yield from _stray(records)

    return check


def _report(records: Sequence[Record], found: dict[int, str]) -> Finding:
    counts = Counter(found.values())
    total = len(found)
    main = counts.most_common(1)[0][0]
    found = {i: code for i, code in found.items() if code == main or not _of(records[i].prompt_text, main)}
    counts, total = Counter(found.values()), len(found)
    others = [i for i, code in found.items() if code != main]
    others.sort(key=lambda i: counts[found[i]])
    shown = ", ".join(f"{code} {percent(n / total)}" for code, n in counts.most_common(4))
    return Finding(
        check="language",
        severity="info",
        sentence=f"Languages of the longer requests: {shown}.",
        indices=tuple(others),
        evidence=reasons(others, lambda i: f"{found[i]}: {quote(records[i].prompt_text)}"),
        details={"languages": dict(counts.most_common()), "looked_at": total},
    )


def _of(text: str, language: str) -> bool:
    """Whether a text is in a language although a detector took it for another one: names of places are of no language,
    and the words between them decide."""
    spelling = spelling_of(language)
    words = [w for w in _WORD.findall(" ".join(text[:READ_LETTERS].split())) if w.islower()]
    return spelling is not None and len(words) >= 3 and spelling.knows_most(words, _KNOWN_SHARE)


def _switched(
    records: Sequence[Record],
    asked: dict[int, str],
    detect: Callable[[str], tuple[str, float]],
    sure: float,
    share: float,
    step: int,
) -> Iterator[Finding]:
    """Answers in another language than their request, unless the request speaks of languages, or many do so."""
    found: dict[int, tuple[str, str]] = {}
    judged = 0
    for index, code in asked.items():
        said = records[index].answer_text
        if said.lstrip().startswith(_DATA):  # its field names are in a language of their own
            continue
        answer = told(said, detect, max(sure, 0.8))
        if not answer:
            continue
        judged += 1
        alike = code == answer or frozenset((code, answer)) in _ALIKE
        if not alike and not _LANGUAGE_WORDS.search(records[index].prompt_text[: 4 * READ_LETTERS]):
            found[index] = (code, answer)
    if not found or len(found) > share * judged:
        return
    looked = f" of the {judged:,} looked at" if step > 1 else ""
    indices = tuple(found)
    yield Finding(
        check="language",
        severity="warning",
        sentence=(
            f"{count_of(len(found), 'answer')}{looked} {verb(len(found), 'is', 'are')} in another language than "
            f"{verb(len(found), 'its request', 'their requests')}."
        ),
        indices=indices,
        evidence=reasons(indices, lambda i: f"{found[i][0]} → {found[i][1]}: {quote(records[i].answer_text)}"),
        details={"fault": "switched", "count": len(found), "looked_at": judged},
    )


def _stray(records: Sequence[Record]) -> Iterator[Finding]:
    """Letters of another script in an answer that is written in Latin letters and whose request has none of them."""
    found: dict[int, str] = {}
    for index, record in enumerate(records):
        answer = record.answer_text
        if answer.isascii() or not FOREIGN.search(answer):
            continue
        latin = sum(c.isascii() and c.isalpha() for c in answer)
        for name, pattern in _SCRIPTS.items():
            match = pattern.search(answer)
            if match is None:
                continue
            foreign = sum(not c.isascii() and c.isalpha() for c in answer)
            prompt = record.prompt_text
            if latin > 4 * foreign and not pattern.search(prompt) and not _LANGUAGE_WORDS.search(prompt):
                found[index] = f"{name} in “{' '.join(answer[max(0, match.start() - 20) : match.end() + 20].split())}”"
    if found and len(found) <= max(1, _STRAY_SHARE * len(records)):
        indices = tuple(found)
        yield Finding(
            check="language",
            severity="info",
            sentence=(
                f"{count_of(len(found), 'answer')} in Latin letters {verb(len(found), 'holds', 'hold')} words of"
                " another script that the request does not have."
            ),
            indices=indices,
            evidence=reasons(indices, lambda i: found[i]),
            details={"fault": "stray_script", "count": len(found)},
        )
