"""General ability before and after training, item by item."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from postgrad.errors import Interrupted
from postgrad.evaluation.battery import ASKED, BATTERY, HARNESS, TESTS
from postgrad.evaluation.battery.alignment import FORMS, alignment
from postgrad.evaluation.battery.arithmetic import arithmetic
from postgrad.evaluation.battery.judging import judge
from postgrad.evaluation.battery.open_questions import Questions
from postgrad.evaluation.battery.readers import READERS, ROWS_OF
from postgrad.evaluation.battery.style import form_of, style
from postgrad.evaluation.forgetting import Benchmark, items_of, load_benchmarks, requests, right_answers
from postgrad.measures import Forgetting
from postgrad.models.generation.likelihood import encode_asked, encode_item, log_likelihoods
from postgrad.models.language_model import LanguageModel
from postgrad.progress import Progress, Said, Working
from postgrad.recipe import EvaluationSection
from postgrad.records import Record
from postgrad.report.run_report import BenchmarkPart, ChangedPart, ForgettingPart
from postgrad.steps.context import RunContext
from postgrad.steps.examination.general import USUAL_ITEMS, ask, harness_scores
from postgrad.storage import home, sha256_json

SHOWN = 3  # questions with both answers, a benchmark
BLOCK = 25
"""Items that are scored and kept together; so many of a benchmark are scored however short the time."""
_TIME_SHARE = 0.12  # of the run's pace, for all multiple choice before and after training


@dataclass(frozen=True)
class General:
    """Right (1.0) or wrong (0.0) for every item of every benchmark, and what could not be tested.

    `answers` holds, for the benchmarks that are asked, the answer to each question in the order of the scores; `items`
    is how many items a benchmark with choices was wanted to have, `choosing` the seconds that all of them took.
    """

    scores: dict[str, list[float]]
    note: str
    seconds: float
    answers: dict[str, dict[str, str]] = field(default_factory=dict)
    items: int = 0
    choosing: float = 0.0


def benchmark_scores(
    ctx: RunContext,
    settings: EvaluationSection,
    model: LanguageModel,
    adapter: str | None,
    train: Sequence[Record] = (),
    items: int | None = None,
    more: Sequence[str] = (),
) -> Working[General]:
    """Scores the benchmarks with the model as it stands; kept by model, adapter and items.

    Args:
        train: The training part, whose answers' form general answers must not have.
        items: Items a benchmark; None: as many as are wished and affordable by the time that the first block takes. A
            number that was asked for holds wherever no time limit was.
        more: Tests besides those of the recipe.
    """
    names, start = list(dict.fromkeys([*(settings.benchmarks or BATTERY), *more])), time.monotonic()
    wished = settings.general_items or USUAL_ITEMS
    count = items or wished
    benchmarks, notes = yield from _multiple_choice(settings, names, count)
    if items is None and (ctx.clock.limited or settings.general_items is None):
        first, took = min(count, BLOCK), 0.0
        for benchmark in benchmarks:
            took += (yield from _scored(ctx, model, adapter, _shortened(benchmark, first)))[1]
        count = affordable_items(ctx.clock.pace, count, first, took)
        benchmarks = [_shortened(benchmark, count) for benchmark in benchmarks]
    if count < wished:
        notes.append(
            f"To stay within {ctx.clock.pace:g} minutes, at most {count} items a benchmark, not {wished}"
            " (evaluation.general_items)."
        )
    asked, more = _questions(names, train)
    for note in [*notes, *more]:
        yield Said(note, warning=True)
    scores: dict[str, list[float]] = {}
    seconds = 0.0
    for benchmark in benchmarks:
        right, took = yield from _scored(ctx, model, adapter, benchmark)
        origin = f" ({'the shortest of ' if benchmark.name in READERS else ''}{benchmark.origin})"
        yield Said(f"{benchmark.name}: {100 * sum(right) / len(right):.1f} % of {len(right)} items right{origin}")
        scores[benchmark.name], seconds = right, seconds + took
    choosing = seconds
    for name in names:
        if name.startswith(HARNESS):
            scores[name], took = yield from harness_scores(
                ctx, model, adapter, name, settings.general_items or USUAL_ITEMS
            )
            seconds += took
    answered = yield from ask(ctx, model, adapter, asked)
    for name, right in answered.scores.items():
        yield Said(
            f"{name}: {sum(right):.0f} of {len(right)} ({TESTS[name].title[:1].lower() + TESTS[name].title[1:]})"
        )
    ctx.ledger.took("general ability", time.monotonic() - start)
    note = " ".join([*notes, *more])
    return General(scores | answered.scores, note, seconds + answered.seconds, answered.answers, count, choosing)


def affordable_items(minutes: float, wished: int, measured: int, seconds: float) -> int:
    """Items a benchmark: as wished, unless they take more than their share of the time, before training and after it.

    Args:
        minutes: The run's pace.
        measured: Items a benchmark that took `seconds` in all.
    """
    affordable = _TIME_SHARE * 60 * minutes * measured / (2 * seconds) if seconds else wished
    return min(wished, max(measured, round(affordable)))


def _items_of(name: str, count: int) -> int:
    """Items of a benchmark by its name, where benchmarks get `count`."""
    return items_of(count, TESTS[name].share if name in TESTS else 1.0)


def _shortened(benchmark: Benchmark, count: int) -> Benchmark:
    if benchmark.asked:  # they are few
        return benchmark
    return replace(benchmark, items=benchmark.items[: _items_of(benchmark.name, count)])


def _multiple_choice(
    settings: EvaluationSection, names: Sequence[str], count: int
) -> Working[tuple[list[Benchmark], list[str]]]:
    """The benchmarks of `count` items with choices, and what is to be said of those that cannot be had."""
    folder = Path(settings.general_data) if settings.general_data else None
    wanted, notes = [n for n in names if n in READERS], []
    if folder is not None and not settings.benchmarks:
        missing = [n for n in wanted if not (folder / f"{ROWS_OF.get(n, n)}.jsonl").exists()]
        if missing and len(missing) < len(wanted):
            wanted = [n for n in wanted if n not in missing]
            notes.append(f"Not tested, since {settings.general_data} has no file for them: {', '.join(missing)}.")
    if wanted and folder is None and not (home() / "benchmarks").exists():
        yield Said("Fetching the general benchmarks (once)")
    found, note = load_benchmarks(wanted, count, folder, {n: t.share for n, t in TESTS.items()})
    if "arithmetic" in names:
        found.append(Benchmark("arithmetic", arithmetic(count), "sums made from a seed"))
    found += [Benchmark(name, alignment(name), "written for postgrad", asked=True) for name in FORMS if name in names]
    return found, [*notes, *([note] if note else [])]


def _questions(names: Sequence[str], train: Sequence[Record]) -> tuple[list[Questions], list[str]]:
    """The tests that are asked, and why style is not among them where it cannot be told."""
    tests = [ASKED[name]() for name in names if name in ASKED]
    if "style" not in names:
        return tests, []
    form = form_of([r.answer_text for r in train])
    if form is None:
        return tests, ["Style is not tested: the training answers have no format that a rule could recognise."]
    return [*tests, style(form)], []


def _scored(
    ctx: RunContext, model: LanguageModel, adapter: str | None, benchmark: Benchmark
) -> Working[tuple[list[float], float]]:
    """Right or wrong for each item, and the seconds that it took; in blocks, so that more items later cost no more."""
    right: list[float] = []
    seconds = 0.0
    size = _items_of(benchmark.name, BLOCK)
    for start in range(0, len(benchmark.items), size):
        block = replace(benchmark, items=benchmark.items[start : start + size])
        values, took = yield from _scored_block(ctx, model, adapter, block, start, len(benchmark.items))
        right, seconds = [*right, *values], seconds + took
    return right, seconds


def _scored_block(
    ctx: RunContext, model: LanguageModel, adapter: str | None, block: Benchmark, before: int, total: int
) -> Working[tuple[list[float], float]]:
    inputs = {
        "model": model.base.hash,
        "adapter": adapter,
        "dtype": model.device.dtype,
        "items": sha256_json([[i.context, i.contexts, i.choices, i.answer] for i in block.items]),
        **({"asked": True} if block.asked else {}),
    }
    key, kept = ctx.kept("general", inputs, ("models", "evaluation/forgetting", "evaluation/battery/readers"))
    if kept is None:
        start = time.monotonic()
        encode = encode_asked if block.asked else encode_item
        encoded = [encode(model, context, choices) for context, choices in requests(block)]
        right = [0.0] * len(block.items)
        answers = right_answers(block, log_likelihoods(model, encoded))
        for done, (index, value) in enumerate(answers, 1):
            right[index] = value
            if done % 4 == 0 or done == len(right):
                yield Progress(before + done, total, "items", block.name)
            if ctx.stopped():
                raise Interrupted("Interrupted while general ability was being measured.")
        kept = {"right": right, "seconds": time.monotonic() - start}
        ctx.store.put("general", key, inputs, kept)
    return kept["right"], kept["seconds"]


def forgetting(
    margin: float, before: General | None, after: General | None, *, wanted: bool
) -> tuple[ForgettingPart, list[Forgetting]]:
    """The non-inferiority test of every benchmark."""
    if before is None or after is None:
        why = "Switched off." if not wanted else "Nothing was trained."
        return ForgettingPart(margin=margin, note=why), []
    tests = judge(before.scores, after.scores, margin)
    parts = [benchmark_part(t, _changed(before, after, t.name)) for t in tests]
    return ForgettingPart(margin=margin, note=before.note, benchmarks=parts), tests


def benchmark_part(t: Forgetting, changed: Sequence[ChangedPart] = (), of: str = "") -> BenchmarkPart:
    """One test for the report; `of`: the model's name, where there are several."""
    suffix = f", {of}" if of else ""
    return BenchmarkPart(
        name=f"{t.name}{suffix}",
        n=t.n,
        base=t.base,
        tuned=t.tuned,
        difference=t.difference,
        interval=(t.low, t.high),
        verdict=t.verdict,
        kind=t.kind,
        title=f"{t.title or t.name}{suffix}",
        note=t.note,
        p_lost=t.p_lost,
        guessed=t.guessed,
        seen=t.seen or None,
        changed=list(changed),
    )


def _changed(before: General, after: General, name: str) -> list[ChangedPart]:
    """Questions that were answered well before and are not any more."""
    first, second = before.answers.get(name, {}), after.answers.get(name, {})
    pairs = zip(first, before.scores[name], after.scores[name], strict=True) if first and second else ()
    worse = [prompt for prompt, was, now in pairs if was > now]
    return [ChangedPart(prompt=p, before=first[p], after=second[p]) for p in worse[:SHOWN]]
