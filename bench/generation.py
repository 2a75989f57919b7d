"""Generation beside transformers' own, in the same run: the same real prompts and model, greedy, in alternation.

Theirs is `generate` at its best plain setting: length-sorted, left-padded batches of 32, inference mode, the probed
precision. Ours runs over all prompts and is held while one of their batches runs, so that both meet the same noise of
the machine. Two cases: prompts after a shared instruction with examples (what the few-shot arm asks), and prompts that
share nothing (what a tuned model is asked). The model has learned the tasks, so that answers are as long as real ones.
Each answer that differs is looked into: a tie is a token that leads by less than 0.001 in the model's own logits.

Usage: python bench/generation.py [--prompts N] [--shared TOKENS,…] [--every N]
`--prompts 500 --every 1` is the full measurement; with `--every 4` theirs answers each fourth batch, and its time is
scaled.
"""

import argparse
import json
import subprocess
import sys
import time

import torch
from figures import peak_memory
from generation_mix import adapter, block, prompts

from postgrad.models.generation.generate import Decoding, complete
from postgrad.models.language_model import load_model

NEW, BATCH, TIE = 64, 32, 1e-3


def ours(model, asked):
    """(index, text) as answers come."""
    return ((i, done.text) for i, done in complete(model, asked, Decoding(NEW)))


def batches(asked):
    order = sorted(range(len(asked)), key=lambda i: -len(asked[i]))
    return [order[start : start + BATCH] for start in range(0, len(order), BATCH)]


def theirs(model, asked, part):
    """{index: text} of one batch."""
    pad = next(iter(model.renderer.end_ids))
    width = max(len(asked[i]) for i in part)
    ids = torch.tensor([[pad] * (width - len(asked[i])) + asked[i] for i in part])
    mask = torch.tensor([[0] * (width - len(asked[i])) + [1] * len(asked[i]) for i in part])
    model.module.set_attn_implementation("sdpa")
    with torch.inference_mode():
        out = model.module.generate(ids, attention_mask=mask, max_new_tokens=NEW, do_sample=False, pad_token_id=pad)
    model.module.set_attn_implementation("postgrad_grouped")
    return {i: model.renderer.answer_text(row) for i, row in zip(part, out[:, width:].tolist(), strict=True)}


def is_tie(model, prompt, left, right):
    """Whether two answers part at a token that the model's own code gives no clear lead."""
    a, b = model.renderer.encode(left), model.renderer.encode(right)
    same = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    with torch.inference_mode():
        logits = model.module(torch.tensor([[*prompt, *a[:same]]])).logits[0, -1].float()
    first, second = logits.topk(2).values.tolist()
    return first - second < TIE


def compare(model, asked, every):
    """Both contestants' seconds and answers; theirs only on each `every`-th batch, scaled by tokens asked."""
    parts = batches(asked)
    chosen = parts[every // 2 :: every] or parts[:1]
    answers, other, mine, their = {}, {}, 0.0, 0.0
    work = ours(model, asked)
    for number in range(len(parts)):
        start = time.perf_counter()
        until = len(asked) if number + 1 == len(parts) else (number + 1) * BATCH
        while len(answers) < until:
            index, text = next(work)
            answers[index] = text
        middle = time.perf_counter()
        mine += middle - start
        if parts[number] in chosen:
            other |= theirs(model, asked, parts[number])
            their += time.perf_counter() - middle
    different = [i for i in other if other[i] != answers[i]]
    ties = sum(is_tie(model, asked[i], answers[i], other[i]) for i in different)
    tokens = sum(len(model.renderer.encode(t)) + 1 for t in answers.values())
    scale = sum(map(len, asked)) / sum(len(asked[i]) for i in other)
    return {
        "prompts": len(asked),
        "prompt_tokens": sum(map(len, asked)) / len(asked),
        "answer_tokens": tokens / len(asked),
        "ratio": their * scale / mine,
        "tokens_per_second": tokens / mine,
        "theirs_tokens_per_second": tokens / (their * scale),
        "both": len(other),
        "equal": len(other) - len(different),
        "ties": ties,
    }


def peak(who, count, shared):
    """Peak resident bytes of one contestant in a process of its own."""
    command = [sys.executable, __file__, "--alone", who, "--prompts", str(count), "--shared", str(shared)]
    return int(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1]))


def alone(model, asked, who):
    if who == "ours":
        list(ours(model, asked))
    else:
        for part in batches(asked):
            theirs(model, asked, part)
    print(json.dumps(peak_memory()))


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--prompts", type=int, default=64)
    options.add_argument("--shared", default="1000,0")
    options.add_argument("--every", type=int, default=2)
    options.add_argument(
        "--memory", default="32,128", help="peaks are measured with so many prompts; empty: not at all"
    )
    options.add_argument("--alone", choices=["ours", "theirs"], help=argparse.SUPPRESS)
    asked = options.parse_args()
    model = load_model("smollm2-135m-instruct", lambda text: print(text, file=sys.stderr))
    model.use(adapter(model, lambda text: print(text, file=sys.stderr)))
    for shared in map(int, asked.shared.split(",")):
        questions = prompts(model, asked.prompts, block(model, shared) if shared else "")
        if asked.alone:
            return alone(model, questions, asked.alone)
        found = compare(model, questions, asked.every)
        print(
            f"{shared or 'no'} shared tokens: {found['prompts']} prompts of {found['prompt_tokens']:.0f} tokens,"
            f" answers of {found['answer_tokens']:.0f}: {found['tokens_per_second']:.0f} tokens/s against"
            f" {found['theirs_tokens_per_second']:.0f}, {found['ratio']:.2f} times as fast; {found['equal']} of"
            f" {found['both']} answers equal, of the others {found['ties']} ties",
            flush=True,
        )
    for count in map(int, filter(None, asked.memory.split(","))):
        mine, their = (peak(who, count, 0) / 2**20 for who in ("ours", "theirs"))
        print(f"peak memory with {count} prompts, nothing shared: {mine:.0f} MiB against {their:.0f} MiB", flush=True)


if __name__ == "__main__":
    main()
