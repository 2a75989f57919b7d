"""How well the checks find faults whose truth is known: real sets with a second opinion, and faults planted in clean
sets.

Each `measure_…` returns the set, the number of true faults, what was found, precision and recall. `python -m
bench.data_truth_sets` prints them all as JSON lines. Real sets are read from `$POSTGRAD_SHARED` (default `../shared`).
"""

from __future__ import annotations

import csv
import json
import os
import random
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from postgrad.checks.contradictions import contradictions
from postgrad.checks.faithfulness import faithfulness
from postgrad.checks.label_noise import label_noise
from postgrad.checks.leakage import leakage
from postgrad.checks.near_duplicates import near_duplicates
from postgrad.findings import Check, Context
from postgrad.records import Record, Source, pair
from postgrad.similarity.near_duplicates import exact_key

SHARED = Path(os.environ.get("POSTGRAD_SHARED") or Path(__file__).parents[2] / "shared") / "data"


def quality_of(found: Iterable[int], true: Iterable[int]) -> dict[str, Any]:
    """Counts, precision and recall of a set of indices against the truth; None where nothing was found or true."""
    found, true = set(found), set(true)
    hits = len(found & true)
    return {
        "true": len(true),
        "found": len(found),
        "hits": hits,
        "precision": hits / len(found) if found else None,
        "recall": hits / len(true) if true else None,
    }


def found_by(check: Check, records: Sequence[Record], fault: str | None = None) -> list[int]:
    """The indices of all findings of a check (or of those with one fault), in their order."""
    findings = check(records, Context())
    return [i for f in findings if fault is None or f.details.get("fault") == fault for i in f.indices]


def read_csv(path: Path, prompt: str, answer: str) -> list[Record]:
    """Pairs from two columns."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [pair(row[prompt], row[answer], source=Source(str(path), n + 2)) for n, row in enumerate(rows)]


def banking77(part: str = "train", root: Path = SHARED) -> list[Record]:
    """Requests of bank customers and one of 77 labels."""
    return read_csv(root / "banking77" / f"{part}.csv", "text", "category")


def measure_e2e_nlg(root: Path = SHARED) -> dict[str, Any]:
    """Descriptions that do not say what was asked: truth is where the authors of the cleaned set changed the
    request."""
    with (root / "e2e_nlg/cleaned/devel-fixed.no-ol.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    records = [pair(row["orig_mr"], row["ref"], source=Source("devel.csv", n + 2)) for n, row in enumerate(rows)]
    ranked = found_by(faithfulness(), records)
    true = {n for n, row in enumerate(rows) if row["fixed"] == "1"}
    worst = ranked[:500]
    return {
        "set": "e2e_nlg",
        "precision_of_first_500": len(true & set(worst)) / max(1, len(worst)),
        **quality_of(ranked, true),
    }


def measure_nl2bash(root: Path = SHARED) -> dict[str, Any]:
    """Requests with several commands: truth is an own exact count."""
    lines = (root / "nl2bash/nl2bash.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    records = [pair(row["nl"], row["cmd"], source=Source("nl2bash.jsonl", n + 1)) for n, row in enumerate(rows)]
    commands: dict[str, set[str]] = {}
    for row in rows:
        commands.setdefault(exact_key(row["nl"]), set()).add(exact_key(row["cmd"]))
    true = [n for n, row in enumerate(rows) if len(commands[exact_key(row["nl"])]) > 1]
    finding = next(iter(contradictions()(records, Context())))
    return {
        "set": "nl2bash",
        "requests_true": sum(len(c) > 1 for c in commands.values()),
        "requests_found": finding.details["prompts"],
        **quality_of(finding.indices, true),
    }


def measure_banking77_leakage(root: Path = SHARED) -> dict[str, Any]:
    """Test requests that are also in the training file."""
    train, test = banking77("train", root), banking77("test", root)
    known = {exact_key(r.prompt_text) for r in train}
    true = [len(train) + n for n, r in enumerate(test) if exact_key(r.prompt_text) in known]
    records = [*train, *test]
    near = found_by(leakage(), records, "near")
    return {"set": "banking77", "near": len(near), **quality_of(found_by(leakage(), records, "exact"), true)}


def measure_cfpb_label_noise(root: Path = SHARED) -> dict[str, Any]:
    """Complaints whose product none of 14 language models gave."""
    path = root / "cfpb_complaints/complaints_1000.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    models = [name for name in rows[0] if name.endswith("_prediction")]
    true = [n for n, row in enumerate(rows) if all(row[m].strip() != row["product"].strip() for m in models)]
    found = found_by(label_noise(), read_csv(path, "narrative", "product"))
    worst = found[: len(true)]
    return {
        "set": "cfpb_complaints",
        "models": len(models),
        "precision_of_first_as_many": len(set(worst) & set(true)) / max(1, len(worst)),
        "precision_by_chance": len(true) / len(rows),
        **quality_of(found, true),
    }


def clean_banking77(count: int = 2000, root: Path = SHARED) -> list[Record]:
    """A set without near-duplicates as this package finds them, for planting."""
    from postgrad.similarity.near_duplicates import find_similar

    records = banking77("train", root)
    twins = {second for _, second, _ in find_similar([r.prompt_text for r in records], 0.5).pairs}
    return random.Random(0).sample([r for i, r in enumerate(records) if i not in twins], count)


def lightly_edited(text: str, rng: random.Random) -> str:
    """One light edit: a typo, other case, one word exchanged or left out, or punctuation."""
    words = text.split()
    at = rng.randrange(len(words))
    kind = rng.choice(("typo", "case", "word", "punctuation"))
    if kind == "typo":
        spot = rng.randrange(max(1, len(words[at]) - 1))
        words[at] = (
            words[at][:spot] + words[at][spot + 1 : spot + 2] + words[at][spot : spot + 1] + words[at][spot + 2 :]
        )
    elif kind == "case":
        words = [w.upper() for w in words]
    elif kind == "word":
        words[at] = rng.choice(("please", "really", "just", "now"))
    else:
        words[-1] = words[-1].rstrip(".?!") + rng.choice(("!!", " ...", ",", ""))
    return " ".join(words)


def measure_planted_near_duplicates(
    records: Sequence[Record] | None = None, *, share: float = 0.01, seed: int = 0
) -> dict[str, Any]:
    """Lightly edited repeats in a clean set; texts of eight words or more, one edit each."""
    clean = list(clean_banking77() if records is None else records)
    rng = random.Random(seed)
    long = [i for i, r in enumerate(clean) if len(r.prompt_text.split()) >= 8]
    chosen = rng.sample(long, max(1, round(share * len(clean))))
    planted = [pair(lightly_edited(clean[i].prompt_text, rng), clean[i].answer_text) for i in chosen]
    kept = [
        (i, p)
        for i, p in zip(chosen, planted, strict=True)
        if exact_key(p.prompt_text) != exact_key(clean[i].prompt_text)
    ]
    everything = [*clean, *(p for _, p in kept)]
    true = range(len(clean), len(everything))
    return {"set": "planted near-duplicates", **quality_of(found_by(near_duplicates(), everything), true)}


def measure_planted_contradictions(
    records: Sequence[Record] | None = None, *, share: float = 0.01, seed: int = 0
) -> dict[str, Any]:
    """Repeats of requests, half of them lightly edited, with another label."""
    clean = list(clean_banking77() if records is None else records)
    rng = random.Random(seed)
    labels = sorted({r.answer_text for r in clean})
    long = [i for i, r in enumerate(clean) if len(r.prompt_text.split()) >= 8]
    chosen = rng.sample(long, max(2, round(share * len(clean))))
    planted = []
    for place, i in enumerate(chosen):
        text = clean[i].prompt_text
        wrong = rng.choice([name for name in labels if name != clean[i].answer_text])
        planted.append(pair(lightly_edited(text, rng) if place % 2 else text, wrong))
    everything = [*clean, *planted]
    true = [*chosen, *range(len(clean), len(everything))]
    return {"set": "planted contradictions", **quality_of(found_by(contradictions(), everything), true)}


def measure_planted_label_flips(
    records: Sequence[Record] | None = None, *, share: float = 0.01, seed: int = 0
) -> dict[str, Any]:
    """Labels exchanged for another one at random. What is found besides may be wrong in the real set as well."""
    clean = list(banking77() if records is None else records)
    rng = random.Random(seed)
    labels = sorted({r.answer_text for r in clean})
    chosen = rng.sample(range(len(clean)), max(1, round(share * len(clean))))
    for i in chosen:
        wrong = rng.choice([name for name in labels if name != clean[i].answer_text])
        clean[i] = pair(clean[i].prompt_text, wrong, source=clean[i].source)
    found = found_by(label_noise(), clean)
    worst = found[: len(chosen)]
    first = len(set(worst) & set(chosen)) / max(1, len(worst))
    return {"set": f"planted label flips {share:.0%}", "precision_of_first_as_many": first, **quality_of(found, chosen)}


MEASURES: dict[str, Callable[[], dict[str, Any]]] = {
    "e2e_nlg": measure_e2e_nlg,
    "nl2bash": measure_nl2bash,
    "banking77_leakage": measure_banking77_leakage,
    "cfpb_label_noise": measure_cfpb_label_noise,
    "planted_near_duplicates": measure_planted_near_duplicates,
    "planted_contradictions": measure_planted_contradictions,
    "planted_label_flips_1": lambda: measure_planted_label_flips(share=0.01),
    "planted_label_flips_5": lambda: measure_planted_label_flips(share=0.05),
}


def main(names: Sequence[str] = ()) -> Iterator[dict[str, Any]]:
    """Runs the measures named, or all."""
    for name in names or MEASURES:
        yield {"measure": name, **MEASURES[name]()}


if __name__ == "__main__":
    for result in main(sys.argv[1:]):
        print(json.dumps(result))
