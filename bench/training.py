"""Training beside TRL in the same run: the same records, model, LoRA, order, precision and steps, in alternating
repeats.

For each contestant: tokens a second, supervised tokens a second, peak memory, held-out loss (measured alike for all,
from the saved adapter), and the share of this machine's matrix-product rate that the needed operations make up. The
first step of each is warm-up and not counted. Prints a Markdown table.

Usage: python bench/training.py [--sets gsm8k,pubmedqa,snips,voice_austen] [--records N] [--repeats N] [--contestants …]
The sets are read from $POSTGRAD_SHARED/data (or ../shared/data); without them the shipped e-mails are trained.
"""

import argparse
import json
import os
import random
import statistics
import sys
import tempfile
from pathlib import Path

import torch
from contests import contest

from postgrad.models.adapters.trained_weights import load_trained
from postgrad.models.device import probe
from postgrad.models.language_model import load_model
from postgrad.records import Conversation, Text, pair, to_dict
from postgrad.training.batching import global_batch
from postgrad.training.forward import Forward
from postgrad.training.memory import training_flops
from postgrad.training.objectives import make_objective

HERE = Path(__file__).parent
ROOT = Path(os.environ.get("POSTGRAD_SHARED") or HERE.parent.parent / "shared") / "data"
BASE, BATCH = "smollm2-135m-instruct", 4
BEST = {"gradient_checkpointing": False, "loss_type": "chunked_nll", "train_sampling_strategy": "group_by_length"}
CONTESTANTS = {
    "postgrad": None,
    "TRL, its best": BEST,
    "TRL, packing": {**BEST, "packing": True, "max_length": 1024, "train_sampling_strategy": "sequential"},
    "TRL, defaults": {},
}


def lines(path):
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def gsm8k():
    """Short prompts, long answers."""
    return [pair(r["question"], r["answer"]) for r in lines(ROOT / "gsm8k" / "train.jsonl")]


def pubmedqa():
    """Long prompts, short answers."""
    rows = lines(ROOT / "pubmedqa" / "pqal.jsonl")
    context = [" ".join(r["context"]) if isinstance(r["context"], list) else str(r["context"]) for r in rows]
    return [pair(f"{c}\n\n{r['question']}", r["long_answer"]) for c, r in zip(context, rows, strict=True)]


def snips():
    """Very short requests, JSON answers."""
    rows = [r for path in sorted((ROOT / "snips").glob("train_*.jsonl")) for r in lines(path)]
    return [
        pair(r["text"], json.dumps({"intent": r["intent"], **{s["entity"]: s["value"] for s in r["slots"]}}))
        for r in rows
    ]


def voice_austen():
    """Raw text: pieces of six novels."""
    texts = [path.read_text("utf-8")[20_000:] for path in sorted((ROOT / "voice_austen").glob("*.txt"))]
    return [Text(text=t[i : i + 1800]) for t in texts for i in range(0, len(t) - 1800, 1800)]


def emails():
    """The e-mails that postgrad ships, where no other data is at hand."""
    from postgrad.data.load import load

    return list(load([HERE.parent / "examples" / "tickets" / "tickets.jsonl"]).records)


SETS = {f.__name__: f for f in (gsm8k, pubmedqa, snips, voice_austen, emails)}


def job_of(records, model, name, objective, count):
    """What every contestant is given; TRL gets the records in the order in which we train on them."""
    steps = count // BATCH
    examples = objective.prepare(records).examples
    order = [i for step in range(1, steps + 1) for i in global_batch(count, BATCH, 0, step)]
    lengths = [[len(examples[i].ids) for i in order[s * BATCH : (s + 1) * BATCH]] for s in range(steps)]
    learned = [sum(examples[i].supervised for i in order[s * BATCH : (s + 1) * BATCH]) for s in range(steps)]
    ordered = [records[i] for i in order]
    plain = [
        (
            {"prompt": [m.to_dict() for m in r.messages[:-1]], "completion": [r.messages[-1].to_dict()]}
            if isinstance(r, Conversation)
            else {"text": r.text}
        )
        for r in ordered
    ]
    return (
        {
            "base": BASE,
            "model": str(model.base.folder),
            "dtype": model.device.dtype,
            "objective": name,
            "window": 2048,
            "records": [to_dict(r) for r in records],
            "ordered": plain,
            "batch_size": BATCH,
            "steps": steps,
            "learning_rate": 1e-3,
            "rank": 16,
            "alpha": 32,
            "rows_of_1024": max(1, round(sum(map(sum, lengths)) / steps / 1024)),
        },
        lengths,
        learned,
    )


def held_out_loss(model, objective, held, adapter):
    model.use(load_trained(adapter) if adapter else None)
    forward, examples = Forward(model), objective.prepare(held).examples
    with torch.no_grad():
        forward.choose(examples)
        total = sum(objective.loss(forward, [e]).item() for e in examples)
    model.use(None)
    return total / sum(objective.weight(e) for e in examples)


def compare(name, count, repeats, contestants, model):
    """Trains all contestants on one set; prints rows of the table."""
    records = SETS[name]()
    random.Random(0).shuffle(records)
    learned_by = "pretrain" if isinstance(records[0], Text) else "sft"
    objective = make_objective(learned_by, model.renderer)
    held, records = records[:24], records[24 : 24 + count]
    job, lengths, learned = job_of(records, model, learned_by, objective, count)
    flops = training_flops(model.base.config, [n for step in lengths[1:] for n in step], sum(learned[1:]))
    tokens = [sum(step) for step in lengths]
    found = {c: [] for c in contestants}
    print(
        f"\n### {name}: {count} records, {sum(tokens):,} tokens, {sum(learned):,} learned, {job['steps']} steps of"
        f" {BATCH}\n"
    )
    print(f"Held-out loss of the base: {held_out_loss(model, objective, held, None):.3f}\n", flush=True)
    for repeat in range(repeats):
        for contestant in contestants:
            if contestant == "TRL, defaults" and repeat:
                continue
            probe.cache_clear()
            rate = probe().gflops[job["dtype"]]
            with tempfile.TemporaryDirectory(prefix="postgrad-bench-") as scratch:
                settings = CONTESTANTS[contestant]
                script = "ours_train.py" if settings is None else "peer_trl.py"
                figures = contest(script, {**job, "settings": settings or {}}, Path(scratch))
                loss = held_out_loss(model, objective, held, Path(scratch) / "adapter")
            seconds = figures["ends"][-1] - figures["ends"][0]
            found[contestant].append(
                (sum(tokens[1:]) / seconds, figures["peak_memory_bytes"], loss, flops / seconds / 1e9 / rate)
            )
            print(
                f"  {contestant}: {sum(tokens[1:]) / seconds:.0f} tokens/s, {figures['peak_memory_bytes'] / 1e9:.1f}"
                f" GB, held-out {loss:.3f}",
                file=sys.stderr,
                flush=True,
            )
    table(found, sum(learned[1:]) / sum(tokens[1:]))


def table(found, learned):
    ours = found.get("postgrad")
    print(
        "| | tokens/s (each repeat) | learned tokens/s | ours is faster by | peak memory | ours needs | held-out loss |"
        " of the matmul rate |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for name, runs in found.items():
        speed, memory, loss, share = (statistics.median(r[i] for r in runs) for i in range(4))
        each = ", ".join(f"{r[0]:.0f}" for r in runs)
        ratio = statistics.median(o[0] / r[0] for o, r in zip(ours, runs, strict=False)) if ours else 0.0
        less = statistics.median(o[1] / r[1] for o, r in zip(ours, runs, strict=False)) if ours else 0.0
        print(
            f"| {name} | {each} | {speed * learned:.0f} | {ratio:.2f}× | {memory / 1e9:.1f} GB | {less:.2f}× |"
            f" {loss:.3f} | {100 * share:.0f} % |"
        )


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--sets", default="pubmedqa,gsm8k" if ROOT.exists() else "emails")
    options.add_argument("--records", type=int, default=24)
    options.add_argument("--repeats", type=int, default=3)
    options.add_argument("--contestants", default=";".join(CONTESTANTS))
    given = options.parse_args()
    model = load_model(BASE)
    rates = ", ".join(f"{k} {v:.0f} GFLOP/s" for k, v in model.device.gflops.items())
    print(f"{model.device.name}, {model.device.dtype} ({rates})")
    for name in given.sets.split(","):
        compare(name, given.records - given.records % BATCH, given.repeats, given.contestants.split(";"), model)


main()
