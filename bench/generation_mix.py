"""Real prompts whose answers have real lengths: four tasks mixed, and an adapter that has learned to answer them.

The sets are read from $POSTGRAD_SHARED/data (or ../shared/data); without them the shipped e-mails are asked.
"""

import csv
import json
import os
import random
from pathlib import Path

from postgrad.data.load import load
from postgrad.models.adapters.trained_weights import load_trained
from postgrad.records import Message, pair
from postgrad.storage import home
from postgrad.training.trainer import Plan, train
from postgrad.training_run import RunFolder

HERE = Path(__file__).parent
ROOT = Path(os.environ.get("POSTGRAD_SHARED") or HERE.parent.parent / "shared") / "data"
LEARNED = 192


def table(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def snips():
    """Short requests; JSON answers."""
    rows = [
        json.loads(line) for p in sorted((ROOT / "snips").glob("validate_*.jsonl")) for line in p.open(encoding="utf-8")
    ]
    return [
        pair(
            f"Request to JSON: {r['text'].strip()}",
            json.dumps({"intent": r["intent"], **{s["entity"]: s["value"] for s in r["slots"]}}),
        )
        for r in rows
    ]


def banking():
    """Short questions; a label each."""
    return [
        pair(f"Which matter is it? {r['text'].strip()}", r["category"]) for r in table(ROOT / "banking77" / "test.csv")
    ]


def restaurants():
    """Lists of facts; a sentence or two each."""
    rows = table(ROOT / "e2e_nlg" / "cleaned" / "devel-fixed.no-ol.csv")
    return [pair(f"Describe in a sentence: {r['mr']}", r["ref"]) for r in rows]


def complaints():
    """Long letters; a word each."""
    rows = table(ROOT / "cfpb_complaints" / "complaints_1000.csv")
    return [pair(f"{' '.join(r['narrative'].split()[:110])}\nWhich product is this about?", r["product"]) for r in rows]


def records():
    """All records, shuffled with a fixed seed, tasks in turn."""
    sets = (
        [snips(), banking(), restaurants(), complaints()]
        if ROOT.exists()
        else [list(load([HERE.parent / "examples" / "tickets" / "tickets.jsonl"]).records)]
    )
    for one in sets:
        random.Random(0).shuffle(one)
    length = min(map(len, sets))
    return [one[i] for i in range(length) for one in sets]


def block(model, tokens):
    """A system prompt with solved examples, of about so many tokens."""
    text = "Answer as in these examples, and with nothing else."
    for record in records()[:LEARNED]:
        text += f"\n\n{record.prompt[-1].content}\n=> {record.messages[-1].content}"
        if len(model.renderer.encode(text)) >= tokens:
            break
    return text


def prompts(model, count, system=""):
    """The ids of `count` prompts that were not learned, all after the same system prompt if there is one."""
    first = [Message("system", system)] if system else []
    asked = records()[LEARNED:]
    asked = [asked[i % len(asked)] for i in range(count)]
    return [model.renderer.prompt_ids([*first, *r.prompt]) for r in asked]


def adapter(model, say):
    """The adapter that answers the mix; trained once (minutes) and kept under the state folder."""
    folder = home() / "bench" / f"generation_mix_{'real' if ROOT.exists() else 'emails'}"
    if not (folder / "adapter_model.safetensors").exists():
        say("training the adapter whose answers are timed (once)")
        plan = Plan(rank=16, alpha=32, learning_rate=1e-3, batch_size=4, epochs=1, validations=1)
        work = train(model, records()[:LEARNED], [], plan, RunFolder(folder / "run"), {"bench": "1"}, lambda: False)
        while True:
            try:
                next(work)
            except StopIteration as done:
                done.value.trained.save(folder, model.name)
                break
    return load_trained(folder)
