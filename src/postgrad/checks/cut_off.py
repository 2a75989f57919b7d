"""Answers that stop before their end: a model that learns them learns to stop there too."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from postgrad.answers import answer_kind, parse_json
from postgrad.checks.support.evidence import reasons
from postgrad.checks.support.length_wall import Wall, find_wall
from postgrad.checks.support.phrases import count_of, percent, quote_end, verb
from postgrad.facts import load_facts
from postgrad.findings import Check, Context, Finding, Repair, check_factory
from postgrad.records import Record

_OPEN_MARKS = frozenset(",([{–—-/&+=<\\‚„«¿¡")
_LIST_ITEM = re.compile(r"^\s*([-*•]|\d+[.)])\s", re.MULTILINE)
_ADDRESS = re.compile(r"(?:https?://|www\.)\S*$|\S+@\S+$")
# Words after which no sentence ends; of each language only those that mean nothing else in the others at a sentence's
# end.
_LINKING = frozenset(word for words in load_facts("cut_off")["linking"].values() for word in words)
_WORDS_OF_A_LINE = 8
_CJK_LETTERS = 40
_PROSE_SHARE = 0.6
_AROUND_WORDS = ".,;:!?'\"’“”()-–"
_RARE_SHARE = 0.05


@check_factory(
    harm=64,
    advice="Export the answers again without a length limit; drop those that are not available in full.",
)
def cut_off(
    *,
    usual_share: float = 0.8,
    min_words: int = 12,
    min_equal: int = 5,
    equal_share: float = 0.02,
    near_limit: int = 30,
    slip_share: float = 0.03,
) -> Check:
    """Finds broken JSON among JSON, sentences without an end among complete ones, and a limit at which answers stop.

    Args:
        usual_share: Share of answers that must be whole before the others count as cut off.
        min_words: Shorter answers may go without a full stop.
        min_equal: How many answers of exactly the greatest length show an export limit, at least.
        equal_share: The same as a share of all answers.
        near_limit: Answers shorter than this many characters are too short to show a limit.
        slip_share: Up to this share of open ends, each is reported; above it, only those in mid-sentence (after “the”,
            a comma).
    """

    def check(records: Sequence[Record], context: Context) -> Iterator[Finding]:
        answers = {i: r.answer_text.strip() for i, r in enumerate(records) if r.answer_text.strip()}
        kind = answer_kind(list(answers.values()))
        if kind == "json":
            yield from _broken_json(answers, usual_share)
        elif kind == "text":
            yield from _open_ended(answers, usual_share, min_words, slip_share)
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
        sentence=(
            f"{count_of(len(broken), 'answer')} {verb(len(broken), 'is', 'are')} broken JSON, "
            f"while the other {len(answers) - len(broken):,} can be read; probably cut off."
        ),
        indices=tuple(broken),
        evidence=reasons(broken, lambda i: f"ends with {quote_end(answers[i])}"),
        repairs=tuple(Repair(i, "drop") for i in broken),
        details={"fault": "broken_json", "count": len(broken)},
    )


def _open_ended(answers: dict[int, str], usual_share: float, min_words: int, slip_share: float) -> Iterator[Finding]:
    """Long answers without an end: at a length limit, or in mid-sentence where most have final punctuation."""
    prose = {i: a for i, a in answers.items() if _is_long(a, min_words) and not _ends_as_list(a)}
    open_ended = [i for i, answer in prose.items() if is_open(answer)]
    if not open_ended:
        return
    wall = find_wall(prose, set(open_ended))
    at_wall: set[int] = set()
    if wall is not None:
        at_wall = {i for i in open_ended if wall.sizes[i] >= wall.start}
        yield _length_wall(prose, wall, at_wall)
    rest = [i for i in open_ended if i not in at_wall and _is_prose(prose[i])]
    cut = [i for i in rest if stops_within(prose[i])]
    how = f"in mid-sentence, unlike the other {len(prose) - len(cut):,}"
    if len(rest) > (1 - usual_share) * len(
        prose
    ):  # no full stops by custom: only what surely stops within, if it is rare
        cut = cut if len(cut) <= _RARE_SHARE * len(prose) else []
    elif len(rest) <= slip_share * len(prose):
        how = f"without final punctuation, which the other {len(prose) - len(open_ended):,} have"
        cut = [i for i in rest if stops_within(prose[i]) or _last_line_is_text(prose[i])]
    if not cut:
        return
    cut.sort(key=lambda i: -len(prose[i]))
    yield Finding(
        check="cut_off",
        severity="warning",
        sentence=f"{count_of(len(cut), 'long answer')} {verb(len(cut), 'ends', 'end')} {how}; probably cut off.",
        indices=tuple(cut),
        evidence=reasons(cut, lambda i: f"ends with {quote_end(prose[i])}"),
        repairs=tuple(Repair(i, "drop", safe=False) for i in cut),
        details={"fault": "open_ended", "count": len(cut), "open": len(open_ended), "long_answers": len(prose)},
    )


def _is_prose(answer: str) -> bool:
    """Whether most of a text is words: a program or a command ends where it ends."""
    words = [word.strip(_AROUND_WORDS) for word in answer.split()]
    return sum(len(word) > 1 and word.isalpha() for word in words) > _PROSE_SHARE * len(words)


def is_open(answer: str) -> bool:
    """Whether a text ends with a letter, a digit or a mark that opens something."""
    last = answer[-1:]
    return last.isalnum() or last in _OPEN_MARKS


def stops_within(answer: str) -> bool:
    """Whether a text surely stops within a sentence: after a comma, an opening mark, or a word that links to
    another."""
    if answer[-1:] in ",([{":
        return True
    tail = answer[-40:].split()
    before = tail[-2] if len(tail) > 1 else ""
    return tail[-1] in _LINKING and len(answer) > len(tail[-1]) and not before.endswith((".", ":", "=", ")"))


def _is_long(answer: str, min_words: int) -> bool:
    spaces = answer.count(" ") + answer.count("\n")
    return spaces + 1 >= min_words or (len(answer) >= _CJK_LETTERS and spaces < len(answer) // 20)


def _last_line_is_text(answer: str) -> bool:
    """A last line that is a heading, a signature or an address needs no full stop."""
    line = answer[answer.rfind("\n") + 1 :]
    return len(line.split()) >= _WORDS_OF_A_LINE and _ADDRESS.search(line) is None and not line.istitle()


def _length_wall(prose: dict[int, str], wall: Wall, at_wall: set[int]) -> Finding:
    cut = sorted(at_wall, key=lambda i: (-len(prose[i]), i))
    return Finding(
        check="cut_off",
        severity="warning",
        sentence=(
            f"{count_of(len(cut), 'answer')} {verb(len(cut), 'stops', 'stop')} in mid-sentence close to the greatest"
            f" length (about {wall.start:,} to {wall.end:,} tokens): {percent(wall.open_share)} of the answers there"
            f" have no final punctuation, of the shorter ones {percent(wall.usual_share)}. A length limit of about"
            f" {wall.middle:,} tokens seems to have cut them."
        ),
        indices=tuple(cut),
        evidence=reasons(cut, lambda i: f"ends with {quote_end(prose[i])}"),
        repairs=tuple(Repair(i, "drop", safe=False) for i in cut),
        details={
            "fault": "length_wall",
            "count": len(cut),
            "from_tokens": wall.start,
            "to_tokens": wall.end,
            "open_share": round(wall.open_share, 3),
            "usual_open_share": round(wall.usual_share, 3),
        },
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
        open_share = sum(is_open(answers[i]) for i in at_limit) / max(1, len(at_limit))
        codes = all(" " not in text for text in texts)  # of one length by nature
        if len(texts) < enough or min(map(len, texts)) < near_limit or open_share < 0.5 or codes:
            continue
        yield Finding(
            check="cut_off",
            severity="warning",
            sentence=(
                f"{len(at_limit)} answers have exactly {longest:,} {unit}, and none has more: an export limit seems to "
                "have cut them."
            ),
            indices=tuple(at_limit),
            evidence=reasons(at_limit, lambda i: f"ends with {quote_end(answers[i])}"),
            repairs=tuple(Repair(i, "drop", safe=False) for i in at_limit),
            details={"fault": "length_limit", "unit": unit, "limit": longest, "count": len(at_limit)},
        )
        return
