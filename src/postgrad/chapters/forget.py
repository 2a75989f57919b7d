"""General ability before and after training, item by item."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from postgrad.chapters.job import Job
from postgrad.errors import Interrupted
from postgrad.evaluation.forgetting import load_benchmarks, right_answers
from postgrad.evaluation.statistics import noninferiority
from postgrad.measures import Forgetting
from postgrad.models.language_model import LanguageModel
from postgrad.models.score import encode_item, log_likelihoods
from postgrad.progress import Progress, Said, Working
from postgrad.report import ForgettingPart
from postgrad.storage import home, sha256_json

BENCHMARKS = ("arc_easy", "piqa")


@dataclass(frozen=True)
class General:
    """Right (1.0) or wrong (0.0) for every item of every benchmark, and what could not be tested."""

    scores: dict[str, list[float]]
    note: str
    seconds: float


def benchmark_scores(job: Job, model: LanguageModel, adapter: str | None) -> Working[General]:
    """Scores the benchmarks with the model as it stands; kept by model, adapter and items."""
    settings = job.recipe.evaluation
    folder = Path(settings.general_data) if settings.general_data else None
    if folder is None and not (home() / "benchmarks").exists():
        yield Said("Fetching the general benchmarks (once)")
    benchmarks, note = load_benchmarks(BENCHMARKS, settings.general_items, folder)
    if note:
        yield Said(note, warning=True)
    scores: dict[str, list[float]] = {}
    seconds = 0.0
    for benchmark in benchmarks:
        inputs = {
            "model": model.base.hash,
            "adapter": adapter,
            "dtype": model.device.dtype,
            "items": sha256_json([[i.context, i.choices, i.answer] for i in benchmark.items]),
        }
        key, kept = job.kept("general", inputs, ("models", "evaluation/forgetting"))
        if kept is None:
            start = time.monotonic()
            items = [encode_item(model, i.context, i.choices) for i in benchmark.items]
            right = [0.0] * len(items)
            for done, (index, value) in enumerate(right_answers(benchmark, log_likelihoods(model, items)), 1):
                right[index] = value
                if done % 4 == 0 or done == len(items):
                    yield Progress(done, len(items), "items", benchmark.name)
                if job.stopped():
                    raise Interrupted("Interrupted while general ability was being measured.")
            kept = {"right": right, "seconds": time.monotonic() - start}
            job.store.put("general", key, inputs, kept)
        scores[benchmark.name] = kept["right"]
        seconds += kept["seconds"]
        yield Said(
            f"{benchmark.name}: {100 * sum(kept['right']) / len(kept['right']):.1f} % of {len(kept['right'])} items right (of the shorter half of {benchmark.origin})"
        )
    return General(scores, note, seconds)


def forgetting(job: Job, before: General | None, after: General | None) -> tuple[ForgettingPart, list[Forgetting]]:
    """The non-inferiority test of every benchmark."""
    margin = job.recipe.decision.forgetting_margin
    if before is None or after is None:
        why = "Switched off." if not job.recipe.evaluation.general else "Nothing was trained."
        return ForgettingPart(margin=margin, note=why), []
    tests = [
        noninferiority(before.scores[name], after.scores[name], margin, name=name)
        for name in after.scores
        if name in before.scores
    ]
    part = ForgettingPart.model_validate(
        {
            "margin": margin,
            "note": before.note,
            "benchmarks": [
                {
                    "name": t.name,
                    "n": t.n,
                    "base": t.base,
                    "tuned": t.tuned,
                    "difference": t.difference,
                    "interval": (t.low, t.high),
                    "verdict": t.verdict,
                }
                for t in tests
            ],
        }
    )
    return part, tests
