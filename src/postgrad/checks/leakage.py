"""What is to be tested on stands in what is trained on: between the user's own parts, and into general benchmarks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePath
from typing import Literal

from postgrad.checks.support.phrases import count_of, place, quote, verb
from postgrad.checks.support.record_texts import texts_of
from postgrad.findings import Check, Context, Finding, Repair, check_factory
from postgrad.records import Record
from postgrad.similarity.near_duplicates import exact_key, exact_keys, find_similar
from postgrad.similarity.templates import template_pairs

RecordPart = Literal["train", "validation", "test", ""]

_PARTS: dict[str, RecordPart] = {
    **dict.fromkeys(("train", "training", "trainset", "tr"), "train"),
    **dict.fromkeys(("valid", "validation", "val", "dev", "devel", "devset", "development", "tune"), "validation"),
    **dict.fromkeys(("test", "tests", "testset", "testing", "eval", "evaluation", "heldout", "holdout"), "test"),
}
_WORD = re.compile(r"\w+")
_GRAM = 13
_SHORTEST = 8
_COMMON = 10


@check_factory(
    harm=88,
    advice="Take these records out of training: a test that was learned by heart proves nothing.",
)
def leakage(*, near_threshold: float = 0.8, gram: int = _GRAM) -> Check:
    """Finds records of a training part that also stand in a validation or test part, and questions of general
    benchmarks.

    Parts are told by the file's name (`train.csv`, `dev.jsonl`, `my-test-set.json`), its folder, or a column `split`.
    The repair drops the training record; it is not made unasked.

    Args:
        near_threshold: From which similarity a training request counts as nearly a tested one.
        gram: Words in sequence that a record must share with a benchmark's question: 13 as in GPT-3 (Brown et al. 2020,
            appendix C). Questions of 8 to 12 words must be contained whole; shorter ones are not looked for, and
            sequences found in more than ten questions are phrases and left out.
    """

    def check(records: Sequence[Record], context: Context) -> Iterator[Finding]:
        parts: list[RecordPart] = [part_of(r) for r in records]
        if "train" in parts and ("test" in parts or "validation" in parts):
            yield from _between_parts(records, parts, near_threshold)
        if context.benchmarks is not None:
            yield from _benchmarks(records, context.benchmarks(), gram)

    return check


def part_of_name(name: str) -> RecordPart:
    """The part that a file's name or its folder speaks of; empty where none does, or two do."""
    path = PurePath(name)
    for word in (path.name.split(".")[0], path.parent.name):
        found: set[RecordPart] = {_PARTS[w] for w in re.split(r"[^a-z]+", word.lower()) if w in _PARTS}
        if found:
            return found.pop() if len(found) == 1 else ""
    return ""


def part_of(record: Record) -> RecordPart:
    """The part of a record: by its column `split`, or else by its file."""
    named = record.meta.get("split")
    if isinstance(named, str) and named.strip().lower() in _PARTS:
        return _PARTS[named.strip().lower()]
    return part_of_name(record.source.file)


def _between_parts(records: Sequence[Record], parts: Sequence[RecordPart], threshold: float) -> Iterator[Finding]:
    texts = [r.prompt_text for r in records]
    keys = exact_keys(texts)
    trained: dict[str, list[int]] = {}
    for index, part in enumerate(parts):
        if part == "train" and keys[index]:
            trained.setdefault(keys[index], []).append(index)
    tested = [i for i, part in enumerate(parts) if part in ("test", "validation")]
    exact = {i: (trained[keys[i]], 1.0) for i in tested if keys[i] in trained}
    if exact:
        yield _parts_finding(
            records, parts, exact, "exact", "are also in the training part", "is also in the training part"
        )
    pairs = []
    for first, second, score in find_similar(texts).above(threshold).pairs:
        train, other = (first, second) if parts[first] == "train" else (second, first)
        if parts[train] == "train" and parts[other] in ("test", "validation") and other not in exact:
            pairs.append((train, other, score))
    templates = template_pairs(texts, pairs)
    near: dict[int, tuple[list[int], float]] = {}
    for train, other, score in pairs:
        if (train, other) not in templates and score > near.get(other, ([], 0.0))[1]:
            near[other] = ([train], score)
    if near:
        yield _parts_finding(
            records, parts, near, "near", "are nearly training requests", "is nearly a training request"
        )


def _parts_finding(
    records: Sequence[Record],
    parts: Sequence[RecordPart],
    found: dict[int, tuple[list[int], float]],
    fault: str,
    many: str,
    one: str,
) -> Finding:
    ranked = sorted(found, key=lambda i: (parts[i] != "test", -found[i][1], i))
    counts = {part: sum(parts[i] == part for i in ranked) for part in ("test", "validation")}
    shown = " and ".join(count_of(n, f"{part} request") for part, n in counts.items() if n)
    twins = dict.fromkeys(t for i in ranked for t in found[i][0])
    return Finding(
        check="leakage",
        severity="warning",
        sentence=f"{shown} {verb(len(ranked), one, many)}: a score on them shows memory, not skill.",
        indices=tuple(ranked),
        evidence=tuple(_beside(records, i, *found[i], fault) for i in ranked),
        repairs=tuple(Repair(t, "drop", safe=False) for t in twins),
        details={"fault": fault, **counts, "training_records": len(twins)},
    )


def _beside(records: Sequence[Record], index: int, twins: list[int], score: float, fault: str) -> str:
    there = place(records[twins[0]].source)
    text = quote(records[index].prompt_text, 60)
    if fault == "exact":
        return f"the same as {there}: {text}"
    return f"{100 * score:.0f} % like {there}: {text} / {quote(records[twins[0]].prompt_text, 60)}"


def _benchmarks(records: Sequence[Record], questions: Iterable[tuple[str, str]], gram: int) -> Iterator[Finding]:
    grams = _question_grams(questions, gram)
    lengths = sorted({len(words) for words in grams})
    found: dict[int, tuple[str, str, int]] = {}
    for index, record in enumerate(records):
        words = tuple(_WORD.findall(exact_key("\n".join(texts_of(record)))))
        hits = [grams[part] for n in lengths for i in range(len(words) - n + 1) if (part := words[i : i + n]) in grams]
        if hits:
            name, text = hits[0]
            found[index] = (name, text, len(hits))
    if not found:
        return
    ranked = sorted(found, key=lambda i: (-found[i][2], i))
    names = {name: sum(found[i][0] == name for i in ranked) for name in sorted({found[i][0] for i in ranked})}
    shown = ", ".join(f"{name} {n:,}" for name, n in names.items())
    yield Finding(
        check="leakage",
        severity="warning",
        sentence=(
            f"{count_of(len(ranked), 'record')} {verb(len(ranked), 'holds', 'hold')} a question of a general benchmark "
            f"({shown}): the test for forgetting would overstate what the model knows."
        ),
        indices=tuple(ranked),
        evidence=tuple(f"{found[i][0]}: {quote(found[i][1], 80)}" for i in ranked),
        repairs=tuple(Repair(i, "drop", safe=False) for i in ranked),
        details={"fault": "benchmark", "benchmarks": names, "gram": gram},
    )


def _question_grams(questions: Iterable[tuple[str, str]], gram: int) -> dict[tuple[str, ...], tuple[str, str]]:
    """Sequence of words → (benchmark, question)."""
    grams: dict[tuple[str, ...], tuple[str, str]] = {}
    seen: dict[tuple[str, ...], int] = {}
    for name, text in questions:
        words = tuple(_WORD.findall(exact_key(text)))
        if len(words) < min(_SHORTEST, gram):
            continue
        size = min(gram, len(words))
        for part in {words[i : i + size] for i in range(len(words) - size + 1)}:
            grams.setdefault(part, (name, text))
            seen[part] = seen.get(part, 0) + 1
    return {part: where for part, where in grams.items() if seen[part] <= _COMMON}
