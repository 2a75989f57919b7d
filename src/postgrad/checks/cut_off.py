"""Answers that stop before their end: a model that learns them learns to stop there too."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from statistics import median

from postgrad.answers import answer_kind, parse_json
from postgrad.checks.wording import count_of, percent, quote_end, verb
from postgrad.findings import Check, Context, Finding, Repair
from postgrad.records import Record

_FINAL = re.compile(r"[.!?…。！？؟।:;»”’\"'`)\]}>|*_~-]\s*$")
_MIN_TENTH = 20
_LIST_ITEM = re.compile(r"^\s*([-*•]|\d+[.)])\s", re.MULTILINE)


def cut_off(
    *,
    usual_share: float = 0.8,
    min_words: int = 12,
    min_equal: int = 5,
    equal_share: float = 0.02,
    near_limit: int = 30,
) -> Check:
    """Finds broken JSON among JSON, sentences without an end among complete ones, and a limit at which answers stop.

    Args:
        usual_share: Share of answers that must be whole before the others count as cut off.
        min_words: Shorter answers may go without a full stop.
        min_equal: How many answers of exactly the greatest length show an export limit, at least.
        equal_share: The same as a share of all answers.
        near_limit: Answers shorter than this many characters are too short to show a limit.
    """

    def check(records: Sequence[Record], context: Context) -> Iterator[Finding]:
        answers = {i: r.answer_text.strip() for i, r in enumerate(records) if r.answer_text.strip()}
        kind = answer_kind(list(answers.values()))
        if kind == "json":
            yield from _broken_json(answers, usual_share)
        elif kind == "text":
            yield from _open_ended(answers, usual_share, min_words)
        if kind != "label":
            yield from _same_length(answers, max(min_equal, equal_share * len(answers)), near_limit)

    return check


def _broken_json(answers: dict[int, str], usual_share: float) -> Iterator[Finding]:
    broken = [i for i, answer in answers.items() if parse_json(answer) is None]
    if not broken or len(broken) > (1 - usual_share) * len(answers):
        return
    yield Finding(
        check="cut_off",
        severity="warning",
        sentence=f"{count_of(len(broken), 'answer')} {verb(len(broken), 'is', 'are')} broken JSON, "
        f"while the other {len(answers) - len(broken):,} can be read; probably cut off.",
        indices=tuple(broken),
        evidence=tuple(f"ends with {quote_end(answers[i])}" for i in broken),
        repairs=tuple(Repair(i, "drop") for i in broken),
        details={"fault": "broken_json", "count": len(broken)},
    )


def _open_ended(answers: dict[int, str], usual_share: float, min_words: int) -> Iterator[Finding]:
    """Long answers without final punctuation, where most long answers have it. A last list item needs none."""
    prose = {i: a for i, a in answers.items() if len(a.split()) >= min_words and not _ends_as_list(a)}
    open_ended = [i for i, answer in prose.items() if not _FINAL.search(answer)]
    if len(open_ended) > (1 - usual_share) * len(prose):
        yield from _length_wall(prose, set(open_ended))
        return
    if not open_ended:
        return
    open_ended.sort(key=lambda i: -len(prose[i]))
    yield Finding(
        check="cut_off",
        severity="warning",
        sentence=f"{count_of(len(open_ended), 'long answer')} {verb(len(open_ended), 'ends', 'end')} without final "
        f"punctuation, while the other {len(prose) - len(open_ended):,} have it; probably cut off.",
        indices=tuple(open_ended),
        evidence=tuple(f"ends with {quote_end(prose[i])}" for i in open_ended),
        repairs=tuple(Repair(i, "drop", safe=False) for i in open_ended),
        details={"fault": "open_ended", "count": len(open_ended), "long_answers": len(prose)},
    )


def _length_wall(prose: dict[int, str], open_ended: set[int]) -> Iterator[Finding]:
    """Where many answers end openly anyway: whether those near the greatest length do so at least twice as often."""
    ordered = sorted(prose, key=lambda i: len(prose[i]))
    tenths = [ordered[k * len(ordered) // 10 : (k + 1) * len(ordered) // 10] for k in range(10)]
    if len(tenths[0]) < _MIN_TENTH:
        return
    shares = [sum(i in open_ended for i in tenth) / len(tenth) for tenth in tenths]
    usual = median(shares)
    wall: list[int] = []
    for tenth, share in zip(reversed(tenths), reversed(shares), strict=True):
        if share < max(2 * usual, 0.5):
            break
        wall = [i for i in tenth if i in open_ended] + wall
    if wall:
        wall.sort(key=lambda i: -len(prose[i]))
        yield Finding(
            check="cut_off",
            severity="warning",
            sentence=f"Of the longest tenth of the answers {percent(shares[-1])} end without final punctuation, elsewhere about "
            f"{percent(usual)}: a length limit seems to have cut {len(wall):,} of them.",
            indices=tuple(wall),
            evidence=tuple(f"ends with {quote_end(prose[i])}" for i in wall),
            repairs=tuple(Repair(i, "drop", safe=False) for i in wall),
            details={"fault": "length_wall", "count": len(wall), "share_by_tenth": [round(s, 3) for s in shares]},
        )


def _ends_as_list(answer: str) -> bool:
    lines = answer.rstrip().split("\n")
    return len(lines) > 1 and _LIST_ITEM.match(lines[-1]) is not None and len(lines[-1].split()) < 12


def _same_length(answers: dict[int, str], enough: float, near_limit: int) -> Iterator[Finding]:
    """Many different answers of exactly the greatest length, most with an open end: somebody's export stopped there."""
    for unit, measure in (("characters", len), ("words", lambda answer: len(answer.split()))):
        lengths = {i: measure(answer) for i, answer in answers.items()}
        longest = max(lengths.values(), default=0)
        at_limit = [i for i, length in lengths.items() if length == longest]
        texts = Counter(answers[i] for i in at_limit)
        open_share = sum(not _FINAL.search(answers[i]) for i in at_limit) / max(1, len(at_limit))
        codes = all(" " not in text for text in texts)  # of one length by nature
        if len(texts) < enough or min(map(len, texts)) < near_limit or open_share < 0.5 or codes:
            continue
        yield Finding(
            check="cut_off",
            severity="warning",
            sentence=f"{len(at_limit)} answers have exactly {longest:,} {unit}, and none has more: an export limit seems to "
            "have cut them.",
            indices=tuple(at_limit),
            evidence=tuple(f"ends with {quote_end(answers[i])}" for i in at_limit),
            repairs=tuple(Repair(i, "drop", safe=False) for i in at_limit),
            details={"fault": "length_limit", "unit": unit, "limit": longest, "count": len(at_limit)},
        )
        return
