"""How well a learning curve foretells the score with more examples: the rectified power law of the product beside the
plain one, on sizes that neither has seen.

Both are fitted to the scores of three sizes and asked for twice and four times the largest, where a training on so many
examples then says what is true. Real curves of two ways of learning that are cheap enough for hundreds of trainings:
the linear classifier and the nearest example, on real sets of labels; `--tuned FILE` adds curves of fine-tuned models
that somebody measured, a JSON list of {"name", "scores": {size: [score of each test example]}} with five sizes each,
every one twice the last.

Usage: python bench/curve_laws.py [--draws 12] [--tuned FILE]; the sets are read from $POSTGRAD_SHARED/data (or
../shared/data). Prints a Markdown table.
"""

import argparse
import csv
import json
import os
import random
from dataclasses import replace
from pathlib import Path

import numpy as np

from postgrad.decision import learning_curve
from postgrad.decision.learning_curve import extrapolated
from postgrad.evaluation.plain_arms import classifier, nearest
from postgrad.records import pair

ROOT = Path(os.environ.get("POSTGRAD_SHARED") or Path(__file__).parents[2] / "shared") / "data"
TEST, TIMES = 150, (2, 4)


def table(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def lines(path):
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def banking():
    rows = [*table(ROOT / "banking77" / "train.csv"), *table(ROOT / "banking77" / "test.csv")]
    return [(r["text"], r["category"]) for r in rows]


def few_intents():
    """Banking77's ten commonest labels."""
    rows = banking()
    counts = {}
    for _, label in rows:
        counts[label] = counts.get(label, 0) + 1
    kept = set(sorted(counts, key=counts.get)[-10:])
    return [row for row in rows if row[1] in kept]


def snips():
    return [(r["text"], r["intent"]) for p in sorted((ROOT / "snips").glob("train_*.jsonl")) for r in lines(p)]


def complaints():
    return [(r["narrative"], r["product"]) for r in table(ROOT / "cfpb_complaints" / "complaints_1000.csv")]


SETS = {"banking77": (banking, 60), "banking, 10 labels": (few_intents, 12), "snips": (snips, 10)}
SETS["complaints"] = (complaints, 12)
WAYS = {"classifier": lambda train: classifier(train, ()), "nearest": nearest}


def curves(draws):
    """(name, scores of each test example by size) of one curve after the other, five sizes each."""
    for name, (read, smallest) in SETS.items():
        rows = read()
        for draw in range(draws):
            drawn = random.Random(f"{name}/{draw}").sample(rows, min(len(rows), TEST + 16 * smallest))
            records = [pair(text, label) for text, label in drawn]
            test, rest = records[:TEST], records[TEST:]
            sizes = [smallest * 2**i for i in range(5) if smallest * 2**i <= len(rest)]
            if len(sizes) < 5:
                continue
            for way, learn in WAYS.items():
                scores = {}
                for size in sizes:
                    replies = learn(rest[:size]).reply(test)
                    scores[size] = [float(r.text == t.answer_text) for r, t in zip(replies, test, strict=True)]
                yield f"{name}, {way}", scores


def measured(path):
    for one in json.loads(path.read_text("utf-8")):
        yield f"{one['name']}, tuned", {int(size): scores for size, scores in one["scores"].items()}


def plain(errors_RS, law, known, sizes):
    """The law without anything brought from before."""
    return extrapolated(errors_RS, replace(law, brought=0 * law.brought), known, sizes)


LAWS = {"plain": plain, "rectified": extrapolated}


def foretold(law, scores):
    """(error of the forecast, width of its interval, whether it holds) for twice and four times the third size."""
    learning_curve.extrapolated = LAWS[law]
    sizes = sorted(scores)
    found = learning_curve.fit({n: scores[n] for n in sizes[:3]}, [sizes[2] * t for t in TIMES])
    out = []
    for forecast, size in zip(found.forecasts, sizes[3:], strict=True):
        true = float(np.mean(scores[size]))
        out.append((forecast.score - true, forecast.high - forecast.low, forecast.low <= true <= forecast.high))
    return out


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--draws", type=int, default=12)
    parser.add_argument("--tuned", type=Path)
    asked = parser.parse_args()
    rows = {}
    for source in (curves(asked.draws), measured(asked.tuned) if asked.tuned else ()):
        for name, scores in source:
            for law in LAWS:
                for times, one in zip(TIMES, foretold(law, scores), strict=True):
                    rows.setdefault((name, times, law), []).append(one)
    print("| Curves | Times | Law | n | Mean error | Mean absolute error | Interval holds | Its width |")
    print("|---|---|---|---|---|---|---|---|")
    for (name, times, law), found in [*rows.items(), *pooled(rows)]:
        off = np.array([f[0] for f in found])
        holds, width = np.mean([f[2] for f in found]), np.mean([f[1] for f in found])
        print(
            f"| {name} | {times} | {law} | {len(found)} | {100 * off.mean():+.1f} | {100 * np.abs(off).mean():.1f} |"
            f" {100 * holds:.0f} % | {100 * width:.0f} |"
        )


def pooled(rows):
    for law in LAWS:
        for times in TIMES:
            alike = [found for (_, t, one), found in rows.items() if (t, one) == (times, law)]
            yield ("**all**", times, law), [f for found in alike for f in found]


if __name__ == "__main__":
    main()
