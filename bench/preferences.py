"""Learning what is better beside TRL in the same run: the same pairs or prompts, model, LoRA, batches and steps.

Pairs (DPO): pairs a second, peak memory, and the reward accuracy on pairs kept aside, measured alike for all from the
saved adapter. Groups (GRPO): completions a second of whole steps, sampling, grading and learning together, and the peak
memory. The first step of each is warm-up and not counted. TRL has its best settings on this machine: no recomputation,
the reference computed once, no padding to a multiple. Prints Markdown tables.

Usage: python bench/preferences.py [--parts harmless,demos,gsm8k,long] [--steps N] [--repeats N]
The sets are read from $POSTGRAD_SHARED/data (or ../shared/data); without them made-up pairs are learned, of the same
lengths.
"""

import argparse
import json
import os
import random
import statistics
import sys
import tempfile
from pathlib import Path

from contests import contest

from postgrad.data.load import load
from postgrad.models.adapters.trained_weights import load_trained
from postgrad.models.generation.likelihood import ChoiceItem, log_likelihoods
from postgrad.models.language_model import load_model
from postgrad.records import Message, Preference, Source, Task, said_by, to_dict

HERE = Path(__file__).parent
ROOT = Path(os.environ.get("POSTGRAD_SHARED") or HERE.parent.parent / "shared") / "data"
BASE = "smollm2-135m-instruct"
PAIRS_A_STEP, GROUP, PROMPTS_A_STEP, ANSWER = 4, 8, 2, 64
HELD = 40
"""Pairs kept aside."""


def made_up(count, words):
    """Pairs of nonsense."""
    dice = random.Random(1)

    def text(size):
        return " ".join(dice.choice(("order", "lamp", "late", "thanks", "sofa", "never")) for _ in range(size))

    return [
        Preference(
            prompt=(Message("user", text(words)),),
            chosen=(Message("assistant", text(words)),),
            rejected=(Message("assistant", text(words)),),
            source=Source("made up", i + 1),
        )
        for i in range(count)
    ]


def harmless():
    """Talks of people with an assistant, the better answer chosen by people."""
    if not ROOT.exists():
        return made_up(400, 60)
    found = load([ROOT / "hh_rlhf_harmless_test" / "harmless_base_test.jsonl"]).records
    return [r for r in found if isinstance(r, Preference) and len(r.prompt_text) + len(r.answer_text) < 1300]


def demos():
    """Longer answers of models."""
    if not ROOT.exists():
        return made_up(200, 150)
    found = load([ROOT / "llamafactory_demos" / "dpo_en_demo.json"]).records
    return [
        r for r in found if isinstance(r, Preference) and len(r.prompt_text) < 2000 and len(said_by(r.chosen)) < 2000
    ]


def gsm8k():
    """Sums in words: short prompts."""
    return sums("")


def long():
    """The same behind a text of 500 tokens that all share."""
    rules = "Read the question twice. Write down what is known. Work in small steps, and check each of them. "
    return sums(rules * 24)


def sums(before):
    path = ROOT / "gsm8k" / "train.jsonl"
    rows = (
        [json.loads(line) for line in path.read_text("utf-8").splitlines()[:400]]
        if path.exists()
        else [{"question": f"What is {n} and {n}?", "answer": f"#### {2 * n}"} for n in range(400)]
    )
    return [
        Task(prompt=(Message("user", before + r["question"]),), reference=r["answer"], source=Source("gsm8k", i + 1))
        for i, r in enumerate(rows)
    ]


PARTS = {f.__name__: f for f in (harmless, demos, gsm8k, long)}


def job_of(records, model, steps, grouped):
    """What both are given. Records are taken in one order, each once."""
    plan = {
        "objective": "grpo" if grouped else "dpo",
        "rank": 16,
        "alpha": 32,
        "learning_rate": 1e-4,
        "schedule": "constant",
        "warmup": 0.0,
        "batch_size": PROMPTS_A_STEP if grouped else PAIRS_A_STEP,
        "max_steps": steps,
        "validations": 1,
        **({"samples": GROUP, "answer_tokens": ANSWER, "beta": 0.0} if grouped else {"beta": 0.1}),
    }
    return {
        "base": BASE,
        "model": str(model.base.folder),
        "dtype": model.device.dtype,
        "plan": plan,
        "group": GROUP,
        "answer": ANSWER,
        "records": [to_dict(r) for r in records],
    }


def reward_accuracy(model, held, adapter):
    """The share of pairs whose chosen answer the adapter makes likelier than the base did, against the rejected one."""
    render = model.renderer
    items = [
        ChoiceItem(
            tuple(render.prompt_ids(r.prompt)),
            (tuple(render.encode(said_by(r.chosen))), tuple(render.encode(said_by(r.rejected)))),
        )
        for r in held
    ]
    margins = []
    for weights in (None, load_trained(adapter)):
        model.use(weights)
        found = dict(log_likelihoods(model, items))
        margins.append([found[i][0] - found[i][1] for i in range(len(items))])
    model.use(None)
    return statistics.fmean(now > before for before, now in zip(*margins, strict=True))


def compare(name, steps, repeats, model):
    """Both on one set, in alternating repeats; prints a table."""
    records = PARTS[name]()
    random.Random(0).shuffle(records)
    grouped = isinstance(records[0], Task)
    held, records = records[:HELD], records[HELD:]
    job = job_of(records[: steps * (PROMPTS_A_STEP if grouped else PAIRS_A_STEP)], model, steps, grouped)
    each = PROMPTS_A_STEP * GROUP if grouped else PAIRS_A_STEP
    found = {"postgrad": [], "TRL": []}
    for _ in range(repeats):
        for contestant, script in (("postgrad", "ours_train.py"), ("TRL", "peer_trl_preferences.py")):
            with tempfile.TemporaryDirectory(prefix="postgrad-bench-") as scratch:
                figures = contest(script, job, Path(scratch))
                right = 0.0 if grouped else reward_accuracy(model, held, Path(scratch) / "adapter")
            seconds = figures["ends"][-1] - figures["ends"][0]
            run = (each * (len(figures["ends"]) - 1) / seconds, figures["peak_memory_bytes"], right)
            found[contestant].append(run)
            print(f"  {contestant}: {run[0]:.2f} a second, {run[1] / 1e9:.1f} GB", file=sys.stderr, flush=True)
    what = "completions" if grouped else "pairs"
    size = f"{PROMPTS_A_STEP} groups of {GROUP}, {ANSWER} tokens each" if grouped else f"{PAIRS_A_STEP} pairs"
    print(f"\n### {name}: {steps} steps of {size}\n")
    print(f"| | {what}/s (each repeat) | ours is faster by | peak memory | ours needs | reward accuracy |")
    print("|---|---|---|---|---|---|")
    for contestant, runs in found.items():
        speeds = ", ".join(f"{r[0]:.2f}" for r in runs)
        faster = statistics.median(o[0] / r[0] for o, r in zip(found["postgrad"], runs, strict=True))
        memory = statistics.median(r[1] for r in runs)
        less = statistics.median(o[1] / r[1] for o, r in zip(found["postgrad"], runs, strict=True))
        right = "–" if grouped else f"{statistics.median(r[2] for r in runs):.2f} of {len(held)}"
        print(
            f"| {contestant} | {speeds} | {faster:.2f}× | {memory / 1e9:.1f} GB | {less:.2f}× | {right} |", flush=True
        )


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--parts", default="harmless,demos,gsm8k,long")
    options.add_argument("--steps", type=int, default=6)
    options.add_argument("--repeats", type=int, default=2)
    given = options.parse_args()
    model = load_model(BASE)
    rates = ", ".join(f"{k} {v:.0f} GFLOP/s" for k, v in model.device.gflops.items())
    print(f"{model.device.name}, {model.device.dtype} ({rates})")
    for name in given.parts.split(","):
        compare(name, given.steps, given.repeats, model)


main()
