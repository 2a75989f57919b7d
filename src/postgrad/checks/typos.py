"""Words in answers that are misspelt or garbled: a model learns them as it learns everything else."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from postgrad.answers import answer_kind
from postgrad.checks.support.evidence import reasons
from postgrad.checks.support.phrases import count_of, quote, verb
from postgrad.checks.support.record_texts import with_answer
from postgrad.checks.support.words.languages import detector, told
from postgrad.checks.support.words.program_text import is_program_text
from postgrad.checks.support.words.spelling import Spelling, spelling_of, words_to_judge
from postgrad.findings import Check, Context, Finding, Repair, check_factory
from postgrad.records import Message, Record

_LANGUAGE_FROM = 300
"""Answers whose language is asked for, evenly over the set, to know the set's."""
_OWN_FROM = 3
"""A word that so many records have is the set's own, however it is spelled."""
_CALIBRATED_FROM = 40
"""From so many own words on the set itself says how often a right word lies beside a common one."""
_BESIDE = 0.25
"""How often else: as in the vocabulary of eleven real sets."""
_WARN_SHARE = 0.01
_WARN_LIKELY = 0.5
_KNOWN_SHARE = 0.4
_SHOWN = 4
_ANY_WORD = re.compile(r"[^\W\d_]+")


@check_factory(
    harm=30,
    advice="Look at some of the words listed; --repair typos puts in those that were probably meant.",
)
def typos(*, sure: float = 0.7, most: int = 20_000) -> Check:
    """Finds misspelt words of answers by a dictionary of their language, with the word that was probably meant.

    A word is reported where no dictionary, no rule of its language, no other records and not its own request have it,
    and a common word is one stroke away or has the same letters, or its letters follow each other as in no word. Names,
    codes, program text and addresses are left out; so are labels, and languages without a dictionary. How many of the
    words are likely real errors is estimated from the set: its own vocabulary, which is no error, looks so as often as
    chance has it. Mended only when asked for.

    Args:
        sure: Below this confidence the language of a single answer counts as the set's.
        most: Answers that are judged at most, evenly over the set.
    """

    def check(records: Sequence[Record], context: Context) -> Iterator[Finding]:
        answers = {i: r.answer_text for i, r in enumerate(records) if r.answer_text.strip()}
        if not answers or answer_kind(list(answers.values())) == "label":
            return
        step = -(-len(answers) // most)
        judged = {i: text for i, text in list(answers.items())[::step] if not is_program_text(text)}
        main = _main_language(list(judged.values()), sure) if judged else None
        if main is None:
            return
        used = Counter(w for r in records[::step] for w in _words(f"{r.prompt_text}\n{r.answer_text}", main))
        found: dict[int, dict[str, str]] = {}
        unknown, beside = set(), set()
        for index, text in judged.items():
            asked: set[str] | None = None
            for word, _ in words_to_judge(text, capitals=main.capitals):
                low = word.lower()
                if main.knows(low) or used[low] >= _OWN_FROM:
                    continue
                if asked is None:
                    asked = set(records[index].prompt_text.lower().split())
                    if not _in_main_language(text, main, sure):
                        break
                if any(low in a for a in asked):
                    continue
                unknown.add(low)
                meant = main.meant(low, used)
                if meant or main.garbled(low):
                    beside.add(low)
                    found.setdefault(index, {})[word] = meant
        if found:
            yield _finding(records, found, len(judged), _share_real(main, used, len(unknown), len(beside)))

    return check


def _main_language(texts: Sequence[str], sure: float) -> Spelling | None:
    """The words of the language that most answers are in."""
    detect = detector()
    if detect is None:
        return None
    step = -(-len(texts) // _LANGUAGE_FROM)
    codes = Counter(code for t in texts[::step] if (code := told(t, detect, sure)))
    if not codes:
        joined = " ".join(texts)[:2_000]
        codes = Counter([told(joined, detect, sure)])
    return spelling_of(codes.most_common(1)[0][0])


def _in_main_language(text: str, main: Spelling, sure: float) -> bool:
    """Whether an answer is in the set's language: short words, which nobody misspells, belong to it."""
    detect = detector()
    code = told(text, detect, sure) if detect is not None else ""
    if code and spelling_of(code) not in (main, None):
        return False
    words = _ANY_WORD.findall(text.lower())
    return main.knows_most(words, _KNOWN_SHARE)


def _words(text: str, main: Spelling) -> set[str]:
    return {w.lower() for w, _ in words_to_judge(text, capitals=main.capitals)}


def _share_real(main: Spelling, used: Counter[str], unknown: int, beside: int) -> float:
    """Of the words found the share that are likely errors.

    Of right but unknown words the share q lies beside a common one by chance. With u unknown words of which t lie so,
    t = errors + q (u − errors).
    """
    own = [w for w, n in used.items() if n >= _OWN_FROM and not main.knows(w)]
    chance = _BESIDE
    if len(own) >= _CALIBRATED_FROM:
        chance = sum(bool(main.meant(w, used)) or main.garbled(w) for w in own) / len(own)
    errors = max(0.0, (beside - chance * unknown) / max(1e-9, 1 - chance))
    return min(1.0, errors / beside)


def _finding(records: Sequence[Record], found: dict[int, dict[str, str]], judged: int, likely: float) -> Finding:
    ranked = sorted(found, key=lambda i: (-len(found[i]), i))
    words = Counter(_told_word(w, m) for pairs in found.values() for w, m in pairs.items())
    answers, real = len(ranked), likely * len(ranked)
    grave = likely >= _WARN_LIKELY and real >= max(2, _WARN_SHARE * judged)
    shown = ", ".join(pair for pair, _ in words.most_common(_SHOWN))
    return Finding(
        check="typos",
        severity="warning" if grave else "info",
        sentence=(
            f"{count_of(answers, 'answer')} {verb(answers, 'has', 'have')} words that look misspelt; of the "
            f"{count_of(len(words), 'word')} about {round(likely * len(words)):,} likely are: {shown}."
        ),
        indices=tuple(ranked),
        evidence=reasons(ranked, lambda i: _evidence(records[i].answer_text, found[i])),
        repairs=tuple(
            Repair(i, "replace", changed, safe=False)
            for i in ranked
            if (changed := _mended(records[i], found[i])) is not None
        ),
        details={"fault": "misspelt", "answers": answers, "words": dict(words.most_common(200)), "judged": judged},
        likely=likely,
    )


def _evidence(answer: str, pairs: dict[str, str]) -> str:
    named = ", ".join(_told_word(w, m) for w, m in list(pairs.items())[:_SHOWN])
    more = f" and {len(pairs) - _SHOWN} more" if len(pairs) > _SHOWN else ""
    at = max(0, answer.find(next(iter(pairs))) - 20)
    return f"{named}{more}: {quote(answer[at : at + 80])}"


def _told_word(word: str, meant: str) -> str:
    return f"{word} → {meant}" if meant else f"{word} (no word)"


def _mended(record: Record, pairs: dict[str, str]) -> Record | None:
    """The record with the words put right in its last answer; None where its answer is not a conversation's."""
    return with_answer(record, lambda answer: _put_right(answer, pairs)) if any(pairs.values()) else None


def _put_right(message: Message, pairs: dict[str, str]) -> Message:
    text = message.content
    for word, at in reversed(words_to_judge(text, capitals=True)):
        if meant := pairs.get(word):
            meant = meant.capitalize() if word[0].isupper() else meant
            text = text[:at] + meant + text[at + len(word) :]
    return replace(message, content=text)
