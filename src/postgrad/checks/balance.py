"""How the answers are spread: a class with three examples is not learned, a class with all of them is not a
question."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from postgrad.answers import label_counts, parse_json
from postgrad.checks.support.phrases import count_of, percent, verb
from postgrad.findings import Check, Context, Finding, check_factory
from postgrad.records import Record, Task, Text

_NAMED = 5
_MAX_FIELDS = 40


@check_factory(
    harm=52,
    advice="Add examples of the rare answers, or measure by macro-F1, which counts every class alike.",
)
def balance(*, rare_below: int = 5, dominant_above: float = 0.8) -> Check:
    """Judges the spread of label answers, and finds sets in which every answer is the same (an error).

    Args:
        rare_below: A label with fewer records is called rare.
        dominant_above: A label with a larger share is called dominant.
    """

    def check(records: Sequence[Record], context: Context) -> Iterator[Finding]:
        answers = {
            i: r.answer_text.strip()
            for i, r in enumerate(records)
            if r.answer_text.strip() and not isinstance(r, Text | Task)
        }
        if len(answers) > 1 and len(set(answers.values())) == 1:
            only = next(iter(answers.values()))
            yield Finding(
                check="balance",
                severity="error",
                sentence=f"All {len(answers):,} answers are the same ({only[:60]!r}): there is nothing to learn.",
                indices=tuple(answers)[:10],
                details={"fault": "all_the_same", "answer": only[:200]},
            )
            return
        counts = label_counts(list(answers.values()))
        if counts is not None:
            yield from _labels(answers, counts, rare_below, dominant_above)
        else:
            yield from _constant_fields(answers)

    return check


def _labels(
    answers: dict[int, str], counts: dict[str, int], rare_below: int, dominant_above: float
) -> Iterator[Finding]:
    total = sum(counts.values())
    top, most = next(iter(counts.items()))
    details = {"labels": counts, "total": total}
    shown = ", ".join(f"{label!r} {percent(n / total)}" for label, n in list(counts.items())[:3])
    yield Finding(
        check="balance",
        severity="info",
        sentence=f"The answers are {count_of(len(counts), 'label')}; most frequent: {shown}.",
        details={"fault": "", **details},
    )
    if most > dominant_above * total:
        yield Finding(
            check="balance",
            severity="warning",
            sentence=(
                f"{percent(most / total)} of the answers are {top!r}: always saying so would already be right that"
                " often."
            ),
            details={"fault": "dominant", "label": top, "share": most / total},
        )
    yield from _spellings(answers, counts)
    rare = {label: n for label, n in counts.items() if n < rare_below}
    if rare:
        named = ", ".join(f"{label!r} ({n})" for label, n in sorted(rare.items(), key=lambda item: item[1])[:_NAMED])
        more = f" and {len(rare) - _NAMED} more" if len(rare) > _NAMED else ""
        indices = sorted((i for i, a in answers.items() if a in rare), key=lambda i: (rare[answers[i]], i))
        yield Finding(
            check="balance",
            severity="warning",
            sentence=(
                f"{count_of(len(rare), 'label')} {verb(len(rare), 'has', 'have')} fewer than {rare_below} examples: "
                f"{named}{more}."
            ),
            indices=tuple(indices),
            evidence=tuple(f"{answers[i]!r} occurs {rare[answers[i]]}×" for i in indices),
            details={"fault": "rare", "labels": rare},
        )


def _spellings(answers: dict[int, str], counts: dict[str, int]) -> Iterator[Finding]:
    """Labels that differ in case, spacing, punctuation or a plural s: one class that counts as several."""
    groups: dict[str, list[str]] = {}
    for label in counts:  # most frequent first
        groups.setdefault(spelling(label), []).append(label)
    variants = {label: group[0] for group in groups.values() for label in group[1:]}
    if not variants:
        return
    indices = sorted((i for i, a in answers.items() if a in variants), key=lambda i: (counts[answers[i]], i))
    named = ", ".join(
        f"{label!r} ({counts[label]}) and {usual!r} ({counts[usual]})"
        for label, usual in list(variants.items())[:_NAMED]
    )
    yield Finding(
        check="balance",
        severity="warning",
        sentence=(
            f"{count_of(len(variants), 'label')} {verb(len(variants), 'looks', 'look')} like another spelling of a"
            f" label: {named}."
        ),
        indices=tuple(indices),
        evidence=tuple(f"{answers[i]!r}, usually {variants[answers[i]]!r}" for i in indices),
        details={"fault": "spelling", "variants": variants},
    )


def spelling(label: str) -> str:
    """What two spellings of one label share. A last s falls only after three letters and never a double one
    ("pass")."""
    words = re.findall(r"[^\W_]+", label.casefold())
    return " ".join(w[:-1] if len(w) > 3 and w.endswith("s") and not w.endswith("ss") else w for w in words) or label


def _constant_fields(answers: dict[int, str]) -> Iterator[Finding]:
    """Fields of JSON answers that always hold the same value: the model need not read anything to fill them."""
    objects = [value for answer in answers.values() if isinstance(value := parse_json(answer), dict)]
    if len(objects) < 10 or len(objects) < 0.6 * len(answers):
        return
    fields = Counter(key for value in objects for key in value)
    constant = {}
    for key, count in fields.most_common(_MAX_FIELDS):
        seen = {repr(value.get(key)) for value in objects if key in value}
        if count == len(objects) and len(seen) == 1:
            constant[key] = seen.pop()[:60]
    if constant:
        named = ", ".join(f"{key!r} is always {value}" for key, value in list(constant.items())[:_NAMED])
        yield Finding(
            check="balance",
            severity="info",
            sentence=(
                f"{count_of(len(constant), 'field')} of the answers {verb(len(constant), 'does', 'do')} not vary:"
                f" {named}."
            ),
            details={"fault": "constant_fields", "fields": constant},
        )
